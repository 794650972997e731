#!/usr/bin/env bats
# The fence: what the tree of a run may write to, whatever it does; and "raw", what it may do with the layers' own paths.
# What passes the union by is had from bin/fence.c, with the guard off.
# shellcheck disable=SC2016,SC2030,SC2031 # what is quoted so is for the shell in the union

load helpers

setup() {
    case $BATS_TEST_TMPDIR in /tmp/*) skip 'the tests lie in /tmp: set TMPDIR, or use test/run' ;; esac
    "$UNIONRUN" doctor --json | jq -e '.run.fence.covers == "full"' >/dev/null || skip 'no Landlock'
}

# each CLAIM: in a workspace of root's and in one of a plain user's; the lowers and what is around stay as they were
each() {
    [ "$(id -u)" != 0 ] || one root "$1"
    one user "$1"
}

one() {
    echo "# by $1"
    workspace "$1"
    as sh -euc 'cd "$1"; mkdir out out/empty lowers/1 lowers/2 lowers/1/d lowers/1/empty lowers/2/d
        echo one >lowers/1/d/f; echo two >lowers/2/d/g; echo gone >lowers/2/gone; echo out >out/file' sh "$W"
    OPTIONS=()
    local before after # a claim may set before anew
    before=$(lower_digest "$W"/lowers/*; surroundings)
    "$2"
    after=$(lower_digest "$W"/lowers/*; surroundings)
    same "lowers and surroundings, by $1" "$before" "$after"
}

# inside SCRIPT: by sh in the union's target; $1 is the workspace. There `refuses ERROR CMD...` is for commands that
# must fail and say so, and `bare CALL PATH...` a system call that the shim does not see (bin/fence.c).
inside() {
    as "$UNIONRUN" "${OPTIONS[@]}" --lower "$W/lowers/1" --lower "$W/lowers/2" --upper "$UPPER" --target "$TARGET" -- \
        sh -euc 'refuses() {
            error=$1; shift
            if said=$("$@" 2>&1); then echo "done: $*"; return 1; fi
            case $said in *"$error"*) ;; *) echo "$*: $said"; return 1 ;; esac
        }
        bare() { "'"$REPO"'/build/test/fence" "$@"; }
        cd "'"$TARGET"'"'$'\n'"$1" sh "$W"
}

outside_writes() {
    OPTIONS=(--guard=off)
    inside 'refuses "Permission denied" tee "$1/out/file"
        refuses "Permission denied" mv "$1/out/file" "$1/out/new"
        for call in write update read-trunc truncate reopen unlink; do refuses "Permission denied" bare $call "$1/out/file"; done
        for call in make mkdir mkfifo symlink; do refuses "Permission denied" bare $call "$1/out/new"; done
        refuses "Permission denied" bare tmpfile "$1/out"
        refuses "Permission denied" bare rmdir "$1/out/empty"
        refuses "Permission denied" bare rename "$1/out/file" "$1/out/new"
        refuses "" bare rename "$1/out/file" "$1/up/upper/new"
        refuses "" bare exchange "$1/out/file" d/f
        refuses "cross-device" bare link "$1/out/file" "$1/up/upper/new"
        refuses "Permission denied" bare make "$1/new"'
}
@test "programs can write nowhere outside, with the shim or without" { each outside_writes; }

lower_writes() {
    OPTIONS=(--guard=off)
    inside 'for call in write update read-trunc truncate reopen unlink; do refuses "Permission denied" bare $call "$1/lowers/1/d/f"; done
        for call in make mkdir mkfifo symlink; do refuses "Permission denied" bare $call "$1/lowers/2/new"; done
        refuses "Permission denied" bare tmpfile "$1/lowers/1"
        refuses "Permission denied" bare rmdir "$1/lowers/1/empty"
        refuses "Permission denied" bare rename "$1/lowers/1/d/f" "$1/lowers/1/d/h"
        refuses "" bare rename "$1/lowers/1/d/f" "$1/up/upper/f"
        refuses "" bare rename "$1/lowers/1" "$1/lowers/3"
        refuses "cross-device" bare link "$1/lowers/1/d/f" "$1/up/upper/f"
        bare make "$1/up/upper/g"
        refuses "" bare link "$1/up/upper/g" "$1/lowers/1/g"
        refuses "" bare exchange "$1/up/upper/g" "$1/lowers/1/d/f"'
}
@test "a lower's data and names can be changed in no way, also without the shim and the guard" { each lower_writes; }

writable_list() {
    as mkdir "$W/up/list"
    as touch "$W/up/file"
    OPTIONS=(--guard=off --writable "$W/up/list" --writable "$W/up/file")
    inside 'echo a >"$1/up/list/a"; mkdir "$1/up/list/d"; mv "$1/up/list/a" "$1/up/list/d/b"; rm "$1/up/list/d/b"
        bare make "$1/up/list/c"; ln "$1/up/list/c" "$1/up/list/d/c"; chmod 600 "$1/up/list/c"
        echo b >"$1/up/file"; bare update "$1/up/file"
        refuses "Permission denied" rm -f "$1/up/file"
        refuses "Permission denied" touch "$1/up/new"
        t=$(mktemp -p /tmp); echo x >"$t"; rm "$t"'
    [ "$(cat "$W/up/file")" = b ]
    [ -f "$W/up/list/d/c" ]
}
@test "--writable adds directories and files" { each writable_list; }

writable_file() {
    as mkdir "$W/up/list"
    as sh -c 'echo "{\"mounts\":[{\"target\":\"../t\",\"lower\":[\"../lowers/1\",\"../lowers/2\"],\"upper\":\"upper\"}],\"writable\":[\"list\"]}" >"$1"' sh "$W/up/l.json"
    as "$UNIONRUN" --layers "$W/up/l.json" -- sh -euc 'touch "$1/up/list/x"; echo >/dev/null
        if touch "/tmp/unionrun-fence-$$" 2>/dev/null; then rm "/tmp/unionrun-fence-$$"; exit 1; fi' sh "$W"
}
@test "a list in the layer file replaces /tmp and /dev/shm, but not the devices" { each writable_file; }

in_the_union() {
    inside 'echo changed >d/f; mv d/f top; mkdir -p x/y; mv top x/y/z; mv d moved; mv x moved/x; ln moved/x/y/z hard
        rm gone; echo anew >gone; ln -s hard soft; mkfifo fifo; mv moved/g gone; rm -r moved; cp -a hard copy; chmod 600 copy
        refuses "" test -e d
        truncate -s 3 hard; [ "$(cat soft)" = cha ]; mktemp -p . >/dev/null; sed -i s/cha/new/ hard; [ "$(cat hard)" = new ]
        exec 3<>copy; echo by-fd >/proc/self/fd/3; [ "$(cat copy)" = by-fd ]'
}
@test "in the union everything can be changed, also by renames between directories" { each in_the_union; }

build() {
    as cp "$REPO/test/bin/hard.c" "$W/lowers/1/hard.c"
    as sh -c 'printf "all: prog\n\nprog: hard.o\n\tgcc -o \$@ \$^ -pthread -ldl\n\nhard.o: hard.c\n\tgcc -c -D_GNU_SOURCE -o \$@ \$<\n" >"$1"' sh "$W/lowers/2/Makefile"
    inside 'TMPDIR=/tmp make -s && test -x prog; tar cf a.tar prog Makefile; mkdir x; tar xf a.tar -C x; gzip a.tar'
}
@test "compilers, make, tar and gzip do their work in the fence" {
    needs gcc
    needs make
    build_one() { workspace "$1"; as mkdir "$W/lowers/1" "$W/lowers/2"; OPTIONS=(--fence=require); build; }
    [ "$(id -u)" != 0 ] || build_one root
    build_one user
}

devices() {
    needs python3
    inside 'echo >/dev/null; bare write /dev/zero; bare update /dev/tty || test $? = 1; head -c 1 /dev/urandom >/dev/null
        python3 -c "import os
m, s = os.openpty()
os.write(os.open(os.ttyname(s), os.O_WRONLY | os.O_NOCTTY), b\"x\")
r, w = os.pipe()
os.write(os.open(f\"/proc/self/fd/{w}\", os.O_WRONLY), b\"x\")
f = os.memfd_create(\"m\")
os.write(os.open(f\"/proc/self/fd/{f}\", os.O_RDWR), b\"x\")"'
}
@test "devices that keep nothing, terminals, pipes and memory files can be written" { each devices; }

own_proc() {
    if [ "$WHO" = user ]; then
        inside 'echo named >/proc/self/comm; bare update /proc/self/comm'
    else
        inside 'refuses "Permission denied" sh -c "echo 1 >/proc/sys/kernel/printk"'
    fi
}
@test "a plain user's processes can write to their own /proc, root's not to /proc/sys" { each own_proc; }

mounts() {
    inside 'refuses "" unshare -Ur sh -c "mount --bind \"$1/up/upper\" \"$1/lowers/1\"" sh "$1"
        refuses "" unshare -m sh -c "mount -t tmpfs none \"\$0\"" "$1/lowers/1"'
}
@test "nothing can be mounted in the fence" {
    needs unshare
    each mounts
}

privileges() {
    local expected=1
    [ "$WHO" = user ] || expected=0
    [ "$(inside 'sed -n s/NoNewPrivs:.//p /proc/self/status')" = "$expected" ] || [ "$WHO" = root ]
    [ "$(OPTIONS=(--fence=off --guard=off); inside 'sed -n s/NoNewPrivs:.//p /proc/self/status')" = 0 ]
}
@test "only where the kernel wants it are the command's privileges held (no_new_privs)" { each privileges; }

off() {
    OPTIONS=(--fence=off --guard=off)
    run inside 'touch "$1/up/free"; echo done'
    [ "$output" = "done" ]
}
@test "--fence=off fences nothing and says nothing" { each off; }

partly() {
    OPTIONS=(--writable "$W")
    run inside 'echo done'
    echo "$output"
    [ "$status" -eq 0 ]
    [ "${lines[1]}" = "done" ]
    [ "${#lines[@]}" -eq 2 ]
    [[ ${lines[0]} == "unionrun: the lower $W/lowers/1 (and 1 more) lies in $W, which programs may write to: "* ]]
    OPTIONS+=(--fence=require)
    run inside 'touch "$1/up/ran"'
    echo "$output"
    [ "$status" -eq 125 ]
    [[ $output == "unionrun: --fence=require: the lower $W/lowers/1 (and 1 more) lies in $W, which"* ]]
    [ "${#lines[@]}" -eq 1 ]
    [ ! -e "$W/up/ran" ]
}
@test "a lower in a writable path: auto says so once, require refuses before the command starts" { each partly; }

@test "without Landlock auto says so once, and require refuses" {
    needs python3
    workspace user
    as mkdir "$W/lowers/1" "$W/lowers/2"
    cat >"$W/without.py" <<'END'
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
code = [(0x20, 0, 0, 0), (0x15, 0, 1, 444), (0x06, 0, 0, 0x50000 | 95), (0x06, 0, 0, 0x7fff0000)]
room = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(room)))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])
END
    chmod a+r "$W/without.py"
    mount=(--lower "$W/lowers/1" --upper "$UPPER" --target "$TARGET" --guard=off)
    run as python3 "$W/without.py" "$UNIONRUN" "${mount[@]}" -- echo ran
    echo "$output"
    [ "$status" -eq 0 ]
    [[ ${lines[0]} == 'unionrun: Landlock is not among the security modules '*': programs that pass the union by can write'* ]]
    [ "${lines[1]}" = ran ]
    run as python3 "$W/without.py" "$UNIONRUN" "${mount[@]}" --fence=require -- echo ran
    [ "$status" -eq 125 ]
    [[ $output == 'unionrun: --fence=require: Landlock is not among'* && $output != *$'\nran' ]]
}

@test "in place of / the host stays as it is, but for the upper" {
    workspace root
    [ "$(id -u)" = 0 ] || skip 'for root'
    echo host >"$W/file"
    as "$UNIONRUN" --fence=require --target / --lower / --upper "$UPPER" -- sh -euc 'echo union >"$1"; echo >/dev/null
        echo x >/tmp/unionrun-in-place; echo y >/dev/shm/unionrun-in-place; rm /dev/shm/unionrun-in-place' sh "$W/file"
    [ "$(cat "$W/file")" = host ]
    [ "$(cat "$UPPER$W/file")" = union ]
    [ "$(cat "$UPPER/tmp/unionrun-in-place")" = x ]
    [ ! -e /tmp/unionrun-in-place ]
}

@test "a lower's device can be written, by a copy in the upper" {
    [ "$(id -u)" = 0 ] || skip 'makes a device'
    workspace root
    as mkdir "$W/lowers/1" "$W/lowers/2"
    mknod "$W/lowers/1/null" c 1 3
    OPTIONS=()
    inside 'echo x >null; test -c null; python3 -c "
import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")"; refuses "No such device or address" tee sock'
    [ "$(stat -c %t:%T "$UPPER/null")" = 1:3 ]
}

# --- what a run leaves for the next, whose launcher is in no fence ---

journal() {
    inside 'true'
    as chmod 0750 "$W/lowers/1/d" "$W/out"
    before=$(lower_digest "$W"/lowers/*; surroundings)
    as mkdir -m 0750 "$UPPER/own"
    as ln -s "$W/lowers/1" "$UPPER/way"
    # As a mode that was lent is noted: 0050 would be given back to what has 0750.
    local note n=0 own=$UPPER.work/unionrun
    for note in "$W/lowers/1/d" "$UPPER/../../lowers/1/d" "$UPPER/way/d" "$UPPER/own/../../../out" "$W/out" relative; do
        as ln -s "mode 50 $(stat -Lc %i "$note" || echo 1) $note" "$own/journal/$((n++))"
    done
    as ln -s "mode 50 $(stat -c %i "$UPPER/own") $UPPER/own" "$own/journal/own"
    inside 'true'
    [ "$(stat -c %a "$UPPER/own")" = 50 ]
    [ -z "$(find "$own/journal" -type l)" ]
}
@test "a forged journal changes no mode outside the upper" { each journal; }

redirects() {
    needs setfattr
    inside 'mkdir new'
    as setfattr -n user.overlay.redirect -v "/../../out" "$UPPER/new"
    inside '[ -z "$(ls new)" ]; refuses "" test -e new/file; refuses "No such file" rm new/file'
}
@test "a forged redirect leads out of no layer" { each redirects; }

# --- raw ---

raw_hide() {
    inside 'for path in lowers/1 lowers/2/gone up/upper up/upper.work; do
            refuses "No such file" ls "$1/$path"
            refuses "No such file" cat "$1/$path/x"
        done'
}
@test "raw=hide: the layers' own paths are not there" { each raw_hide; }

raw_read_only() {
    inside 'rm gone; echo new >d/new; echo changed >d/f; rm d/g'
    OPTIONS=(--raw=read-only)
    inside '[ "$(cat "$1/lowers/2/gone")" = gone ]; [ "$(cat "$1/lowers/1/d/f")" = one ]; [ "$(cat "$1/up/upper/d/new")" = new ]
        [ "$(ls -x "$1/lowers/1/d")" = f ]; [ "$(ls -x "$1/lowers/2/d")" = g ]; [ "$(ls -x "$1/lowers/2")" = "d  gone" ]
        [ "$(find "$1/lowers" | wc -l)" = 9 ]
        cp -r "$1/lowers/2" copy; [ "$(cat copy/gone copy/d/g)" = "gone
two" ]
        tar cf - -C "$1/lowers" . | tar tf - | grep -qx ./2/gone
        [ "$(stat -c %s "$1/lowers/1/d/f")" = 4 ]; [ "$(cat d/f)" = changed ]
        for where in lowers/1 up/upper; do
            refuses "Read-only" touch "$1/$where/new"
            refuses "Read-only" tee "$1/$where/new"
            refuses "Read-only" tee "$1/$where/d/f"
            refuses "Read-only" mkdir "$1/$where/new"
            refuses "Read-only" ln -s x "$1/$where/new"
            refuses "Read-only" mkfifo "$1/$where/new"
            refuses "Read-only" rm -f "$1/$where/d/f"
            refuses "Read-only" chmod 777 "$1/$where/d/f"
            refuses "Read-only" touch "$1/$where/d/f"
            refuses "Read-only" truncate -s 0 "$1/$where/d/f"
            refuses "Read-only" mv "$1/$where/d/f" "$1/$where/d/h"
            refuses "cross-device" ln "$1/$where/d/f" /tmp/unionrun-linked
            refuses "" rmdir "$1/$where/d"
            refuses "" test -w "$1/$where/d/f"
        done
        refuses "Read-only" touch "$1/up/upper.work/new"
        [ "$(df --output=target "$1/lowers/1" | wc -l)" = 2 ]'
}
@test "raw=read-only: the layers' own paths are read as they are, and every change is EROFS" { each raw_read_only; }

raw_allow() {
    OPTIONS=(--raw=allow)
    inside 'rm gone; [ "$(cat "$1/lowers/2/gone")" = gone ]; [ "$(ls -x "$1/lowers/2")" = "d  gone" ]
        echo x >"$1/up/upper/raw"; [ "$(cat raw)" = x ]; mv "$1/up/upper/raw" "$1/up/upper/raw2"; chmod 600 "$1/up/upper/raw2"
        refuses "Read-only" touch "$1/lowers/1/new"
        refuses "Read-only" chmod 777 "$1/lowers/1/d/f"
        refuses "Read-only" rm -f "$1/lowers/1/d/f"'
}
@test "raw=allow: the upper's own paths can be changed, the lowers' still not" { each raw_allow; }

no_session() {
    for raw in hide read-only allow; do
        OPTIONS=("--raw=$raw")
        inside 'refuses "No such file" ls "$UNIONRUN_SESSION"; refuses "No such file" cat "$UNIONRUN_SESSION/table"'
    done
}
@test "the session directory is hidden, whatever raw says" { each no_session; }

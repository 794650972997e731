#!/usr/bin/env bats
# The guard: programs that no preloaded object sees are in the union too. Each proof is made with the guard alone
# (--no-preload) and with shim and guard, of programs linked dynamically and statically, of root's and of a plain user's.
#
#   GUARD_KINDS='dynamic-alone dynamic-both static-alone static-both'  GUARD_USERS='root user'
#                          all of it; if not set, those two of the four that have nothing in common
#   GUARD_WITHIN='COMMAND...'  what runs unionrun: build/test/contained, say
#   GUARD_MODES='alone both'   the same for programs, which run with the guard alone if nothing is said
#   test/programs/guard-try shows the difference of a single call

load helpers

setup_file() {
    export STATIC=$BATS_FILE_TMPDIR/static
    mkdir "$STATIC" "$BATS_FILE_TMPDIR/given-go" "$BATS_FILE_TMPDIR/given-rust"
    chmod go+x "$BATS_FILE_TMPDIR"
    local source name sources
    for source in "$BATS_TEST_DIRNAME"/bin/raw-*.c "$BATS_TEST_DIRNAME/differ"; do
        name=$(basename "${source%.c}")
        sources=("$source")
        [ ! -d "$source" ] || sources=("$source"/*.c)
        gcc -std=gnu11 -D_GNU_SOURCE -I"$BATS_TEST_DIRNAME/.." -O2 -static -o "$STATIC/$name" "${sources[@]}" -pthread || true
    done
}

needs_guard() {
    has_guard || skip 'no guard is built in'
}

# as_guarded alone|both: from here on `union` is with the guard, and $UNIONRUN a script that says so
as_guarded() {
    local options=--guard=require
    [ "$1" = both ] || options+=' --no-preload'
    UNIONRUN=$W/unionrun-$1
    printf '#!/bin/sh\nexec %s %q %s "$@"\n' "${GUARD_WITHIN:-}" "$REPO/unionrun" "$options" >"$UNIONRUN"
    chmod 755 "$UNIONRUN"
}

# each_user FUNCTION ARGUMENT...: in a workspace of each
each_user() {
    local who
    for who in ${GUARD_USERS:-root user}; do
        [ "$who" = user ] || [ "$(id -u)" = 0 ] || continue
        echo "# by $who"
        workspace "$who"
        "$@"
    done
}

# Of the lowers in /tmp, which may be written: where bats has its files
no_word() { grep -v '^unionrun: the lower .* lies in ' || true; }

empty_target() {
    chmod -R u+rwx "$TARGET" 2>/dev/null || true # some may be another's
    rm -rf "$TARGET"
    as mkdir "$TARGET"
}

# --- each call ---------------------------------------------------------------------------------------------------

# What the README says is otherwise ("What is not covered"), and what is the kernel's own way with things that nobody is
# known to depend on; each of these tests differs from a plain directory somewhere:
LIMITS=(
    openat2_beneath openat2_no_symlinks openat2_beneath_no_symlinks openat2_in_root openat2_no_magiclinks openat2_wrong # ENOSYS
    xattrat                                          # ENOSYS
    interrupted_calls                                # EINTR before the guard has heard of the call
    traced                                           # a static program under a tracer
    addresses_of_streams addresses_of_datagrams      # told as absolute paths
    shut_directory                                   # rmdir of a directory of mode 0000 that is not empty: EACCES
    errors                                           # a name of all 108 bytes, which has become longer
    o_path linkat_descriptor                         # an O_PATH descriptor of a symlink, by /proc/self/fd
    through_proc                                     # lchown of the link in /proc itself: outside, says the fence
    changed_programs big_arguments execveat          # of scripts: ETXTBSY, E2BIG, $0 when run by a descriptor
    results                                          # getdents into memory of which half is there
)

# The tests of raw-FAMILY without those
tests_of() {
    sed -n 's/^TEST(\([a-z0-9_]*\)).*/\1/p' "$BATS_TEST_DIRNAME/bin/raw-$1.c" | grep -vxF "$(printf '%s\n' "${LIMITS[@]}")"
}

# /proc/PID/comm is the name of what was found, where that was reached by a symlink or a #! line
beside_comm() { grep -v '^prog: comm: ' || true; }

# The program raw-FAMILY, TEST... of it or all, in the plain directory and in each kind of union
family() {
    local family=$1 kind link mode program plain digests failed=()
    shift
    # shellcheck disable=SC2046 # names of tests
    [ $# -gt 0 ] || set -- $(tests_of "$family")
    for kind in ${GUARD_KINDS:-dynamic-both static-alone}; do
        link=${kind%-*} mode=${kind#*-}
        program=$REPO/build/test/raw-$family
        [ "$link" = dynamic ] || program=$STATIC/raw-$family
        [ -x "$program" ] || { echo "$program is not there"; return 1; }
        rm -rf "$W/layers"
        "$PROGRAMS/guard-layers" "$W/layers" "$TARGET" "$program" "$([ "$(id -u)$WHO" != 0user ] || echo "$PLAIN_USER")"
        LOWERS=("$W/layers/1" "$W/layers/2")
        [ ! -f "$W/huge" ] || cp "$W/huge" "$W/layers/2/huge"
        cp -aT "$W/layers/plain" "$TARGET"
        plain=$(as "$program" "$TARGET" "$@" 2>&1 </dev/null | beside_comm)
        [ -n "$plain" ]
        empty_target
        digests=$(lower_digest "${LOWERS[@]}")
        as_guarded "$mode"
        chmod -R u+rwx "$UPPER" "$UPPER.work" 2>/dev/null || true
        rm -rf "$UPPER" "$UPPER.work"
        cp -a "$W/layers/upper" "$UPPER"
        echo "# raw-$family, $kind, by $WHO"
        same "raw-$family" "$plain" "$(union timeout -k 5 400 "$program" "$TARGET" "$@" 2>&1 </dev/null | no_word | beside_comm)" || failed+=("$kind")
        same 'the lowers' "$digests" "$(lower_digest "${LOWERS[@]}")" || failed+=("$kind/LOWERS")
        same 'the target, with nothing written beneath' '' "$(ls -A "$TARGET")" || failed+=("$kind/target")
    done
    [ ${#failed[@]} = 0 ] || { echo "raw-$family differs, by $WHO: ${failed[*]}"; false; }
}

@test "inline open, openat, openat2, creat, /proc/self, O_PATH, O_TMPFILE, FIFOs, umask: as in a plain directory" {
    needs_guard
    each_user family open
}
@test "inline stat, statx, access, readlink, statfs: as in a plain directory, and the same file by each" {
    needs_guard
    each_user family stat
}
@test "inline unlink, rmdir, mkdir, mknod, symlink, rename, link: as in a plain directory" {
    needs_guard
    each_user family names
}
@test "inline chmod, chown, utime, truncate, xattrs, by path and by descriptor: as in a plain directory" {
    needs_guard
    each_user family meta
}
@test "inline chdir, fchdir, getcwd, getdents, getdents64 with their place: as in a plain directory" {
    needs_guard
    each_user family dirs
}
@test "inline execve and execveat of programs and scripts: as in a plain directory" {
    needs_guard
    each_user family exec
}
@test "inline AF_UNIX bind, connect, sendto, and inotify: as in a plain directory" {
    needs_guard
    each_user family net
}
@test "inline calls with wrong pointers, paths, descriptors, flags: the errors of a plain directory" {
    needs_guard
    each_user family wrong
}

refused() {
    local mode said digests
    "$PROGRAMS/guard-layers" "$W/layers" "$TARGET" "$STATIC/raw-refused" "$([ "$(id -u)$WHO" != 0user ] || echo "$PLAIN_USER")"
    LOWERS=("$W/layers/1" "$W/layers/2")
    digests=$(lower_digest "${LOWERS[@]}")
    for mode in ${GUARD_MODES:-alone both}; do
        as_guarded "$mode"
        rm -rf "$UPPER" "$UPPER.work"
        cp -a "$W/layers/upper" "$UPPER"
        said=$(union "$STATIC/raw-refused" "$TARGET" 2>&1 </dev/null | no_word)
        echo "# $mode, by $WHO"
        echo "$said"
        fails grep -E 'SUCCEEDED|signal (4|11)$|ended' <<<"$said"
        grep -q '^io_uring: io_uring_setup ENOSYS$' <<<"$said"
        grep -q '^mounts: chroot EPERM$' <<<"$said"
        [ "$(grep -c '^mounts: ' <<<"$said")" = 18 ]
        fails grep '^mounts: ' <(grep -vE ' (EPERM|ENOSYS|EACCES)$' <<<"$said")
        fails grep '^handles: ' <(grep -vE ' (EPERM|ENOSYS|EACCES)$' <<<"$said")
        same 'the lowers' "$digests" "$(lower_digest "${LOWERS[@]}")"
    done
}
@test "mounts, chroot, handles, io_uring, i386's and x32's numbers are refused" {
    needs_guard
    each_user refused
}

# What was asked of the host's names before is asked again: cat is another process each time, so only the guard remembers.
# shellcheck disable=SC2016 # for the shell in the union
becomes_the_unions() {
    local mode h=$W/host
    as mkdir -p "$h" "$W/lowers/1/dir"
    as sh -c 'echo union >"$1"' sh "$W/lowers/1/dir/name"
    # shellcheck disable=SC2034 # union's
    UNION_OPTIONS=(--writable "$h")
    for mode in alone both; do
        as_guarded "$mode"
        same "the host's names that come to lead into the union, $mode, by $WHO" "$(printf '%s\n' {1..4}' host host union union')" \
            "$(union sh -c '
                h=$1 t=$2
                begin() {
                    rm -rf "$h/a" "$h/b" "$h/c"
                    mkdir -p "$h/a/dir"
                    echo host >"$h/a/dir/name"
                    look
                }
                look() { cat "$h/a/dir/name" && cat "$h/a/dir/name"; }
                one() { begin; rm -r "$h/a"; ln -s "$t" "$h/a"; look; }
                two() { begin; mv "$h/a" "$h/b"; ln -s "$t" "$h/c"; mv "$h/c" "$h/a"; look; }
                three() { begin; ln -s "$t" "$h/c"; rm -r "$h/a"; ln -P "$h/c" "$h/a"; look; }
                four() { begin; rm "$h/a/dir/name"; ln -s "$t/dir/name" "$h/a/dir/name"; look; }
                n=0
                for way in one two three four; do echo $((n += 1)) $($way); done' sh "$h" "$TARGET" 2>&1 </dev/null | no_word)"
    done
}
@test "a name of the host's that becomes a way into the union is one from then on" {
    needs_guard
    each_user becomes_the_unions
}

# --- many callers, slow ones, dead ones -----------------------------------------------------------------------------

@test "32 threads, 300 processes, blocked and faulting and killed callers: nobody is held up, nothing is lost" {
    needs_guard
    each_user family load threads processes one_copy blocked_by_a_fifo many_blocked faulting_path killed_callers exits_while_others_call execs_at_once
}

slow_copies() {
    local said
    GUARD_KINDS=static-alone
    as_guarded alone
    "$PROGRAMS/guard-layers" "$W/layers" "$TARGET" "$STATIC/raw-load" "$([ "$(id -u)$WHO" != 0user ] || echo "$PLAIN_USER")"
    head -c "${GUARD_HUGE:-400M}" /dev/urandom >"$W/layers/2/huge"
    [ "$(id -u)$WHO" != 0user ] || chown "$PLAIN_USER:" "$W/layers/2/huge"
    LOWERS=("$W/layers/1" "$W/layers/2")
    cp -a "$W/layers/upper" "$UPPER"
    said=$(union timeout 200 "$STATIC/raw-load" "$TARGET" slow_copy 2>&1 </dev/null | no_word)
    same "a slow copy, by $WHO" $'slow_copy: copied: 1\nslow_copy:   exit 0\nslow_copy: calls of others while it was copied: many, failures: 0' "$said"
    cmp "$W/layers/2/huge" "$UPPER/huge"
    rm -rf "$UPPER" "$UPPER.work"
    cp -a "$W/layers/upper" "$UPPER"
    said=$(union timeout 200 "$STATIC/raw-load" "$TARGET" copy_killed 2>&1 </dev/null | no_word)
    echo "$said"
    [ "$(grep -c '^copy_killed: killed at once: 1$' <<<"$said")" = 3 ]
    grep -qx 'copy_killed: the same file: 1' <<<"$said"
    grep -qx 'copy_killed: changed in the end: 0' <<<"$said"
    grep -q 'size 10,' <<<"$said"
    same 'what the work directory keeps' '' "$(find "$UPPER.work" -size +1M)"
    rm -rf "$W/layers" "$UPPER"
}
@test "a copy of a huge file holds up nobody, and leaves nothing behind when its caller is killed" {
    needs_guard
    each_user slow_copies
}

# The processes of the run: the target is in the environment of each (HOME)
of_the_run() {
    local env
    for env in /proc/[0-9]*/environ; do
        grep -qzF "HOME=$TARGET/home" "$env" 2>/dev/null && env=${env#/proc/} && echo "${env%/environ}"
    done || true
}
supervisors() { # those that hold a seccomp listener
    local pid
    for pid in $(of_the_run); do
        [ -z "$(find "/proc/$pid/fd" -lname '*seccomp notify*' 2>/dev/null)" ] || echo "$pid"
    done || true
}
dead_supervisor() {
    local mode pid status began left=0
    mkdir -p "$W/lowers/1"
    echo low >"$W/lowers/1/low"
    mkfifo "$W/lowers/1/fifo"
    [ "$(id -u)$WHO" != 0user ] || chown -R "$PLAIN_USER:" "$W/lowers"
    cp /bin/busybox "$W/busybox"
    for mode in ${GUARD_MODES:-alone both}; do
        as_guarded "$mode"
        # One that computes, one that blocks in an open, one that calls again and again, one that has left its session
        # shellcheck disable=SC2016
        union "$W/busybox" sh -c 'cd "$1"
            busybox=$2
            (while :; do :; done) &
            $busybox cat fifo &
            (while :; do $busybox cat low; done) >/dev/null 2>&1 &
            $busybox setsid $busybox sleep 600 &
            echo started
            while :; do [ -e low ]; done' sh "$TARGET" "$W/busybox" >"$W/said.$mode" 2>"$W/error.$mode" 3>&- &
        began=$SECONDS
        until grep -q started "$W/said.$mode"; do
            sleep 0.1
            [ $((SECONDS - began)) -lt 60 ]
        done
        pid=$(supervisors)
        echo "supervisor by $WHO, $mode: $pid, of $(of_the_run | tr '\n' ' ')"
        [ "$(wc -w <<<"$pid")" = 1 ]
        kill -KILL "$pid"
        status=0
        wait $! || status=$?
        began=$SECONDS
        while [ "$(of_the_run)" ] && [ $((SECONDS - began)) -lt 60 ]; do sleep 0.2; done
        cat "$W/error.$mode"
        for pid in $(of_the_run); do
            echo "left over: $(tr '\0' ' ' <"/proc/$pid/cmdline") $(cat "/proc/$pid/wchan" 2>/dev/null)"
            kill -KILL "$pid"
            left=1
        done
        [ $left = 0 ]
        [ "$status" != 0 ]
        [ -s "$W/error.$mode" ] || { echo 'no word of it'; false; }
    done
}
@test "when the supervisor is killed its tree ends, with a word, and nothing hangs" {
    needs_guard
    each_user dead_supervisor
}

# --- programs ---------------------------------------------------------------------------------------------------------

# NAME[:FUNCTION]: programs/NAME.sh in the plain directory and in each kind of union; as in programs.bats
program() {
    local program=$1 layer since before after expected printed digests outside status mode failed=()
    since=$(date +%s)
    rm -rf "$W/lowers" "$W/given"
    as mkdir "$W/lowers"
    [ -z "${GIVEN:-}" ] || cp -r "$GIVEN" "$W/given"
    as "$PROGRAMS/act" "${program%:*}" lowers "$W/lowers"
    LOWERS=()
    for layer in $(printf '%s\n' "$W"/lowers/* | sort -r); do
        as cp -aT --remove-destination "$layer" "$TARGET"
    done
    before=$(tree "$since")
    printed_by as "$PROGRAMS/act" "$program" run "$TARGET" || { echo "$printed"; echo "fails in a plain directory, by $WHO"; false; }
    expected=$printed
    after=$(tree "$since")
    empty_target
    digests=$(lower_digest "$W"/lowers/*)
    for mode in ${GUARD_MODES:-alone}; do
        as_guarded "$mode"
        outside=$(surroundings)
        chmod -R u+rwx "$UPPER" "$UPPER.work" 2>/dev/null || true
        rm -rf "$UPPER" "$UPPER.work"
        echo "# $program, $mode, by $WHO"
        same "the tree before" "$before" "$(union tree "$since")" || failed+=("$mode/before")
        status=0
        printed_by union timeout -k 5 600 "$PROGRAMS/act" "$program" run "$TARGET" </dev/null 2>"$BATS_TEST_TMPDIR/word" || status=$?
        same "what is printed" "$expected" "$printed" || failed+=("$mode/printed")
        [ "$status" = 0 ] || failed+=("$mode/status $status")
        same "the tree after" "$after" "$(union tree "$since")" || failed+=("$mode/after")
        same "the lowers" "$digests" "$(lower_digest "$W"/lowers/*)" || failed+=("$mode/LOWERS")
        same "the surroundings" "$outside" "$(surroundings)" || failed+=("$mode/surroundings")
    done
    [ ${#failed[@]} = 0 ] || { echo "$program differs, by $WHO: ${failed[*]}"; false; }
}

@test "busybox sh, static: ls, find, stat, du, readlink as in a plain directory" {
    needs busybox
    needs_guard
    each_user program busybox-static:run_lists
}
@test "busybox sh, static: cp, mv, rm -r, mkdir -p, ln, chmod, touch, dd as in a plain directory" {
    needs busybox
    needs_guard
    each_user program busybox-static:run_changes
}
@test "busybox sh, static: sed -i, vi, ed, patch, diff, grep -r, sort as in a plain directory" {
    needs busybox
    needs_guard
    each_user program busybox-static:run_edits
}
@test "busybox sh, static: tar, gzip, bzip2, cpio, ar as in a plain directory" {
    needs busybox
    needs_guard
    each_user program busybox-static:run_archives
}
@test "busybox sh, static: redirections, globs, scripts, a hundred in the background as in a plain directory" {
    needs busybox
    needs_guard
    each_user program busybox-static:run_shell
}

@test "a Go program without libc does everything of os.* as in a plain directory" {
    needs go
    needs_guard
    GIVEN=$BATS_FILE_TMPDIR/given-go
    [ -x "$GIVEN/everything" ] || env HOME=/nonexistent GOCACHE="$BATS_TEST_TMPDIR/cache" CGO_ENABLED=0 GO111MODULE=off \
        go build -trimpath -o "$GIVEN/everything" "$BATS_TEST_DIRNAME/bin/raw-everything.go"
    each_user program go-static:run_everything
}
@test "go build, vet, test and mod of a module over the layers, with its cache in the union, as in a plain directory" {
    needs go
    needs_guard
    GIVEN=$BATS_FILE_TMPDIR/given-go
    touch "$GIVEN/everything"
    each_user program go-static:run_build
}
@test "a static Rust program does everything of std::fs as in a plain directory" {
    needs rustc
    needs_guard
    GIVEN=$BATS_FILE_TMPDIR/given-rust
    [ -x "$GIVEN/everything" ] || rustc --edition 2021 -C target-feature=+crt-static -o "$GIVEN/everything" "$BATS_TEST_DIRNAME/bin/raw-everything.rs"
    each_user program rust-static:run
}
@test "a program on liburing finds no ring in a union and opens as in a plain directory" {
    [ -e /usr/include/liburing.h ] || skip 'liburing-dev is not installed'
    needs_guard
    each_user ring
}
ring() {
    program guard-uring:run
    same "io_uring, by $WHO" 'Function not implemented' "$(union "$PROGRAMS/act" guard-uring:run_inside run "$TARGET" 2>/dev/null)"
}

# --- random operations ----------------------------------------------------------------------------------------------------

# The judge of differential.bats (in /var/tmp: a word about lowers in /tmp would be a difference), with the guard in the shim's place: $1 alone|both, $2 dynamic|static
judged() {
    local seed differ=()
    as_guarded "$1"
    [ "$2" = dynamic ] || export DIFFER_UNION_OPS=$STATIC/differ
    "$BATS_TEST_DIRNAME/differ/run" --union-cmd plain --ops 0
    for seed in $(seq "${DIFFER_FIRST:-1}" $((${DIFFER_FIRST:-1} + ${DIFFER_SEEDS:-2} - 1))); do
        differ=("$BATS_TEST_DIRNAME/differ/run" --union-cmd "$UNIONRUN" --seed "$seed" --ops "${DIFFER_OPS:-5000}" --without 'kept-rdonly,root')
        if [ "$(id -u)$WHO" = 0user ]; then
            DIFFER_TIMEOUT=400 setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all env TMPDIR=/var/tmp "${differ[@]}"
        else
            DIFFER_TIMEOUT=400 env TMPDIR=/var/tmp "${differ[@]}"
        fi
    done
    unset DIFFER_UNION_OPS
}
@test "with the guard alone a union is a plain directory to random operations" {
    needs_guard
    each_user judged alone dynamic
}
@test "with the guard alone a union is a plain directory to random operations of a static program" {
    needs_guard
    [ -x "$STATIC/differ" ] || skip 'no static libc'
    each_user judged alone static
}
@test "with shim and guard a union is a plain directory to random operations" {
    needs_guard
    each_user judged both dynamic
}

# --- beside other tools -------------------------------------------------------------------------------------------------

traced_start() {
    local mode program words said=$BATS_TEST_TMPDIR/gdb
    rm -rf "$W/lowers"
    as mkdir "$W/lowers" "$W/lowers/1"
    # shellcheck disable=SC2016 # for the shell
    as sh -c 'echo low >"$1/low"; cp /bin/cat "$1/dynamic"; cp /bin/busybox "$1/busybox"' sh "$W/lowers/1"
    for mode in ${GUARD_MODES:-alone both}; do
        as_guarded "$mode"
        for program in dynamic 'busybox cat'; do
            echo "# $program, $mode, by $WHO"
            read -ra words <<<"$TARGET/$program $TARGET/low"
            same strace low "$(union strace -qq -f -o /dev/null "${words[@]}" 2>&1 | no_word)"
            command -v gdb >/dev/null || continue
            # dash has one string for the path and for $0, which cannot be changed for the one and stay for the other
            [ "$mode" = both ] ||
                union env SHELL=/bin/dash gdb -q -batch -ex run --args "${words[@]}" 2>&1 </dev/null |
                grep 'a program that is traced and has no shim cannot start this'
            union env SHELL=/bin/bash gdb -q -batch -ex run --args "${words[@]}" >"$said" 2>&1 </dev/null
            grep -qx low "$said" || { cat "$said"; false; }
        done
    done
}
@test "strace and gdb start programs of a union" {
    needs strace
    needs busybox
    needs_guard
    each_user traced_start
}

# --- in a container with docker's profile, which refuses what hands over descriptors -----------------------------------------

contained() {
    local GUARD_KINDS=static-alone GUARD_WITHIN="$REPO/build/test/contained EPERM pidfd_getfd,kcmp,unshare"
    # shellcheck disable=SC2046 # names of tests
    family dirs $(tests_of dirs | grep -vx cwd_of_a_child) # which unshares
    family meta
    family net
}
@test "where descriptors cannot be fetched: directories, metadata, sockets' names and watches as in a plain directory" {
    needs_guard
    each_user contained
}

# --- without what other tools need ------------------------------------------------------------------------------------------

# user.max_user_namespaces counts in each namespace for those within it, so it is set in one of our own, with everybody in it:
# other tests go on, and it can be set where the host's cannot.
@test "all of it works where user namespaces are forbidden, and /dev/fuse" {
    needs_guard
    needs python3
    [ "$(id -u)" = 0 ] || skip 'not root'
    workspace user
    # Nor can /dev/fuse be opened, whatever its mode: another file lies over it.
    install -m 0 /dev/null "$W/fuse"
    cat >"$W/forbidden.py" <<'END'
import ctypes, os, sys
(began, begin), (mapped, map_) = os.pipe(), os.pipe()
if os.fork() == 0:
    os.read(began, 1)
    for ids in "uid", "gid":
        with open(f"/proc/{os.getppid()}/{ids}_map", "w") as f: f.write("0 0 4294967295")
    os.write(map_, b"x")
    os._exit(0)
libc = ctypes.CDLL(None)
if libc.unshare(0x10020000): sys.exit(99) # of users, and of mounts
os.write(begin, b"x")
os.close(map_)
if os.read(mapped, 1) != b"x": sys.exit(99)
os.wait()
fuse = sys.argv.pop(1).encode()
if os.path.exists("/dev/fuse") and libc.mount(fuse, b"/dev/fuse", None, 4096, None): sys.exit(99)
with open("/proc/sys/user/max_user_namespaces", "w") as f: f.write("0")
os.execvp(sys.argv[1], sys.argv[1:])
END
    # shellcheck disable=SC2317 # called by what follows
    as_user() {
        clean_env "$PLAIN_USER" python3 "$W/forbidden.py" "$W/fuse" setpriv --reuid="$PLAIN_USER" --regid="$PLAIN_USER" --init-groups \
            --inh-caps=-all "$@"
    }
    local status=0
    as true || status=$?
    [ "$status" != 99 ] || skip 'no user namespaces here to begin with'
    fails as unshare --user true
    [ "$(as cat /proc/sys/user/max_user_namespaces)" = 0 ]
    fails as sh -c ': </dev/fuse'
    family names
    family exec
    rm -rf "$W/lowers"
    program busybox-static:run_changes
}

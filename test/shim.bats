#!/usr/bin/env bats
# The shim: each hooked call, made in a union and in a plain directory, does the same.

load helpers
load calls

CALLS=(calls-files calls-dirs calls-stdio calls-programs calls-sockets calls-ids)

hard() {
    workspace "$2"
    mkdir -p "$W"/lowers/{1,2}/d
    touch "$W/lowers/1/d/high" "$W/lowers/2/d/low"
    echo text >"$W/lowers/2/f"
    [ "$WHO" = root ] || [ "$(id -u)" != 0 ] || chown -R "$PLAIN_USER:" "$W/lowers"
    local digests
    digests=$(lower_digest "$W"/lowers/*)
    in_target union timeout 300 "$REPO/build/test/hard" "$1"
    same 'the lowers' "$digests" "$(lower_digest "$W"/lowers/*)"
}

# A small union to run shell lines in: files `low` and `high`.
two_layers() {
    workspace root
    mkdir -p "$W"/lowers/{1,2}/d
    echo high >"$W/lowers/1/high"
    echo low >"$W/lowers/2/low"
}

# --- each call ------------------------------------------------------------------------------------------------

@test "open, stat, access, names, metadata, xattrs and times: each call as in a plain directory, as root" {
    same_calls calls-files root
}
@test "open, stat, access, names, metadata, xattrs and times: each call as in a plain directory, as a plain user" {
    same_calls calls-files user
}
@test "directory streams, scandir, glob, ftw, nftw, fts, getcwd, realpath: each call as in a plain directory, as root" {
    same_calls calls-dirs root
}
@test "directory streams, scandir, glob, ftw, nftw, fts, getcwd, realpath: each call as in a plain directory, as a plain user" {
    same_calls calls-dirs user
}
@test "streams and temporary names: each call as in a plain directory, as root" {
    same_calls calls-stdio root
}
@test "streams and temporary names: each call as in a plain directory, as a plain user" {
    same_calls calls-stdio user
}
@test "exec, posix_spawn, system, popen, dlopen: each call as in a plain directory, as root" {
    same_calls calls-programs root
}
@test "exec, posix_spawn, system, popen, dlopen: each call as in a plain directory, as a plain user" {
    same_calls calls-programs user
}
@test "AF_UNIX sockets, watches, syscall(): each call as in a plain directory, as root" {
    same_calls calls-sockets root
}
@test "AF_UNIX sockets, watches, syscall(): each call as in a plain directory, as a plain user" {
    same_calls calls-sockets user
}
@test "who one is, and becoming another: each call as in a plain directory, as root" {
    same_calls calls-ids root
}
@test "who one is, and becoming another: each call as in a plain directory, as a plain user" {
    same_calls calls-ids user
}

@test "a pointer that leads nowhere, to a path or to a result, is EFAULT, as in a plain directory" {
    same_calls calls-wrong root
    same_calls calls-wrong user
}

@test "mounts, roots, swap, accounting, quotas and file handles are refused, to root too" {
    two_layers
    local said expected calls=calls-refused
    mkdir "$W/lowers/1/f" "$W/lowers/1/d/mount"
    expected=$("$REPO/build/test/$calls" list | sed 's/$/ EPERM/')
    for UNION_OPTIONS in --guard=auto --guard=off; do
        said=$(in_target union "$REPO/build/test/$calls")
        same "$UNION_OPTIONS" "$expected" "$(sed -n 's/^\(.*\): .* = /\1 /p' <<<"$said" | uniq)"
    done
}

@test "numbers that are refused are refused to syscall() too, by shim and guard alike; what no table knows is ENOSYS" {
    [ "$(id -u)" = 0 ] || skip 'the kernel refuses most of them to a plain user'
    two_layers
    local mode rows column=3
    [ "$(uname -m)" = x86_64 ] || column=4
    rows=$(sed -n 's/^CALL(\(.*\))$/\1/p' "$REPO/engine/numbers.def" | tr -d , | awk -v n=$((column - 1)) '
        $4 ~ /^REFUSED_/ && $n >= 0 { sub("REFUSED_", "", $4); sub("EOPNOTSUPP", "ENOTSUP", $4); print $1, $n, $4 }
        END { print "hole", 400, "ENOSYS"; print "tomorrow", 511, "ENOSYS"; print "later", 600, "ENOSYS"; print "none", -1002, "ENOSYS" }')
    [ "$(wc -l <<<"$rows")" -gt 25 ]
    echo "$rows" >"$W/rows"
    for mode in --guard=off --guard=require --no-preload; do
        UNION_OPTIONS=("$mode" --raw=read-only)
        same "$mode" "$rows" "$(in_target union python3 -c '
import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
for line in open(sys.argv[1]):
    name, number, _ = line.split()
    ret = libc.syscall(ctypes.c_long(int(number)), -1, None, None, None, None, None)
    print(name, number, ret if ret >= 0 else errno.errorcode[ctypes.get_errno()])' "$W/rows")"
    done
}

# --- in hard places -----------------------------------------------------------------------------------------------

@test "eight threads of 16 KiB stack make all calls" {
    hard small-stacks root
}
@test "eight threads of 16 KiB stack make all calls, as a plain user" {
    hard small-stacks user
}
@test "eight threads append to one lower file: one copy-up, and nothing is lost" {
    hard one-file root
}
@test "eight threads read one directory stream: each entry comes once" {
    hard one-stream root
}
@test "a fork among threads that are in calls gives a child that can make them" {
    hard fork-in-threads root
}
@test "a signal handler opens, renames and execs while the program does" {
    hard signal-handlers root
}
@test "children of vfork leave nothing in their parent's memory, exec or not" {
    hard vfork root
}
@test "a program that closes every descriptor, 0 to 2 as well, still sees the union" {
    hard closed-descriptors root
}
@test "a thread is cancelled in accept and recvfrom while it waits there" {
    hard cancellation root
}
@test "calls that succeed leave errno alone" {
    hard errno root
}

numbers() { # numbers WHO [raw] [OPTION...]: of unionrun
    local raw=
    workspace "$1"
    shift
    [ "${1-}" != raw ] || { raw=raw && shift; }
    mkdir -p "$W/lowers/1/one" "$W/lowers/2/two"
    printf 1 >"$W/lowers/1/one/x"
    printf 22 >"$W/lowers/2/two/x"
    UNION_OPTIONS=("$@")
    same 'what it says' ok "$(in_target union timeout 300 "$REPO/build/test/numbers" ${raw:+"$raw"})"
}
@test "a descriptor number and the cwd mean what they were last made to, by whatever call" { numbers root raw; }
@test "a descriptor number and the cwd mean what they were last made to, for a plain user without a guard" {
    numbers user --guard=off --fence=off
}

# --- environments --------------------------------------------------------------------------------------------------

# shellcheck disable=SC2016 # for the shells in the union
@test "env -i and a cleared LD_PRELOAD stay in the union" {
    two_layers
    same 'env -i' $'d\nhigh\nlow' "$(in_target union env -i /bin/ls)"
    same 'unset' $'d\nhigh\nlow' "$(in_target union sh -c 'unset LD_PRELOAD UNIONRUN_SESSION; exec ls')"
    same 'twice' $'d\nhigh\nlow' "$(in_target union sh -c 'LD_PRELOAD= env -i sh -c "exec env -i ls"')"
    same 'execle' $'high' "$(in_target union perl -e '%ENV = (); exec "/bin/cat", "high"')"
    same 'a changed session' $'low' "$(in_target union env UNIONRUN_SESSION=/none cat low)"
}

# shellcheck disable=SC2016
@test "the shim stands in LD_PRELOAD once, and last" {
    two_layers
    local shim=$REPO/build/unionrun.so
    same 'alone' "$shim" "$(in_target union sh -c 'exec printenv LD_PRELOAD')"
    same 'behind another' "libm.so.6:$shim" "$(in_target union sh -c "LD_PRELOAD='$shim libm.so.6 $shim' exec printenv LD_PRELOAD")"
    same 'only once in the environment' 1 "$(in_target union env -i A=1 env | grep -c ^LD_PRELOAD=)"
}

# shellcheck disable=SC2016
@test "fakeroot works in the union, and what it fakes is seen there" {
    needs fakeroot
    two_layers
    same 'owner' '12:34' "$(in_target union fakeroot sh -c 'chown 12:34 low && stat -c %u:%g low')"
    same 'listing' $'d\nhigh\nlow' "$(in_target union fakeroot ls)"
    same 'owner outside' "$(id -u):$(id -g)" "$(stat -c %u:%g "$W/lowers/2/low")"
}

@test "a program with jemalloc or tcmalloc preloaded starts, and sees the union" {
    two_layers
    local lib found=
    for lib in libjemalloc.so.2 libtcmalloc.so.4 libtcmalloc_minimal.so.4; do
        ldconfig -p | grep -q "$lib" || continue
        found=1
        same "$lib" $'d\nhigh\nlow' "$(in_target union env LD_PRELOAD=$lib ls)"
        same "$lib, python" "['d', 'high', 'low']" \
            "$(in_target union env LD_PRELOAD=$lib python3 -c 'import os; print(sorted(os.listdir()))')"
    done
    [ -n "$found" ] || skip 'neither is installed'
}

@test "a program under ASan runs with verify_asan_link_order=0" {
    two_layers
    cat >"$W/asan.c" <<'END'
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void) {
    struct stat st;
    char *path = realpath("high", NULL);
    DIR *d = opendir(".");
    int n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    FILE *f = fopen("low", "r+");
    printf("%d %d %d\n", n, stat("low", &st) == 0 && path && f, system("test -e high"));
    fclose(f);
    free(path);
}
END
    gcc -fsanitize=address -o "$W/asan" "$W/asan.c" || skip 'no ASan'
    same 'ASan' '5 1 0' "$(in_target union env ASAN_OPTIONS=verify_asan_link_order=0 "$W/asan" 2>&1)"
}

# shellcheck disable=SC2016
@test "a program with its own loader in the union is run by it, and /proc/self/exe and AT_EXECFN tell the program" {
    workspace root
    local loader
    loader=$(readelf -l /bin/readlink | sed -n 's/.*program interpreter: \(.*\)]/\1/p')
    mkdir -p "$W/lowers/1/bin" "$W/lowers/2"
    cp -L "$loader" "$W/lowers/2/ld.so"
    cat >"$W/exe.c" <<'END'
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>
int main(int argc, char **argv) {
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path);
    printf("%s %d %.*s %s %s %s\n", argv[0], argc, (int)n, path, realpath("/proc/self/exe", NULL),
           getenv("UNIONRUN_EXE") ? "UNIONRUN_EXE is seen" : program_invocation_name, (char *)getauxval(AT_EXECFN));
    fflush(stdout);
    if (argc == 2)
        execl("/proc/self/exe", "again", "2", "3", NULL);
}
END
    gcc -D_GNU_SOURCE -Wl,--dynamic-linker="$TARGET/ld.so" -o "$W/lowers/1/bin/exe" "$W/exe.c"
    printf '#!%s/bin/exe 1\n' "$TARGET" >"$W/lowers/1/script"
    chmod +x "$W/lowers/1/script"
    local exe=$TARGET/bin/exe
    same 'a program' "bin/exe 2 $exe $exe bin/exe bin/exe
again 3 $exe $exe again /proc/self/exe" "$(in_target union bin/exe x)"
    same 'argv[0]' "other 1 $exe $exe other $exe" "$(in_target union bash -c 'exec -a other bin/exe')"
    same 'a script' "$exe 4 $exe $exe $exe ./script" "$(in_target union ./script x)"
}

@test "a script whose interpreter is a script in the union runs, five in a row, and six are too many" {
    workspace root
    mkdir -p "$W"/lowers/{1,2}
    local i before=/bin/echo plain
    for i in 1 2 3 4 5 6; do
        printf '#!%s a%s\n' "$before" "$i" >"$W/lowers/$((i % 2 + 1))/s$i"
        before=$TARGET/s$i
    done
    printf '#!%s/s2\n' "$TARGET" >"$W/outside"
    chmod +x "$W"/lowers/*/s? "$W/outside"
    as cp -a "$W/lowers/1/." "$W/lowers/2/." "$TARGET"
    # shellcheck disable=SC2016
    local each='for i in 1 2 3 4 5 6; do "./s$i" x y 2>/dev/null || echo "s$i: $?"; done; ../outside z; exec -a other ./s3'
    plain=$(in_target as bash -c "$each")
    rm "$TARGET"/*
    same 'scripts' "$plain" "$(in_target union bash -c "$each")"
    [[ $plain = *'s6: 126'* ]]
}

@test "a socket whose real path is longer than an address is bound and reached" {
    two_layers
    UPPER=$W/up/$(printf '%0120d' 0)/upper
    mkdir -p "${UPPER%/*}"
    same 'by a long path' 'hello' "$(in_target union python3 -c '
import socket
server = socket.socket(socket.AF_UNIX)
server.bind("d/socket")
server.listen()
client = socket.socket(socket.AF_UNIX)
client.connect("d/socket")
conn, _ = server.accept()
client.send(b"hello")
print(conn.recv(5).decode())')"
    [ -S "$UPPER/d/socket" ]
}

@test "a watch for reading, or on what one may not write, copies nothing up" {
    [ "$(id -u)" = 0 ] || skip 'not root'
    workspace user
    mkdir -p "$W/lowers/1/d" "$W/lowers/2/d"
    echo text | tee "$W/lowers/1/others" "$W/lowers/2/d/others" >"$W/lowers/2/own"
    chown "$PLAIN_USER:" "$W/lowers/2/own"
    local guard watch='import ctypes, sys
libc = ctypes.CDLL(None)
fd = libc.inotify_init()
read, change = 0x31, 0xfce
print([libc.inotify_add_watch(fd, name, mask) for name, mask in
       ((b"own", read), (b"others", change), (b"d/others", change), (b"d", change), (b".", read))])'
    for guard in --guard=off --guard=auto --no-preload; do
        # shellcheck disable=SC2034 # union() takes it
        UNION_OPTIONS=("$guard") UPPER=$W/up/upper$guard
        same "$guard" '[1, 2, 3, 4, 5]' "$(in_target union python3 -c "$watch")"
        same 'the upper' '' "$(ls -A "$UPPER")"
    done
    in_target union python3 -c "${watch//read, change = 0x31/read, change = 2}"
    same 'for changes' own "$(ls -A "$UPPER")"
}

# --- the gate -------------------------------------------------------------------------------------------------------

# What is left to libc and ld.so is told union paths: a freopen's place-holder, what a codeset or a library needs. (What the
# name service reads for initgroups is each host's own.)
@test "every hook's system calls come from the gate, and no raw path by another way" {
    [ "$(uname -m)" = x86_64 ] || skip 'the program knows x86_64 only'
    local program out=$BATS_TEST_TMPDIR/out status LOWERS
    for program in "${CALLS[@]}"; do
        # shellcheck disable=SC2034 # union() has it
        LOWERS=()
        rm -rf "$BATS_TEST_TMPDIR/root"
        workspace root
        layers_for "$program"
        status=0
        UNION_OPTIONS=(--guard=off --fence=off)
        in_target union "$REPO/build/test/gate" "$out.$program" "$REPO/build/test/$program" >"$BATS_TEST_TMPDIR/said" 2>&1 || status=$?
        [ "$status" -ne 77 ] || skip 'no seccomp listener to be had'
        [ "$status" = 0 ] || tail "$BATS_TEST_TMPDIR/said"
        same "$program" 0 "$status"
        grep -q "^start $program openat /.*/libc.so.6" "$out.$program" # it does look on
        same 'raw paths' '' "$(grep -E " ($W/lowers|$W/up|/dev/shm/unionrun-|/tmp/unionrun-)" "$out.$program" || true)"
    done
    same 'left to libc' '_IO_fopen openat /dev/null
dl_iterate_phdr openat TARGET/n/told.so
dladdr openat TARGET/n/told.so
dladdr1 openat TARGET/n/told.so
dlerror openat TARGET/bin/hello
dlerror openat TARGET/bin/none
dlerror openat TARGET/n/told.so
dlinfo openat TARGET/n/told.so
dlmopen openat ./bin/lib.so
dlmopen openat ./bin/none.so
dlmopen openat TARGET/bin/lib.so
dlopen openat ./bin/hello
dlopen openat ./bin/lib.so
dlopen openat ./bin/none.so
dlopen openat TARGET/bin/../bin/lib.so
dlopen openat TARGET/bin/lib.so
fopen openat /dev/null
fopen openat GCONV
fopen64 openat /dev/null
fopen_ccs openat /dev/null
freopen openat /dev/null
freopen64 openat /dev/null
freopen_stdout openat /dev/null
wordexp execve /bin/sh
wordexp openat .
wordexp openat /dev/null
wordexp openat /home/of
wordexp openat d
wordexp openat d/wordexp' "$(awk '$1 !~ /^(child|start|initgroups)$/ && $4 != "" { print $1, $3, $4 }' "$out".* |
        sed "s,$TARGET,TARGET,; s,/[^ ]*/gconv/.*,GCONV," | LC_ALL=C sort -u)"
}

# Layers for a program that sets a filter, and what it does in a plain directory.
filter_layers() {
    workspace "$1"
    mkdir -p "$W"/lowers/{1,2}/d
    echo high | tee "$W/lowers/1/high" >"$W/lowers/1/d/high"
    echo low | tee "$W/lowers/2/low" >"$W/lowers/2/d/low"
    ln -s low "$W/lowers/1/link"
    [ "$WHO" = root ] || [ "$(id -u)" != 0 ] || chown -hR "$PLAIN_USER:" "$W/lowers"
}

own_filter() {
    local how plain
    for how in prctl seccomp by-number fork exec; do
        rm -rf "${BATS_TEST_TMPDIR:?}/$1"
        filter_layers "$1"
        as cp -a "$W/lowers/1/." "$W/lowers/2/." "$TARGET"
        plain=$(in_target as "$REPO/build/test/gate-filter" "$how" 2>&1)
        [[ $plain = *'filter: set'* ]]
        rm -rf "$TARGET"
        as mkdir "$TARGET"
        # shellcheck disable=SC2034 # union() takes it
        UNION_OPTIONS=(--guard=require)
        same "$how" "$plain" "$(in_target union "$REPO/build/test/gate-filter" "$how" 2>&1)"
    done
}
@test "a program with a seccomp filter of its own makes its own calls only, and sees the union" {
    own_filter root
}
@test "a program with a seccomp filter of its own makes its own calls only, and sees the union, as a plain user" {
    own_filter user
}

@test "Landlock is off for a program in a union" {
    filter_layers root
    same 'by number' EOPNOTSUPP "$(in_target union "$REPO/build/test/gate-filter" landlock | sed -n 's/^landlock: //p')"
}

# --- the object -----------------------------------------------------------------------------------------------------

# The names of the rows of symbols.def that are hooked.
rows() { sed -n 's/^UR_\(HOOK([^,]*\|ALIAS(\|OWN(\)[, ]*\([A-Za-z0-9_]*\).*/\2/p' "$REPO/shim/symbols.def" | sort; }

@test "the object exports the hooks of symbols.def, and nothing else" {
    same 'exported' "$(rows)" "$(nm -D --defined-only "$REPO/build/unionrun.so" | awk '{ print $3 }' | sort)"
    same 'no row twice' '' "$(rows | uniq -d)"
}

@test "every hook is called by a test of its name" {
    local program programs=("${CALLS[@]}" calls-refused)
    same 'tested' "$(rows)" "$(for program in "${programs[@]}"; do
        "$REPO/build/test/$program" list
    done | sort -u | comm -12 - <(rows))"
    # The linker warns of five of these, and glibc has no getdents: they are looked up by dlsym.
    same 'not imported' 'getdents getwd mktemp tempnam tmpnam tmpnam_r' "$(for program in "${programs[@]}"; do
        nm -D --undefined-only "$REPO/build/test/$program" | awk '{ sub(/@.*/, "", $2); print $2 }'
    done | sort -u | comm -13 - <(rows) | xargs)"
}

@test "every number that syscall() has a meaning for is called by a test" {
    local rows
    rows=$(sed -n 's/^UR_CALL(\([a-z0-9_]*\),.*/SYS_\1/p' "$REPO/shim/syscalls.def" | sort)
    [ "$(wc -l <<<"$rows")" -gt 70 ]
    same 'tested' "$rows" "$(grep -oh '\bSYS_[a-z0-9_]*' "$REPO"/test/bin/calls-{sockets,refused,ids}.c | sort -u | comm -12 - <(echo "$rows"))"
}

@test "the object needs libc alone, and no symbol version above 2.17" {
    same 'needed' 'libc.so.6' "$(readelf -dW "$REPO/build/unionrun.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')"
    local highest
    highest=$(readelf -VW "$REPO/build/unionrun.so" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)
    echo "$highest"
    [ "$(printf '%s\nGLIBC_2.17\n' "$highest" | sort -V | tail -1)" = GLIBC_2.17 ]
}

@test "without a session the shim changes nothing" {
    workspace root
    local bare with
    bare=$(cd "$W" && as find . /proc/self/cwd/ -maxdepth 1 | sort)
    with=$(cd "$W" && as env LD_PRELOAD="$REPO/build/unionrun.so" find . /proc/self/cwd/ -maxdepth 1 | sort)
    same 'find' "$bare" "$with"
    with=$(cd "$W" && as env LD_PRELOAD="$REPO/build/unionrun.so" UNIONRUN_SESSION=/none find . /proc/self/cwd/ -maxdepth 1 | sort)
    same 'with a session that is gone' "$bare" "$with"
    local call='import ctypes; f = ctypes.CDLL(None).realpath; f.restype = ctypes.c_char_p; print(f(b"./lowers/..", None))'
    with=$(cd "$W" && as env LD_PRELOAD="$REPO/build/unionrun.so" python3 -c "$call")
    same 'realpath' "b'$W'" "$with"
    call='import ctypes, os; os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
f = ctypes.CDLL(None).realpath; f.restype = ctypes.c_char_p; print(f(b".", None), f(b"..", None))'
    with=$(cd "$W" && as env LD_PRELOAD="$REPO/build/unionrun.so" python3 -c "$call")
    same 'realpath in a removed cwd' 'None None' "$with"
}

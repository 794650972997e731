#!/usr/bin/env bats
# The start of a program: what it costs, and that what the run remembers of programs is not believed once they are others.

# shellcheck disable=SC2034 # UNION_OPTIONS is read by helpers.bash

load helpers

bats_require_minimum_version 1.5.0

# One layer, and $W/host beside the union.
host_and_union() {
    workspace "$1"
    as mkdir "$W/lowers/1" "$W/host"
    UNION_OPTIONS=("${@:2}" --writable "$W/host")
}

# Programs are remembered when they have been there for more than two seconds.
let_it_settle() {
    local now
    until now=$(date +%s) && [ $((now - $(stat -c %Z "$1"))) -gt 3 ]; do sleep 0.2; done
}

# --- what is remembered -----------------------------------------------------------------------------------------------

@test "a program that the run knows costs its next child one call more than a bare start, and one of a union two" {
    needs strace
    workspace root
    as mkdir "$W/lowers/1"
    as cp /bin/true "$W/lowers/1/true"
    let_it_settle "$W/lowers/1/true"
    cat >"$W/starts.py" <<'END'
import os, sys
for i in range(3):
    child = os.fork()
    if child == 0: os.execv(sys.argv[1], ["true"])
    os.waitpid(child, 0)
END
    local program calls=
    for program in /bin/true "$TARGET/true"; do
        calls+=' newfstatat(AT_FDCWD,'
        as strace -f -o "$W/trace" -e trace=all "$UNIONRUN" --guard=off --lower "$W/lowers/1" --target "$TARGET" -- \
            python3 -S -E "$W/starts.py" "$program"
        # Of each child: what the shim may call before its exec.
        # shellcheck disable=SC2016 # awk's own
        run -0 awk '/ execve\("[^"]*\/true"/ { print calls[$1]; next } $2 ~ /^(rt_sigprocmask|getcpu|newfstatat|openat|mmap|munmap|mprotect|readlinkat|faccessat2|pread64|fstat|close)\(/ { calls[$1] = calls[$1] " " $2 }' "$W/trace"
        echo "$output"
        [ "${#lines[@]}" = 3 ]
        [[ ${lines[0]} == *openat* ]] # its plan
        same 'the second' "$calls" "${lines[1]}"
        same 'the third' "$calls" "${lines[2]}"
    done
}

@test "a program that is replaced by a script, a link into the union or other bytes, or goes, is what it is now" {
    for who in root user; do
        for net in --guard=auto --guard=off; do
            [ "$(id -u)" = 0 ] || [ "$who" = user ] || continue
            host_and_union "$who" "$net"
            # Only the union has these.
            # shellcheck disable=SC2016 # for sh
            as sh -c 'mkdir "$1/bin" && cp /bin/echo "$1/bin/interpreter" && ln -s interpreter "$1/bin/link" &&
                printf "#!/bin/sh\necho in the union: \$*\n" >"$1/bin/script" && chmod +x "$1/bin/script"' sh "$W/lowers/1"
            for program in plain script link bytes gone; do as cp /bin/echo "$W/host/$program"; done
            let_it_settle "$W/host/gone"
            expected="plain
script
link
bytes
gone
plain
interpreter $W/host/script script
in the union: link
other
ENOENT"
            same "$who $net" "$expected" "$(union python3 -S -c '
import errno, os, sys
host, target = sys.argv[1:]
def start(name):
    child = os.fork()
    if child == 0:
        try: os.execv(host + "/" + name, [name, name])
        except OSError as e:
            os.write(1, errno.errorcode[e.errno].encode())
            os._exit(1)
    os.waitpid(child, 0)
names = "plain", "script", "link", "bytes", "gone"
for name in names: start(name)
with open(host + "/new", "w") as f: f.write(f"#!{target}/bin/interpreter interpreter\n")
os.chmod(host + "/new", 0o755)
os.rename(host + "/new", host + "/script")
os.unlink(host + "/link")
os.symlink(target + "/bin/script", host + "/link")
size = os.stat(host + "/bytes").st_size
with open(host + "/bytes", "w") as f: f.write("#!/bin/sh\necho other\nexit\n".ljust(size))
os.unlink(host + "/gone")
for name in names: start(name)' "$W/host" "$TARGET" 2>&1)"
            rm -rf "$W"
        done
    done
}

@test "a program of a union that is replaced, changed, covered or moved is what it is now, and may be started by whom it may" {
    for who in root user; do
        for net in --guard=auto --guard=off; do
            [ "$(id -u)" = 0 ] || [ "$who" = user ] || continue
            workspace "$who"
            UNION_OPTIONS=("$net")
            as mkdir -p "$W/lowers/1/dir" "$W/lowers/1/other" "$W/lowers/2/dir"
            for program in plain rewritten renamed script link gone modes dir/it other/it; do
                as cp /bin/echo "$W/lowers/1/$program"
            done
            as cp /bin/cat "$W/lowers/1/cat"
            as cp /bin/cat "$W/lowers/2/dir/it"
            let_it_settle "$W/lowers/2/dir/it"
            expected="plain
rewritten
renamed
script
link
gone
modes
dir/it
plain
rewritten: other
cat: renamed: No such file or directory
script: script
cat: link: No such file or directory
gone: ENOENT
modes: EACCES
cat: dir/it: No such file or directory
modes
moved/it
ENOENT"
            # shellcheck disable=SC2016 # for the shell in the script
            same "$who $net" "$expected" "$(union python3 -S -c '
import errno, os, shutil, sys
os.chdir("/")
target = sys.argv[1] + "/"
def start(name, tell=""):
    child = os.fork()
    if child == 0:
        try: os.execv(target + name, ["cat", name])
        except OSError as e:
            os.write(1, (tell + errno.errorcode[e.errno] + "\n").encode())
            os._exit(1)
    os.waitpid(child, 0)
names = "plain", "rewritten", "renamed", "script", "link", "gone", "modes", "dir/it"
for name in names: start(name)
with open(target + "rewritten", "w") as f: f.write("#!/bin/sh\necho rewritten: other\n")
shutil.copy(target + "cat", target + "new")
os.rename(target + "new", target + "renamed")
with open(target + "new", "w") as f: f.write("#!/bin/sh\necho script: $1\n")
os.chmod(target + "new", 0o755)
os.rename(target + "new", target + "script")
os.unlink(target + "link")
os.symlink("cat", target + "link")
os.unlink(target + "gone")
os.chmod(target + "modes", 0o644)
os.rename(target + "dir", target + "moved")
os.mkdir(target + "dir")
shutil.copy(target + "cat", target + "dir/it")
for name in names: start(name, name + ": ")
os.chmod(target + "modes", 0o755)
start("modes")
start("moved/it")
os.unlink(target + "moved/it")
start("moved/it")' "$TARGET" 2>&1)"
            rm -rf "$W"
        done
    done
}

@test "what a program is told by is the same whether the run knows it or not" {
    echo '#include <stdio.h>
    #include <sys/auxv.h>
    int main(void) { puts((const char *)getauxval(AT_EXECFN)); }' >"$BATS_TEST_TMPDIR/execfn.c"
    gcc -o "$BATS_TEST_TMPDIR/execfn" "$BATS_TEST_TMPDIR/execfn.c"
    for net in --guard=auto --guard=off; do
        host_and_union root "$net"
        for at in "$W/host" "$W/lowers/1"; do
            as cp /bin/cat "$at/known"
            as cp "$BATS_TEST_TMPDIR/execfn" "$at/execfn"
        done
        let_it_settle "$W/lowers/1/execfn"
        for at in "$W/host" "$TARGET"; do
            # shellcheck disable=SC2016 # for the shell in the union
            same "$net $at" "$(for _ in 1 2 3; do printf '%s\n' known "$at/known" A=b "$at/execfn"; done)" "$(union sh -c '
                for i in 1 2 3; do
                    "$1/known" /proc/self/comm
                    cd / && "$1/known" /proc/self/cmdline | tr "\0" "\n" | head -n 1
                    A=b LD_PRELOAD=/none.so UNIONRUN_COMM=x "$1/known" /proc/self/environ 2>/dev/null | tr "\0" "\n" | grep -E "^(A=|UNIONRUN_COMM)"
                    "$1/execfn"
                done' sh "$at")"
        done
        rm -rf "$W"
    done
}

@test "a child of fork uses the session that its parent has mapped" {
    needs strace
    workspace root
    as mkdir "$W/lowers/1"
    cat >"$W/forks.c" <<'END'
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv) {
    for (int i = 0; i < 3; i++) {
        if (fork() == 0)
            _exit(open(argv[argc - 1], O_RDONLY) < 0);
        int status;
        if (wait(&status) < 0 || status)
            return 1;
    }
    return 0;
}
END
    gcc -o "$W/forks" "$W/forks.c"
    as strace -f -o "$W/trace" -e trace=openat "$UNIONRUN" --guard=off --lower "$W/lowers/1" --target "$TARGET" -- "$W/forks" "$W/forks.c"
    # shellcheck disable=SC2016 # awk's own
    same 'what the children open' $'1\n1\n1' "$(awk '/openat/ { opened[$1]++ } /forks.c"/ { child[$1] } END { for (pid in child) print opened[pid] }' "$W/trace")"
}

# --- the command itself -----------------------------------------------------------------------------------------------

# in_union VARIABLE=VALUE... COMMAND...: the shim alone. With LD_LIBRARY_PATH the command's start is left to the shim.
in_union() {
    as env -u LD_LIBRARY_PATH "PATH=$TARGET/bin:$W/host:/usr/bin:/bin" "${variables[@]}" \
        "$UNIONRUN" --guard=off --lower "$W/lowers/1" --target "$TARGET" -- "$@"
}

@test "without a guard a program of the host is the first that the launcher starts, and is told what the shim would tell it" {
    needs strace
    # shellcheck disable=SC2016 # for the shell in the union
    asks='tr "\0" "\n" <"/proc/$$/cmdline"; cat "/proc/$$/comm"; readlink "/proc/$$/exe"; pwd; umask; trap
        tr "\0" "\n" <"/proc/$$/environ" | grep -v ^LD_LIBRARY_PATH= | sed "s,/unionrun-[^/]*$,/session,"'
    for who in root user; do
        host_and_union "$who"
        variables=()
        { in_union sh -c "$asks" one two && in_union grep -E '^(Sig(Blk|Ign|Cgt)|Groups|NoNewPrivs)' /proc/self/status && in_union ls /proc/self/fd; } >"$W/straight"
        variables=(LD_LIBRARY_PATH=/usr/lib)
        { in_union sh -c "$asks" one two && in_union grep -E '^(Sig(Blk|Ign|Cgt)|Groups|NoNewPrivs)' /proc/self/status && in_union ls /proc/self/fd; } >"$W/by-the-shim"
        grep -q '^LD_PRELOAD=.*/unionrun.so$' "$W/straight"
        same "$who" "$(cat "$W/by-the-shim")" "$(cat "$W/straight")"
        variables=(LD_SHOW_AUXV=1)
        same 'its name' "AT_EXECFN: /usr/bin/true" "$(in_union true | grep AT_EXECFN | tail -n 1 | tr -s ' ')"
        rm -rf "$W"
    done
    workspace root
    as mkdir "$W/lowers/1"
    as strace -f -o "$W/trace" -e trace=execve "$UNIONRUN" --guard=off --lower "$W/lowers/1" --target "$TARGET" -- true
    run -0 grep -oE '"[^"]*(unionrun-exec|/true)"' "$W/trace"
    same 'what is started' '"/usr/bin/true"' "$(tail -n 1 <<<"$output")"
    [[ $output != *unionrun-exec* ]]
}

@test "without a guard a command is what the union has of that name, by every way to it" {
    for who in root user; do
        host_and_union "$who"
        variables=()
        # shellcheck disable=SC2016 # for sh
        as sh -c 'cd "$1/lowers/1" && mkdir bin && printf "#!/bin/sh\necho of the union: \$0 \$*\n" >bin/true && chmod 755 bin/true &&
            cp /bin/echo bin/tell && touch bin/false && ln -s "$2/bin/true" "$1/host/link" && cp /bin/false "$1/host/own" &&
            ln -s "$2/bin" "$1/host/dir" && printf "#!/bin/sh\necho of the host: \$*\n" >"$1/host/text" && chmod 755 "$1/host/text"' sh "$W" "$TARGET"
        same script "of the union: $TARGET/bin/true a" "$(in_union true a)"
        same path "of the union: $TARGET/bin/true a" "$(in_union "$TARGET/bin/true" a)"
        same link "of the union: $W/host/link a" "$(in_union link a)"
        same 'a directory' "of the union: $W/host/dir/true a" "$(in_union "$W/host/dir/true" a)"
        same program 'a b' "$(in_union tell a b)"
        same text 'of the host: a' "$(in_union text a)"
        same relative 'of the union: ./true a' "$(cd "$TARGET" && in_union sh -c 'cd bin && exec ./true a')"
        run -1 in_union false # the union's may not be executed: the host's, behind it
        run -1 in_union own
        run -127 in_union nowhere
        [[ $output == *nowhere:* ]]
        run -127 in_union "$TARGET/bin/nowhere"
        run -126 in_union "$TARGET/bin/false"
        run -126 in_union /tmp
        run -127 in_union ''
        rm -rf "$W"
    done
}

# --- the shim's own start ---------------------------------------------------------------------------------------------

@test "the error of a program's first dlsym is told, though nobody has asked for one before" {
    workspace root
    as mkdir "$W/lowers/1"
    cat >"$W/asks.c" <<'END'
#include <dlfcn.h>
#include <stdio.h>
int main(void) {
    printf("%d\n", dlsym(RTLD_DEFAULT, "there_is_no_such_function") == NULL);
    const char *why = dlerror();
    puts(why ? why : "(nothing)");
    return dlerror() != NULL;
}
END
    gcc -o "$W/asks" "$W/asks.c" -ldl
    expected=$("$W/asks")
    [[ $expected == *there_is_no_such_function* ]]
    for net in --guard=auto --guard=off; do
        UNION_OPTIONS=("$net")
        same "$net" "$expected" "$(union "$W/asks")"
    done
}

@test "without a guard a program of a union finds its libraries there, and is spared their finder if it can need none" {
    workspace root
    as mkdir -p "$W/lowers/1/lib" "$W/lowers/2/lib" "$W/lowers/3"
    echo '#include <stdlib.h>
    const char *audit(void) { return getenv("LD_AUDIT") ? "looked for" : "none to look for"; }' >"$W/audit.c"
    echo 'const char *audit(void); const char *plugin(void) { return audit(); }' >"$W/plugin.c"
    echo '#include <stdio.h>
    const char *audit(void);
    int main(void) { puts(audit()); }' >"$W/main.c"
    echo '#include <dlfcn.h>
    #include <stdio.h>
    int main(int argc, char **argv) {
        void *at = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
        const char *(*plugin)(void) = at ? (const char *(*)(void))dlsym(at, "plugin") : NULL;
        puts(plugin ? plugin() : dlerror());
    }' >"$W/later.c"
    # What needs another finds it in another layer: by where it is itself (of the program or the plugin), or by a path.
    gcc -shared -fPIC -o "$W/lowers/2/lib/libaudit.so" "$W/audit.c"
    # shellcheck disable=SC2016 # for ld.so
    gcc -shared -fPIC -o "$W/lowers/1/lib/plugin.so" "$W/plugin.c" -L"$W/lowers/2/lib" -laudit -Wl,-rpath,'$ORIGIN'
    gcc -o "$W/lowers/3/alone" "$W/main.c" "$W/audit.c"
    # shellcheck disable=SC2016 # for ld.so
    gcc -o "$W/lowers/3/origin" "$W/main.c" -L"$W/lowers/2/lib" -laudit -Wl,-rpath,'$ORIGIN/lib'
    gcc -o "$W/lowers/3/later" "$W/later.c" -ldl
    (cd "$W/lowers/2" && gcc -shared -fPIC -o "$W/lowers/2/lib/bare.so" "$W/audit.c" &&
        gcc -o "$W/lowers/3/path" "$W/main.c" lib/bare.so)
    let_it_settle "$W/lowers/3/path"
    for net in --guard=off --guard=auto; do
        UNION_OPTIONS=("$net")
        local needed="looked for"
        [ "$net" = --guard=off ] || needed="none to look for"
        # Each twice: also as the run knows it. A shell in the union, and in the union's directory.
        # shellcheck disable=SC2016 # for the shell in the union
        same "$net" "$(for _ in 1 2; do printf '%s\n' 'none to look for' "$needed" "$needed" "$needed"; done)" "$(union sh -c 'cd "$1" && for i in 1 2; do
            "$1/alone"; "$1/origin"; "$1/later" "$1/lib/plugin.so"; "$1/path"; done' sh "$TARGET" 2>&1)"
        # A path in the environment leads any program there.
        # shellcheck disable=SC2016 # for the shell in the union
        same "$net, paths" "$needed" "$(union sh -c 'GCONV_PATH=$1/lib "$1/alone"' sh "$TARGET" 2>&1)"
    done
}

# --- with a guard -----------------------------------------------------------------------------------------------------

# How many calls the guard is sent when a shell starts `$1` programs.
sent_for() {
    local line=:
    for ((i = 0; i < $1; i++)); do line+=';/bin/true'; done
    as strace -f -o "$W/trace" -e trace=ioctl "$UNIONRUN" --guard=require --lower "$W/lowers/1" --target "$TARGET" -- sh -c "$line;:"
    grep -cE '(RECV, |resumed>)\{id=.*data=\{nr=' "$W/trace"
}

@test "the guard is asked twice for the start of a dynamic program: by ld.so, for the shim and for libc" {
    [ "$(uname -m)" = x86_64 ] || skip "ld.so's own questions are known of x86_64's"
    needs strace
    workspace root
    as mkdir "$W/lowers/1"
    local few many
    few=$(sent_for 2)
    many=$(sent_for 12)
    echo "$few for 2, $many for 12"
    [ $((many - few)) = 20 ]
}

@test "an ld.so.preload that the union has is what ld.so sees" {
    workspace root
    as mkdir "$W/lowers/1"
    echo '#include <stdio.h>
    __attribute__((constructor)) static void loaded(void) { puts("preloaded"); }' | gcc -shared -fPIC -o "$W/own.so" -xc -
    UNION_OPTIONS=(--guard=require --no-preload)
    TARGET=/etc LOWERS=("$W/lowers/1" /etc)
    same 'nothing' '' "$(union /bin/true)"
    echo "$W/own.so" >"$W/lowers/1/ld.so.preload"
    same 'its own list' preloaded "$(union /bin/true)"
}

# What a whole run of /bin/true asks by the paths of so many lowers that lie beside each other.
asked_of() { # N
    local lowers=() n
    for ((n = 1; n <= $1; n++)); do
        as mkdir -p "$W/beside/$n"
        lowers+=(--lower "$W/beside/$n")
    done
    as strace -f -e trace=%file,%desc -o "$W/calls" "$UNIONRUN" "${lowers[@]}" --target "$W/union" -- /bin/true
    grep -v execve "$W/calls" | grep -c "$W/beside"
}

@test "a lower more beside the others costs a run five calls by its path, and nothing at its end" {
    needs strace
    workspace user
    local few many
    few=$(asked_of 3)
    many=$(asked_of 43)
    echo "$few with 3, $many with 43"
    # is it there, may it be used (the check); its lock; who may, and what is noted (the index)
    [ $((many - few)) = $((5 * 40)) ]
}

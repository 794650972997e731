#!/usr/bin/env bats
# Programs of musl: the same preloaded object, the same union.
# shellcheck disable=SC2034,SC2154 # UNION_OPTIONS and printed are of helpers.bash

load helpers
load calls

setup() {
    [ -x "$REPO/build/test/musl-ops" ] || skip "musl-gcc is not installed"
}

# To the fixture of calls.bash: a program, a script and a library of musl.
more_layers() {
    cp "$REPO/build/test/musl-calls" "$1/bin/musl"
    printf '#!%s/bin/musl access\n' "$TARGET" >"$1/bin/by-musl"
    chmod +x "$1/bin/by-musl"
    echo 'int answer(void); int answer(void) { return 43; }' | musl-gcc -shared -fPIC -o "$1/bin/musl-lib.so" -xc -
}

# Random operations, by musl's functions in the union and in the plain directory. Left out is what differential.bats leaves
# out, and relative paths from a removed cwd: musl's realpath finds its way from there.
differ_by_musl() { # differ_by_musl LEFT-OUT OPTION...: of unionrun
    workspace "$WHO"
    # shellcheck disable=SC2016 # for that shell
    printf '#!/bin/sh\nexec %s %s "$@"\n' "$UNIONRUN" "${*:2}" >"$W/union"
    chmod 755 "$W/union"
    as env DIFFER_BOTH_OPS="$REPO/build/test/musl-ops" TMPDIR="$W" "$REPO/test/differ/run" --seed 11 --ops 3000 \
        --segments 2 --without "kept-rdonly,root,removed$1" --union-cmd "$W/union"
}

@test "each call of musl's as in a plain directory, as root" {
    same_calls musl-calls root
}
@test "each call of musl's as in a plain directory, as a plain user" {
    same_calls musl-calls user
}
@test "each call of musl's as in a plain directory, by the guard alone" {
    same_calls musl-calls root --no-preload
}
@test "each call of musl's as in a plain directory, by the guard alone, as a plain user" {
    same_calls musl-calls user --no-preload
}
@test "a union is a plain directory to random operations by musl's functions" {
    WHO=user differ_by_musl ''
}
@test "a union is a plain directory to random operations by musl's functions, without the guard" {
    WHO=root differ_by_musl ,walk --guard=off
}

hard_by_musl() { # a claim of bin/hard.c
    workspace root
    mkdir -p "$W"/lowers/{1,2}/d
    touch "$W/lowers/1/d/high" "$W/lowers/2/d/low"
    echo text >"$W/lowers/2/f"
    in_target union timeout 300 "$REPO/build/test/musl-hard" "$1"
}
@test "threads of musl make all calls, also on 16 KiB of stack" { hard_by_musl small-stacks; }
@test "a signal handler opens, renames and execs while a musl program does" { hard_by_musl signal-handlers; }
@test "children of musl's vfork leave nothing in their parent's memory" { hard_by_musl vfork; }
@test "a musl program that closes every descriptor still sees the union" { hard_by_musl closed-descriptors; }
@test "calls of musl's that succeed leave errno alone" { hard_by_musl errno; }

@test "a descriptor number and the cwd mean what musl's calls last made them to mean" {
    workspace root
    mkdir -p "$W/lowers/1/one" "$W/lowers/2/two"
    printf 1 >"$W/lowers/1/one/x"
    printf 22 >"$W/lowers/2/two/x"
    same 'what it says' ok "$(in_target union timeout 300 "$REPO/build/test/musl-numbers" raw)"
}

# A program whose loader, /lib/ld-musl-*.so.1 by another name, is in the union alone.
own_loader() { # own_loader [OPTION...]: of unionrun
    workspace root
    UNION_OPTIONS=("$@")
    mkdir -p "$W/lowers/1/bin"
    echo low >"$W/lowers/1/file"
    musl-gcc -o "$W/lowers/1/bin/program" -Wl,-dynamic-linker,"$TARGET/ld-musl.so.1" -xc - <<'END'
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv) {
    char exe[4096] = "";
    readlink("/proc/self/exe", exe, sizeof exe - 1);
    printf("%s %s %d\n", argv[0], exe, argc);
    return rename("file", "renamed");
}
END
    cp -L /lib/ld-musl-*.so.1 "$W/lowers/1/ld-musl.so.1"
    printed_by in_target union bash -c 'exec -a name bin/program one'
    case $* in
    --no-preload) [[ $printed == "name $TARGET/"*" 2" ]] ;; # the guard does not answer for /proc/self/exe
    *) same 'the program' "name $TARGET/bin/program 2" "$printed" ;;
    esac
    [ -e "$UPPER/renamed" ]
}
@test "musl's loader is the union's" { own_loader; }
@test "musl's loader is the union's, by the guard alone" { own_loader --no-preload; }
@test "musl's loader is the union's, without the guard" { own_loader --guard=off; }

# glibc's env and sh, and musl's chain, each started by the other, with an environment and without.
both_start_each_other() {
    workspace root
    UNION_OPTIONS=("$@")
    mkdir -p "$W/lowers/1" "$W/lowers/2"
    echo low >"$W/lowers/2/log"
    cp "$REPO/build/test/musl-chain" "$W/lowers/1/chain"
    # shellcheck disable=SC2016 # for the shell in the union
    in_target union sh -c './chain log one env -i ./chain log two /bin/sh -c "echo three >>log; exec ./chain log four ./chain log five cat log"' \
        >"$W/printed"
    same 'the log' $'low\none\ntwo\nthree\nfour\nfive' "$(cat "$W/printed")"
    same 'the lower' low "$(cat "$W/lowers/2/log")"
    same 'the upper' "$(cat "$W/printed")" "$(cat "$UPPER/log")"
}
@test "programs of glibc and of musl start each other" { both_start_each_other; }
@test "programs of glibc and of musl start each other, by the guard alone" { both_start_each_other --no-preload; }
@test "programs of glibc and of musl start each other, without the guard" { both_start_each_other --guard=off; }

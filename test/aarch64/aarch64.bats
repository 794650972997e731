#!/usr/bin/env bats
# The engine and the shim of aarch64, built by Debian's cross compiler and run by qemu-user: `make check-aarch64`.
#
# qemu-user knows no seccomp and no Landlock. So the session is made by this host's own launcher, whose fence holds for qemu
# too. qemu is a static program: this host's shim is not in it. What a program of aarch64 starts is this host's, without a
# shim; and vfork is fork there.

load ../helpers
load ../calls

setup() {
    needs qemu-aarch64-static
    PROGRAM_DIR=$BATS_TEST_TMPDIR/run
    mkdir "$PROGRAM_DIR"
}

# program NAME [LEFT-OUT] [SECONDS]: in $PROGRAM_DIR, a program that runs NAME of aarch64, with the shim where there is a session. Its loader
# and libc are those of one package: with a libc of another release (libc6:arm64) pthread_create does not end.
program() {
    cat >"$PROGRAM_DIR/$1" <<END
#!/bin/sh
build=$REPO/build-aarch64 cross=/usr/aarch64-linux-gnu
[ \$# -gt 0 ] || set -- \$("\$0" list | grep -vxE '$2')
exec timeout ${3:-150} qemu-aarch64-static -L "\$cross" -E LD_LIBRARY_PATH="\$cross/lib" \${UNIONRUN_SESSION:+-E LD_PRELOAD=\$build/unionrun.so} \
    "\$build/test/$1" "\$@"
END
    chmod 755 "$PROGRAM_DIR/$1"
}

same_on_aarch64() { # same_on_aarch64 PROGRAM WHO [LEFT-OUT]
    program "$1" "${3-}"
    same_calls "$1" "$2" --guard=off
}

@test "open, stat, access, names, metadata, xattrs and times: each call as in a plain directory, as root" {
    same_on_aarch64 calls-files root
}
@test "open, stat, access, names, metadata, xattrs and times: each call as in a plain directory, as a plain user" {
    same_on_aarch64 calls-files user
}
@test "directory streams, scandir, glob, ftw, nftw, fts, getcwd, realpath: each call as in a plain directory" {
    same_on_aarch64 calls-dirs user wordexp # asks a shell, which would be of this host
}
@test "streams and temporary names: each call as in a plain directory" {
    same_on_aarch64 calls-stdio user freopen_stdout # starts a program
}
@test "AF_UNIX sockets, watches, syscall(): each call as in a plain directory" {
    same_on_aarch64 calls-sockets user syscall # qemu has not all of those
}

hard_on_aarch64() { # hard_on_aarch64 CLAIM [SECONDS]: a claim of bin/hard.c; 124 if it has not ended then
    workspace user
    program hard '' "${2-}"
    # shellcheck disable=SC2034 # union() has it
    UNION_OPTIONS=(--guard=off)
    mkdir -p "$W"/lowers/{1,2}/d
    touch "$W/lowers/1/d/high" "$W/lowers/2/d/low"
    echo text >"$W/lowers/2/f"
    [ "$(id -u)" != 0 ] || chown -R "$PLAIN_USER:" "$W/lowers"
    in_target union "$PROGRAM_DIR/hard" "$1"
}
@test "calls that succeed leave errno alone" { hard_on_aarch64 errno; }
@test "eight threads make all calls" { hard_on_aarch64 small-stacks; }
@test "eight threads append to one lower file: one copy-up, and nothing is lost" { hard_on_aarch64 one-file; }
@test "eight threads read one directory stream: each entry comes once" { hard_on_aarch64 one-stream; }
@test "a fork among threads that are in calls gives a child that can make them" {
    # In qemu-user 7.2 it hangs 19 times of 100 without a union, too: so one of ten has to end, and none may end wrongly.
    local try status all=$BATS_TEST_TMPDIR
    for try in 1 2 3 4 5 6 7 8 9 10; do
        BATS_TEST_TMPDIR=$all/$try status=0
        mkdir "$BATS_TEST_TMPDIR"
        hard_on_aarch64 fork-in-threads 10 || status=$?
        [ "$status" = 124 ] || return "$status"
    done
    false
}
@test "a signal handler opens, renames and execs while the program does" { hard_on_aarch64 signal-handlers; }
@test "a program that closes every descriptor still sees the union" { hard_on_aarch64 closed-descriptors; }
@test "a thread is cancelled in accept and recvfrom while it waits there" { hard_on_aarch64 cancellation; }
@test "a pointer that leads nowhere is EFAULT" { same_on_aarch64 calls-wrong user 'newer|arguments'; }

@test "a union is a plain directory to random operations" {
    workspace user
    program ops
    printf '#!/bin/sh\nexec %s --guard=off "$@"\n' "$UNIONRUN" >"$W/union"
    chmod 755 "$W/union"
    as env DIFFER_BOTH_OPS="$PROGRAM_DIR/ops" TMPDIR="$W" "$REPO/test/differ/run" --seed 12 --ops 1500 --segments 1 \
        --without kept-rdonly,root,fork --union-cmd "$W/union"
}

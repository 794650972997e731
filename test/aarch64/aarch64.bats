#!/usr/bin/env bats
# The engine and the shim of aarch64, built by Debian's cross compiler and run by qemu-user: `make check-aarch64`.
#
# qemu-user knows no seccomp and no Landlock, and a child of fork may hang in it (7.2). So the session is made by this host's own launcher, whose fence holds for qemu too, and each test
# is one process of aarch64. qemu is a static program: this host's shim is not in it.

load ../helpers
load ../calls

setup() {
    needs qemu-aarch64-static
    PROGRAM_DIR=$BATS_TEST_TMPDIR/run
    mkdir "$PROGRAM_DIR"
}

# program NAME [LEFT-OUT]: in $PROGRAM_DIR, a program that runs NAME of aarch64, with the shim where there is a session
program() {
    cat >"$PROGRAM_DIR/$1" <<END
#!/bin/sh
build=$REPO/build-aarch64
[ \$# -gt 0 ] || set -- \$("\$0" list | grep -vxE '$2')
exec timeout 150 qemu-aarch64-static -L /usr/aarch64-linux-gnu \${UNIONRUN_SESSION:+-E LD_PRELOAD=\$build/unionrun.so} \
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
    same_on_aarch64 calls-stdio user freopen_stdout # forks
}
@test "AF_UNIX sockets, watches, syscall(): each call as in a plain directory" {
    same_on_aarch64 calls-sockets user syscall # forks
}

hard_on_aarch64() { # a claim of bin/hard.c
    workspace user
    program hard
    # shellcheck disable=SC2034 # union() has it
    UNION_OPTIONS=(--guard=off)
    mkdir -p "$W"/lowers/{1,2}/d
    touch "$W/lowers/1/d/high" "$W/lowers/2/d/low"
    echo text >"$W/lowers/2/f"
    [ "$(id -u)" != 0 ] || chown -R "$PLAIN_USER:" "$W/lowers"
    in_target union "$PROGRAM_DIR/hard" "$1"
}
@test "calls that succeed leave errno alone" { hard_on_aarch64 errno; }

@test "a union is a plain directory to random operations" {
    workspace user
    program ops
    printf '#!/bin/sh\nexec %s --guard=off "$@"\n' "$UNIONRUN" >"$W/union"
    chmod 755 "$W/union"
    as env DIFFER_BOTH_OPS="$PROGRAM_DIR/ops" TMPDIR="$W" "$REPO/test/differ/run" --seed 12 --ops 1500 --segments 1 \
        --without kept-rdonly,root,fork --union-cmd "$W/union"
}

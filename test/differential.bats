#!/usr/bin/env bats
# The judge of semantics: random operations in a union and in a plain copy of what it shows (differ/run).
#   DIFFER_SEEDS  how many seeds each test takes (2)
#   DIFFER_FIRST  the first of them (1)
#   DIFFER_OPS    operations a seed (10000)
#
# Left out is what the README names: root, a target is a mount point (union.bats has that); kept-rdonly, a descriptor
# that was opened read-only on a lower's file shows what the lower has; in --restack hard links, which one work directory
# keeps together, and a plain user, who cannot copy up what he made unreadable in the run before; of a plain user "shut",
# since beneath a directory that may not be searched names are EACCES, whoever has one open.

setup_file() {
    DIFFER=$BATS_TEST_DIRNAME/differ/run
    UNIONRUN=$BATS_TEST_DIRNAME/../unionrun
    export DIFFER UNIONRUN DIFFER_SEEDS=${DIFFER_SEEDS:-2} DIFFER_FIRST=${DIFFER_FIRST:-1} DIFFER_OPS=${DIFFER_OPS:-10000}
    "$DIFFER" --union-cmd plain --ops 0 # builds the program, as long as we may
}

each_seed() { # each_seed OPTION...; what else to leave out is in $without
    local without=${without-}
    for ((seed = DIFFER_FIRST; seed < DIFFER_FIRST + DIFFER_SEEDS; seed++)); do
        "$DIFFER" --seed "$seed" --ops "$DIFFER_OPS" --without "kept-rdonly,root$without" "$@"
    done
}

as_root() {
    [ "$(id -u)" = 0 ] || skip "not root"
    each_seed "$@"
}

as_plain_user() {
    local without=${without-},shut
    # The other form of a whiteout cannot be told from a file in a directory that one may read and not search.
    [ "$(stat -f -c %T "${TMPDIR:-/tmp}")" != overlayfs ] || without+=,chmod
    export without
    if [ "$(id -u)" != 0 ]; then
        each_seed "$@"
        return
    fi
    export -f each_seed
    setpriv --reuid 65534 --regid 65534 --clear-groups bash -ec 'each_seed "$@"' - "$@"
}

needs_unionrun() {
    [ -x "$UNIONRUN" ] || skip "no ./unionrun: make it first"
}

needs_overlayfs() {
    # shellcheck disable=SC2016
    unshare --mount sh -c 'cd "$1" && mkdir -p l u w m && mount -t overlay -o userxattr,lowerdir=l,upperdir=u,workdir=w overlay m' \
        - "$BATS_TEST_TMPDIR" 2>/dev/null || skip "cannot mount overlayfs here"
}

@test "the tester finds no difference between two plain trees" {
    as_plain_user --union-cmd plain
}

@test "the tester finds no difference between two plain trees of root's" {
    as_root --union-cmd plain
}

@test "the tester's own merged view is what the kernel's overlayfs shows" {
    needs_overlayfs
    for style in chardev xattr; do
        "$DIFFER" --seed "$DIFFER_FIRST" --ops 0 --segments 1 --layers 4 --style $style --union-cmd overlay
    done
}

@test "the tester finds out a union that breaks hard links and refuses to rename directories" {
    needs_overlayfs
    run "$DIFFER" --seed 1 --ops 2000 --segments 2 --style chardev --union-cmd overlay
    echo "$output"
    [ "$status" = 1 ]
    [[ $output == *"operation "*" differs"* ]]
}

@test "a union is a plain directory to random operations of a plain user" {
    needs_unionrun
    as_plain_user
}

@test "a union is a plain directory to random operations of root" {
    needs_unionrun
    as_root
}

@test "a union whose upper becomes a lower of the next run is a plain directory all along" {
    needs_unionrun
    without=,link,kept-link as_root --restack --segments 5 --no-links
}

@test "a union over one lower is a plain directory" {
    needs_unionrun
    as_plain_user --layers 1 --segments 2
}

@test "a union over eight lowers is a plain directory" {
    needs_unionrun
    as_root --layers 8 --segments 3
}

@test "a union over twenty lowers is a plain directory" {
    needs_unionrun
    as_plain_user --layers 20 --segments 2
}

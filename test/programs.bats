#!/usr/bin/env bats
# Real programs in a union over lower layers and in a plain directory: the same output, the same exit status,
# the same tree; the lowers and all that surrounds the upper are as they were. Each as root and as a plain
# user, by shim and guard and by the guard alone. What a program does is in programs/NAME.sh.

# shellcheck disable=SC2034 # UNION_OPTIONS and UPPER are what union() reads
load helpers

# same_as_plain NAME[:FUNCTION]: programs/NAME.sh by both users
same_as_plain() {
    [ "$(id -u)" != 0 ] || by root "$1"
    by user "$1"
}

by() {
    local program=$2 layer since before after expected digests outside
    workspace "$1"
    since=$(date +%s)
    as "$PROGRAMS/act" "${program%:*}" lowers "$W/lowers"

    # The plain directory stands where the union will stand, for its path is in what programs write.
    for layer in $(printf '%s\n' "$W"/lowers/* | sort -r); do
        as cp -aT --remove-destination "$layer" "$TARGET"
    done
    before=$(tree "$since")
    printed_by as "$PROGRAMS/act" "$program" run "$TARGET" || { echo "$printed"; echo "fails in a plain directory, by $1"; false; }
    expected=$printed
    after=$(tree "$since")
    chmod -R u+rwx "$TARGET"
    rm -rf "$TARGET"
    as mkdir "$TARGET"

    digests=$(lower_digest "$W"/lowers/*)
    outside=$(surroundings)
    in_a_union "$1" "$program"
    fails has_guard || in_a_union "$1" "$program" --guard=require --no-preload
}

# in_a_union USER PROGRAM OPTION...: the same as by() has seen in the plain directory
in_a_union() {
    local who="by $*" net=${*:3} printed status=0
    UNION_OPTIONS=("${@:3}") UPPER="$W/up/changed $net"
    same "the tree before, $who" "$before" "$(union tree "$since")"
    printed_by union act "$2" run "$TARGET" || status=$?
    same "what is printed, $who" "$expected" "$printed"
    [ "$status" = 0 ] || { echo "exit status in the union, $who: $status"; false; }
    same "the tree after, $who" "$after" "$(union tree "$since")"
    same "the lowers, $who" "$digests" "$(lower_digest "$W"/lowers/*)"
    same "the surroundings, $who" "$outside" "$(surroundings)"
    UPPER="$W/up/fresh $net"
    same "the tree with a fresh upper, $who" "$before" "$(union tree "$since")"
}

@test "git clone, rebase, worktree and gc leave the same repository as in a plain directory" {
    same_as_plain git
}

@test "tar archives and unpacks hard links, holes, xattrs and modes as in a plain directory" {
    same_as_plain tar
}

@test "rsync -a --delete, --inplace and --link-dest leave the same tree as in a plain directory" {
    same_as_plain rsync
}

@test "cp -a, -al, --backup and --force leave the same tree as in a plain directory" {
    same_as_plain files:copy
}

@test "mv and ln of lower files and directories leave the same tree as in a plain directory" {
    same_as_plain files:move
}

@test "install replaces lower files and makes directories as in a plain directory" {
    same_as_plain files:install_files
}

@test "sed -i edits lower files, hard links and symlinks as in a plain directory" {
    same_as_plain files:sed_in_place
}

@test "sqlite3 recovers, writes in every journal mode, and vacuums as in a plain directory" {
    same_as_plain sqlite3
}

@test "python3 -m venv, pip and python's file functions do the same as in a plain directory" {
    same_as_plain venv
}

@test "dpkg unpacks, configures, upgrades, removes and purges with --root as in a plain directory" {
    same_as_plain dpkg
}

@test "perl finds its modules in the layers, and its file functions do the same as in a plain directory" {
    same_as_plain perl
}

@test "bash from a lower layer redirects, globs, tests and runs scripts as in a plain directory" {
    same_as_plain shells:run_bash
}

@test "dash from a lower layer redirects, globs, tests and runs scripts as in a plain directory" {
    same_as_plain shells:run_dash
}

@test "make -j8 builds a hundred targets, and then only what changed, as in a plain directory" {
    same_as_plain make
}

@test "gcc compiles over the layers to the same bytes, and what it built runs, as in a plain directory" {
    same_as_plain gcc:run_gcc
}

@test "ld, ar, strip and objcopy write the same bytes as in a plain directory" {
    same_as_plain gcc:run_ld
}

@test "npm installs, upgrades and removes a package, and node uses it, as in a plain directory" {
    same_as_plain npm
}

@test "find, ls, du, grep, touch, chmod, mkdir and rm do the same as in a plain directory" {
    same_as_plain find
}

@test "diff and patch do the same as in a plain directory" {
    same_as_plain edit:run_patch
}

@test "ed edits files of every layer as in a plain directory" {
    needs ed
    same_as_plain edit:run_ed
}

@test "vim edits, backs up and removes files of every layer as in a plain directory" {
    needs vim
    same_as_plain edit:run_vim
}

@test "zip and unzip do the same as in a plain directory" {
    needs zip
    needs unzip
    same_as_plain archives:run_zip
}

@test "gzip, bzip2 and xz replace lower files as in a plain directory" {
    same_as_plain archives:run_gzip
}

@test "cpio copies out, in and through as in a plain directory" {
    needs cpio
    same_as_plain archives:run_cpio
}

@test "emacs in batch mode edits with backups, lists directories and copies trees as in a plain directory" {
    needs emacs
    same_as_plain emacs
}

@test "ruby's FileUtils, Dir, Find and Tempfile, and its fibers, do the same as in a plain directory" {
    needs ruby
    same_as_plain ruby
}

@test "node's fs, synchronous, by callbacks and by promises, does the same as in a plain directory" {
    same_as_plain node
}

@test "a JVM compiles, lists, moves, maps, locks and watches files as in a plain directory" {
    needs javac
    same_as_plain java
}

@test "cargo builds, tests and rebuilds a workspace offline as in a plain directory" {
    needs cargo
    same_as_plain cargo
}

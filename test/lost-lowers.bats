#!/usr/bin/env bats
# A lower that goes away during a run, or that cannot be read in part, gives errors; never an empty directory, and never
# a name that is not there.

load helpers

# layers WHO LOWERS: that many, and d/ in each of them
layers() {
    workspace "$1"
    local i
    for ((i = 1; i <= $2; i++)); do
        as mkdir -p "$W/lowers/$i/d/sub$i" "$W/lowers/$i/only$i"
        for name in "f$i" "d/f$i" "d/sub$i/f" "only$i/f"; do echo "$i" | as tee "$W/lowers/$i/$name" >/dev/null; done
    done
}

# after HARM...: in a run to whose layers the command was done meanwhile, by each net alone, with INDEXES: there were errors,
# and nothing that lost/witness calls wrong
after() {
    local net index
    for net in --guard=off "--guard=require --no-preload"; do
        for index in ${INDEXES:-8M 0}; do
            rm -rf "$UPPER" "$UPPER.work" "$W/ready" "$W/go"
            as mkfifo "$W/ready" "$W/go"
            # shellcheck disable=SC2034,SC2206 # of helpers.bash
            UNION_OPTIONS=($net "--index=$index" --writable "$W")
            union perl "$BATS_TEST_DIRNAME/lost/witness" "$TARGET" "$W/ready" "$W/go" >"$W/seen" 2>&1 3>&- &
            local run=$!
            timeout 60 cat "$W/ready" >/dev/null
            "$@"
            timeout 60 tee "$W/go" <<<go >/dev/null
            wait "$run" || true
            "${UNHARM[@]}"
            echo "$net --index=$index"
            cat "$W/seen"
            [[ $(tail -n 1 "$W/seen") =~ ^[1-9][0-9]*\ errors$ ]]
            fails grep wrong "$W/seen"
        done
    done
}

moved() { # moved NAME: it is somewhere else while the run goes on
    UNHARM=(mv "$W/elsewhere" "$1")
    after mv "$1" "$W/elsewhere"
}

@test "a lower whose root goes away is an error: the one that there is" {
    layers root 1
    moved "$W/lowers/1"
}

@test "a lower whose root goes away is an error: the topmost, or the bottom one" {
    layers user 3
    moved "$W/lowers/1"
    moved "$W/lowers/3"
}

@test "a part of a merged directory that goes away from a lower is an error, and no directory of the others alone" {
    layers user 2
    INDEXES=8M # without one a new process has nobody to know from
    moved "$W/lowers/1/d"
    moved "$W/lowers/2/d"
}

@test "a lower that is unmounted is an error, and not the empty directory beneath it" {
    [ "$(id -u)" = 0 ] || skip "not root"
    layers root 2
    local lower
    for lower in "$W/lowers/2" "$W/lowers/1"; do
        cp -a "$lower" "$W/contents"
        find "$lower" -mindepth 1 -delete
        mount -t tmpfs tmpfs "$lower" 2>/dev/null || skip "cannot mount"
        # shellcheck disable=SC2030
        MOUNTED=$lower
        cp -a "$W/contents/." "$lower"
        UNHARM=(mounted_again "$lower")
        after umount --lazy "$lower" # the run itself is using it
        umount "$lower"
        cp -a "$W/contents/." "$lower"
        rm -r "$W/contents"
    done
}

mounted_again() {
    mount -t tmpfs tmpfs "$1"
    cp -a "$W/contents/." "$1"
}

@test "a lower that is mounted anew, under another number, is what it was" {
    [ "$(id -u)" = 0 ] || skip "not root"
    layers root 1
    local lower=$W/lowers/1 was run
    # shellcheck disable=SC2034
    UNION_OPTIONS=(--writable "$W")
    cp -a "$lower" "$W/contents"
    mount -t tmpfs tmpfs "$lower" 2>/dev/null || skip "cannot mount"
    # shellcheck disable=SC2030
    MOUNTED=$lower
    cp -a "$W/contents/." "$lower"
    was=$(stat -c %d "$lower")
    as mkfifo "$W/ready" "$W/go"
    # shellcheck disable=SC2016
    union sh -c 'cd "$1" && cat f1 && echo >"$2" && read -r _ <"$3" && ! cat never && cat f1 d/f1 && ls d' sh \
        "$TARGET" "$W/ready" "$W/go" >"$W/seen" 2>&1 3>&- &
    run=$!
    timeout 60 cat "$W/ready" >/dev/null
    umount --lazy "$lower"
    mounted_again "$lower"
    fails [ "$(stat -c %d "$lower")" = "$was" ]
    timeout 60 tee "$W/go" <<<go >/dev/null
    wait "$run"
    cat "$W/seen"
    [[ $(cat "$W/seen") == *"never: No such file"*$'\n1\n1\nf1\nsub1' ]]
}

@test "a lower's directory that may not be read any more is an error of a plain user's" {
    layers user 2
    local dir
    for dir in "$W/lowers/2/d" "$W/lowers/1/d" "$W/lowers/2" "$W/lowers/1/only1"; do
        UNHARM=(chmod 755 "$dir")
        after chmod 000 "$dir"
    done
}

# shellcheck disable=SC2031 # a test and its teardown are one process
teardown() {
    [ -z "${MOUNTED:-}" ] || umount "$MOUNTED" 2>/dev/null || true
    [ ! -d "$BATS_TEST_TMPDIR" ] || chmod -R u+rwX "$BATS_TEST_TMPDIR" 2>/dev/null || true
}

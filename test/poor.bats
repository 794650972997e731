#!/usr/bin/env bats
# Uppers on filesystems that can do little: what union.bats claims holds there, too.

load helpers

setup_file() {
    mkdir "$BATS_FILE_TMPDIR/here"
    "$PROGRAMS/poor" flags "$BATS_FILE_TMPDIR/here" || skip "bindfs cannot be mounted here"
    umount "$BATS_FILE_TMPDIR/here"
}

# holds WITHOUT CLAIM...: those of union.bats whose names begin so
holds() {
    local claims
    claims=$(IFS='|' && echo "${*:2}")
    run env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$BATS_TEST_TMPDIR" TMPDIR="${TMPDIR:-/tmp}" UNIONRUN="$UNIONRUN" UPPER_WITHOUT="$1" \
        bats --filter "^($claims)" "$BATS_TEST_DIRNAME/union.bats"
    echo "$output"
    [ "$status" = 0 ]
    [ "$(grep -c '^ok [0-9]*' <<<"$output")" = $(($# - 1)) ]
}

CLAIMS=("a name in the upper is seen" "a lower 0555 directory" "O_TRUNC and truncate" "FIFOs, sockets, devices"
    "rm and mkdir give an empty" "a deleted name comes back" "a merged directory that looks" "renames of renamed"
    "a rename replaces" "hard links of a lower" "st_ino stays the same over" "uppers of earlier runs"
    "renames and removals are those")

@test "where rename knows no flags and there is no O_TMPFILE a union is what it is elsewhere" {
    holds flags "${CLAIMS[@]}"
}

#!/usr/bin/env bats
# --stats and --report: what a run has done is counted, told and written, and the command's status stays.

load helpers

bats_require_minimum_version 1.5.0

# field JQ: of the last report
field() { jq -r "$1" "$W/report.json"; }

lowers() {
    as sh -euc "cd '$W/lowers'; mkdir -p 1/d/sub; printf %0300000d 0 >1/d/big; printf %01000d 0 >1/d/small; echo x >1/d/gone
        echo y >1/d/moved; ln -s small 1/d/link"
}

counts() {
    local guard
    workspace "$1"
    lowers
    for guard in auto off; do
        rm -rf "$W/up"
        as mkdir "$W/up"
        # shellcheck disable=SC2034 # for union
        UNION_OPTIONS=(--guard="$guard" --report="$W/report.json")
        # shellcheck disable=SC2016 # for the shell inside
        run -7 union sh -euc 'cd "$1/d"; echo more >>small; chmod 600 big; mv moved there; rm gone; touch -h link; exit 7' sh "$TARGET"
        echo "$1, guard $guard: $(cat "$W/report.json")"
        same 'the whole' '7 null false false false' "$(field '"\(.status) \(.signal) \(.timed_out) \(.guard_killed) \(.processes_left)"')"
        same 'the command' sh "$(field '.command[0]')"
        # small, big (its metadata alone), moved, link; d; the whiteouts of gone and moved
        same 'what was copied' '4 1 1 2' "$(field '"\(.copied_up.files) \(.copied_up.directories) \(.copied_up.files_without_data) \(.whiteouts)"')"
        same 'bytes' 1002 "$(field '.copied_up.bytes + .copied_up.bytes_shared')"
        [ "$(field '.seconds > 0 and .seconds < 60')" = true ]
        [ -z "$(find "$W" -maxdepth 1 -name 'report.json.*')" ]
    done
    union sh -c : # a report that is not there any more says nothing new, one that is written replaces it
    same 'of a run that did nothing' '0 0 0' "$(field '"\(.copied_up.files) \(.whiteouts) \(.status)"')"
}

@test "what is copied up and whited out is counted, with and without the guard" {
    needs jq
    [ "$(id -u)" != 0 ] || counts root
    counts user
}

@test "what the guard answered is told by the calls' names, and how long it took" {
    needs jq
    workspace user
    lowers
    # shellcheck disable=SC2034
    UNION_OPTIONS=(--no-preload --stats --report="$W/report.json")
    run -0 --separate-stderr union cat "$TARGET/d/small"
    # shellcheck disable=SC2154 # of run
    echo "$stderr"
    [[ $stderr == *'copied up: 0 files of 0 bytes and 0 directories; 0 whiteouts'* ]]
    [[ $stderr == *'the guard was asked '*' times'*'execve'* ]]
    [ "$(field '[.guard[] | select(.call == "openat" and .count > 0 and .seconds >= .longest and .longest > 0)] | length')" = 1 ]
}

@test "a signal that ends the command is told, and so is --timeout" {
    needs jq
    workspace user
    lowers
    # shellcheck disable=SC2034
    UNION_OPTIONS=(--report="$W/report.json")
    # shellcheck disable=SC2016 # the command's own
    run -143 union sh -c 'kill $$'
    same 'of a signal' 'null 15' "$(field '"\(.status) \(.signal)"')"
    # shellcheck disable=SC2034
    UNION_OPTIONS=(--report="$W/report.json" --timeout=1)
    run -124 union sleep 60
    same 'of a timeout' '124 true' "$(field '"\(.status) \(.timed_out)"')"
}

@test "a report that cannot be written, or would be in a lower, is refused before the command starts" {
    workspace user
    lowers
    # shellcheck disable=SC2034
    UNION_OPTIONS=(--report="$W/none/report.json")
    run -125 union touch "$W/ran"
    [[ $output == *"--report=$W/none/report.json: No such file"* ]]
    # shellcheck disable=SC2034
    UNION_OPTIONS=(--report="$W/lowers/1/report.json")
    run -125 union touch "$W/ran"
    [[ $output == *"it lies in a lower"* ]]
    [ ! -e "$W/ran" ]
    [ -z "$(find "$W/lowers" -name 'report*')" ]
    run -125 as "$UNIONRUN" --stats --check --lower "$W/lowers/1" --target "$TARGET"
    [[ $output == *'go with a -- COMMAND'* ]]
}

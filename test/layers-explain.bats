#!/usr/bin/env bats
# `unionrun explain`: which layer a name comes from, and why.

load helpers
bats_require_minimum_version 1.5.0

setup() {
    workspace root
    as mkdir -p "$W/lowers/1/d" "$W/lowers/1/o" "$W/lowers/1/m" "$W/lowers/2/d" "$W/lowers/2/o" "$W/lowers/2/m"
    as sh -c "cd '$W/lowers' && echo new >1/d/a && echo old >2/d/a && echo b >2/d/b && echo x >2/m/x && echo o >2/o/old"
    as sh -c "echo oci >'$W/lowers/2/d/gone' && : >'$W/lowers/1/d/.wh.gone'"
}

# explain PATH...: by the layers of the workspace, as its user
explain() {
    as "$UNIONRUN" explain --lower "$W/lowers/1" --lower "$W/lowers/2" --upper "$UPPER" --target "$TARGET" "$@"
}

# last_step PATH FILTER: jq over the last step's layers
last_step() { explain --json "$TARGET/$1" | jq -r ".[0].steps[-1].layers[] | $2"; }

@test "explain names the layer that wins and those that are shadowed" {
    run explain "$TARGET/d/a"
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "$TARGET/d/a: regular of lower 1, $W/lowers/1/d/a" ]
    [ "$(last_step d/a '"\(.layer) \(.role) \(.holds)"')" = $'upper not asked null\nlower 1 wins file\nlower 2 shadowed file' ]
    [ ! -e "$UPPER" ] # it only looks
}

@test "explain tells a whiteout in each of its forms" {
    union rm "$TARGET/d/b"
    [ "$(last_step d/b '"\(.layer) \(.role) \(.whiteout)"')" = $'upper hides device\nlower 1 nothing null\nlower 2 shadowed null' ]
    [ "$(last_step d/gone '"\(.layer) \(.role) \(.whiteout)"')" = $'upper nothing null\nlower 1 hides name\nlower 2 shadowed null' ]
    run explain "$TARGET/d/gone"
    [ "${lines[0]}" = "$TARGET/d/gone: not in the union" ]
    as rm "$UPPER/d/b"
    as touch "$UPPER/d/b"
    as setfattr -n user.overlay.whiteout -v y "$UPPER/d/b"
    [ "$(last_step d/b '"\(.role) \(.whiteout)"')" = $'hides xattr\nnothing null\nshadowed null' ]
}

@test "explain says that an opaque directory covers, also for what is beneath it" {
    union sh -c "rm -r '$TARGET/o' && mkdir '$TARGET/o'"
    [ "$(last_step o '"\(.role) \(.opaque)"')" = $'wins xattr\nshadowed null\nshadowed null' ]
    [ "$(last_step o/old .role)" = $'nothing\nnot asked\nnot asked' ]
    run explain "$TARGET/o/old"
    [[ ${lines[-1]} == *"lower 2"*"not asked: covered by the opaque directory of upper at $TARGET/o" ]]
}

@test "explain follows a redirect" {
    union mv "$TARGET/m" "$TARGET/moved"
    run explain "$TARGET/moved/x"
    [ "${lines[0]}" = "$TARGET/moved/x: regular of lower 2, $W/lowers/2/m/x" ]
    [ "$(last_step moved '"\(.role) \(.redirect)"')" = $'wins /m\nmerges null\nmerges null' ]
}

@test "explain says where a path leaves the union" {
    run explain /etc/passwd
    [ "$output" = "/etc/passwd: the host's own, in no union" ]
    run explain "$TARGET/none/x"
    [ "${lines[0]}" = "$TARGET/none/x: not in the union: $TARGET/none is not there" ]
    as ln -s d "$W/lowers/2/link"
    run explain "$TARGET/link/a"
    [ "${lines[0]}" = "$TARGET/d/a: regular of lower 1, $W/lowers/1/d/a" ]
}

@test "explain agrees with what a program sees, by the layer that holds the data" {
    union sh -c "cd '$TARGET' && echo up >>d/a && mv d/b d/c && rm -r o && mkdir o && echo n >o/n && mv m m2"
    while read -r path; do
        host=$(explain --json "$TARGET/$path" | jq -r '.[0].host')
        [ "$(union cat "$TARGET/$path")" = "$(as cat "$host")" ] || { echo "$path: $host"; false; }
    done < <(union find "$TARGET" -type f -printf '%P\n')
}

@test "a name that a terminal could obey is quoted, one that is no UTF-8 told in base64 too" {
    as touch "$W/lowers/2/$(printf 'e\033[1m')" "$W/lowers/2/$(printf 'l\377')"
    run explain "$TARGET/$(printf 'e\033[1m')"
    [ "${lines[0]}" = "\"$TARGET/e\\033[1m\": regular of lower 2, \"$W/lowers/2/e\\033[1m\"" ]
    explain --json "$TARGET/$(printf 'l\377')" | jq -r '.[0].path_base64' | base64 -d | grep -qa "$(printf 'l\377')"
}

@test "a tool's mistakes are exit status 125 and one line; --help is 0" {
    for wrong in "--frob x" "" "--layers"; do
        # shellcheck disable=SC2086 # words
        run as "$UNIONRUN" explain $wrong
        [ "$status" -eq 125 ]
        [ "${#lines[@]}" -eq 1 ]
        [[ $output == 'unionrun: '*'see unionrun explain --help' ]]
    done
    run as "$UNIONRUN" explain --target "$TARGET" --lower "$W/none" x
    [ "$status" -eq 125 ]
    [ "$output" = "unionrun: --lower: $W/none: No such directory; make it or correct the path" ]
    run as "$UNIONRUN" explain --help
    [ "$status" -eq 0 ]
    [[ $output == 'Usage: unionrun explain '* ]]
    as "$UNIONRUN" --help | grep -q '^  explain  '
}

@test "explain works while a run is going on, and says so" {
    as mkfifo "$W/wait"
    union sh -c "echo x >'$TARGET/new'; cat '$W/wait'" &
    until [ -e "$UPPER/new" ]; do sleep 0.05; done
    run --separate-stderr explain "$TARGET/new"
    : >"$W/wait"
    wait
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "$TARGET/new: regular of upper, $UPPER/new" ]
    # shellcheck disable=SC2154 # of run
    [[ $stderr == "unionrun: $UPPER: a run is going on in it"* ]]
}

#!/usr/bin/env bats
# No tool changes a layer beneath a run that has it as a lower.

load helpers
bats_require_minimum_version 1.5.0

as_root() { workspace root && prepare; }
as_plain() {
    [ "$(id -u)" = 0 ] || skip "needs root and a plain user"
    workspace user && prepare
}

prepare() {
    as mkdir -p "$W/lowers/1" "$W/lowers/2" "$W/other" "$W/more"
    as sh -c "echo low >'$W/lowers/1/f'; echo low >'$W/lowers/2/g'"
    union sh -c "echo new >>'$TARGET/f'; rm '$TARGET/g'"
}

# over UPPER LOWER...: options of a union at the target.
over() {
    local layer
    OVER=(--upper "$1" --target "$TARGET")
    shift
    for layer; do OVER+=(--lower "$layer"); done
}

tool() {
    over "$UPPER" "$W/lowers/1" "$W/lowers/2"
    as "$UNIONRUN" "$1" "${OVER[@]}" "${@:2}"
}

# shellcheck disable=SC2016 # the run's sh expands it
UNTIL_GO='n=0; until [ -e "$1/go" ] || [ $n = 600 ]; do n=$((n + 1)); sleep 0.05; done'

# soon FILE: it is there, while RUN goes on
soon() {
    until [ -e "$1" ]; do
        kill -0 "$RUN"
        sleep 0.05
    done
}

# A run with these lowers, and an upper of its own, that goes on until `end`.
begin() {
    over "$W/other/upper" "$@"
    rm -rf "$W/go" "$W/other/upper/begun"
    as "$UNIONRUN" "${OVER[@]}" -- sh -c ": >'$TARGET/begun'; $UNTIL_GO" - "$W" 3>&- &
    RUN=$!
    soon "$W/other/upper/begun"
}

end() {
    as touch "$W/go"
    wait "$RUN"
}

commit_waits_for() {
    begin "$@"
    run tool commit
    end
    [ "$status" -eq 125 ]
    [[ $output == *"$W/lowers/1 would be changed, and is a lower of a run that goes on"* ]]
    [ "$(cat "$W/lowers/1/f")" = low ]
    [ ! -e "$W/lowers/1/.wh..wh.unionrun" ]
    tool commit
    [ "$(cat "$W/lowers/1/f")" = $'low\nnew' ]
}

@test "commit is refused while a run with another upper uses the lower, and goes afterwards" {
    as_root
    commit_waits_for "$W/lowers/1"
}

@test "commit is refused to a plain user, too, and wherever the lower stands in the run's list" {
    as_plain
    commit_waits_for "$W/more" "$W/lowers/2" "$W/lowers/1"
}

@test "a run that uses only a lower that the commit leaves alone is no hindrance, nor are commit --to, diff and another run" {
    as_root
    begin "$W/lowers/2"
    tool commit
    end
    [ "$(cat "$W/lowers/1/f")" = $'low\nnew' ]
    union sh -c "echo again >>'$TARGET/f'"
    begin "$W/lowers/1"
    run -0 tool commit --to "$W/layer"
    run -0 tool diff
    [[ $output == *"$TARGET/f"* || $output == *' f'* ]]
    run -0 union cat "$TARGET/f"
    end
    [ "$(cat "$W/layer/f")" = $'low\nnew\nagain' ]
}

@test "processes that a run has left count as the run" {
    as_root
    over "$W/other/upper" "$W/lowers/1"
    as "$UNIONRUN" "${OVER[@]}" -- sh -c "{ $UNTIL_GO; } >/dev/null 2>&1 &" - "$W" 3>&-
    run tool commit
    as touch "$W/go"
    [ "$status" -eq 125 ]
    [[ $output == *'or that has left processes'* ]]
    until tool commit; do sleep 0.1; done
    [ "$(cat "$W/lowers/1/f")" = $'low\nnew' ]
}

@test "discard, undo and commit leave an upper alone that a run has as a lower" {
    as_root
    begin "$UPPER" "$W/lowers/1"
    refused() {
        run tool "$@"
        [ "$status" -eq 125 ]
        [[ $output == *"$UPPER would be changed, and is a lower of a run that goes on"* ]]
    }
    refused discard --yes
    refused undo "$TARGET/f"
    refused commit
    end
    [ "$(cat "$UPPER/f")" = $'low\nnew' ]
    tool discard --yes
    [ ! -e "$UPPER/f" ]
}

@test "a run is refused while a commit changes its lower" {
    as_root
    over "$UPPER" "$W/lowers/1" "$W/lowers/2"
    as mkfifo "$W/answers"
    as "$UNIONRUN" commit "${OVER[@]}" --interactive <"$W/answers" >"$W/asked" 2>&1 3>&- &
    local commit=$!
    exec 7>"$W/answers"
    until [ -s "$W/asked" ]; do
        kill -0 "$commit"
        sleep 0.05
    done
    over "$W/other/upper" "$W/lowers/1"
    run as "$UNIONRUN" "${OVER[@]}" -- touch "$TARGET/ran"
    echo q >&7
    exec 7>&-
    wait "$commit" || true
    [ "$status" -eq 125 ]
    [[ $output == *"$W/lowers/1 is being changed by a unionrun commit"* ]]
    run -0 as "$UNIONRUN" "${OVER[@]}" -- touch "$TARGET/ran"
}

@test "the host's root is no layer of anybody's: a try is kept while another goes on" {
    as_root
    local signs status=0
    signs=$(as mktemp -d /dev/shm/unionrun-busy-XXXXXX) # /dev is the host's, also in the run
    as "$UNIONRUN" try --no -- sh -c ": >'$W/mine'; : >'$signs/begun'; $UNTIL_GO" - "$signs" >"$W/out" 2>&1 3>&- &
    RUN=$!
    soon "$signs/begun"
    as timeout 60 "$UNIONRUN" try --yes -- touch "$W/kept" || status=$?
    as touch "$signs/go"
    wait "$RUN"
    rm -r "$signs"
    [ "$status" -eq 0 ]
    [ -e "$W/kept" ] && [ ! -e "$W/mine" ]
}

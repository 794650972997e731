#!/usr/bin/env bats
# Sessions of runs that were killed whole, launcher, guard and keeper: the next run removes them, and no others.
# shellcheck disable=SC2016 # what is quoted so is for the shell in the union

load helpers

bats_require_minimum_version 1.5.0

# Sessions are in $PLACE, in memory.
place() {
    [ "$(stat -f -c %T /dev/shm)" = tmpfs ] || skip 'no tmpfs at /dev/shm'
    workspace "$1"
    as mkdir "$W/lowers/1"
    as sh -c 'echo low >"$1"' sh "$W/lowers/1/file"
    PLACE=$(as mktemp -d /dev/shm/test-leftover.XXXXXX)
    as chmod 711 "$PLACE"
}

teardown() {
    [ -z "$PLACE" ] || { kill_run; rm -rf "$PLACE"; }
    [ -z "${MOUNTED:-}" ] || umount "$MOUNTED"
}

# in_place UPPER OPTION... -- COMMAND...
in_place() {
    as env XDG_RUNTIME_DIR="$PLACE" "$UNIONRUN" --fence=off --lower "$W/lowers/1" --upper "$W/up/$1" --target "$TARGET" "${@:2}"
}

# The processes of runs with their session in $PLACE, and of unionrun itself among them.
of_runs() {
    local process
    for process in /proc/[0-9]*; do
        { grep -q "$PLACE/unionrun-" "$process/maps" || grep -q "UNIONRUN_SESSION=$PLACE/" "$process/environ"; } 2>/dev/null &&
            echo "${process#/proc/}"
    done
    true
}
keepers() {
    local pid
    for pid in $(of_runs); do [[ $(readlink "/proc/$pid/exe") != */unionrun-launch ]] || echo "$pid"; done
}

# Until they have gone: zombies have neither maps nor environment
kill_run() {
    local pids
    while pids=$(of_runs) && [ "$pids" ]; do
        # shellcheck disable=SC2086
        kill -KILL $pids 2>/dev/null || true
        sleep 0.05
    done
}
kill_keepers() {
    local pids
    while pids=$(keepers) && [ "$pids" ]; do
        # shellcheck disable=SC2086
        kill -KILL $pids 2>/dev/null || true
        sleep 0.05
    done
}

soon() {
    local i
    for ((i = 0; i < 600; i++)); do
        ! "$@" || return 0
        sleep 0.05
    done
    echo "not within half a minute: $*"
    return 1
}

sessions() { find "$PLACE" -mindepth 1 -maxdepth 1 | wc -l; }

@test "the session of a run that was killed whole is removed by the next" {
    local who mode
    for who in root user; do
        [ "$who" = user ] || [ "$(id -u)" = 0 ] || continue
        for mode in --guard=require --guard=off; do
            has_guard || [ "$mode" = --guard=off ] || continue
            rm -rf "${BATS_TEST_TMPDIR:?}/$who" "$PLACE"
            place "$who"
            in_place upper "$mode" -- sh -c 'touch "$1/ready"; exec sleep 600' sh "$W" 3>&- &
            soon test -e "$W/ready"
            kill_run
            wait $! || true
            [ "$(sessions)" = 1 ]
            run -0 in_place other "$mode" -- cat "$TARGET/file"
            [ "$output" = low ]
            [ "$(sessions)" = 0 ]
        done
    done
}

@test "who survives launcher, guard and keeper keeps a session that works, and the next run after the end removes it" {
    needs busybox
    local who shell
    for who in root user; do
        [ "$who" = user ] || [ "$(id -u)" = 0 ] || continue
        for shell in sh "busybox sh"; do # a static one has no map of the session
            rm -rf "${BATS_TEST_TMPDIR:?}/$who" "$PLACE"
            place "$who"
            # shellcheck disable=SC2086
            in_place upper --guard=off -- $shell -c 'touch "$1/ready"; until [ -e "$1/go" ]; do sleep 0.1; done
                /bin/cp "$2/file" "$2/copy"; /bin/cat "$2/copy" >"$1/said"; /bin/mv "$1/said" "$1/told"' sh "$W" "$TARGET" 3>&- &
            soon test -e "$W/ready"
            kill_keepers
            wait $! || true
            [ "$(of_runs)" ]
            run -0 in_place other --guard=off -- true
            [ "$(sessions)" = 1 ]
            as touch "$W/go"
            soon test -e "$W/told"
            [ "$(cat "$W/told")" = low ]
            [ "$(cat "$W/up/upper/copy")" = low ]
            kill_run
            run -0 in_place other --guard=off -- true
            [ "$(sessions)" = 0 ]
        done
    done
}

@test "a session that is in use, being made or of no run is left alone" {
    local who expected
    for who in root user; do
        [ "$who" = user ] || [ "$(id -u)" = 0 ] || continue
        rm -rf "${BATS_TEST_TMPDIR:?}/$who" "$PLACE"
        place "$who"
        in_place upper -- sh -c 'touch "$1/ready"; until [ -e "$1/go" ]; do sleep 0.1; done; cat "$2/file"' sh \
            "$W" "$TARGET" >"$W/said" 3>&- &
        soon test -e "$W/ready"
        as mkdir -m 700 "$PLACE"/unionrun-{making,nothin,mixedu,piped1,linked} "$W/session"
        as mkdir -m 755 "$PLACE/unionrun-other1"
        as touch "$PLACE/unionrun-making/shared" "$PLACE/unionrun-mixedu/file"
        as truncate -s 100M "$PLACE/unionrun-other1/shared" "$W/session/shared"
        as mkfifo "$PLACE/unionrun-piped1/shared"
        as ln -s "$W/session/shared" "$PLACE/unionrun-linked/shared"
        as ln -s "$W/session" "$PLACE/unionrun-symlin"
        expected=$(find "$PLACE" -printf '%p %y %m\n' | sort)
        run -0 in_place other -- true
        same "the place" "$expected" "$(find "$PLACE" -printf '%p %y %m\n' | sort)"
        [ -e "$W/session/shared" ]
        as touch "$W/go"
        wait $!
        [ "$(cat "$W/said")" = low ]
    done
}

# thrown NAME OPTION...: as in_place, with an ephemeral upper in $W/temp
thrown() {
    as env XDG_RUNTIME_DIR="$PLACE" TMPDIR="$W/temp" "$UNIONRUN" "$@"
}
uppers() { find "$W/temp" -path '*/upper/*' -name new | wc -l; }
has_upper() { [ "$(uppers)" = 1 ]; }

@test "the ephemeral upper of a run that was killed whole goes with its session, and no other's, nor what try has made" {
    local who command
    for who in root user; do
        [ "$who" = user ] || [ "$(id -u)" = 0 ] || continue
        rm -rf "${BATS_TEST_TMPDIR:?}/$who" "$PLACE"
        place "$who"
        as mkdir -m 711 "$W/temp"
        for command in "--ephemeral --fence=off --guard=off --lower $W/lowers/1 --target $TARGET" \
            "try --yes --fence=off --guard=off"; do
            # shellcheck disable=SC2086
            thrown $command -- sh -c 'touch "$1/new"; exec sleep 600' sh "$TARGET" </dev/null 3>&- &
            soon has_upper
            run -0 in_place other --guard=off -- true # of one that lives nothing goes
            [ "$(uppers) $(sessions)" = "1 1" ]
            kill_run
            wait $! || true
            [ "$(uppers)" = 1 ]
            if [ "${command%% *}" = --ephemeral ]; then
                as cp -a "$W"/temp/unionrun-* "$W/temp/unionrun-copied" # says the same of the session, which does not
                run -0 in_place other --guard=off -- true
                [ -e "$W"/temp/unionrun-copied/0/upper/new ]
                rm -rf "$W/temp/unionrun-copied"
                [ "$(find "$W/temp" -mindepth 1)" = "" ]
            else
                run -0 in_place other --guard=off -- true
                [ "$(uppers)" = 1 ]
            fi
            [ "$(sessions)" = 0 ]
        done
    done
}

@test "sessions on ext4, xfs and btrfs are removed once nobody uses them, too" {
    [ "$(id -u)" = 0 ] || skip "not root"
    local fs done=
    for fs in ext4 xfs btrfs; do
        command -v "mkfs.$fs" >/dev/null || continue
        rm -rf "${BATS_TEST_TMPDIR:?}/user"
        workspace user
        as mkdir "$W/lowers/1"
        as sh -c 'echo low >"$1"' sh "$W/lowers/1/file"
        truncate -s 400M "$W/image"
        "mkfs.$fs" -q "$W/image"
        mkdir "$W/disk"
        mount -o loop "$W/image" "$W/disk" 2>/dev/null || skip "cannot mount"
        MOUNTED=$W/disk PLACE=$W/disk/place
        install -d -o "$PLAIN_USER" -m 711 "$PLACE"
        in_place upper --guard=off -- sh -c 'touch "$1/ready"; sleep 600; true' sh "$W" 3>&- &
        soon test -e "$W/ready"
        kill_keepers # a map alone is left
        wait $! || true
        run -0 in_place other --guard=off -- cat "$TARGET/file"
        [ "$output $(sessions)" = "low 1" ]
        kill_run
        run -0 in_place other --guard=off -- true
        [ "$(sessions)" = 0 ]
        umount "$MOUNTED"
        MOUNTED='' PLACE='' done+=" $fs"
    done
    [ "$done" ] || skip "no mkfs"
}

#!/usr/bin/env bats
# unionrun doctor: what it tells of this host, and by which status.
# shellcheck disable=SC2016 # for a shell in a namespace of its own

load helpers

setup() {
    workspace user
    as mkdir "$W/lowers/1"
}

doctor() { as "$UNIONRUN" doctor "$@"; }

@test "doctor tells what a run would cover, and its status says whether a net is missing" {
    run doctor
    echo "$output"
    [ "$status" -le 1 ]
    [[ $output == *$'\nA run here would cover:\n    shim    full\n    guard   '*$'\n    fence   '* ]]
    local missing=0
    [[ $output != *' no: '* ]] || missing=1
    [ "$status" -eq "$missing" ]
    [[ $output != *$'\033'* ]]
}

@test "doctor --json has a verdict for each check" {
    run doctor --json
    [ "$status" -le 1 ]
    [ "$(jq -r '[.checks[].verdict]|unique-["ok","no","told"]|length' <<<"$output")" -eq 0 ]
    for name in kernel parts session upper listener children yama gate landlock io_uring 32-bit; do
        jq -e --arg name "$name" 'any(.checks[]; .name == $name and .found != "")' <<<"$output"
    done
    [ "$(jq -r '.run|keys|join(" ")' <<<"$output")" = 'fence guard shim' ]
    [ "$(jq -r '.run.shim.covers' <<<"$output")" = full ]
}

@test "doctor with a layer file looks at its uppers, and leaves nothing behind" {
    as sh -c "echo '{\"mounts\":[{\"target\":\"t\",\"lower\":\"lowers/1\",\"upper\":\"up/upper\"}]}' >'$W/l.json'"
    before=$(find "$W" | sort)
    run doctor --layers "$W/l.json"
    [[ $output == *"$W/up/upper ($(findmnt -no FSTYPE -T "$W/up")): "* ]]
    [ "$(find "$W" | sort)" = "$before" ]
    [ -z "$(find /tmp /dev/shm "$W" -maxdepth 1 -name '.unionrun-doctor*' 2>/dev/null)" ]
}

@test "doctor tells an upper's filesystem, and whether its programs can be executed" {
    [ "$(id -u)" = 0 ] || skip 'not root'
    run unshare -m mount -t tmpfs -o noexec none "$W/up"
    [ "$status" -eq 0 ] || skip "nothing can be mounted here: $output"
    run unshare -m sh -c 'mount -t tmpfs -o noexec none "$1/up"; exec "$2" doctor --target "$1/t" --lower "$1/lowers/1" --upper "$1/up/u"' \
        sh "$W" "$UNIONRUN"
    [[ $output == *"$W/up/u (tmpfs, noexec: what a run makes or changes there it cannot execute): "* ]]
    run unshare -m sh -c 'mount -t tmpfs none "$1/up"; exec "$2" doctor --json --target "$1/t" --lower "$1/lowers/1" --upper "$1/up/u"' \
        sh "$W" "$UNIONRUN"
    [[ $(jq -r '.checks[]|select(.name == "upper").found' <<<"$output") == "$W/up/u (tmpfs): "* ]]
}

@test "doctor says which lower the fence cannot keep" {
    run doctor --target "$TARGET" --lower "$W/lowers/1" --writable "$W"
    [[ $output == *"fence   partly: the lower $W/lowers/1 lies in $W, which programs may write to"* || $output == *'fence   no'* ]]
}

@test "doctor within a seccomp listener, or without Landlock, says so with status 1" {
    needs python3
    cat >"$W/without.py" <<'END'
import ctypes, os, struct, sys
# Refuses one system call with an errno: without.py NUMBER ERRNO COMMAND...
libc = ctypes.CDLL(None, use_errno=True)
code = [(0x20, 0, 0, 0), (0x15, 0, 1, int(sys.argv[1])), (0x06, 0, 0, 0x50000 | int(sys.argv[2])), (0x06, 0, 0, 0x7fff0000)]
filter = b"".join(struct.pack("HBBI", *line) for line in code)
room = ctypes.create_string_buffer(filter)
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(room)))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
os.execvp(sys.argv[3], sys.argv[3:])
END
    chmod a+r "$W/without.py"
    run as python3 "$W/without.py" 444 38 "$UNIONRUN" doctor # landlock_create_ruleset, ENOSYS
    [ "$status" -eq 1 ]
    [[ $output == *'fence   no: this kernel has no Landlock'* ]]
    run as python3 "$W/without.py" 317 16 "$UNIONRUN" doctor # seccomp, EBUSY
    [ "$status" -eq 1 ]
    [[ $output == *'guard   no: a seccomp listener is there already'* ]]
}

@test "doctor refuses a wrong option and a wrong layer file with 125" {
    run doctor --nothing
    [ "$status" -eq 125 ]
    run doctor --layers "$W/none"
    [ "$status" -eq 125 ]
    run doctor --check
    [ "$status" -eq 125 ]
    run doctor -- true
    [ "$status" -eq 125 ]
}

#!/usr/bin/env bats
# In a real container: podman's, with the seccomp profile and the capabilities that it gives if nothing is said. What runs in it are
# this host's own programs, so no image is fetched.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # for the shell in the container; what bats' run sets

load helpers

bats_require_minimum_version 1.5.0

# Where an engine of the host's own looks nothing is made: its storage is in the workspace. Limits that it would raise are kept.
engine() {
    as env XDG_RUNTIME_DIR="$W/running" timeout -k 5 120 podman --log-level fatal --root "$W/storage" --runroot "$W/running" --storage-driver vfs --cgroup-manager cgroupfs \
        --events-backend file --runtime "$(command -v runc || command -v crun)" "$@"
}
container() { # container OPTION... -- COMMAND...
    local options=()
    while [ "$1" != -- ]; do options+=("$1") && shift; done
    engine run --rm --network none --ulimit nofile=1024:1024 --ulimit nproc=2000:2000 -v /usr:/usr:ro -v "$REPO:$REPO:ro" "${options[@]}" \
        of-this-host "${@:2}" </dev/null
}

engine_of() { # engine_of root|user: a workspace of this one's, and an image in it that has the host's programs
    local place
    workspace "$1"
    mkdir -p "$W/image"/{dev,etc,proc,sys,tmp,usr,var/tmp,work}
    chmod 1777 "$W/image"/{tmp,var/tmp,work}
    echo 'root:x:0:0::/:/bin/sh' >"$W/image/etc/passwd"
    for place in bin sbin lib lib64; do ln -s "usr/$place" "$W/image/$place"; done
    tar -C "$W/image" --owner=0 --group=0 -cf "$W/image.tar" .
    as mkdir -m 700 "$W/running" "$TARGET"/{home,tmp}
    run engine import "$W/image.tar" of-this-host
    [ "$status" -eq 0 ] || skip "podman does not work here: ${lines[-1]}"
    run container -- grep -x 'Seccomp:	2' /proc/self/status
    [ "$status" -eq 0 ] || skip "podman runs no container with a filter here: ${lines[-1]}"
}

setup() {
    needs podman
    needs busybox
    needs jq
    [ "$(id -u)" = 0 ] || skip 'not root'
    WAYS=(--user=0 --user=1000:1000 '--user=1000:1000 --cap-drop=ALL --security-opt=no-new-privileges' '--user=0 --cap-drop=ALL')
}

teardown() {
    [ ! -d "${W-}/storage" ] || engine rmi --all --force >/dev/null 2>&1 || true
    [ ! -d "$BATS_TEST_TMPDIR" ] || chmod -R u+rwX "$BATS_TEST_TMPDIR" 2>/dev/null || true
}

each_way() { # each_way COMMAND...: as the container's root, as a user, as one who has nothing
    local way options
    for way in "${WAYS[@]}"; do
        read -ra options <<<"$way"
        echo "# $way"
        run --separate-stderr container "${options[@]}" -- "$@"
        echo "$stderr"
        "$check"
    done
}

LAYERS='set -e; cd /work; mkdir -p 1/d 2/d t plain; echo low >2/low; echo x >2/d/x; echo y >1/d/y; echo gone >2/gone
cp /usr/bin/busybox 2; printf "#!/bin/sh\necho \$0\n" >2/script; chmod +x 2/script; cp -r 2/. 1/. plain
act="cd \$1; cat low; echo more >>low; rm gone; ls . d; mv d e; mkdir d; ls d; chmod 600 low; ln low link; stat -c \"%a %h %s %n\" low; ./script
    (umask 027; >new); stat -c %a new; ./busybox cat low; ./busybox sh -c \"cd e; pwd; echo s >new; cat new; ./../script; rm x\"
    ./busybox find . | sort"'

PLAIN_AND_UNION="$LAYERS"'; sh -c "$act" sh plain 2>&1 | sed s:/work/plain:T: >as-plain
    for how in "" --no-preload; do
        "$1" $how --guard=require --fence=require --lower 1 --lower 2 --upper up --target t -- sh -c "$act" sh t 2>&1 | sed s:/work/t:T: >as-union
        diff as-plain as-union >&2 || exit 1
        [ "$(cat 2/low 2/gone 2/d/x)" = "low
gone
x" ] && [ -z "$(ls -A t)" ] || exit 1
        rm -rf up up.work
    done; [ -s as-plain ] && grep -qx ./e/new as-plain && echo alike'

compared() {
    [ "$status" -eq 0 ]
    [ "$stderr" = '' ]
    [ "$output" = 'alike' ]
}
@test "in podman's containers, with their own filter, a union is a plain directory, guard and fence are whole" {
    local check=compared
    engine_of root
    each_way sh -c "$PLAIN_AND_UNION" sh "$REPO/unionrun"
}
@test "and so it is in containers of a podman without root" {
    local check=compared
    engine_of user
    WAYS=(--user=0 '--user=0 --cap-drop=ALL')
    each_way sh -c "$PLAIN_AND_UNION" sh "$REPO/unionrun"
}

told() {
    [ "$status" -eq 0 ]
    same 'what a run covers' 'shim full, guard full, fence full' "$(jq -r '.run | "shim \(.shim.covers), guard \(.guard.covers), fence \(.fence.covers)"' <<<"$output")"
}
@test "doctor tells so in them" {
    local check=told
    engine_of root
    each_way "$REPO/unionrun" doctor --json
}

nested() {
    [ "$status" -eq 0 ]
    [ "$stderr" = '' ]
    [ "$output" = $'low\nx\ny\n./script\nlow\nmore\nlow' ]
}
@test "in them, too, an inner union lies over the outer one" {
    local check=nested
    engine_of root
    each_way sh -c "$LAYERS"'; mkdir inner 2/view
        "$1" --writable inner --lower 1 --lower 2 --upper up --target t -- "$1" --guard=off --lower t --upper inner/up --target /work/view -- \
            sh -c "cd /work/view; cat low; echo more >>low; mv d e; ls e; ./script"; cat inner/up/low 2/low' sh "$REPO/unionrun"
}

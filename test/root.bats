#!/usr/bin/env bats
# The target /: a whole root of its own. Here a small one of busybox; `make root-check` takes Debian's.

# shellcheck disable=SC2034 # helpers.bash reads them
load helpers

setup() {
    workspace user
    root=$W/lowers/root
    as mkdir -p "$root"/{bin,etc,home,proc,sys,dev,tmp,usr/bin}
    as cp /bin/busybox "$root/bin/"
    # shellcheck disable=SC2016 # for the shell in the workspace
    as sh -c 'for name in sh cat ls pwd touch mkdir rm id readlink stat cp mv; do ln -s busybox "$1/$name"; done' sh "$root/bin"
    as sh -c "echo image >'$root/etc/release'"
    TARGET=/
    cd /
}

# Nothing of the host's is at hand, so what runs is the root's own.
rooted() {
    LOWERS=("$root")
    union "$@"
}

@test "a shell of the root runs, and sees the root alone" {
    [ "$(rooted /bin/sh -c 'cat /etc/release; ls /')" = "$(printf '%s\n' image bin dev etc home proc sys tmp usr)" ]
    [ "$(rooted /bin/sh -c 'ls /home /usr')" = $'/home:\n\n/usr:\nbin' ]
}

@test "what it writes at the root's places is in the upper, and the lower is as it was" {
    local before
    before=$(lower_digest "$root")
    rooted /bin/sh -c 'echo more >>/etc/release; mkdir /new; echo x >/new/x; rm /bin/id; mv /home /houses'
    [ "$(rooted /bin/sh -c 'cat /etc/release /new/x; ls -d /bin/id /houses /home 2>/dev/null')" = $'image\nmore\nx\n/houses' ]
    same 'the lower' "$before" "$(lower_digest "$root")"
    [ -f "$UPPER/new/x" ]
}

@test "/proc, /sys and /dev are the host's" {
    [ "$(rooted /bin/sh -c 'echo gone >/dev/null; cat /dev/null; cd /sys/kernel && pwd')" = /sys/kernel ]
    [ "$(rooted /bin/sh -c 'readlink /proc/self/exe')" = /bin/busybox ]
}

@test "a working directory that the root has not becomes /, also for who asks PWD" {
    cd "$W"
    [ "$(rooted /bin/sh -c 'pwd; ls; echo x >here' 2>&1)" = "$(printf '%s\n' / bin dev etc home proc sys tmp usr)" ]
    [ "$(cat "$UPPER/here")" = x ]
    [ "$(rooted /bin/pwd)" = / ]
}

@test "a working directory that the root has is the root's" {
    as mkdir -p "$root/$W"
    as touch "$root/$W/theirs"
    cd "$W"
    [ "$(rooted /bin/sh -c 'pwd; ls')" = "$W"$'\ntheirs' ]
}

@test "a working directory that another target hides is no reason to go to /" {
    TARGET=$W/t
    as mkdir "$W/t/only-the-host"
    cd "$W/t/only-the-host"
    run rooted "$(command -v busybox)" ls
    [ "$status" -ne 0 ]
}

@test "a program of another libc runs in a root that has that alone" {
    local loader
    loader=/lib/ld-musl-$(uname -m).so.1
    needs musl-gcc
    as sh -c "echo 'int puts(const char *); int main(void) { puts(\"musl\"); return 0; }' >'$W/program.c'"
    as musl-gcc -o "$root/bin/program" "$W/program.c"
    as mkdir "$root/lib"
    as cp -L "$loader" "$root/lib/"
    [ "$(rooted /bin/program)" = musl ]
    [ "$(rooted /bin/sh -c '/bin/program; cp /bin/program /tmp/copy; /tmp/copy')" = $'musl\nmusl' ]
    UNION_OPTIONS=(--no-preload)
    [ "$(rooted /bin/program)" = musl ]
}

@test "an image is imported and run by what the README says, and its / is the image" {
    needs umoci
    [ "$(id -u)" = 0 ] || skip 'umoci keeps owners for root alone'
    tar -C "$root" --format=posix -cf "$W/root.tar" .
    umoci init --layout "$W/oci"
    umoci new --image "$W/oci:x"
    umoci raw add-layer --image "$W/oci:x" "$W/root.tar"
    tar -C "$W/oci" -cf "$W/image.tar" .
    cd "$W"
    as sh -c "'$UNIONRUN' import image.tar -o img && '$UNIONRUN' --layers img/base.json -- /bin/sh -c 'cat /etc/release; pwd; touch /mine'" >"$W/out"
    [ "$(tail -2 "$W/out")" = $'image\n/' ]
    [ -f "$W/img/upper/mine" ]
}

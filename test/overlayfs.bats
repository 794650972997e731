#!/usr/bin/env bats
# The upper is kernel overlayfs' own: the kernel mounts what unionrun wrote, and unionrun reads what the kernel
# wrote. The changes are those of programs/overlay.sh.

load helpers

# changeable WHO: a workspace with the layers, and in $plain what `run`, in $plain_more what `more` after it
# leaves in a plain directory
changeable() {
    local layer
    workspace "$1"
    since=$(date +%s)
    as "$PROGRAMS/act" overlay lowers "$W/lowers"
    for layer in "$W"/lowers/{3-bottom,2-middle,1-top}; do as cp -aT --remove-destination "$layer" "$TARGET"; done
    as "$PROGRAMS/act" "overlay:${2:-run}" run "$TARGET"
    plain=$(tree "$since")
    [ "${2:-run}" != run ] || as "$PROGRAMS/act" overlay:more run "$TARGET"
    plain_more=$(tree "$since")
    rm -rf "$TARGET"
    as mkdir "$TARGET"
    LOWERS=("$W"/lowers/*)
}

# overlayfs OPTIONS CMD...: CMD where kernel overlayfs shows the layers at the target; by a plain user in a user
# namespace, where his own files stay his own
overlayfs() {
    local options=$1 unshare=(unshare --mount) drop=()
    if [ "$WHO" = user ]; then
        unshare+=(--user --map-current-user --keep-caps)
        drop=(setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all)
    fi
    shift
    case $1 in
    act) set -- "$PROGRAMS/act" "${@:2}" ;;
    tree) set -- "$PROGRAMS/tree" "$TARGET" "$2" ;;
    esac
    as mkdir -p "$UPPER" "$W/up/kernel.work"
    # shellcheck disable=SC2016 # for the shell in the namespace
    as "${unshare[@]}" sh -c 'mount -t overlay -o "$1" overlay "$2" && shift 2 && exec "$@"' sh \
        "$options,lowerdir=$(IFS=: && echo "${LOWERS[*]}"),upperdir=$UPPER,workdir=$W/up/kernel.work" "$TARGET" "${drop[@]}" "$@"
}

# What the kernel shows, less unionrun's own notes of where a file was copied up from, and less the marks of the space
# that this mount does not look at (as root unionrun writes both)
kernel_tree() { overlayfs "$1" tree "$since" | grep -Ev ': user\.(unionrun|overlay)\.'; }

unionrun_then_kernel() {
    changeable "$1"
    union act overlay run "$TARGET"
    same 'the tree that unionrun shows' "$plain" "$(union tree "$since")"
    same 'the tree that the kernel shows' "$plain" "$(kernel_tree userxattr)"
    overlayfs userxattr act overlay:more run "$TARGET"
    same 'the tree after changes through the kernel' "$plain_more" "$(union tree "$since")"
}

# kernel_then_unionrun WHO OPTIONS [CHANGES]
kernel_then_unionrun() {
    local digests
    changeable "$1" "${3:-run}"
    overlayfs "$2" act "overlay:${3:-run}" run "$TARGET"
    same 'the tree that the kernel shows' "$plain" "$(overlayfs "$2" tree "$since")"
    same 'the tree that unionrun shows' "$plain" "$(union tree "$since")"

    # The same upper as the topmost lower of another run
    LOWERS=("$UPPER" "${LOWERS[@]}")
    digests=$(lower_digest "${LOWERS[@]}")
    UPPER=$W/up/second
    same 'the tree over the upper as a lower' "$plain" "$(union tree "$since")"
    [ "${3:-run}" = run ] || return 0
    union act overlay:more run "$TARGET"
    same 'the tree after changes over it' "$plain_more" "$(union tree "$since")"
    same 'the lowers' "$digests" "$(lower_digest "${LOWERS[@]}")"

    # And as the upper that it was
    UPPER=${LOWERS[0]} LOWERS=("${LOWERS[@]:1}")
    union act overlay:more run "$TARGET"
    same 'the tree after changes in it' "$plain_more" "$(union tree "$since")"
    same 'the tree of both, to the kernel' "$plain_more" "$(kernel_tree "$2")"
}

# In most containers nobody may mount, and what lies on an overlayfs is no upper for another.
as_root() {
    [ "$(id -u)" = 0 ] || skip 'not root'
    can_mount root
}

in_user_namespace() {
    as_user unshare --user --map-current-user --keep-caps --mount true 2>/dev/null || skip 'no user namespaces here'
    can_mount user
}

can_mount() {
    local W UPPER TARGET LOWERS
    workspace "$1"
    LOWERS=("$W/lowers")
    overlayfs userxattr true 2>/dev/null || skip 'cannot mount overlayfs here'
    rm -rf "$W"
}

@test "kernel overlayfs shows root the tree that unionrun left, and goes on with it" {
    as_root
    unionrun_then_kernel root
}

@test "kernel overlayfs in a user namespace shows a plain user the tree that unionrun left, and goes on with it" {
    in_user_namespace
    unionrun_then_kernel user
}

@test "kernel overlayfs shows all but the renamed directories of an upper with redirects" {
    as_root
    changeable root move
    union act overlay:move run "$TARGET"
    same 'the tree that unionrun shows' "$plain" "$(union tree "$since")"
    # A redirect that the kernel does not follow breaks the listing of the directory that it is in, no more.
    local dir
    for dir in again gone home moved replaced; do
        same "$dir, in the kernel's tree" "$(union "$PROGRAMS/tree" "$TARGET/$dir" "$since")" \
            "$(overlayfs userxattr "$PROGRAMS/tree" "$TARGET/$dir" "$since" | grep -v ': user\.unionrun\.')"
    done
}

@test "an upper that root wrote through kernel overlayfs, userxattr, is an upper and a lower here" {
    as_root
    kernel_then_unionrun root userxattr
}

@test "an upper that root wrote through kernel overlayfs, trusted xattrs, is an upper and a lower here" {
    as_root
    kernel_then_unionrun root redirect_dir=off
}

@test "an upper that a plain user wrote through kernel overlayfs in a user namespace is an upper and a lower here" {
    in_user_namespace
    kernel_then_unionrun user userxattr
}

@test "directories that kernel overlayfs renamed with redirect_dir are at their new places here" {
    as_root
    kernel_then_unionrun root redirect_dir=on move
}

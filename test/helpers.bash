# Shared by the bats files: a workspace under BATS_TEST_TMPDIR, a union over its layers, and what is
# needed to say that lowers and surroundings did not change.
#
#   load helpers
#   workspace [root|user]       $W and in it lowers/, up/ (upper, work), t/ (the target); who runs things. What UPPER_WITHOUT
#                               names up/ does not have: programs/poor
#   as CMD...                   CMD as the workspace's user
#   union CMD...                CMD in the union of LOWERS (topmost first) and UPPER at TARGET, as that user
#   as_user CMD...              CMD as a plain user, whoever runs the tests
#   lower_digest DIR...         sha256 of a sorted tar of each
#   tree SINCE                  the target in the form of programs/tree
#   surroundings                all of $W with times, but for the upper and the work directory
#   fails CMD...                true when CMD is not (a bare ! would not fail a test)
#   has_guard                   true where one is built in
#   needs PROGRAM               skip where it is not installed
# shellcheck shell=bash

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
UNIONRUN=${UNIONRUN:-$REPO/unionrun}
PROGRAMS=$REPO/test/programs
PLAIN_USER=unionrun-test

# The environment of every command: nothing of the caller's, so that two runs are alike.
clean_env() {
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TZ=UTC LC_ALL=C.UTF-8 \
        USER="${1:?}" LOGNAME="$1" HOME="${TARGET:-/nonexistent}/home" TMPDIR="${TARGET:-}/tmp" "${@:2}"
}

as_user() {
    [ "$(id -u)" = 0 ] || { clean_env "$(id -un)" "$@"; return; }
    getent passwd "$PLAIN_USER" >/dev/null || (
        flock 9
        getent passwd "$PLAIN_USER" >/dev/null ||
            useradd --system --user-group --home-dir /nonexistent --shell /bin/sh "$PLAIN_USER" ||
            getent passwd "$PLAIN_USER" >/dev/null # another run was faster
    ) 9>"$BATS_RUN_TMPDIR/useradd.lock"
    clean_env "$PLAIN_USER" setpriv --reuid="$PLAIN_USER" --regid="$PLAIN_USER" --init-groups \
        --inh-caps=-all "$@"
}

as() {
    if [ "$WHO" = user ]; then as_user "$@"; else clean_env root "$@"; fi
}

workspace() {
    WHO=${1:-root}
    [ "$(id -u)" = 0 ] || WHO=user
    W=$BATS_TEST_TMPDIR/$WHO TARGET=$BATS_TEST_TMPDIR/$WHO/t UPPER=$BATS_TEST_TMPDIR/$WHO/up/upper
    LOWERS=() UNION_OPTIONS=()
    umask 022
    chmod go+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR" # bats makes them for one user
    mkdir "$W"
    [ "$(id -u)$WHO" != 0user ] || { as_user true && chown "$PLAIN_USER:" "$W"; }
    as mkdir "$W/lowers" "$W/up" "$TARGET"
    [ -z "${UPPER_WITHOUT-}" ] || "$PROGRAMS/poor" "$UPPER_WITHOUT" "$W/up"
    as test -x "$UNIONRUN" || { echo "$UNIONRUN cannot be run by $(as id -un)"; return 1; }
}

# UNION_OPTIONS go to unionrun. LOWERS are, unless told, the directories of $W/lowers in their names' order. `act` and `tree` are those
# of programs/.
union() {
    [ "${#LOWERS[@]}" -gt 0 ] || LOWERS=("$W"/lowers/*)
    local layer args=()
    for layer in "${LOWERS[@]}"; do args+=(--lower "$layer"); done
    case $1 in
    act) set -- "$PROGRAMS/act" "${@:2}" ;;
    tree) set -- "$PROGRAMS/tree" "$TARGET" "$2" ;;
    esac
    as "$UNIONRUN" "${UNION_OPTIONS[@]}" "${args[@]}" --upper "$UPPER" --target "$TARGET" -- "$@"
}

tree() { as "$PROGRAMS/tree" "$TARGET" "$1"; }

fails() { ! "$@"; }

has_guard() { "$REPO/unionrun" --help | grep -q -e --no-preload; }

needs() { command -v "$1" >/dev/null || skip "$1 is not installed"; }

lower_digest() {
    local dir
    for dir; do
        printf '%s  %s\n' "$(tar -C "$dir" --sort=name --format=posix --pax-option=delete=atime,delete=ctime \
            --numeric-owner --acls --xattrs --xattrs-include='*' -cf - . | sha256sum | cut -d' ' -f1)" "$dir"
    done
}

surroundings() {
    find "$W" -path "$W/up" -prune -o -printf '%p %y %m %U:%G %n %s %T@ %C@ %l\n' | sort
}

# same NAME EXPECTED ACTUAL: two texts are equal, or the difference is shown
same() {
    [ "$2" = "$3" ] || {
        diff -u --label "$1" --label 'in the union' <(echo "$2") <(echo "$3") |
            awk '{ line[NR] = $0 } END { for (n = 1; n <= NR; n++) if (n <= 40 || n > NR - 20) print line[n]; else if (n == 41) print "..." }'
        return 1
    }
}

# printed_by COMMAND...: its output into $printed, its status. By way of a file: what sendfile(2) puts into a pipe are the
# file's own pages (busybox cat does so), and what is written to them before the pipe is read shows.
printed_by() {
    local status=0
    "$@" >"$BATS_TEST_TMPDIR/printed" || status=$?
    # shellcheck disable=SC2034 # read by the tests
    printed=$(tr '\0' '@' <"$BATS_TEST_TMPDIR/printed")
    return "$status"
}

# What a plain user cannot remove for its mode would stay behind.
teardown() {
    if [ "${UPPER_WITHOUT-}" ]; then umount --lazy "$BATS_TEST_TMPDIR"/*/up; fi
    [ ! -d "$BATS_TEST_TMPDIR" ] || chmod -R u+rwX "$BATS_TEST_TMPDIR" 2>/dev/null || true
}

# Shared by the bats files that run a program in a plain directory and in a union, in each mode: both (shim and guard), off (the
# shim alone), alone (the guard alone).
#
#   PROCESS_MODES='both off alone'   which of these, where a test would choose itself
#   PROCESS_USERS='root user'        by whom
#   PROCESS_TIMEOUT=200              seconds for a program
# shellcheck shell=bash

# A program of test/bin, built when it is wanted
built() { echo "$REPO/build/test/$1"; }

# layers WHO: file, fifo and dir/file below, dir/top above; bin/ and lib/ for what a test puts there
layers() {
    rm -rf "${BATS_TEST_TMPDIR:?}/$1"
    workspace "$1"
    local high=$W/lowers/1 low=$W/lowers/2
    mkdir -p "$high"/{bin,dir} "$low"/{bin,lib,dir,tmp,home}
    echo text >"$low/file"
    echo deep >"$low/dir/file"
    echo top >"$high/dir/top"
    mkfifo "$low/fifo"
    [ "$(type -t more_layers)" != function ] || more_layers
    [ "$WHO" = root ] || [ "$(id -u)" != 0 ] || chown -hR "$PLAIN_USER:" "$W/lowers"
}

in_target() { (cd "$TARGET" && "$@"); }

# options_of MODE: into UNION_OPTIONS, which union() reads
options_of() {
    case $1 in
    both) UNION_OPTIONS=(--guard=require) ;;
    off) UNION_OPTIONS=(--guard=off) ;;
    alone) UNION_OPTIONS=(--guard=require --no-preload) ;;
    esac
    export UNION_OPTIONS
}

# same_in MODES COMMAND...: in the plain directory and in the union, in each mode by each user
same_in() {
    local modes=${PROCESS_MODES:-$1} who mode expected digests status printed=
    shift
    for who in ${PROCESS_USERS:-root user}; do
        [ "$who" = user ] || [ "$(id -u)" = 0 ] || continue
        layers "$who"
        as cp -a "$W/lowers/2/." "$W/lowers/1/." "$TARGET"
        status=0
        printed_by in_target as timeout -k 5 "${PROCESS_TIMEOUT:-200}" "$@" 2>&1 || status=$?
        expected="$printed"$'\n'"status $status"
        digests=$(lower_digest "$W"/lowers/*)
        for mode in $modes; do
            chmod -R u+rwX "$TARGET" "$W/up"
            rm -rf "$TARGET" "$W/up"
            as mkdir "$TARGET" "$W/up"
            options_of "$mode"
            status=0
            printed_by in_target union timeout -k 5 "${PROCESS_TIMEOUT:-200}" "$@" 2>&1 || status=$?
            same "by $who, mode $mode: $*" "$expected" "$(no_word <<<"$printed")"$'\n'"status $status"
        done
        same "the lowers, by $who" "$digests" "$(lower_digest "$W"/lowers/*)"
    done
}

# Of the lowers in /tmp, which may be written: where bats has its files
no_word() { grep -v '^unionrun: the lower .* lies in ' || true; }

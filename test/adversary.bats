#!/usr/bin/env bats
# Hostile code in a union (bin/adversary.c): no lower changes, nothing changes outside of what may be written, and raw
# paths are hidden, whatever it tries. Each case has a fresh upper; lowers, surroundings and the host's places are compared
# after each, with the times of change. All of it lies under /var/tmp, as /tmp may be written.
#
#   ADVERSARY_CASES='dotdot mounts' bats test/adversary.bats     only those

# shellcheck disable=SC2016 # what is quoted so is for the inner shell

load helpers

setup_file() {
    bats_require_minimum_version 1.5.0
    [ -x "$BATS_TEST_DIRNAME/../build/test/adversary" ] || skip 'run make tests first'
    "$BATS_TEST_DIRNAME/../unionrun" --help | grep -q -e --no-preload || skip 'no guard is built in'
}

# place WHO PROGRAM: that of one run: $P/lowers/{lower,deeper}, up/ (upper and work directory), t, outside, home; all of them the user's own
place() {
    WHO=$1
    [ "$(id -u)" = 0 ] || WHO=user
    P=$(mktemp -d /var/tmp/unionrun-adversary.XXXXXX)
    chmod 755 "$P"
    [ "$(id -u)$WHO" != 0user ] || { as_user true && chown "$PLAIN_USER:" "$P"; }
    as mkdir -p "$P"/{t,up,home,outside/dir,lowers/lower/dir/deep,lowers/deeper/dir/deep}
    as sh -euc 'cd "$1"
        for dir in lowers/lower outside; do
            echo precious >$dir/victim
            echo precious >$dir/dir/inner
            chmod 640 $dir/victim
            setfattr -n user.note -v kept $dir/victim $dir/dir/inner
        done
        cp /bin/true lowers/lower/prog
        echo deeper >lowers/deeper/dir/deep/file' sh "$P"
    cp "$2" "$P/adversary"
    find "$P" -exec touch -h -d @1000000000 {} +
}
teardown() {
    [ -z "${P:-}" ] || { chmod -R u+rwX "$P" && rm -rf "$P"; }
}

# All but the upper, with all that lstat tells; and what may not appear at the host's
everything() {
    find "$P" -path "$P/up" -prune -o -printf '%P %y %i %m %n %U:%G %s %T@ %C@ %l\n' | sort
    lower_digest "$P/lowers" "$P/outside"
    find / /etc /usr /var /var/tmp /root /home /run /dev -maxdepth 1 -name 'unionrun-adversary' 2>/dev/null
    stat -c '%n %a %u:%g %s %Y' /etc/passwd /etc/shadow /etc/hostname /bin/sh
}

# attacks WHO PROGRAM OPTION...: each case in a union of its own
attacks() {
    local program=$2 case before said status failed=() wrap=()
    place "$1" "$program"
    # Should a mount succeed, it is not the host's that changes.
    [ "$WHO" != root ] || wrap=(unshare --mount --propagation private)
    shift 2
    before=$(everything)
    for case in ${ADVERSARY_CASES:-$("$program" list)}; do
        status=0
        rm -rf "$P"/up/*
        as mkdir "$P/up/upper"
        as sh -c 'echo precious >"$1/of-upper"' sh "$P/up/upper"
        said=$(as "${wrap[@]}" env HOME="$P/home" timeout -k 10 100 "$UNIONRUN" "$@" --lower "$P/lowers/lower" --lower "$P/lowers/deeper" \
            --upper "$P/up/upper" --target "$P/t" -- "$P/adversary" "$P/lowers/lower" "$P/up/upper" "$P/t" "$P/outside" "$case" 2>&1 </dev/null) || status=$?
        echo "--- $case, by $WHO: status $status"
        echo "$said"
        [ "$status" = 0 ] || failed+=("$case(status $status)")
        ! grep -q CHANGED <<<"$said" || failed+=("$case(says so)")
        if ! same "after $case, by $WHO" "$before" "$(everything)"; then
            failed+=("$case(SOMETHING CHANGED)")
            teardown # the next one has victims of its own
            place "$WHO" "$program"
            before=$(everything)
        fi
    done
    [ ${#failed[@]} = 0 ] || { echo "failed, by $WHO: ${failed[*]}"; false; }
}

as_root() { [ "$(id -u)" = 0 ] || skip 'not root'; }

# Needs a static build; made here, where it is not
static() {
    local made=$REPO/build/test/adversary-static
    if [ ! -x "$made" ] || [ "$REPO/test/bin/adversary.c" -nt "$made" ]; then
        made=$BATS_TEST_TMPDIR/adversary-static
        gcc -std=gnu11 -D_GNU_SOURCE -I"$REPO" -O1 -static -o "$made" "$REPO/test/bin/adversary.c" -pthread || skip 'no static libc'
    fi
    echo "$made"
}

@test "a static program of root's that means ill changes no lower and nothing outside: the guard alone" {
    as_root
    attacks root "$(static)" --no-preload --guard=require --fence=require
}

@test "a static program of the lowers' owner that means ill changes no lower and nothing outside: the guard alone" {
    attacks user "$(static)" --no-preload --guard=require --fence=require
}

@test "a program of root's that means ill changes no lower and nothing outside: shim and guard" {
    as_root
    attacks root "$REPO/build/test/adversary" --guard=require --fence=require
}

@test "a program of the lowers' owner that means ill changes no lower and nothing outside: shim and guard" {
    attacks user "$REPO/build/test/adversary" --guard=require --fence=require
}

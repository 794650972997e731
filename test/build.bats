#!/usr/bin/env bats
# A Debian source package, spread over three layers, is configured, built, tested and installed in the union.

load helpers

setup_file() {
    # The archive is fetched once; each test works on a copy of its own.
    SOURCE=$("$REPO/test/programs/fetch" source hello)
    export SOURCE
}

# layers_of_hello WHO [OWNER]: the workspace of a user, with the package's layers, and the package itself for
# comparison
layers_of_hello() {
    workspace "$1"
    cp -a "$SOURCE" "$W/source"
    rm -rf "$W/source/.pc"
    mkdir "$W/source/home" "$W/source/tmp"
    touch "$W/source/home/.keep" "$W/source/tmp/.keep"
    [ "$(id -u)" != 0 ] || chown -R "${2:-$(as id -un)}:" "$W/source"
    as_owner=as
    [ "${2:-}" != root ] || as_owner=
    $as_owner "$PROGRAMS/spread" "$W/source" "$W/lowers"
}

# shellcheck disable=SC2016 # for the shell in the union
build='set -e; umask 022
    ./configure --prefix=/usr
    make
    make check
    make install DESTDIR="$PWD/install"
    install/usr/bin/hello --greeting="built in $PWD"'

# config.log has process numbers in it.
comparable() { grep -v config.log; }

build_as() {
    local since before after expected printed digests outside
    layers_of_hello "$1"
    since=$(date +%s)

    as cp -aT "$W/source" "$TARGET"
    before=$(tree "$since")
    expected=$(cd "$TARGET" && as sh -c "$build" 2>&1) || { echo "$expected" | tail -30; false; }
    after=$(tree "$since")
    rm -rf "$TARGET"
    as mkdir "$TARGET"

    digests=$(lower_digest "$W"/lowers/*)
    outside=$(surroundings)
    same 'the sources' "$before" "$(union tree "$since")"
    printed=$(cd "$TARGET" && union sh -c "$build" 2>&1) || { echo "$printed" | tail -30; false; }
    same 'what the build prints' "$expected" "$printed"
    same 'what the build leaves' "$(comparable <<<"$after")" "$(union tree "$since" | comparable)"
    same 'the lowers' "$digests" "$(lower_digest "$W"/lowers/*)"
    same 'the surroundings' "$outside" "$(surroundings)"
    [ -x "$UPPER/install/usr/bin/hello" ]

    UPPER=$W/up/fresh
    same 'the sources, with a fresh upper' "$before" "$(union tree "$since")"
    fails union test -e "$TARGET/Makefile"
}

@test "root configures, builds, tests and installs hello over three layers, which stay as they were" {
    [ "$(id -u)" = 0 ] || skip 'not root'
    build_as root
}

@test "a plain user configures, builds, tests and installs hello over three layers, which stay as they were" {
    build_as user
}

@test "a plain user builds hello beside its sources, which lie in layers that belong to root" {
    [ "$(id -u)" = 0 ] || skip 'not root'
    local digests printed
    layers_of_hello user root
    as mkdir "$W/lowers.build"
    as mkdir "$W/lowers.build/build"
    LOWERS=("$W/lowers.build" "$W"/lowers/*)
    digests=$(lower_digest "${LOWERS[@]}")
    # shellcheck disable=SC2016 # for the shell in the union
    printed=$(union sh -c 'cd "$1/build" && TMPDIR=$PWD && export TMPDIR && ../configure --quiet &&
        make && make check && ./hello' sh "$TARGET" 2>&1) || { echo "$printed" | tail -30; false; }
    [ "${printed##*$'\n'}" = 'Hello, world!' ]
    fails union touch "$TARGET/src/hello.c"
    same 'the lowers' "$digests" "$(lower_digest "${LOWERS[@]}")"
    [ "$(cd "$UPPER" && echo *)" = build ]
}

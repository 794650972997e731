# For the programs that make each call once (bin/calls.h): their fixture, and the comparison.
#
# The programs are those of $PROGRAM_DIR.
#
#   layers_for PROGRAM           the fixture, in two layers; more_layers, if that is a function, adds to them
#   in_target CMD...             CMD in the target, whatever the union's tool makes of the directory it was started in
#   same_calls PROGRAM WHO [OPTION...]   (of unionrun) it prints the same in a plain directory and in the union, and no
#                                lower changes; without options, so also without the guard
# shellcheck shell=bash disable=SC2034,SC2154 # W and its kin are of helpers.bash

PROGRAM_DIR=${PROGRAM_DIR:-$REPO/build/test}

# The fixture that bin/calls.h and bin/calls-programs.c describe, in two layers.
layers_for() {
    local name high=$W/lowers/1 low=$W/lowers/2
    # shellcheck disable=SC2016 # for the script
    local body='echo "hello: $0 $# $* $SHIM_TEST"; exit 4'
    mkdir -p "$high"/{d,l} "$low"/{bin,d,f,n}
    for name in $("$PROGRAM_DIR/$1" list); do
        echo "$name" >"$low/f/$name"
        ln -s "../f/$name" "$high/l/$name"
        mkdir "$high/d/$name" "$low/d/$name"
        echo high | tee "$high/d/$name/high" >"$high/d/$name/both"
        echo low | tee "$low/d/$name/low" >"$low/d/$name/both"
    done
    echo "$body" >"$low/bin/text"
    printf '#!/bin/sh\n%s\n' "$body" | tee "$low/bin/hello" >"$low/bin/denied"
    printf '#!%s/bin/sh\n%s\n' "$TARGET" "$body" >"$low/bin/inner"
    chmod +x "$low"/bin/{hello,inner,text}
    cp /bin/sh "$low/bin/sh"
    cp /bin/echo "$low/bin/program"
    echo 'int answer(void); int answer(void) { return 42; }' | gcc -shared -fPIC -o "$low/bin/lib.so" -xc -
    ! declare -F more_layers >/dev/null || more_layers "$low"
    find "$W/lowers" -exec touch -h -d @1500000000 {} +
    [ "$WHO" = root ] || [ "$(id -u)" != 0 ] || chown -hR "$PLAIN_USER:" "$W/lowers"
}

# Where the program runs, whatever the union's tool makes of the directory it was started in.
in_target() { (cd "$TARGET" && "$@"); }

same_calls() {
    local plain digests
    workspace "$2"
    layers_for "$1"
    as cp -a "$W/lowers/2/." "$W/lowers/1/." "$TARGET"
    plain=$(in_target as "$PROGRAM_DIR/$1" 2>&1)
    [ -n "$plain" ]
    rm -rf "$TARGET"
    as mkdir "$TARGET"
    digests=$(lower_digest "$W"/lowers/*)
    UNION_OPTIONS=("${@:3}")
    same "$1" "$plain" "$(in_target union "$PROGRAM_DIR/$1" 2>&1)"
    UPPER=$W/up/alone UNION_OPTIONS+=(--guard=off)
    [ $# -gt 2 ] || same "$1, without a guard" "$plain" "$(in_target union "$PROGRAM_DIR/$1" 2>&1)"
    same 'the lowers' "$digests" "$(lower_digest "$W"/lowers/*)"
    same 'the target, with nothing written beneath' '' "$(ls -A "$TARGET")"
}

#!/usr/bin/env bats
# A unionrun in a unionrun: the inner union lies over the outer one, whose guard and fence hold for both.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # for the shell in the union; what bats' run sets; what union() reads

load helpers

bats_require_minimum_version 1.5.0

# The outer union has the inner one's lower, in two layers, its target, and a place for an upper of its own.
layers() { # layers WHO
    workspace "$1"
    INNER=$W/up/inner
    as mkdir -p "$W/lowers/1/base/d" "$W/lowers/2/base/d" "$W/lowers/2/view" "$INNER"
    as sh -c 'cd "$1"; echo low >low; echo gone >gone; echo x >d/x; echo y >../../1/base/d/y; printf "#!/bin/sh\necho \$0\n" >script
        chmod +x script' sh "$W/lowers/2/base"
    as sh -c 'cp "$(command -v busybox)" "$1" || :' sh "$W/busybox"
    digests=$(lower_digest "$W/lowers/1" "$W/lowers/2")
}

each() { # each FUNCTION: for both users, and outer unions with shim and guard, and with the guard alone
    local who outer
    for who in root user; do
        [ "$who" = user ] || [ "$(id -u)" = 0 ] || continue
        layers "$who"
        for outer in --guard=require --no-preload; do
            echo "# by $who, the outer union with $outer"
            as rm -rf "$UPPER" "$UPPER.work" "$INNER"
            as mkdir "$INNER"
            UNION_OPTIONS=("$outer" --writable "$INNER")
            "$1" "$outer"
            same 'the lowers' "$digests" "$(lower_digest "$W/lowers/1" "$W/lowers/2")"
            same 'the target' '' "$(ls -A "$TARGET")"
        done
    done
}

inner() { # inner OPTION... -- COMMAND...: in the outer union
    union "$UNIONRUN" --lower "$TARGET/base" --upper "$INNER/u" --target "$TARGET/view" "$@" </dev/null
}

over_the_outer() {
    local option
    for option in --verbose --guard=off; do
        as rm -rf "$INNER/u" "$INNER/u.work"
        run --separate-stderr inner "$option" -- sh -c 'cd "$1"; pwd; cat low; echo more >>low; rm gone; mv d e; ls . e; ./script
            mkdir d; ls d; chmod 600 e/x; stat -c %a e/x; echo outer >../new
            echo ../*' sh "$TARGET/view"
        echo "$stderr"
        [ "$status" -eq 0 ]
        same "$option" "$TARGET/view low .: e low script  e: x y ./script 600 ../new ../view" "$(paste -sd' ' <<<"$output")"
        [ "$(as cat "$INNER/u/low")" = $'low\nmore' ]
        [ "$(as cat "$UPPER/new")" = outer ]
        as rm "$UPPER/new"
    done
}
@test "an inner union lies over the outer one, and each change lands in the upper of its own" { each over_the_outer; }

said() {
    run --separate-stderr inner -- true
    [ "$status" -eq 0 ]
    [[ $stderr == 'unionrun: inside another union: static programs, Go and inline system calls will see that one alone'* ]]
    [ "${#stderr_lines[@]}" -eq 1 ]
    run --separate-stderr inner --guard=off -- true
    [ "$status:$stderr" = 0: ]
    local option
    for option in --guard=require --no-preload; do
        run --separate-stderr inner "$option" -- echo ran
        [ "$status:$output" = 125: ]
        [ "${#stderr_lines[@]}" -eq 1 ]
        [[ $stderr == 'unionrun: inside another union: '* || $stderr == 'unionrun: --guard=require, '* ]]
    done
}
@test "in a union with a guard an inner one has none, says so once, and require refuses" { each said; }

statics() {
    run -0 --separate-stderr inner --guard=off -- "$W/busybox" sh -c 'cd "$1"; ls; cd ../base; cat low; echo changed >low; cat low' sh "$TARGET/view"
    [ "$output:$stderr" = $'low\nchanged:' ] # the inner target is empty
    [ "$(as cat "$UPPER/base/low")" = changed ]
}
@test "a static program in an inner union sees the outer one, and changes no lower" {
    needs busybox
    each statics
}

in_the_outer() {
    run --separate-stderr union "$UNIONRUN" --guard=off --lower "$TARGET/base" --upper "$TARGET/u" --target "$TARGET/view" -- echo ran
    [ "$status:$output" = 125: ]
    [ "$stderr" = "unionrun: --upper: $TARGET/u: its filesystem can hold no whiteout (neither a 0:0 device nor a user xattr); put the upper on another filesystem" ]
}
@test "an upper in a union is refused, with a word" { each in_the_outer; }

contained() {
    run --separate-stderr as "$REPO/build/test/contained" EPERM pidfd_getfd,kcmp,unshare,setns,mount,umount2,process_madvise,open_by_handle_at,open_tree,move_mount,fsopen,pivot_root \
        "$UNIONRUN" "$1" --writable "$INNER" --lower "$W/lowers/1" --lower "$W/lowers/2" --upper "$UPPER" --target "$TARGET" -- \
        "$UNIONRUN" --guard=off --lower "$TARGET/base" --upper "$INNER/u" --target "$TARGET/view" -- \
        sh -c 'cd "$1"; cat low; echo more >>low; mv d e; ls e; ./script' sh "$TARGET/view"
    echo "$stderr"
    [ "$status:$stderr" = 0: ]
    [ "$output" = $'low\nx\ny\n./script' ]
    [ "$(as cat "$INNER/u/low")" = $'low\nmore' ]
}
@test "in a container with docker's profile an inner union lies over the outer one" { each contained; }

@test "in a union without a guard another one is refused, with a word" {
    layers user
    for option in --verbose --guard=off; do
        UNION_OPTIONS=(--guard=off --writable "$INNER")
        run --separate-stderr inner "$option" -- echo ran
        [ "$status:$output" = 125: ]
        [[ $stderr == 'unionrun: inside a unionrun already '*', which has no guard, and without that one in another does not work; '* ]]
    done
}

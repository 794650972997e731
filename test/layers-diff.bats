#!/usr/bin/env bats
# `unionrun diff`: what an upper changes.

load helpers
bats_require_minimum_version 1.5.0

setup() {
    workspace root
    as mkdir -p "$W/lowers/1/d" "$W/lowers/2/d" "$W/lowers/2/old/in" "$W/lowers/2/o"
    as sh -c "cd '$W/lowers' && echo a >1/d/a && echo b >2/d/b && echo c >2/d/c && echo x >2/old/in/x && echo o >2/o/was &&
        ln -s a 2/d/link && echo h >2/h1 && ln 2/h1 2/h2"
}

diff_() {
    as "$UNIONRUN" diff --lower "$W/lowers/1" --lower "$W/lowers/2" --upper "$UPPER" --target "$TARGET" "$@"
}

# What diff says, without the target's path before each name.
short() { diff_ "$@" | sed "s,$TARGET/,,g"; }

@test "every kind of change has its letter, and what is the same has none" {
    run short
    [ "$output" = "" ]
    union sh -c "cd '$TARGET' && echo more >>d/a && chmod 600 d/b && rm d/c && echo n >new && mkdir dir && mv old moved &&
        rm -r o && mkdir o && echo n >o/n && rm d/link && mkdir d/link"
    same diff "M d/a
m d/b (mode)
D d/c
T d/link/ (symlink)
A dir/
R old/ -> moved/
A new
T o/ (opaque)
A o/n" "$(short)"
}

@test "a copy that equals the lower's file is no change, nor is a directory on the way to one" {
    union sh -c "cd '$TARGET' && cp -p d/a '$TARGET/keep' && chmod 600 d/a && chmod 644 d/a && echo y >>d/b && cp -p d/b keep2 &&
        echo b >d/b && rm keep keep2"
    [ -e "$UPPER/d/a" ]
    same diff 'm d/b (time)' "$(short)"
    as touch -r "$W/lowers/2/d/b" "$UPPER/d/b"
    same diff '' "$(short)"
}

@test "a renamed file is told as renamed, also when it was changed too or replaces another" {
    union sh -c "cd '$TARGET' && mv d/a d/a2 && mv d/b d/b2 && echo more >>d/b2 && mv d/c h1"
    same diff "R d/a -> d/a2
R d/b -> d/b2 (changed)
R d/c -> h1 (time)" "$(short | sed 's/(changed, time)/(changed)/; s/h1$/h1 (time)/')"
}

@test "a file in a renamed directory is compared with what it was" {
    union sh -c "cd '$TARGET' && mv old moved && echo more >>moved/in/x && mv moved/in moved/within"
    same diff "R old/ -> moved/
R moved/in/ -> moved/within/
M moved/within/x" "$(short)"
    [ "$(diff_ --json | jq -r '.mounts[0].changes[] | select(.change == "content") | "\(.was_size) \(.size)"')" = '2 7' ]
}

@test "all names of a lower's hard link are told when one is changed" {
    union sh -c "echo more >>'$TARGET/h1'"
    same diff "M h1
M h2 (hard link)" "$(short)"
}

@test "--stat sums up, --exit-code tells, PATH limits" {
    run diff_ --exit-code
    [ "$status" -eq 0 ]
    union sh -c "cd '$TARGET' && echo 12345 >new && rm d/c"
    run diff_ --stat --exit-code
    [ "$status" -eq 1 ]
    [ "${lines[1]}" = "A $TARGET/new  6 bytes" ]
    [ "${lines[2]}" = '2 changes, 1 added, 1 deleted; 6 bytes in the upper, +4 bytes' ]
    same diff 'D d/c' "$(short "$TARGET/d")"
    [ "$(cd "$W/lowers/2/d" && short "$TARGET/new")" = 'A new' ]
}

@test "--patch makes the lowers' text what the union has" {
    as sh -c "seq 30 >'$W/lowers/2/d/numbers'"
    union sh -c "cd '$TARGET' && sed -i 's/^15\$/fifteen/' d/numbers && rm d/c && echo new >n && printf 'a\\0b' >binary"
    as mkdir "$W/copy"
    as cp -a "$W/lowers/2/." "$W/lowers/1/." "$W/copy"
    diff_ --patch >"$BATS_TEST_TMPDIR/patch"
    grep -q '^Binary files' "$BATS_TEST_TMPDIR/patch"
    as patch -s -d "$W/copy" -p1 <"$BATS_TEST_TMPDIR/patch"
    [ "$(union cat "$TARGET/d/numbers" "$TARGET/n")" = "$(cat "$W/copy/d/numbers" "$W/copy/n")" ]
    [ ! -e "$W/copy/d/c" ]
}

@test "--json has the documented form, and a name that is no UTF-8 in base64" {
    union sh -c "cd '$TARGET' && mv d/a \"\$(printf 'd/\\377')\" && rm -r o"
    path=$(diff_ --json | jq -r '.mounts[0].changes[] | select(.change == "renamed").path_base64' | base64 -d | od -An -to1 | tr -d '\n')
    [[ $path == *' 057 144 057 377' ]]
    [ "$(diff_ --json | jq '.mounts[0].summary | .deleted, .renamed')" = $'1\n1' ]
    [[ "$(short)" == *'"d/\377"'* || "$(short)" == *'\377"'* ]]
}

@test "colours are for terminals alone, and NO_COLOR is heard" {
    union touch "$TARGET/new"
    args="diff --lower $W/lowers/1 --lower $W/lowers/2 --upper $UPPER --target $TARGET"
    script -qec "env TERM=xterm $UNIONRUN $args" /dev/null </dev/null | grep -q $'\033\\[32madded:'
    fails grep -q $'\033' <(script -qec "env TERM=xterm NO_COLOR=1 $UNIONRUN $args" /dev/null </dev/null)
    fails grep -q $'\033' <(diff_)
}

@test "a plain user's copies of what others own count as changed only by what was changed" {
    [ "$(id -u)" = 0 ] || skip 'only root can give a lower another owner'
    workspace user
    as mkdir "$W/lowers/base"
    echo a >"$W/lowers/base/a"
    mkdir "$W/lowers/base/sub"
    echo b >"$W/lowers/base/sub/b"
    chmod -R a+rwX "$W/lowers/base"
    union sh -c "echo more >>'$TARGET/sub/b'; echo a >'$TARGET/a'"
    same diff "m $TARGET/a (time)
M $TARGET/sub/b" "$(as "$UNIONRUN" diff --lower "$W/lowers/base" --upper "$UPPER" --target "$TARGET")"
}

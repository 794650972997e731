#!/usr/bin/env bats
# The work directory: what a killed run leaves in it, and what it must not bring back.

load helpers

bats_require_minimum_version 1.5.0

setup() {
    workspace root
    as mkdir -p "$W/lowers/base/shut"
    as sh -c "echo one >'$W/lowers/base/a' && ln '$W/lowers/base/a' '$W/lowers/base/b'"
    as chmod 0555 "$W/lowers/base/shut"
    own=$UPPER.work/unionrun
}

@test "litter of a killed run is gone after the next, and it is said with --verbose" {
    union true
    as mkdir -p "$own/tmp/dir/below"
    as sh -c "echo half >'$own/tmp/file'"
    run union true
    [ "$status" -eq 0 ]
    [ -z "$(ls -A "$own/tmp")" ]
    [ -z "$output" ]
    as touch "$own/tmp/again"
    run "$UNIONRUN" --verbose --lower "$W/lowers/base" --upper "$UPPER" --target "$TARGET" -- true
    [[ $output == *"$own"*"mended"* ]]
}

@test "a mode that a killed run had changed is given back by the next" {
    union chmod 0555 "$TARGET/shut"
    union touch "$TARGET/shut"
    [ "$(stat -c %a "$UPPER/shut")" = 555 ]
    as chmod 0755 "$UPPER/shut"
    as ln -s "mode 555 $(stat -c %i "$UPPER/shut") $UPPER/shut" "$own/journal/1234abcd"
    union true
    [ "$(stat -c %a "$UPPER/shut")" = 555 ]
    [ ! -L "$own/journal/1234abcd" ]
}

@test "hard links of a lower stay one file in the next run" {
    union sh -c "echo two >>'$TARGET/a'"
    [ "$(union cat "$TARGET/b")" = $'one\ntwo' ]
    [ "$(union stat -c '%h %i' "$TARGET/a")" = "$(union stat -c '%h %i' "$TARGET/b")" ]
}

@test "hard links of a lower stay one file in the next run, whatever other mounts have" {
    local t run
    as mkdir "$W/other" "$TARGET/t" "$TARGET/t/longer"
    for t in "$W/t" "$W/t/t/longer"; do
        # shellcheck disable=SC2016 # for the shell inside
        for run in 'echo two >>"$1/a"' 'cat "$1/b"'; do
            run -0 as "$UNIONRUN" --target "$t" --lower "$W/lowers/base" --upper "$W/up$(basename "$t")" \
                --target "$TARGET/t" --lower "$W/other" --upper "$W/upother" -- sh -euc "$run" sh "$t"
        done
        same "by the other name, in $t" $'one\ntwo' "$output"
    done
}

# As a kill leaves it between the copy and its name.
@test "a copied hard link without a name in the upper has one number, for stat and in listings" {
    union sh -c "echo two >>'$TARGET/a'"
    as rm "$UPPER/a"
    [ "$(union cat "$TARGET/b")" = $'one\ntwo' ]
    # shellcheck disable=SC2016 # for the shell inside
    union sh -euc 'cd "$1"; for f in a b; do [ "$(find . -name "$f" -printf "%i")" = "$(stat -c %i "$f")" ]; done
        python3 -c "import os; [e.inode() == os.stat(e.path).st_ino or exit(e.name) for e in os.scandir()]"' sh "$TARGET"
}

@test "a work directory that was kept while its upper was thrown away brings nothing back" {
    union sh -c "echo two >>'$TARGET/a'"
    as rm -r "$UPPER"
    [ "$(union cat "$TARGET/b")" = one ]
    [ "$(union cat "$TARGET/a")" = one ]
}

@test "a plain user's copy-up in a 0555 directory leaves its mode, and no note in the journal" {
    [ "$WHO" = user ] || workspace user
    as mkdir -p "$W/lowers/base/closed/inner"
    as sh -c "echo one >'$W/lowers/base/closed/f'"
    as chmod 0555 "$W/lowers/base/closed/inner" "$W/lowers/base/closed"
    union sh -c "echo two >>'$TARGET/closed/f' && chmod 0700 '$TARGET/closed/inner'"
    [ "$(union cat "$TARGET/closed/f")" = $'one\ntwo' ]
    [ "$(union stat -c %a "$TARGET/closed" "$TARGET/closed/inner")" = $'555\n700' ]
    [ "$(stat -c %a "$UPPER/closed")" = 555 ]
    [ "$(ls "$UPPER.work/unionrun/journal" 2>/dev/null)" = lock ]
    as chmod -R u+w "$W"
}

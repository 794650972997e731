#!/usr/bin/env bats
# `unionrun commit`, `discard`, `undo`, `squash`: what an upper changes is kept, or taken back.

load helpers
bats_require_minimum_version 1.5.0

setup() {
    workspace root
    make_layers
}

make_layers() {
    as mkdir -p "$W/lowers/1/d" "$W/lowers/1/o" "$W/lowers/2/d" "$W/lowers/2/o" "$W/lowers/2/m/sub" "$W/lowers/2/p"
    as sh -c "cd '$W/lowers' && echo a >2/d/a && echo A >1/d/a && echo b >2/d/b && echo o >2/o/old && echo x >2/m/x &&
        echo s >2/m/sub/s && echo p >2/p/p && echo f >2/f && echo g >1/g && echo g2 >2/g && echo h >1/h1 && ln 1/h1 1/h2"
}

# Changes of every kind.
change() {
    union sh -c "cd '$TARGET' && echo 2 >>d/a && rm d/b && rm -r o && mkdir o && echo n >o/n && mv m m2 && echo y >>m2/sub/s &&
        mkdir m && echo mm >m/mm && mv p p2 && ln -s d link && echo h2 >>h1 && rm f && mkdir f && echo in >f/in && rm g &&
        mkfifo fifo && mkdir -p deep/er && echo z >deep/er/z && chmod 700 d && ln deep/er/z z"
}

tool() {
    as "$UNIONRUN" "$1" --lower "$W/lowers/1" --lower "$W/lowers/2" --upper "$UPPER" --target "$TARGET" "${@:2}"
}

# seen_by UPPER LOWER...: all that a program sees, types, modes, times (not those of directories), links, data.
seen_by() {
    local layer args=(--upper "$1")
    shift
    for layer; do args+=(--lower "$layer"); done
    as "$UNIONRUN" "${args[@]}" --target "$TARGET" -- sh -c "cd '$TARGET'
        find . ! -type d -printf '%p %y %m %U %s %T@ %n %l\n' -o -printf '%p d %m %U\n' | sort
        find . -type f | sort | xargs sha1sum"
}

seen() { seen_by "$UPPER" "$W/lowers/1" "$W/lowers/2"; }

same_view() { same view "$1" "$(seen)"; }

@test "commit: the union shows the same, from the lower, and the upper is empty" {
    for who in root user; do
        [ "$who" = "$WHO" ] || { [ "$(id -u)" = 0 ] && workspace user && make_layers; } || continue
        change
        before=$(seen)
        deep=$(lower_digest "$W/lowers/2")
        run tool commit
        [ "$status" -eq 0 ]
        same_view "$before"
        [ -z "$(as find "$UPPER" -mindepth 1)" ]
        same 'the second lower' "$deep" "$(lower_digest "$W/lowers/2")"
        [ -z "$(tool diff)" ]
        [ ! -e "$W/lowers/1/.wh..wh.unionrun" ]
        # Only what the second lower would show needs a whiteout, and nothing a redirect.
        same whiteouts $'d/b\ng\np' "$(cd "$W/lowers/1" && as find . -type c -printf '%P\n' | sort)"
        fails grep -q redirect <(as getfattr -R -d -m - "$W/lowers/1" 2>/dev/null)
    done
}

@test "commit --to makes a new layer, and leaves upper and lowers as they are" {
    change
    before=$(seen)
    digest=$(lower_digest "$W/lowers/1" "$W/lowers/2")
    run tool commit --to "$W/new"
    [ "$status" -eq 0 ]
    same lowers "$digest" "$(lower_digest "$W/lowers/1" "$W/lowers/2")"
    same_view "$before"
    tool discard --yes
    same 'view by the new layer' "$before" "$(seen_by "$W/up/other" "$W/new" "$W/lowers/1" "$W/lowers/2")"
    run tool commit --to "$W/new"
    [ "$status" -eq 0 ] # nothing to commit: nothing is made
}

@test "commit killed at any step is finished by the next, and a run waits for that" {
    change
    before=$(seen)
    as cp -a "$W/lowers/1" "$W/saved"
    tool commit --to "$W/other" # gives each name of the hard link an entry
    as cp -a "$UPPER" "$W/saved-upper"
    calls=rename,unlink,rmdir,linkat,symlink,utimensat
    refused=0
    for at in 1 2 4 7 11 16 22 29 200; do
        as rm -rf "$W/lowers/1" "$UPPER" "$UPPER.work"
        as cp -a "$W/saved" "$W/lowers/1"
        as cp -a "$W/saved-upper" "$UPPER"
        run as strace -f -o /dev/null -e "trace=$calls" -e "inject=$calls:signal=KILL:when=$at" "$UNIONRUN" commit \
            --lower "$W/lowers/1" --lower "$W/lowers/2" --upper "$UPPER" --target "$TARGET"
        [ "$status" -ne 0 ] || break
        run union true
        if [ "$status" -ne 0 ]; then
            [[ $output == *'a commit of it was interrupted; unionrun commit finishes it'* ]]
            refused=$((refused + 1))
        fi
        tool commit
        same_view "$before"
        [ -z "$(as find "$UPPER" -mindepth 1)" ]
        [ ! -e "$W/lowers/1/.wh..wh.unionrun" ]
    done
    [ "$at" -gt 11 ]
    [ "$refused" -gt 0 ]
}

@test "commit by path and pattern takes those changes alone" {
    change
    before=$(seen)
    tool commit "$TARGET/d"
    same_view "$before"
    [ "$(tool diff "$TARGET/d")" = '' ]
    [ "$(cat "$W/lowers/1/d/a")" = $'A\n2' ]
    tool commit --include '*er*' --exclude 'z'
    same_view "$before"
    [ -d "$W/lowers/1/deep/er" ] && [ ! -e "$W/lowers/1/deep/er/z" ]
    run tool commit --exclude 'm2/x' --include 'm2/sub'
    [ "$status" -eq 125 ]
    [[ $output == *"$TARGET/m2/sub/s cannot be taken alone: $TARGET/m2 was renamed and goes as a whole"* ]]
    tool commit --exclude fifo
    same_view "$before"
    [ "$(tool diff | sed "s,$TARGET/,,")" = 'A fifo' ]
}

@test "commit --interactive asks for each change" {
    change
    before=$(seen)
    printf 'y\nn\ny\nd\n' | tool commit --interactive >"$BATS_TEST_TMPDIR/asked"
    [ "$(grep -c 'commit this?' "$BATS_TEST_TMPDIR/asked")" -eq 4 ]
    same_view "$before"
    same left "M d/a" "$(tool diff "$TARGET/d" | sed "s,$TARGET/,,")"
    printf 'q\n' | fails tool commit --interactive
    same_view "$before"
}

@test "commit refuses where a lower has changed since the copy-up, and --force takes the upper's" {
    union sh -c "cd '$TARGET' && echo 2 >>d/a && rm d/b && echo new >new && rm -r o"
    sleep 0.01
    as sh -c "echo other >>'$W/lowers/1/d/a'"
    run tool commit
    [ "$status" -eq 1 ]
    [ "${lines[0]}" = "unionrun: conflict: $TARGET/d/a: its lower was changed since" ]
    [ -e "$UPPER/d/a" ] && [ ! -e "$W/lowers/1/new" ]
    as sh -c "echo other >>'$W/lowers/2/d/b' && echo other >'$W/lowers/2/o/later' && echo other >'$W/lowers/2/new'"
    run tool commit --dry-run
    [ "$status" -eq 1 ]
    [ "$(grep -c '^unionrun: conflict: ' <<<"$output")" -eq 4 ]
    tool commit --exclude d/a --exclude d/b --exclude o --exclude new
    tool commit --force
    [ "$(cat "$W/lowers/1/d/a")" = $'A\n2' ]
    [ -z "$(tool diff)" ]
}

@test "commit is refused while a run goes on, and so is discard" {
    as mkfifo "$W/wait"
    union sh -c "echo x >'$TARGET/new'; cat '$W/wait'" &
    until [ -e "$UPPER/new" ]; do sleep 0.05; done
    run tool commit
    status_commit=$status
    [[ $output == *'is in use by another unionrun'* ]]
    run tool discard --yes
    : >"$W/wait"
    wait
    [ "$status_commit" -eq 125 ] && [ "$status" -eq 125 ]
    [ -e "$UPPER/new" ]
}

@test "commit: two files of one inode in the upper do not stay one with what was committed" {
    union sh -c "cd '$TARGET' && echo one >n1 && ln n1 n2"
    tool commit "$TARGET/n1"
    union sh -c "echo two >>'$TARGET/n2'"
    [ "$(cat "$W/lowers/1/n1")" = one ]
}

@test "commit where another user's commit to the same lower is staged" {
    [ "$(id -u)" = 0 ] || skip "needs root and a plain user"
    workspace user
    make_layers
    union sh -c "echo 2 >>'$TARGET/d/a'"
    mkdir -m 700 "$W/lowers/1/.wh..wh.unionrun"
    tool commit
    [ "$(tail -1 "$W/lowers/1/d/a")" = 2 ]
    [ -z "$(find "$UPPER" -mindepth 1)" ]
}

@test "discard throws all away, or what is beneath a path" {
    before=$(seen)
    change
    run tool discard </dev/null
    [ "$status" -eq 125 ]
    [[ $output == *'give --yes, or PATHs' ]]
    tool discard "$TARGET/d" "$TARGET/deep"
    [ "$(tool diff "$TARGET/d" "$TARGET/deep")" = '' ]
    [ "$(union cat "$TARGET/d/a" "$TARGET/d/b")" = $'A\nb' ]
    tool discard --yes
    same_view "$before"
    [ -z "$(as find "$UPPER" "$UPPER.work/unionrun/links" "$UPPER.work/unionrun/origin" -mindepth 1)" ]
}

@test "discard and undo by patterns: what they mean goes, and new directories stay with what stays in them" {
    union sh -c "cd '$TARGET' && echo 2 >>d/a && rm d/b && mkdir -p deep/er/none && echo z >deep/er/z && echo o >deep/er/z.o && echo o >x.o && echo 2 >>h1"
    run tool discard --include '*.o' </dev/null
    [ "$status" -eq 125 ]
    [[ $output == *'would throw away 2 changes'* ]]
    run tool discard --dry-run --include '*.o' --exclude /deep
    [ "$output" = "A $TARGET/x.o" ]
    tool discard --yes --include '*.o'
    [ "$(tool diff "$TARGET/deep")" = "$(printf 'A %s\n' "$TARGET/deep/" "$TARGET/deep/er/" "$TARGET/deep/er/none/" "$TARGET/deep/er/z")" ]
    [ ! -e "$UPPER/x.o" ]
    tool discard --yes --exclude z --exclude /d/a --exclude h2 # h2 is h1
    [ "$(tool diff "$TARGET/deep")" = "$(printf 'A %s\n' "$TARGET/deep/" "$TARGET/deep/er/" "$TARGET/deep/er/z")" ]
    [ "$(union cat "$TARGET/d/a" "$TARGET/d/b" "$TARGET/h1")" = $'A\n2\nb\nh\n2' ]
    tool undo "$TARGET/d" --exclude a
    [ "$(union cat "$TARGET/d/a")" = $'A\n2' ]
    tool undo "$TARGET/d" --include a
    [ "$(union cat "$TARGET/d/a")" = A ]
}

@test "undo brings back what the lowers have, also what was renamed, by either name" {
    before=$(seen)
    change
    tool undo "$TARGET/p" # renamed to p2
    [ "$(union cat "$TARGET/p/p")" = p ]
    [ ! -e "$UPPER/p2" ]
    tool undo "$TARGET/h2" # changed as h1
    [ "$(union cat "$TARGET/h1" "$TARGET/h2")" = $'h\nh' ]
    run tool undo "$TARGET/o/old"
    [ "$status" -eq 125 ]
    [[ $output == *"$TARGET/o/old: $TARGET/o was made anew as a whole; undo that" ]]
    run tool undo "$TARGET/nothing"
    [ "$status" -eq 125 ]
    [[ $output == *'nothing is changed there' ]]
    for path in o m d link f g fifo deep z; do tool undo "$TARGET/$path"; done
    same_view "$before"
    [ -z "$(tool diff)" ]
}

@test "squash makes one layer that shows the same" {
    change
    before=$(seen)
    tool squash --with-upper --to "$W/flat"
    tool squash --top 1 --with-upper --to "$W/top"
    same 'view by one' "$before" "$(seen_by "$W/up/other" "$W/flat")"
    [ -z "$(as find "$W/flat" -type c)" ] # nothing is below that would have to be hidden
    same 'view by the top' "$before" "$(seen_by "$W/up/third" "$W/top" "$W/lowers/2")"
    run tool squash --top 9 --to "$W/x"
    [ "$status" -eq 125 ]
}

# Hard links are left out: a new layer holds them as one, but the count of those that stay in a lower is the upper's.
@test "random operations with a commit every now and then are those in a plain directory" {
    for who in root user; do
        [ "$who" = user ] || [ "$(id -u)" = 0 ] || continue
        workspace "$who" 2>/dev/null || true
        WHO=$who as env TMPDIR="$W" "$BATS_TEST_DIRNAME/differ/run" --seed "${DIFFER_FIRST:-1}" --ops 800 --no-links \
            --without kept-rdonly,root,link,kept-link --union-cmd "$BATS_TEST_DIRNAME/differ/committing"
    done
}

@test "an answer of commit --interactive is a whole line, and one that is none is no answer to the next question" {
    change
    before=$(seen)
    printf 'yes please, and nothing else\nyonder\n\nDone\n' | tool commit --interactive >"$BATS_TEST_TMPDIR/asked"
    [ "$(grep -c 'commit this?' "$BATS_TEST_TMPDIR/asked")" -eq 4 ]
    [ "$(sed 's/^commit this?.*uit: //; /^$/d' "$BATS_TEST_TMPDIR/asked" | sort -u | wc -l)" -eq 1 ]
    same_view "$before"
}

@test "who says quit, or nothing at all, is told that nothing was done: exit status 1" {
    change
    before=$(seen)
    local answers
    for answers in 'y\nq\n' 'y\n' ''; do
        # shellcheck disable=SC2059 # a format, indeed
        run -1 --separate-stderr tool commit --interactive < <(printf "$answers")
        # shellcheck disable=SC2154 # of run
        same "after $answers" 'unionrun: nothing is done: the changes are as they were' "$stderr"
    done
    same_view "$before"
}

# on_terminal ANSWER COMMAND...: $output is what is seen there
on_terminal() {
    local command
    printf -v command '%q ' "${@:2}"
    # shellcheck disable=SC2059 # a format, indeed
    run script -qec "$command" /dev/null < <(printf "$1")
}

@test "discard on a terminal throws away for yes alone, and says what it does not do" {
    change
    before=$(seen)
    local answer
    for answer in 'n\n' '\n' 'yonder\n' '\004'; do
        on_terminal "$answer" "$UNIONRUN" discard --lower "$W/lowers/1" --lower "$W/lowers/2" --upper "$UPPER" --target "$TARGET"
        [ "$status" -eq 1 ]
        [[ $output == *'unionrun: nothing is thrown away'* ]] || { echo "$output"; false; }
        same_view "$before"
    done
    on_terminal 'Yes\n' "$UNIONRUN" discard --lower "$W/lowers/1" --lower "$W/lowers/2" --upper "$UPPER" --target "$TARGET"
    [ "$status" -eq 0 ]
    [ -z "$(tool diff)" ]
}

# interrupted_at CALL NUMBER TOOL...: it gets a SIGINT there
interrupted_at() {
    needs strace
    run -130 --separate-stderr timeout 60 bash -c '"$@"; exit $?' bash \
        strace -f -qq -o /dev/null -e trace="$1" -e inject="$1:signal=INT:when=$2" "$UNIONRUN" "${@:3}" \
        --lower "$W/lowers/1" --lower "$W/lowers/2" --upper "$UPPER" --target "$TARGET"
}

@test "squash and commit that are interrupted leave all as it was, and nothing half done" {
    change
    before=$(seen) names=$(ls -A "$W" "$W/lowers" "$W/lowers/1")
    interrupted_at utimensat 3 squash --to "$W/new"
    interrupted_at utimensat 3 commit --to "$W/new"
    interrupted_at utimensat 3 commit
    same message 'unionrun: interrupted: nothing is committed' "$stderr"
    same names "$names" "$(ls -A "$W" "$W/lowers" "$W/lowers/1")"
    same_view "$before"
}

@test "a commit that is interrupted when it has begun to fold is done whole" {
    change
    before=$(seen)
    interrupted_at rename 2 commit
    [[ $stderr == 'unionrun: '*' changes committed to '* ]] || { echo "$stderr"; false; }
    same_view "$before"
    [ -z "$(tool diff)" ]
}

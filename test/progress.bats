#!/usr/bin/env bats
# A copy-up that takes longer than a second is shown to a person at a terminal, and leaves nothing there.

load helpers

bats_require_minimum_version 1.5.0

# Stopped in the middle of its copy until somebody continues it.
HOLD='strace -qq -o /dev/null -e trace=copy_file_range,sendfile -e inject=copy_file_range,sendfile:signal=STOP:when=2'
LINE='unionrun: copy-up of '

# prepare [WHO [NAME]]: a lower with a large file, and $W/inside, which makes it be copied up
prepare() {
    needs strace
    workspace "${1:-user}"
    as mkdir "$W/lowers/1"
    as dd if=/dev/urandom of="$W/lowers/1/${2:-big}" bs=1M count=14 2>/dev/null
    RUN=("$UNIONRUN" --lower "$W/lowers/1" --upper "$UPPER" --target "$TARGET")
    as tee "$W/inside" >/dev/null <<END
TARGET='$TARGET'
echo begun
${3-$HOLD} sh -c ': >>"\$1"' sh '$TARGET/${2:-big}'
echo done
END
}

# on_terminal [NAME=VALUE...] SIGNAL PATTERN COMMAND...: $seen, what was written there: with | for what takes a line away,
# each line of ours once, and N for what is another each time
on_terminal() {
    local status=0
    as env "$@" >"$W/seen" || status=$?
    seen=$(sed -E 's/\r$//; s/\r\x1b\[K/|/g; s/[0-9.]+ MiB( of 14 MiB, )[0-9.]+ MiB\/s/N\1N/g; s/14 MiB, on its way to the disk/N of 14 MiB, N/g
        s/(unionrun: [^|]*)(\|\1)+/\1/g' "$W/seen")
    return "$status"
}

@test "a copy-up over a second is shown, and its line is gone before the program goes on" {
    local who how
    for who in root user; do
        [ "$(id -u)" = 0 ] || [ $who = user ] || continue
        prepare $who
        for how in --guard=off --guard=auto; do
            on_terminal COLUMNS=200 "$REPO/test/on-terminal" SIGCONT "$LINE.* 4[.]0 MiB of" -- "${RUN[@]}" $how -- sh "$W/inside"
            same "$who, $how" "begun
|$LINE$TARGET/big N of 14 MiB, N|done" "$seen"
            cmp "$UPPER/big" "$W/lowers/1/big"
            as rm -r "$UPPER" "$UPPER.work"
        done
    done
}

@test "so is one that the guard makes for a static program, and one of a file whose metadata were there already" {
    needs busybox
    has_guard || skip 'there is no guard'
    # shellcheck disable=SC2016 # that script's
    prepare user big 'chmod 600 "$TARGET/big"; busybox'
    # shellcheck disable=SC2086 # words
    on_terminal COLUMNS=200 "$REPO/test/on-terminal" SIGCONT "$LINE.* 4[.]0 MiB of" -- ${HOLD/-qq/-f -qq} "${RUN[@]}" --no-preload \
        --guard=auto -- busybox sh "$W/inside"
    grep -qxF "|$LINE$TARGET/big N of 14 MiB, N|done" <<<"$seen"
}

@test "what is not short enough is cut at its beginning, and no name reaches the terminal as it is" {
    prepare user $'caf\u00e9 \e[31m\xff large'
    on_terminal COLUMNS=90 "$REPO/test/on-terminal" SIGCONT "$LINE.* 4[.]0 MiB of" -- "${RUN[@]}" -- sh "$W/inside"
    local line
    line=$(grep -F "$LINE" <<<"$seen")
    [[ $line == "|$LINE..."*$'/caf\u00e9 \\033[31m\\377 large" N of 14 MiB, N|done' ]]
    [ "$(tr '\r' '\n' <"$W/seen" | sed 's/^\x1b\[K//' | wc -L)" -lt 90 ]
}

@test "in an interactive shell of the run it is shown for the job in front" {
    prepare
    on_terminal COLUMNS=200 "$REPO/test/on-terminal" SIGCONT "$LINE.* 4[.]0 MiB of" -- "${RUN[@]}" -- sh -m "$W/inside"
    same 'a job' "begun
|$LINE$TARGET/big N of 14 MiB, N|done" "$seen"
}

@test "nothing is written from the background, beside an editor, to a dumb terminal, or of a short copy-up" {
    prepare
    as tee "$W/behind" >/dev/null <<<'"$@" & exec 2>/dev/null; wait'
    on_terminal "$REPO/test/on-terminal" SIGCONT 3 -- sh -m "$W/behind" "${RUN[@]}" -- sh "$W/inside"
    same 'from the background' $'begun\ndone' "$seen"
    as rm -r "$UPPER" "$UPPER.work"
    on_terminal RAW=1 "$REPO/test/on-terminal" SIGCONT 3 -- "${RUN[@]}" -- sh "$W/inside"
    same 'beside an editor' $'begun\ndone' "$seen"
    as rm -r "$UPPER" "$UPPER.work"
    sed -i s/when=2/when=1/ "$W/inside" # where nobody wants to know it is one call
    on_terminal TERM=dumb "$REPO/test/on-terminal" SIGCONT 3 -- "${RUN[@]}" -- sh "$W/inside"
    same 'to a dumb terminal' $'begun\ndone' "$seen"
    as rm -r "$UPPER" "$UPPER.work"
    sed -i "s/^$(printf '%s' "${HOLD%% *}") .*when=[12] //" "$W/inside"
    on_terminal "$REPO/test/on-terminal" SIGCONT 0 -- "${RUN[@]}" -- sh "$W/inside"
    same 'of a short one' $'begun\ndone' "$seen"
}

@test "the line of a killed process goes, and its slot is another's" {
    prepare
    as tee "$W/inside" >/dev/null <<END
cd "$TARGET"
for n in 1 2 3 4 5 6 7 8; do
    $HOLD python3 -c 'open("big", "r+")' &
done
wait
echo killed
sleep 1.2
$HOLD sh -c ': >>big' &
wait
END
    on_terminal COLUMNS=200 "$REPO/test/on-terminal" SIGKILL:python3 'and 7 more' SIGCONT "killed(.|\\n)*$LINE" -- "${RUN[@]}" -- \
        sh "$W/inside"
    [[ $seen == *" (and 7 more)"*killed*"|$LINE$TARGET/big N of 14 MiB, N|" ]]
}

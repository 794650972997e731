#!/usr/bin/env bats
# The README: each command in it is read out and run, in its order, as a plain user in one directory, where there is what
# it speaks of. A block that is not run says why, in a comment that a reader does not see: <!-- not run: REASON -->; one that
# is for the sources has <!-- run in the tree -->.

bats_require_minimum_version 1.5.0
load helpers

README=$BATS_TEST_DIRNAME/../README.md

# blocks LANGUAGE: the number of each fenced block of it, and "run", "tree" or why not; block NUMBER: its text
blocks() {
    awk -v language="$1" '
        /^<!-- not run: .* -->$/ { why = $0; next }
        /^<!-- run in the tree -->$/ { why = "tree"; next }
        /^```/ && inside { inside = 0; why = ""; next }
        /^```/ { inside = 1; n++; if ($0 == "```" language) print n "\t" (why == "" ? "run" : why); next }
        !inside && NF { why = "" }' "$README"
}
block() { awk -v wanted="$1" '/^```/ && inside { inside = 0; next } /^```/ { inside = 1; n++; next } inside && n == wanted' "$README"; }

# What the README speaks of.
world() {
    workspace user
    cd "$W" || return
    mkdir -p bin
    ln -s "$UNIONRUN" bin/unionrun
    ln -s "$REPO/scripts" scripts
    as sh -eu <<'EOF'
mkdir home legacy legacy/bin legacy/data patches base
cat >legacy/bin/report <<'EOS'
#!/bin/sh
cd "$(dirname "$0")/../data" && echo 2026 >>years && cat years
EOS
echo 2025 >legacy/data/years
printf 'app: app.c x\n\tcat app.c x >app && echo "$(NAME)" >name\n' >base/Makefile
echo base >base/app.c
echo patched >patches/app.c
echo x >base/x
cat >install.sh <<'EOS'
#!/bin/sh
mkdir -p ~/.local/bin && echo tool >~/.local/bin/tool
EOS
chmod +x legacy/bin/report install.sh
mkdir -p image/bin image/etc
cp "$(command -v busybox)" image/bin/sh
echo ID=tiny >image/etc/os-release
tar -C image -cf image.tar .
EOF
}

teardown() {
    rm -rf "/var/tmp/tried.readme-$BATS_ROOT_PID" "/var/tmp/tried.readme-$BATS_ROOT_PID.work"
    chmod -R u+rwX "$BATS_TEST_TMPDIR" # as that of helpers.bash
}

# in_world COMMAND...: as the user of the README types it
in_world() { as env -C "$W" PATH="$W/bin:$PATH" HOME="$W/home" TMPDIR=/var/tmp "$@" </dev/null; }

@test "each command of the README does what it says" {
    needs busybox
    world
    number=$(blocks json | head -1 | cut -f1)
    block "$number" | as tee base.json >/dev/null
    digests=$(lower_digest base image)
    legacy=$(lower_digest legacy)
    ran=0
    while IFS=$'\t' read -r number how; do
        [ "$how" = run ] || continue
        block "$number" >command.sh
        # the changes that the tools are shown
        ! grep -q 'layers base.json' command.sh || in_world unionrun --layers base.json -- sh -c 'echo y >>/work/app/x && touch /work/app/new'
        # what has been made by an earlier block would be in the way
        as rm -rf img
        in_world sh -eu "$W/command.sh" >said 2>&1 || { cat command.sh said; false; }
        ran=$((ran + 1))
        case $(cat command.sh) in
        *legacy/bin/report*) [ "$(cat said)" = $'2025\n2026\nM '"$W/legacy/data/years" ] ;;
        *'--lower patches'*) [ "$(cat changes/app)" = $'patched\nx' ] ;;
        *'layers base.json -- make'*) [ "$(cat home/changes/app)" = $'patched\nx\ny' ] ;;
        *install.sh*)
            grep -q "^A .*/.local/bin/tool " said
            [ "$(cat home/.local/bin/tool)" = tool ]
            ;;
        *with-parallel*) [ "$(cat jobs/debug/upper/name jobs/release/upper/name | xargs)" = 'debug release' ] ;;
        *os-release*) [ "$(tail -1 said)" = tiny ] ;;
        *'unionrun diff'*)
            grep -q '^M /work/app/x$' said
            [ -s tree.html ]
            [ -e layer/Makefile ]
            [ -e patches/new ] # committed
            [ -z "$(ls -A home/changes)" ]
            ;;
        *'unionrun export'*) tar -tzf layer.tar.gz | grep -qx new ;;
        esac
    done < <(blocks sh)
    [ "$ran" -ge 8 ]
    [ "$digests" = "$(lower_digest base image)" ]
    [ "$legacy" = "$(lower_digest legacy)" ]
}

@test "the README's commands for the tree install what is missing, build, and show a build in a union" {
    while IFS=$'\t' read -r number how; do
        [ "$how" = tree ] || continue
        block "$number" >"$BATS_TEST_TMPDIR/command.sh"
        env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -C "$REPO" sh -eu "$BATS_TEST_TMPDIR/command.sh" </dev/null >"$BATS_TEST_TMPDIR/said" 2>&1 ||
            { tail -30 "$BATS_TEST_TMPDIR/said"; false; }
        grep -qE '3-bottom +[0-9a-f]+ +[0-9a-f]+ +the same' "$BATS_TEST_TMPDIR/said"
        fails grep -E '(top|middle|bottom) .*changed' "$BATS_TEST_TMPDIR/said"
    done < <(blocks sh)
    [ -s "$BATS_TEST_TMPDIR/said" ]
}

@test "what is not run of the README says why" {
    run blocks sh
    [ "$(grep -c $'\trun$' <<<"$output")" -ge 8 ]
    while IFS=$'\t' read -r _ how; do [[ $how == run || $how == tree || $how == '<!-- not run: '?????*' -->' ]]; done <<<"$output"
    # a command that is no fenced block would be missed
    fails grep -nE '^ {4,}(\./)?(unionrun|make|scripts/[a-z]+|bats|git|cd|sudo) ' "$README"
    fails grep -nE '^```(bash|console|shell)?$' <(awk '/^```/ && !inside { print; inside = 1; next } /^```/ { inside = 0 }' "$README")
}

@test "commands within the README's lines name targets, options and subcommands that are there" {
    # shellcheck disable=SC2013 # words
    for target in $(grep -oE '`make [a-z][a-z0-9-]*' "$README" | cut -d' ' -f2 | sort -u); do
        make -C "$REPO" -npq 2>/dev/null | grep -qE "^$target:" || { echo "no make $target"; false; }
    done
    "$REPO/doc/options" "$UNIONRUN" >"$BATS_TEST_TMPDIR/records"
    # shellcheck disable=SC2013 # words
    for word in $(grep -oE '`unionrun [a-z]+' "$README" | cut -d' ' -f2 | sort -u); do
        grep -q $'^command\t'"$word"$'\t' "$BATS_TEST_TMPDIR/records" || { echo "no unionrun $word"; false; }
    done
    for script in $(grep -oE '`scripts/[a-z-]+' "$README" | tr -d '`' | sort -u); do [ -x "$REPO/$script" ] || [ -d "$REPO/$script" ]; done
}

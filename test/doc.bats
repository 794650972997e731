#!/usr/bin/env bats
# The manual, the completions, the schema's descriptions: true to the program, and fit for those who read them.

bats_require_minimum_version 1.5.0
load helpers

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    DOC=$REPO/build/doc
    SCHEMA=$REPO/config/unionrun-layers.schema.json
}

commands() { "$UNIONRUN" --help | sed -n '/^Subcommands/,$s/^  \([a-z]*\) .*/\1/p'; }

# options [COMMAND]: those that its --help begins a line with
options() { "$UNIONRUN" "$@" --help | grep -oE '^  --?[a-z-]+' | tr -d ' '; }

# own_options COMMAND: without those of the mounts
own_options() { "$UNIONRUN" "$1" --help | sed '/^The mounts/,$d' | grep -oE '^  --?[a-z-]+' | tr -d ' '; }

# section PAGE NAME: as it is read, in one column
section() { mandoc -T utf8 -O width=500 "$1" | col -bx | sed -n "/^ *$2\$/,/^\\( \\{3\\}\\)\\?[^ ]/p" | sed 1d; }

@test "the manual's pages are clean to mandoc and to groff" {
    needs mandoc
    mkdir -p man/man1 man/man5
    cp "$DOC/unionrun.1" man/man1
    cp "$DOC/unionrun-layers.5" man/man5
    for page in man/man?/*; do
        # that of one another they say is to be there once they are installed: looked at here
        mandoc -T lint "$page" 2>/dev/null | grep -vE 'referenced manual not found: Xr unionrun(-layers 5| 1)' >said || true
        [ ! -s said ] || { cat said; false; }
        while read -r _ name section _; do [ -e "man/man$section/$name.$section" ]; done < <(grep '^\.Xr ' "$page")
        LC_ALL=C.UTF-8 man -l --warnings -Tutf8 "$page" 2>said >pages
        [ ! -s said ] || { cat said; false; }
        [ "$(grep -c . pages)" -gt 40 ]
    done
}

@test "unionrun(1) has each option and subcommand of --help, and no others" {
    needs mandoc
    [ "$(section "$DOC/unionrun.1" OPTIONS | grep -oE '^     --?[a-z-]+' | tr -d ' ' | sort)" = "$(options | sort)" ]
    [ "$(mandoc -T utf8 "$DOC/unionrun.1" | col -bx | sed -n 's/^   unionrun \([a-z]*\)$/\1/p')" = "$(commands)" ]
    for command in $(commands); do
        [ "$(options "$command")" != "$(options)" ] || continue # it has those of a run
        section "$DOC/unionrun.1" "unionrun $command" >told
        [ "$(grep -oE '^     --?[a-z-]+' told | tr -d ' ')" = "$(own_options "$command")" ] || { echo "$command"; cat told; false; }
    done
}

@test "unionrun-layers(5) has each key of the schema, and no others" {
    needs mandoc
    section "$DOC/unionrun-layers.5" 'Keys of the file' >file
    section "$DOC/unionrun-layers.5" 'Keys of a mount' >mount
    # shellcheck disable=SC2016 # $schema is a key
    [ "$(grep -ohE '^     [$a-z_]+' file mount | tr -d ' ')" = "$(jq -r '.properties, .definitions.mount.properties | keys_unsorted[]' "$SCHEMA")" ]
}

@test "an editor has a description of each key, and the words that may stand there" {
    run -0 jq -r '[.. | objects | select(.properties) | .properties[] | select((.description // "") | length < 20)] | length' "$SCHEMA"
    [ "$output" = 0 ]
    # draft 7 ignores what stands beside a reference
    # shellcheck disable=SC2016 # $ref is a key
    run -0 jq '[.. | objects | select(has("$ref") and length > 1)] | length' "$SCHEMA"
    [ "$output" = 0 ]
    run -0 jq -cr '.properties.raw.enum' "$SCHEMA"
    for word in $(jq -r '.[]' <<<"$output"); do "$UNIONRUN" --help | grep -q -- "--raw .*\b$word\b"; done
}

# --- completions ---

# Every option and subcommand, by the records that all three are made of.
@test "the records have each option and subcommand of --help, values and all" {
    "$REPO/doc/options" "$UNIONRUN" >records
    [ "$(awk -F'\t' '$1 == "command" { print $2 }' records)" = "$(commands)" ]
    [ "$(awk -F'\t' '$1 == "option" && $2 == "-" { print $3 }' records)" = "$(options)" ]
    for command in $(commands); do
        grep -qx $'same\t'"$command" records ||
            [ "$(awk -F'\t' -v c="$command" '$1 ~ /^(option|mount)$/ && $2 == c { print $3 }' records)" = "$(options "$command")" ]
    done
    grep -q $'^option\t-\t--guard\tauto|require|off\tserve' records
    grep -q $'^option\t-\t--writable\tPATH\tlet' records # its text begins right behind it
    grep -q $'^option\t-\t--no-preload\t-\tthe guard' records
    grep -q $'^option\timport\t-o\tDIR\tthe directory' records
}

# In an interactive shell with the completion loaded, in a directory of its own: what a person types, and sees.
shell() {
    mkdir here
    cd here || return
    mkdir layers lower.d
    touch base.json 'with space'
    TERMINAL="$BATS_TEST_TMPDIR/tmux"
    tmux -S "$TERMINAL" -f /dev/null new-session -d -x 200 -y 50 env -i TERM=screen PATH="$REPO:$PATH" HOME="$BATS_TEST_TMPDIR" \
        LC_ALL=C.UTF-8 "$@"
    shows '^ready> *$'
}

teardown() {
    [ -z "${TERMINAL-}" ] || tmux -S "$TERMINAL" kill-server 2>/dev/null || true
}

type() { tmux -S "$TERMINAL" send-keys -l -- "$1"; }

# shows PATTERN: waits until the screen does
shows() {
    local tries
    for ((tries = 0; tries < 300; tries++)); do
        screen=$(tmux -S "$TERMINAL" capture-pane -p)
        ! grep -qE -- "$1" <<<"$screen" || return 0
        sleep 0.1
    done
    echo "not there: $1"
    echo "$screen"
    return 1
}

# completes TYPED PATTERN...: TAB behind TYPED, on a screen of its own, shows each
completes() {
    local typed=$1
    shift
    tmux -S "$TERMINAL" send-keys C-u C-l
    shows '^ready> *$'
    type "$typed"
    shows "^ready> $typed *\$"
    tmux -S "$TERMINAL" send-keys Tab
    [ "${twice-}" = '' ] || tmux -S "$TERMINAL" send-keys Tab
    local pattern
    for pattern; do shows "$pattern"; done
}

@test "bash completes subcommands, options, their words, files and the command" {
    needs tmux
    shellcheck -s bash "$DOC/unionrun.bash"
    cat >"$BATS_TEST_TMPDIR/rc" <<EOF
PS1='ready> '
. '$DOC/unionrun.bash'
EOF
    shell bash --noprofile --rcfile "$BATS_TEST_TMPDIR/rc" -i
    completes 'unionrun exp' '^ready> unionrun exp$'
    twice=1 completes 'unionrun exp' 'explain +export|export +explain'
    completes 'unionrun doc' '^ready> unionrun doctor'
    completes 'unionrun --no-p' '^ready> unionrun --no-preload'
    completes 'unionrun --guard r' '^ready> unionrun --guard require'
    completes 'unionrun --guard=r' '^ready> unionrun --guard=require'
    completes 'unionrun --layers ba' '^ready> unionrun --layers base.json'
    completes 'unionrun --layers=ba' '^ready> unionrun --layers=base.json'
    completes 'unionrun --lower lo' '^ready> unionrun --lower lower.d/'
    completes 'unionrun --lower ba' '^ready> unionrun --lower ba$'
    completes 'unionrun diff --exit' '^ready> unionrun diff --exit-code'
    completes 'unionrun explain wi' '^ready> unionrun explain with\\ space'
    completes 'unionrun --ephemeral -- mkfif' '^ready> unionrun --ephemeral -- mkfifo'
}

@test "zsh completes subcommands, options, their words, files and the command" {
    needs tmux
    needs zsh
    mkdir site
    cp "$DOC/unionrun.zsh" site/_unionrun
    cat >.zshrc <<EOF
fpath=('$BATS_TEST_TMPDIR/site' \$fpath)
autoload -Uz compinit
compinit -u -D
unsetopt beep
PS1='ready> '
EOF
    shell zsh -i
    twice=1 completes 'unionrun ex' 'explain +-- which layer a name comes from' 'export +-- '
    completes 'unionrun doc' '^ready> unionrun doctor'
    completes 'unionrun --no-p' '^ready> unionrun --no-preload'
    completes 'unionrun --guard=r' '^ready> unionrun --guard=require'
    completes 'unionrun --guard r' '^ready> unionrun --guard require'
    completes 'unionrun --layers ba' '^ready> unionrun --layers base.json'
    completes 'unionrun --lower lo' '^ready> unionrun --lower lower.d/'
    completes 'unionrun --' '--fence +-- keep the lowers' '--verbose +-- say more'
    completes 'unionrun diff --exit' '^ready> unionrun diff --exit-code'
    completes 'unionrun import -o la' '^ready> unionrun import -o layers/'
    completes 'unionrun explain wi' '^ready> unionrun explain with\\ space'
    completes 'unionrun --ephemeral -- mkfif' '^ready> unionrun --ephemeral -- mkfifo'
}

@test "fish completes subcommands, options, their words, files and the command" {
    needs fish
    mkdir layers lower.d
    touch base.json
    suggests() { HOME=$BATS_TEST_TMPDIR fish --no-config -c "source '$DOC/unionrun.fish'; complete -C '$1'"; }
    same commands "$(commands | sort)" "$(suggests 'unionrun ' | cut -f1 | sort)"
    suggests 'unionrun ' | grep -q $'^explain\twhich layer a name comes from, and why$'
    same options "$(options | sort)" "$(suggests 'unionrun --' | cut -f1 | grep -vx -e -- | sort)"
    for command in import diff commit; do
        same "options of $command" "$(options "$command" | grep -e -- | sort)" "$(suggests "unionrun $command --" | cut -f1 | sort)"
    done
    [ "$(suggests 'unionrun --guard ' | cut -f1 | xargs)" = 'auto off require' ]
    [ "$(suggests 'unionrun --guard=r' | cut -f1)" = --guard=require ]
    [ "$(suggests 'unionrun --layers ba')" = base.json ]
    [ "$(suggests 'unionrun --lower lo' | cut -f1)" = lower.d/ ]
    [ -z "$(suggests 'unionrun --lower ba')" ]
    [ "$(suggests 'unionrun import -o la' | cut -f1)" = layers/ ]
    [ "$(suggests 'unionrun --ephemeral -- mkfif' | cut -f1)" = mkfifo ]
}

# --- the map ---

# shellcheck disable=SC2013,SC2016 # words; backquotes
@test "CONTRIBUTING.md names every folder of the house, and nothing that is not there" {
    cd "$REPO"
    map=$(sed -n '/^    README.md/,/^$/p' CONTRIBUTING.md)
    git -c safe.directory='*' ls-files >"$BATS_TEST_TMPDIR/files" 2>/dev/null || skip 'not in git'
    # and those within them, but for the tests' and what is told with the folder above
    for folder in $(sed -n 's,/[^/]*$,/,p' "$BATS_TEST_TMPDIR/files" | cut -d/ -f1-2 | sed 's,/*$,/,' | sort -u); do
        case $folder in test/*/ | scripts/bench.d/ | debian/*/) continue ;; esac
        grep -qE "(^| )$folder( |$)" <<<"$map" || { echo "$folder is not told"; false; }
    done
    for name in $(sed -nE 's/^    ([^ ].*)/\1/; t named; d; :named; s/  +.*//; s/ /\n/g; p' <<<"$map"); do
        [ -e "$name" ] || { echo "$name is not there"; false; }
    done
    for name in $(grep -oE '`[a-z]+/[a-zA-Z./_-]+`' CONTRIBUTING.md README.md SECURITY.md | cut -d'`' -f2 | grep -v '^img/'); do
        [ -e "$name" ] || { echo "$name is not there"; false; }
    done
    for target in $(grep -ohE 'make [a-z0-9-]+' CONTRIBUTING.md | cut -d' ' -f2 | sort -u); do
        grep -qE "^([a-z0-9-]+ )*$target( [a-z0-9-]+)*:" Makefile test/*.mk || { echo "no make $target"; false; }
    done
}

#!/usr/bin/env bats
# The launcher: what a command, a shell, a terminal and a CI runner see of it, and what it leaves behind.
# shellcheck disable=SC2016,SC2030,SC2031 # what is quoted so is for the shell in the union

bats_require_minimum_version 1.5.0

setup() {
    REPO=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
    UNIONRUN=${UNIONRUN:-$REPO/unionrun}
    cd "$BATS_TEST_TMPDIR" || return
    HERE=$PWD
    mkdir a b t run
    # Sessions go where the test can look for them.
    export XDG_RUNTIME_DIR=$HERE/run TMPDIR=$HERE/run
    chmod 755 run
    # The commands of these tests leave notes beside the union.
    MOUNT=(--target t --lower a --lower b --upper u --fence=off)
    TERMINAL='' PID=''
}

teardown() {
    [ -z "$TERMINAL" ] || tmux -S "$TERMINAL" kill-server 2>/dev/null || true
    [ -z "$PID" ] || kill -KILL -"$PID" 2>/dev/null || true
}

# No test guesses how long a thing takes. A command that is to run as long as the test needs it waits for the file `go`,
# and a test that has to find it in a certain state waits for that; both give up after half a minute.
UNTIL_GO='n=0; until [ -e go ] || [ $n = 600 ]; do n=$((n + 1)); sleep 0.05; done'

# union COMMAND...: in a union of a and b at t
union() { "$UNIONRUN" "${MOUNT[@]}" -- "$@"; }

# soon COMMAND...: becomes true
soon() {
    for ((i = 0; i < 600; i++)); do
        ! "$@" || return 0
        sleep 0.05
    done
    echo "not within half a minute: $*"
    return 1
}

# state_is STATE PID: S, T ... as ps tells it: S+ if it is in the foreground of its terminal
state_is() {
    local state group foreground
    [ -n "$2" ] && read -r _ _ state _ group _ _ foreground _ <"/proc/$2/stat" || return
    [ "$group" != "$foreground" ] || state+=+
    [ "$state" = "$1" ]
}

# job_is STATE: the process whose number is in the file `pid`
job_is() { [ -s pid ] && state_is "$1" "$(cat pid)"; }
job_has_ended() { [ ! -e "/proc/$(cat pid)" ] || job_is Z; }

no_session() { [ -z "$(ls -A run)" ]; }

# in_background NAME COMMAND...: the union in the background with a group of its own, its process in $PID
in_background() {
    setsid env --default-signal "$UNIONRUN" "${MOUNT[@]}" -- "$@" 3>&- &
    PID=$!
}

# ends STATUS: the one in the background ends so
ends() {
    local ended=0
    wait "$PID" || ended=$?
    PID=
    [ "$ended" -eq "$1" ] || { echo "ended with $ended"; return 1; }
}

# --- status and signals ---

@test "the command's exit status comes through" {
    for status in 0 1 42 125 255; do
        run -"$status" union sh -c "exit $status"
    done
}

@test "a command that a signal ends ends unionrun by the same signal, without a core" {
    ulimit -c unlimited
    for signal in TERM KILL SEGV PIPE; do
        run python3 -c 'import subprocess, sys; print(-subprocess.run(sys.argv[1:]).returncode)' \
            "$UNIONRUN" "${MOUNT[@]}" -- sh -c "ulimit -c 0; kill -$signal \$\$"
        [ "${lines[-1]}" = "$(kill -l "$signal")" ]
    done
    [ -z "$(find . -maxdepth 1 -name 'core*')" ]
}

@test "a command that is not there is 127, one that cannot be run is 126" {
    run -127 union nosuchcommand
    [[ $output == 'unionrun: nosuchcommand: No such file or directory' ]]
    run -127 union ./none/x
    touch file
    run -126 union ./file
    [[ $output == 'unionrun: ./file: Permission denied' ]]
    run -126 union /
    printf 'echo "$0 $1"\n' >script
    chmod +x script
    run -0 union ./script x # without #!, as execvp has it
    [ "$output" = './script x' ]
}

@test "a command is looked up in the union" {
    mkdir a/bin
    printf '#!/bin/sh\necho in the union\n' >a/bin/onlyhere
    chmod +x a/bin/onlyhere
    PATH=$HERE/t/bin:$PATH run -0 union onlyhere
    [ "$output" = 'in the union' ]
    run -0 union t/bin/onlyhere
}

@test "a command that is whited out is not found" {
    mkdir a/bin
    printf '#!/bin/sh\n' >a/bin/gone
    chmod +x a/bin/gone
    PATH=$HERE/t/bin:$PATH run -0 union gone
    union rm t/bin/gone
    PATH=$HERE/t/bin:$PATH run -127 union gone
}

@test "SIGTERM and its like, sent to unionrun, reach the command" {
    for signal in TERM HUP INT QUIT USR1 USR2 ALRM PROF; do
        in_background bash -c "trap 'echo got $signal >>got; exit 7' $signal; touch ready; for i in {1..200}; do sleep 0.05; done"
        soon test -e ready
        kill -"$signal" "$PID"
        ends 7
        grep -qx "got $signal" got
        rm ready
    done
    soon no_session
}

@test "timeout ends a command in the union" {
    for signal in TERM:124 KILL:137; do
        rm -f began
        for limit in 0.3 3 30; do # one of them lets the command begin, on a slow machine too
            rm -rf run/*
            run -"${signal#*:}" timeout -s "${signal%:*}" "$limit" "$UNIONRUN" "${MOUNT[@]}" -- sh -c 'touch began; exec sleep 60'
            [ ! -e began ] || break
        done
        [ -e began ]
        soon no_session
    done
}

@test "an alarm that was set before unionrun started comes" {
    run -142 env --default-signal perl -e 'alarm 1; exec @ARGV' "$UNIONRUN" "${MOUNT[@]}" -- sleep 60
}

@test "dispositions, mask, umask, limits, directory and descriptors are the caller's" {
    cat >look <<'END'
#!/bin/bash
grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status
[ "$(id -u)" != 0 ] || grep '^NoNewPrivs' /proc/self/status # a plain user's guard needs them gone
umask
ulimit -a
pwd
nice
ls -l /proc/self/fd | awk '{ print $9, $11 }' | grep -vE "/proc/[0-9]*/fd|^[01] |^$"
END
    chmod +x look
    for around in '' 'trap "" HUP' 'trap "" INT QUIT TSTP' 'umask 027; ulimit -n 100' 'nice -n 3 true; exec 7<run 9>nine'; do
        bash -c "$around"$'\n''"$@"' - ./look >plain
        bash -c "$around"$'\n''"$@"' - "$UNIONRUN" "${MOUNT[@]}" -- ./look >inside
        diff plain inside
    done
    python3 - "$UNIONRUN" "${MOUNT[@]}" <<'END'
import signal, subprocess, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM])
plain = subprocess.run(["./look"], stdout=-1, preexec_fn=lambda: None).stdout
assert plain == subprocess.run(sys.argv[1:] + ["--", "./look"], stdout=-1, preexec_fn=lambda: None).stdout
END
}

@test "stdin, stdout and stderr are the command's" {
    run -0 --separate-stderr bash -c 'echo in | "$@"' - "$UNIONRUN" "${MOUNT[@]}" -- sh -c 'cat; echo err >&2'
    [ "$output" = in ]
    # shellcheck disable=SC2154 # bats sets it
    [ "$stderr" = err ]
}

@test "arguments reach the command as they are" {
    run -0 union printf '<%s>' '' ' ' -- --help '*' $'a\nb' '$x'
    [ "$output" = $'<>< ><--><--help><*><a\nb><$x>' ]
}

@test "the environment gains the session and the shim, the shim behind what is preloaded already" {
    env -u LD_PRELOAD sh -c 'env | sort' >before
    env -u LD_PRELOAD "$UNIONRUN" "${MOUNT[@]}" -- sh -c 'env | sort' >after
    [ "$(diff before after | grep -c '^[<>]')" = "$(grep -cE '^(UNIONRUN_SESSION|LD_PRELOAD)=' after)" ]
    grep -q '^UNIONRUN_SESSION=/' after
    grep -q '^LD_PRELOAD=/.*/unionrun.so$' after
    run -0 env LD_PRELOAD=libm.so.6 "$UNIONRUN" "${MOUNT[@]}" -- sh -c 'echo "$LD_PRELOAD"'
    [[ $output == libm.so.6:/*/unionrun.so ]]
}

# --- a terminal ---

# type_keys KEYS...: into the terminal of the test
type_keys() { tmux -S "$TERMINAL" send-keys -t 0 "$@"; }
screen() { tmux -S "$TERMINAL" capture-pane -p -t 0 -S - | sed '/^$/d'; }
screen_has() { grep -qE "$1" <<<"$(screen)"; }
shows() { soon screen_has "$1" || { screen; false; }; }

# tells PATTERN: of a job's end, which a shell tells before a prompt. Of a job that is continued and dies at once bash may
# hear only with the end of its next child, so it gets some.
tells() { soon told "$1" || { screen; false; }; }
told() { screen_has "$1" || { prompted P && type_keys '/bin/true' Enter && false; }; }

# prompted [PROMPT]: a shell waits there for the next line
prompted() { [[ $(screen | tail -n 1) =~ ^"${1:-P}>"\ *$ ]]; }

# terminal COMMAND...: runs in a terminal, wide enough to break no line
terminal() {
    TERMINAL=terminal # no absolute path: a socket's name must be short
    env -u TMUX TERM=screen tmux -S "$TERMINAL" -f /dev/null new-session -d -x 400 -y 50 "$@" 3>&-
}

# The prompt is `P>`, so that it is not mistaken for a command's own words. Without `set -o notify`, by which bash prints
# in a signal handler, whatever it was about.
shell_terminal() {
    printf 'PS1="P> "\nPROMPT_COMMAND=\n' >rc
    terminal "$@"
    soon prompted
}

@test "^C ends the command, and unionrun with it, in a terminal" {
    shell_terminal bash --rcfile rc -i
    type_keys "'$UNIONRUN' ${MOUNT[*]} -- sh -c 'echo \$\$ >pid; exec sleep 60'; echo ended \$?" Enter
    soon job_is S+
    type_keys C-c
    shows '^ended 130|^P> *$'
    run ! screen_has '^ended 0'
    soon no_session
}

@test "^C reaches the command once, and a command that goes on goes on" {
    shell_terminal bash --rcfile rc -i
    type_keys "'$UNIONRUN' ${MOUNT[*]} -- bash -c 'trap \"echo caught\" INT; echo ready; $UNTIL_GO; exit 5'; echo ended \$?" Enter
    shows '^ready'
    type_keys C-c
    shows '^(\^C)?caught'
    sleep 0.3 # in which it would come once more
    touch go
    shows '^ended 5'
    [ "$(screen | grep -cE '^(\^C)?caught')" = 1 ] || { screen; false; }
}

@test "^Z, bg and fg of unionrun in a shell stop and continue the command" {
    shell_terminal bash --rcfile rc -i
    # No dash: it starts programs by vfork, and cannot be stopped while a child is that has not come to its exec.
    type_keys "'$UNIONRUN' ${MOUNT[*]} -- bash -c 'echo \$\$ >pid; $UNTIL_GO; touch went-on; exit 6'; echo first \$?" Enter
    soon job_is S+
    type_keys C-z
    shows 'Stopped'
    job_is T
    touch go
    sleep 0.3 # in which it would go on
    [ ! -e went-on ]
    soon prompted
    type_keys "bg" Enter
    soon test -e went-on || { screen; false; }
    tells 'Exit 6'
    rm pid
    type_keys "'$UNIONRUN' ${MOUNT[*]} -- sh -c 'echo \$\$ >pid; read again; exit \$again'" Enter
    soon job_is S+
    type_keys C-z
    shows '\[1\]\+ +Stopped.*again'
    type_keys 'fg; echo "status $?"' Enter
    soon job_is S+
    type_keys 9 Enter
    shows '^status 9'
    soon no_session
}

@test "job control works in an interactive shell in the union" {
    shell_terminal "$UNIONRUN" "${MOUNT[@]}" -- bash --rcfile rc -i
    type_keys "sh -c 'echo \$\$ >pid; exec sleep 60'" Enter
    soon job_is S+
    type_keys C-z
    shows '\[1\]\+ +Stopped +sh -c'
    job_is T
    soon prompted
    type_keys 'bg' Enter
    shows '\[1\]\+ sh -c .* &'
    soon job_is S
    soon prompted
    type_keys 'fg' Enter
    soon job_is S+
    type_keys C-c
    soon prompted
    type_keys 'echo "ended $?"' Enter
    shows '^ended 130'
    soon prompted
    type_keys 'cat & echo $! >pid' Enter # a reader in the background is stopped by the terminal
    soon job_is T
    soon prompted
    type_keys 'jobs' Enter
    shows '\[1\]\+ +Stopped +cat'
    soon prompted
    type_keys 'kill %1' Enter
    soon job_has_ended
    tells 'Terminated +cat'
    type_keys 'exit' Enter
    soon no_session || { screen; false; }
}

@test "suspend of an interactive shell in the union gives the terminal back" {
    shell_terminal bash --rcfile rc -i
    sed 's/P>/Q>/' rc >inner
    type_keys "'$UNIONRUN' ${MOUNT[*]} -- bash --rcfile inner -i" Enter
    soon prompted Q
    type_keys 'inner=yes; suspend' Enter
    shows 'Stopped'
    soon prompted
    type_keys 'echo "outer $inner."' Enter
    shows '^outer \.'
    soon prompted
    type_keys 'fg' Enter
    soon prompted Q
    type_keys 'echo "inner $inner."' Enter
    shows '^inner yes\.'
}

@test "a command that is stopped by kill stops unionrun, and continues it" {
    in_background sh -c 'echo $$ >pid; exec sleep 60'
    soon job_is S
    kill -STOP "$(cat pid)"
    soon state_is T "$PID"
    kill -CONT "$(cat pid)"
    soon state_is S "$PID"
    kill -STOP "$(cat pid)"
    soon state_is T "$PID"
    kill -CONT "$PID" # and the other way round
    soon job_is S
    kill -STOP "$(cat pid)"
    soon state_is T "$PID"
    kill -KILL "$(cat pid)" # the end of a stopped command is seen
    ends 137
}

# --- what is left behind ---

@test "the session is removed when the command has ended, however it ends" {
    union true
    no_session
    run union sh -c 'kill -KILL $$'
    no_session
    run -125 "$UNIONRUN" --target t --lower a --upper none/u -- true
    no_session
    run -127 union nosuchcommand
    no_session
}

@test "the session is removed when unionrun was killed, after the command has ended" {
    in_background sh -c "touch ready; $UNTIL_GO"
    soon test -e ready
    kill -KILL "$PID"
    ends 137
    run ! no_session
    touch go
    soon no_session
}

@test "what the command leaves running keeps the session, and unionrun does not wait for it" {
    run -0 "$UNIONRUN" "${MOUNT[@]}" --verbose -- sh -c "($UNTIL_GO; touch t/late) >/dev/null 2>&1 </dev/null & echo out"
    [[ $output == *'still there'* ]]
    [ ! -e u/late ]
    run ! no_session
    touch go
    soon no_session
    [ -e u/late ]
}

@test "a pipe ends when the command's output does, with processes left running" {
    union sh -c "($UNTIL_GO; touch waited) >/dev/null 2>&1 </dev/null & echo out" 2>&1 | cat
    [ ! -e waited ]
    touch go
    soon no_session
    rm go
    "$UNIONRUN" "${MOUNT[@]}" -- sh -c "exec >/dev/null; $UNTIL_GO; [ ! -e go ] || touch in-time" | { cat; touch go; }
    [ -e in-time ]
}

@test "the session is not writable for others, and its table for nobody" {
    in_background sh -c "touch ready; $UNTIL_GO"
    soon test -e ready
    run -0 stat -c '%a' run/unionrun-* run/unionrun-*/table run/unionrun-*/shared
    touch go
    ends 0
    if [ "$(id -u)" = 0 ]; then expected='711 444 666'; else expected='700 444 600'; fi
    [ "$(echo "$output" | tr '\n' ' ')" = "$expected " ]
}

@test "the session cannot be seen from within" {
    run ! union sh -c 'ls "$UNIONRUN_SESSION" || ls run/unionrun-*'
}

@test "without XDG_RUNTIME_DIR the session is in /dev/shm" {
    [ -w /dev/shm ] || skip 'no /dev/shm'
    run -0 env -u XDG_RUNTIME_DIR "$UNIONRUN" "${MOUNT[@]}" -- sh -c 'echo "$UNIONRUN_SESSION"'
    [[ $output == /dev/shm/unionrun-?????? ]]
    [ ! -e "$output" ]
    run -0 env XDG_RUNTIME_DIR="$HERE/none" "$UNIONRUN" "${MOUNT[@]}" -- sh -c 'echo "$UNIONRUN_SESSION"'
    [[ $output == /dev/shm/unionrun-?????? ]]
}

@test "two runs on one upper: the second is refused at once, and says who has it" {
    in_background sh -c "touch ready; $UNTIL_GO"
    soon test -e ready
    run -125 union touch ran
    [[ $output == *"--work"*" $HERE/u.work is in use by another unionrun"* || $output == *"$HERE/u.work is in use by another unionrun"* ]]
    keeper=$(echo "$output" | sed -n 's/.*children of process \([0-9]*\).*/\1/p')
    parent=$(ps -o ppid= -p "$keeper" | tr -d ' ')
    [ "$parent" = "$PID" ] || [ "$(ps -o ppid= -p "$parent" | tr -d ' ')" = "$PID" ] # the guard may be between them
    run -125 "$UNIONRUN" --target t --lower a --upper u --work otherwork -- touch ran
    [[ $output == *"--upper: $HERE/u is in use by another unionrun"* ]]
    [ ! -e ran ]
    touch go
    ends 0
    union true
}

@test "unionrun in a unionrun: the inner union lies over the outer" {
    echo low >a/f
    mkdir inner top
    echo top >top/g
    run -0 --separate-stderr union bash -c 'echo outer >t/n; "$@"' - "$UNIONRUN" --target inner --lower t --lower top \
        --upper over -- bash -c 'cat inner/f inner/n inner/g; rm inner/f; echo more >>inner/n; ls inner; cat inner/n'
    [ "$output" = $'low\nouter\ntop\ng\nn\nouter\nmore' ]
    [[ $stderr == *'inside another union'* ]]
    [ "$(cat a/f u/n)" = $'low\nouter' ]
    [ "$(cat over/n)" = $'outer\nmore' ]
    run -125 union "$UNIONRUN" --guard=require --target inner --lower t -- touch ran
    run -0 env UNIONRUN_SESSION="$HERE/gone" "$UNIONRUN" "${MOUNT[@]}" -- true # of a run that has ended
}

@test "unionrun in a unionrun without a guard is refused with a word" {
    run -125 "$UNIONRUN" "${MOUNT[@]}" --guard=off -- "$UNIONRUN" --target t --lower a -- touch ran
    [[ $output == *'inside a unionrun already'* ]]
    [ ! -e ran ]
}

@test "no process but the launcher loads jansson" {
    run -0 union cat /proc/self/maps
    [[ $output == *libc* ]]
    [[ $output != *jansson* ]]
}

@test "a run works from a directory with a space and a colon in its name" {
    mkdir 'odd: place'
    make -s -C "$REPO" -o all install PREFIX="$HERE/odd: place" >/dev/null
    mkdir a/x
    run -0 "odd: place/bin/unionrun" "${MOUNT[@]}" -- sh -c 'ls -d t/x; echo "$LD_PRELOAD"'
    [ "${lines[0]}" = t/x ]
    [[ ${lines[1]} != *[:\ ]* ]]
    no_session
}

# --- uppers ---

@test "upper and work are made if missing; the upper looks like the topmost lower" {
    chmod 1777 a
    touch -d '2001-02-03 04:05:06.789' a
    union true
    [ "$(stat -c '%a %y' u)" = "$(stat -c '%a %y' a)" ]
    if [ "$(id -u)" = 0 ]; then expected=711; else expected=700; fi # who gives up root's ids must still get to tmp/
    [ "$(stat -c '%a' u.work)" = "$expected" ]
    [ -z "$(ls -A u)" ]
}

@test "an upper that is there keeps its mode, and a umask does not matter" {
    mkdir -m 751 u
    umask 077
    union true
    [ "$(stat -c '%a' u)" = 751 ]
    if [ "$(id -u)" = 0 ]; then expected='711 1733 700 '; else expected='700 700 700 '; fi
    [ "$(stat -c '%a' u.work u.work/unionrun/tmp u.work/unionrun/links | tr '\n' ' ')" = "$expected" ]
}

@test "the probe leaves nothing behind" {
    union true
    [ -z "$(ls -A u.work/unionrun/tmp)" ]
}

@test "--ephemeral throws the changes away, whatever their modes and depth" {
    echo old >a/file
    run -0 "$UNIONRUN" --target t --lower a --ephemeral -- sh -c '
        set -e
        echo new >t/file
        cat t/file
        mkdir -p t/d/e t/closed/in t/read-only
        touch t/closed/in/f t/read-only/f
        chmod 0555 t/read-only
        chmod 0000 t/closed
        cd t
        for i in $(seq 120); do mkdir deeper-and-deeper; cd deeper-and-deeper; done'
    [ "$output" = new ]
    [ "$(cat a/file)" = old ]
    no_session
    [ "$(ls)" = $'a\nb\nrun\nt' ]
}

@test "--ephemeral with a layer file leaves the file's uppers alone, and its read-only mounts read-only" {
    mkdir c u
    touch u/of-before
    echo '{"mounts":[{"target":"t","lower":"a","upper":"u"},{"target":"r","lower":"b"}]}' >layers.json
    run -0 "$UNIONRUN" --layers layers.json --ephemeral -- sh -c 'ls t; touch t/new; ls t; touch r/x || echo read-only'
    [[ $output == 'new'*'read-only' ]]
    [ "$(ls u)" = of-before ]
    [ ! -e u.work ]
    no_session
    echo '{"mounts":[{"target":"r","lower":"b"}]}' >layers.json
    run -125 "$UNIONRUN" --layers layers.json --ephemeral -- true
    [[ $output == *'no mount has an upper'* ]]
    no_session
}

@test "--ephemeral keeps the upper as long as something runs in it" {
    run -0 "$UNIONRUN" --fence=off --target t --lower a --ephemeral -- sh -c '(sleep 1; cat t/x >seen) >/dev/null 2>&1 </dev/null & echo x >t/x'
    soon no_session
    [ "$(cat seen)" = x ]
}

# --- an end by force ---

@test "--timeout ends the command, what it has left behind and what is stopped: 124" {
    MOUNT+=(--timeout 0.5)
    run -124 union sh -c '(setsid sh -c "echo \$\$ >pid; exec sleep 1000" &); until [ -s pid ]; do :; done; kill -STOP $$'
    [[ $output == *'--timeout: the run has been ended'* ]]
    job_has_ended
    no_session
}

@test "--timeout: SIGTERM comes first, and who does not mind it is killed" {
    MOUNT+=(--timeout 0.5)
    run -124 union sh -c 'trap "echo tidied >note; exit" TERM; while :; do sleep 0.05; done'
    [ "$(cat note)" = tidied ]
    MOUNT+=(--kill-after 0.2)
    run -124 union sh -c 'trap "" TERM; (trap "" TERM; setsid sh -c "echo \$\$ >pid; while :; do sleep 1; done" &); while :; do sleep 0.05; done'
    job_has_ended
    no_session
}

@test "--timeout ends what goes on when unionrun has returned; who is in time is left alone" {
    MOUNT+=(--timeout 1)
    run -3 union sh -c 'setsid sleep 1000 >&- 2>&- & echo $! >pid; exit 3'
    soon job_has_ended
    soon no_session
    MOUNT+=(--timeout 1h)
    run -4 union sh -c 'exit 4'
    for wrong in 0 -1 x 1x '' 1e99; do run -125 "$UNIONRUN" "${MOUNT[@]}" --timeout="$wrong" -- true; done
}

@test "--end-all ends what the command leaves running, and the status is the command's" {
    MOUNT+=(--end-all)
    run -3 union sh -c 'setsid sleep 1000 >&- 2>&- & echo $! >pid; exit 3'
    job_has_ended
    no_session
}

# --- usage ---

# misused PATTERN ARGUMENT...: one line with the pattern and a hint, 125, and nothing ran
misused() {
    run -125 "$UNIONRUN" "${@:2}"
    echo "$output"
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == 'unionrun: '*"$1"*'see unionrun --help' ]]
    [ ! -e ran ]
}

@test "wrong usage is 125, one line and a hint" {
    misused 'no options'
    misused 'frobnicate: no such subcommand' frobnicate
    misused '--frobnicate: no such option' --frobnicate -- touch ran
    misused '--layers wants a value' --layers
    misused '--layers twice' --layers x --layers y -- touch ran
    misused '--upper: an empty path' --target t --lower a --upper= -- touch ran
    misused '--verbose takes no value' --verbose=3 -- touch ran
    misused 'no -- COMMAND' "${MOUNT[@]}"
    misused 'no -- COMMAND' "${MOUNT[@]}" --
    misused 'touch: not an option; -- stands before' "${MOUNT[@]}" touch ran
    misused 'no --layers FILE' -- touch ran
    misused 'no --target' --lower a -- touch ran
    misused 'has no --lower' --target t -- touch ran
    misused 'exclude each other' --layers x --target t --lower a -- touch ran
    misused '--upper twice' "${MOUNT[@]}" --upper v -- touch ran
    misused 'a second --target' --lower a --target t --lower b --target s -- touch ran
    misused '--json goes with --check' "${MOUNT[@]}" --json -- touch ran
    misused '--check runs no command' "${MOUNT[@]}" --check -- touch ran
}

@test "options take their value behind = or as the next word, in any order" {
    for form in '--lower a --lower b --upper u --target t' '--target=t --upper=u --lower=a --lower=b' '--upper u --target t --lower a --lower=b'; do
        # shellcheck disable=SC2086
        run -0 "$UNIONRUN" --check --json $form
        [ "$(echo "$output" | jq -c '.mounts[0]|[.target,.upper]+.lower')" = "[\"$HERE/t\",\"$HERE/u\",\"$HERE/a\",\"$HERE/b\"]" ]
    done
    run -0 "$UNIONRUN" --check --json --target t --lower a --target s --upper u --lower b --pass t/p
    [ "$(echo "$output" | jq -c '[.mounts[]|.target,.upper,.lower]')" = "[\"$HERE/t\",null,[\"$HERE/a\"],\"$HERE/s\",\"$HERE/u\",[\"$HERE/b\"],\"$HERE/t/p\",null,null]" ]
}

@test "--help names the options that exist, and no others" {
    run -0 "$UNIONRUN" --help
    [[ ${lines[0]} == Usage:* ]]
    for option in $(echo "$output" | grep -oE -- '--[a-z-]+' | sort -u); do
        run "$UNIONRUN" "$option" </dev/null
        [[ $output != *'no such option'* ]] || { echo "$option is not there"; false; }
    done
    for option in $(grep -ohE '"--[a-z-]+"' "$REPO/launch/options.c" | tr -d '"' | sort -u); do
        "$UNIONRUN" --help | grep -qw -- "$option" || { echo "$option is not told"; false; }
    done
}

@test "--version is the Makefile's" {
    run -0 "$UNIONRUN" --version
    [ "$output" = "unionrun $(sed -n 's/^VERSION := //p' "$REPO/Makefile")" ]
}

@test "unionrun works by a symlink, by PATH, and from where it is installed" {
    make -s -C "$REPO" -o all install PREFIX=/usr DESTDIR="$HERE/root" >/dev/null
    mkdir bin
    ln -s ../root/usr/bin/unionrun bin/link
    ln -s "$HERE/bin/link" bin/unionrun
    run -0 bin/link --version
    PATH=$HERE/bin:$PATH run -0 unionrun "${MOUNT[@]}" -- echo there
    [ "$output" = there ]
    PATH=$HERE/root/usr/bin:$PATH run -0 unionrun --version
    make -s -C "$REPO" uninstall PREFIX=/usr DESTDIR="$HERE/root" >/dev/null
    [ -z "$(find root -type f)" ]
}

@test "a process that gives up root's ids copies up where it may make files" {
    [ "$(id -u)" = 0 ] || skip 'not root'
    chmod go+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
    mkdir shared
    echo one >shared/f
    chmod 777 shared
    chmod 666 shared/f
    "$UNIONRUN" --lower shared --upper su --target "$BATS_TEST_TMPDIR/st" -- \
        setpriv --reuid 65534 --regid 65534 --clear-groups sh -c "echo two >>'$BATS_TEST_TMPDIR/st/f'"
    [ "$(cat su/f)" = $'one\ntwo' ]
    [ "$(cat shared/f)" = one ]
}

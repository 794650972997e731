#!/usr/bin/env bats
# unionrun try: a command on the host as it is, and the question afterwards.
# shellcheck disable=SC2016,SC2154 # what is quoted so is for the shell in the union; bats sets stderr

bats_require_minimum_version 1.5.0
load helpers

# A home for whoever runs it, and the host's own directories around it.
setup() {
    workspace "${1:-user}"
    H=$W/lowers
    as sh -c 'cd "$1" && echo old >.bashrc && mkdir sub && echo a >sub/a && echo gone >gone && chmod 640 gone &&
        mkdir -m 750 moved && echo m >moved/m && touch -d 2020-01-01 sub' - "$H"
}

# try_it OPTION... -- COMMAND...: with the upper beneath the workspace
try_it() { as env HOME="$H" TMPDIR="${PLACE:-$W/up}" "$UNIONRUN" try "$@"; }

nothing_left() { [ -z "$(ls -A "${PLACE:-$W/up}")" ]; }

INSTALLER='cd && echo "export A=1" >>.bashrc && mkdir -p .local/bin && echo "#!/bin/sh" >.local/bin/tool &&
    chmod 755 .local/bin/tool && ln .local/bin/tool .local/bin/twin && ln -s tool .local/bin/link && rm gone &&
    chmod 700 sub && mv moved renamed && echo b >sub/b'

is_installed() {
    [ "$(cat "$H/.bashrc")" = $'old\nexport A=1' ] && [ -x "$H/.local/bin/tool" ] && [ ! -e "$H/gone" ] &&
        [ "$(readlink "$H/.local/bin/link")" = tool ] && [ "$(stat -c %a "$H/sub")" = 700 ] &&
        [ "$(cat "$H/renamed/m" "$H/sub/b")" = $'m\nb' ] && [ "$(stat -c %a "$H/renamed")" = 750 ] && [ ! -e "$H/moved" ]
}

@test "try --no: the host stays as it is, the changes are told on stderr, the status is the command's" {
    before=$(lower_digest "$H")
    run -7 --separate-stderr try_it --no -- sh -c "$INSTALLER; echo said; exit 7"
    [ "$output" = said ]
    [[ $stderr == *"M $H/.bashrc"* && $stderr == *"A $H/.local/bin/tool"* && $stderr == *"D $H/gone"* ]]
    [[ $stderr == *"$H/renamed"* && $stderr == *' in the upper'* ]]
    [ "$(lower_digest "$H")" = "$before" ]
    nothing_left
}

@test "try --yes: a plain user's installer, and the host is as if it had run there" {
    times=$(stat -c '%n %a %U %Y' / "$BATS_TEST_TMPDIR" "$W")
    run -0 try_it --yes -- sh -c "$INSTALLER"
    is_installed
    [ "$(stat -c %i "$H/.local/bin/tool")" = "$(stat -c %i "$H/.local/bin/twin")" ]
    [ "$(stat -c '%n %a %U %Y' / "$BATS_TEST_TMPDIR" "$W")" = "$times" ]
    nothing_left
    [ -z "$(find "$W" -name '.wh*')" ]
}

@test "try --yes: the same where the upper is on another filesystem than what is changed" {
    PLACE=$(as mktemp -d /dev/shm/unionrun-try-XXXXXX)
    [ "$(stat -c %d "$PLACE")" != "$(stat -c %d "$H")" ] || skip "/dev/shm is no filesystem of its own"
    status=0
    try_it --yes -- sh -c "$INSTALLER" || status=$?
    left=$(ls -A "$PLACE")
    rm -rf "$PLACE"
    [ "$status" -eq 0 ] && [ -z "$left" ]
    is_installed
    [ -z "$(find "$W" -name '.wh*')" ]
}

@test "try --yes as root: the same, and owners are kept" {
    [ "$(id -u)" = 0 ] || skip "needs root"
    mkdir "$W/up/r"
    PLACE=$W/up/r
    run -0 env HOME="$H" TMPDIR="$PLACE" "$UNIONRUN" try --yes -- sh -c "$INSTALLER && chown 12:34 sub/b"
    is_installed
    [ "$(stat -c %u:%g "$H/sub/b")" = 12:34 ]
    [ "$(stat -c %U "$H/.bashrc")" = "$(stat -c %U "$H")" ]
    [ ! -e /.wh..wh.unionrun ]
    nothing_left
}

@test "try --yes: a command that changes nothing is nothing to commit" {
    run -0 try_it --yes -- true
    [ "$output" = "unionrun: nothing was changed" ]
    nothing_left
}

@test "try --keep: the host stays, and the layer runs again, is looked at and committed" {
    before=$(lower_digest "$H")
    run -0 try_it --keep "$W/up/kept" -- sh -c "$INSTALLER"
    [ "$(lower_digest "$H")" = "$before" ]
    run -0 as "$UNIONRUN" --layers "$W/up/kept/base.json" -- cat "$H/renamed/m"
    [ "${lines[0]}" = m ]
    run -0 as "$UNIONRUN" diff --layers "$W/up/kept/base.json"
    [[ $output == *"M $H/.bashrc"* ]]
    run -125 try_it --keep "$W/up/kept" -- true
    run -0 as "$UNIONRUN" commit --layers "$W/up/kept/base.json"
    is_installed
}

@test "try without a terminal to ask on runs nothing, and says what to say" {
    run -125 as setsid -w env TMPDIR="$W/up" "$UNIONRUN" try -- touch "$W/up/ran"
    [[ $output == *'--yes, --no or --keep'* ]]
    nothing_left
    run -125 "$UNIONRUN" try --yes --no -- true
    run -125 "$UNIONRUN" try --layers x.json --yes -- true
    run -125 "$UNIONRUN" --yes --target "$TARGET" --lower "$H" -- true
}

# on_terminal ANSWER...: try on a terminal of its own, each answer given to a question, TERM as a signal; CUE is what an answer is
# given to, if it is not the question, RUNNER is what runs it
on_terminal() {
    as env HOME="$H" TMPDIR="$W/up" python3 - "$UNIONRUN" "${RUNNER:-}" "${CUE:-[k/d/l] }" "$@" <<'EOF'
import os, pty, signal, sys
answers = sys.argv[4:]
signal.alarm(120)
pid, fd = pty.fork()
if pid == 0:
    command = sys.argv[2].split() + [sys.argv[1], "try", "--", "sh", "-c", "echo new >>$HOME/.bashrc; exit 3"]
    os.execvp(command[0], command)
seen = b""
while True:
    try:
        got = os.read(fd, 4096)
    except OSError:
        break
    if not got:
        break
    seen += got
    if seen.count(sys.argv[3].encode()) > len(sys.argv[4:]) - len(answers) and answers:
        answer = answers.pop(0)
        if answer == "TERM":
            os.killpg(os.tcgetpgrp(fd), signal.SIGTERM)
        else:
            os.write(fd, answer.encode().decode("unicode_escape").encode())
sys.stdout.buffer.write(seen)
status = os.waitpid(pid, 0)[1]
sys.exit(os.waitstatus_to_exitcode(status))
EOF
}

@test "try asks on the terminal: look shows the differences and asks again, keep keeps" {
    needs python3
    run -3 on_terminal 'what\n' 'l\n' 'keep\n'
    [[ $output == *'+new'* ]]
    [ "$(grep -c 'k/d/l' <<<"$output")" -eq 3 ]
    [ "$(cat "$H/.bashrc")" = $'old\nnew' ]
    nothing_left
}

@test "try asks on the terminal: discard, ^C and the end of input throw away" {
    needs python3
    for answer in 'd\n' '\x03' '\x04'; do
        run -3 on_terminal "$answer"
        [ "$(cat "$H/.bashrc")" = old ]
        nothing_left
    done
}

@test "try: ^C is an answer also where it comes before the answer is read" {
    needs python3
    needs strace
    RUNNER="strace -qq -o /dev/null -e trace=write -e inject=write:delay_exit=300000"
    run -3 on_terminal '\x03'
    [[ $output == *'[k/d/l] '* ]]
    [ "$(cat "$H/.bashrc")" = old ]
    nothing_left
}

@test "try: who is told to end while it shows what was changed does not ask any more" {
    needs python3
    needs strace
    RUNNER="strace -qq -o /dev/null -e trace=wait4 -e inject=wait4:delay_exit=300000" CUE=' in the upper'
    run -3 on_terminal TERM
    [[ $output == *' in the upper'* && $output != *'[k/d/l] '* ]]
    [ "$(cat "$H/.bashrc")" = old ]
    nothing_left
}

@test "try ends what the command leaves running before it asks" {
    run -0 try_it --no -- sh -c 'setsid sleep 1000 >/dev/null 2>&1 & echo $! >"$HOME/pid"; cat "$HOME/pid"'
    [ ! -e "/proc/${lines[0]}" ]
    nothing_left
}

@test "try: a file that the host has changed since it was copied is no silent loss" {
    # /dev is the host's, also in the run.
    signs=$(as mktemp -d /dev/shm/unionrun-try-XXXXXX)
    try_it --yes -- sh -c 'echo mine >>"$HOME/.bashrc"; >"$1/ready"; n=0
        until [ -e "$1/go" ] || [ $n = 600 ]; do n=$((n + 1)); sleep 0.05; done' - "$signs" >"$W/out" 2>&1 3>&- &
    for ((i = 0; i < 600; i++)); do [ ! -e "$signs/ready" ] || break; sleep 0.05; done
    as sh -c 'echo theirs >>"$1"' - "$H/.bashrc"
    as touch "$signs/go"
    status=0
    wait $! || status=$?
    rm -rf "$signs"
    [ "$status" -eq 125 ]
    grep -q 'conflict' "$W/out"
    [ "$(cat "$H/.bashrc")" = $'old\ntheirs' ]
    upper=$(sed -n 's/.*--upper \([^ ]*\) .*/\1/p' "$W/out")
    [ "$(cat "$upper$H/.bashrc")" = $'old\nmine' ]
}

@test "try: make install" {
    needs make
    as sh -c 'cd "$1" && printf "install:\n\tinstall -d \$(PREFIX)/bin\n\tinstall -m 755 sub/a \$(PREFIX)/bin/a\n" >Makefile' - "$H"
    run -0 try_it --no -- make -C "$H" PREFIX="$H/usr" install
    [ ! -e "$H/usr" ]
    run -0 try_it --yes -- make -C "$H" PREFIX="$H/usr" install
    [ -x "$H/usr/bin/a" ]
}

@test "try: pip install --user" {
    python3 -m pip --version >/dev/null 2>&1 || skip "pip is not installed"
    as sh -c 'mkdir "$1/p" && cd "$1/p" && echo "print(42)" >tried_module.py && python3 - <<EOF
import zipfile
with zipfile.ZipFile("tried-1-py3-none-any.whl", "w") as z:
    z.write("tried_module.py")
    z.writestr("tried-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tried\nVersion: 1\n")
    z.writestr("tried-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    z.writestr("tried-1.dist-info/RECORD", "")
EOF' - "$H"
    for answer in no yes; do
        run -0 try_it --$answer -- env PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --user --no-index \
            --no-warn-script-location "$H/p/tried-1-py3-none-any.whl"
        found=$(find "$H/.local" -name tried_module.py 2>/dev/null | wc -l)
        [[ $answer$found == yes1 || $answer$found == no0 ]]
    done
    run -0 as env HOME="$H" python3 -m tried_module
    [ "$output" = 42 ]
}

@test "try as root: dpkg -i of a package with a maintainer script" {
    [ "$(id -u)" = 0 ] || skip "needs root"
    needs dpkg-deb
    mkdir -p "$W/deb/DEBIAN" "$W/deb/usr/lib/unionrun-tried"
    echo data >"$W/deb/usr/lib/unionrun-tried/data"
    printf 'Package: unionrun-tried\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: tried\n' >"$W/deb/DEBIAN/control"
    printf '#!/bin/sh\nset -e\ntouch /etc/unionrun-tried\n' >"$W/deb/DEBIAN/postinst"
    chmod 755 "$W/deb/DEBIAN/postinst"
    dpkg-deb -b "$W/deb" "$W/tried.deb" >/dev/null
    before=$(dpkg -l | sha256sum)
    run -0 env TMPDIR="$W/up" "$UNIONRUN" try --no -- \
        sh -c 'dpkg -i "$1" && dpkg -s unionrun-tried && cat /usr/lib/unionrun-tried/data' - "$W/tried.deb"
    [[ $output == *'Status: install ok installed'* && $output == *'A /etc/unionrun-tried'* ]]
    [[ $output == *'M /var/lib/dpkg/status'* ]]
    [ ! -e /usr/lib/unionrun-tried ] && [ ! -e /etc/unionrun-tried ]
    [ "$(dpkg -l | sha256sum)" = "$before" ]
    nothing_left
}

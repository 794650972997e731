#!/usr/bin/env bats
# Programs that shut themselves in: by a filter of their own, a namespace, another root. They do in a union what they do in a
# plain directory, or are told why not.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # for other shells; what bats' run sets; what union() reads

load helpers

bats_require_minimum_version 1.5.0

MODES='--guard=require --no-preload'

layers() { # layers WHO: page.html, page.js, page.1 and dir/, in two lowers
    workspace "$1"
    as mkdir -p "$W/lowers/1/dir" "$W/lowers/2/dir" "$W/lowers/2/home" "$W/lowers/2/tmp"
    as sh -c 'cd "$1"; echo low >low; echo x >dir/x; echo y >../1/dir/y
        echo "document.body.append(\"by \" + document.title)" >page.js
        echo "<title>a page of two layers</title><body><script src=page.js></script>" >../1/page.html
        printf "%s\n" ".TH PAGE 1" .SH NAME "page - of a lower layer" .TS "a b." "1	2" .TE ".so man1/more.1" >page.1
        mkdir man1; echo "and more of it" >man1/more.1' sh "$W/lowers/2"
    digests=$(lower_digest "$W/lowers/1" "$W/lowers/2")
}

# The lowers are as they were, and nothing has been written to the target itself.
nothing_leaked() {
    same 'the lowers' "$digests" "$(lower_digest "$W/lowers/1" "$W/lowers/2")"
    same 'the target, with nothing written beneath' '' "$(find "$TARGET" -mindepth 1)"
}

each_user() {
    local who
    for who in root user; do
        [ "$who" = user ] || [ "$(id -u)" = 0 ] || continue
        echo "# by $who"
        layers "$who"
        "$@"
        nothing_leaked
    done
}

# --- pid namespaces: a thread has another number in each ----------------------------------------------------------------

@test "who is stopped in a copy-up is not taken for dead in another pid namespace: the directory keeps its time" {
    [ "$(id -u)" = 0 ] || skip "not root"
    needs strace
    workspace root
    mkdir -p "$W/lowers/base/d"
    touch "$W/lowers/base/d/one" "$W/lowers/base/d/two"
    touch -d "2001-01-01 UTC" "$W/lowers/base/d"
    cat >"$W/script" <<'END'
cd "$1/d"
strace -qq -o /dev/null -e trace=linkat -e inject=linkat:signal=STOP:when=1 \
    sh -c 'echo $$ >"$1"; exec chmod 600 one' sh "$2" &
for tries in $(seq 600); do
    [ -s "$2" ] && grep -q "^State:.*[tT] " "/proc/$(cat "$2")/status" && break
    sleep 0.05
done
[ "$tries" -lt 600 ] && $3 chmod 600 two
stat -c %Y .
kill -CONT "$(cat "$2")"
wait $!
stat -c %Y .
END
    local enter
    for enter in '' 'unshare --pid --fork'; do
        rm -rf "$UPPER" "$UPPER.work" "$W/said"
        UNION_OPTIONS=(--guard=off --fence=off)
        run -0 union bash "$W/script" "$TARGET" "$W/said" "$enter"
        echo "$output"
        [ "$output" = $'978307200\n978307200' ]
    done
}

@test "who was killed in another pid namespace with a name locked keeps nobody, though another lives by his number" {
    [ "$(id -u)" = 0 ] || skip "not root"
    needs strace
    workspace root
    mkdir "$W/lowers/base"
    touch "$W/lowers/base/low"
    cat >"$W/script" <<'END'
cd "$1" && touch low
for number in $(seq 16); do /bin/true; done
sleep 60 &
cat >"$2" <<'PERL'
my ($number) = @ARGV;
my $pid = 0;
while ($pid < $number) {
    $pid = fork // die;
    exit unlink "low" if !$pid && $$ == $number;
    exit if !$pid;
    waitpid $pid, 0;
}
print $pid == $number && $? == 9 ? "killed\n" : "lived\n";
PERL
unshare --pid --fork strace -f -qq -o /dev/null -e trace=rename,renameat2 -e inject=rename,renameat2:signal=KILL:when=1 \
    perl "$2" $!
kill -0 $! && touch low && rm low && echo "went on"
kill $!
END
    run timeout --kill-after 1 60 unshare --pid --fork --mount-proc --kill-child \
        "$UNIONRUN" --guard=off --fence=off --lower "$W/lowers/base" --upper "$UPPER" --target "$TARGET" -- \
        bash "$W/script" "$TARGET" "$W/kill.pl"
    echo "$output"
    [ "$output" = $'killed\nwent on' ]
}

# --- bubblewrap -------------------------------------------------------------------------------------------------------

in_bwrap() {
    local how
    for how in '' '--unshare-pid --proc /proc --new-session'; do
        # shellcheck disable=SC2086 # options
        run as bwrap --bind / / --dev-bind /dev /dev $how true
        [ "$status" -eq 0 ] || skip "bwrap does not work here: $output"
        as rm -rf "$UPPER" "$UPPER.work"
        # shellcheck disable=SC2086
        run -0 --separate-stderr as bwrap --bind / / --dev-bind /dev /dev $how "$UNIONRUN" --guard=require --fence=require \
            --lower "$W/lowers/1" --lower "$W/lowers/2" --upper "$UPPER" --target "$TARGET" -- \
            sh -c 'cd "$1"; cat low; ls dir; busybox cat low; busybox sh -c "cd dir; echo new >z"; cat dir/z' sh "$TARGET"
        [ "$stderr" = '' ]
        [ "$output" = $'low\nx\ny\nlow\nnew' ]
        [ "$(cat "$UPPER/dir/z")" = new ]
    done
}
@test "a union in bubblewrap's namespaces is a union, with guard and fence" {
    needs bwrap
    needs busybox
    each_user in_bwrap
}

bwrap_in() {
    local mode
    for mode in $MODES --guard=off; do
        UNION_OPTIONS=("$mode")
        run --separate-stderr union bwrap --ro-bind / / --dev /dev cat "$TARGET/low"
        [ "$status" -eq 1 ]
        [[ $stderr == *'unionrun: process '*' asked for a mount, which no process in a union gets (EPERM)'* ]]
        [[ $stderr == *'Failed to make / slave'* ]] # which it writes in pieces
        [ "$output" = '' ]
    done
}
@test "bubblewrap in a union gets EPERM for its first mount, with a word" {
    needs bwrap
    run bwrap --ro-bind / / true
    [ "$status" -eq 0 ] || skip "bwrap does not work here: $output"
    each_user bwrap_in
}

REFUSED='asked for a mount, which no process in a union gets (EPERM)'
mounts() {
    local mode how script='
import ctypes, sys
call = ctypes.CDLL(None, use_errno=True).syscall
for number in map(int, sys.argv[1:]):
    for i in range(2): print(call(number, b"tmpfs", 0), ctypes.get_errno())'
    for mode in $MODES --guard=off; do
        UNION_OPTIONS=("$mode")
        for how in 165 428 430; do # mount, open_tree, fsopen
            run -0 --separate-stderr union python3 -c "$script" "$how"
            same "$how, $mode" $'-1 1\n-1 1' "$output"
            [ "${#stderr_lines[@]}" -eq 1 ]
            [[ $stderr == 'unionrun: process '*" $REFUSED" ]]
        done
        run -0 --separate-stderr union sh -c 'mount --bind "$1" "$1/dir" 2>&1; unshare -m true; bwrap --bind / / true; cat "$1/low"' sh "$TARGET"
        [[ $output == *low ]]
        same "all of them, $mode" 1 "$(grep -cF "$REFUSED" <<<"$stderr")"
        run -0 --separate-stderr union cat "$TARGET/low"
        same "no mount, $mode" 'low:' "$output:$stderr"
    done
}
@test "who asks for a mount gets EPERM, by each call that there is, and a run says so once, with a guard or without" {
    needs python3
    needs bwrap
    [ "$(uname -m)" = x86_64 ] || skip 'the numbers are those of x86_64'
    each_user mounts
}

# --- sshd -------------------------------------------------------------------------------------------------------------

# The passwd and shadow files that it reads are the union's, too; it shuts its first half in by chroot, another id and a
# filter, and becomes who logs in.
@test "an sshd in a union, with its privilege separation: who logs in is in the union" {
    needs sshd
    needs ssh
    [ "$(id -u)" = 0 ] || skip 'not root'
    [ -d /run/sshd ] || mkdir /run/sshd # as its service does
    layers root
    as_user true
    local mode port who seen etc=$W/etc ids
    ids=$(getent passwd "$PLAIN_USER" | cut -d: -f3,4)
    mkdir "$etc"
    ssh-keygen -q -t ed25519 -N '' -f "$W/host"
    ssh-keygen -q -t ed25519 -N '' -f "$W/key"
    { grep -E '^(root|sshd):' /etc/passwd; echo "guest:x:$ids:a user of the union:/:/bin/sh"; } >"$etc/passwd"
    { grep -E '^(root|sshd):' /etc/shadow; echo 'guest:*:19000::::::'; } >"$etc/shadow"
    chmod 600 "$etc/shadow"
    chmod 755 "$W/lowers/2/dir" "$W/lowers/2"
    chown "$PLAIN_USER:" "$W/lowers/1/dir"
    digests=$(lower_digest "$W/lowers/1" "$W/lowers/2")
    for mode in $MODES; do
        port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        printf '%s\n' "Port $port" 'ListenAddress 127.0.0.1' "HostKey $W/host" "AuthorizedKeysFile $W/key.pub" 'StrictModes no' \
            'UsePAM no' 'PidFile none' 'PermitRootLogin yes' 'Subsystem sftp internal-sftp' >"$W/sshd_config"
        "$UNIONRUN" "$mode" --target /etc --lower "$etc" --lower /etc --upper "$W/up/etc$mode" --target "$TARGET" --lower "$W/lowers/1" \
            --lower "$W/lowers/2" --upper "$W/up/upper$mode" -- /usr/sbin/sshd -D -e -f "$W/sshd_config" 3>&- 2>"$W/log" &
        sshd=$!
        timeout 60 sh -c 'until grep -q "^Server listening" "$1"; do sleep 0.05; kill -0 "$2" || exit; done' sh "$W/log" "$sshd"
        seen=
        for who in root guest; do
            run -0 --separate-stderr timeout 60 ssh -F none -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o BatchMode=yes \
                -o LogLevel=ERROR -i "$W/key" -p "$port" "$who@127.0.0.1" "id -un; cat '$TARGET/low'; ls '$TARGET/dir'; echo by-$who >'$TARGET/dir/$who'" </dev/null
            same "$who, $mode" "$(printf '%s\n' "$who" low ${seen:+"$seen"} x y)" "$output"
            seen=root
            [ "$(cat "$W/up/upper$mode/dir/$who")" = "by-$who" ]
        done
        [ "$(stat -c %u "$W/up/upper$mode/dir/guest")" = "${ids%:*}" ]
        printf 'get %s/page.1 %s/got\nput %s/got %s/put\n' "$TARGET" "$W" "$W" "$TARGET" >"$W/batch"
        timeout 60 sftp -q -F none -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR -i "$W/key" \
            -P "$port" -b "$W/batch" root@127.0.0.1
        cmp "$W/lowers/2/page.1" "$W/got"
        cmp "$W/lowers/2/page.1" "$W/up/upper$mode/put"
        rm "$W/got"
        kill "$sshd"
        wait "$sshd" || true
        sshd=
    done
    nothing_leaked
}

teardown() {
    [ -z "${sshd:-}" ] || kill "$sshd"
    [ ! -d "$BATS_TEST_TMPDIR" ] || chmod -R u+rwX "$BATS_TEST_TMPDIR" 2>/dev/null || true
}

# --- programs with a filter of their own ------------------------------------------------------------------------------

manual() {
    local mode plain
    set -- sh -c 'cd "$1" && MANROFFSEQ=t MANWIDTH=70 man -l page.1; manpath -q | wc -l; file low dir page.html' sh "$TARGET"
    as cp -r "$W/lowers/2/." "$W/lowers/1/." "$TARGET"
    plain=$(as "$@" 2>&1)
    as find "$TARGET" -mindepth 1 -delete
    [[ $plain == *'of a lower layer'*'and more of it'* ]]
    for mode in $MODES; do
        UNION_OPTIONS=("$mode")
        same "$mode" "$plain" "$(union "$@" 2>&1)"
    done
}
@test "man's sandboxed filters and file read what is in the union" {
    needs man
    needs groff
    needs file
    each_user manual
}

# The whole of chromium's sandbox: namespaces, another root, and filters whose traps a broker answers.
browser() {
    local mode sandbox sandboxes='--no-sandbox'
    [ "$WHO" = root ] || sandboxes+=' --use-sandbox' # which root's does not
    for sandbox in $sandboxes; do
        set -- chromium --headless "${sandbox/--use-sandbox/--disable-gpu}" --disable-gpu --disable-dev-shm-usage \
            "--user-data-dir=$TARGET/profile" --dump-dom
        run --separate-stderr as env TMPDIR="$W/up" HOME="$W/up" timeout -k 5 120 "${@/$TARGET/$W/up}" about:blank </dev/null
        as rm -rf "$W/up/profile"
        [ "$status" -eq 0 ] || skip "chromium $sandbox does not work here: $stderr"
        for mode in $MODES; do
            UNION_OPTIONS=("$mode")
            as rm -rf "$UPPER" "$UPPER.work"
            run --separate-stderr union timeout -k 5 120 "$@" "file://$TARGET/page.html" </dev/null
            echo "# $WHO, $sandbox, $mode: $status; $output; $(grep -v dbus <<<"$stderr")"
            [ "$status" -eq 0 ]
            [[ $output == *'by a page of two layers'*'</body>'* ]]
            [ -d "$UPPER/profile/Default" ]
        done
    done
}
@test "chromium, in its sandbox and without, shows a page of the union and keeps its profile there" {
    needs chromium
    each_user browser
}

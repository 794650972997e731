#!/usr/bin/env bats
# --trace: a line for each call, by whoever made it; whole, in strace's look or as JSON; what cannot be told is said.

load helpers

bats_require_minimum_version 1.5.0

prepare() {
    workspace "${1:-user}"
    as sh -euc "cd '$W/lowers'; mkdir -p 1 2/d; echo one >1/a; echo two >2/b; echo three >2/d/c; ln -s b 2/link"
}

# lines CALL [PART]: the last trace's lines of it, of paths in the target, without what is another each time
lines() {
    grep -E "^[0-9]+ [0-9]+\.[0-9]{6} $1\(.* <[0-9]+\.[0-9]{6}>\$" "$W/trace" | grep -F -e "${2-$TARGET/}" |
        sed -E "s,$W,W,g; s,^[0-9]+ [0-9.]+ ,,; s, <[0-9.]+>\$,,"
}

traced() {
    # shellcheck disable=SC2034 # for union
    UNION_OPTIONS=(--trace "${TRACE:-$W/trace}" "$@")
}

what_the_shim_tells() {
    prepare "$1"
    traced --guard=off --metacopy=off
    union python3 -IS -c '
import os, sys
t = sys.argv[1]
os.stat(t + "/link"); os.lstat(t + "/d/c"); os.path.exists(t + "/nix"); os.path.exists(t + "/nix")
os.close(os.open(t + "/b", os.O_WRONLY | os.O_APPEND))
os.close(os.open(t + "/new", os.O_WRONLY | os.O_CREAT, 0o640))
os.chmod(t + "/a", 0o600); os.unlink(t + "/a"); os.mkdir(t + "/a", 0o755); os.rename(t + "/d/c", t + "/e")
os.symlink("a\nb", t + "/l\u00e9\t1"); os.truncate(t + "/e", 2)
try: os.rmdir(t + "/link")
except NotADirectoryError: pass' "$TARGET"
    # shellcheck disable=SC2016
    same 'what the shim tells' 'newfstatat(AT_FDCWD, "W/t/link", 0) = 0 /* shim: lower 2 as "W/t/b" at "W/lowers/2/b" */
newfstatat(AT_FDCWD, "W/t/d/c", AT_SYMLINK_NOFOLLOW) = 0 /* shim: lower 2 at "W/lowers/2/d/c" */
newfstatat(AT_FDCWD, "W/t/nix", 0) = -1 ENOENT /* shim: absent */
newfstatat(AT_FDCWD, "W/t/nix", 0) = -1 ENOENT /* shim: absent by the index */
openat(AT_FDCWD, "W/t/b", O_WRONLY|O_APPEND|O_CLOEXEC) = N /* shim: lower 2 by the index at "W/lowers/2/b"; copied up 1 file, 4 bytes */
openat(AT_FDCWD, "W/t/new", O_WRONLY|O_CREAT|O_CLOEXEC, 0640) = N /* shim: absent, made in the upper */
fchmodat2(AT_FDCWD, "W/t/a", 0600, 0) = 0 /* shim: lower 1 at "W/lowers/1/a"; copied up 1 file, 4 bytes */
unlinkat(AT_FDCWD, "W/t/a", 0) = 0 /* shim: upper by the index at "W/up/upper/a"; 1 whiteout made */
mkdirat(AT_FDCWD, "W/t/a", 0755) = 0 /* shim: absent by the index, made in the upper; opaque */
renameat2(AT_FDCWD, "W/t/d/c", AT_FDCWD, "W/t/e", 0) = 0 /* shim: lower 2 by the index at "W/lowers/2/d/c"; absent, made in the upper; copied up 1 directory; copied up 1 file, 6 bytes; 1 whiteout made */
symlinkat("a\nb", AT_FDCWD, "W/t/l\303\251\t1") = 0 /* shim: absent, made in the upper */
truncate("W/t/e", 2) = 0 /* shim: upper at "W/up/upper/e" */
unlinkat(AT_FDCWD, "W/t/link", AT_REMOVEDIR) = -1 ENOTDIR /* shim: lower 2 by the index at "W/lowers/2/link" */' \
        "$(lines '(newfstatat|openat|fchmodat2|unlinkat|mkdirat|renameat2|symlinkat|truncate)' | sed -E 's/bytes shared/bytes/; s/^(openat.*\)) = [0-9]+/\1 = N/')"
}

@test "the shim tells of each call: path, layer, action, errno, time" {
    [ "$(id -u)" != 0 ] || what_the_shim_tells root
    what_the_shim_tells user
}

@test "the guard tells the same of a static program, by the calls that it makes" {
    [ -x "$(command -v busybox)" ] || skip 'busybox is not installed'
    has_guard || skip 'there is no guard'
    prepare
    traced --no-preload
    # shellcheck disable=SC2016
    union busybox sh -c 'cd "$1"; busybox cat b nix; busybox rm a; busybox mkdir a; : >d/c; busybox stat /usr >/dev/null' sh "$TARGET" || true
    lines '[a-z0-9]+' '' >"$W/lines"
    cat "$W/lines"
    grep -qE '^chdir\("W/t"\) = 0 /\* guard: upper at "W/up/upper" \*/' "$W/lines"
    grep -qE '^open(at)?\((AT_FDCWD, )?"b", O_RDONLY\) = \? /\* guard: lower 2 as "W/t/b" at "W/lowers/2/b"; handed over \*/' "$W/lines"
    grep -qE '^open(at)?\((AT_FDCWD, )?"nix", O_RDONLY\) = -1 ENOENT /\* guard: absent as "W/t/nix" \*/' "$W/lines"
    grep -qE '^unlink(at)?\(.*"a"(, 0)?\) = 0 /\* guard: lower 1 as "W/t/a" at "W/lowers/1/a"; 1 whiteout made \*/' "$W/lines"
    grep -qE '^mkdir(at)?\(.*"a", 0777\) = 0 /\* guard: absent as "W/t/a", made in the upper; opaque \*/' "$W/lines"
    grep -qE '^open(at)?\(.*"d/c", O_WRONLY\|O_CREAT\|O_TRUNC, 0666\) = \? /\* guard: lower 2 as "W/t/d/c" .*; copied up 1 directory; copied up 1 file; handed over' "$W/lines"
    grep -qE '^[a-z0-9]*stat[a-z]*\(.*"/usr".*\) = \? /\* guard: passed to the kernel \*/' "$W/lines"
    fails grep -q shim "$W/lines"
}

@test "as JSON lines: each can be read, names that are no UTF-8 too" {
    needs jq
    prepare
    TRACE=$W/trace.jsonl traced --guard=off
    union python3 -IS -c '
import os, sys
t = os.fsencode(sys.argv[1])
os.mkdir(t + b"/\xff\"\\\n"); os.rename(t + b"/d/c", t + b"/e"); os.path.exists(t + b"/nix")' "$TARGET"
    jq -es 'all(.time > 1e9 and .seconds >= 0 and .pid > 1 and .by == "shim" and (has("result")))' "$W/trace.jsonl"
    same 'of a name' "/\"\\n true null" "$(jq -r --arg t "$TARGET" \
        'select(.call == "mkdirat") | "\(.path_base64 | @base64d | ltrimstr($t) | gsub("[^/\"\\\\n]"; ""))\(if .path | endswith("\"\\\n") then "n" else "?" end) \(.made) \(.layer)"' "$W/trace.jsonl")"
    same 'the bytes' "$TARGET/"$'\xff"\\' "$(jq -r 'select(.call == "mkdirat") | .path_base64' "$W/trace.jsonl" | base64 -d)"
    same 'of a rename' "lower 2 $TARGET/d/c $TARGET/e null 1 1 1" "$(jq -r 'select(.call == "renameat2") |
        "\(.layer) \(.lower) \(.path) \(.to) \(.to_layer) \(.copied_up.directories) \(.copied_up.files) \(.whiteouts)"' "$W/trace.jsonl")"
    same 'of what is not there' 'ENOENT null null' "$(jq -r --arg p "$TARGET/nix" 'select(.path == $p) | "\(.errno) \(.result) \(.layer)"' "$W/trace.jsonl")"
}

calls_of_each_kind() {
    # shellcheck disable=SC2016 # that shell's
    as sh -euc 'cd "$1"; printf "#!/bin/sh -e\ntrue\n" >2/script; chmod 755 2/script; mkdir 1/d; echo four >1/d/e; cp "$2" 2/lib.so' \
        sh "$W/lowers" "$(ldconfig -p | awk '$1 == "libcap.so.2" { print $NF; exit }')"
    union python3 -IS -c '
import ctypes, fcntl, os, select, socket, sys
t = sys.argv[1]
libc = ctypes.CDLL(None)
os.chdir(t + "/d"); os.getcwd()
os.fstat(os.open(t + "/a", os.O_RDONLY))
os.fchmod(os.open(t + "/b", os.O_WRONLY), 0o600)
os.listdir(t + "/d"); os.listdir(t)
watch = libc.inotify_init()
libc.inotify_add_watch(watch, (t + "/d/c").encode(), 2); libc.inotify_add_watch(watch, (t + "/nix").encode(), 2)
one, two = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
one.bind(t + "/socket"); one.listen(); two.connect(t + "/socket")
try: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", t + "/nix")
except FileNotFoundError: pass
ctypes.CDLL(t + "/lib.so")
os.spawnl(os.P_WAIT, t + "/script", "script")' "$TARGET"
}

# of_each_kind: their lines. Descriptors and rooms have any numbers.
of_each_kind() {
    lines '(chdir|getcwd|fstat|fchmod|getdents64|inotify_add_watch|bind|connect|sendto|dlopen|execve|execveat)' "$TARGET" |
        sed -E 's/^([a-z0-9]+\()[0-9]*</\1</; s/^(getcwd\(.*, )[0-9]+\) = [0-9]+/\1N) = N/'
}

KINDS='chdir("W/t/d") = 0 /* shim: lower 1 at "W/lowers/1/d" */
getcwd("W/t/d", N) = N /* shim */
fstat(<W/t/a>) = 0 /* shim: lower 1 */
fchmod(<W/t/b>, 0600) = 0 /* shim: upper */
getdents64(<W/t/d>) = ? /* shim: merged of lower 1, lower 2; 2 names */
getdents64(<W/t>) = ? /* shim: merged of upper, lower 1, lower 2; 6 names */
inotify_add_watch("W/t/d/c", 0x2) = ? /* shim: lower 2 at "W/lowers/2/d/c"; copied up 1 directory; copied up 1 file, 6 bytes */
inotify_add_watch("W/t/nix", 0x2) = -1 ENOENT /* shim: absent */
bind("W/t/socket") = ? /* shim: absent */
connect("W/t/socket") = ? /* shim: upper at "W/up/upper/socket" */
sendto("W/t/nix") = -1 ENOENT /* shim: absent by the index */
dlopen("W/t/lib.so") = ? /* shim: lower 2 at "W/lowers/2/lib.so" */
execveat(AT_FDCWD, "W/t/script", 0) = ? /* shim: lower 2 at "W/lowers/2/script"; a script of "/bin/sh" "-e"; by "/usr/bin/dash"; left to the process */
getcwd("W/t/d", N) = N /* shim */'

@test "also told: what a descriptor is, the cwd, listings, watches, sockets, libraries, interpreters" {
    [ "$(readlink -f /bin/sh)" = /usr/bin/dash ] || skip '/bin/sh is no dash'
    prepare
    traced --guard=off
    calls_of_each_kind
    same 'what the shim tells' "$KINDS" "$(of_each_kind)"
    has_guard || skip 'there is no guard'
    as rm -r "$UPPER" "$UPPER.work" "$W/lowers/1/d"
    traced --no-preload
    calls_of_each_kind
    # The rest is open and, of a descriptor, stat, which the kernel answers as it is.
    same 'what the guard tells' "$(grep -v -e ^fstat -e ^dlopen <<<"$KINDS" |
        sed 's/shim/guard/; s/ by the index//; s/execveat(AT_FDCWD, \(.*\), 0)/execve(\1)/')" "$(of_each_kind)"
}

@test "and as JSON: of which layers a listing is, what runs a script" {
    needs jq
    prepare
    TRACE=$W/trace.jsonl traced --guard=off
    calls_of_each_kind
    same 'a listing' "true upper,lower 1,lower 2 6 null" "$(jq -r --arg t "$TARGET" \
        'select(.call == "getdents64" and .path == $t) | "\(.merged) \(.layers | join(",")) \(.names) \(.result)"' "$W/trace.jsonl")"
    same 'a script' '/bin/sh -e /usr/bin/dash' "$(jq -r 'select(.interpreter) | "\(.interpreter) \(.interpreter_argument) \(.runs)"' "$W/trace.jsonl")"
    same 'a descriptor' 'upper null' "$(jq -r 'select(.call == "fchmod") | "\(.layer) \(.lower)"' "$W/trace.jsonl")"
    same 'the cwd' "$TARGET/d" "$(jq -rs --arg d "$TARGET/d" 'map(select(.call == "getcwd" and .path == $d)) | .[0].path' "$W/trace.jsonl")"
    same 'a watch' '0x2 ENOENT' "$(jq -r --arg p "$TARGET/nix" 'select(.call == "inotify_add_watch" and .path == $p) | "\(.mask) \(.errno)"' "$W/trace.jsonl")"
}

# Of each process and thread all lines, in its order, and nothing else that looks like one.
whole() {
    python3 - "$W/trace" "$1" "$2" <<'END'
import re, sys
file, tellers, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
line = re.compile(rb'(\d+) \d+\.\d{6} [a-z0-9_]+\(.*\) = (\d+|-1 E[A-Z0-9]+|\?) /\* (shim|guard).* \*/ <\d+\.\d{6}>$')
seen = {}
for text in open(file, 'rb').read().split(b'\n')[:-1]:
    m = line.match(text)
    assert m, text
    n = re.search(rb'stat[a-z]*\((?:AT_FDCWD, )?"[^"]*/n(\d+)"', text)
    if n:
        seen.setdefault(m.group(1), []).append(int(n.group(1)))
print({k.decode(): len(v) for k, v in seen.items()})
assert len(seen) == tellers and all(v == list(range(each)) for v in seen.values())
END
}

@test "of eight processes at full speed no line is missing, and none is torn" {
    prepare
    traced --guard=off
    union python3 -IS -c '
import os, sys
for p in range(8):
    if os.fork() == 0:
        os.closerange(0, 64)
        for n in range(3000):
            os.path.exists("%s/n%d" % (sys.argv[1], n))
        os._exit(0)
for p in range(8):
    assert os.wait()[1] == 0' "$TARGET"
    whole 8 3000
}

@test "of threads and forks no line is missing: shim and guard, and the guard alone" {
    has_guard || skip 'there is no guard'
    local how
    prepare
    for how in --guard=require --no-preload; do
        traced "$how"
        union python3 -IS -c '
import os, sys, threading
def tell():
    for n in range(300):
        os.path.exists("%s/n%d" % (sys.argv[1], n))
for p in range(2):
    if os.fork() == 0:
        all = [threading.Thread(target=tell) for t in range(3)]
        [t.start() for t in all]; [t.join() for t in all]
        os._exit(0)
for p in range(2):
    assert os.wait()[1] == 0' "$TARGET"
        whole 6 300
    done
}

@test "a line that cannot be written is counted, and harms nobody" {
    prepare
    traced --guard=off
    run -0 --separate-stderr union python3 -IS -c '
import os, resource, sys
for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE):
    was = resource.getrlimit(limit)
    resource.setrlimit(limit, (0, was[1]))
    os.stat(sys.argv[1] + "/a"); os.stat(sys.argv[1] + "/b")
    resource.setrlimit(limit, was)
os.stat(sys.argv[1] + "/d")' "$TARGET"
    # shellcheck disable=SC2154 # of run
    echo "$stderr"
    [[ $stderr == "unionrun: --trace=$W/trace: 4 lines could not be written" ]]
    same 'what is told' 'newfstatat(AT_FDCWD, "W/t/d", 0) = 0 /* shim: lower 2 at "W/lowers/2/d" */' "$(lines newfstatat)"
}

@test "errno is the program's own, traced or not" {
    prepare
    traced --guard=off
    union python3 -IS -c '
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
t = sys.argv[1].encode()
ctypes.set_errno(77)
assert libc.access(t + b"/a", 0) == 0 and ctypes.get_errno() == 77
assert libc.access(t + b"/nix", 0) == -1 and ctypes.get_errno() == 2
assert libc.chdir(None) == -1 and ctypes.get_errno() == 14' "$TARGET"
    grep -qF 'chdir(NULL) = -1 EFAULT' "$W/trace"
}

@test "a place where no trace can be is refused before the command starts" {
    prepare
    local place
    for place in "$W/lowers/1/trace" "$TARGET/trace" "$W/no/such" "$W/up/upper/trace" /dev/null; do
        TRACE=$place traced
        run -125 union touch "$TARGET/ran"
        echo "$place: $output"
        [[ $output == "unionrun: --trace=$place: "* && $output != *$'\n'* ]]
        [ ! -e "$UPPER/ran" ] && { [ "$place" = /dev/null ] || [ ! -e "$place" ]; }
    done
    [ -c /dev/null ]
}

@test "the fence lets all write to the trace, and to nothing beside it" {
    prepare
    as mkdir "$W/out"
    TRACE=$W/out/trace traced
    run -0 union sh -c "ls '$TARGET' >/dev/null; ! echo x 2>/dev/null >'$W/out/other'"
    grep -qF "openat(AT_FDCWD, \"$TARGET\"" "$W/out/trace"
    [ ! -e "$W/out/other" ]
    as sh -c "echo old >>'$W/out/trace'" # the next run begins anew
    union true
    fails grep -q old "$W/out/trace"
}

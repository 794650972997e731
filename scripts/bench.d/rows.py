"""What is measured: rows of the table, and the groups of steps that yield them. A group's steps run one after the other in
one session of a contender, that is behind one start of it."""

import os
import shlex
from dataclasses import dataclass, field

import data


@dataclass
class Row:
    id: str
    title: str
    goal: dict  # contender: at most this; of the unit
    unit: str = "ratio"  # to plain; "ms": milliseconds; "added": milliseconds more than plain


@dataclass
class Group:
    name: str
    rows: tuple
    world: data.World
    steps: object  # function(session) -> list of Step
    only: tuple = ()  # contenders; empty: all
    every_program: bool = False  # needs a contender that serves static programs
    sync: bool = False  # what was written to get ready is to be on the disk first
    outside: bool = False  # steps are run outside, and start the contender themselves


@dataclass
class Step:
    row: str  # "": untimed
    script: str
    per: float = 1  # the script prints seconds for so many
    hyperfine: bool = False


def both(limit):
    return {"shim": limit, "unionrun": limit}


def rows(reflinks):
    table = [
        Row("stat", "stat, deep names", both(1.10)),
        Row("missing", "stat, missing names", both(1.0)),
        Row("open", "open + read 4 KiB + close", both(1.10)),
        Row("read", "pread 4 KiB of an open file", both(1.0)),
        Row("write", "pwrite 4 KiB to an open file", both(1.0)),
        Row("find", "find, again", both(1.4)),
        Row("du", "du -s", both(1.4)),
        Row("ls", "ls -lR", both(1.3)),
        Row("grep", "grep -r", both(1.2)),
        Row("tar", "tar c", both(1.2)),
        Row("git", "git status, again", both(1.15)),
        Row("rm", "rm -rf of lower files", both(1.5)),
        Row("mv", "mv of a lower directory", both(5)),
        Row("configure", "./configure", both(1.10)),
        Row("make", "make -j2", both(1.05)),
        Row("noop", "make with nothing to do", both(1.15)),
        Row("exec", "fork + exec of a small program", {"shim": 1.08, "unionrun": 1.15}),
        Row("exec-in", "the same, a program in the tree", {"shim": 1.08, "unionrun": 1.15}),
        Row("go", "go build", {"unionrun": 1.3}),
        Row("start", "start of the launcher", both(3), "added"),
        Row("append", "1 byte appended to a large lower file, to cp", both(round(1 / 0.95, 3))),
        Row("append-synced", "the same, to cp and sync: a copy that is on disk, as an upper's is", both(round(1 / 0.95, 3))),
        Row("chmod", "chmod of a large lower file", both(5), "ms"),
    ]
    for fs in reflinks:
        table.append(Row(f"append-{fs}", f"1 byte appended to a large lower file, {fs}", both(5), "ms"))
        table.append(Row(f"chmod-{fs}", f"chmod of a large lower file, {fs}", both(5), "ms"))
    return table


@dataclass
class Sizes:
    files: int = 50000
    git: int = 20000
    doomed: int = 10000
    moved: int = 5000
    big: int = 1 << 30
    calls: int = 200000
    spawns: int = 500
    packages: int = 40
    times: int = 3  # runs of a command in one turn
    said: dict = field(default_factory=dict)


QUICK = Sizes(files=2000, git=500, doomed=400, moved=200, big=16 << 20, calls=5000, spawns=30, packages=4, times=2)


class Session:
    """What a group's steps need to know of where they run."""

    def __init__(self, bench, contender, world):
        self.bench, self.contender, self.world = bench, contender, world
        self.tree = contender.at(world)
        self.loop = os.path.join(bench.out, "loop")

    def names(self, what):
        return shlex.quote(self.contender.names(self.world, what))

    def calls(self, row, what, n, names, *path):
        """`n` calls, in pieces: the shorter one is, the likelier nothing else came between."""
        pieces = 20
        n = max(1, n // self.contender.slow // pieces)
        stdin = f" <{self.names(names)}" if names else ""
        where = shlex.quote("/".join([self.tree, *path]))
        warm = f"{self.loop} {what} {where} 5000{stdin} >/dev/null; " if names else ""
        return Step(row, warm + f"{self.loop} -r {pieces} {what} {where} {n}{stdin}", n)

    def command(self, row, command, times=None, warm=1, check=True):
        times = times or self.bench.sizes.times
        if self.contender.slow >= 20:
            times = 1
        return Step(row, f"hyperfine -N --style none --output pipe {'' if check else '-i '}--warmup {warm} --runs {times} "
                         f"--export-json {self.bench.out}/result {shlex.quote(command)} >&2", hyperfine=True)

    def once(self, row, *words):
        return Step(row, shlex.join([self.loop, "run", *words]))

    def untimed(self, script):
        return Step("", f"{{ {script}; }} >/dev/null")


def groups(bench, reflinks):
    sizes, top = bench.sizes, os.path.join(bench.dir, "worlds")
    world = lambda name, layers, make, key, **more: data.World(top, name, layers, make, key, **more)
    tree = world("tree", 4, data.tree(sizes.files), sizes.files)

    def loops(s):
        yield s.calls("stat", "stat", sizes.calls, "deep")
        if s.contender.name != "layers":
            yield s.calls("missing", "stat", sizes.calls, "missing")
        yield s.calls("open", "open", sizes.calls // 2, "deep")

    def transfers(s):
        n = max(1, sizes.calls // s.contender.slow // 20)
        file = shlex.quote(s.tree + "/" + open(s.world.names("deep")).readline().strip())
        for what in ("read", "write"):
            # Both of a file that holds 4 KiB.
            yield Step(what, f"{s.loop} write {file} 1 >/dev/null; {s.loop} -r 20 {what} {file} {n}", n)

    def spawns(s):
        times = max(2, sizes.spawns // s.contender.slow // 10)
        for row, program in (("exec", "/bin/true"), ("exec-in", s.tree + "/bin/true")):
            yield Step(row, f"{s.loop} -r {times} spawn 10 {shlex.quote(program)}", 10)

    def walks(s):
        tree = shlex.quote(s.tree)
        yield s.command("find", f"find {tree}")
        yield s.command("du", f"du -s {tree}")
        yield s.command("ls", f"ls -lR {tree}")
        yield s.command("grep", f"grep -r 'whiteout opaque redirect' {tree}")
        yield s.command("tar", f"tar cf - -C / {shlex.quote(s.tree[1:])}")

    def status(s):
        yield s.command("git", f"git -C {shlex.quote(s.tree)} -c safe.directory=* status", warm=2)

    def removal(s):
        yield s.untimed(f"find {shlex.quote(s.tree)} -ls")
        yield s.once("rm", "rm", "-rf", s.tree + "/it")

    def moving(s):
        yield s.untimed(f"find {shlex.quote(s.tree)} -ls")
        yield s.once("mv", "mv", s.tree + "/it", s.tree + "/moved")

    def package(s):
        yield s.untimed(f"cd {shlex.quote(s.tree)}")
        yield s.once("configure", "./configure", "-q")
        yield s.once("make", "make", "-s", "-j2")
        yield s.command("noop", "make")

    def go(s):
        tree = shlex.quote(s.tree)
        yield s.untimed(f"cd {tree}; export GOCACHE={tree}/.cache GOPATH={tree}/.path GOTMPDIR={tree} GOENV=off "
                        "GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local CGO_ENABLED=0 GO111MODULE=on")
        yield s.once("go", "go", "build", "-o", "built", ".")

    def start(s):
        yield s.command("start", shlex.join([*s.contender.enter(s.world), "/bin/true"]), times=4 * sizes.times, warm=2)

    def big(fs):
        suffix = f"-{fs}" if fs else ""

        def append(s, synced=""):
            lower, copy = s.world.lowers[-1] + "/big", s.contender.state + "/copy"
            if s.contender.union:
                yield s.untimed(f"cat {shlex.quote(s.tree)}/big | cat")
                yield Step("append" + suffix + synced, f"{s.loop} append {shlex.quote(s.tree)}/big 1")
            elif not fs:
                yield s.untimed(f"cat {shlex.quote(lower)} | cat")
                cp = ["cp", "--reflink=never", "--sparse=never", lower, copy]
                yield s.once("append" + synced, *(["sh", "-c", f"{shlex.join(cp)} && sync {shlex.quote(copy)}"] if synced else cp))

        def chmod(s):
            if s.contender.union:
                yield s.untimed(f"cat {shlex.quote(s.tree)}/big | cat; ls -l {shlex.quote(s.tree)}")
                yield Step("chmod" + suffix, f"{s.loop} chmod {shlex.quote(s.tree)}/big 0600")

        at = os.path.join(bench.dir, "fs", fs) if fs else top
        large = data.World(at, "big", 2, data.big(sizes.big), sizes.big)
        unions = ("plain", "shim", "unionrun", "guard", "overlayfs", "fuse-overlayfs")
        yield Group("append" + suffix, ("append" + suffix,), large, append, only=unions, sync=True)
        if not fs:
            yield Group("append-synced", ("append-synced",), large, lambda s: append(s, "-synced"), only=unions, sync=True)
        yield Group("chmod" + suffix, ("chmod" + suffix,), large, chmod, only=unions, sync=True)

    bench.sizes.said = {
        "tree": f"4 layers, {sizes.files:,} files", "git": f"{sizes.git:,} files", "rm": f"{sizes.doomed:,} files",
        "mv": f"{sizes.moved:,} files", "append": f"{sizes.big >> 20:,} MiB", "loops": f"{sizes.calls:,} calls"}
    yield Group("loops", ("stat", "missing", "open"), tree, loops)
    yield Group("transfers", ("read", "write"), tree, transfers)
    yield Group("spawns", ("exec", "exec-in"), tree, spawns)
    yield Group("walks", ("find", "du", "ls", "grep", "tar"), tree, walks)
    yield Group("git", ("git",), world("git", 4, data.git(sizes.git), sizes.git), status)
    yield Group("rm", ("rm",), world("doomed", 2, data.flat(sizes.doomed, 100), sizes.doomed, fresh=True), removal, sync=True)
    yield Group("mv", ("mv",), world("moved", 2, data.flat(sizes.moved, 50), sizes.moved, fresh=True), moving, sync=True)
    some = ("plain", "shim", "unionrun") if bench.quick else ()
    yield Group("package", ("configure", "make", "noop"), world("package", 3, data.package(bench.repo), "hello", fresh=True), package, only=some)
    yield Group("go", ("go",), world("go", 3, data.go_module(sizes.packages), sizes.packages, fresh=True), go,
                only=some or ("plain", "unionrun", "guard", "overlayfs", "fuse-overlayfs"), every_program=True)
    yield Group("start", ("start",), tree, start, outside=True)
    yield from big("")
    for fs in reflinks:
        yield from big(fs)

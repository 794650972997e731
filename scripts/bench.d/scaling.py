"""How cost grows: with the number of layers, depth, the size of a directory, processes, files. A row of measure.py is here
one quantity at one size, named TABLE:QUANTITY:SIZE."""

import os
import shlex

import data
import measure
import plot
import report
import rows

CONTENDERS = ("plain", "shim", "unionrun", "overlayfs")


class Table:
    def __init__(self, name, across, sizes, quantities, group):
        self.name, self.across, self.sizes, self.quantities, self.group = name, across, sizes, quantities, group


def tables(bench, million):
    quick = bench.quick
    calls = 2000 if quick else 20000
    world = lambda name, layers, make, key: data.World(os.path.join(bench.dir, "worlds"), name, layers, make, key)

    def layers(size, rid):
        def steps(s):
            for what, kind, names in (("stat", "stat", "deep"), ("missing", "stat", "missing"), ("open", "open", "deep")):
                yield s.calls(rid(what), kind, calls, names)
            find = s.command(rid("find"), f"find {shlex.quote(s.tree)}")
            find.per = 1000
            yield find

        return world(f"layers-{size}", size, data.tree(1000), 1000), steps

    def depth(size, rid):
        def steps(s):
            yield s.calls(rid("stat"), "stat", calls, "all")
            yield s.calls(rid("missing"), "stat", calls, "missing")

        return world(f"depth-{size}", 2, data.chain(size, 100), 100), steps

    def directory(size, rid):
        def steps(s):
            for what in ("merged", "single"):
                n = max(2, calls // size)
                path = shlex.quote(f"{s.tree}/{what}")
                yield rows.Step(rid(what), f"{s.loop} -r 10 list {path} {max(1, n // s.contender.slow)}",
                                size * max(1, n // s.contender.slow))

        return world(f"directory-{size}", 2, data.directories(size), size), steps

    def processes(size, rid):
        def steps(s):
            for what, kind in (("stat", "stat"), ("open", "open"), ("list", "list")):
                n = max(1, calls // size // s.contender.slow // (20 if kind == "list" else 1))
                stdin = "" if kind == "list" else f" <{s.names('deep')}"
                path = shlex.quote(s.tree + ("/share0" if kind == "list" else ""))
                yield rows.Step(rid(what), f"{s.loop} -r 5 many {size} {kind} {path} {n}{stdin}", n * size)

        return world("processes", 4, data.tree(2000), 2000), steps

    def files(size, rid):
        def steps(s):
            tree = shlex.quote(s.tree)
            for row, step in (("find first", s.once(rid("find first"), "find", s.tree)),
                              ("find again", s.command(rid("find again"), f"find {tree}", warm=0)),
                              ("ls -lR", s.command(rid("ls -lR"), f"ls -lR {tree}", warm=0)),
                              ("stat", rows.Step(rid("stat"), f"{s.loop} -r 2 stat {tree} {size} <{s.names('all')}"))):
                step.per = size
                yield step

        return world(f"files-{size}", 4, data.tree(size), size), steps

    counts = [1000, 10000] if quick else [1000, 10000, 100000] + ([1000000] if million else [])
    return [
        Table("layers", "layers", [1, 2, 8, 32] if quick else [1, 2, 8, 32, 128, 500], ("stat", "missing", "open", "find"), layers),
        Table("depth", "directories above the name", [1, 4, 16] if quick else [1, 2, 4, 8, 16, 32, 64], ("stat", "missing"), depth),
        Table("directory", "names in the directory", [10, 1000] if quick else [10, 100, 1000, 10000, 100000], ("merged", "single"),
              directory),
        Table("processes", "processes at once", [1, 4] if quick else [1, 2, 4, 8, 16, 32, 64], ("stat", "open", "list"), processes),
        Table("files", "files in the tree", counts, ("find first", "find again", "ls -lR", "stat"), files),
    ]


PER = {"layers": "a call (find: a file)", "depth": "a call", "directory": "a name listed", "processes": "a call, of all processes",
       "files": "a file"}


def main(bench, contenders, absent, rounds, million, only):
    results = measure.Results()
    chosen = [t for t in tables(bench, million) if not only or t.name in only]
    groups = []
    for t in chosen:
        for size in t.sizes:
            rid = lambda what, t=t, size=size: f"{t.name}:{what}:{size}"
            world, steps = t.group(size, rid)
            groups.append(rows.Group(f"{t.name} {size}", tuple(rid(q) for q in t.quantities), world, steps))
    measure.run(bench, groups, {row for g in groups for row in g.rows}, contenders, rounds, results)
    names = [c.name for c in contenders]
    text = "# How the cost grows\n\n" + report.facts(
        report.machine(bench) | {"load at the start and the end": f"{bench.load:.1f}, {os.getloadavg()[0]:.1f}"})
    text += f"\n{rounds} rounds in turns; of each turn the best, of these the median.\n"
    figures = {}
    for t in chosen:
        text += f"\n## By {t.across}\n"
        for quantity in t.quantities:
            of = {n: [(size, results.seconds(f"{t.name}:{quantity}:{size}", n)) for size in t.sizes] for n in names}
            figures[f"{t.name}, {quantity}"] = of
            text += f"\n{quantity}, time for {PER[t.name]}:\n\n"
            text += report.table([t.across, *names], [
                [f"{size:,}", *(report.time_text(of[n][i][1]) if of[n][i][1] else "-" for n in names)]
                for i, size in enumerate(t.sizes)])
            svg = plot.lines(f"{quantity}, by {t.across}", t.across, f"ns for {PER[t.name]}",
                             {n: [(x, 1e9 * y) for x, y in line if y] for n, line in of.items() if any(y for _, y in line)})
            if svg:
                file = f"scaling-{t.name}-{quantity.replace(' ', '-')}.svg"
                report.write(bench, file, svg)
                text += f"\n![{quantity}]({file})\n"
    if absent:
        text += "\nNot measured:\n\n" + report.facts(absent)
    failures = sorted({f"- {row.split(':')[0]} of {row.split(':')[2]}, {name}: {why}"
                       for row, of in results.not_measured.items() for name, why in of.items()})
    if failures:
        text += "\nFailed:\n\n" + "\n".join(failures) + "\n"
    report.write(bench, "scaling.json", {"machine": report.machine(bench), "rounds": rounds, "seconds": figures})
    report.write(bench, "scaling.md", text)
    print(text)

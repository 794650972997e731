"""One table as Markdown and JSON, and the plots."""

import json
import os
import platform
import subprocess
import time

import plot


def output(*words):
    try:
        return subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.strip()
    except OSError:
        return ""


def machine(bench):
    cpu = ""
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    release = {}
    if os.path.exists("/etc/os-release"):
        release = dict(line.strip().split("=", 1) for line in open("/etc/os-release") if "=" in line)
    memory = int(next(line for line in open("/proc/meminfo") if line.startswith("MemTotal")).split()[1]) >> 10
    return {
        "cpu": cpu or platform.machine(),
        "cores": os.cpu_count(),
        "memory MiB": memory,
        "kernel": f"{platform.system()} {platform.release()}",
        "system": release.get("PRETTY_NAME", "").strip('"'),
        "filesystem": output("stat", "-f", "-c", "%T", bench.dir),
        "user": "root" if os.geteuid() == 0 else "a plain user",
        "unionrun": output("git", "-C", bench.repo, "describe", "--always", "--dirty") or output(bench.unionrun, "--version"),
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def versions(contenders):
    how = {"fuse-overlayfs": ("fuse-overlayfs", "--version"), "proot": ("dpkg-query", "-W", "-f", "${Version}", "proot"),
           "fakechroot": ("dpkg-query", "-W", "-f", "${Version}", "fakechroot")}
    return {c.name: output(*how[c.name]).splitlines()[0] for c in contenders if c.name in how and output(*how[c.name])}


def number(value):
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def time_text(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)):
        if seconds >= size or unit == "ns":
            return f"{seconds / size:.3g} {unit}"
    return ""


def value(results, row, contender):
    """In the row's unit."""
    if row.unit == "ratio":
        ratio = results.ratio(row.id, contender)
        return ratio[0] if ratio else None
    mine, plain = results.seconds(row.id, contender), results.seconds(row.id, "plain")
    if mine is None:
        return None
    if row.unit == "added":
        return None if plain is None else 1000 * (mine - plain)
    return 1000 * mine


def cell(results, row, contender):
    got = value(results, row, contender)
    if got is None:
        return "fails" if contender in results.not_measured.get(row.id, {}) else "-"
    text = number(got) if row.unit == "ratio" else f"{number(got)} ms"
    goal = row.goal.get(contender)
    return text if goal is None else f"**{text}**" if got <= goal else f"{text} ✗"


def goal_text(row):
    unit = "" if row.unit == "ratio" else " ms"
    limits = sorted(set(row.goal.values()))
    if len(limits) == 1:
        return f"{limits[0]:g}{unit}"
    return ", ".join(f"{limit:g}{unit} {name}" for name, limit in row.goal.items())


def table(head, lines):
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(out + ["| " + " | ".join(line) + " |" for line in lines]) + "\n"


def facts(of):
    return "\n".join(f"- {key}: {text}" for key, text in of.items()) + "\n"


def write(bench, name, text):
    path = os.path.join(bench.report, name)
    with open(path, "w") as f:
        f.write(text if isinstance(text, str) else json.dumps(text, indent=1, ensure_ascii=False) + "\n")
    return path


def main(bench, rows, contenders, absent, results, rounds):
    shown = [row for row in rows if row.id in results.turns or row.id in results.not_measured]
    said = bench.sizes.said
    lines = []
    for row in shown:
        plain = results.seconds(row.id, "plain")
        title = row.title + (f" ({said[row.id.split('-')[0]]})" if row.id.split("-")[0] in said else "")
        lines.append([title, time_text(plain) if plain else "-", *(cell(results, row, c.name) for c in contenders if c.name != "plain"),
                      goal_text(row)])
    names = [c.name for c in contenders if c.name != "plain"]
    text = "# unionrun beside others\n\n"
    text += facts(machine(bench) | {"load at the start and the end": f"{bench.load:.1f}, {os.getloadavg()[0]:.1f}"} |
                  {f"version of {k}": v for k, v in versions(contenders).items()})
    text += f"\nThe tree: {said['tree']}; {said['loops']} a loop. {rounds} rounds, in turns; of each turn the best counts, and each figure is the " \
            "median over the rounds of the ratio to plain in the same round, or of the time where that is named. " \
            "Bold: within the goal; ✗: not.\n\n"
    text += table(["", "plain", *names, "goal"], lines)
    text += "\n" + "\n".join(f"- {c.name}: {c.what}" for c in contenders) + "\n"
    if absent:
        text += "\nNot measured:\n\n" + facts(absent)
    cpu = [[row.title, *(number(ratio[0]) if ratio else "-" for ratio in (results.ratio(row.id, n, of=results.cpu) for n in names))]
           for row in shown if row.unit == "ratio"]
    text += "\nThe same of CPU time, as the program and its children have it (what a guard or a FUSE daemon does for them is " \
            "not in it); it is steadier than the clock on a busy machine:\n\n" + table(["", *names], cpu)
    failures = [f"- {row}, {name}: {why}" for row, of in results.not_measured.items() for name, why in of.items()]
    if failures:
        text += "\nFailed:\n\n" + "\n".join(failures) + "\n"
    svg = plot.bars("time, as a multiple of a plain directory's",
                    [(row.title, {n: value(results, row, n) or 0 for n in names}) for row in shown if row.unit == "ratio"], names)
    if svg:
        write(bench, "bench.svg", svg)
        text += "\n![ratios](bench.svg)\n"
    everything = {
        "machine": machine(bench), "load": [bench.load, os.getloadavg()[0]], "rounds": rounds, "sizes": said, "absent": absent,
        "rows": [{"id": row.id, "title": row.title, "unit": row.unit, "goal": row.goal,
                  "contenders": {name: {
                      "value": value(results, row, name), "seconds": results.seconds(row.id, name),
                      "ratio, lowest, highest": results.ratio(row.id, name), "turns": of,
                      "cpu ratio": (results.ratio(row.id, name, of=results.cpu) or [None])[0],
                  } for name, of in results.turns.get(row.id, {}).items()},
                  "failed": results.not_measured.get(row.id, {})} for row in shown]}
    write(bench, "bench.json", everything)
    write(bench, "bench.md", text)
    print(text)

"""Turns: each round runs every contender once, beginning with another one each time, so that what else the machine does
falls on all of them. Of a turn its best counts, which is the one that was disturbed least; a ratio is taken within a
round, and the median of these is the figure."""

import json
import os
import statistics
import subprocess
import sys

import rows


def say(text):
    print(text, file=sys.stderr, flush=True)


class Results:
    def __init__(self):
        self.turns = {}  # row: contender: [round: [seconds]]
        self.cpu = {}  # the same of CPU seconds, where they are known
        self.not_measured = {}  # row: contender: why

    def add(self, row, contender, seconds, cpu=None):
        self.turns.setdefault(row, {}).setdefault(contender, []).append(seconds)
        if cpu:
            self.cpu.setdefault(row, {}).setdefault(contender, []).append(cpu)

    def seconds(self, row, contender):
        turns = self.turns.get(row, {}).get(contender)
        return statistics.median(min(turn) for turn in turns) if turns else None

    def ratio(self, row, contender, to="plain", of=None):
        """(median, lowest, highest) of the rounds' ratios, or None."""
        of = self.turns if of is None else of
        mine, theirs = of.get(row, {}).get(contender), of.get(row, {}).get(to)
        if not mine or not theirs:
            return None
        ratios = [min(a) / min(b) for a, b in zip(mine, theirs) if min(b) > 0]
        return (statistics.median(ratios), min(ratios), max(ratios)) if ratios else None


def turn(bench, group, contender, wanted, results):
    """One session. Returns why it failed, or None."""
    contender.renew(group.world)
    session = rows.Session(bench, contender, group.world)
    steps = list(group.steps(session))
    if not any(step.row for step in steps):
        return None
    out = bench.out
    script = "set -e\n"
    for i, step in enumerate(steps):
        if not step.row:
            script += step.script + "\n"
        elif step.row in wanted:
            script += f"{{ {step.script}; }} >{out}/printed.{i}\n"
            if step.hyperfine:
                script += f"mv {out}/result {out}/result.{i}\n"
        elif group.name == "package":  # the next step needs it
            script += f"{{ {step.script}; }} >/dev/null\n"
    for name in os.listdir(out):
        if name.startswith(("printed", "result")):
            os.unlink(os.path.join(out, name))
    if group.sync:
        os.sync()
    words = [] if group.outside else contender.enter(group.world)
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": out, "TMPDIR": "/tmp"}
    run = subprocess.run([*words, "sh", "-c", script], cwd="/", env=env, text=True, stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, errors="replace", timeout=3600)
    contender.drop()
    if run.returncode:
        lines = [line for line in run.stderr.splitlines() if line.strip()]
        if bench.verbose:
            say(run.stderr)
        return (lines or [f"status {run.returncode}"])[-1]
    for i, step in enumerate(steps):
        if not step.row or step.row not in wanted:
            continue
        if step.hyperfine:
            with open(f"{out}/result.{i}") as f:
                result = json.load(f)["results"][0]
            results.add(step.row, contender.name, [seconds / step.per for seconds in result["times"]],
                        [(result["user"] + result["system"]) / step.per])
        else:
            with open(f"{out}/printed.{i}") as f:
                lines = [[float(word) / step.per for word in line.split()] for line in f]
            results.add(step.row, contender.name, [line[0] for line in lines], [line[1] for line in lines])
    return None


def run(bench, groups, wanted, contenders, rounds, results):
    for group in groups:
        if not wanted.intersection(group.rows):
            continue
        mine = [c for c in contenders if (not group.only or c.name in group.only) and (not c.groups or group.name in c.groups)]
        if group.every_program:
            mine = [c for c in mine if c.every_program]
        say(f"{group.name}: the data")
        group.world.ready()
        failed = {}
        for number in range(rounds):
            say(f"{group.name}: round {number + 1} of {rounds}")
            shift = number % len(mine)
            for contender in mine[shift:] + mine[:shift]:
                if contender.name in failed:
                    continue
                why = turn(bench, group, contender, wanted, results)
                if why:
                    failed[contender.name] = why
                    say(f"{group.name}: {contender.name}: {why}")
                    for row in wanted.intersection(group.rows):
                        results.not_measured.setdefault(row, {})[contender.name] = why
                        results.turns.get(row, {}).pop(contender.name, None)

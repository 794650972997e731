"""The figures that the literature names for unions: pages of a shared library that are read once for all, disk that is
shared, and the price of the first write, (F+k)/k."""

import os
import shutil
import subprocess

import data
import measure
import report

PAGE, PAGES, PROCESSES, UNIONS = 4096, 130, 9, 100


def tool(bench):
    out = bench.out + "/pages"
    subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-o", out,
                    f"{bench.repo}/scripts/bench.d/pages.c", "-ldl"], check=True)
    return out


def library(bench, world, rng):
    """A shared library whose file has exactly PAGES pages."""
    path = bench.out + "/lib.so"
    source = "const unsigned char data[] = {" + ",".join(str(rng.randrange(256)) for _ in range(100 * PAGE)) + "};\n"
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-x", "c", "-o", path, "-"], input=source, text=True, check=True)
    with open(path, "r+b") as f:
        if os.path.getsize(path) > PAGES * PAGE:
            raise SystemExit("bench: the library came out too large")
        f.truncate(PAGES * PAGE)
    world.put(world.count - 1, "lib/lib.so", open(path, "rb").read(), 0o755)


def pages(bench, contenders):
    """[contender, page-ins, major faults, frames] of PROCESSES processes, each in a tree of its own."""
    binary, lines = tool(bench), []
    world = data.World(os.path.join(bench.dir, "worlds"), "library", 2, lambda w, rng: library(bench, w, rng), PAGES)
    world.ready()
    for kind in contenders:
        many, files = [], []
        for i in range(PROCESSES):
            contender = type(kind)(bench)
            contender.name = f"{kind.name}-{i}"
            contender.renew(world)
            if contender.union:
                files = [world.lowers[-1] + "/lib/lib.so"]
                path = contender.at(world) + "/lib/lib.so"
            else:  # what is done without a union: a copy for each
                path = f"{contender.state}/lib.so"
                shutil.copy(world.plain + "/lib/lib.so", path)
                files.append(path)
            many.append((contender, [*contender.enter(world), binary, "touch", path]))
        left = sum(int(subprocess.run([binary, "cold", file], check=True, text=True, stdout=subprocess.PIPE).stdout) for file in files)
        running = [subprocess.Popen(words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _, words in many]
        ready = all(p.stdout.readline() == "ready\n" for p in running)
        if ready:
            for p in running:
                p.stdin.write("go\n")
                p.stdin.flush()
        told = [p.stdout.readline().split() for p in running] if ready else []
        for p in running:
            p.stdin.close()
            p.wait()
        for contender, _ in many:
            contender.drop()
        if len(told) < PROCESSES or not all(told):
            measure.say(f"{kind.name}: a process did not come up")
            continue
        faults, read = sum(int(t[0]) for t in told), sum(int(t[1]) for t in told)
        frames = {int(frame) for t in told for frame in t[2:]} - {0}
        lines.append([kind.name, left, read / PAGE, faults, len(frames)])
    return lines


def disk(bench, unionrun):
    """What UNIONS unions over one base take, in bytes: base, all uppers and work directories, the largest of these."""
    top = os.path.join(bench.dir, "worlds", "hundred")
    size = bench.sizes.big
    files = 64

    def make(world, rng):
        block = rng.randbytes(1 << 20)
        for i in range(files):
            with open(f"{world.lowers[-1]}/file{i:02d}", "wb") as f:
                for at in range(0, size // files, len(block)):
                    f.write(block[:size // files - at])
        with open(world.lowers[-1] + "/conf", "wb") as f:
            f.write(b"x" * 4000)

    world = data.World(os.path.dirname(top), "hundred", 1, make, size)
    world.ready()

    def used(path):
        return int(report.output("du", "-s", "-B1", path).split()[0])

    each = []
    for i in range(UNIONS):
        contender = type(unionrun)(bench)
        contender.name = f"hundred-{i}"
        contender.renew(world)
        tree = contender.at(world)
        script = (f'head -c 65536 /dev/zero >{tree}/log && echo {i} >>{tree}/conf && rm {tree}/file{i % files:02d} && '
                  f'mkdir {tree}/d && cat {tree}/file{(i + 1) % files:02d} | cat >/dev/null')
        subprocess.run([*contender.enter(world), "sh", "-c", script], check=True, stdin=subprocess.DEVNULL)
        each.append((used(contender.state + "/upper"), used(contender.state + "/work")))
        contender.drop()
    return used(world.lowers[-1]), sum(a + b for a, b in each), max(a + b for a, b in each)


def amplification(bench, contender, places):
    """Lines for each F and place: what a block appended to a file of F bytes came to."""
    binary, lines, k = tool(bench), [], PAGE
    sizes = [s for s in (4 << 10, 64 << 10, 1 << 20, 16 << 20, 256 << 20, 1 << 30) if s <= bench.sizes.big]
    kinds = [("dense", s) for s in sizes] + [("sparse", sizes[-1]), ("chmod", sizes[-1])]
    for name, top in places:
        def make(world, rng):
            noise = rng.randbytes(1 << 20)
            for kind, size in kinds:
                with open(f"{world.lowers[-1]}/{kind}{size}", "wb") as f:
                    if kind == "sparse":
                        f.write(noise[:64 << 10])
                        f.truncate(size)
                        continue
                    for at in range(0, size, len(noise)):
                        f.write(noise[:size - at])

        world = data.World(top, "amplification", 1, make, str(kinds))
        world.ready()
        whole = name != "the tree's"  # a filesystem of our own: its free space tells
        for kind, size in kinds:
            contender.renew(world)
            path = f"{contender.at(world)}/{kind}{size}"
            # The upper has its own files before the space is looked at.
            subprocess.run([*contender.enter(world), "true"], check=True)
            report.output("sync", "-f", top)
            free = os.statvfs(top)
            told = subprocess.run([*contender.enter(world), binary, "chmod" if kind == "chmod" else "append", path,
                                   "0600" if kind == "chmod" else str(k)],
                                  text=True, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout.split()
            report.output("sync", "-f", top)
            upper = os.stat(f"{contender.state}/upper/{kind}{size}")
            now = os.statvfs(top)
            grown = (free.f_bfree - now.f_bfree) * now.f_frsize if whole else upper.st_blocks * 512
            data_bytes = 64 << 10 if kind == "sparse" else size
            lines.append((name, kind, size, 0 if kind == "chmod" else (data_bytes + k) / k, int(told[0]), grown, float(told[1])))
            contender.drop()
    return lines


def size_text(n):
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if n >= size:
            return f"{n / size:.4g} {unit}"
    return f"{n} B"


def main(bench, contenders, absent, places):
    unions = [c for c in contenders if c.name in ("plain", "unionrun", "overlayfs")]
    unionrun = next(c for c in contenders if c.name == "unionrun")
    text = "# What is shared, and what the first write costs\n\n" + report.facts(report.machine(bench))
    measure.say("page-ins")
    got = pages(bench, unions)
    text += (f"\n## {PROCESSES} processes touch the {PAGES} pages of one library\n\nThe file is not in memory before. A page-in is a page "
             "read from the disk for one of the processes (read_bytes of /proc/PID/io); a frame is a physical page that one of them "
             "has mapped (/proc/PID/pagemap, which tells root alone).\n\n")
    text += report.table(["each in", "in memory before", "page-ins", "major faults", "frames"], [
        [{"plain": "a copy of its own", "unionrun": "a union of its own, over one base", "overlayfs": "the same, kernel overlayfs"}[name],
         str(left), f"{read:,.0f}", f"{faults:,}", f"{frames:,}" if frames else "-"] for name, left, read, faults, frames in got])
    measure.say("disk")
    base, all_of_them, most = disk(bench, unionrun)
    text += (f"\n## {UNIONS} unions over one base\n\nEach reads a file, writes a log of 64 KiB, changes a file of 4,000 bytes, deletes "
             "one and makes a directory. Blocks on the disk (du), the work directories included.\n\n")
    text += report.table(["", "on the disk"], [
        ["the base", size_text(base)], [f"all {UNIONS} uppers and work directories", size_text(all_of_them)],
        ["the largest of them", size_text(most)], ["all", size_text(base + all_of_them)],
        [f"{UNIONS} copies of the base would be", size_text(UNIONS * base)]])
    measure.say("write amplification")
    lines = amplification(bench, unionrun, places)
    text += ("\n## Write amplification: 4 KiB appended to a lower file of F bytes\n\nDirtied: write_bytes of /proc/PID/io. Disk: what the "
             "upper's file takes; on a filesystem of our own, by how much its free space shrank. Both divided by k, 4 KiB. "
             "Sparse: F bytes of which 64 KiB are data, which count for F. chmod: instead of the append.\n\n")
    text += report.table(["upper on", "", "F", "(F+k)/k", "dirtied", "disk", "time"], [
        [name, kind, size_text(size), f"{formula:,.0f}" if formula else "-", f"{dirty / PAGE:,.1f}", f"{grown / PAGE:,.1f}",
         report.time_text(seconds)] for name, kind, size, formula, dirty, grown, seconds in lines])
    if absent:
        text += "\nNot measured:\n\n" + report.facts(absent)
    report.write(bench, "seed.json", {
        "machine": report.machine(bench),
        "pages": [dict(zip(("contender", "in memory before", "page-ins", "major faults", "frames"), line)) for line in got],
        "disk": {"unions": UNIONS, "base": base, "uppers and works": all_of_them, "largest": most},
        "amplification": [dict(zip(("upper on", "kind", "F", "formula", "dirtied", "disk", "seconds"), line)) for line in lines]})
    report.write(bench, "seed.md", text)
    print(text)

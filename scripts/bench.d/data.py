"""What is measured on. A *world* is a directory WORLDS/NAME with layers 0 (topmost), 1, 2 ... and `all`, the plain copy
of their union. It is made once for its sizes and kept; nobody changes it, but for `all` of worlds that are not copied
for each turn, where programs may leave what they leave in a union's upper."""

import os
import random
import shutil
import subprocess

WORDS = "union layer lower upper whiteout opaque merged copy redirect origin index metadata inode link mount".split()


def text(rng, size):
    out = []
    while size > 0:
        line = " ".join(rng.choices(WORDS, k=9)) + "\n"
        out.append(line)
        size -= len(line)
    return "".join(out).encode()


class World:
    def __init__(self, top, name, layers, make, key, fresh=False):
        self.path = os.path.join(top, name)
        self.name, self.count, self.make, self.key, self.fresh = name, layers, make, f"{layers} {key}", fresh

    @property
    def plain(self):
        return os.path.join(self.path, "all")

    @property
    def lowers(self):
        return [os.path.join(self.path, str(i)) for i in range(self.count)]

    def names(self, what):
        return os.path.join(self.path, "names-" + what)

    def ready(self):
        stamp = os.path.join(self.path, "made")
        if os.path.exists(stamp) and open(stamp).read() == self.key:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        for path in [self.plain] + self.lowers:
            os.makedirs(path)
        self.make(self, random.Random(self.name))
        with open(stamp, "w") as f:
            f.write(self.key)

    def put(self, layer, rel, data, mode=0o644):
        """In a layer; what a higher one has of it wins in the plain copy, so fill from the bottom up."""
        for root in (self.lowers[layer], self.plain):
            path = os.path.join(root, rel)
            try:
                f = open(path, "wb")
            except FileNotFoundError:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                f = open(path, "wb")
            with f:
                f.write(data)
            if mode != 0o644:
                os.chmod(path, mode)

    def write_names(self, what, names):
        with open(self.names(what), "w") as f:
            f.writelines(name + "\n" for name in names)


def tree(files, blocks=False):
    """Of every 20 directories of 20 files 10 are merged from all layers, 10 are in one alone; one file in ten is also
    in the layer below, older. `blocks`: 4 KiB each at least."""

    def make(world, rng):
        names, dirs = [], max(1, files // 20)
        for d in range(dirs):
            deep = "/".join(f"{part}{(d // 10 ** (4 - i)) % 10}" for i, part in enumerate(["share", "lib", "mod", "part", "unit"]))
            home = rng.randrange(world.count)
            for i in range(20):
                rel = f"{deep}/file{i:02d}.txt"
                layer = rng.randrange(world.count) if d % 2 else home
                data = text(rng, rng.randrange(4096, 5000) if i % 4 == 0 or blocks else rng.randrange(100, 3000))
                if rng.random() < 0.1 and layer + 1 < world.count:
                    world.put(layer + 1, rel, b"older\n")
                world.put(layer, rel, data)
                names.append(rel)
        rng.shuffle(names)
        world.write_names("all", names)
        world.write_names("deep", names[:5000])
        world.write_names("missing", [name[:-4] + ".o" for name in names[:5000]])
        world.put(world.count - 1, "bin/true", open("/bin/true", "rb").read(), 0o755)

    return make


def flat(files, dirs, layers_each=None):
    """`files` in `dirs` directories below one named `it`; each directory in the bottom layer, or merged of all."""

    def make(world, rng):
        for i in range(files):
            layer = world.count - 1 if layers_each is None else i % layers_each
            world.put(layer, f"it/d{i % dirs:03d}/file{i:05d}", text(rng, 200))
        world.write_names("all", [f"it/d{i % dirs:03d}/file{i:05d}" for i in range(files)])

    return make


def chain(depth, files):
    def make(world, rng):
        rel = "/".join(["d"] * depth)
        for i in range(files):
            world.put(i % world.count, f"{rel}/file{i:03d}", b"x" * 4096)
        world.write_names("all", [f"{rel}/file{i:03d}" for i in range(files)])
        world.write_names("missing", [f"{rel}/none{i:03d}" for i in range(files)])

    return make


def directories(files):
    """Two directories of empty files: one merged of all layers, one that the bottom alone has."""

    def make(world, rng):
        for i in range(files):
            world.put(i % world.count, f"merged/file{i:06d}", b"")
            world.put(world.count - 1, f"single/file{i:06d}", b"")

    return make


def git(files):
    def make(world, rng):
        plain = world.plain
        for i in range(files):
            path = os.path.join(plain, f"src{i % 97:02d}/m{i % 13:02d}/file{i:05d}.c")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(text(rng, 300))
        env = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null", HOME="/nonexistent")
        for name in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{name}_NAME": "bench", f"GIT_{name}_EMAIL": "bench@example.com"}
        for args in (["init", "-q", "."], ["add", "."], ["commit", "-q", "-m", "all"]):
            subprocess.run(["git", "-c", "gc.auto=0", "-C", plain, *args], check=True, env=env)
        split(world, rng, lambda rel: world.count - 1 if rel.startswith(".git/") else None)

    return make


def split(world, rng, where):
    """Lays the plain copy out over the layers: each file where `where` says, or in any."""
    for top, dirs, files in os.walk(world.plain):
        rel = os.path.relpath(top, world.plain)
        for name in dirs:
            os.makedirs(os.path.join(world.lowers[-1], rel, name), exist_ok=True)
        for name in files:
            layer = where(os.path.normpath(os.path.join(rel, name)))
            to = os.path.join(world.lowers[rng.randrange(world.count) if layer is None else layer], rel)
            os.makedirs(to, exist_ok=True)
            shutil.copy2(os.path.join(top, name), to, follow_symlinks=False)


def package(repo):
    """GNU hello, spread over three layers so that no directory is whole."""

    def make(world, rng):
        source = subprocess.run([f"{repo}/test/programs/fetch", "source", "hello"], check=True, text=True,
                                stdout=subprocess.PIPE).stdout.strip()
        shutil.rmtree(world.path)
        os.makedirs(world.path)
        subprocess.run([f"{repo}/test/programs/spread", source, world.path + "/spread"], check=True)
        for i, name in enumerate(("1-top", "2-middle", "3-bottom")):
            os.rename(f"{world.path}/spread/{name}", world.lowers[i])
        os.rmdir(world.path + "/spread")
        shutil.copytree(source, world.plain, symlinks=True, ignore=shutil.ignore_patterns(".pc"))
        # A plain copy of what the spread layers show: that its times are alike keeps make from more work in one.

    return make


def go_module(packages):
    def make(world, rng):
        world.put(world.count - 1, "go.mod", b"module example.com/bench\n\ngo 1.18\n")
        for p in range(packages):
            for f in range(4):
                body = f"package p{p:02d}\n\nimport (\n\t\"fmt\"\n\t\"strings\"\n)\n\n"
                for n in range(20):
                    body += (f"func F{f}x{n}(s string) string {{\n\tif len(s) > {n} {{\n\t\ts = strings.ToUpper(s)\n\t}}\n"
                             f"\treturn fmt.Sprintf(\"%s %d\", s, {n})\n}}\n\n")
                world.put((p + f) % world.count, f"p{p:02d}/f{f}.go", body.encode())
        imports = "".join(f"\t\"example.com/bench/p{p:02d}\"\n" for p in range(packages))
        calls = "".join(f"\tprintln(p{p:02d}.F0x0(\"x\"))\n" for p in range(packages))
        world.put(0, "main.go", f"package main\n\nimport (\n{imports})\n\nfunc main() {{\n{calls}}}\n".encode())

    return make


def big(size):
    def make(world, rng):
        noise = rng.randbytes(1 << 20)
        with open(os.path.join(world.lowers[-1], "big"), "wb") as f:
            for _ in range(size >> 20):
                f.write(noise)

    return make

"""Who is measured. A contender shows a world at a path and runs a command there: `enter` gives the words to put before
the command, `at` the path. What it changes is in a state directory of its own, which is made anew for each turn."""

import os
import shutil
import subprocess


def remove(path):
    """All of it; kernel overlayfs leaves a directory of mode 0 in its work directory."""
    if os.geteuid() != 0 and os.path.exists(path):
        subprocess.run(["chmod", "-R", "u+rwX", path], check=True)
    shutil.rmtree(path, ignore_errors=True)


class Contender:
    name = ""
    what = ""
    slow = 1  # that many times fewer rounds of a loop are enough, and wanted
    union = True  # has layers and an upper
    every_program = True  # serves static programs, too
    groups = ()  # what it is measured in; empty: all

    def __init__(self, bench):
        self.bench = bench
        self.state = None
        self.target = os.path.join(bench.dir, "mnt")

    def missing(self):
        """Why it cannot be measured here, or None."""
        return None

    def renew(self, world):
        """Also finds its place: on the filesystem of the world."""
        self.state = os.path.join(os.path.dirname(world.path), "state", self.name)
        remove(self.state)
        for part in ("upper", "work"):
            os.makedirs(os.path.join(self.state, part))
        os.makedirs(self.target, exist_ok=True)

    def drop(self):
        remove(self.state)

    def at(self, world):
        return self.target

    def names(self, world, what):
        """The file of the world's names, from `at`."""
        return world.names(what)

    def enter(self, world):
        raise NotImplementedError

    def probe(self, *words):
        """Can it run a command at all?"""
        world = self.bench.probe_world()
        self.renew(world)
        run = subprocess.run([*self.enter(world), "ls", self.at(world) + "/it"], text=True, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.drop()
        if run.returncode == 0 and "d000" in run.stdout:
            return None
        last = (run.stderr.strip().splitlines() or [f"status {run.returncode}"])[-1]
        return f"does not run here ({last})"

    def needs(self, *programs):
        lacking = [p for p in programs if not shutil.which(p)]
        return f"{' and '.join(lacking)} not installed" if lacking else self.probe()


class Plain(Contender):
    name, what, union = "plain", "a plain directory: a copy of the merged tree", False

    def renew(self, world):
        super().renew(world)
        if world.fresh:
            subprocess.run(["cp", "-a", world.plain, self.state + "/all"], check=True)

    def at(self, world):
        return self.state + "/all" if world.fresh else world.plain

    def enter(self, world):
        return []


class Layers(Contender):
    """What the kernel's way to the layers costs: more directories than the plain copy has, and so more of its cache."""

    name, what, union = "layers", "no union, natively: each file by the path of the layer that holds it", False
    groups = ("loops",)

    def at(self, world):
        return world.path

    def names(self, world, what):
        own = world.names(f"{what}-layers")
        if what != "missing" and not os.path.exists(own):
            with open(world.names(what)) as names, open(own, "w") as f:
                for name in names:
                    holder = next(lower for lower in world.lowers if os.path.lexists(f"{lower}/{name.strip()}"))
                    f.write(f"{os.path.basename(holder)}/{name}")
        return own

    def enter(self, world):
        return []


class Unionrun(Contender):
    options = []

    def missing(self):
        return self.probe()

    def enter(self, world):
        lowers = [word for lower in world.lowers for word in ("--lower", lower)]
        return [self.bench.unionrun, *self.options, "--writable", self.bench.out, "--target", self.target, *lowers,
                "--upper", self.state + "/upper", "--work", self.state + "/work", "--"]


class Shim(Unionrun):
    name, what, every_program = "shim", "unionrun, the shim alone (--guard=off --fence=off)", False
    options = ["--guard=off", "--fence=off"]


class Guarded(Unionrun):
    name, what = "unionrun", "unionrun as it is: shim, guard and fence"
    options = ["--guard=require", "--fence=require"]


class GuardAlone(Unionrun):
    name, what, slow = "guard", "unionrun --no-preload: the guard alone", 5
    options = ["--no-preload"]


class Overlayfs(Contender):
    name, what = "overlayfs", "kernel overlayfs, unprivileged (user namespace, userxattr)"

    def missing(self):
        return self.needs("unshare")

    def enter(self, world):
        # Relative names: mount(8) takes no more options than fit a page.
        lowers = ":".join(os.path.basename(lower) for lower in world.lowers)
        script = (f'cd "{world.path}" && mount -t overlay overlay -o userxattr,lowerdir={lowers},'
                  f'upperdir={self.state}/upper,workdir={self.state}/work "{self.target}" && cd / && exec "$@"')
        return ["unshare", "-Urm", "sh", "-c", script, "sh"]


class FuseOverlayfs(Contender):
    name, what, slow = "fuse-overlayfs", "fuse-overlayfs", 2

    def missing(self):
        return self.needs("unshare", "fuse-overlayfs")

    def enter(self, world):
        lowers = ":".join(world.lowers)
        script = (f'fuse-overlayfs -o lowerdir={lowers},upperdir={self.state}/upper,workdir={self.state}/work '
                  f'"{self.target}" && "$@"')
        return ["unshare", "-Urmpf", "--kill-child", "--mount-proc", "sh", "-c", script, "sh"]


class PRoot(Plain):
    # At its own path: PRoot 5.1 lets statx pass untranslated, and ls and du would see nothing of a bind elsewhere.
    name, what, slow = "proot", "PRoot (ptrace; no union: the plain copy, bound to its own path)", 20

    def missing(self):
        return self.needs("proot")

    def enter(self, world):
        return ["proot", "-b", self.at(world)]


class Fakechroot(Plain):
    name, what, every_program = "fakechroot", "fakechroot (a preload; no union: the plain copy below another root)", False
    library = "/usr/lib/x86_64-linux-gnu/fakechroot/libfakechroot.so"

    def missing(self):
        if not os.path.exists(self.library):
            return "fakechroot not installed"
        return self.probe()

    def at(self, world):
        return "/all"

    def enter(self, world):
        outside = ":".join(["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/dev", "/proc", "/sys", "/tmp",
                           self.bench.out, os.path.join(self.bench.dir, "worlds")])
        return ["env", "FAKECHROOT=true", f"FAKECHROOT_BASE={os.path.dirname(super().at(world))}",
                f"FAKECHROOT_EXCLUDE_PATH={outside}", f"LD_PRELOAD={self.library}"]


ALL = [Plain, Layers, Shim, Guarded, GuardAlone, Overlayfs, FuseOverlayfs, Fakechroot, PRoot]

#!/usr/bin/env python3
"""populate.py SEED OUT [--layers N] [--style S] [--no-links] [--unreadable] [--union]

Makes OUT/lower1 (the topmost) .. OUT/lowerN, random layers of a union, and OUT/plain, the tree that
the union of them must show; also OUT/names, the paths in it (a directory's ends in a slash), for ops to choose from. The layers are made from a model, bottom-up, and so is the merged view:
nothing here asks an implementation of a union what it thinks.

The union is to be mounted at OUT/union, which has as many letters as OUT/plain, so that absolute
symlinks (which name their own side's root) are of one size. --union makes OUT/union too, as a second
plain tree: the tester is tested by comparing that with OUT/plain.

Styles: how a whiteout or an opaque directory is written.
  chardev  a character device 0:0; user.overlay.opaque=y
  xattr    an empty file with user.overlay.whiteout=y in a directory with user.overlay.opaque=x
  wh       .wh.NAME; .wh..wh..opq
  mixed    any of them, chosen for each directory

Every name comes from the vocabulary below, which ops.c has too: names that no machine has, so that
even an operation that went astray would find nothing to harm.
"""
import argparse
import os
import random
import stat

REGIONS = 40
COMMON = [b"qa", b"qb", b"qc", b"qd", b"qe"]
ODD = [b"q f", b"q\ng", b"q\xc3\xa9", b"-q", b".q", b"..q", b"q*", b"q" * 255]
MARKER = b".differ-root"
EPOCH = 1000000000  # 2001: whatever is newer than 2020 was changed by an operation
FOREIGN = 12345  # an id that root may give files to
no_xattrs = False
unreadable = os.geteuid() == 0  # are there lower files and directories that their owner may not read?


class Node:
    """A file of any kind. One Node under two names is a hard link."""

    def __init__(self, kind, rng):
        self.kind = kind
        self.mode = 0o644
        self.uid = self.gid = None
        self.mtime = EPOCH * 10**9 + rng.randrange(10**16)
        self.xattrs = {}
        self.pieces = []  # (offset, bytes) of a regular file
        self.size = 0
        self.target = b""
        self.opaque = False
        self.style = "chardev"
        self.children = {}


def new_directory(rng):
    node = Node("dir", rng)
    node.mode = rng.choices(
        [0o755, 0o700, 0o775, 0o555, 0o2755, 0o1755, 0o500, 0o000],
        [60, 10, 10, 7, 5, 4, 2, 1])[0]
    return node


def new_regular(rng):
    node = Node("file", rng)
    node.mode = rng.choices(
        [0o644, 0o600, 0o755, 0o444, 0o400, 0o000, 0o4755, 0o2755, 0o666],
        [50, 10, 10, 12, 4, 4, 3, 3, 4])[0]
    shape = rng.randrange(100)
    if shape < 12:
        pass
    elif shape < 75:
        node.pieces = [(0, rng.randbytes(rng.randrange(1, 300)))]
    elif shape < 90:
        node.pieces = [(0, rng.randbytes(rng.choice([4095, 4096, 4097, 9000])))]
    elif shape < 94:
        node.pieces = [(0, rng.randbytes(rng.randrange(50000, 200000)))]
    elif shape < 99:
        node.pieces = [(k * 65536 + rng.randrange(1000), rng.randbytes(500)) for k in range(1, 4)]
        node.size = 262144 + rng.randrange(100)  # with a hole at the end
    else:
        node.size = rng.randrange(100000)  # nothing but a hole
    return node


def new_symlink(rng):
    node = Node("link", rng)
    region = b"q%02d" % rng.randrange(REGIONS)
    name, other = pick_name(rng), pick_name(rng)
    node.target = rng.choice([
        name, name, b"./" + name, name + b"/" + other, b"../" + name, b"../" + name,
        b"../" + name + b"/" + other, b"../../" + region + b"/" + name,
        b"ROOT/" + region + b"/" + name, b"ROOT/" + region, b"ROOT/" + region + b"//" + name + b"/./" + other,
        name + b"/../" + other, b"ROOT/qnowhere", name + b"/"])
    return node


def pick_name(rng):
    return rng.choice(COMMON) if rng.random() < 0.8 else rng.choice(ODD)


def new_leaf(rng):
    roll = rng.randrange(100)
    if roll < 68:
        return new_regular(rng)
    if roll < 93:
        return new_symlink(rng)
    node = Node("fifo" if roll < 98 else "sock", rng)
    node.mode = rng.choice([0o644, 0o600, 0o666, 0o444])
    return node


def decorate(rng, node):
    # What its owner may not read a union of his cannot read either, so neither list nor copy it up.
    if not unreadable:
        node.mode |= {"dir": 0o500, "file": 0o400}.get(node.kind, 0)
    if node.kind in ("dir", "file") and rng.random() < 0.2 and not no_xattrs:
        for name in rng.sample(["user.q1", "user.q2", "user.q3"], rng.randrange(1, 3)):
            node.xattrs[name] = rng.randbytes(rng.choice([0, 1, 20, 100]))
    if os.geteuid() == 0 and rng.random() < 0.08:
        node.uid, node.gid = rng.choice([(FOREIGN, FOREIGN), (0, FOREIGN), (FOREIGN, 0)])
    return node


FILL = [0.6, 0.5, 0.35, 0.2]  # how probably a level has a name
DIRS = [0.5, 0.4, 0.2, 0.0]  # how probably that is a directory


def new_layer_directory(rng, node, under, depth, style):
    """Fills node, a layer's directory, that will lie over `under`, a merged directory or None."""
    node.style = rng.choice(["chardev", "xattr", "wh"]) if style == "mixed" else style
    for name in COMMON + ODD:
        below = under.children.get(name) if under else None
        if rng.random() > FILL[depth] * (1 if name in COMMON else 0.3) * (1.3 if below else 1):
            continue
        if rng.random() < (0.22 if below else 0.02 if under else 0):
            node.children[name] = Node("white", rng)
        elif rng.random() < (0.8 if below and below.kind == "dir" and depth < 3 else DIRS[depth]):
            child = decorate(rng, new_directory(rng))
            beneath = below if below and below.kind == "dir" else None
            if under and rng.random() < 0.12:
                child.opaque, beneath = True, None
            new_layer_directory(rng, child, beneath, depth + 1, style)
            node.children[name] = child
        else:
            node.children[name] = decorate(rng, new_leaf(rng))


def new_layer(rng, under, style):
    root = Node("dir", rng)
    root.mode = 0o755
    root.style = "chardev"
    for number in range(REGIONS):
        name = b"q%02d" % number
        below = under.children.get(name) if under else None
        if below and rng.random() < 0.35:
            continue
        region = decorate(rng, new_directory(rng))
        region.mode |= 0o700
        if below and rng.random() < 0.04:
            region.opaque, below = True, None
        new_layer_directory(rng, region, below, 0, style)
        root.children[name] = region
    return root


def merge(over, under):
    """overlayfs' rule: the upper's metadata; directories merge, unless opaque; all else hides."""
    merged = Node.__new__(Node)
    merged.__dict__.update(over.__dict__)
    merged.children = {} if over.opaque or not under else dict(under.children)
    for name, node in over.children.items():
        below = merged.children.pop(name, None)
        if node.kind == "dir":
            below_directory = below if below and below.kind == "dir" else None
            merged.children[name] = merge(node, below_directory)
        elif node.kind != "white":
            merged.children[name] = node
    return merged


def merge_all(layers):
    merged = None
    for layer in reversed(layers):
        merged = merge(layer, merged)
    return merged


def walk(directory):
    yield directory
    for node in directory.children.values():
        if node.kind == "dir":
            yield from walk(node)


def names_of(tree, nodes):
    count = dict.fromkeys(nodes, 0)
    for directory in walk(tree):
        for node in directory.children.values():
            if node in count:
                count[node] += 1
    return count


def paths_of(tree, prefix=b""):
    for name in sorted(tree.children):
        node = tree.children[name]
        yield prefix + name + (b"/" if node.kind == "dir" else b"")
        if node.kind == "dir":
            yield from paths_of(node, prefix + name + b"/")


def add_hard_links(rng, layers):
    """Gives some files of a layer a second name in it, where the merged view shows both names.
    (With one of them hidden, a lower's st_nlink would tell more than the view holds.)"""
    wanted = {}
    for layer in layers:
        directories = list(walk(layer))[1:]
        leaves = [n for d in directories for n in d.children.values() if n.kind not in ("dir", "white")]
        for node in rng.sample(leaves, min(len(leaves), 30)):
            home = rng.choice(directories)
            name = pick_name(rng)
            if name not in home.children:
                home.children[name] = node
                wanted.setdefault(node, []).append((home, name))
    count = names_of(merge_all(layers), wanted)
    for node, places in wanted.items():
        if count[node] != len(places) + 1:
            for home, name in places:
                del home.children[name]


class Writer:
    """Writes a tree below a directory; absolute links name `root`."""

    def __init__(self, root):
        self.root = root
        self.written = {}
        self.unfinished = []  # directories: what they hold must still be reached, for hard links

    def tree(self, path, node):
        self.directory(path, node)
        for directory in self.unfinished:
            self.finish(*directory)

    def directory(self, path, node):
        os.mkdir(path, 0o700)
        xattrs = dict(node.xattrs)
        markers = [b".wh..wh..opq"] if node.opaque and node.style == "wh" else []
        if node.opaque and node.style != "wh":
            xattrs["user.overlay.opaque"] = b"y"
        for name, child in node.children.items():
            where = os.path.join(path, name)
            if child.kind == "dir":
                self.directory(where, child)
            elif child.kind != "white":
                self.leaf(where, child)
            elif node.style == "wh" and len(name) <= 251:
                markers.append(b".wh." + name)
            elif node.opaque or node.style != "xattr":
                try:
                    os.mknod(where, stat.S_IFCHR | 0o600, 0)
                except PermissionError:  # no device may be made on an overlayfs
                    if not node.opaque:
                        self.xattr_whiteout(where, xattrs)
            else:
                self.xattr_whiteout(where, xattrs)
        for name in markers:
            os.close(os.open(os.path.join(path, name), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        self.unfinished.append((path, node, xattrs))

    @staticmethod
    def xattr_whiteout(path, xattrs):  # and the xattrs of the directory it is in
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        os.setxattr(path, "user.overlay.whiteout", b"y")
        xattrs["user.overlay.opaque"] = b"x"

    def leaf(self, path, node):
        if node in self.written:
            os.link(self.written[node], path, follow_symlinks=False)
            return
        self.written[node] = path
        if node.kind == "file":
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            for offset, data in node.pieces:
                os.pwrite(fd, data, offset)
            os.ftruncate(fd, max([node.size] + [at + len(data) for at, data in node.pieces]))
            os.close(fd)
        elif node.kind == "link":
            os.symlink(node.target.replace(b"ROOT", self.root), path)
        elif node.kind == "fifo":
            os.mkfifo(path)
        else:
            os.mknod(path, stat.S_IFSOCK | 0o600)
        self.finish(path, node, node.xattrs)

    def finish(self, path, node, xattrs):
        for name, value in xattrs.items():
            os.setxattr(path, name, value)
        if node.uid is not None:
            os.chown(path, node.uid, node.gid, follow_symlinks=False)
        if node.kind != "link":
            os.chmod(path, node.mode)
        os.utime(path, ns=(node.mtime, node.mtime), follow_symlinks=False)


def main():
    parser = argparse.ArgumentParser(description="make random layers and the tree that they show")
    parser.add_argument("seed", type=int)
    parser.add_argument("out")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--style", choices=["chardev", "xattr", "wh", "mixed"], default="mixed")
    parser.add_argument("--no-links", action="store_true", help="make no hard links in the lowers")
    parser.add_argument("--unreadable", action="store_true", help="a plain user's lowers have unreadable files, as root's")
    parser.add_argument("--no-xattrs", action="store_true", help="there are none (with --style chardev or wh)")
    parser.add_argument("--union", action="store_true", help="make OUT/union, a second plain tree")
    arguments = parser.parse_args()

    global unreadable, no_xattrs
    unreadable |= arguments.unreadable
    no_xattrs = arguments.no_xattrs
    if no_xattrs:  # then a whiteout may have to be a .wh. name
        ODD[-1] = b"q" * 251
    rng = random.Random(arguments.seed)
    os.umask(0o022)
    layers, merged = [], None
    for _ in range(arguments.layers):
        layers.insert(0, new_layer(rng, merged, arguments.style))
        merged = merge(layers[0], merged)
    if not arguments.no_links:
        add_hard_links(rng, layers)
    layers[-1].children[MARKER] = Node("file", rng)
    if arguments.style == "xattr":  # the kernel looks for such whiteouts only beneath a root marked so
        for layer in layers:
            layer.xattrs["user.overlay.opaque"] = b"x"

    out = os.fsencode(os.path.abspath(arguments.out))
    os.makedirs(out, exist_ok=True)
    for number, layer in enumerate(layers, 1):
        Writer(out + b"/union").tree(out + b"/lower%d" % number, layer)
    merged = merge_all(layers)
    merged.xattrs = {}
    with open(out + b"/names", "wb") as names:
        names.writelines(path + b"\0" for path in paths_of(merged) if path != MARKER)
    for side in [b"/plain"] + ([b"/union"] if arguments.union else []):
        for node in walk(merged):
            node.opaque = False
        Writer(out + side).tree(out + side, merged)


if __name__ == "__main__":
    main()

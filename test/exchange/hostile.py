#!/usr/bin/env python3
"""hostile.py DIR OUTSIDE: archives that no honest tool writes, one a file in DIR, named by what they try.

OUTSIDE is a directory that they try to write to, by its absolute path and by "..". Those whose name begins with
"fine-" are odd but harmless, and must be taken.
"""
import io, json, gzip, hashlib, os, sys, tarfile

here, outside = sys.argv[1], os.path.abspath(sys.argv[2])
up = "../" * 40 + outside.lstrip("/")


def member(name, kind=tarfile.REGTYPE, link="", data=b"evil\n", **more):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    if kind == tarfile.REGTYPE:
        info.size = len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def archive(members, form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return out.getvalue()


def write(name, data):
    with open(os.path.join(here, name + ".tar"), "wb") as file:
        file.write(data)


L, H, D, C, F = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE
ok = member("ok", data=b"ok\n")
cases = {
    "dotdot": [member("../x")],
    "dotdot-inside": [member("a/../../x")],
    "dotdot-far": [member(up + "/x")],
    "dotdot-directory": [member("a/..", D)],
    "absolute": [member(outside + "/x")],
    "symlink-write-through": [member("a", L, outside), member("a/x")],
    "symlink-write-to": [member("a", L, outside + "/x"), member("a")],
    "symlink-relative": [member("d", D), member("d/a", L, up), member("d/a/x")],
    "symlink-chain": [member("a", L, "b"), member("b", L, outside), member("a/x")],
    "symlink-replaces-directory": [member("a", D), member("a", L, outside), member("a/x")],
    "directory-over-symlink": [member("a", L, outside), member("a", D), member("a/x")],
    "symlink-whiteout": [member("a", L, outside), member("a/.wh.victim")],
    "symlink-opaque": [member("a", L, outside), member("a/.wh..wh..opq")],
    "hardlink-dotdot": [member("a", H, up + "/victim")],
    "hardlink-absolute": [member("a", H, outside + "/victim")],
    "hardlink-through-symlink": [member("a", L, outside), member("b", H, "a/victim")],
    "hardlink-to-nothing": [member("b", H, "nothing")],
    "hardlink-to-directory": [member("a", D), member("b", H, "a")],
    "hardlink-to-symlink-write": [member("a", L, outside), member("b", H, "a"), member("b/x")],
    "hardlink-to-itself": [member("a", H, "a")],
    "whiteout-dotdot": [member(".wh...")],
    "whiteout-dot": [member("a/.wh..")],
    "whiteout-nothing": [member(".wh.")],
    "twice": [ok, ok],
    "twice-kind": [ok, member("ok", L, "x")],
    "file-as-directory": [ok, member("ok/x")],
    "root-is-file": [member("./")],
    "long-component": [member("a" * 256)],
    "long-path": [member("a/" * 2100 + "x")],
    "owner": [member("a", uid=2**40)],
}
for name, members in cases.items():
    if name == "root-is-file":
        info, data = members[0]
        info.name = "."
    write(name, archive(members))
write("dotdot-gnu-name", archive([member("a" * 120 + "/../" + up + "/x")], tarfile.GNU_FORMAT))
info, data = ok
write("dotdot-pax-name", archive([member("ok", pax_headers={"path": up + "/x"})]))
write("dotdot-pax-link", archive([member("a", H, "ok", pax_headers={"linkpath": up + "/victim"})]))

# A size that is not there: in base 256, and more than any disk.
huge = bytearray(archive([member("a", data=b"")], tarfile.GNU_FORMAT))
huge[124:136] = b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7
huge[148:156] = b" " * 8
huge[148:156] = b"%06o\0 " % sum(huge[:512])
write("huge-size", bytes(huge))
write("huge-sparse", archive([member("a", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
      "GNU.sparse.name": "a", "GNU.sparse.realsize": str(2**62)}, data=b"0\n" + b"\0" * 510)]))
whole = archive([member("a", data=b"x" * 5000), member("b", data=b"y" * 5000)])
write("cut-in-data", whole[:3000])
write("cut-in-header", whole[:6144 + 100])
write("cut-between", whole[:6144 + 512 + 5120 - (6144 + 512 + 5120) % 512])
write("cut-gzip", gzip.compress(whole)[:-30])
write("bomb-directories", gzip.compress(archive([member("%d/" % i + "d/" * 400 + "x", data=b"") for i in range(20)])))
write("garbage", os.urandom(4096))
write("empty", b"")
write("bomb-gzip", gzip.compress(archive([member("a", data=bytes(64 << 20))])))
write("bomb-gzip-twice", gzip.compress(gzip.compress(archive([member("a", data=bytes(64 << 20))]))))
write("bomb-files", gzip.compress(archive([member("d/%d" % i, data=b"") for i in range(5000)])))

write("fine-odd-names", archive([member("new\nline\x1b[31m"), member("./b//c/./d"), member("a b"), member("\u00e4"),
      member("back\\slash"), member("-rf"), member("a/" * 800 + "x")]))
write("fine-symlinks", archive([member("out", L, outside), member("loop", L, "loop"), member("up", L, up)]))
write("fine-directory-twice", archive([member("d", D), member("d/x"), member("d", D, mode=0o700)]))
write("fine-device", archive([member("null", C, devmajor=1, devminor=3), member("p", F), ok]))
write("fine-marks", archive([member("a", pax_headers={"SCHILY.xattr.user.overlay.redirect": "/x",
      "SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.user.containers.override_stat": "0:0:04755",
      "SCHILY.xattr.user.fine": "kept"})]))
write("fine-aufs", archive([member(".wh..wh.plnk", D), member(".wh..wh.plnk/1.2"), ok]))


def image(name, change, layer=archive([ok])):
    """An OCI layout as a tar, of one layer; `change` spoils a dict of its parts."""
    blobs, part = {}, {}

    def add(data):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"digest": "sha256:" + digest, "size": len(data)}

    part["layer"] = add(layer)
    part["diff_ids"] = [part["layer"]["digest"]]
    part["layers"] = [part["layer"]]
    change("layers", part, blobs)
    part["config"] = add(json.dumps({"rootfs": {"type": "layers", "diff_ids": part["diff_ids"]}}).encode())
    change("config", part, blobs)
    part["manifest"] = add(json.dumps({"schemaVersion": 2, "config": part["config"], "layers": part["layers"]}).encode())
    change("manifest", part, blobs)
    part["index"] = json.dumps({"schemaVersion": 2, "manifests": [part["manifest"]]}).encode()
    change("index", part, blobs)
    files = [member("oci-layout", data=b'{"imageLayoutVersion":"1.0.0"}'), member("index.json", data=part["index"])]
    write(name, archive(files + [member("blobs/sha256/" + key, data=value) for key, value in blobs.items()]))


def change_at(when, how):
    return lambda now, part, blobs: how(part, blobs) if now == when else None


def swap(blobs, descriptor):
    """Other bytes of the same length under the same name."""
    key = descriptor["digest"][7:]
    blobs[key] = blobs[key][:-1] + bytes([blobs[key][-1] ^ 1])


image("fine-image", lambda *_: None)
# `whole` has two files, each of a header, 5000 bytes and 120 of padding, and its end.
as_it_is = lambda *_: None
image("fine-image-layer-without-end", as_it_is, whole[:11264])
image("fine-image-layer-of-half-an-end", as_it_is, whole[:11776])
image("fine-image-layer-without-padding", as_it_is, whole[:11264 - 120])
image("fine-image-layer-of-half-a-padding", as_it_is, whole[:11264 - 60])
image("image-layer-cut-in-last-block", as_it_is, whole[:11264 - 121])
image("image-layer-cut-in-data", as_it_is, whole[:11264 - 120 - 512])
image("image-layer-cut-before-data", as_it_is, whole[:5632 + 512])
image("image-layer-cut-in-header", as_it_is, whole[:5632 + 400])
image("image-layer-cut-in-directory", as_it_is, archive([member("d", D)], tarfile.USTAR_FORMAT)[:400])
image("image-layer-changed", change_at("index", lambda p, b: swap(b, p["layer"])))
image("image-config-changed", change_at("index", lambda p, b: swap(b, p["config"])))
image("image-manifest-changed", change_at("index", lambda p, b: swap(b, p["manifest"])))
image("image-layer-missing", change_at("index", lambda p, b: b.pop(p["layer"]["digest"][7:])))
image("image-size", change_at("layers", lambda p, b: p["layer"].update(size=5)))
image("image-diff-id", change_at("layers", lambda p, b: p.update(diff_ids=["sha256:" + "0" * 64])))
image("image-diff-ids", change_at("layers", lambda p, b: p.update(diff_ids=[])))
image("image-digest-path", change_at("layers", lambda p, b: p["layer"].update(digest="sha256:" + up + "/victim")))
image("image-digest-kind", change_at("layers", lambda p, b: p["layer"].update(digest="sha512:" + "0" * 128)))
image("image-no-layers", change_at("layers", lambda p, b: p.update(layers=[], diff_ids=[])))
image("image-501-layers", change_at("layers", lambda p, b: p.update(layers=p["layers"] * 501, diff_ids=p["diff_ids"] * 501)))
image("image-not-json", change_at("index", lambda p, b: p.update(index=b"{")))
image("image-deep-json", change_at("index", lambda p, b: p.update(index=b"[" * 100000)))
image("image-index-array", change_at("index", lambda p, b: p.update(index=b"[]")))


def docker(name, layer_name, layer):
    config = json.dumps({"rootfs": {"diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["x:1"], "Layers": [layer_name]}]).encode()
    write(name, archive([member("l/layer.tar", data=layer), member("c.json", data=config),
                         member("link.tar", L, "l/layer.tar"), member("out.tar", L, up + "/victim"),
                         member("hard.tar", H, "link.tar"), member("loop.tar", L, "loop.tar"),
                         member("manifest.json", data=manifest)]))


docker("fine-docker", "l/layer.tar", archive([ok]))
docker("fine-docker-link", "hard.tar", archive([ok]))
docker("docker-link-out", "out.tar", archive([ok]))
docker("docker-link-loop", "loop.tar", archive([ok]))
docker("docker-dotdot", up + "/victim", archive([ok]))

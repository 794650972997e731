# node: all of fs, by the synchronous calls, the callbacks (which run on libuv's threads) and the promises; streams, watches, workers.
# shellcheck shell=bash disable=SC2016
set -eu
lowers() {
    mkdir -p 1-top/{bin,lib} 2-middle/lib 3-bottom/{bin,lib}
    mixture
    echo 'throw new Error("an older module shows through")' | tee 3-bottom/lib/two.js >3-bottom/bin/script.js
    echo 'module.exports = __filename' >2-middle/lib/two.js
    echo 'export const three = import.meta.url' >3-bottom/lib/three.mjs
    cat >1-top/bin/script.js <<'J'
const fs = require("fs"), path = require("path"), util = require("util"), { promises: fsp, constants: C } = fs
const say = (...a) => console.log(...a.map(x => typeof x === "string" ? x : util.inspect(x, { depth: 5, breakLength: Infinity, maxArrayLength: null })))
const names = l => l.map(e => typeof e === "string" ? e : e.name + (e.isDirectory() ? "/" : e.isSymbolicLink() ? "@" : "")).sort().join(" ")
// One call by all three ways; what is not the same by each shows
async function all(what, name, ...args) {
  const results = []
  const shown = r => Buffer.isBuffer(r) ? r.toString() : r && r.mtime ? `${r.mode.toString(8)} ${r.isDirectory() ? "" : `${r.size} ${r.nlink}`}` : Array.isArray(r) ? names(r) : typeof r === "object" && r ? r.constructor.name : String(r)
  for (const call of [() => fs[name + "Sync"](...args), () => util.promisify(fs[name])(...args), () => fsp[name] ? fsp[name](...args) : util.promisify(fs[name])(...args)]) {
    try { results.push(shown(await call())) } catch (e) { results.push(`${e.code} ${e.syscall}`) }
  }
  say(what, [...new Set(results)].length === 1 ? results[0] : results)
}
async function main() {
  say(require("../lib/two"), (await import("../lib/three.mjs")).three, process.cwd(), __filename, require.resolve("../lib/two"))
  process.chdir("d")
  for (const f of ["f1", "link", "sub", "hard"]) { await all(f, "stat", f); await all(f, "lstat", f); await all(f, "access", f, C.W_OK); await all(f, "realpath", f) }
  await all("bigint", "stat", "f2", { bigint: true }); await all("no such", "stat", "none"); await all("dangling", "stat", "dangling"); await all("dangling", "lstat", "dangling")
  await all("readlink", "readlink", "link"); await all("readlink of a file", "readlink", "f1"); await all("readFile", "readFile", "f2", "utf8"); await all("a directory", "readFile", "sub")
  await all("readdir", "readdir", "."); await all("with types", "readdir", ".", { withFileTypes: true }); await all("recursive", "readdir", ".", { recursive: true }); await all("readdir of a file", "readdir", "f1")
  await all("mkdir", "mkdir", "sub"); await all("mkdir -p", "mkdir", "sub/deep", { recursive: true }); await all("rmdir", "rmdir", "sub"); await all("unlink", "unlink", "sub"); await all("unlink", "unlink", "none")
  await all("open wx", "open", "f1", "wx"); await all("rename", "rename", "none", "other"); await all("rename over a directory", "rename", "f1", "sub"); await all("copyFile", "copyFile", "f1", "f2", C.COPYFILE_EXCL)
  await all("append", "appendFile", "f1", "more\n"); await all("read", "readFile", "f1", "utf8"); await all("truncate", "truncate", "f3", 3); await all("read", "readFile", "f3", "utf8")
  await all("chmod", "chmod", "f4", 0o600); await all("chown", "chown", "f4", process.getuid(), process.getgid()); await all("utimes", "utimes", "f4", 1e9, 1e9); say(fs.statSync("f4").mtimeMs)
  await all("lutimes", "lutimes", "link", 1e9, 1e9); say(fs.lstatSync("link").mtimeMs); say(fs.statfsSync(".").type === (await fsp.statfs(".")).type); await all("copyFile", "copyFile", "f4", "copied"); await all("writeFile", "writeFile", "f6", "written\n")
  let n = 0
  for (const make of [(f, t) => fs.linkSync(f, t), util.promisify(fs.link), fsp.link]) await make("f5", `hard${n++}`)
  say(fs.statSync("f5").nlink, fs.statSync("hard").ino === fs.statSync("hard2").ino)
  n = 0
  for (const make of [fs.symlinkSync, util.promisify(fs.symlink), fsp.symlink]) await make("../e", `to-e${n++}`)
  for (const make of [fs.mkdtempSync, util.promisify(fs.mkdtemp), fsp.mkdtemp]) { const d = await make("tmp-"); say(fs.statSync(d).mode.toString(8), path.dirname(d)); fs.rmdirSync(d) }
  fs.mkdirSync("made/a/b", { recursive: true, mode: 0o750 }); fs.cpSync("sub", "made/a/sub", { recursive: true, preserveTimestamps: true }); await fsp.cp("old", "made/old", { recursive: true }); await util.promisify(fs.cp)("link", "made/link", { verbatimSymlinks: true })
  fs.renameSync("sub", "moved"); await fsp.rename("old", "made/older"); say(names(fs.readdirSync(".", { recursive: true })))
  fs.rmSync("made/older", { recursive: true }); await fsp.rm("moved", { recursive: true }); await fsp.rm("none", { force: true }); fs.mkdirSync("moved"); say(names(fs.readdirSync("moved")))
  // Directories and descriptors
  const dir = fs.opendirSync("."), seen = []; let e; while ((e = dir.readSync())) seen.push(e); dir.closeSync(); say(names(seen))
  const again = []; for await (const e of await fsp.opendir(".", { recursive: true, bufferSize: 2 })) again.push(e); say(names(again))
  const h = await fsp.open("f2", "r+"); await h.write("HANDLE", 2); await h.chmod(0o640); await h.truncate(10); await h.utimes(1e9, 1e9); await h.datasync(); say((await h.stat()).size, (await h.read({ position: 0 })).buffer.toString("utf8", 0, 10)); await h.close()
  const fd = fs.openSync("f6", "a+"); fs.writevSync(fd, [Buffer.from("a"), Buffer.from("b\n")]); fs.fchmodSync(fd, 0o604); fs.ftruncateSync(fd, 9); say(fs.fstatSync(fd).mode.toString(8), fs.readFileSync(`/proc/self/fd/${fd}`, "utf8")); fs.closeSync(fd)
  for await (const line of (await fsp.open("f1")).readLines()) say(line)
  await require("stream/promises").pipeline(fs.createReadStream("f1", { start: 2 }), fs.createWriteStream("f5", { flags: "r+" })); say(fs.readFileSync("hard1", "utf8"))
  say(fs.existsSync("link"), fs.existsSync("dangling"), fs.realpathSync.native("link") === fs.realpathSync("link"))
  // Forty at once, on four threads
  await Promise.all([...Array(40).keys()].map(async i => { const f = `many/${i % 4}/f${i}`; await fsp.mkdir(path.dirname(f), { recursive: true }); await fsp.writeFile(f, String(i)); await fsp.copyFile("f1", f + ".copy"); await fsp.rename(f, f + ".r"); await fsp.unlink(f + ".copy"); return fsp.readFile(f + ".r") }))
  say(fs.readdirSync("many", { recursive: true }).length)
  // A watch on what is made in a merged directory, and by polling
  const events = new Set(), watcher = fs.watch("../e", (type, name) => events.add(name))
  const polled = new Promise(done => fs.watchFile("f4", { interval: 20 }, () => { fs.unwatchFile("f4"); done("changed") }))
  fs.writeFileSync("../e/watched", "x"); fs.renameSync("../e/watched", "../e/renamed"); setTimeout(() => fs.appendFileSync("f4", "y"), 50)
  while (!events.has("renamed")) await new Promise(r => setTimeout(r, 10))
  watcher.close(); say([...events].sort(), await polled)
  // Others
  const { execFileSync, spawnSync, fork } = require("child_process")
  say(execFileSync("sh", ["-c", "cat f1; echo child >>f1; pwd | sed 's,.*/,,'"], { encoding: "utf8" }), spawnSync("./none").error.code, spawnSync("sh", ["-c", "exit 3"], { cwd: "../e", env: {} }).status)
  const { Worker } = require("worker_threads")
  const words = [...Array(3).keys()].map(i => new Promise(r => new Worker(`const fs = require("fs"); fs.writeFileSync("worker${i}", "w"); require("worker_threads").parentPort.postMessage(fs.readFileSync("f1", "utf8"))`, { eval: true }).on("message", r)))
  say((await Promise.all(words)).map(w => w.length), names(fs.readdirSync(".")))
}
main().catch(e => { console.log(e); process.exit(1) })
J
}

run() { node bin/script.js; }

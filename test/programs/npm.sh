# A project with an older package installed in a lower layer, and the tarball of a newer one in another.
# shellcheck shell=bash disable=SC2002,SC2012,SC2016
set -eu
npm() {
    npm_config_cache=$PWD/cache npm_config_update_notifier=false npm_config_audit=false npm_config_fund=false \
        npm_config_offline=true npm_config_logs_max=0 command npm "$@"
}

# version V DIR: version V of a small package, as `npm pack` makes it, into DIR
version() {
    mkdir "$TMPDIR/sample"
    echo '{"name": "sample", "version": "'"$1"'", "license": "MIT", "main": "index.js"}' >"$TMPDIR/sample/package.json"
    echo 'module.exports = (it) => typeof it === "number"; // in '"$1" >"$TMPDIR/sample/index.js"
    npm pack --silent --pack-destination "$2" "$TMPDIR/sample" >/dev/null
    rm -r "$TMPDIR/sample" cache
}

lowers() {
    mkdir -p 3-bottom/project/src 2-middle/project/vendor 1-top/project/src
    echo '{"name": "project", "version": "1.0.0", "license": "MIT"}' >3-bottom/project/package.json
    version 6.0.0 3-bottom/project
    (cd 3-bottom/project && npm install --silent ./sample-6.0.0.tgz >/dev/null && rm -r cache)
    version 7.0.0 2-middle/project/vendor
    echo 'throw new Error("an older file shows through")' >3-bottom/project/src/index.js
    cat >1-top/project/src/index.js <<'J'
const fs = require("fs"), path = require("path");
const sample = require("sample"), { version } = require("sample/package.json");
console.log(version, sample(5), sample("x"), require.resolve("sample"), __filename, process.cwd());
console.log(fs.readdirSync("..").sort(), fs.realpathSync("../vendor/.."), fs.statSync("index.js").size);
fs.appendFileSync("../package.json", "\n"); fs.cpSync("../vendor", "../copied", { recursive: true });
fs.promises.readdir("..", { withFileTypes: true })
    .then((l) => console.log(l.map((e) => [e.name, e.isDirectory()]).sort()))
    .then(() => fs.promises.rm("../copied", { recursive: true }))
    .then(() => fs.promises.writeFile("made", "x"))
    .then(() => fs.promises.rename("made", "renamed"))
    .then(() => console.log(fs.existsSync("../copied"), fs.readFileSync("renamed", "utf8")));
J
}

run() {
    cd project
    npm ls
    npm install ./vendor/sample-7.0.0.tgz | sed 's/ in [0-9.]*m\?s$//'
    npm ls; cat package.json package-lock.json; (cd src; node index.js)
    npm ci | sed 's/ in [0-9.]*m\?s$//'; find node_modules | sort
    npm pkg set scripts.hello='echo hello > hello; cat hello'; npm run hello; npm pack --silent --dry-run
    npm uninstall sample | sed 's/ in [0-9.]*m\?s$//'; ls -A .; (node src/index.js 2>&1 || true) | grep -m1 'Cannot find'
    rm -rf cache
}

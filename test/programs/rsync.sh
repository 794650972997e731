# A source and an older destination, each in several layers.
# shellcheck shell=bash disable=SC2002,SC2012,SC2016
set -eu
lowers() {
    local i
    mkdir -p 2-middle/src/d{1,2,3} 3-bottom/src/d{1,2,3}/deep 3-bottom/dst/{d1,d2,d9}/deep 1-top/src/d3 2-middle/dst/{d1,d9}
    for i in $(seq 40); do
        seq "$i" 300 >"3-bottom/src/d$((i % 3 + 1))/f$i"
        seq "$i" 200 >"3-bottom/dst/d$((i % 2 + 1))/f$i"
    done
    for i in $(seq 5 5 40); do echo "middle $i" >"2-middle/src/d$((i % 3 + 1))/f$i"; done
    seq 1 50000 >3-bottom/src/large
    seq 1 49000 >2-middle/dst/large
    echo gone >2-middle/dst/d9/extra
    echo gone >3-bottom/dst/d9/deep/extra
    ln 3-bottom/src/d1/f3 3-bottom/src/d2/f3.link
    ln -s d1/f3 3-bottom/src/link
    ln -s nowhere 2-middle/dst/link
    mkdir 3-bottom/dst/kind 2-middle/dst/kind
    echo x >3-bottom/dst/kind/x
    echo 'a file where the destination has a directory' >1-top/src/kind
    chmod 0500 3-bottom/src/d1/deep
    chmod 0600 1-top/src/kind
}

run() {
    local sync='rsync --archive --hard-links --itemize-changes'
    $sync --delete --dry-run src/ dst/
    cp -a dst copy
    $sync --delete src/ dst/
    $sync --delete src/ dst/; echo 'nothing left to do'
    $sync --delete --force --inplace --no-whole-file src/ copy/
    rm dst/d1/f3; echo changed >src/d2/f1
    $sync --backup --suffix=.old src/ dst/
    $sync --checksum --link-dest="$PWD/dst" src/ snapshot/; find snapshot dst -type f -links +1 | sort
    $sync --remove-source-files --include='*/' --include='f1*' --exclude='*' src/ moved/
    $sync --delete-excluded --exclude=large src/ copy/
    find . | sort
}

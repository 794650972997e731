# Rust without a libc.so: std::fs and std::process, linked with +crt-static (bin/raw-everything.rs, built in ../given).
# shellcheck shell=bash disable=SC2016
set -eu
lowers() {
    mkdir -p 3-bottom/dir/sub/deep 2-middle/dir/sub 1-top/dir
    for i in 1 2 3 4 5; do echo "bottom $i" >"3-bottom/dir/b$i"; done
    echo deep >3-bottom/dir/sub/deep/file
    echo middle >2-middle/dir/b2
    echo middle >2-middle/dir/sub/m
    echo top >1-top/dir/b3
    ln 3-bottom/dir/b1 3-bottom/dir/hard
    ln -s b2 3-bottom/dir/link
    ln -s nowhere 1-top/dir/dangling
    printf '#!/bin/sh\necho "script: $0 $*"; exit 3\n' >3-bottom/dir/script
    chmod 755 3-bottom/dir/script
    cp ../given/everything 2-middle
}

run() {
    ./everything
}

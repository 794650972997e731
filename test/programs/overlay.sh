# Every kind of change that leaves its own mark in an upper.
# shellcheck shell=bash disable=SC2002,SC2012,SC2016
set -eu
lowers() {
    local dir
    mkdir -p 1-top/{merged,again} 2-middle/{merged,again,replaced/sub} 3-bottom/{merged,again/deep,replaced/sub/deep,gone/deep,kept/deep,moved/deep}
    for dir in 1-top/* 2-middle/* 3-bottom/* 3-bottom/*/deep 2-middle/replaced/sub; do
        for i in 1 2 3 4 5 6; do echo "$dir $i" >"$dir/${dir%%-*}-$i"; done
        echo "$dir" >"$dir/common"
    done
    ln -s common 3-bottom/merged/link
    setfattr -n user.note -v lower 2-middle/merged/2-1
    rm -r 1-top/home/* 1-top/tmp/*
}

run() {
    cd merged
    rm 1-1 2-2 3-3 link # whiteouts
    echo more >>3-1
    chmod 0600 3-2
    touch -d @1000000000 3-4
    setfattr -n user.note -v upper 2-1
    mv 3-5 renamed
    mv 2-3 3-6
    ln 2-4 hard
    rm 2-5
    mkdir 2-5 # a directory over a file
    echo x >2-5/x
    ln -s nowhere dangling
    mkfifo fifo
    cd ..
    rm -r gone
    rm -r replaced
    mkdir replaced # opaque: the dead children stay dead
    echo new >replaced/common
    mkdir -p replaced/sub/deep
    rm -r again/deep
    echo 'a file now' >again/deep
    rm again/* || true
    rmdir again
    mkdir again
    rm -r kept/deep/*
    mkdir -m 0711 fresh
    echo y >fresh/y
    mv fresh fresher
    chmod 0750 kept
    echo z >"$HOME/z"
}

# A second session, over what the first one left
more() {
    mkdir gone merged/link
    echo back | tee gone/common >merged/1-1
    rm -r replaced/sub merged/2-5 fresher kept/deep
    mkdir kept/deep
    mv merged/hard again/hard
    echo w >>merged/3-1
    rm "$HOME/z"
    echo v >>again/hard
}

# Directories with lower parts get new names: what kernel overlayfs can do with redirect_dir=on alone
move() {
    mv moved elsewhere
    mv elsewhere/deep deeper
    mkdir moved
    echo new >moved/common
    rm deeper/3-1
    echo more >>deeper/3-2
    mv merged kept/merged
}

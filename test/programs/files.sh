# cp, mv, install, ln, sed -i: what they do with files and directories of lower layers.
# shellcheck shell=bash disable=SC2002,SC2012,SC2016
set -eu
lowers() {
    mkdir -p 3-bottom/{dir/sub/deep,other,empty,full} 2-middle/{dir/sub,other,full} 1-top/dir/sub
    for i in 1 2 3 4; do
        echo "bottom $i" >"3-bottom/dir/b$i"
        echo "bottom $i" >"3-bottom/dir/sub/b$i"
        echo "bottom $i" >"3-bottom/other/b$i"
    done
    echo deep >3-bottom/dir/sub/deep/file
    ln 3-bottom/dir/b1 3-bottom/other/b1.link
    ln -s b2 3-bottom/dir/link
    ln -s /nonexistent 3-bottom/dir/dangling
    echo bottom >3-bottom/full/x
    echo middle >2-middle/dir/b2
    echo middle >2-middle/dir/sub/m
    echo middle >2-middle/other/m
    echo middle >2-middle/full/y
    echo top >1-top/dir/sub/m
    echo 'read only' >1-top/dir/readonly
    chmod 0444 1-top/dir/readonly
    chmod 2750 3-bottom/other 2-middle/other
    setfattr -n user.note -v kept 2-middle/dir/b2 3-bottom/dir/b3
}

copy() {
    cp -a dir copy; cp -af copy/. dir; cp -a --attributes-only other/b1 dir/b4
    cp -al dir linked; find dir -samefile linked/b2 | sort
    cp -as "$PWD/dir" symlinked; readlink symlinked/sub/m
    cp --backup=numbered other/b2 dir/b2; cp --backup=numbered other/b2 dir/b2
    cp other/m dir/readonly || cp --force other/m dir/readonly
    cp --remove-destination other/b1 dir/link; cp -P dir/dangling other/; cp dir/dangling other/ || echo "cp: $?"
    cp -u dir/b1 other/b1; cp -r --parents dir/sub other; cp -RT other dir/sub
    cp dir/b1 dir/b1 || echo "cp: $?"
    cp -r empty empty/inside || echo "cp: $?"
}

move() {
    mv dir/b1 dir/renamed; stat -c '%n %h' dir/renamed other/b1.link; cat other/b1.link
    mv -v other/m dir/sub/m; mv -nv dir/b2 dir/b3; mv -bv dir/b2 dir/b3
    mv -v dir moved; find moved | sort; mv -v moved dir; find dir | sort
    mv -v dir/sub dir/deep.er; mv -v dir/deep.er other; ls dir other/deep.er
    mkdir dir/sub; ls -A dir/sub; mv -v other/deep.er dir/sub
    mv -vT empty full || echo "mv: $?"
    mkdir e; mv -vT full e; ls e; mkdir full; ls -A full
    mv -v other other/inside || echo "mv: $?"
    mv -v dir/link dir/link2; mv -v dir/b3 dir/sub; ln -v dir/b4 other/b4.hard; ln -sfv b4 dir/link2
    ln -fv dir/b4 other/b4.link; ln -v dir/b4 other/b4.link || echo "ln: $?"
    ln -svr other/b4 dir/sub/relative; readlink dir/sub/relative; cat dir/sub/relative
    mv -v dir "$HOME"; ls "$HOME/dir"; mv -v "$HOME/dir" elsewhere
    echo again >>elsewhere/b4; cat other/b4.hard
}

install_files() {
    install -v -m 0751 other/b1 dir/tool; install -v -d -m 0700 dir/a/b/c; install -v -D other/b2 new/x/y/z
    install -v -b other/b3 dir/b3; install -v -C other/b3 dir/b3; install -v -p other/b4 dir/b4
    install -v -t dir/sub other/b*; install -v other/m dir/readonly; install -v /bin/true dir/true; dir/true
    install -v -s /bin/true dir/stripped; dir/stripped
}

sed_in_place() {
    sed -i s/bottom/changed/ dir/b1 dir/sub/b1; cat other/b1.link
    sed -i.bak -e 1i\\first dir/b2 dir/sub/m; sed -i --follow-symlinks s/middle/2/ dir/link; cat dir/b2
    sed -i s/middle/3/ dir/link; list dir/link; sed -i s/read/write/ dir/readonly
    sed -i s/x/y/ dir/missing || echo "sed: $?"
    find dir -type f -print0 | sort -z | xargs -0 sed -i -n p; sed -n w/dev/stdout dir/sub/deep/file
    sed -n -e 'w dir/written' -e 'r dir/b3' other/b2; cat dir/written
}

# Programs that change a file by writing another and putting it in its place, or by writing over it.
# shellcheck shell=bash disable=SC2002,SC2012,SC2016
set -eu
lowers() {
    mkdir -p 1-top/new 2-middle/{src,new} 3-bottom/{src/deep,new/deep,old/deep}
    for i in 1 2 3; do
        seq "$i" 50 | tee "3-bottom/src/f$i" "3-bottom/old/f$i" >"3-bottom/new/f$i"
        seq "$i" 30 | tee "3-bottom/src/deep/g$i" "3-bottom/old/deep/g$i" >"3-bottom/new/deep/g$i"
    done
    sed s/20/twenty/ 3-bottom/new/f1 >2-middle/new/f1
    sed 10,12d 3-bottom/new/f2 >1-top/new/f2
    echo added >2-middle/new/added
    cp 3-bottom/src/f3 2-middle/src/f3
    chmod 0640 2-middle/src/f3
    ln -s f1 3-bottom/src/link
}

run_patch() {
    diff -ru --label old --label new old new | sed 's/^diff.*/diff/'
    rm old/f3 new/deep/g2; mv new/deep/g1 new/moved
    (diff -rN -u old new | sed -E 's/^((---|\+\+\+) [^\t]*).*/\1/' >changes) || true
    patch -d src -p1 <changes; find src | sort; patch -d src -p1 -R <changes; ls src/deep
    sed -i 's/^18$/eighteen/' src/f1; patch -b -d src -p1 --fuzz=0 <changes || echo "patch: $?"
    find src | sort; cat src/f1.rej; patch -d src -p1 --dry-run -f -s <changes || echo "patch: $?"
    diff -rq old src | sort; diff3 -m src/f1 old/f1 new/f1 || echo "diff3: $?"
    sdiff -o merged old/f2 new/f2 <<<l || echo "sdiff: $?"
}

run_ed() {
    printf '%s\n' '1,3d' '/20/s//TWENTY/' 'a' 'a line' '.' w q | ed -s src/f1; printf '%s\n' 'r !echo read' 'w src/new' 'W src/f2' q | ed -s src/f3
    printf '%s\n' '$d' w q | ed -s src/link; list src; head -20 src/f1; tail -3 src/f2
    printf '%s\n' 1,2w w q | ed src/none || echo "ed: $?"
}

run_vim() {
    # viminfo has times in it
    local vi='vim -N -u NONE -i NONE -es'
    $vi -c '%s/20/twenty/' -c wq src/f1; $vi -c 'set backup writebackup backupcopy=no' -c 'normal Gonew line' -c wq src/f2
    $vi -c 'set backupcopy=yes' -c 1d -c x src/link; $vi -c 'set hidden undofile' -c 'normal ggdd' -c 'w! src/deep/made' -c 'bufdo 1,2d' -c 'wa' -c 'qa!' src/f3 src/deep/g1; rm -f src/.*.un~ src/deep/.*.un~
    $vi -c 'w src/f3' -c 'qa!' src/f1 || echo "vim: $?"
    $vi -c 'call writefile(["a", "b"], "src/f4") | call rename("src/f4", "src/f5") | call delete("src/deep", "rf")' -c 'qa!'; ls -A . src; tail -n 2 src/f2 src/f3
}

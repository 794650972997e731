# zip, gzip and cpio over a tree of three layers.
# shellcheck shell=bash disable=SC2002,SC2012,SC2016
set -eu
lowers() {
    mkdir -p 1-top/t/sub 2-middle/t/sub 3-bottom/t/{sub/deep,empty}
    seq 1 3000 | tee 3-bottom/t/{f1,f2,sub/s1,sub/deep/d1} >3-bottom/t/shadowed
    ln 3-bottom/t/f1 3-bottom/t/sub/f1.link
    seq 5 5 3000 >2-middle/t/f2
    echo top | tee 1-top/t/sub/s1 >1-top/t/shadowed
    ln -s sub/s1 2-middle/t/link
    chmod 0711 3-bottom/t/empty
    (cd 3-bottom && find t | sort | TZ=UTC zip -q -X -y old.zip -@)
}

run_zip() {
    find t | sort | zip -X -y all.zip -@; unzip -l all.zip; unzip -t all.zip
    unzip -q all.zip -d out; find out | sort; unzip -o old.zip; cat t/sub/s1 | wc -l; unzip -n all.zip | sort
    echo new >t/f2; zip -X old.zip t/f2; zip -d old.zip t/shadowed 't/sub/*'; zip -X -m old.zip t/sub/deep/d1; unzip -l old.zip | awk '{ print $4 }'
    unzip -p all.zip t/shadowed; find t | sort; rm old.zip all.zip # they hold the time of now
}

run_gzip() {
    gzip -k9n t/f1 || gzip -k9nf t/f1
    gzip -v t/f2 t/shadowed; ls t; gzip -d t/f2.gz; zcat t/shadowed.gz; gzip -r t/sub || echo "gzip: $?"; find t | sort
    gunzip -r t/sub || echo "gzip: $?"; gzip -l t/f1.gz; gzip -c t/f2 | gzip -t; xz t/f2; bzip2 t/f1.gz; find t -type f | sort; unxz t/f2.xz; gzip t/none || echo "gzip: $?"
}

run_cpio() {
    find t | sort | cpio -o -H newc --reproducible --renumber-inodes >all.cpio; cpio -itv <all.cpio | awk '{ print $1, $1 ~ /^d/ ? "" : $2, $NF }'
    (mkdir out; cd out; cpio -id --preserve-modification-time <../all.cpio; find . | sort)
    find t -depth | sort -r | cpio -pdm passed; find t -depth | sort -r | cpio -pdlm linked; stat -c '%h %n' linked/t/f* t/f*
    cpio -iu <all.cpio; echo 'changed by cpio' >t/shadowed; cpio -i <all.cpio 2>&1 | sort; rm all.cpio
}

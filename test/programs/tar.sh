# Trees with hard links, holes, xattrs, a FIFO and odd modes, in layers that overlap.
# shellcheck shell=bash disable=SC2002,SC2012,SC2016
set -eu
lowers() {
    mkdir -p 2-middle/tree/sub 3-bottom/tree/sub/deep 3-bottom/tree/locked 1-top/tree/sub
    (
        cd 3-bottom/tree
        seq 1 2000 >big
        ln big sub/big.link
        ln big sub/deep/big.link
        truncate -s 8M sub/sparse
        printf middle | dd of=sub/sparse bs=1 seek=4000000 conv=notrunc status=none
        ln -s sub/deep way
        ln -s ../nowhere sub/dangling
        mkfifo fifo
        echo old >sub/shadowed
        echo secret >locked/file
        chmod 0400 locked/file
        chmod 0555 locked
        chmod 1777 sub/deep
        setfattr -n user.colour -v blue big
        setfattr -n user.dir -v yes sub/deep
    )
    echo newer >2-middle/tree/sub/shadowed
    seq 1 30000 >2-middle/tree/sub/middle
    setfattr -n user.colour -v red 2-middle/tree/sub/middle
    echo newest >1-top/tree/sub/shadowed
    echo '#!/bin/sh' >1-top/tree/tool
    chmod 4755 1-top/tree/tool
    (cd 3-bottom && tar --sort=name -cf old.tar tree)
}

pack() { tar --sort=name --format=posix --pax-option=delete=atime,delete=ctime --xattrs "$@"; }

run() {
    pack -cvSf all.tar tree
    pack -czf all.tar.gz tree; gzip -dc all.tar.gz | tar -t | sort
    tar --compare --file=all.tar; echo 'as archived'
    mkdir out; tar --xattrs -xpf all.tar -C out; list -R --time-style=+%s out
    stat -c '%n %b' out/tree/sub/sparse tree/sub/sparse
    find out | sort | xargs getfattr -h -d
    # Over what lower layers hold: replaced, kept, newer kept, unlinked first, a directory for a file
    tar --extract --file=old.tar || echo "tar: $?"; cat tree/sub/shadowed
    tar --extract --keep-old-files --file=old.tar | sort
    tar --extract --keep-newer-files --file=all.tar | sort
    tar --extract --unlink-first --file=all.tar tree/big; stat -c '%n %h' tree/big tree/sub/big.link
    rm -rf tree/sub/deep; echo 'now a file' >tree/sub/deep
    tar --extract --recursive-unlink --unlink-first --file=all.tar || echo "tar: $?"; list tree/sub
    # An archive of a lower layer changed in place
    echo appended >added; touch -d @1000000000 added; tar --append --file=old.tar added; tar --delete --file=old.tar tree/big
    tar -tf old.tar
    tar --create --remove-files --file=moved.tar out/tree/sub; find out | sort
    tar --create --listed-incremental=snapshot --file=full.tar tree; rm snapshot full.tar all.tar # tar's number is in the names of sparse files, the time in the rest
}

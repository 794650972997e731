# A root directory with a package of version 1 installed: its database and its files in two layers, a configuration
# file that the administrator has changed in the topmost.
# shellcheck shell=bash disable=SC2002,SC2012,SC2016
set -eu
export SOURCE_DATE_EPOCH=1000000000

package() { # VERSION: the .deb of a small package with scripts, a conffile, hard links and a symlink
    local tree=build-$1 script
    mkdir -p "$tree"/{DEBIAN,etc,usr/bin,usr/share/small/doc}
    printf '%s\n' 'Package: small' "Version: $1" 'Architecture: all' 'Maintainer: A <a@example.org>' \
        'Description: a small package' >"$tree/DEBIAN/control"
    echo /etc/small.conf >"$tree/DEBIAN/conffiles"
    echo "option $1" >"$tree/etc/small.conf"
    for script in preinst postinst prerm postrm; do
        # shellcheck disable=SC2016 # for the script to expand
        printf '#!/bin/sh\n%s\n' 'echo "$(basename "$0" | sed "s/.*\.//") $*" | tee -a "$DPKG_ROOT/log"' >"$tree/DEBIAN/$script"
        chmod 0755 "$tree/DEBIAN/$script"
    done
    printf '#!/bin/sh\necho small %s\n' "$1" >"$tree/usr/bin/small"
    chmod 0755 "$tree/usr/bin/small"
    ln "$tree/usr/bin/small" "$tree/usr/bin/small-too"
    ln -s small "$tree/usr/bin/tiny"
    seq 1 500 >"$tree/usr/share/small/data-$1"
    seq 1 500 >"$tree/usr/share/small/doc/common"
    find "$tree" -exec touch -h -d @1000000000 {} +
    dpkg-deb --build "$tree" "small_$1.deb" >/dev/null
    rm -r "$tree"
}

root_dpkg() {
    dpkg --root="$1" --log=/dev/null --force-not-root --force-script-chrootless --force-bad-path --force-confold "${@:2}"
}

lowers() {
    mkdir -p 3-bottom/root/var/lib/dpkg/{info,updates,alternatives} 3-bottom/root/{etc,usr/bin} 2-middle 1-top/root/etc
    : >3-bottom/root/var/lib/dpkg/status
    package 1
    cp -a 3-bottom/root installed
    root_dpkg "$PWD/installed" --install small_1.deb >/dev/null
    rsync -a --hard-links --compare-dest="$PWD/3-bottom/root/" installed/ 2-middle/root/
    rm -r installed small_1.deb
    mkdir -p 3-bottom/root/usr/share/small
    mv 2-middle/root/usr/share/small/data-1 3-bottom/root/usr/share/small/
    mv 2-middle/root/var/lib/dpkg/info/small.p* 3-bottom/root/var/lib/dpkg/info/
    echo 'option of the administrator' >1-top/root/etc/small.conf
}

run() {
    local in=$PWD/root
    root_dpkg "$in" --list; root_dpkg "$in" --verify small
    package 2; package 3; dpkg-deb --contents small_2.deb | awk '{ print $1, $6, $7, $8, $9 }'; dpkg-deb --info small_2.deb
    root_dpkg "$in" --unpack small_2.deb; root_dpkg "$in" --status small
    root_dpkg "$in" --configure small; root_dpkg "$in" --listfiles small; cat root/etc/small.conf*
    root/usr/bin/small-too; find root/usr -samefile root/usr/bin/small | sort
    echo broken >root/usr/bin/small; root_dpkg "$in" --verify small
    root_dpkg "$in" --install small_3.deb; root/usr/bin/tiny; root_dpkg "$in" --search /usr/share/small/data-3
    root_dpkg "$in" --install small_2.deb; root_dpkg "$in" --audit
    root_dpkg "$in" --remove small; root_dpkg "$in" --list; find root -path root/var -prune -o -print | sort
    root_dpkg "$in" --purge small; root_dpkg "$in" --install small_3.deb; cat root/etc/small.conf root/log
    dpkg-deb --raw-extract small_2.deb raw; find raw | sort
}

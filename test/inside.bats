#!/usr/bin/env bats
# What libc reads for itself: users, hosts, locales, time zones. No hook sees those calls; the guard answers them in the union.

load helpers

# Lists for /etc, in a layer over the host's own; and beneath the target what is named by a path.
layers_of_lists() {
    local etc=$W/etc files=$W/lowers/1
    mkdir -p "$etc" "$files"/{locale/un/LC_MESSAGES,gconv} "$W/lowers/2/locale"
    printf '%s: files\n' passwd group shadow gshadow hosts services protocols networks rpc aliases ethers netgroup \
        >"$etc/nsswitch.conf"
    echo 'ofunion:x:4711:4711:a user of the union:/home/ofunion:/bin/union' >"$etc/passwd"
    grep '^root:' /etc/passwd >>"$etc/passwd"
    printf 'ofunion:x:4711:\nofunions:x:4712:ofunion\n' >"$etc/group"
    echo 'ofunion:shadow-of-union:19000::::::' >"$etc/shadow"
    echo 'ofunions:gshadow-of-union::ofunion' >"$etc/gshadow"
    chmod 600 "$etc"/{g,}shadow
    echo '10.11.12.13 host.of.union' >"$etc/hosts"
    echo 'service-of-union 4713/tcp' >"$etc/services"
    echo 'proto-of-union 211' >"$etc/protocols"
    echo 'net-of-union 10.11.0.0' >"$etc/networks"
    echo 'rpc-of-union 471100' >"$etc/rpc"
    echo 'alias-of-union: ofunion' >"$etc/aliases"
    echo '02:03:04:05:06:07 host.of.union' >"$etc/ethers"
    echo 'unions (host,user,domain)' >"$etc/netgroup"
    echo /bin/union >"$etc/shells"
    echo '/dev/union /mnt/union tmpfs defaults 0 0' >"$etc/fstab"
    echo 'nameserver 10.11.12.14' >"$etc/resolv.conf"
    printf '\001\002\003\004' >"$etc/hostid"
    printf 'Zone Here 3:00 - HERE\nZone There 5:00 - THERE\n' >"$W/zones"
    zic -d "$W/zoneinfo" "$W/zones"
    cp "$W/zoneinfo/Here" "$etc/localtime"
    cp "$W/zoneinfo/There" "$files/zone"
    echo 'of union %Y' >"$files/templates"
    : >"$W/lowers/2/wtmp"
    cp -r /usr/lib/locale/C.utf8 "$W/lowers/2/locale/un_UN.utf8"
    echo 'alias UNIONSET// ISO-8859-1//' >"$files/gconv/gconv-modules"
    # shellcheck disable=SC2016 # for gencat
    printf '%s\n' '$set 1' '1 a catalogue of the union' | gencat "$files/union.cat" -
    python3 - "$files/locale/un/LC_MESSAGES/union.mo" <<'END'
import struct, sys
texts = [(b'', b'Content-Type: text/plain; charset=UTF-8\n'), (b'word', b'a word of the union')]
n, at, keys, values, data = len(texts), 28 + 16 * len(texts), b'', b'', b''
for which in 0, 1:
    for pair in texts:
        entry = struct.pack('<II', len(pair[which]), at + len(data))
        keys, values = (keys + entry, values) if which == 0 else (keys, values + entry)
        data += pair[which] + b'\0'
open(sys.argv[1], 'wb').write(struct.pack('<7I', 0x950412de, 0, n, 28, 28 + 8 * n, 0, 0) + keys + values + data)
END
    [ "$WHO" = root ] || [ "$(id -u)" != 0 ] || chown -hR "$PLAIN_USER:" "$W/lowers"
}

expected='getpwnam: a user of the union
getpwuid: ofunion
getgrnam: ofunion
getgrouplist: 2, 4712
getspnam: shadow-of-union
getsgnam: gshadow-of-union
lckpwdf: 0 0
innetgr: 1
getusershell: /bin/union
gethostbyname: 10.11.12.13
getaddrinfo: 0
getaddrinfo: 4713
getservbyname: 4713
getprotobyname: 211
getnetbyname: a0b0000
getrpcbyname: 471100
getaliasbyname: ofunion
ether_hostton: 0 2:3:4:5:6:7
res_init: 10.11.12.14
gethostid: 4030201
getfsspec: /mnt/union
localtime: 3 HERE
localtime: 5 THERE
getdate: 1999
updwtmp, getutent: tty-of-union
getutent: none
setlocale: un_UN.utf8 UTF-8
mbtowc: 2 e4
newlocale: un_UN.utf8
iconv_open: 1
iconv: 0 ä
gettext: a word of the union
catgets: a catalogue of the union'

inside() {
    local mode wanted=$expected
    workspace "$1"
    layers_of_lists
    [ "$(id -u)$WHO" = 0root ] || wanted=$(grep -Ev '^(getspnam|getsgnam|lckpwdf):' <<<"$expected")
    for mode in --guard=require --no-preload; do
        UPPER=$W/up/upper$mode
        same "$mode" "$wanted" "$(in_target as "$UNIONRUN" "$mode" \
            --target /etc --lower "$W/etc" --lower /etc --upper "$W/up/etc$mode" \
            --target "$TARGET" --lower "$W/lowers/1" --lower "$W/lowers/2" --upper "$UPPER" -- "$REPO/build/test/inside" 2>&1)"
        [ -s "$UPPER/wtmp" ]
        [ ! -s "$W/lowers/2/wtmp" ]
        [ ! -e "$W/etc/.pwd.lock" ]
    done
}
in_target() { (cd "$TARGET" && "$@"); }

@test "users, hosts, services, zones, locales, messages and logins are those of the union, as root" {
    inside root
}
@test "users, hosts, services, zones, locales, messages and logins are those of the union, as a plain user" {
    inside user
}

# A script and its modules in three layers; what perl's own file functions do there.
# shellcheck shell=bash disable=SC2002,SC2012,SC2016
set -eu
lowers() {
    local i
    mkdir -p 1-top/{bin,lib} 2-middle/{lib,data/d1} 3-bottom/{lib/Deep,data/{d1,d2},bin}
    echo 'die "an older module shows through"' | tee 3-bottom/lib/Two.pm >3-bottom/bin/script
    echo 'package One; use Deep::Three; sub one { "one, " . Deep::Three::three() } 1' >3-bottom/lib/One.pm
    echo 'package Two; sub two { "two of " . __FILE__ } 1' >2-middle/lib/Two.pm
    echo 'package Deep::Three; sub three { "three" } 1' >3-bottom/lib/Deep/Three.pm
    for i in $(seq 20); do echo "bottom $i" >"3-bottom/data/d1/f$i"; done
    for i in $(seq 15 25); do echo "middle $i" >"2-middle/data/d1/f$i"; done
    echo last >3-bottom/data/d2/only
    cat >1-top/bin/script <<'P'
#!/usr/bin/perl
use strict; use warnings;
use FindBin; use lib "$FindBin::Bin/../lib";
use One; use Two;
use Cwd qw(getcwd abs_path); use File::Find; use File::Copy; use File::Temp; use File::Path qw(make_path remove_tree);
use Fcntl qw(:DEFAULT :flock :seek); use POSIX ();
$| = 1;
sub show(@) { print join(" ", map { defined $_ ? $_ : "undef" } @_), "\n" }
sub try($$) { show($_[0], $_[1] ? "yes" : 0 + $!) }
show $0, $FindBin::Bin, One::one(), Two::two(), getcwd(), abs_path("bin/../lib/.");
chdir "data" or die; show getcwd(), POSIX::getcwd();
opendir(my $d, "d1") or die; my @n = sort readdir $d; rewinddir $d; my $at = telldir $d; my $one = readdir $d;
seekdir $d, $at; show scalar(@n), "@n", $one eq readdir $d ? "same" : "other"; closedir $d;
show sort glob("d*/f1*"), sort glob("{d1,d2}/o*");
my @found; find({ wanted => sub { push @found, $File::Find::name }, no_chdir => 0 }, "."); show sort @found;
open(my $f, "+<", "d1/f1") or die; flock($f, LOCK_EX) or die; my $line = <$f>; seek $f, 0, SEEK_SET; print $f "perl"; truncate $f, 6;
close $f; show $line, -s "d1/f1";
open($f, ">>", "d1/f2") or die; print $f "more\n"; close $f; open($f, "<", "d1/f2") or die; show <$f>; close $f;
try "excl on a lower file", sysopen($f, "d1/f3", O_RDWR | O_CREAT | O_EXCL);
try "excl on a removed file", unlink("d1/f3") && sysopen($f, "d1/f3", O_RDWR | O_CREAT | O_EXCL);
try "truncate", truncate("d1/f4", 3); show -s "d1/f4";
try "utime", utime(1e9, 1e9, "d1/f5"); show((stat "d1/f5")[8, 9]);
try "chmod", chmod(0600, "d1/f6") + chmod(0700, "d1"); show map { sprintf "%o", (stat)[2] } "d1/f6", "d1";
my $ino = (stat "d1/f7")[1];
try "link", link("d1/f7", "d1/f7.link"); show((stat "d1/f7")[3], (stat _)[1] == (stat "d1/f7.link")[1] ? "one file" : "two");
show $ino == (stat "d1/f7")[1] ? "the same inode" : "another inode";
try "symlink", symlink("d1/f8", "link"); show readlink("link"), -l "link" ? "a link" : "none", -e "link" ? "leads" : "dangles";
try "rename", rename("d1/f9", "d2/f9"); try "rename of a directory", rename("d2", "d3"); show glob("d2/* d3/*");
try "rmdir of a full one", rmdir("d1"); try "mkdir of one that is there", mkdir("d1"); try "unlink of a directory", unlink("nothing");
try "open of a missing file", open($f, "<", "d2/only"); try "a file as directory", open($f, "<", "d1/f1/x");
copy("d1/f10", "d1/copy"); move("d1/f11", "moved"); make_path("x/y/z", { mode => 0711 }); remove_tree("d3");
my $t = File::Temp->new(DIR => "."); print $t "x"; close $t; show -s "$t"; undef $t;
show -d "d3" ? "still there" : "gone", -M "d1/f12" > 1000 ? "old" : "new", (stat "d1/f12")[9], -w "d1/f12" ? "writable" : "not";
if (my $pid = fork) { waitpid $pid, 0; show $? >> 8 } else { exec "sh", "-c", 'pwd; echo child >> d1/f13; exit 3' }
open(my $p, "-|", "cat", "d1/f13") or die; show <$p>; close $p;
show `cat moved; ls`; system("rm", "-r", "x"); show -e "x" ? "there" : "gone";
P
    chmod 0755 1-top/bin/script
}

run() {
    bin/script
    perl -i -pe s/bottom/inplace/ data/d1/f16 data/d1/f2
    perl -i.orig -ne 'print unless /middle/' data/d1/f17 data/d1/f18
    perl -MFile::Find -e 'finddepth(sub { rmdir or unlink }, "lib")'
    ls
    head data/d1/f*
}

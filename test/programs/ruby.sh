# ruby: FileUtils, Dir, Find, Tempfile, Pathname, and fibers that are in the middle of them.
# shellcheck shell=bash disable=SC2016
set -eu
lowers() {
    local i
    mkdir -p 1-top/{bin,lib} 2-middle/{lib,data/d1} 3-bottom/{bin,lib/deep,data/d1/sub,data/d2}
    for i in 1 2 3 4 5 6 7 8; do echo "bottom $i" >"3-bottom/data/d1/f$i"; done
    for i in 3 9; do echo "middle $i" >"2-middle/data/d1/f$i"; done
    echo last >3-bottom/data/d2/only
    echo s >3-bottom/data/d1/sub/s
    ln -s f1 3-bottom/data/d1/link
    ln -s nowhere 2-middle/data/d1/dangling
    echo 'raise "an older module shows through"' | tee 3-bottom/lib/two.rb >3-bottom/bin/script
    echo 'def two = "two of #{__FILE__}"' >2-middle/lib/two.rb
    echo 'def three = "three"' >3-bottom/lib/deep/three.rb
    cat >1-top/bin/script <<'R'
#!/usr/bin/ruby
$LOAD_PATH.unshift File.expand_path("../lib", __dir__)
require "two"; require "deep/three"; require_relative "../lib/two"
require "fileutils"; require "find"; require "tempfile"; require "pathname"; require "tmpdir"
include FileUtils
$stdout.sync = true
def try(what) = p([what, (yield || "nothing")]) rescue p([what, $!.class])
p two, three, __FILE__, Dir.pwd, File.realpath("bin/../lib/.")
cd "data"
p Dir.children("d1").sort, Dir.glob("**/*").sort, Dir.glob("d*/{f1*,o*}").sort, Dir.each_child("d2").to_a, Dir.exist?("d3"), Dir.empty?("d2")
p Find.find(".").sort, Pathname("d1").children.map(&:to_s).sort, Pathname("d1/link").realpath.basename.to_s
File.open("d1/f1", "r+") { |f| f.flock(File::LOCK_EX); f.seek(0, IO::SEEK_END); f.puts "ruby"; f.truncate(4) }
File.write("d1/f2", "appended\n", mode: "a"); IO.copy_stream("d1/f2", "d2/copied"); p File.readlines("d1/f2"), File.size("d1/f1")
try("excl") { File.open("d1/f3", File::CREAT | File::EXCL | File::WRONLY) }
try("dangling") { File.stat("d1/dangling") }; p File.lstat("d1/dangling").symlink?, File.symlink?("d1/link"), File.readlink("d1/link")
try("rmdir") { Dir.rmdir("d1") }; try("mkdir") { Dir.mkdir("d1") }; try("unlink") { File.unlink("nothing") }
mkdir_p "x/y/z"; touch %w[x/a x/y/b]; cp_r "d1", "x/copy"; mv "d1/f4", "x/moved"; ln_s "moved", "x/link"; ln "d1/f5", "x/hard"
cp "d1/f6", "x/f6", preserve: true; install "d1/f7", "x/installed", mode: 0o750; chmod_R 0o700, "x/y"; rm_r "d2"; mkdir "d2"; rm_f "nothing"
p Dir.children("d2"), File.stat("x/hard").nlink, File.identical?("d1/f5", "x/hard"), File.stat("x/installed").mode.to_s(8), compare_file("d1/f6", "x/f6")
p File.mtime("x/f6").year, File.utime(1e9, 1e9, "d1/f8"), File.mtime("d1/f8").to_i; File.rename("x", "renamed"); p Dir.exist?("x"), Dir.children("renamed").sort
Dir.mktmpdir { |d| File.write("#{d}/t", "x"); p Dir.children(d), d.start_with?(ENV["TMPDIR"]) }
Tempfile.create("r") { |f| f.puts "temp"; f.flush; p File.size(f.path) }
Dir.chdir("renamed") { p Dir.pwd.split("/").last, `cat moved`, system("test -e link"), $?.exitstatus }
# Fibers, each in the middle of a listing and of a file
fibers = 5.times.map { |n| Fiber.new { Dir.foreach("d1") { |e| Fiber.yield e }; File.open("fiber#{n}", "w") { |f| 3.times { |i| f.puts i; Fiber.yield i.to_s; File.stat("d1/f#{n + 5}") } }; nil } }
seen = Hash.new(0); until fibers.none?(&:alive?) do fibers.select(&:alive?).each { |f| r = f.resume; seen[r] += 1 if r } end
p seen.sort, 5.times.map { |n| File.read("fiber#{n}") }.uniq
lists = 4.times.map { Thread.new { 20.times.map { Dir.children("d1").sort }.uniq.size } }; p lists.map(&:value)
e = Enumerator.new { |y| Find.find("renamed") { |f| y << f } }; p e.next, e.take(100).size
pid = fork { exec "sh", "-c", "pwd | sed 's,.*/,,'; echo child >>d1/f9; exit 3" }; Process.wait(pid); p $?.exitstatus, File.read("d1/f9")
p IO.popen(["cat", "d1/f9"], &:read), spawn("sed -i s/child/changed/ d1/f9").then { Process.wait(_1); File.read("d1/f9") }
rm_rf "renamed"; p Dir.exist?("renamed"), Dir["*"].sort
R
    chmod 0755 1-top/bin/script
}

run() { bin/script; }

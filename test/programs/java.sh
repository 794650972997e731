# A JVM: java.nio.file and java.io on the layers, a single source file from a lower one, class path and jar in others.
# shellcheck shell=bash disable=SC2016
set -eu
lowers() {
    mkdir -p 1-top/src 2-middle/lib 3-bottom/{src,lib}
    mixture
    echo 'this older source would not compile' | tee 3-bottom/src/Work.java >3-bottom/lib/Words.java
    echo 'public class Words { public static String word() { return "middle"; } }' >2-middle/lib/Words.java
    echo 'found = yes' >3-bottom/lib/words.properties
    cat >1-top/src/Work.java <<'J'
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import static java.nio.file.StandardOpenOption.*;

public class Work {
    static void say(Object... a) { System.out.println(Arrays.stream(a).map(String::valueOf).collect(Collectors.joining(" "))); }
    interface Call { Object run() throws Exception; }
    static void attempt(String what, Call c) { try { say(what, c.run()); } catch (Exception e) { say(what, e.getClass().getSimpleName()); } }
    static List<String> names(Stream<Path> s) { try (s) { return s.map(Path::toString).sorted().collect(Collectors.toList()); } }

    public static void main(String[] args) throws Exception {
        say(Path.of("").toAbsolutePath(), System.getProperty("user.dir"), args.length);
        try (var loader = new URLClassLoader(new URL[] {Path.of("lib").toUri().toURL()})) {
            var compiler = javax.tools.ToolProvider.getSystemJavaCompiler();
            say(compiler.run(null, null, null, "-d", "lib", "lib/Words.java"), loader.loadClass("Words").getMethod("word").invoke(null));
            var p = new Properties(); p.load(loader.getResourceAsStream("words.properties")); say(p);
        }
        try (var jar = FileSystems.newFileSystem(Path.of("made.jar"), Map.of("create", "true"))) { Files.copy(Path.of("lib/Words.class"), jar.getPath("/Words.class")); }
        try (var loader = new URLClassLoader(new URL[] {Path.of("made.jar").toUri().toURL()}, null)) { say(loader.loadClass("Words").getMethod("word").invoke(null)); }

        Path d = Path.of("d");
        say(names(Files.list(d)), names(Files.walk(d)), names(Files.walk(d, FileVisitOption.FOLLOW_LINKS)), names(Files.find(d, 3, (f, a) -> a.isSymbolicLink())));
        try (var glob = Files.newDirectoryStream(d, "f[1-3]")) { var l = new TreeSet<String>(); glob.forEach(f -> l.add(f.toString())); say(l); }
        say(d.resolve("link").toRealPath().getFileName(), Files.readSymbolicLink(d.resolve("link")), Files.isSameFile(d.resolve("f5"), d.resolve("hard")), Files.exists(d.resolve("dangling")), Files.isSymbolicLink(d.resolve("dangling")));
        var unix = Files.readAttributes(d.resolve("hard"), "unix:nlink,mode,size,ino"); say(unix.get("nlink"), unix.get("mode"), unix.get("size"));
        Files.writeString(d.resolve("f1"), "java\n", APPEND); say(Files.readAllLines(d.resolve("f1")));
        say("same inode", unix.get("ino").equals(Files.getAttribute(d.resolve("f5"), "unix:ino")));
        Files.setPosixFilePermissions(d.resolve("f5"), PosixFilePermissions.fromString("rw-r-----"));
        say("copied up", unix.get("ino").equals(Files.getAttribute(d.resolve("hard"), "unix:ino")), PosixFilePermissions.toString(Files.getPosixFilePermissions(d.resolve("hard"))));
        Files.setLastModifiedTime(d.resolve("f6"), FileTime.fromMillis(1000000000000L)); say(Files.getLastModifiedTime(d.resolve("f6")));
        var user = Files.getFileAttributeView(d.resolve("f6"), UserDefinedFileAttributeView.class); user.write("note", ByteBuffer.wrap("x".getBytes())); say(user.list());
        Files.setOwner(d.resolve("f6"), Files.getOwner(d.resolve("f1"))); say(Files.getFileStore(d).supportsFileAttributeView("posix"));
        attempt("create", () -> Files.createFile(d.resolve("f3"))); attempt("mkdir", () -> Files.createDirectory(d.resolve("sub"))); attempt("no such", () -> Files.readString(d.resolve("none")));
        attempt("rmdir", () -> Files.deleteIfExists(d.resolve("sub"))); attempt("delete", () -> Files.deleteIfExists(d.resolve("none"))); attempt("move", () -> Files.move(d.resolve("f1"), d.resolve("f2")));
        attempt("copy", () -> Files.copy(d.resolve("f3"), d.resolve("f4"), StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.COPY_ATTRIBUTES)); say(Files.getLastModifiedTime(d.resolve("f4")));
        Files.move(d.resolve("f2"), d.resolve("f1"), StandardCopyOption.REPLACE_EXISTING); Files.move(d.resolve("old"), d.resolve("older"), StandardCopyOption.ATOMIC_MOVE); Files.move(d.resolve("sub"), Path.of("moved"));
        Files.createSymbolicLink(d.resolve("s"), Path.of("f1")); Files.createLink(d.resolve("l"), d.resolve("f6")); Files.createDirectories(d.resolve("a/b/c"), PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        say(names(Files.walk(Path.of("moved"))), names(Files.list(d)));
        Files.walkFileTree(d.resolve("older"), new SimpleFileVisitor<>() {
            public FileVisitResult visitFile(Path f, BasicFileAttributes a) throws IOException { Files.delete(f); return FileVisitResult.CONTINUE; }
            public FileVisitResult postVisitDirectory(Path f, IOException e) throws IOException { Files.delete(f); return FileVisitResult.CONTINUE; }
        });
        Path temp = Files.createTempFile("j", ".x"), dir = Files.createTempDirectory("j"); say(temp.getParent(), PosixFilePermissions.toString(Files.getPosixFilePermissions(temp))); Files.delete(temp); Files.delete(dir);
        // Channels, locks, maps
        try (var c = FileChannel.open(d.resolve("f3"), READ, WRITE); var lock = c.lock()) {
            var map = c.map(FileChannel.MapMode.READ_WRITE, 0, 6); map.put(0, (byte) 'B'); map.force(); c.position(c.size()); c.write(ByteBuffer.wrap("end\n".getBytes()));
            try (var t = FileChannel.open(d.resolve("transferred"), CREATE_NEW, WRITE)) { say(c.transferTo(0, c.size(), t)); }
        }
        say(Files.readString(d.resolve("transferred")).trim());
        var async = AsynchronousFileChannel.open(d.resolve("async"), CREATE, WRITE); say(async.write(ByteBuffer.wrap("async".getBytes()), 0).get()); async.close();
        try (var r = new RandomAccessFile("d/f6", "rw")) { r.seek(r.length()); r.writeBytes("random\n"); r.setLength(9); }
        File f = new File("d/f6"); say(f.length(), f.canWrite(), f.getCanonicalPath(), new File("d/link").getCanonicalFile().getName(), f.setReadOnly(), f.renameTo(new File("d/f7")), new File("d").list().length, new File("d/a/b/c").delete(), new File("none").delete());
        try (var w = new PrintWriter(new FileWriter("d/written", StandardCharsets.UTF_8))) { w.println("written"); }
        // Eight threads
        var pool = Executors.newFixedThreadPool(8); var results = new ArrayList<Future<Integer>>();
        for (int i = 0; i < 40; i++) { int n = i; results.add(pool.submit(() -> { Path p = Path.of("many/" + n % 4); Files.createDirectories(p); Files.writeString(p.resolve("f" + n), "x"); Files.move(p.resolve("f" + n), p.resolve("g" + n)); return names(Files.list(d)).size(); })); }
        var sizes = new TreeSet<Integer>(); for (var r : results) sizes.add(r.get()); pool.shutdown(); say(sizes, names(Files.walk(Path.of("many"))).size());
        // A watch
        try (var watch = FileSystems.getDefault().newWatchService()) {
            Path e = Path.of("e"); e.register(watch, StandardWatchEventKinds.ENTRY_CREATE, StandardWatchEventKinds.ENTRY_DELETE); Files.writeString(e.resolve("new"), "x"); Files.delete(e.resolve("new"));
            var events = new ArrayList<String>(); while (events.size() < 2) { var key = watch.poll(20, TimeUnit.SECONDS); if (key == null) break; for (var ev : key.pollEvents()) events.add(ev.kind() + " " + ev.context()); key.reset(); } say(events);
        }
        var process = new ProcessBuilder("sh", "-c", "pwd | sed 's,.*/,,'; cat f1; echo child >>f1; exit 3").directory(new File("d")).redirectErrorStream(true).start(); say(new String(process.getInputStream().readAllBytes()).trim(), process.waitFor());
        attempt("no program", () -> new ProcessBuilder("./none").start()); say(Files.readAllLines(d.resolve("f1")));
        var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX); server.bind(UnixDomainSocketAddress.of("d/socket"));
        var client = SocketChannel.open(UnixDomainSocketAddress.of("d/socket")); var accepted = server.accept(); client.write(ByteBuffer.wrap("hi".getBytes())); var b = ByteBuffer.allocate(2); accepted.read(b); say(new String(b.array()), ((UnixDomainSocketAddress) server.getLocalAddress()).getPath().getFileName()); Files.delete(d.resolve("socket"));
    }
}
J
}

run() {
    java -Xshare:auto -XX:TieredStopAtLevel=1 -XX:-UsePerfData -Djava.io.tmpdir="$TMPDIR" src/Work.java one two
    rm -r lib/Words.class made.jar # which have the time in them
    find . | sort
}

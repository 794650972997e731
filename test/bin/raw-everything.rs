// Everything that std::fs does, in a directory of files of several layers; test/programs/rust-static.sh makes it.
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{symlink, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::Command;
use std::{env, io, thread};

fn tried<T>(what: &str, got: io::Result<T>) -> Option<T> {
    match got {
        Ok(v) => {
            println!("{what}: ok");
            Some(v)
        }
        Err(e) => {
            println!("{what}: {:?} {:?}", e.kind(), e.raw_os_error());
            None
        }
    }
}
fn read(name: &str) {
    if let Some(text) = tried(name, fs::read_to_string(name)) {
        println!("  {text:?}");
    }
}
fn info(name: &str) {
    if let Some(m) = tried(name, fs::symlink_metadata(name)) {
        let (links, size) = if m.is_dir() { (0, 0) } else { (m.nlink(), m.len()) };
        println!("  {:o} {links} {size} {}", m.mode(), m.uid());
    }
}
fn list(name: &str) {
    let mut names: Vec<String> = match fs::read_dir(name) {
        Ok(entries) => entries
            .map(|e| e.map(|e| format!("{:?} {:?}", e.file_name(), e.file_type().unwrap())).unwrap_or_else(|e| e.to_string()))
            .collect(),
        Err(e) => vec![e.to_string()],
    };
    names.sort();
    println!("{name}: {names:#?}");
}
fn main() {
    let here = env::current_dir().unwrap();
    if env::args().nth(1).as_deref() == Some("child") {
        println!("child {:?} {:?}", here.file_name(), env::args().skip(2).collect::<Vec<_>>());
        return;
    }
    let exe = env::current_exe().unwrap();
    println!("{:?}", exe.strip_prefix(&here));
    list("dir");
    for name in ["dir/b1", "dir/b2", "dir/b3", "dir/link", "dir/dangling", "dir/none", "dir/sub/deep/file", "dir"] {
        read(name);
        info(name);
    }
    tried("write", fs::write("dir/b1", "changed\n"));
    read("dir/hard");
    if let Some(mut f) = tried("append", OpenOptions::new().append(true).read(true).open("dir/b2")) {
        f.write_all(b"appended\n").unwrap();
        f.seek(SeekFrom::Start(0)).unwrap();
        let mut text = String::new();
        f.read_to_string(&mut text).unwrap();
        println!("{text:?}");
        tried("set_len", f.set_len(4));
        tried("set_permissions", f.set_permissions(fs::Permissions::from_mode(0o600)));
        f.write_all_at(b"at", 1).unwrap_or_else(|e| println!("{e}"));
        tried("sync", f.sync_all());
    }
    println!("{:?}", fs::metadata("dir/b2").map(|m| (m.mtime() > 0, m.len())).ok());
    tried("create_new", OpenOptions::new().write(true).create_new(true).mode(0o640).open("dir/new"));
    tried("create_new again", OpenOptions::new().write(true).create_new(true).open("dir/new"));
    info("dir/new");
    tried("create by a dangling link", File::create("dir/dangling"));
    info("dir/nowhere");
    tried("create_dir", fs::create_dir("made"));
    tried("create_dir again", fs::create_dir("made"));
    tried("create_dir_all", fs::create_dir_all("made/a/b"));
    tried("rename", fs::rename("dir/b3", "made/b3"));
    tried("rename of a directory", fs::rename("dir/sub", "made/sub"));
    tried("copy", fs::copy("made/sub/deep/file", "made/copy"));
    tried("copy over", fs::copy("made/b3", "dir/b4"));
    tried("hard_link", fs::hard_link("dir/b5", "made/linked"));
    tried("symlink", symlink("../dir/b5", "made/soft"));
    println!("{:?} {:?}", fs::read_link("made/soft"), fs::canonicalize("made/soft").map(|p| p.strip_prefix(&here).unwrap().to_owned()));
    tried("set_permissions", fs::set_permissions("dir/b5", fs::Permissions::from_mode(0o4711)));
    info("made/linked");
    tried("remove_file", fs::remove_file("dir/b5"));
    tried("remove_file again", fs::remove_file("dir/b5"));
    tried("remove_dir", fs::remove_dir("made"));
    tried("remove_dir_all", fs::remove_dir_all("made/sub"));
    tried("create_dir in its place", fs::create_dir("made/sub"));
    list("made/sub");
    list("made");
    println!("{:?}", std::path::Path::new("dir/b5").try_exists().ok());
    tried("set_current_dir", env::set_current_dir("made"));
    println!("{:?}", env::current_dir().map(|p| p.strip_prefix(&here).unwrap().to_owned()));
    for (what, command) in [
        ("a script", Command::new("../dir/script").arg("one two")),
        ("a shell", Command::new("sh").args(["-c", "cat ../dir/b1; ls"])),
        ("itself", Command::new(&exe).args(["child", "x"]).current_dir("a")),
        ("none", &mut Command::new("./none")),
    ] {
        if let Some(out) = tried(what, command.output()) {
            println!("  {:?} {}", out.status.code(), String::from_utf8_lossy(&out.stdout));
        }
    }
    if let Some(l) = tried("listen", UnixListener::bind("socket")) {
        let t = thread::spawn(move || l.accept().map(|(mut s, _)| s.write_all(b"hello")));
        let mut text = String::new();
        if let Some(mut s) = tried("connect", UnixStream::connect("socket")) {
            s.read_to_string(&mut text).unwrap();
        }
        println!("{text} {:?}", t.join().is_ok());
    }
    let d = UnixDatagram::bind("datagram").unwrap();
    tried("send_to", UnixDatagram::unbound().unwrap().send_to(b"x", "datagram"));
    println!("{:?}", d.recv(&mut [0; 8]).ok());
    env::set_current_dir(&here).unwrap();
    let threads: Vec<_> = (0..32)
        .map(|n| {
            thread::spawn(move || -> io::Result<()> {
                for k in 0..20 {
                    let (a, b) = (format!("dir/t{n}-{k}"), format!("dir/u{n}-{k}"));
                    fs::write(&a, &a)?;
                    fs::rename(&a, &b)?;
                    assert_eq!(fs::read_to_string(&b)?, a);
                    fs::read_dir("dir")?.count();
                    fs::metadata("dir/b1")?;
                    fs::remove_file(&b)?;
                }
                Ok(())
            })
        })
        .collect();
    for t in threads {
        if let Err(e) = t.join().unwrap() {
            println!("in a thread: {e}");
        }
    }
    list("dir");
}

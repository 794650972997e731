# cargo: a workspace spread over the layers, with a build script and a dependency by path, offline; built, run, tested, and built
# anew after a change.
# shellcheck shell=bash disable=SC2016
set -eu
lowers() {
    mkdir -p 1-top/{app/src,words/src} 2-middle/app/src 3-bottom/{app/src,words/src}
    printf '[workspace]\nmembers = ["app", "words"]\n' >3-bottom/Cargo.toml
    printf '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\nbuild = "build.rs"\n\n[dependencies]\nwords = { path = "../words" }\n' >2-middle/app/Cargo.toml
    printf '[package]\nname = "words"\nversion = "0.1.0"\nedition = "2021"\n' >3-bottom/words/Cargo.toml
    echo 'compile_error!("an older source shows through");' | tee 3-bottom/app/src/main.rs >3-bottom/words/src/lib.rs
    echo 'included text' >3-bottom/app/src/text
    cat >1-top/app/build.rs <<'R'
use std::{env, fs, path::Path};
fn main() {
    let names: Vec<_> = { let mut n: Vec<_> = fs::read_dir("src").unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect(); n.sort(); n };
    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("made.rs"), format!("const NAMES: &[&str] = &{names:?};")).unwrap();
    println!("cargo:rerun-if-changed=src");
}
R
    cat >2-middle/app/src/main.rs <<'R'
use std::{env, fs, io::{Read, Seek, SeekFrom, Write}, os::unix::fs::{symlink, MetadataExt, PermissionsExt}, thread};
include!(concat!(env!("OUT_DIR"), "/made.rs"));
fn names(d: &str) -> Vec<String> { let mut n: Vec<_> = fs::read_dir(d).unwrap().map(|e| { let e = e.unwrap(); format!("{}{}", e.file_name().to_str().unwrap(), if e.file_type().unwrap().is_dir() { "/" } else { "" }) }).collect(); n.sort(); n }
fn main() -> std::io::Result<()> {
    println!("{} {:?} {} {:?}", words::word(), NAMES, include_str!("text").trim(), env::current_dir()?.file_name());
    env::set_current_dir("app")?;
    println!("{:?} {:?}", names("src"), fs::canonicalize("src/../build.rs")?.file_name());
    let mut f = fs::OpenOptions::new().read(true).write(true).open("src/text")?; f.seek(SeekFrom::End(0))?; writeln!(f, "appended")?; f.rewind()?; let mut s = String::new(); f.read_to_string(&mut s)?; f.set_len(8)?; println!("{s:?} {}", f.metadata()?.len());
    println!("{:?} {:?}", fs::OpenOptions::new().write(true).create_new(true).open("build.rs").map_err(|e| e.kind()).err(), fs::remove_dir("src").map_err(|e| e.kind()).err());
    fs::create_dir_all("a/b")?; fs::copy("Cargo.toml", "a/copy")?; fs::rename("a", "moved")?; fs::hard_link("moved/copy", "linked")?; symlink("linked", "link")?; fs::set_permissions("linked", fs::Permissions::from_mode(0o640))?;
    let m = fs::metadata("link")?; println!("{} {:o} {} {:?} {:?}", m.nlink(), m.mode(), m.len(), fs::read_link("link")?, names("moved"));
    let t: Vec<_> = (0..4).map(|i| thread::spawn(move || { for n in 0..20 { let f = format!("moved/b/{i}-{n}"); fs::write(&f, "x").unwrap(); fs::rename(&f, format!("{f}.r")).unwrap(); } names("moved/b").len() >= 20 })).collect();
    println!("{:?} {}", t.into_iter().map(|t| t.join().unwrap()).collect::<Vec<_>>(), names("moved/b").len());
    println!("{:?}", std::process::Command::new("sh").args(["-c", "pwd | sed 's,.*/,,'; cat src/text; exit 3"]).env_clear().current_dir("../app").output()?.status.code());
    fs::remove_dir_all("moved")?; fs::remove_file("link")?; fs::remove_file("linked")?; println!("{:?}", names("."));
    Ok(())
}
R
    printf 'pub fn word() -> &%sstatic str { "newer" }\n#[cfg(test)]\nmod tests { #[test] fn a_word() { assert!(super::word().starts_with("new")); } }\n' "'" >1-top/words/src/lib.rs
}

run() {
    export CARGO_HOME=$PWD/home/.cargo CARGO_NET_OFFLINE=true CARGO_TERM_COLOR=never
    plainly() { sed -E 's/(in|finished in) [0-9.]+s$/in a while/; s/-[0-9a-f]{16}\)?/-HASH/' | sort; }
    cargo build 2>&1 | plainly
    target/debug/app
    sed -i s/newer/newest/ words/src/lib.rs
    cargo build 2>&1 | plainly
    target/debug/app
    cargo test -q -p words 2>&1 | plainly
    cargo build 2>&1 | plainly
    cargo clean 2>/dev/null
    rm -rf home/.cargo
    cat Cargo.lock
    find . | sort
}

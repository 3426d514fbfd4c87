use crate::folder::on_each_backend;
use anyio::{Path, Result};
use std::{
    collections::HashSet,
    ffi::OsString,
    fs as blocking,
    io::ErrorKind,
    os::unix::{
        fs::{MetadataExt, symlink},
        net::UnixListener,
    },
    path::PathBuf,
};

#[test]
fn parts_of_a_path_are_those_of_pathlib() {
    let path = Path::from("/usr/lib/archive.tar.gz");
    assert_eq!(path.parts(), ["/", "usr", "lib", "archive.tar.gz"]);
    assert_eq!((path.root(), path.anchor(), Path::from("a").root()), ("/", "/", ""));
    assert_eq!((path.name().to_str(), path.stem().to_str()), (Some("archive.tar.gz"), Some("archive.tar")));
    assert_eq!(path.suffix(), ".gz");
    assert_eq!(path.suffixes(), [".tar", ".gz"]);
    assert_eq!(Path::from(".bashrc").suffix(), "");
    assert_eq!(Path::from(".config.toml").suffixes(), [".toml"]);
    assert_eq!(Path::from("a.").suffix(), "");
    assert_eq!(path.parent().unwrap(), "/usr/lib");
    let parents: Vec<Path> = path.parents().collect();
    assert_eq!(parents, ["/usr/lib", "/usr", "/"]);
    assert_eq!(path.as_posix(), "/usr/lib/archive.tar.gz");
    assert!(path.is_absolute() && !Path::from("usr").is_absolute());
    assert_eq!(format!("{path:?}"), r#"Path("/usr/lib/archive.tar.gz")"#);
    assert_eq!(path, PathBuf::from("/usr/lib/archive.tar.gz"));
    let mut sorted = [Path::from("b"), Path::from("a")];
    sorted.sort();
    assert_eq!(sorted, ["a", "b"]);
    assert!(HashSet::from([path.clone()]).contains(std::path::Path::new("/usr/lib/archive.tar.gz")));
}

#[test]
fn paths_are_joined_and_made_relative() {
    let usr = Path::from("/usr");
    assert_eq!(&usr / "lib" / "x", "/usr/lib/x");
    assert_eq!(usr.join("/etc"), "/etc");
    assert!(Path::from("/usr/lib").is_relative_to(&usr) && !Path::from("/usrx").is_relative_to(&usr));
    assert_eq!(Path::from("/usr/lib/x").relative_to(&usr).unwrap(), "lib/x");
    assert_eq!(Path::from("/etc").relative_to(&usr).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(Path::from("/etc/x").relative_to_walking_up("/usr/lib").unwrap(), "../../etc/x");
    assert!(Path::from("etc").relative_to_walking_up("/usr").is_err());
    assert!(Path::from("/etc").relative_to_walking_up("/usr/..").is_err());
}

#[test]
fn names_stems_and_suffixes_are_replaced() {
    let path = Path::from("/a/b.tar.gz");
    assert_eq!(path.with_name("c").unwrap(), "/a/c");
    assert_eq!(path.with_stem("c").unwrap(), "/a/c.gz");
    assert_eq!(path.with_suffix(".xz").unwrap(), "/a/b.tar.xz");
    assert_eq!(path.with_suffix("").unwrap(), "/a/b.tar");
    assert!(path.with_stem("").is_err(), "a suffix alone is no name");
    for name in ["", ".", "..", "x/y", "x/"] {
        assert!(path.with_name(name).is_err(), "{name:?}");
    }
    for suffix in ["gz", ".", ".a/b"] {
        assert!(path.with_suffix(suffix).is_err(), "{suffix:?}");
    }
    assert!(Path::from("/").with_name("x").is_err());
}

#[test]
fn patterns_match_the_end_or_the_whole() {
    let path = Path::from("/a/b/c.rs");
    assert!(path.matches("*.rs").unwrap() && path.matches("b/*.rs").unwrap());
    assert!(!path.matches("a/*.rs").unwrap() && !path.matches("/*.rs").unwrap());
    assert!(path.full_match("/a/*/c.rs").unwrap() && path.full_match("**/*.rs").unwrap());
    assert!(!path.full_match("*.rs").unwrap());
    assert!(path.full_match("[").is_err());
}

#[test]
fn uris_lead_there_and_back() {
    let path = Path::from("/a b/ä%?.txt");
    let uri = path.as_uri().unwrap();
    assert_eq!(uri, "file:///a%20b/%C3%A4%25%3F.txt");
    assert_eq!(Path::from_uri(&uri).unwrap(), path);
    assert_eq!(Path::from_uri("file://localhost/x").unwrap(), "/x");
    assert!(Path::from("a").as_uri().is_err());
    for wrong in ["http://x/", "file:x", "file:///%4", "file:///%zz", "file://other/x", "file:///%00"] {
        assert!(Path::from_uri(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn files_are_written_read_copied_and_moved() {
    on_each_backend(async |folder| {
        let folder = Path::from(folder.join("top"));
        folder.mkdir().await?;
        let file = &folder / "file";
        file.write_bytes(b"bytes".to_vec()).await?;
        assert_eq!(file.read_bytes().await?, b"bytes");
        file.write_text("text").await?;
        assert_eq!(file.read_text().await?, "text");
        let opened = file.open().await?;
        assert_eq!(opened.path(), Some(file.as_path()));
        let copy = file.copy(&folder / "copy").await?;
        assert_eq!(copy.read_text().await?, "text");
        let sub = &folder / "sub";
        sub.create_dir_with_mode(0o700).await?;
        assert_eq!(sub.stat().await?.mode() & 0o7777, 0o700);
        assert_eq!(copy.copy_into(sub.clone()).await?, &sub / "copy");
        assert_eq!(file.move_into(sub.clone()).await?, &sub / "file");
        assert!(!file.exists().await?);
        let moved = (&sub / "file").move_to(&folder / "moved").await?;
        assert_eq!(moved.rename(file.clone()).await?, file);
        copy.write_text("older").await?;
        assert_eq!(file.replace(copy.clone()).await?, copy);
        assert_eq!(copy.read_text().await?, "text");
        assert!(copy.unlink_if_exists().await? && !copy.unlink_if_exists().await?);
        assert_eq!(copy.unlink().await.unwrap_err().kind(), ErrorKind::NotFound);
        assert!(sub.rmdir().await.is_err());
        sub.remove_dir_all().await?;
        let fresh = &folder / "fresh";
        fresh.touch().await?;
        let before = fresh.stat().await?.modified()?;
        fresh.touch().await?;
        folder.touch().await?;
        assert!(fresh.stat().await?.modified()? >= before);
        fresh.chmod(0o600).await?;
        assert_eq!(fresh.stat().await?.mode() & 0o7777, 0o600);
        Ok(())
    });
}

#[test]
fn a_path_tells_what_it_leads_to() {
    on_each_backend(async |folder| {
        let folder = Path::from(folder.join("top"));
        folder.create_dir_all().await?;
        let (file, link, dangling) = (&folder / "file", &folder / "link", &folder / "dangling");
        let socket = &folder / "socket";
        file.touch().await?;
        link.symlink_to("file").await?;
        dangling.symlink_to("nowhere").await?;
        let _listener = UnixListener::bind(&socket)?;
        assert!(folder.is_dir().await? && !file.is_dir().await? && !dangling.is_dir().await?);
        assert!(file.is_file().await? && link.is_file().await? && !folder.is_file().await?);
        assert!(!(&file / "below").is_file().await?, "there is nothing below a file");
        assert!(link.is_symlink().await? && dangling.is_symlink().await? && !file.is_symlink().await?);
        assert!(!dangling.exists().await? && dangling.lexists().await? && file.exists().await?);
        assert!(dangling.stat().await.is_err() && dangling.lstat().await?.is_symlink());
        assert!(socket.is_socket().await? && !file.is_socket().await?);
        assert!(Path::from("/dev/null").is_char_device().await? && !file.is_char_device().await?);
        assert!(!file.is_fifo().await? && !file.is_block_device().await?);
        assert!(Path::from("/").is_mount().await? && Path::from("/proc").is_mount().await?);
        assert!(!folder.is_mount().await? && !(&folder / "x").is_mount().await?);
        assert_eq!(link.readlink().await?, "file");
        assert!(file.samefile(&folder / "." / "link").await? && !file.samefile(&folder).await?);
        (&folder / "second").hardlink_to(&file).await?;
        assert_eq!(blocking::metadata(&file)?.nlink(), 2);
        let top = Path::from(blocking::canonicalize(&folder)?);
        assert_eq!((&folder / "x" / ".." / "link").resolve().await?, &top / "file");
        assert_eq!((&folder / "no" / "such").resolve().await?, &top / "no" / "such");
        assert!((&folder / "no").canonicalize().await.is_err());
        assert!(Path::from("x/../y").absolute()?.is_absolute());
        assert_eq!(Path::cwd()?, std::env::current_dir()?);
        // SAFETY: takes nothing.
        if unsafe { libc::getuid() } == 0 {
            assert_eq!((file.owner().await?.as_str(), file.group().await?.as_str()), ("root", "root"));
        }
        Ok(())
    });
}

#[test]
fn the_home_folder_takes_the_place_of_a_tilde() {
    on_each_backend(async |_| {
        let home = Path::home().await?;
        assert!(home.is_absolute());
        assert_eq!(Path::from("~/x").expanduser().await?, &home / "x");
        assert_eq!(Path::from("~root/x").expanduser().await?, "/root/x");
        assert_eq!(Path::from("/~/x").expanduser().await?, "/~/x");
        let error = Path::from("~nobody-has-this-name/x").expanduser().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        Ok(())
    });
}

#[test]
fn folders_are_listed_walked_and_searched() {
    on_each_backend(async |folder| {
        let top = Path::from(folder.join("top"));
        (&top / "a" / "b").create_dir_all().await?;
        for file in ["one.txt", "a/two.txt", "a/b/three.txt"] {
            (&top / file).touch().await?;
        }
        symlink("a", &top / "link")?;
        let mut names = Vec::new();
        let mut entries = top.iterdir().await?;
        while let Some(entry) = entries.next().await? {
            names.push(entry.file_name().to_owned());
        }
        names.sort();
        assert_eq!(names, ["a", "link", "one.txt"]);
        let mut found = Vec::new();
        let mut search = top.rglob("*.txt")?;
        while let Some(path) = search.next().await? {
            found.push(Path::from(path).relative_to(&top)?);
        }
        found.sort();
        assert_eq!(found, ["a/b/three.txt", "a/two.txt", "one.txt"]);
        let mut search = top.glob("a/*.txt")?;
        assert_eq!(search.next().await?.map(Path::from), Some(&top / "a/two.txt"));
        assert!(top.glob("/etc/*").is_err());
        let mut walked = Vec::new();
        let mut walk = top.walk_folders();
        while let Some(mut folder) = walk.next().await? {
            folder.files.sort();
            walked.push((folder.path, folder.folders, folder.files));
        }
        let names = |names: &[&str]| -> Vec<OsString> { names.iter().map(OsString::from).collect() };
        assert_eq!(
            walked,
            [
                (top.clone(), names(&["a"]), names(&["link", "one.txt"])),
                (&top / "a", names(&["b"]), names(&["two.txt"])),
                (&top / "a" / "b", names(&[]), names(&["three.txt"])),
            ]
        );
        Result::Ok(())
    });
}

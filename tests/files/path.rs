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
    time::{Duration, SystemTime},
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

/// All below a folder, sorted, with their modes, and what is in files and links.
fn tree(folder: &Path) -> Vec<(PathBuf, u32, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.as_path().to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in blocking::read_dir(&inner).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let text = match () {
                () if metadata.is_dir() => String::new(),
                () if metadata.is_symlink() => path.read_link().unwrap().display().to_string(),
                () => blocking::read_to_string(&path).unwrap(),
            };
            found.push((path.strip_prefix(folder).unwrap().to_owned(), metadata.mode() & 0o7777, text));
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

async fn make_tree(top: &Path) -> Result<()> {
    (top / "a" / "b").create_dir_all().await?;
    (top / "empty").mkdir().await?;
    for file in ["one.txt", "a/two.txt", "a/b/three.txt"] {
        (top / file).write_text(file).await?;
    }
    symlink("one.txt", top / "link")?;
    symlink("nowhere", top / "a" / "broken")?;
    (top / "one.txt").chmod(0o640).await?;
    (top / "a" / "b").chmod(0o550).await
}

fn times(path: &Path) -> (i64, i64, i64, i64) {
    let metadata = path.as_path().symlink_metadata().unwrap();
    (metadata.mtime(), metadata.mtime_nsec(), metadata.atime(), metadata.atime_nsec())
}

#[test]
fn a_folder_is_copied_with_all_that_is_in_it() {
    on_each_backend(async |folder| {
        let top = Path::from(folder.join("top"));
        make_tree(&top).await?;
        let copy = top.copy(folder.join("copy")).await?;
        assert_eq!(tree(&copy), tree(&top));
        assert_eq!(copy.stat().await?.mode(), top.stat().await?.mode());
        assert_eq!(top.copy(copy.clone()).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        let into = top.copy_into(&copy / "empty").await?;
        assert_eq!(into, &copy / "empty" / "top");
        assert_eq!(tree(&into), tree(&top));
        for path in [&top, &copy, &into] {
            (path / "a" / "b").chmod(0o750).await?;
        }
        Ok(())
    });
}

#[test]
fn a_copy_with_metadata_has_the_times_and_attributes_of_files_folders_and_links() {
    on_each_backend(async |folder| {
        let top = Path::from(folder.join("top"));
        make_tree(&top).await?;
        let long_ago = SystemTime::UNIX_EPOCH + Duration::new(1_000_000, 500);
        for path in ["a/b/three.txt", "a/b", "a", "link", ""] {
            anyio::fs::set_times(&top / path, Some(long_ago), Some(long_ago)).await?;
        }
        let has_attributes = anyio::fs::set_xattr(&top / "a", "user.origin", "here").await.is_ok();
        let copy = top.copy_with_metadata(folder.join("copy")).await?;
        assert_eq!(tree(&copy), tree(&top));
        for path in ["a/b/three.txt", "a/b", "a", "link", ""] {
            assert_eq!(times(&(&copy / path)).0, 1_000_000, "{path}");
            assert_eq!(times(&(&copy / path)).1, 500, "{path}");
        }
        if has_attributes {
            let value = anyio::fs::get_xattr(&copy / "a", "user.origin").await?;
            assert_eq!(value.as_deref(), Some(&b"here"[..]));
        }
        for path in [&top, &copy] {
            (path / "a" / "b").chmod(0o750).await?;
        }
        Ok(())
    });
}

#[test]
fn a_folder_is_not_copied_into_itself_and_a_pipe_not_at_all() {
    on_each_backend(async |folder| {
        let top = Path::from(folder.join("top"));
        (&top / "inner").create_dir_all().await?;
        let refused = top.copy_into(&top / "inner").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        assert_eq!(tree(&top).len(), 1);
        UnixListener::bind(&top / "socket")?;
        assert_eq!(top.copy(folder.join("copy")).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn a_folder_that_goes_to_another_file_system_is_copied_and_removed() {
    let elsewhere = PathBuf::from(format!("/dev/shm/anyio-moved-{}", std::process::id()));
    on_each_backend(async |folder| {
        let top = Path::from(folder.join("top"));
        make_tree(&top).await?;
        (&top / "a" / "b").chmod(0o750).await?;
        if blocking::create_dir(&elsewhere).is_err() {
            return Ok(());
        }
        let before = tree(&top);
        let moved = top.move_into(elsewhere.clone()).await;
        let after = moved.as_ref().ok().map(tree);
        let link = Path::from(folder.join("link"));
        symlink("target", &link)?;
        let moved_link = link.move_into(elsewhere.clone()).await;
        let said = blocking::read_link(elsewhere.join("link"));
        blocking::remove_dir_all(&elsewhere)?;
        moved?;
        assert_eq!(after, Some(before));
        assert!(!top.lexists().await?);
        moved_link?;
        assert_eq!(said?, PathBuf::from("target"));
        assert!(!link.lexists().await?);
        Ok(())
    });
}

#[test]
fn a_walk_from_below_gives_each_folder_after_those_in_it() {
    on_each_backend(async |folder| {
        let top = Path::from(folder.join("top"));
        for inner in ["a/b", "a/c", "d"] {
            (&top / inner).create_dir_all().await?;
        }
        (&top / "a" / "file").touch().await?;
        let mut walk = top.walk_folders().bottom_up(true);
        let mut count = 0;
        while let Some(folder) = walk.next().await? {
            for file in &folder.files {
                (&folder.path / file).unlink().await?;
            }
            // It is empty only if what was in it has come before.
            folder.path.rmdir().await?;
            count += 1;
        }
        assert_eq!(count, 5);
        assert!(!top.exists().await?);
        Ok(())
    });
}

/// The block devices of this host, if it shows any.
#[cfg(target_os = "linux")]
fn block_devices() -> Vec<Path> {
    let Ok(names) = std::fs::read_dir("/sys/block") else { return Vec::new() };
    let devices = names.flatten().map(|name| &Path::from("/dev") / name.file_name());
    devices.filter(|device| std::fs::symlink_metadata(device.as_path()).is_ok()).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_block_device_is_one_and_nothing_else() {
    let devices = block_devices();
    if devices.is_empty() {
        println!("passed over: this host shows no block device");
        return;
    }
    on_each_backend(async |folder| {
        for device in block_devices() {
            assert!(device.is_block_device().await?, "{device:?}");
            assert!(!device.is_char_device().await? && !device.is_file().await?, "{device:?}");
            assert!(!device.is_dir().await? && !device.is_fifo().await? && !device.is_socket().await?);
            assert!(device.stat().await?.file_type().is_block_device());
            let link = Path::from(folder.join("link-to-device"));
            link.unlink_if_exists().await?;
            link.symlink_to(&device).await?;
            assert!(link.is_block_device().await?, "links are followed");
        }
        Ok(())
    });
}

use crate::folder::{Folder, on_each_backend};
use anyio::{CancelScope, Error, Result, fs, move_on_after};
use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs as blocking,
    io::ErrorKind,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

#[test]
fn names_are_made_changed_and_removed() {
    on_each_backend(async |folder| {
        let (a, b) = (folder.join("a"), folder.join("b"));
        blocking::write(&a, "contents")?;
        fs::rename(&a, &b).await?;
        assert!(!fs::exists(&a).await? && fs::try_exists(&b).await?);
        fs::hard_link(&b, &a).await?;
        assert_eq!(fs::metadata(&a).await?.nlink(), 2);
        fs::remove_file(&b).await?;
        assert_eq!(fs::metadata(&a).await?.nlink(), 1);
        fs::symlink("a", &b).await?;
        assert_eq!(fs::read_link(&b).await?, Path::new("a"));
        assert!(fs::symlink_metadata(&b).await?.is_symlink());
        assert!(fs::metadata(&b).await?.is_file());
        assert_eq!(fs::canonicalize(&b).await?, blocking::canonicalize(&a)?);
        let error = fs::hard_link(&a, &b).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        let expected = format!("link {} -> {}: ", a.display(), b.display());
        assert!(error.to_string().starts_with(&expected), "{error}");
        fs::remove_file(&a).await?;
        assert!(!fs::exists(&b).await?, "the link leads nowhere");
        assert!(fs::symlink_metadata(&b).await.is_ok());
        Ok(())
    });
}

#[test]
fn folders_are_made_and_removed() {
    on_each_backend(async |folder| {
        let deep = folder.join("x/y/z");
        assert_eq!(fs::create_dir(&deep).await.unwrap_err().kind(), ErrorKind::NotFound);
        fs::create_dir_all(&deep).await?;
        fs::create_dir_all(&deep).await?;
        assert_eq!(fs::create_dir(&deep).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        blocking::write(deep.join("file"), "")?;
        assert_eq!(fs::remove_dir(&deep).await.unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
        blocking::create_dir(folder.join("outside"))?;
        blocking::write(folder.join("outside/kept"), "")?;
        symlink(folder.join("outside"), deep.join("link"))?;
        fs::remove_dir_all(folder.join("x")).await?;
        assert!(!folder.join("x").exists());
        assert!(folder.join("outside/kept").exists());
        fs::create_dir(folder.join("x")).await?;
        fs::remove_dir(folder.join("x")).await?;
        assert!(fs::remove_file(folder.join("outside")).await.is_err());
        Ok(())
    });
}

#[test]
fn a_copy_has_contents_and_permissions() {
    on_each_backend(async |folder| {
        let (from, to) = (folder.join("from"), folder.join("to"));
        let contents: Vec<u8> = (0..40_000_000u32).map(|n| (n / 7) as u8).collect();
        blocking::write(&from, &contents)?;
        blocking::set_permissions(&from, blocking::Permissions::from_mode(0o751))?;
        blocking::write(&to, "something else")?;
        assert_eq!(fs::copy(&from, &to).await?, 40_000_000);
        assert!(blocking::read(&to)? == contents);
        assert_eq!(blocking::metadata(&to)?.mode() & 0o7777, 0o751);
        assert!(fs::copy("/proc/self/status", &to).await? > 100);
        assert_eq!(fs::copy(folder.join("."), &to).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        let error = fs::copy(folder.join("missing"), &to).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("missing -> "), "{error}");
        Ok(())
    });
}

#[test]
fn a_copy_keeps_the_holes_of_a_file_and_what_is_between_them() {
    on_each_backend(async |folder| {
        use std::os::unix::fs::{FileExt, MetadataExt};
        const LENGTH: u64 = 1 << 30;
        let (from, to) = (folder.join("from"), folder.join("to"));
        let file = blocking::File::create(&from).unwrap();
        file.set_len(LENGTH).unwrap();
        file.write_all_at(b"first", 0).unwrap();
        file.write_all_at(b"middle", LENGTH / 2 + 5).unwrap();
        // The longer file that was there before leaves nothing behind.
        blocking::write(&to, [7; 100_000]).unwrap();
        assert_eq!(fs::copy(&from, &to).await?, LENGTH);
        let copy = blocking::File::open(&to).unwrap();
        let metadata = copy.metadata().unwrap();
        assert_eq!(metadata.len(), LENGTH);
        assert!(metadata.blocks() * 512 < 1 << 20, "{} blocks", metadata.blocks());
        let text = |position, length| {
            let mut text = vec![1; length];
            copy.read_exact_at(&mut text, position).unwrap();
            String::from_utf8(text).unwrap()
        };
        assert_eq!(text(0, 7), "first\0\0");
        assert_eq!(text(LENGTH / 2 + 4, 8), "\0middle\0");
        assert_eq!(text(LENGTH - 2, 2), "\0\0");
        file.set_len(0).unwrap();
        assert_eq!(fs::copy(&from, &to).await?, 0);
        file.set_len(1 << 20).unwrap();
        assert_eq!(fs::copy(&from, &to).await?, 1 << 20);
        Ok(())
    });
}

#[test]
fn a_copy_is_as_long_as_what_is_read_whatever_the_file_says() {
    on_each_backend(async |folder| {
        let to = folder.join("to");
        assert!(fs::copy("/proc/self/status", &to).await? > 100);
        // These say that they have a page, and take no room, as if they were one hole.
        for told in ["/sys/class/net/lo/mtu", "/sys/devices/system/cpu/possible", "/proc/version"] {
            let Ok(contents) = blocking::read(told) else { continue };
            assert_eq!(fs::copy(told, &to).await?, contents.len() as u64, "{told}");
            assert_eq!(blocking::read(&to)?, contents, "{told}");
        }
        Ok(())
    });
}

#[test]
fn permissions_owners_and_times_are_set_by_path() {
    on_each_backend(async |folder| {
        let (file, link) = (folder.join("file"), folder.join("link"));
        blocking::write(&file, "")?;
        symlink("file", &link)?;
        fs::set_permissions(&link, fs::Permissions::from_mode(0o604)).await?;
        assert_eq!(fs::metadata(&file).await?.mode() & 0o7777, 0o604);
        let own = fs::metadata(&file).await?;
        fs::chown(&link, Some(own.uid()), Some(own.gid())).await?;
        fs::lchown(&link, Some(own.uid()), None).await?;
        let then = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 5000);
        fs::set_times(&link, None, Some(then)).await?;
        assert_eq!(fs::symlink_metadata(&link).await?.modified()?, then);
        assert_ne!(fs::metadata(&link).await?.modified()?, then);
        fs::set_times(&file, Some(then), Some(then)).await?;
        assert_eq!(fs::metadata(&file).await?.accessed()?, then);
        Ok(())
    });
}

#[test]
fn extended_attributes_are_set_listed_and_removed() {
    on_each_backend(async |folder| {
        let file = folder.join("file");
        blocking::write(&file, "")?;
        match fs::set_xattr(&file, "user.origin", "here").await {
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => return Ok(()),
            result => result?,
        }
        assert_eq!(fs::get_xattr(&file, "user.origin").await?.as_deref(), Some(&b"here"[..]));
        assert_eq!(fs::list_xattrs(&file).await?, ["user.origin"]);
        fs::remove_xattr(&file, "user.origin").await?;
        assert_eq!(fs::get_xattr(&file, "user.origin").await?, None);
        assert!(fs::remove_xattr(&file, "user.origin").await.is_err());
        Ok(())
    });
}

#[test]
fn a_listing_has_every_entry_once() {
    on_each_backend(async |folder| {
        let mut expected = BTreeSet::new();
        for number in 0..1500 {
            blocking::write(folder.join(&format!("file-{number}")), "")?;
            expected.insert(OsString::from(format!("file-{number}")));
        }
        blocking::create_dir(folder.join("folder"))?;
        expected.insert("folder".into());
        let mut entries = fs::read_dir(folder.join(".")).await?;
        let mut found = BTreeSet::new();
        while let Some(entry) = entries.next().await? {
            assert_eq!(entry.file_type().is_dir(), entry.file_name() == "folder");
            assert_eq!(entry.metadata().await?.ino(), entry.ino());
            assert!(found.insert(entry.file_name().to_owned()));
        }
        assert_eq!(found, expected);
        assert!(entries.next().await?.is_none());
        let error = fs::read_dir(folder.join("missing")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        Ok(())
    });
}

/// Files `a.rs`, `b.RS`, `sub/c.rs`, `sub/deep/d.rs`, `sub/deep/e.txt`, a link `loop` in `sub/deep` to the top.
fn make_tree(folder: &Folder) {
    blocking::create_dir_all(folder.join("sub/deep")).unwrap();
    for name in ["a.rs", "b.RS", "sub/c.rs", "sub/deep/d.rs", "sub/deep/e.txt"] {
        blocking::write(folder.join(name), name).unwrap();
    }
    symlink("../..", folder.join("sub/deep/loop")).unwrap();
    symlink("sub/deep", folder.join("into")).unwrap();
}

async fn all(mut walk: fs::Walk, folder: &Folder) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    while let Some(entry) = walk.next().await? {
        paths.push(relative(&entry.path(), folder));
    }
    paths.sort();
    Ok(paths)
}

fn relative(path: &Path, folder: &Folder) -> String {
    let path = path.strip_prefix(folder.join("")).unwrap_or_else(|_| panic!("{path:?} is elsewhere"));
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_walk_finds_everything_once_and_never_goes_in_circles() {
    on_each_backend(async |folder| {
        make_tree(folder);
        let expected = [
            "a.rs",
            "b.RS",
            "into",
            "sub",
            "sub/c.rs",
            "sub/deep",
            "sub/deep/d.rs",
            "sub/deep/e.txt",
            "sub/deep/loop",
        ];
        for concurrency in [0, 1, 3, 100] {
            assert_eq!(all(fs::walk(folder.join("")).concurrency(concurrency), folder).await?, expected);
        }
        let top = all(fs::walk(folder.join("")).max_depth(1), folder).await?;
        assert_eq!(top, ["a.rs", "b.RS", "into", "sub"]);
        let followed = all(fs::walk(folder.join("")).follow_links(true), folder).await?;
        assert!(followed.contains(&"into/d.rs".into()), "{followed:?}");
        assert!(!followed.contains(&"sub/deep/loop/a.rs".into()), "{followed:?}");
        Ok(())
    });
}

#[test]
fn a_walk_names_the_folder_it_cannot_read_and_goes_on() {
    on_each_backend(async |folder| {
        let mut walk = fs::walk(folder.join("missing"));
        let error = walk.next().await.unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
        assert!(walk.next().await?.is_none());
        Ok(())
    });
}

#[test]
fn a_walk_goes_on_after_a_cancellation_without_losing_anything() {
    on_each_backend(async |folder| {
        make_tree(folder);
        let mut walk = fs::walk(folder.join("")).concurrency(2);
        let mut paths = Vec::new();
        loop {
            let scope = CancelScope::new();
            let cancelled = scope
                .run(async || {
                    scope.cancel();
                    walk.next().await
                })
                .await?;
            assert!(cancelled.is_none());
            match move_on_after(Duration::ZERO, walk.next()).await? {
                Some(Some(entry)) => paths.push(relative(&entry.path(), folder)),
                Some(None) => break,
                None => match walk.next().await? {
                    Some(entry) => paths.push(relative(&entry.path(), folder)),
                    None => break,
                },
            }
        }
        paths.sort();
        assert_eq!(paths, all(fs::walk(folder.join("")), folder).await?);
        Ok(())
    });
}

#[test]
fn patterns_find_what_matches_them() {
    on_each_backend(async |folder| {
        make_tree(folder);
        let find = async |pattern: &str, sensitive: bool, follow: bool| -> Result<Vec<String>> {
            let mut found = fs::glob(folder.join(pattern))?.case_sensitive(sensitive).follow_links(follow);
            let mut paths = Vec::new();
            while let Some(path) = found.next().await? {
                paths.push(relative(&path, folder));
            }
            paths.sort();
            Ok(paths)
        };
        assert_eq!(find("*.rs", true, false).await?, ["a.rs"]);
        assert_eq!(find("*.rs", false, false).await?, ["a.rs", "b.RS"]);
        assert_eq!(find("**/*.rs", true, false).await?, ["a.rs", "sub/c.rs", "sub/deep/d.rs"]);
        assert_eq!(find("sub/*/?.{rs,txt}", true, false).await?, ["sub/deep/d.rs", "sub/deep/e.txt"]);
        assert_eq!(find("sub/c.rs", true, false).await?, ["sub/c.rs"]);
        assert_eq!(find("nowhere/*", true, false).await?, [] as [&str; 0]);
        assert!(find("**/d.rs", true, true).await?.contains(&"into/d.rs".into()));
        assert!(
            matches!(fs::glob("a[").unwrap_err(), Error::Io(error) if error.kind() == ErrorKind::InvalidInput)
        );
        let mut here: Vec<PathBuf> = Vec::new();
        let mut found = fs::glob("Cargo.*")?;
        while let Some(path) = found.next().await? {
            here.push(path);
        }
        assert!(here.contains(&PathBuf::from("Cargo.toml")), "{here:?}");
        Ok(())
    });
}

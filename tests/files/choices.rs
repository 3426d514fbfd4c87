//! Paths with all the choices that pathlib gives.

use crate::folder::on_each_backend;
use anyio::{MkdirOptions, Newlines, Path, TextFormat, TouchOptions, fs, streams::TextErrors};
use std::{
    cmp::Ordering,
    collections::BTreeSet,
    ffi::{CString, OsString},
    fs as blocking,
    io::ErrorKind,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    time::SystemTime,
};

#[test]
fn paths_are_joined_from_the_left_and_many_at_a_time_and_compared() {
    let (file, folder) = (Path::from("file"), Path::from("folder"));
    assert_eq!("/top" / &file, "/top/file");
    assert_eq!("/top" / file.clone(), "/top/file");
    assert_eq!(String::from("/top") / &file, "/top/file");
    assert_eq!(PathBuf::from("/top") / &folder / "file", "/top/folder/file");
    assert_eq!(std::path::Path::new("/top") / &Path::from("/other"), "/other");
    assert_eq!(folder.join_all(["a", "b"]).join_all([&file]), "folder/a/b/file");
    assert_eq!(file.join_all([] as [&str; 0]), file);
    assert_eq!(file.partial_cmp(&PathBuf::from("folder")), Some(Ordering::Less));
    assert!(folder > *std::path::Path::new("file"));
}

#[test]
fn patterns_match_in_any_case_where_that_is_asked_for() {
    let path = Path::from("Photos/Summer/IMG_1.JPG");
    assert!(!path.matches("*.jpg").unwrap() && path.matches_in_any_case("*.jpg").unwrap());
    assert!(!path.full_match("photos/**").unwrap() && path.full_match_in_any_case("photos/**").unwrap());
    assert!(!path.matches_in_any_case("*.png").unwrap());
    assert!(!path.full_match_in_any_case("*.jpg").unwrap());
    assert!(path.matches_in_any_case("[").is_err());
}

#[test]
fn all_questions_agree_on_what_is_not_there() {
    on_each_backend(async |folder| {
        let top = Path::from(folder.join(""));
        let (file, circle, dangling) = (&top / "file", &top / "circle", &top / "dangling");
        file.touch().await?;
        circle.symlink_to(&circle).await?;
        dangling.symlink_to("nowhere").await?;
        for nothing in [&top / "missing", &file / "below", &circle / "below"] {
            let info = nothing.info();
            let answers = [
                nothing.exists().await?,
                nothing.lexists().await?,
                nothing.is_file().await?,
                nothing.is_dir().await?,
                nothing.is_symlink().await?,
                nothing.is_file_itself().await?,
                info.exists().await?,
                info.lexists().await?,
                info.is_file().await?,
            ];
            assert_eq!(answers, [false; 9], "{}", nothing.display());
        }
        for link in [&circle, &dangling] {
            assert!(!link.exists().await? && link.lexists().await? && !link.is_file().await?);
        }
        Ok(())
    });
}

#[test]
fn what_is_known_of_a_path_is_remembered_with_and_without_following() {
    on_each_backend(async |folder| {
        let top = Path::from(folder.join(""));
        let (file, link, to_folder) = (&top / "file", &top / "link", &top / "to-folder");
        file.touch().await?;
        link.symlink_to("file").await?;
        to_folder.symlink_to(".").await?;
        assert!(link.is_file().await? && !link.is_file_itself().await? && file.is_file_itself().await?);
        assert!(to_folder.is_dir().await? && !to_folder.is_dir_itself().await? && top.is_dir_itself().await?);
        let (info, of_folder, of_file) = (link.info(), to_folder.info(), file.info());
        assert!(info.is_file().await? && !info.is_file_itself().await? && info.is_symlink().await?);
        assert!(of_folder.is_dir().await? && !of_folder.is_dir_itself().await?);
        assert!(of_file.is_file_itself().await?);
        file.unlink().await?;
        link.unlink().await?;
        assert!(info.exists().await? && info.lexists().await? && info.is_symlink().await?);
        assert!(of_file.exists().await?, "of what is no link both are known");
        assert!(!link.info().lexists().await?);
        Ok(())
    });
}

#[test]
fn folders_are_made_with_their_mode_with_those_above_and_where_they_are_already() {
    on_each_backend(async |folder| {
        let top = Path::from(folder.join(""));
        let (deep, file) = (&top / "a" / "b" / "c", &top / "file");
        let options = MkdirOptions::new().mode(0o700);
        assert_eq!(deep.mkdir_with(options.exist_ok(true)).await.unwrap_err().kind(), ErrorKind::NotFound);
        deep.mkdir_with(options.parents(true)).await?;
        assert_eq!(deep.stat().await?.mode() & 0o7777, 0o700);
        assert_ne!((&top / "a").stat().await?.mode() & 0o077, 0, "those above have the usual mode");
        for refused in [options, options.parents(true)] {
            assert_eq!(deep.mkdir_with(refused).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        }
        deep.mkdir_with(options.exist_ok(true)).await?;
        file.touch().await?;
        let refused = file.mkdir_with(options.exist_ok(true)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        Ok(())
    });
}

#[test]
fn a_file_is_touched_with_its_mode_and_only_if_it_may_be_there() {
    on_each_backend(async |folder| {
        let top = Path::from(folder.join(""));
        let (file, pipe, link) = (&top / "file", &top / "pipe", &top / "link");
        let options = TouchOptions::new().mode(0o600).exist_ok(false);
        file.touch_with(options).await?;
        assert_eq!(file.stat().await?.mode() & 0o7777, 0o600);
        assert_eq!(file.touch_with(options).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        let name = CString::new(pipe.as_os_str().as_bytes()).unwrap();
        // SAFETY: the name ends in a zero byte.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        (&top / "inner").mkdir().await?;
        link.symlink_to("inner").await?;
        assert!(pipe.is_fifo().await? && !file.is_fifo().await?);
        for path in [&file, &pipe, &link] {
            fs::set_times(path.canonicalize().await?, None, Some(SystemTime::UNIX_EPOCH)).await?;
            path.touch().await?;
            assert!(path.stat().await?.modified()? > SystemTime::UNIX_EPOCH, "{}", path.display());
        }
        let missing = (&top / "no" / "such").touch().await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        Ok(())
    });
}

#[test]
fn permissions_are_set_without_following() {
    on_each_backend(async |folder| {
        let top = Path::from(folder.join(""));
        let (file, link) = (&top / "file", &top / "link");
        file.touch().await?;
        link.symlink_to("file").await?;
        file.lchmod(0o640).await?;
        assert_eq!(file.stat().await?.mode() & 0o7777, 0o640);
        // Links have modes on some hosts; on Linux they have none. What the link leads to is left alone.
        if let Err(error) = link.lchmod(0o600).await {
            assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP));
        }
        assert_eq!(file.stat().await?.mode() & 0o7777, 0o640);
        Ok(())
    });
}

#[test]
fn copies_follow_links_everywhere_nowhere_or_at_first() {
    on_each_backend(async |folder| {
        let top = Path::from(folder.join("top"));
        top.mkdir().await?;
        (&top / "file").write_text("text").await?;
        (&top / "link").symlink_to("file").await?;
        (&top / "inner").mkdir().await?;
        (&top / "inner" / "up").symlink_to("../file").await?;
        let first = Path::from(folder.join("first"));
        first.symlink_to("top").await?;

        let usual = first.copying().to(folder.join("usual")).await?;
        assert!(usual.is_dir_itself().await? && (&usual / "link").is_symlink().await?);
        let followed = first.copying().follow_links(true).metadata(true).to(folder.join("followed")).await?;
        assert!((&followed / "link").is_file_itself().await?);
        assert_eq!((&followed / "inner" / "up").read_text().await?, "text");
        let modified = async |path: &Path| (path / "link").stat().await?.modified();
        assert_eq!(modified(&followed).await?, modified(&top).await?);
        let link = first.copying().follow_links(false).to(folder.join("link")).await?;
        assert_eq!(link.readlink().await?, "top");
        blocking::create_dir(folder.join("into")).unwrap();
        let within = top.copying().follow_links(false).into_folder(folder.join("into")).await?;
        assert_eq!(within, folder.join("into/top"));
        assert!((&within / "link").is_symlink().await?);

        // What would never end is refused.
        (&top / "inner" / "circle").symlink_to("..").await?;
        let refused = top.copying().follow_links(true).to(folder.join("endless")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn a_walk_follows_links_to_folders_and_never_goes_in_circles() {
    on_each_backend(async |folder| {
        let top = Path::from(folder.join("top"));
        (&top / "a" / "b").create_dir_all().await?;
        blocking::create_dir(folder.join("outside")).unwrap();
        blocking::write(folder.join("outside/file"), "").unwrap();
        (&top / "a" / "up").symlink_to("..").await?;
        (&top / "out").symlink_to("../outside").await?;
        (&top / "dangling").symlink_to("nowhere").await?;
        for bottom_up in [false, true] {
            let mut walk = top.walk_folders().follow_links(true).bottom_up(bottom_up);
            let mut found = BTreeSet::new();
            while let Some(folder) = walk.next().await? {
                let names = |mut names: Vec<OsString>| {
                    names.sort();
                    names.join(OsString::from(" ").as_os_str()).into_string().unwrap()
                };
                let path = folder.path.relative_to(&top)?.as_posix();
                assert!(found.insert((path, names(folder.folders), names(folder.files))));
            }
            let expected =
                [("", "a out", "dangling"), ("a", "b up", ""), ("a/b", "", ""), ("out", "", "file")];
            let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
            assert_eq!(found, BTreeSet::from(expected));
        }
        let mut walk = top.walk_folders();
        let first = walk.next().await?.unwrap();
        assert_eq!(first.folders, ["a"]);
        assert_eq!(first.files.len(), 2);
        Ok(())
    });
}

#[test]
fn text_is_read_and_written_in_other_encodings_and_with_other_newlines() {
    on_each_backend(async |folder| {
        let path = Path::from(folder.join("text"));
        let utf8 = TextFormat::new();
        path.write_text_as("one\r\ntwo\rthree\n", utf8).await?;
        assert_eq!(path.read_text_as(utf8).await?, "one\r\ntwo\rthree\n");
        assert_eq!(path.read_text_as(utf8.newlines(Newlines::Any)).await?, "one\ntwo\nthree\n");
        for (newlines, bytes) in
            [(Newlines::CrLf, "a\r\nb\r\n"), (Newlines::Cr, "a\rb\r"), (Newlines::Any, "a\nb\n")]
        {
            path.write_text_as("a\nb\n", utf8.newlines(newlines)).await?;
            assert_eq!(path.read_bytes().await?, bytes.as_bytes());
        }
        let latin = utf8.encoding("latin1")?;
        path.write_text_as("grüße", latin).await?;
        assert_eq!(path.read_bytes().await?, b"gr\xfc\xdfe");
        assert_eq!(path.read_text_as(latin).await?, "grüße");
        let error = path.read_text_as(utf8).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains("text"), "{error}");
        assert_eq!(path.read_text_as(utf8.errors(TextErrors::Replace)).await?, "gr\u{fffd}\u{fffd}e");
        // A character that does not exist leaves the file as it was.
        assert_eq!(path.write_text_as("日", latin).await.unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(path.read_text_as(latin).await?, "grüße");
        path.write_text_as("日", latin.errors(TextErrors::Replace)).await?;
        assert_eq!(path.read_bytes().await?, b"?");
        for (name, bytes) in [("utf-16le", [0xe5, 0x65]), ("utf-16be", [0x65, 0xe5])] {
            let format = utf8.encoding(name)?;
            path.write_text_as("日", format).await?;
            assert_eq!(path.read_bytes().await?, bytes);
            assert_eq!(path.read_text_as(format).await?, "日");
        }
        assert_eq!(utf8.encoding("no such").unwrap_err().kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn the_limiter_of_files_is_another_than_that_of_functions_and_can_be_changed() {
    on_each_backend(async |folder| {
        let (files, functions) =
            (fs::current_thread_limiter(), anyio::to_thread::current_default_thread_limiter());
        files.set_total_tokens(1);
        functions.set_total_tokens(7);
        assert_eq!((files.total_tokens(), functions.total_tokens()), (1, 7));
        assert_eq!(fs::canonicalize(folder.join("")).await?, folder.join("").canonicalize()?);
        Ok(())
    });
}

#[test]
fn a_search_below_ignores_case_and_follows_links_where_that_is_asked_for() {
    on_each_backend(async |folder| {
        let top = Path::from(folder.join("top"));
        (&top / "inner").create_dir_all().await?;
        blocking::create_dir(folder.join("outside")).unwrap();
        blocking::write(folder.join("outside/c.TXT"), "").unwrap();
        (&top / "a.txt").touch().await?;
        (&top / "inner" / "b.TXT").touch().await?;
        (&top / "inner" / "out").symlink_to("../../outside").await?;
        (&top / "inner" / "up").symlink_to("..").await?;
        let found = async |sensitive, follow| {
            let mut search = top.rglob("*.txt")?.case_sensitive(sensitive).follow_links(follow);
            let mut names = BTreeSet::new();
            while let Some(path) = search.next().await? {
                assert!(names.insert(Path::from(path).relative_to(&top)?.as_posix()));
            }
            anyio::Ok(Vec::from_iter(names))
        };
        assert_eq!(found(true, false).await?, ["a.txt"]);
        assert_eq!(found(false, false).await?, ["a.txt", "inner/b.TXT"]);
        assert_eq!(found(true, true).await?, ["a.txt"]);
        assert_eq!(found(false, true).await?, ["a.txt", "inner/b.TXT", "inner/out/c.TXT"]);
        Ok(())
    });
}

use crate::folder::on_each_backend;
use anyio::{
    CancelScope, Error, Path, Result,
    streams::{BufferedByteStream, ByteSendStream},
    tempfile::{self, Builder, NamedTemporaryFile, SpooledTemporaryFile, TemporaryDirectory},
};
use std::io::SeekFrom;

#[test]
fn a_nameless_file_is_written_and_read_and_leaves_nothing() {
    on_each_backend(async |folder| {
        let mut file = Builder::new().directory(folder.join("")).file().await?;
        file.write_all("scratch").await.0?;
        file.rewind().await?;
        let (count, text) = file.read_to_string(String::new()).await;
        assert_eq!((count?, text.as_str()), (7, "scratch"));
        assert_eq!(std::fs::read_dir(folder.join(""))?.count(), 0);
        file.close().await
    });
}

#[test]
fn a_named_file_is_there_until_it_is_closed_or_dropped() {
    on_each_backend(async |folder| {
        let builder = Builder::new().directory(folder.join("")).prefix("a-").suffix(".txt");
        let mut closed = builder.clone().named_file().await?;
        let name = closed.path().name().to_str().unwrap().to_owned();
        assert!(name.starts_with("a-") && name.ends_with(".txt"), "{name}");
        closed.write_all("contents").await.0?;
        assert_eq!(closed.path().read_text().await?, "contents");
        let dropped = builder.clone().named_file().await?;
        let paths = [closed.path().clone(), dropped.path().clone()];
        let scope = CancelScope::new();
        scope
            .run(async || -> Result<()> {
                scope.cancel();
                closed.close().await
            })
            .await?
            .expect("closing is not cancelled");
        drop(dropped);
        for path in paths {
            assert!(!path.exists().await?, "{path:?}");
        }
        let (kept, path) = builder.named_file().await?.keep()?;
        kept.close().await?;
        assert!(path.exists().await?);
        Ok(())
    });
}

#[test]
fn a_cancellation_that_leads_past_a_temporary_file_removes_it() {
    on_each_backend(async |folder| {
        let directory = folder.join("");
        let scope = CancelScope::new();
        let result = scope
            .run(async || -> Result<()> {
                let builder = Builder::new().directory(&directory);
                let _file = builder.clone().named_file().await?;
                let inner = builder.folder().await?;
                (inner.path() / "file").touch().await?;
                scope.cancel();
                anyio::lowlevel::checkpoint().await?;
                unreachable!("the checkpoint tells of the cancellation")
            })
            .await?;
        assert_eq!(result, None);
        assert_eq!(std::fs::read_dir(&directory)?.count(), 0);
        Ok(())
    });
}

#[test]
fn a_persisted_file_replaces_what_was_there() {
    on_each_backend(async |folder| {
        let target = Path::from(folder.join("target"));
        target.write_text("old").await?;
        let mut file = Builder::new().directory(folder.join("")).named_file().await?;
        file.write_all("new").await.0?;
        file.persist(&target).await?.close().await?;
        assert_eq!(target.read_text().await?, "new");
        let lost = Builder::new().directory(folder.join("")).named_file().await?;
        assert!(lost.persist(folder.join("no/such/folder")).await.is_err());
        assert_eq!(std::fs::read_dir(folder.join(""))?.count(), 1);
        Ok(())
    });
}

#[test]
fn a_folder_goes_with_all_that_is_in_it() {
    on_each_backend(async |_| {
        let closed = TemporaryDirectory::new().await?;
        let dropped = TemporaryDirectory::new().await?;
        let paths = [closed.path().clone(), dropped.path().clone()];
        for path in &paths {
            (path / "a" / "b").create_dir_all().await?;
            (path / "a" / "file").touch().await?;
        }
        closed.close().await?;
        drop(dropped);
        for path in &paths {
            assert!(!path.exists().await?);
            assert!((path / "file").write_text("no").await.is_err());
        }
        let kept = TemporaryDirectory::new().await?.keep();
        assert!(kept.is_dir().await?);
        kept.rmdir().await
    });
}

#[test]
fn a_spooled_file_moves_to_the_disk_only_beyond_its_bound() {
    on_each_backend(async |folder| {
        let mut file = Builder::new().directory(folder.join("")).spooled_file(10);
        file.write_all("01234").await.0?;
        file.write_all("56789").await.0?;
        assert!(!file.is_rolled_over(), "exactly the bound stays in memory");
        assert_eq!(file.seek(SeekFrom::Start(2)).await?, 2);
        let (count, buffer) = file.read([0u8; 4]).await;
        assert_eq!((count?, &buffer), (4, b"2345"));
        file.write_all("x").await.0?;
        assert!(!file.is_rolled_over());
        assert_eq!(file.seek(SeekFrom::End(0)).await?, 10);
        file.write_all("y").await.0?;
        assert!(file.is_rolled_over());
        assert_eq!(file.stream_position()?, 11);
        file.rewind().await?;
        let (count, contents) = file.read_to_end(Vec::new()).await;
        assert_eq!((count?, &contents[..]), (11, &b"012345x789y"[..]));
        file.set_len(3).await?;
        file.rollover().await?;
        assert_eq!(file.seek(SeekFrom::End(0)).await?, 3);
        file.close().await
    });
}

#[test]
fn a_spooled_file_is_a_stream_with_lines_in_memory_and_on_the_disk() {
    on_each_backend(async |folder| {
        for rolled in [false, true] {
            let mut file = Builder::new().directory(folder.join("")).spooled_file(100);
            if rolled {
                file.rollover().await?;
            }
            let written = file.write("one\ntwo\r\n").await.0?;
            ByteSendStream::send(&mut file, &"one\ntwo\r\n"[written..]).await?;
            ByteSendStream::send(&mut file, "three").await?;
            file.rewind().await?;
            assert_eq!(file.read_lines().await?, ["one", "two", "three"]);
            file.rewind().await?;
            let (result, exactly) = file.read_exact([0u8; 4]).await;
            result?;
            assert_eq!(&exactly, b"one\n");
            let (result, _) = file.read_exact([0u8; 11]).await;
            assert!(matches!(result, Err(Error::IncompleteRead)));
            file.seek(SeekFrom::Start(4)).await?;
            let mut lines = BufferedByteStream::new(file);
            assert_eq!(lines.receive_line(100).await?.as_deref(), Some("two"));
            assert_eq!(lines.receive_line(100).await?.as_deref(), Some("three"));
            assert_eq!(lines.receive_line(100).await?, None);
            let (mut file, _) = lines.into_inner();
            file.write(vec![0xff]).await.0?;
            file.rewind().await?;
            let wrong = file.read_lines().await.unwrap_err();
            assert_eq!(wrong.kind(), std::io::ErrorKind::InvalidData);
            assert_eq!(file.is_rolled_over(), rolled);
            let (count, _) = file.write(vec![b'x'; 100]).await;
            assert!(count? > 0 && file.is_rolled_over());
            file.close_sending().await?;
        }
        Ok(())
    });
}

#[test]
fn a_folder_in_which_something_cannot_be_removed_is_left_if_errors_are_ignored() {
    on_each_backend(async |folder| {
        let within = Builder::new().directory(folder.join("")).folder().await?;
        (within.path() / "file").write_text("x").await?;
        let path = within.path().clone();
        within.close_ignoring_errors().await?;
        assert!(!path.exists().await?);
        // One that is gone already cannot be removed.
        for ignored in [false, true] {
            let within = Builder::new().directory(folder.join("")).folder().await?;
            within.path().rmdir().await?;
            match ignored {
                true => within.close_ignoring_errors().await?,
                false => assert!(within.close().await.is_err()),
            }
        }
        Ok(())
    });
}

#[test]
fn a_spooled_file_moves_to_the_disk_when_there_is_no_memory_for_it() {
    on_each_backend(async |folder| {
        const FAR: u64 = 1 << 62;
        let mut file = Builder::new().directory(folder.join("")).spooled_file(usize::MAX);
        file.write_all("hello").await.0?;
        assert!(!file.is_rolled_over());
        // Few file systems have files that are as long as this.
        let lengthened = file.set_len(FAR).await;
        assert!(file.is_rolled_over());
        assert_eq!(lengthened.is_ok(), file.seek(SeekFrom::End(0)).await? == FAR, "{lengthened:?}");
        let mut file = Builder::new().directory(folder.join("")).spooled_file(usize::MAX);
        file.seek(SeekFrom::Start(FAR)).await?;
        let written = file.write_all("hello").await.0;
        assert!(file.is_rolled_over());
        assert_eq!(written.is_ok(), file.seek(SeekFrom::End(0)).await? == FAR + 5, "{written:?}");
        Ok(())
    });
}

#[test]
fn a_spooled_file_has_gaps_of_zeroes_and_ends_where_its_contents_do() {
    on_each_backend(async |_| {
        let mut file = SpooledTemporaryFile::new(100);
        file.seek(SeekFrom::Start(3)).await?;
        assert_eq!(file.read([0u8; 4]).await.0?, 0);
        file.write_all("end").await.0?;
        file.set_len(7).await?;
        assert!(file.seek(SeekFrom::Current(-9)).await.is_err());
        file.rollover().await?;
        assert_eq!(file.stream_position()?, 6);
        file.rewind().await?;
        let (_, contents) = file.read_to_end(Vec::new()).await;
        assert_eq!(contents, b"\0\0\0end\0");
        Ok(())
    });
}

#[test]
fn files_and_folders_that_stay_are_made_where_they_belong() {
    on_each_backend(async |_| {
        let (file, path) = tempfile::mkstemp().await?;
        assert_eq!(path.parent(), Some(tempfile::gettempdir()));
        file.close().await?;
        path.unlink().await?;
        let folder = tempfile::mkdtemp().await?;
        assert_eq!(folder.parent(), Some(tempfile::gettempdir()));
        folder.rmdir().await?;
        let nowhere = Builder::new().directory("/no/such/folder").named_file().await;
        assert!(nowhere.unwrap_err().to_string().contains("/no/such/folder"));
        assert!(NamedTemporaryFile::new().await?.path().is_file().await?);
        Ok(())
    });
}

/// The mask belongs to the process, so each is tried in one of its own.
#[test]
fn whatever_the_mask_temporary_files_are_their_makers_alone() {
    const MASK: &str = "ANYIO_TEST_MASK";
    const NAME: &str = "tempfile::whatever_the_mask_temporary_files_are_their_makers_alone";
    let Ok(mask) = std::env::var(MASK) else {
        for mask in ["0", "18", "511"] {
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            let child = child.args(["--exact", NAME]).env(MASK, mask).output().unwrap();
            let text = String::from_utf8_lossy(&child.stdout);
            assert!(child.status.success() && text.contains("1 passed"), "with the mask {mask}: {text}");
        }
        return;
    };
    on_each_backend(async |folder| {
        // SAFETY: takes a number only.
        unsafe { libc::umask(mask.parse().unwrap()) };
        let builder = Builder::new().directory(folder.join(""));
        let (named, inner) = (builder.clone().named_file().await?, builder.clone().folder().await?);
        let nameless = builder.clone().file().await?;
        let mut spooled = builder.spooled_file(10);
        spooled.rollover().await?;
        let mut modes = vec![named.path().stat().await?.mode(), nameless.metadata().await?.mode()];
        modes.push(inner.path().stat().await?.mode());
        (inner.path() / "file").write_text("can be written").await?;
        for mode in &mut modes {
            *mode &= 0o7777;
        }
        assert_eq!(modes, [0o600, 0o600, 0o700]);
        named.close().await?;
        inner.close().await?;
        // SAFETY: takes a number only.
        unsafe { libc::umask(0o022) };
        Ok(())
    });
}

#[test]
fn names_do_not_lead_out_of_the_folder() {
    on_each_backend(async |folder| {
        let inner = folder.join("inner");
        std::fs::create_dir(&inner)?;
        let builder = || Builder::new().directory(&inner);
        for bad in ["../out", "/tmp/out", "a/b", "zero\0byte"] {
            for builder in [builder().prefix(bad), builder().suffix(bad)] {
                let errors = [
                    builder.clone().file().await.err(),
                    builder.clone().named_file().await.err(),
                    builder.clone().folder().await.err(),
                ];
                for error in errors {
                    let error = error.unwrap_or_else(|| panic!("{bad:?} was taken"));
                    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{error}");
                }
            }
        }
        assert_eq!(std::fs::read_dir(&inner)?.count(), 0);
        assert_eq!(std::fs::read_dir(folder.join(""))?.count(), 1);
        Ok(())
    });
}

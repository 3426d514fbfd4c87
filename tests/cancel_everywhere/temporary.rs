//! Temporary files and folders.

use crate::{
    scratch::Folder,
    sentences::{cancelled, cut_short, nothing_is_lost},
};
use anyio::tempfile::{
    self, Builder, NamedTemporaryFile, SpooledTemporaryFile, TemporaryDirectory, TemporaryFile,
};
use std::io::SeekFrom;

/// "What was made is given, or removed": the folder is empty again, or has what came out.
macro_rules! given_or_removed {
    ($($make:expr => |$given:ident| $end:expr;)*) => {$({
        cut_short(
            async || Folder::new(),
            async |folder| {
                let make = |folder: &Folder| Builder::new().directory(folder.path());
                let $given = $make(make(folder)).await?;
                $end
            },
            async |folder, _| {
                // A thread may be at work on it that nobody waits for.
                while !folder.is_empty() {
                    anyio::sleep(std::time::Duration::from_millis(1)).await.unwrap();
                }
            },
        )
        .await;
    })*};
}

#[anyio::test]
async fn what_is_temporary_is_given_or_removed() {
    covers![
        "tempfile/directory::Builder::folder",
        "tempfile/directory::TemporaryDirectory::close",
        "tempfile/directory::TemporaryDirectory::close_ignoring_errors",
        "tempfile/named::Builder::named_file",
        "tempfile/named::NamedTemporaryFile::close",
        "tempfile/nameless::Builder::file",
        "tempfile/nameless::TemporaryFile::close"
    ];
    given_or_removed! {
        Builder::folder => |given| given.close().await;
        Builder::folder => |given| given.close_ignoring_errors().await;
        Builder::named_file => |given| given.close().await;
        Builder::file => |given| given.close().await;
    }
}

#[anyio::test]
async fn what_is_made_in_the_systems_folder_leaves_nothing_open() {
    covers![
        "tempfile::mkstemp",
        "tempfile::mkdtemp",
        "tempfile/directory::TemporaryDirectory::new",
        "tempfile/named::NamedTemporaryFile::new",
        "tempfile/nameless::TemporaryFile::new"
    ];
    nothing_is_lost(
        |_| (),
        async |_| {
            TemporaryDirectory::new().await?.close().await?;
            NamedTemporaryFile::new().await?.close().await?;
            TemporaryFile::new().await?.close().await
        },
    )
    .await;
    cut_short(
        async || (None, None),
        async |(file, folder)| {
            *file = Some(tempfile::mkstemp().await?);
            *folder = Some(tempfile::mkdtemp().await?);
            anyio::Ok(())
        },
        async |(file, folder), _| {
            if let Some((file, path)) = file {
                file.close().await.unwrap();
                std::fs::remove_file(path).unwrap();
            }
            if let Some(folder) = folder {
                std::fs::remove_dir(folder).unwrap();
            }
        },
    )
    .await;
}

#[anyio::test]
async fn a_file_is_persisted_or_not() {
    covers!["tempfile/named::NamedTemporaryFile::persist"];
    cancelled(
        async || Folder::new(),
        async |folder| {
            let file = Builder::new().directory(folder.path()).named_file().await?;
            let path = folder.join("kept");
            file.persist(path).await.map(drop)
        },
        async |folder, value| assert_eq!(folder.has("kept"), value.is_some()),
    )
    .await;
}

#[anyio::test]
async fn what_is_in_memory_stays_there_or_is_in_a_file() {
    covers![
        "tempfile/spooled::SpooledTemporaryFile::rollover",
        "tempfile/spooled::SpooledTemporaryFile::read",
        "tempfile/spooled::SpooledTemporaryFile::read_exact",
        "tempfile/spooled::SpooledTemporaryFile::read_lines",
        "tempfile/spooled::SpooledTemporaryFile::read_to_end",
        "tempfile/spooled::SpooledTemporaryFile::write_all",
        "tempfile/spooled::SpooledTemporaryFile::write",
        "tempfile/spooled::SpooledTemporaryFile::seek",
        "tempfile/spooled::SpooledTemporaryFile::set_len",
        "tempfile/spooled::SpooledTemporaryFile::close"
    ];
    cancelled(
        async || (SpooledTemporaryFile::new(6), 0),
        async |(file, written)| {
            for piece in ["abc", "def", "ghi"] {
                let (result, _) = file.write_all(piece).await;
                *written += result.as_ref().map_or_else(|error| error.written, |()| 3);
                result.map_err(|error| error.error)?;
            }
            *written += file.write("jk").await.0?;
            anyio::Ok(())
        },
        async |(mut file, written), _| {
            file.rollover().await.unwrap();
            file.seek(SeekFrom::Start(0)).await.unwrap();
            let (result, contents) = file.read_to_end(Vec::new()).await;
            result.unwrap();
            assert_eq!(contents, b"abcdefghijk"[..written]);
            file.close().await.unwrap();
        },
    )
    .await;
    for limit in [0, 100] {
        cancelled(
            async || {
                let mut file = SpooledTemporaryFile::new(limit);
                file.write_all("one\ntwo\nthree").await.0.unwrap();
                file.seek(SeekFrom::Start(0)).await.unwrap();
                (Some(file), Vec::new())
            },
            async |(file, got)| {
                let open = file.as_mut().expect("it is open");
                let (result, buffer) = open.read(Vec::with_capacity(4)).await;
                got.extend(buffer);
                result?;
                let (result, buffer) = open.read_exact(Vec::with_capacity(4)).await;
                got.extend(buffer);
                result?;
                open.rollover().await?;
                got.extend(open.read_lines().await?.concat().bytes());
                open.set_len(3).await?;
                file.take().expect("it is open").close().await
            },
            async |(file, got), value| {
                assert!(b"one\ntwo\nthree".starts_with(&got));
                assert!(value.is_none() || got.len() == 13);
                if let Some(file) = file {
                    file.close().await.unwrap();
                }
            },
        )
        .await;
    }
}

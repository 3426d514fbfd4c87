//! Files.

use crate::{
    scratch::Folder,
    sentences::{cancelled, cut_short, nothing_is_lost, once_begun_is_awaited},
};
use anyio::{
    Result,
    fs::{self, Advice, File, FileReadStream, FileWriteStream, OpenOptions, Permissions},
    lowlevel::checkpoint,
    task_group,
};
use std::{
    cell::Cell,
    io::SeekFrom,
    os::unix::fs::{MetadataExt, PermissionsExt},
    time::{Duration, SystemTime},
};

const CONTENTS: &[u8; 40] = b"what is read and written in several step";

/// The file `a`, opened where no checkpoint is.
fn opened(folder: &Folder) -> File {
    std::fs::File::options().read(true).write(true).open(folder.join("a")).unwrap().into()
}

fn nothing(_: &Folder) {}

/// What a read has brought.
fn brought<T>((result, buffer): (Result<T>, Vec<u8>), got: &mut Vec<u8>) -> Result<()> {
    got.extend(buffer);
    result.map(drop)
}

/// "What was read before the cancellation came is given, and the cursor is behind it."
macro_rules! reads {
    ($test:ident: |$file:ident, $got:ident| $read:expr) => {
        $test(
            async || {
                let folder = Folder::with_file(CONTENTS);
                let file = opened(&folder);
                (folder, file, Vec::new())
            },
            async |(_, $file, $got)| {
                while $got.len() < CONTENTS.len() {
                    $read?;
                }
                anyio::Ok(())
            },
            async |(_folder, mut file, mut got), _| {
                got.extend(file.read_to_end(Vec::new()).await.1);
                assert_eq!(got, CONTENTS);
            },
        )
        .await
    };
}

#[anyio::test]
async fn what_was_read_is_given_and_the_cursor_is_behind_it() {
    covers![
        "fs/file/cursor::File::read",
        "fs/file/cursor::File::read_exact",
        "fs/file/cursor::File::read_vectored",
        "fs/file/cursor::File::read_to_end",
        "fs/file/positioned::File::read_at",
        "fs/file/positioned::File::read_exact_at",
        "fs/file/positioned::File::read_vectored_at"
    ];
    reads!(cut_short: |file, got| brought(file.read(Vec::with_capacity(7)).await, got));
    reads!(cut_short: |file, got| {
        let (result, buffers) = file.read_vectored(vec![Vec::with_capacity(3), Vec::with_capacity(5)]).await;
        brought((result, buffers.concat()), got)
    });
    reads!(cancelled: |file, got| {
        let length = (CONTENTS.len() - got.len()).min(20);
        brought(file.read_exact(Vec::with_capacity(length)).await, got)
    });
    reads!(cancelled: |file, got| brought(file.read_to_end(Vec::new()).await, got));
    let at = async |folder: &Folder| {
        let file = opened(folder);
        let (result, some) = file.read_at(Vec::with_capacity(5), 3).await;
        assert!(result? > 0 && b"tents".starts_with(&some));
        let (result, all) = file.read_exact_at(Vec::with_capacity(8), 0).await;
        result?;
        let (result, pieces) =
            file.read_vectored_at(vec![Vec::with_capacity(2), Vec::with_capacity(5)], 1).await;
        assert!(result? > 0 && b"ontents".starts_with(&pieces.concat()));
        Ok(all)
    };
    nothing_is_lost(nothing, at).await;
}

#[anyio::test]
async fn what_is_read_whole_is_read_again() {
    covers![
        "fs/contents::read",
        "fs/contents::read_to_string",
        "fs/file/cursor::File::read_to_string",
        "fs/file/cursor::File::read_lines",
        "fs/file/control::File::metadata"
    ];
    nothing_is_lost(nothing, async |f| fs::read(f.join("a")).await).await;
    nothing_is_lost(nothing, async |f| fs::read_to_string(f.join("a")).await).await;
    nothing_is_lost(nothing, async |f| {
        let (result, text) = opened(f).read_to_string(String::new()).await;
        result.map(|_| text)
    })
    .await;
    nothing_is_lost(nothing, async |f| opened(f).read_lines().await).await;
    nothing_is_lost(nothing, async |f| opened(f).metadata().await.map(|metadata| metadata.len())).await;
}

/// "What has begun is awaited", and how much was written is told.
macro_rules! writes {
    ($test:ident: |$file:ident, $from:ident| $write:expr) => {
        $test(
            async || {
                let folder = Folder::with_file("");
                let file = opened(&folder);
                (folder, file, Cell::new(0))
            },
            async |(_, $file, written)| {
                while written.get() < CONTENTS.len() {
                    let $from = written.get();
                    let (count, result): (usize, Result<()>) = $write;
                    written.set($from + count);
                    result?;
                }
                anyio::Ok(())
            },
            async |(folder, file, written), _| {
                file.close().await.unwrap();
                assert_eq!(folder.contents("a"), &CONTENTS[..written.get()]);
            },
        )
        .await
    };
}

fn counted<B>((result, _): (Result<usize>, B)) -> (usize, Result<()>) {
    match result {
        Ok(count) => (count, Ok(())),
        Err(error) => (0, Err(error)),
    }
}

fn told<B>(
    all: usize,
    (result, _): (std::result::Result<(), anyio::fs::WriteAllError>, B),
) -> (usize, Result<()>) {
    match result {
        Ok(()) => (all, Ok(())),
        Err(error) => (error.written, Err(error.error)),
    }
}

#[anyio::test]
async fn how_much_was_written_is_known() {
    covers![
        "fs/file/cursor::File::write",
        "fs/file/cursor::File::write_all",
        "fs/file/cursor::File::write_vectored",
        "fs/file/cursor::File::write_all_vectored",
        "fs/file/positioned::File::write_at",
        "fs/file/positioned::File::write_all_at",
        "fs/file/positioned::File::write_vectored_at"
    ];
    fn piece(from: usize) -> &'static [u8] {
        &CONTENTS[from..CONTENTS.len().min(from + 15)]
    }
    fn pieces(from: usize) -> Vec<&'static [u8]> {
        piece(from).chunks(4).collect()
    }
    writes!(cancelled: |file, from| counted(file.write(piece(from)).await));
    writes!(cancelled: |file, from| told(piece(from).len(), file.write_all(piece(from)).await));
    writes!(cancelled: |file, from| counted(file.write_vectored(pieces(from)).await));
    writes!(cancelled: |file, from| told(piece(from).len(), file.write_all_vectored(pieces(from)).await));
    writes!(cancelled: |file, from| counted(file.write_at(piece(from), from as u64).await));
    writes!(cancelled: |file, from| told(piece(from).len(), file.write_all_at(piece(from), from as u64).await));
    writes!(cancelled: |file, from| counted(file.write_vectored_at(pieces(from), from as u64).await));
}

#[anyio::test]
async fn what_is_written_whole_is_there_in_part_or_whole() {
    covers!["fs/contents::write", "fs/copy::copy"];
    cut_short(
        async || Folder::new(),
        async |f| fs::write(f.join("a"), CONTENTS).await,
        async |f, value| {
            assert!(value.is_none() && CONTENTS.starts_with(&f.contents("a")) || f.contents("a") == CONTENTS)
        },
    )
    .await;
    cut_short(
        async || Folder::with_file(CONTENTS),
        async |f| fs::copy(f.join("a"), f.join("b")).await,
        async |f, value| {
            assert!(value.is_none() && CONTENTS.starts_with(&f.contents("b")) || f.contents("b") == CONTENTS)
        },
    )
    .await;
}

#[anyio::test]
async fn the_cursor_stays_or_goes() {
    covers!["fs/file/cursor::File::seek"];
    cut_short(
        async || {
            let folder = Folder::with_file(CONTENTS);
            (opened(&folder), folder)
        },
        async |(file, _)| file.seek(SeekFrom::End(0)).await,
        async |(mut file, _folder), value| {
            assert_eq!(file.stream_position().unwrap(), value.unwrap_or(0));
        },
    )
    .await;
}

#[anyio::test]
async fn what_is_done_to_a_file_is_done_or_not() {
    covers![
        "fs/file/control::File::sync_all",
        "fs/file/control::File::sync_data",
        "fs/file/control::File::set_len",
        "fs/file/control::File::allocate",
        "fs/file/control::File::advise",
        "fs/file/control::File::set_permissions",
        "fs/file/control::File::chown",
        "fs/file/control::File::set_times"
    ];
    let length = |folder: &Folder| folder.contents("a").len();
    once_begun_is_awaited(nothing, async |f| opened(f).set_len(3).await, |f| length(f) == 3).await;
    once_begun_is_awaited(nothing, async |f| opened(f).allocate(0, 100).await, |f| length(f) == 100).await;
    let only_read = || Permissions::from_mode(0o400);
    let mode = |f: &Folder| f.join("a").metadata().unwrap().mode() & 0o777;
    once_begun_is_awaited(
        nothing,
        async |f| opened(f).set_permissions(only_read()).await,
        |f| mode(f) == 0o400,
    )
    .await;
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let modified = |f: &Folder| f.join("a").metadata().unwrap().modified().unwrap();
    once_begun_is_awaited(
        nothing,
        async |f| opened(f).set_times(None, Some(then)).await,
        |f| modified(f) == then,
    )
    .await;
    if let Some(group) = another_group() {
        let is_done = |f: &Folder| f.join("a").metadata().unwrap().gid() == group;
        once_begun_is_awaited(nothing, async |f| opened(f).chown(None, Some(group)).await, is_done).await;
    }
    nothing_is_lost(nothing, async |f| {
        let file = opened(f);
        file.advise(0, 0, Advice::Sequential).await?;
        file.sync_data().await?;
        file.sync_all().await
    })
    .await;
}

/// A group that files can be given to, which only the superuser may.
pub(crate) fn another_group() -> Option<u32> {
    // SAFETY: it only asks.
    (unsafe { libc::geteuid() } == 0).then_some(12_345)
}

#[anyio::test]
async fn a_lock_that_was_not_given_is_not_held() {
    covers![
        "fs/file/locking::File::lock",
        "fs/file/locking::File::lock_shared",
        "fs/file/locking::File::try_lock",
        "fs/file/locking::File::try_lock_shared",
        "fs/file/locking::File::unlock"
    ];
    macro_rules! locks {
        ($lock:ident, $try_lock:ident) => {
            cancelled(
                async || {
                    let folder = Folder::with_file("");
                    let (file, other) = (opened(&folder), opened(&folder));
                    assert!(other.try_lock().await.unwrap());
                    (folder, file, other)
                },
                async |(_, file, other)| {
                    task_group(async |tg| -> Result<()> {
                        tg.start_soon(async {
                            checkpoint().await?;
                            other.unlock().await
                        });
                        file.$lock().await
                    })
                    .await?;
                    assert!(file.$try_lock().await?);
                    anyio::Ok(())
                },
                async |(folder, file, other), value| {
                    other.unlock().await.unwrap();
                    // Whoever was given the lock may have been cut short later.
                    if value.is_none() {
                        file.unlock().await.unwrap();
                    }
                    drop(file);
                    assert!(opened(&folder).try_lock().await.unwrap());
                },
            )
            .await
        };
    }
    locks!(lock, try_lock);
    locks!(lock_shared, try_lock_shared);
    cancelled(
        async || {
            let folder = Folder::with_file("");
            (opened(&folder), opened(&folder), folder)
        },
        async |(file, _, _)| file.lock().await,
        async |(_file, other, _folder), value| {
            // Nobody else has it, so it was given or is not held.
            assert_eq!(other.try_lock().await.unwrap(), value.is_none());
        },
    )
    .await;
}

#[anyio::test]
async fn no_chunk_of_a_file_is_lost() {
    covers!["fs/read_stream::FileReadStream::receive", "fs/read_stream::FileReadStream::close"];
    cut_short(
        async || {
            let folder = Folder::with_file(CONTENTS);
            let stream = FileReadStream::from(opened(&folder)).chunk_size(9);
            (stream, Vec::new(), folder)
        },
        async |(stream, got, _)| {
            while let Some(chunk) = stream.receive().await? {
                got.extend_from_slice(&chunk);
            }
            anyio::Ok(())
        },
        async |(mut stream, mut got, _folder), _| {
            while let Some(chunk) = stream.receive().await.unwrap() {
                got.extend_from_slice(&chunk);
            }
            assert_eq!(got, CONTENTS);
            stream.close().await.unwrap();
        },
    )
    .await;
}

#[anyio::test]
async fn what_was_sent_to_a_file_is_written() {
    covers![
        "fs/write_stream::FileWriteStream::send",
        "fs/write_stream::FileWriteStream::flush",
        "fs/write_stream::FileWriteStream::close"
    ];
    cancelled(
        async || {
            let folder = Folder::with_file("");
            let stream = FileWriteStream::from(opened(&folder)).write_behind(2);
            (folder, Some(stream), 0)
        },
        async |(_, stream, sent)| {
            while *sent < CONTENTS.len() {
                let piece = &CONTENTS[*sent..CONTENTS.len().min(*sent + 11)];
                stream.as_mut().expect("it is open").send(piece).await?;
                *sent += piece.len();
            }
            stream.as_mut().expect("it is open").flush().await?;
            stream.take().expect("it is open").close().await
        },
        async |(folder, stream, sent), _| {
            if let Some(stream) = stream {
                stream.close().await.unwrap();
            }
            let written = folder.contents("a");
            // A send that was cancelled may have begun.
            assert!(
                CONTENTS.starts_with(&written) && (sent..=sent + 11).contains(&written.len()),
                "{sent}: {written:?}"
            );
        },
    )
    .await;
}

#[anyio::test]
async fn a_file_is_opened_and_closed_or_neither() {
    covers![
        "fs/open_options::File::open",
        "fs/open_options::File::create",
        "fs/open_options::File::create_new",
        "fs/open_options::OpenOptions::open",
        "fs/file::File::close",
        "fs/read_stream::FileReadStream::open",
        "fs/write_stream::FileWriteStream::create",
        "fs/write_stream::FileWriteStream::append"
    ];
    nothing_is_lost(nothing, async |f| {
        File::open(f.join("a")).await?.close().await?;
        File::create(f.join("b")).await?.close().await?;
        OpenOptions::new().read(true).open(f.join("b")).await?.close().await?;
        FileReadStream::open(f.join("a")).await?.close().await?;
        FileWriteStream::create(f.join("b")).await?.close().await?;
        FileWriteStream::append(f.join("b")).await?.close().await
    })
    .await;
    cut_short(
        async || Folder::new(),
        async |f| File::create_new(f.join("a")).await?.close().await,
        async |f, value| assert!(value.is_none() || f.has("a")),
    )
    .await;
    cancelled(
        async || Folder::new(),
        async |f| File::create_new(f.join("a")).await,
        async |f, value| assert_eq!(value.is_some(), f.has("a"), "an opened file is given"),
    )
    .await;
}

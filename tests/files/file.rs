//! Open files.

use crate::folder::{calmly_on_each_backend, on_each_backend};
use anyio::{
    CancelScope, Error, IoBuf, IoBufMut, Result,
    fs::{self, Advice, File},
    lowlevel::{self, wait_readable},
    move_on_after, task_group,
};
use std::{
    fs as blocking,
    io::{ErrorKind, Read, Seek, SeekFrom, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::{MetadataExt, PermissionsExt},
    },
    rc::Rc,
    time::{Duration, SystemTime},
};

#[test]
fn what_is_written_can_be_read_again() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        fs::write(&path, b"hello, world".to_vec()).await?;
        assert_eq!(fs::read(&path).await?, b"hello, world");
        assert_eq!(fs::read_to_string(&path).await?, "hello, world");
        fs::write(&path, "short").await?;
        assert_eq!(blocking::read(&path)?, b"short");
        Ok(())
    });
}

#[test]
fn a_missing_file_is_named_in_the_error() {
    on_each_backend(async |folder| {
        let path = folder.join("missing");
        let error = File::open(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().starts_with(&format!("open {}: ", path.display())), "{error}");
        Ok(())
    });
}

#[test]
fn a_path_with_a_zero_byte_is_refused() {
    on_each_backend(async |_| {
        assert_eq!(File::open("a\0b").await.unwrap_err().kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn options_decide_what_happens_to_the_file() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        assert_eq!(File::options().open(&path).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(
            File::options().read(true).create(true).open(&path).await.unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        let file = File::options().write(true).create_new(true).mode(0o640).open(&path).await?;
        assert_eq!(file.metadata().await?.mode() & 0o777, 0o640);
        assert_eq!(File::create_new(&path).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        file.write_all_at("0123456789", 0).await.0?;
        let file = File::options().write(true).create(true).open(&path).await?;
        assert_eq!(file.metadata().await?.len(), 10);
        let file = File::options().write(true).truncate(true).open(&path).await?;
        assert_eq!(file.metadata().await?.len(), 0);
        // SAFETY: takes numbers only.
        let flags = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        let custom = File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(&path).await?;
        drop(custom);
        std::os::unix::fs::symlink(&path, folder.join("link"))?;
        let error = File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(folder.join("link")).await;
        assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::ELOOP));
        Ok(())
    });
}

#[test]
fn the_cursor_moves_by_what_succeeded() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        let mut file = File::options().read(true).write(true).create(true).open(&path).await?;
        let written = file.write("0123456789").await.0?;
        assert_eq!(file.stream_position()?, written as u64);
        file.write_all(&"0123456789"[written..]).await.0?;
        assert_eq!(file.stream_position()?, 10);
        assert_eq!(file.read([0u8; 4]).await.0?, 0);
        assert_eq!(file.seek(SeekFrom::Start(2)).await?, 2);
        let (count, buffer) = file.read([0u8; 4]).await;
        let count = count?;
        assert_eq!(buffer[..count], b"2345"[..count]);
        assert!(count > 0);
        assert_eq!(file.seek(SeekFrom::Current(-1)).await?, 1 + count as u64);
        assert_eq!(file.seek(SeekFrom::End(-2)).await?, 8);
        assert!(file.seek(SeekFrom::Current(-9)).await.is_err());
        assert_eq!(file.stream_position()?, 8);
        let (result, buffer) = file.read_exact(Vec::with_capacity(4)).await;
        assert!(matches!(result, Err(Error::IncompleteRead)));
        assert_eq!(buffer, b"89");
        assert_eq!(file.stream_position()?, 10);
        file.rewind().await?;
        let (result, buffer) = file.read_exact([0u8; 3]).await;
        result?;
        assert_eq!(&buffer, b"012");
        file.write_all("xy").await.0?;
        let (count, text) = file.read_to_string("so: ".into()).await;
        assert_eq!((count?, text.as_str()), (5, "so: 56789"));
        assert_eq!(fs::read(&path).await?, b"012xy56789");
        Ok(())
    });
}

#[test]
fn a_failed_write_leaves_the_cursor() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        blocking::write(&path, "0123")?;
        let mut file = File::open(&path).await?;
        file.seek(SeekFrom::Start(1)).await?;
        let (result, _) = file.write_all("no").await;
        let error = result.unwrap_err();
        assert_eq!(error.written, 0);
        assert_eq!(error.error.raw_os_error(), Some(libc::EBADF));
        assert_eq!(file.stream_position()?, 1);
        Ok(())
    });
}

#[test]
fn what_is_appended_goes_to_the_end_and_so_does_the_cursor() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        blocking::write(&path, "0123")?;
        let mut file = File::options().read(true).append(true).open(&path).await?;
        let (result, buffer) = file.read_exact([0u8; 2]).await;
        result?;
        assert_eq!(&buffer, b"01");
        // Someone else makes the file longer meanwhile.
        blocking::OpenOptions::new().append(true).open(&path)?.write_all(b"45")?;
        file.write_all("67").await.0?;
        assert_eq!(file.stream_position()?, 8);
        file.seek(SeekFrom::Start(1)).await?;
        let written = file.write("89").await.0?;
        assert_eq!(file.stream_position()?, 8 + written as u64);
        file.write_all(&"89"[written..]).await.0?;
        assert_eq!(blocking::read(&path)?, b"0123456789");
        Ok(())
    });
}

#[test]
fn positioned_reads_and_writes_leave_the_cursor() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        let mut file = File::create_new(&path).await?;
        file.write_all_at(b"0123456789", 0).await.0?;
        let (result, buffer) = file.read_exact_at(Vec::with_capacity(100).room(0, 4), 3).await;
        result?;
        assert_eq!(&buffer.into_inner(), b"3456");
        let (count, buffer) = file.read_at(vec![0; 8], 8).await;
        let count = count?;
        assert!((1..=2).contains(&count) && buffer == b"89"[..count]);
        let written = file.write_at("abcdef".slice(2..4), 1).await.0?;
        file.write_all_at("abcdef".slice(2 + written..4), 1 + written as u64).await.0?;
        assert_eq!(file.stream_position()?, 0);
        assert_eq!(blocking::read(&path)?, b"0cd3456789");
        for refused in [
            file.set_len(u64::MAX).await,
            file.allocate(1 << 63, 1).await,
            file.allocate(0, u64::MAX).await,
            file.advise(u64::MAX, 1, Advice::WillNeed).await,
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        let error = file.read_at(vec![0; 8], u64::MAX).await.0.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
        Ok(())
    });
}

#[test]
fn several_buffers_are_filled_and_written_in_order() {
    calmly_on_each_backend("it counts on whole reads and writes", async |folder| {
        let path = folder.join("file");
        let mut file = File::create_new(&path).await?;
        let (count, _) = file.write_vectored(vec!["01", "", "234", "56789"]).await;
        assert_eq!(count?, 10);
        let (count, buffers) =
            file.read_vectored_at(vec![Vec::with_capacity(3), Vec::with_capacity(4), vec![7; 9]], 0).await;
        assert_eq!(count?, 10);
        assert_eq!(buffers, [&b"012"[..], b"3456", b"789"]);
        let (count, _) = file.write_vectored_at(vec![*b"ab", *b"cd"], 8).await;
        assert_eq!(count?, 4);
        file.rewind().await?;
        let (count, buffers) = file.read_vectored(vec![[0u8; 6]; 2]).await;
        assert_eq!((count?, buffers.concat()), (12, b"01234567abcd".to_vec()));
        Ok(())
    });
}

#[test]
fn reading_to_the_end_works_where_the_size_is_not_known() {
    on_each_backend(async |_| {
        let status = fs::read_to_string("/proc/self/status").await?;
        assert!(status.starts_with("Name:") && status.ends_with('\n'));
        assert!(!fs::read("/proc/cpuinfo").await?.is_empty());
        assert_eq!(fs::read("/dev/null").await?, b"");
        Ok(())
    });
}

#[test]
fn reading_a_large_file_gives_all_of_it() {
    on_each_backend(async |folder| {
        let path = folder.join("large");
        let contents: Vec<u8> = (0..5_000_000u32).flat_map(|n| (n as u16).to_ne_bytes()).collect();
        fs::write(&path, contents.clone()).await?;
        assert!(fs::read(&path).await? == contents);
        Ok(())
    });
}

#[test]
fn text_that_is_not_utf_8_is_refused() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        fs::write(&path, b"\xff\xfe").await?;
        assert_eq!(fs::read_to_string(&path).await.unwrap_err().kind(), ErrorKind::InvalidData);
        let mut file = File::open(&path).await?;
        let (result, text) = file.read_to_string("kept".into()).await;
        assert_eq!((result.unwrap_err().kind(), text.as_str()), (ErrorKind::InvalidData, "kept"));
        Ok(())
    });
}

#[test]
fn length_room_and_advice_are_taken() {
    on_each_backend(async |folder| {
        let file = File::create_new(folder.join("file")).await?;
        file.set_len(5).await?;
        assert_eq!(file.metadata().await?.len(), 5);
        file.allocate(0, 1 << 20).await?;
        assert_eq!(file.metadata().await?.len(), 1 << 20);
        assert!(file.metadata().await?.blocks() >= 2048);
        for advice in [Advice::Sequential, Advice::Random, Advice::WillNeed, Advice::DontNeed] {
            file.advise(0, 0, advice).await?;
        }
        file.sync_data().await?;
        file.sync_all().await?;
        Ok(())
    });
}

#[test]
fn metadata_is_the_same_as_the_standard_librarys() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        blocking::write(&path, "contents")?;
        let file = File::open(&path).await?;
        for _ in 0..2 {
            let (ours, theirs) = (file.metadata().await?, blocking::metadata(&path)?);
            assert!(ours.is_file() && !ours.is_dir() && !ours.is_symlink());
            assert_eq!(ours.len(), theirs.len());
            assert_eq!(ours.permissions(), theirs.permissions());
            assert_eq!(ours.modified()?, theirs.modified()?);
            assert_eq!(ours.accessed()?, theirs.accessed()?);
            // Not each file system knows that.
            let kind = |error: std::io::Error| error.kind();
            assert_eq!(ours.created().map_err(kind), theirs.created().map_err(kind));
            assert_eq!((ours.dev(), ours.ino(), ours.nlink()), (theirs.dev(), theirs.ino(), theirs.nlink()));
            assert_eq!((ours.uid(), ours.gid(), ours.mode()), (theirs.uid(), theirs.gid(), theirs.mode()));
            assert_eq!((ours.ctime(), ours.ctime_nsec()), (theirs.ctime(), theirs.ctime_nsec()));
            assert_eq!((ours.blksize(), ours.blocks()), (theirs.blksize(), theirs.blocks()));
            // The second time the device is known.
            file.write_at("x", 0).await.0.unwrap_err();
            blocking::OpenOptions::new().append(true).open(&path)?.write_all(b" and more")?;
        }
        let null = File::open("/dev/null").await?.metadata().await?;
        assert!(null.file_type().is_char_device());
        assert_eq!(null.rdev(), blocking::metadata("/dev/null")?.rdev());
        Ok(())
    });
}

#[test]
fn permissions_and_times_can_be_set() {
    on_each_backend(async |folder| {
        let file = File::create_new(folder.join("file")).await?;
        file.set_permissions(fs::Permissions::from_mode(0o604)).await?;
        assert_eq!(file.metadata().await?.mode() & 0o7777, 0o604);
        let then = SystemTime::UNIX_EPOCH + Duration::new(1_000_000, 500);
        file.set_times(None, Some(then)).await?;
        assert_eq!(file.metadata().await?.modified()?, then);
        assert_ne!(file.metadata().await?.accessed()?, then);
        file.set_times(Some(then), None).await?;
        assert_eq!(file.metadata().await?.accessed()?, then);
        let own = file.metadata().await?;
        file.chown(Some(own.uid()), None).await?;
        Ok(())
    });
}

#[test]
fn an_exclusive_lock_keeps_others_waiting_until_it_is_given_up() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        let (first, second) = (File::create(&path).await?, File::open(&path).await?);
        first.lock().await?;
        assert!(!second.try_lock().await?);
        assert!(!second.try_lock_shared().await?);
        assert_eq!(move_on_after(Duration::from_millis(5), second.lock()).await?, None);
        task_group(async |tg| -> Result<()> {
            let waiting = tg.start_soon(second.lock());
            lowlevel::checkpoint().await?;
            first.unlock().await?;
            waiting.await?;
            Ok(())
        })
        .await?;
        assert!(!first.try_lock().await?);
        second.unlock().await?;
        first.lock_shared().await?;
        second.lock_shared().await?;
        assert!(!second.try_lock().await?);
        Ok(())
    });
}

/// Reads as many bytes as are expected, in however many parts they come.
async fn assert_reads(file: &mut File, expected: &[u8]) -> Result<()> {
    let mut bytes = Vec::new();
    while bytes.len() < expected.len() {
        let (count, part) = file.read(vec![0u8; expected.len() - bytes.len()]).await;
        let count = count?;
        assert!(count > 0, "{bytes:?} came instead of {expected:?}");
        bytes.extend_from_slice(&part[..count]);
    }
    assert_eq!(bytes, expected);
    Ok(())
}

#[test]
fn a_clone_has_a_cursor_of_its_own() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        blocking::write(&path, "0123456789")?;
        let mut file = File::open(&path).await?;
        file.seek(SeekFrom::Start(4)).await?;
        let mut clone = file.try_clone()?;
        let count = file.read([0u8; 3]).await.0?;
        assert!(count > 0);
        assert_eq!((file.stream_position()?, clone.stream_position()?), (4 + count as u64, 4));
        drop(file);
        assert_reads(&mut clone, b"45").await
    });
}

#[test]
fn cursors_go_along_from_and_to_the_standard_library() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        blocking::write(&path, "0123456789")?;
        let mut theirs = blocking::File::open(&path)?;
        theirs.seek(SeekFrom::Start(3))?;
        let mut ours = File::from(theirs);
        assert_reads(&mut ours, b"34").await?;
        let mut theirs = ours.into_std().expect("nothing is under way");
        let mut rest = String::new();
        theirs.read_to_string(&mut rest)?;
        assert_eq!(rest, "56789");
        let appending = File::from(blocking::OpenOptions::new().append(true).open(&path)?);
        let mut appending = appending;
        appending.write_all("ab").await.0?;
        assert_eq!(appending.stream_position()?, 12);
        let descriptor = OwnedFd::try_from(appending).expect("nothing is under way");
        assert!(blocking::File::from(descriptor).stream_position()? == 12);
        Ok(())
    });
}

#[test]
fn a_pipe_has_no_positions_and_a_write_to_it_can_be_cancelled() {
    on_each_backend(async |_| {
        let (reader, writer) = std::io::pipe()?;
        let (mut reader, mut writer) = (File::from(OwnedFd::from(reader)), File::from(OwnedFd::from(writer)));
        writer.write_all("through").await.0?;
        assert_reads(&mut reader, b"through").await?;
        let seek = reader.seek(SeekFrom::Start(0)).await.unwrap_err();
        assert_eq!(seek.raw_os_error(), Some(libc::ESPIPE));
        let (scope, mut left) = (CancelScope::new(), 0);
        let readable = reader.as_fd().try_clone_to_owned()?;
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                wait_readable(&readable).await?;
                scope.cancel();
                anyio::Ok(())
            });
            let written = scope.run(async || {
                let (result, _) = writer.write_all(vec![7u8; 1 << 20]).await;
                left = result.as_ref().unwrap_err().written;
                result.map_err(Error::from)
            });
            assert_eq!(written.await?, None);
            Ok(())
        })
        .await?;
        assert!(left > 0 && left < 1 << 20, "{left}");
        while left > 0 {
            left -= reader.read(vec![0u8; left]).await.0?;
        }
        let nothing = move_on_after(Duration::from_millis(5), async { reader.read([0u8; 1]).await.0 });
        assert_eq!(nothing.await?, None);
        Ok(())
    });
}

#[test]
fn in_a_cancelled_scope_nothing_is_written_and_nothing_opened() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        let mut file = File::create_new(folder.join("other")).await?;
        let scope = CancelScope::new();
        let result = scope
            .run(async || -> Result<()> {
                scope.cancel();
                let (result, buffer) = file.write_all(b"no".to_vec()).await;
                let error = result.unwrap_err();
                assert_eq!((error.written, buffer.len()), (0, 2));
                assert!(matches!(error.error, Error::Cancelled(_)));
                assert!(matches!(file.metadata().await, Err(Error::Cancelled(_))));
                File::create(&path).await.map(drop)
            })
            .await?;
        assert_eq!(result, None);
        assert!(!path.exists());
        assert_eq!(file.metadata().await?.len(), 0);
        Ok(())
    });
}

#[test]
fn a_cancelled_write_all_tells_how_much_was_written() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        let mut file = File::create_new(&path).await?;
        let size = 64 << 20;
        let scope = CancelScope::new();
        let outcome = std::cell::Cell::new(None);
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                scope
                    .run(async || -> Result<()> {
                        let (result, _) = file.write_all(vec![1u8; size]).await;
                        outcome.set(Some(result.as_ref().map_or_else(|error| error.written, |()| size)));
                        Ok(result?)
                    })
                    .await?;
                Ok(())
            });
            lowlevel::checkpoint().await?;
            scope.cancel();
            Ok(())
        })
        .await?;
        let written = outcome.get().expect("the write has ended");
        assert_eq!(blocking::metadata(&path)?.len(), written as u64);
        assert_eq!(file.stream_position()?, written as u64);
        Ok(())
    });
}

#[test]
fn many_tasks_read_one_file_at_a_time() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        let contents: Vec<u8> = (0..64u8).flat_map(|n| [n; 4096]).collect();
        blocking::write(&path, &contents)?;
        let file = Rc::new(File::open(&path).await?);
        task_group(async |tg| -> Result<()> {
            for n in 0..64u8 {
                let file = file.clone();
                tg.start_soon(async move {
                    // A single read may give less.
                    let buffer = Vec::with_capacity(4096);
                    let (result, buffer) = file.read_exact_at(buffer, u64::from(n) * 4096).await;
                    result?;
                    assert_eq!(buffer, vec![n; 4096]);
                    Ok(())
                });
            }
            Ok(())
        })
        .await?;
        Ok(())
    });
}

#[test]
fn closing_works_in_a_cancelled_scope_and_frees_the_descriptor() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        let scope = CancelScope::new();
        let (closed, dropped) = (File::create(&path).await?, File::open(&path).await?);
        let numbers = [closed.as_raw_fd(), dropped.as_raw_fd()];
        scope
            .run(async || -> Result<()> {
                scope.cancel();
                closed.close().await
            })
            .await?;
        drop(dropped);
        lowlevel::checkpoint().await?;
        while numbers.iter().any(|number| {
            blocking::read_link(format!("/proc/self/fd/{number}")).is_ok_and(|target| target == path)
        }) {
            lowlevel::checkpoint().await?;
        }
        Ok(())
    });
}

#[test]
fn misaligned_direct_access_says_what_is_wrong() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        blocking::write(&path, vec![1u8; 8192])?;
        let file = match File::options().read(true).direct(true).open(&path).await {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => return Ok(()), // no such file system
            file => file?,
        };
        // What is misaligned is refused, or read by way of memory: that depends on the file system and the kernel.
        match file.read_at(vec![0u8; 100], 1).await {
            (Ok(count), bytes) => assert!(count > 0 && bytes[..count] == vec![1; count]),
            (Err(error), _) => {
                assert!(error.to_string().contains("multiples of the device's block size"), "{error}");
            }
        }
        Ok(())
    });
}

/// Bytes of which no two neighbouring blocks are the same.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place ^ (place >> 9)) as u8).collect()
}

#[test]
fn reads_are_the_same_whether_the_page_cache_has_all_of_the_file_a_part_or_nothing() {
    calmly_on_each_backend("it counts on whole reads", async |folder| {
        let path = folder.join("file");
        for length in [0, 1, 511, 512, 513, 4096, 5000, 70_000, 200_000] {
            let contents = pattern(length);
            blocking::write(&path, &contents)?;
            blocking::File::open(&path)?.sync_all()?;
            for forget in [None, Some((0, 0)), Some((0, 8192)), Some((8192, 0))] {
                let file = File::open(&path).await?;
                for (position, room) in
                    [(0, 100), (0, 512), (0, 1024), (100, 9000), (4000, 60_000), (0, 300_000)]
                {
                    if let Some((offset, length)) = forget {
                        file.advise(offset, length, Advice::DontNeed).await?;
                    }
                    let (read, bytes) = file.read_at(Vec::with_capacity(room), position).await;
                    let begin = length.min(position as usize);
                    let expected = &contents[begin..length.min(begin + room)];
                    assert_eq!((read?, &bytes[..]), (expected.len(), expected), "{length} {position} {room}");
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_file_that_has_grown_is_read_to_its_new_end() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        blocking::write(&path, pattern(512))?;
        let mut file = File::open(&path).await?;
        assert_eq!(file.metadata().await?.len(), 512);
        assert_reads(&mut file, &pattern(512)).await?;
        assert_eq!(file.read(Vec::with_capacity(4096)).await.0?, 0);
        blocking::OpenOptions::new().append(true).open(&path)?.write_all(b"more")?;
        assert_reads(&mut file, b"more").await?;
        assert_eq!(file.read(Vec::with_capacity(4096)).await.0?, 0);
        file.close().await
    });
}

#[test]
fn a_cancelled_scope_does_not_read_from_the_page_cache() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        blocking::write(&path, "text")?;
        let file = File::open(&path).await?;
        let scope = CancelScope::new();
        scope.cancel();
        let left = scope
            .run(async || {
                let (read, buffer) = file.read_at(b"before".to_vec(), 0).await;
                assert!(matches!(read, Err(Error::Cancelled(_))));
                assert_eq!(buffer, b"before");
                read
            })
            .await?;
        assert!(left.is_none());
        Ok(())
    });
}

#[test]
fn a_task_that_reads_from_the_page_cache_lets_others_run() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        blocking::write(&path, "text")?;
        let ended = std::cell::Cell::new(false);
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                for _ in 0..3 {
                    lowlevel::checkpoint().await?;
                }
                ended.set(true);
                anyio::Ok(())
            });
            while !ended.get() {
                let mut file = File::open(&path).await?;
                assert_eq!(file.metadata().await?.len(), 4);
                while !ended.get() && file.read(Vec::with_capacity(1)).await.0? > 0 {}
                file.close().await?;
            }
            Ok(())
        })
        .await?;
        Ok(())
    });
}

#[test]
fn a_file_is_closed_by_close_also_after_its_status_was_asked_for() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        blocking::write(&path, "text")?;
        let file = File::open(&path).await?;
        file.metadata().await?;
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        assert_eq!(blocking::read_link(&link)?, path);
        let scope = CancelScope::new();
        scope.cancel();
        scope.run(async || file.close().await).await?;
        // Another test's file may have the number by now.
        assert!(blocking::read_link(&link).map_or(true, |other| other != path));
        Ok(())
    });
}

#[test]
fn a_file_is_not_copied_to_itself() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        blocking::write(&path, "text")?;
        blocking::hard_link(&path, folder.join("same"))?;
        for target in [path.clone(), folder.join("same")] {
            assert_eq!(fs::copy(&path, target).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        assert_eq!(blocking::read(&path)?, b"text");
        blocking::write(folder.join("longer"), "what was there")?;
        assert_eq!(fs::copy(&path, folder.join("longer")).await?, 4);
        assert_eq!(blocking::read(folder.join("longer"))?, b"text");
        Ok(())
    });
}

#[test]
fn all_of_many_buffers_is_written_in_order_and_an_error_tells_how_much() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        let mut file = File::create(&path).await?;
        // More than the system takes at once, some of them empty.
        let buffers: Vec<Vec<u8>> = (0..3000_usize).map(|number| vec![number as u8; number % 7]).collect();
        let (result, back) = file.write_all_vectored(buffers.clone()).await;
        result?;
        assert_eq!(back, buffers);
        file.write_all("end").await.0?;
        file.close().await?;
        let mut expected = buffers.concat();
        expected.extend_from_slice(b"end");
        assert_eq!(std::fs::read(&path).unwrap(), expected);
        let mut full = File::options().write(true).open("/dev/full").await?;
        let (result, back) = full.write_all_vectored(vec!["a", "b"]).await;
        let error = result.unwrap_err();
        assert_eq!((error.written, error.error.raw_os_error()), (0, Some(libc::ENOSPC)));
        assert_eq!(back, ["a", "b"]);
        Ok(())
    });
}

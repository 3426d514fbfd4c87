//! Named pipes, whose opening waits for the other end.

use anyio::{
    Path, Result, fail_after, fs,
    fs::{File, FileReadStream, OpenOptions},
    gather, move_on_after, sleep, task_group,
};
use std::{
    ffi::CString,
    io::{ErrorKind, Read as _, Write as _},
    os::{
        fd::AsRawFd,
        unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    },
    path::PathBuf,
    time::Duration,
};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(30);

fn fifo(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    let path = folder.path().join(name);
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the name ends in a zero byte.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    path
}

fn writing() -> OpenOptions {
    let mut options = File::options();
    options.write(true);
    options
}

fn blocks(file: &File) -> bool {
    // SAFETY: takes numbers only.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) & libc::O_NONBLOCK == 0 }
}

/// The descriptors of this process that lead to this path.
fn descriptors_of(path: &PathBuf) -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    descriptors.filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == *path)).count()
}

#[anyio::test]
async fn an_opening_that_is_given_up_at_any_moment_is_cancelled_and_fails_of_nothing_else() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(&folder, "fifo");
    for round in 0..100 {
        let limit = round * Duration::from_micros(30);
        assert!(move_on_after(limit, writing().open(&path)).await?.is_none());
        assert!(move_on_after(limit, File::open(&path)).await?.is_none());
    }
    Ok(())
}

#[anyio::test]
async fn an_opening_that_waits_for_the_other_end_is_given_up_and_leaves_no_descriptor() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(&folder, "fifo");
    assert!(move_on_after(20 * MS, File::open(&path)).await?.is_none());
    assert!(move_on_after(20 * MS, writing().open(&path)).await?.is_none());
    assert!(move_on_after(20 * MS, File::create(&path)).await?.is_none());
    assert!(move_on_after(20 * MS, fs::read(&path)).await?.is_none());
    assert!(move_on_after(20 * MS, fs::write(&path, "hello")).await?.is_none());
    assert!(move_on_after(20 * MS, FileReadStream::open(&path)).await?.is_none());
    fail_after(LONG, async {
        while descriptors_of(&path) > 0 {
            sleep(MS).await?;
        }
        anyio::Ok(())
    })
    .await?;
    // Nobody waits any more, so there is no reader to write to.
    let late = std::fs::OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&path);
    assert_eq!(late.unwrap_err().raw_os_error(), Some(libc::ENXIO));
    Ok(())
}

#[anyio::test]
async fn a_reader_waits_for_a_writer_and_gets_what_it_writes() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(&folder, "fifo");
    let late = path.clone();
    let writer = std::thread::spawn(move || {
        std::thread::sleep(50 * MS);
        std::fs::OpenOptions::new().write(true).open(late).unwrap().write_all(b"through the pipe").unwrap();
    });
    assert_eq!(fail_after(LONG, fs::read(&path)).await?, b"through the pipe");
    writer.join().unwrap();
    Ok(())
}

#[anyio::test]
async fn a_writer_waits_for_a_reader() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    for create in [false, true] {
        let path = fifo(&folder, if create { "create" } else { "write" });
        let late = path.clone();
        let reader = std::thread::spawn(move || {
            std::thread::sleep(50 * MS);
            let mut text = String::new();
            std::fs::File::open(late).unwrap().read_to_string(&mut text).unwrap();
            text
        });
        let mut options = writing();
        options.create(create).truncate(create);
        let mut file = fail_after(LONG, options.open(&path)).await?;
        assert!(blocks(&file));
        file.write_all("hello").await.0?;
        file.close().await?;
        assert_eq!(reader.join().unwrap(), "hello");
    }
    Ok(())
}

#[anyio::test]
async fn a_writer_that_says_nothing_lets_the_reader_open_and_both_are_in_blocking_mode() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(&folder, "fifo");
    let (reading, writing) = (File::options().read(true).clone(), writing());
    let opening = [reading, writing].map(|options| {
        let path = &path;
        async move { options.open(path).await }
    });
    let opened = fail_after(LONG, async { anyio::Ok(gather(opening).await?) }).await?;
    let [reader, writer] = <[File; 2]>::try_from(opened).unwrap();
    assert!(blocks(&reader) && blocks(&writer));
    writer.close().await?;
    reader.close().await
}

#[anyio::test]
async fn without_waiting_a_reader_opens_and_a_writer_is_refused() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(&folder, "fifo");
    let refused = writing().custom_flags(libc::O_NONBLOCK).open(&path).await.unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::ENXIO));
    let mut options = File::options();
    let reader = options.read(true).custom_flags(libc::O_NONBLOCK).open(&path).await?;
    let mut both = File::options();
    let both = both.read(true).write(true).open(&path).await?;
    both.close().await?;
    reader.close().await
}

#[anyio::test]
async fn any_number_of_openings_that_wait_keep_nothing_else_waiting() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let pipes: Vec<PathBuf> = (0..50).map(|number| fifo(&folder, &format!("fifo{number}"))).collect();
    let (file, new) = (folder.path().join("file"), folder.path().join("new"));
    std::fs::write(&file, "hello").unwrap();
    let group = task_group(async |tg| -> Result<()> {
        for (number, path) in pipes.iter().enumerate() {
            tg.start_soon(async move {
                match number % 3 {
                    0 => drop(File::open(path).await?),
                    1 => drop(writing().open(path).await?),
                    _ => drop(File::create(path).await?),
                }
                anyio::Ok(())
            });
        }
        sleep(50 * MS).await?;
        assert_eq!(fs::read(&file).await?, b"hello");
        assert_eq!(fs::metadata(&file).await?.len(), 5);
        fs::write(&new, "x").await?;
        fs::rename(&new, folder.path().join("renamed")).await?;
        let mut entries = fs::read_dir(folder.path()).await?;
        while entries.next().await?.is_some() {}
        assert_eq!(fs::canonicalize(&file).await?, file.canonicalize().unwrap());
        // The other ends of those that were begun last.
        writing().open(&pipes[48]).await?.close().await?;
        File::open(&pipes[49]).await?.close().await?;
        tg.cancel();
        Ok(())
    });
    fail_after(LONG, async { anyio::Ok(group.await?) }).await?;
    Ok(())
}

#[anyio::test]
async fn a_copy_asks_what_it_is_given_before_it_opens_it() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let pipe = fifo(&folder, "fifo");
    let file = folder.path().join("file");
    std::fs::write(&file, "hello").unwrap();
    let copies = fail_after(LONG, async {
        let first = fs::copy(&pipe, folder.path().join("copy")).await.unwrap_err();
        let second = Path::new(&pipe).copy(folder.path().join("copy")).await.unwrap_err();
        let third = fs::copy(&file, &pipe).await.unwrap_err();
        anyio::Ok([first.kind(), second.kind(), third.kind()])
    })
    .await?;
    assert_eq!(copies, [ErrorKind::InvalidInput; 3]);
    assert!(!folder.path().join("copy").exists());
    assert_eq!(descriptors_of(&pipe), 0);
    assert_eq!(fs::copy(&file, "/dev/null").await?, 5);
    Ok(())
}

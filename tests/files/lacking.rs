//! Kernels that lack operations: each missing one costs only itself, and all work as always.

use crate::folder::Folder;
use anyio::{Backend, Builder, Result, fs, net::UnixStream, process, testing::test_backends};
use std::io::ErrorKind;

/// Everything on files and paths that a kernel may lack, and what of other things goes the same way.
const MAY_BE_MISSING: [&str; 14] = [
    "shutdown",
    "open",
    "fsync",
    "stat",
    "ftruncate",
    "fallocate",
    "fadvise",
    "unlink",
    "rename",
    "mkdir",
    "link",
    "symlink",
    "waitid",
    "nothing",
];

/// What has to be there.
const REQUIRED: [&str; 11] =
    ["nop", "receive", "send", "recvmsg", "sendmsg", "accept", "connect", "poll", "read", "write", "readv"];

/// Whether these tests have a ring.
fn has_ring() -> bool {
    test_backends().contains(&Backend::Uring)
}

fn ring_without(names: &[&str]) -> Builder {
    let names: Vec<_> = names.iter().copied().filter(|name| *name != "nothing").collect();
    Builder::new().backend(Backend::Uring).mask_operations(&names)
}

/// Uses each of these operations, and checks what comes of it.
async fn use_everything(folder: &Folder) -> Result<()> {
    let (a, b) = (folder.join("a"), folder.join("b"));
    fs::create_dir(folder.join("sub")).await?;
    assert_eq!(fs::create_dir(folder.join("sub")).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let file = fs::OpenOptions::new().write(true).create_new(true).open(&a).await?;
    file.write_all_at("contents", 0).await.0?;
    file.set_len(4).await?;
    file.allocate(0, 4096).await?;
    file.advise(0, 0, fs::Advice::DontNeed).await?;
    file.sync_all().await?;
    file.sync_data().await?;
    file.close().await?;
    assert_eq!(fs::metadata(&a).await?.len(), 4096);
    assert_eq!(fs::read(&a).await?[..4], *b"cont");
    fs::hard_link(&a, &b).await?;
    fs::symlink("a", folder.join("s")).await?;
    assert!(fs::symlink_metadata(folder.join("s")).await?.is_symlink());
    fs::rename(&b, folder.join("sub/c")).await?;
    let error = fs::rename(&b, &a).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().starts_with("rename "), "{error}");
    fs::remove_file(folder.join("sub/c")).await?;
    fs::remove_dir(folder.join("sub")).await?;
    let (left, right) = UnixStream::pair()?;
    left.send("hello").await?;
    left.send_eof().await?;
    assert_eq!(right.receive().await?.unwrap(), "hello");
    assert!(right.receive().await?.is_none());
    process::run(["true"]).await?;
    Ok(())
}

#[test]
fn each_operation_that_a_kernel_lacks_costs_only_itself() {
    if !has_ring() {
        return;
    }
    for name in MAY_BE_MISSING {
        let folder = Folder::new();
        let ran = ring_without(&[name]).run(async || {
            use_everything(&folder).await?;
            anyio::Ok(anyio::current_backend())
        });
        let backend = ran.unwrap_or_else(|error| panic!("without {name} there is no ring: {error}"));
        assert_eq!(backend.unwrap_or_else(|error| panic!("without {name}: {error}")), Some(Backend::Uring));
    }
    let folder = Folder::new();
    let ran = ring_without(&MAY_BE_MISSING).run(async || use_everything(&folder).await);
    ran.unwrap().unwrap();
}

#[test]
fn what_is_missing_and_has_to_be_there_is_named_and_auto_polls() {
    if !has_ring() {
        return;
    }
    for name in REQUIRED {
        let error = ring_without(&[name]).run(async || ()).unwrap_err().to_string();
        assert!(error.contains(&format!("lacks the operation {name}")) && error.contains("5.15"), "{error}");
        let chosen = Builder::new().backend(Backend::Auto).mask_operations(&[name]);
        assert_eq!(chosen.run(async || anyio::current_backend()).unwrap(), Some(Backend::Poll));
    }
}

#[test]
fn the_diagnosis_names_what_a_thread_does_in_place_of_the_kernel() {
    let report = anyio::doctor::examine_with(&ring_without(&["mkdir"]));
    if report.uring.refusal.is_some() {
        return;
    }
    let text = report.to_string();
    assert!(text.contains("no  mkdir: missing in this kernel. A thread does it"), "{text}");
}

#[test]
fn a_run_tells_how_many_operations_went_to_threads() {
    for backend in test_backends() {
        for masked in [&[][..], &["mkdir"][..]] {
            let folder = Folder::new();
            let builder = Builder::new().backend(backend).mask_operations(masked);
            let counts = builder.run(async || {
                let before = anyio::lowlevel::statistics().punted_operations;
                fs::create_dir(folder.join("x")).await?;
                anyio::Ok((before, anyio::lowlevel::statistics().punted_operations))
            });
            assert_eq!(counts.unwrap().unwrap(), (0, 1), "{backend}, without {masked:?}");
        }
    }
}

#[test]
fn operations_on_threads_end_with_their_run_and_leave_no_descriptor() {
    if !has_ring() {
        return;
    }
    let folder = Folder::new();
    let path = folder.join("file");
    std::fs::write(&path, "x").unwrap();
    let left = ring_without(&["open", "stat"]).run(async || {
        for _ in 0..50 {
            // Dropped while a thread may be at work on it.
            let mut open = std::pin::pin!(fs::File::open(&path));
            let _ = futures_util::poll!(&mut open);
            let mut status = std::pin::pin!(fs::metadata(&path));
            let _ = futures_util::poll!(&mut status);
        }
        anyio::lowlevel::statistics().operations_in_flight
    });
    assert!(left.unwrap() <= 100);
    let name = path.to_str().unwrap();
    let held = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let held = held.filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|to| to.ends_with(name)));
    assert_eq!(held.count(), 0);
}

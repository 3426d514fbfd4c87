//! Operations on files, folders, pipes and processes.

use crate::{folder::Folder, harness::Harness};
use anyio_driver::{Driver, FileStatus, Op, OpKind};
use std::{
    ffi::CString,
    fs::{self, File},
    io::{Read, Write},
    mem::MaybeUninit,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    process::{Command, Stdio},
};

fn open(harness: &mut Harness, path: &CString, flags: i32) -> std::io::Result<OwnedFd> {
    let fd = harness.run(Op::Open { directory: libc::AT_FDCWD, path: path.as_ptr(), flags, mode: 0o600 })?;
    // SAFETY: the driver has just made this descriptor for the test.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

#[test]
fn a_file_is_written_read_measured_cut_and_closed() {
    let folder = Folder::new();
    let mut harness = Harness::new();
    let path = folder.c_path("file");
    let file = open(&mut harness, &path, libc::O_CREAT | libc::O_RDWR).unwrap();
    let fd = file.as_raw_fd();
    let bytes = *b"hello world";
    let write = |offset| Op::Write { fd, pointer: bytes.as_ptr(), length: 11, offset };
    assert_eq!(harness.run(write(None)).unwrap(), 11);
    assert_eq!(harness.run(write(Some(11))).unwrap(), 11);
    let mut room = [0u8; 32];
    let pointer = room.as_mut_ptr();
    assert_eq!(harness.run(Op::Read { fd, pointer, length: 32, offset: Some(6) }).unwrap(), 16);
    assert_eq!(&room[..16], b"worldhello world");
    // The cursor stands behind the first write.
    let pointer = room.as_mut_ptr();
    assert_eq!(harness.run(Op::Read { fd, pointer, length: 5, offset: None }).unwrap(), 5);
    assert_eq!(&room[..5], b"hello");
    assert_eq!(harness.run(Op::Synchronize { fd, data_only: false }).unwrap(), 0);
    assert_eq!(harness.run(Op::Synchronize { fd, data_only: true }).unwrap(), 0);
    assert_eq!(harness.run(Op::Truncate { fd, length: 3 }).unwrap(), 0);
    assert_eq!(fs::read(folder.path("file")).unwrap(), b"hel");
    for (kind, op) in [
        (OpKind::Allocate, Op::Allocate { fd, mode: 0, offset: 0, length: 4096 }),
        (OpKind::Advise, Op::Advise { fd, offset: 0, length: 0, advice: 0 }),
    ] {
        if harness.driver.supports(kind) {
            assert_eq!(harness.run(op).unwrap(), 0, "{kind:?}");
        }
    }
}

#[test]
fn pieces_are_read_and_written_in_order() {
    let folder = Folder::new();
    let mut harness = Harness::new();
    let file = open(&mut harness, &folder.c_path("file"), libc::O_CREAT | libc::O_RDWR).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    for (to, from, offset) in [
        (file.as_raw_fd(), file.as_raw_fd(), Some(0)),
        (writer.as_raw_fd(), reader.as_raw_fd(), None),
        (near.as_raw_fd(), far.as_raw_fd(), None),
    ] {
        let mut bytes = *b"abcdef";
        let pieces = [
            libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: 2 },
            libc::iovec { iov_base: bytes[2..].as_mut_ptr().cast(), iov_len: 4 },
        ];
        let op = Op::WriteVectored { fd: to, pieces: pieces.as_ptr(), count: 2, offset };
        assert_eq!(harness.run(op).unwrap(), 6);
        let (mut first, mut second) = ([0u8; 4], [0u8; 4]);
        let pieces = [
            libc::iovec { iov_base: first.as_mut_ptr().cast(), iov_len: 4 },
            libc::iovec { iov_base: second.as_mut_ptr().cast(), iov_len: 4 },
        ];
        let op = Op::ReadVectored { fd: from, pieces: pieces.as_ptr(), count: 2, offset };
        assert_eq!(harness.run(op).unwrap(), 6);
        assert_eq!((&first, &second), (b"abcd", b"ef\0\0"));
    }
}

#[test]
fn names_are_made_linked_renamed_and_removed() {
    let folder = Folder::new();
    let mut harness = Harness::new();
    let directory = libc::AT_FDCWD;
    let [inner, file, hard, soft, moved] =
        ["inner", "file", "hard", "soft", "moved"].map(|name| folder.c_path(name));
    fs::write(folder.path("file"), "x").unwrap();
    let make = Op::MakeDirectory { directory, path: inner.as_ptr(), mode: 0o700 };
    assert_eq!(harness.run(make).unwrap(), 0);
    assert_eq!(harness.error(make), libc::EEXIST);
    let link = Op::Link {
        from_directory: directory,
        from: file.as_ptr(),
        to_directory: directory,
        to: hard.as_ptr(),
        flags: 0,
    };
    assert_eq!(harness.run(link).unwrap(), 0);
    let link = Op::SymbolicLink { target: c"file".as_ptr(), directory, path: soft.as_ptr() };
    assert_eq!(harness.run(link).unwrap(), 0);
    assert_eq!(fs::read_link(folder.path("soft")).unwrap().as_os_str(), "file");
    let rename = Op::Rename {
        from_directory: directory,
        from: hard.as_ptr(),
        to_directory: directory,
        to: moved.as_ptr(),
        flags: 0,
    };
    assert_eq!(harness.run(rename).unwrap(), 0);
    assert_eq!(fs::read(folder.path("moved")).unwrap(), b"x");
    let remove = Op::Unlink { directory, path: inner.as_ptr(), flags: libc::AT_REMOVEDIR };
    assert_eq!(harness.run(remove).unwrap(), 0);
    assert_eq!(harness.error(remove), libc::ENOENT);
    let remove = Op::Unlink { directory, path: moved.as_ptr(), flags: 0 };
    assert_eq!(harness.run(remove).unwrap(), 0);
    assert!(!folder.path("moved").exists());
}

#[test]
fn the_status_of_a_path_and_of_a_missing_one() {
    let folder = Folder::new();
    fs::write(folder.path("file"), "12345").unwrap();
    let mut harness = Harness::new();
    let (path, missing) = (folder.c_path("file"), folder.c_path("missing"));
    let mut status = MaybeUninit::<FileStatus>::zeroed();
    let mut of = |path: &CString| Op::Status {
        directory: libc::AT_FDCWD,
        path: path.as_ptr(),
        flags: 0,
        status: status.as_mut_ptr(),
    };
    let (present, missing) = (of(&path), of(&missing));
    assert_eq!(harness.error(missing), libc::ENOENT);
    assert_eq!(harness.run(present).unwrap(), 0);
    // SAFETY: the operation has filled it.
    assert_eq!(unsafe { size(&status.assume_init()) }, 5);
}

#[cfg(target_os = "linux")]
fn size(status: &FileStatus) -> u64 {
    status.stx_size
}

#[cfg(not(target_os = "linux"))]
fn size(status: &FileStatus) -> u64 {
    status.st_size as u64
}

#[test]
fn a_pipe_is_read_when_it_has_bytes_and_written_when_it_has_room() {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    let mut harness = Harness::new();
    let mut room = [0u8; 8];
    let read = Op::Read { fd: reader.as_raw_fd(), pointer: room.as_mut_ptr(), length: 8, offset: None };
    let token = harness.submit(read);
    assert!(!harness.is_done(token));
    writer.write_all(b"piped").unwrap();
    assert_eq!(harness.result(token).unwrap(), 5);
    let bytes = vec![1u8; 1 << 20];
    let write = Op::Write {
        fd: writer.as_raw_fd(),
        pointer: bytes.as_ptr(),
        length: bytes.len() as u32,
        offset: None,
    };
    let written = harness.run(write).unwrap();
    assert!(written < bytes.len() as u32);
    let token = harness.submit(write);
    assert!(!harness.is_done(token));
    reader.read_exact(&mut vec![0; written as usize]).unwrap();
    assert!(harness.result(token).unwrap() > 0);
    drop(reader);
    assert_eq!(harness.error(write), libc::EPIPE);
}

#[test]
fn devices_that_cannot_be_watched_are_read_and_written_all_the_same() {
    let mut harness = Harness::new();
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let mut room = [0u8; 8];
    let fd = null.as_raw_fd();
    assert_eq!(harness.run(Op::Read { fd, pointer: room.as_mut_ptr(), length: 8, offset: None }).unwrap(), 0);
    assert_eq!(harness.run(Op::Write { fd, pointer: room.as_ptr(), length: 8, offset: None }).unwrap(), 8);
    assert_ne!(harness.run(Op::Poll { fd, events: libc::POLLIN as u32 }).unwrap(), 0);
}

#[test]
fn a_folder_is_not_read_like_a_file() {
    let folder = Folder::new();
    let mut harness = Harness::new();
    let file = open(&mut harness, &folder.c_path("."), libc::O_RDONLY).unwrap();
    let mut room = [0u8; 8];
    let read = Op::Read { fd: file.as_raw_fd(), pointer: room.as_mut_ptr(), length: 8, offset: None };
    assert_eq!(harness.error(read), libc::EISDIR);
}

#[test]
fn the_end_of_a_process_is_awaited_or_the_wait_withdrawn() {
    let mut harness = Harness::new();
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let wait = Op::WaitProcess { pid: child.id() as i32, info: info.as_mut_ptr(), options: libc::WEXITED };
    let token = harness.submit(wait);
    assert!(!harness.is_done(token));
    harness.driver.cancel(token);
    assert!(harness.is_cancelled(token));
    let token = harness.submit(wait);
    assert!(!harness.is_done(token));
    drop(child.stdin.take());
    assert_eq!(harness.result(token).unwrap(), 0);
    // SAFETY: the operation has filled it with the record of a child.
    let (pid, status) = unsafe {
        let info = info.assume_init();
        (info.si_pid(), info.si_status())
    };
    assert_eq!((pid, status), (child.id() as i32, 0));
    // It has been waited for, so it is nobody's child any more.
    assert_eq!(harness.error(wait), libc::ECHILD);
    // Having been reaped by the driver it cannot be by its handle.
    assert!(child.wait().is_err());
}

#[test]
fn a_process_can_be_left_to_be_waited_for_again() {
    let mut harness = Harness::new();
    let mut child = Command::new("false").spawn().unwrap();
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let options = libc::WEXITED | libc::WNOWAIT;
    let wait = Op::WaitProcess { pid: child.id() as i32, info: info.as_mut_ptr(), options };
    for _ in 0..2 {
        assert_eq!(harness.run(wait).unwrap(), 0);
    }
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

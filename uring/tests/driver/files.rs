//! Operations on files and folders.

use crate::harness::Harness;
use anyio_driver::{Driver, Op, OpKind};
use std::{
    ffi::CString,
    fs, io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process,
};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("anyio-uring-{}-{name}", process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn c(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn open(harness: &mut Harness, path: &Path, flags: i32) -> io::Result<OwnedFd> {
    let path = c(path);
    let fd = harness.run(Op::Open { directory: libc::AT_FDCWD, path: path.as_ptr(), flags, mode: 0o600 })?;
    // SAFETY: the descriptor is open and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

fn write(fd: &OwnedFd, bytes: &[u8], offset: Option<u64>) -> Op {
    Op::Write { fd: fd.as_raw_fd(), pointer: bytes.as_ptr(), length: bytes.len() as u32, offset }
}

fn read(fd: &OwnedFd, buffer: &mut [u8], offset: Option<u64>) -> Op {
    Op::Read { fd: fd.as_raw_fd(), pointer: buffer.as_mut_ptr(), length: buffer.len() as u32, offset }
}

#[test]
fn a_file_is_written_and_read_at_positions_and_at_its_cursor() {
    skip_unless_selected!();
    let (mut harness, folder) = (Harness::new(), Folder::new("positions"));
    let path = folder.path("file");
    let file = open(&mut harness, &path, libc::O_RDWR | libc::O_CREAT).unwrap();
    // SAFETY: asks for flags only.
    assert_ne!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFD) } & libc::FD_CLOEXEC, 0);
    assert_eq!(harness.run(write(&file, b"hello ", None)).unwrap(), 6);
    assert_eq!(harness.run(write(&file, b"world", None)).unwrap(), 5);
    assert_eq!(harness.run(write(&file, b"J", Some(0))).unwrap(), 1);
    assert_eq!(harness.run(Op::Synchronize { fd: file.as_raw_fd(), data_only: true }).unwrap(), 0);
    assert_eq!(harness.run(Op::Synchronize { fd: file.as_raw_fd(), data_only: false }).unwrap(), 0);
    let mut buffer = [0; 5];
    assert_eq!(harness.run(read(&file, &mut buffer, Some(6))).unwrap(), 5);
    assert_eq!(&buffer, b"world");
    assert_eq!(harness.run(read(&file, &mut buffer, None)).unwrap(), 0, "the cursor is at the end");
    assert_eq!(fs::read(path).unwrap(), b"Jello world");
}

#[test]
fn several_pieces_are_written_and_read_in_one_go() {
    skip_unless_selected!();
    let (mut harness, folder) = (Harness::new(), Folder::new("pieces"));
    let file = open(&mut harness, &folder.path("file"), libc::O_RDWR | libc::O_CREAT).unwrap();
    let piece =
        |bytes: &[u8]| libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let pieces = [piece(b"one"), piece(b"two")];
    let fd = file.as_raw_fd();
    let written = Op::WriteVectored { fd, pieces: pieces.as_ptr(), count: 2, offset: Some(0) };
    assert_eq!(harness.run(written).unwrap(), 6);
    let (mut first, mut second) = ([0_u8; 2], [0_u8; 8]);
    let pieces = [(first.as_mut_ptr(), 2), (second.as_mut_ptr(), 8)]
        .map(|(base, iov_len)| libc::iovec { iov_base: base.cast(), iov_len });
    let read = Op::ReadVectored { fd, pieces: pieces.as_ptr(), count: 2, offset: None };
    assert_eq!(harness.run(read).unwrap(), 6);
    assert_eq!((&first, &second[..4]), (b"on", b"etwo".as_slice()));
}

#[test]
fn status_length_and_advice() {
    skip_unless_selected!();
    let (mut harness, folder) = (Harness::new(), Folder::new("status"));
    let path = folder.path("file");
    let file = open(&mut harness, &path, libc::O_RDWR | libc::O_CREAT).unwrap();
    let fd = file.as_raw_fd();
    assert_eq!(harness.run(Op::Allocate { fd, mode: 0, offset: 0, length: 10_000 }).unwrap(), 0);
    let length = harness.run(Op::Truncate { fd, length: 1234 });
    if !harness.driver.supports(OpKind::Truncate) {
        assert_eq!(length.unwrap_err().raw_os_error(), Some(libc::EOPNOTSUPP));
        return;
    }
    assert_eq!(length.unwrap(), 0);
    let advice = Op::Advise { fd, offset: 0, length: u64::MAX, advice: libc::POSIX_FADV_SEQUENTIAL };
    assert_eq!(harness.run(advice).unwrap(), 0);
    let mut status = MaybeUninit::<libc::statx>::zeroed();
    let name = c(&path);
    let op =
        Op::Status { directory: libc::AT_FDCWD, path: name.as_ptr(), flags: 0, status: status.as_mut_ptr() };
    assert_eq!(harness.run(op).unwrap(), 0);
    // SAFETY: all zeroes is a valid status, and the kernel has filled it.
    let status = unsafe { status.assume_init() };
    assert_eq!(status.stx_size, 1234);
    assert_eq!(status.stx_mask & libc::STATX_BASIC_STATS, libc::STATX_BASIC_STATS);
}

#[test]
fn names_are_made_changed_and_removed() {
    skip_unless_selected!();
    let (mut harness, folder) = (Harness::new(), Folder::new("names"));
    let kinds = [OpKind::MakeDirectory, OpKind::Link, OpKind::SymbolicLink, OpKind::Rename, OpKind::Unlink];
    if !kinds.iter().all(|&kind| harness.driver.supports(kind)) {
        return;
    }
    let at = libc::AT_FDCWD;
    let [inner, file, link, symbolic, renamed] =
        ["inner", "inner/file", "link", "symbolic", "renamed"].map(|name| c(&folder.path(name)));
    let make = Op::MakeDirectory { directory: at, path: inner.as_ptr(), mode: 0o700 };
    assert_eq!(harness.run(make).unwrap(), 0);
    fs::write(folder.path("inner/file"), "x").unwrap();
    let (from, to) = (file.as_ptr(), link.as_ptr());
    let op = Op::Link { from_directory: at, from, to_directory: at, to, flags: 0 };
    assert_eq!(harness.run(op).unwrap(), 0);
    let op = Op::SymbolicLink { target: c"inner/file".as_ptr(), directory: at, path: symbolic.as_ptr() };
    assert_eq!(harness.run(op).unwrap(), 0);
    assert_eq!(fs::read_link(folder.path("symbolic")).unwrap(), Path::new("inner/file"));
    let (from, to) = (link.as_ptr(), renamed.as_ptr());
    let op = Op::Rename { from_directory: at, from, to_directory: at, to, flags: 0 };
    assert_eq!(harness.run(op).unwrap(), 0);
    assert_eq!(fs::read(folder.path("renamed")).unwrap(), b"x");
    let op = Op::Unlink { directory: at, path: file.as_ptr(), flags: 0 };
    assert_eq!(harness.run(op).unwrap(), 0);
    let op = Op::Unlink { directory: at, path: inner.as_ptr(), flags: libc::AT_REMOVEDIR };
    assert_eq!(harness.run(op).unwrap(), 0);
    assert!(!folder.path("inner").exists());
    let missing = open(&mut harness, &folder.path("inner"), libc::O_RDONLY).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
}

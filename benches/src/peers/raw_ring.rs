//! Files by a ring loop by hand, also with a file and buffers that are registered with the ring.
//!
//! Contract of the unsafe code: each place has one operation in the kernel at a time, which uses the place's buffer and
//! path, and nobody else uses them meanwhile. All of them have ended when a function returns with success; when it
//! fails, the process ends with the ring before its memory is used for anything else, since places are leaked.

use std::{
    ffi::CString,
    fs::{File, OpenOptions},
    io,
    mem::ManuallyDrop,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
};

use anyhow::{Context, ensure};
use anyio::fs::AlignedBuffer;
use io_uring::{CompletionQueue, IoUring, opcode, squeue::Entry, types};

use super::{Peer, file_jobs::file_jobs};
use crate::measuring::{
    amounts::shares,
    job::Order,
    sample_files::{
        BLOCK_BYTES, LARGE, LARGE_BYTES, PIECE_BYTES, Places, SMALL_BYTES, check_large, check_small,
        check_written, piece, small, written,
    },
    stopwatch::{Measured, Stopwatch},
    submissions::{Submissions, ring},
};

pub(crate) static PEER: Peer = Peer {
    name: "raw-ring",
    about: "io_uring by hand for files, statuses by plain calls",
    packages: &["io-uring"],
    by_hand: true,
    servers: &[],
    jobs: &[("files", file_jobs!(random_reads, read_long, write_long, small_files; false))],
};

pub(crate) static FIXED: Peer = Peer {
    name: "raw-ring-fixed",
    about: "io_uring by hand with a registered file and registered buffers",
    packages: &["io-uring"],
    by_hand: true,
    servers: &[],
    jobs: &[(
        "files",
        &[
            ("cached-1", |order| random_reads(true, order, 1, false)),
            ("cached-32", |order| random_reads(true, order, 32, false)),
            ("cached-128", |order| random_reads(true, order, 128, false)),
            ("direct-1", |order| random_reads(true, order, 1, true)),
            ("direct-32", |order| random_reads(true, order, 32, true)),
            ("direct-128", |order| random_reads(true, order, 128, true)),
        ],
    )],
};

/// A task's reads.
struct Reads {
    places: Places,
    place: u64,
    left: u64,
    buffer: AlignedBuffer,
}

impl Reads {
    fn next(&mut self, file: &File, number: usize, fixed: bool) -> Entry {
        self.place = self.places.next();
        let length = BLOCK_BYTES as u32;
        let entry = if fixed {
            opcode::ReadFixed::new(types::Fixed(0), self.buffer.as_mut_ptr(), length, number as u16)
                .offset(self.place)
                .build()
        } else {
            opcode::Read::new(types::Fd(file.as_raw_fd()), self.buffer.as_mut_ptr(), length)
                .offset(self.place)
                .build()
        };
        entry.user_data(number as u64)
    }
}

fn random_reads(fixed: bool, order: &Order, depth: u64, direct: bool) -> anyhow::Result<Measured> {
    let flags = if direct { libc::O_DIRECT } else { 0 };
    let file = OpenOptions::new().read(true).custom_flags(flags).open(LARGE)?;
    let mut ring = ring()?;
    let mut tasks: ManuallyDrop<Vec<Reads>> = ManuallyDrop::new(Vec::new());
    for task in 0..depth {
        let mut buffer = AlignedBuffer::new(BLOCK_BYTES);
        buffer.resize(BLOCK_BYTES);
        tasks.push(Reads { places: Places::of_task(task), place: 0, left: 0, buffer });
    }
    if fixed {
        ring.submitter().register_files(&[file.as_raw_fd()])?;
        let buffers: Vec<_> = tasks.iter_mut().map(|task| iovec(&mut task.buffer)).collect();
        // SAFETY: the buffers outlive the ring or are leaked.
        unsafe { ring.submitter().register_buffers(&buffers)? };
    }
    let mut work = |count| -> anyhow::Result<()> {
        for (task, share) in tasks.iter_mut().zip(shares(count, depth)) {
            task.left = share;
        }
        let (submitter, queue, mut completions) = ring.split();
        let mut submissions = Submissions::new(submitter, queue);
        let mut running = 0;
        for (number, task) in tasks.iter_mut().enumerate().filter(|(_, task)| task.left > 0) {
            // SAFETY: the task owns the buffer until the completion.
            unsafe { submissions.push(&task.next(&file, number, fixed))? };
            running += 1;
        }
        while running > 0 {
            submissions.turn()?;
            completions.sync();
            for completion in &mut completions {
                let number = completion.user_data() as usize;
                let task = &mut tasks[number];
                let length = answer(completion.result())?;
                check_large(&task.buffer[..length], task.place, BLOCK_BYTES)?;
                task.left -= 1;
                if task.left > 0 {
                    // SAFETY: as above.
                    unsafe { submissions.push(&task.next(&file, number, fixed))? };
                } else {
                    running -= 1;
                }
            }
        }
        Ok(())
    };
    let measured = measure(order.operations, &mut work)?;
    drop(ring);
    drop(ManuallyDrop::into_inner(tasks));
    Ok(measured)
}

fn iovec(buffer: &mut AlignedBuffer) -> libc::iovec {
    libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() }
}

/// As for the runtimes: an eighth to warm up, then all by the clock.
fn measure(operations: u64, mut work: impl FnMut(u64) -> anyhow::Result<()>) -> anyhow::Result<Measured> {
    work(operations.div_ceil(8))?;
    let stopwatch = Stopwatch::start()?;
    work(operations)?;
    Ok(stopwatch.stop(operations)?)
}

fn answer(result: i32) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}

/// Has one operation done.
///
/// # Safety
/// What the entry names stays until this returns, or for ever if it fails.
unsafe fn one(
    submissions: &mut Submissions<'_>,
    completions: &mut CompletionQueue<'_>,
    entry: &Entry,
) -> anyhow::Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { submissions.push(entry)? };
    loop {
        submissions.turn()?;
        completions.sync();
        if let Some(completion) = completions.next() {
            return Ok(answer(completion.result())?);
        }
    }
}

fn read_long(_: bool, order: &Order) -> anyhow::Result<Measured> {
    let file = File::open(LARGE)?;
    let mut ring = ring()?;
    let (submitter, queue, mut completions) = ring.split();
    let mut submissions = Submissions::new(submitter, queue);
    let mut buffer = ManuallyDrop::new(vec![0; PIECE_BYTES]);
    let measured = measure(order.operations, |count| {
        for number in 0..count {
            let place = number * PIECE_BYTES as u64 % LARGE_BYTES;
            let entry =
                opcode::Read::new(types::Fd(file.as_raw_fd()), buffer.as_mut_ptr(), PIECE_BYTES as u32);
            // SAFETY: the buffer is there until the end, or leaked.
            let length = unsafe { one(&mut submissions, &mut completions, &entry.offset(place).build())? };
            check_large(&buffer[..length], place, PIECE_BYTES)?;
        }
        Ok(())
    })?;
    drop(ManuallyDrop::into_inner(buffer));
    Ok(measured)
}

fn write_long(_: bool, order: &Order) -> anyhow::Result<Measured> {
    let mut ring = ring()?;
    let (submitter, queue, mut completions) = ring.split();
    let mut submissions = Submissions::new(submitter, queue);
    let piece = ManuallyDrop::new(piece());
    let measured = measure(order.operations, |count| {
        let file = File::create(written())?;
        let fd = types::Fd(file.as_raw_fd());
        for number in 0..count {
            let entry = opcode::Write::new(fd, piece.as_ptr(), PIECE_BYTES as u32);
            let entry = entry.offset(number * PIECE_BYTES as u64).build();
            // SAFETY: the buffer is there until the end, or leaked.
            let length = unsafe { one(&mut submissions, &mut completions, &entry)? };
            ensure!(length == PIECE_BYTES, "only {length} bytes were written");
        }
        // SAFETY: no memory is named.
        unsafe { one(&mut submissions, &mut completions, &opcode::Fsync::new(fd).build())? };
        Ok(())
    })?;
    drop(ManuallyDrop::into_inner(piece));
    check_written(order.operations)?;
    Ok(measured)
}

/// A small file on its way.
struct Small {
    number: u64,
    left: u64,
    path: CString,
    file: Option<OwnedFd>,
    buffer: Vec<u8>,
    filled: usize,
    size: u64,
}

impl Small {
    fn open(&mut self, task: usize) -> anyhow::Result<Entry> {
        self.path = CString::new(small(self.number))?;
        let open = opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), self.path.as_ptr());
        Ok(open.flags(libc::O_RDONLY | libc::O_CLOEXEC).build().user_data(task as u64))
    }

    /// What comes after an answer.
    fn next(&mut self, answer: usize, task: usize, depth: u64) -> anyhow::Result<Option<Entry>> {
        match self.file.take() {
            // It was opened: its status is fetched at once.
            None if self.filled == 0 => {
                // SAFETY: the operation has opened this descriptor.
                let file = File::from(unsafe { OwnedFd::from_raw_fd(answer as i32) });
                self.size = file.metadata()?.len();
                let fd = types::Fd(file.as_raw_fd());
                self.file = Some(file.into());
                let read = opcode::Read::new(fd, self.buffer.as_mut_ptr(), self.buffer.len() as u32);
                Ok(Some(read.build().user_data(task as u64)))
            }
            // It was read, and is closed.
            Some(file) => {
                self.filled = answer;
                let close = opcode::Close::new(types::Fd(file.as_raw_fd())).build();
                std::mem::forget(file);
                Ok(Some(close.user_data(task as u64)))
            }
            None => {
                check_small(&self.buffer[..self.filled], self.size, self.number)?;
                self.filled = 0;
                self.number += depth;
                self.left -= 1;
                if self.left == 0 { Ok(None) } else { self.open(task).map(Some) }
            }
        }
    }
}

fn small_files(_: bool, order: &Order, depth: u64) -> anyhow::Result<Measured> {
    let mut ring: IoUring = ring()?;
    measure(order.operations, |count| {
        let (submitter, queue, mut completions) = ring.split();
        let mut submissions = Submissions::new(submitter, queue);
        let mut tasks: ManuallyDrop<Vec<Small>> = ManuallyDrop::new(Vec::new());
        for (number, left) in (0..).zip(shares(count, depth)) {
            let buffer = vec![0; 2 * SMALL_BYTES];
            tasks.push(Small {
                number,
                left,
                path: CString::default(),
                file: None,
                buffer,
                filled: 0,
                size: 0,
            });
        }
        let mut running = 0;
        for (number, task) in tasks.iter_mut().enumerate().filter(|(_, task)| task.left > 0) {
            // SAFETY: the task owns path and buffer until the completion.
            unsafe { submissions.push(&task.open(number)?)? };
            running += 1;
        }
        while running > 0 {
            submissions.turn()?;
            completions.sync();
            for completion in &mut completions {
                let number = completion.user_data() as usize;
                let result = answer(completion.result()).context("a small file")?;
                match tasks[number].next(result, number, depth)? {
                    // SAFETY: as above.
                    Some(entry) => unsafe { submissions.push(&entry)? },
                    None => running -= 1,
                }
            }
        }
        drop(ManuallyDrop::into_inner(tasks));
        Ok(())
    })
}

//! From an operation to a submission entry.

use crate::buffer_ring::{GROUP, MESSAGE_GROUP};
use anyio_driver::{Op, OpKind};
use io_uring::{
    opcode,
    squeue::{Entry, Flags},
    types::{Fd, FsyncFlags},
};
use std::ptr;

/// The offset that means the file's own cursor.
const CURSOR: u64 = u64::MAX;

/// The opcode with which an operation of this kind is done.
pub(crate) fn opcode_of(kind: OpKind) -> u8 {
    match kind {
        OpKind::Nop => opcode::Nop::CODE,
        OpKind::Receive | OpKind::ReceivePooled | OpKind::ReceiveMultishot => opcode::Recv::CODE,
        OpKind::Send => opcode::Send::CODE,
        OpKind::ReceiveMessage | OpKind::ReceiveMessages => opcode::RecvMsg::CODE,
        OpKind::SendMessage => opcode::SendMsg::CODE,
        OpKind::Accept => opcode::Accept::CODE,
        OpKind::Connect => opcode::Connect::CODE,
        OpKind::Shutdown => opcode::Shutdown::CODE,
        OpKind::Poll => opcode::PollAdd::CODE,
        OpKind::Read => opcode::Read::CODE,
        OpKind::Write => opcode::Write::CODE,
        OpKind::ReadVectored => opcode::Readv::CODE,
        OpKind::WriteVectored => opcode::Writev::CODE,
        OpKind::Open => opcode::OpenAt::CODE,
        OpKind::Synchronize => opcode::Fsync::CODE,
        OpKind::Status => opcode::Statx::CODE,
        OpKind::Truncate => opcode::Ftruncate::CODE,
        OpKind::Allocate => opcode::Fallocate::CODE,
        OpKind::Advise => opcode::Fadvise::CODE,
        OpKind::Unlink => opcode::UnlinkAt::CODE,
        OpKind::Rename => opcode::RenameAt::CODE,
        OpKind::MakeDirectory => opcode::MkDirAt::CODE,
        OpKind::Link => opcode::LinkAt::CODE,
        OpKind::SymbolicLink => opcode::SymlinkAt::CODE,
        OpKind::WaitProcess => opcode::WaitId::CODE,
    }
}

/// Whether a worker thread of the kernel may do operations of this kind on an open file. Sockets are not among them: the
/// kernel waits for those without a thread.
pub(crate) fn works_on_file(kind: OpKind) -> bool {
    matches!(
        kind,
        OpKind::Read
            | OpKind::Write
            | OpKind::ReadVectored
            | OpKind::WriteVectored
            | OpKind::Synchronize
            | OpKind::Truncate
            | OpKind::Allocate
            | OpKind::Advise
    )
}

/// The same without the wish that the kernel go on after a part: one that forgets what was transferred when it is called off
/// has it sent twice.
#[cold]
pub(crate) fn ended_by_a_part(mut op: Op) -> Op {
    match &mut op {
        Op::Receive { flags, .. }
        | Op::Send { flags, .. }
        | Op::ReceiveMessage { flags, .. }
        | Op::SendMessage { flags, .. } => *flags &= !libc::MSG_WAITALL,
        _ => {}
    }
    op
}

/// Whether the kernel gives operations of this kind to its worker threads in any case.
pub(crate) fn is_punted(kind: OpKind) -> bool {
    matches!(
        kind,
        OpKind::Synchronize
            | OpKind::Status
            | OpKind::Truncate
            | OpKind::Allocate
            | OpKind::Unlink
            | OpKind::Rename
            | OpKind::MakeDirectory
            | OpKind::Link
            | OpKind::SymbolicLink
    )
}

/// The entry that asks the kernel for `op`, without its token.
#[inline]
pub(crate) fn entry_of(op: Op) -> Entry {
    match op {
        Op::Nop {} => opcode::Nop::new().build(),
        Op::Receive { fd, pointer, length, flags } => {
            opcode::Recv::new(Fd(fd), pointer, length).flags(flags).build()
        }
        Op::ReceivePooled { fd } => {
            opcode::Recv::new(Fd(fd), ptr::null_mut(), 0).buf_group(GROUP).build().flags(Flags::BUFFER_SELECT)
        }
        Op::ReceiveMultishot { fd } => opcode::RecvMulti::new(Fd(fd), GROUP).build(),
        Op::Send { fd, pointer, length, flags } => {
            opcode::Send::new(Fd(fd), pointer, length).flags(flags | libc::MSG_NOSIGNAL).build()
        }
        Op::ReceiveMessage { fd, message, flags } => {
            opcode::RecvMsg::new(Fd(fd), message).flags((flags | libc::MSG_CMSG_CLOEXEC) as u32).build()
        }
        Op::ReceiveMessages { fd, message } => opcode::RecvMsgMulti::new(Fd(fd), message, MESSAGE_GROUP)
            .flags(libc::MSG_CMSG_CLOEXEC as u32)
            .build(),
        Op::SendMessage { fd, message, flags } => {
            opcode::SendMsg::new(Fd(fd), message).flags((flags | libc::MSG_NOSIGNAL) as u32).build()
        }
        Op::Accept { fd } => {
            opcode::Accept::new(Fd(fd), ptr::null_mut(), ptr::null_mut()).flags(libc::SOCK_CLOEXEC).build()
        }
        Op::Connect { fd, address, length } => opcode::Connect::new(Fd(fd), address, length).build(),
        Op::Shutdown { fd, how } => opcode::Shutdown::new(Fd(fd), how).build(),
        Op::Poll { fd, events } => opcode::PollAdd::new(Fd(fd), events).build(),
        Op::Read { fd, pointer, length, offset } => {
            opcode::Read::new(Fd(fd), pointer, length).offset(offset.unwrap_or(CURSOR)).build()
        }
        Op::Write { fd, pointer, length, offset } => {
            opcode::Write::new(Fd(fd), pointer, length).offset(offset.unwrap_or(CURSOR)).build()
        }
        Op::ReadVectored { fd, pieces, count, offset } => {
            opcode::Readv::new(Fd(fd), pieces, count).offset(offset.unwrap_or(CURSOR)).build()
        }
        Op::WriteVectored { fd, pieces, count, offset } => {
            opcode::Writev::new(Fd(fd), pieces, count).offset(offset.unwrap_or(CURSOR)).build()
        }
        Op::Open { directory, path, flags, mode } => {
            opcode::OpenAt::new(Fd(directory), path).flags(flags | libc::O_CLOEXEC).mode(mode).build()
        }
        Op::Synchronize { fd, data_only } => {
            let flags = if data_only { FsyncFlags::DATASYNC } else { FsyncFlags::empty() };
            opcode::Fsync::new(Fd(fd)).flags(flags).build()
        }
        Op::Status { directory, path, flags, status } => {
            opcode::Statx::new(Fd(directory), path, status.cast())
                .flags(flags)
                .mask(libc::STATX_BASIC_STATS | libc::STATX_BTIME)
                .build()
        }
        Op::Truncate { fd, length } => opcode::Ftruncate::new(Fd(fd), length).build(),
        Op::Allocate { fd, mode, offset, length } => {
            opcode::Fallocate::new(Fd(fd), length).offset(offset).mode(mode).build()
        }
        Op::Advise { fd, offset, length, advice } => {
            // The entry has 32 bits for the length, and 0 means all that follows. Of a longer part only the
            // beginning is advised.
            let length = length.min(u32::MAX.into()) as libc::off_t;
            opcode::Fadvise::new(Fd(fd), length, advice).offset(offset).build()
        }
        Op::Unlink { directory, path, flags } => {
            opcode::UnlinkAt::new(Fd(directory), path).flags(flags).build()
        }
        Op::Rename { from_directory, from, to_directory, to, flags } => {
            opcode::RenameAt::new(Fd(from_directory), from, Fd(to_directory), to).flags(flags).build()
        }
        Op::MakeDirectory { directory, path, mode } => {
            opcode::MkDirAt::new(Fd(directory), path).mode(mode).build()
        }
        Op::Link { from_directory, from, to_directory, to, flags } => {
            opcode::LinkAt::new(Fd(from_directory), from, Fd(to_directory), to).flags(flags).build()
        }
        Op::SymbolicLink { target, directory, path } => {
            opcode::SymlinkAt::new(Fd(directory), target, path).build()
        }
        Op::WaitProcess { pid, info, options } => {
            opcode::WaitId::new(libc::P_PID, pid as libc::id_t, options).infop(info).build()
        }
    }
}

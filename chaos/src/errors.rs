//! With which errors operations and calls fail.

use anyio_driver::{CallKind, OpKind};

/// The errors that are usual for operations of a kind; none for kinds that cannot fail so that a program could do anything
/// about it.
pub(crate) const fn usual(kind: OpKind) -> &'static [i32] {
    match kind {
        OpKind::Nop | OpKind::Poll | OpKind::WaitProcess | OpKind::Shutdown | OpKind::Advise => &[],
        OpKind::Receive
        | OpKind::ReceivePooled
        | OpKind::ReceiveMultishot
        | OpKind::ReceiveMessage
        | OpKind::ReceiveMessages => &[libc::ECONNRESET, libc::ETIMEDOUT],
        OpKind::Send | OpKind::SendMessage => &[libc::EPIPE, libc::ECONNRESET, libc::ETIMEDOUT],
        OpKind::Accept => &[libc::EMFILE, libc::ENFILE, libc::ECONNABORTED],
        OpKind::Connect => &[libc::ETIMEDOUT, libc::ECONNREFUSED, libc::ENETUNREACH],
        OpKind::Open => &[libc::EMFILE, libc::ENFILE, libc::EIO],
        OpKind::Write | OpKind::WriteVectored | OpKind::Allocate | OpKind::Truncate => {
            &[libc::ENOSPC, libc::EIO]
        }
        OpKind::Rename | OpKind::MakeDirectory | OpKind::Link | OpKind::SymbolicLink => {
            &[libc::ENOSPC, libc::EIO]
        }
        OpKind::Read | OpKind::ReadVectored | OpKind::Synchronize | OpKind::Status | OpKind::Unlink => {
            &[libc::EIO]
        }
    }
}

/// The errors that are usual for calls of a kind.
pub(crate) const fn usual_of_call(kind: CallKind) -> &'static [i32] {
    match kind {
        CallKind::ShutDownNow | CallKind::GetMode | CallKind::SetMode | CallKind::Seek => &[],
        CallKind::ReceiveNow => &[libc::ECONNRESET, libc::ETIMEDOUT],
        CallKind::SendNow => &[libc::EPIPE, libc::ECONNRESET, libc::ETIMEDOUT],
        CallKind::SendFile => &[libc::EPIPE, libc::ECONNRESET, libc::EIO],
        CallKind::SendMessageNow => &[libc::ENOBUFS, libc::ENOMEM],
        CallKind::MakeSocket => &[libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM],
        CallKind::MakePair | CallKind::MakePipe | CallKind::OpenProcess | CallKind::LookUp => {
            &[libc::EMFILE, libc::ENFILE]
        }
        CallKind::Duplicate => &[libc::EMFILE],
        CallKind::Bind | CallKind::Listen => &[libc::EADDRINUSE],
        CallKind::ConnectNow | CallKind::LocalAddress | CallKind::PeerAddress | CallKind::GetOption => {
            &[libc::ENOBUFS]
        }
        CallKind::SetOption | CallKind::Examine | CallKind::StatusCached => &[libc::ENOMEM],
        CallKind::Close => &[libc::EIO, libc::ENOSPC],
        CallKind::ReadCached | CallKind::OnPath | CallKind::OnFile => &[libc::EIO],
    }
}

/// Whether an operation of this kind can be interrupted before it had any effect, and then begun again.
pub(crate) const fn can_be_interrupted(kind: OpKind) -> bool {
    // A connect that was begun goes on.
    !matches!(kind, OpKind::Nop | OpKind::Connect)
}

/// Whether worker threads do operations of this kind, so that a cancellation may find one at work.
pub(crate) const fn is_done_by_threads(kind: OpKind) -> bool {
    matches!(kind, OpKind::Read | OpKind::Write | OpKind::ReadVectored | OpKind::WriteVectored)
        || kind.is_on_files()
}

/// Whether the error means that a connection is lost, so that all that follows on it has to fail as well.
pub(crate) const fn loses_connection(error: i32) -> bool {
    matches!(error, libc::EPIPE | libc::ECONNRESET | libc::ETIMEDOUT)
}

//! What a child's standard streams are connected to.

use super::{ChildStderr, ChildStdin, ChildStdout};
use crate::runtime::calls;
use std::{fs::File, io, os::fd::OwnedFd, process};

/// What one of a child's standard streams is connected to.
#[derive(Debug)]
pub struct Stdio(Kind);

#[derive(Debug)]
enum Kind {
    Inherit,
    Piped,
    Null,
    Stdout,
    Descriptor(OwnedFd),
}

impl Stdio {
    /// To what the same stream of this process is connected to.
    pub fn inherit() -> Self {
        Self(Kind::Inherit)
    }

    /// To a pipe, whose other end is a field of [`Process`](super::Process).
    pub fn piped() -> Self {
        Self(Kind::Piped)
    }

    /// To nothing: reading gives the end at once, and what is written is gone.
    pub fn null() -> Self {
        Self(Kind::Null)
    }

    /// To what the child's standard output is connected to. For its standard error only.
    pub fn to_stdout() -> Self {
        Self(Kind::Stdout)
    }

    pub(super) fn is_inherited(&self) -> bool {
        matches!(self.0, Kind::Inherit)
    }

    pub(super) fn is_stdout(&self) -> bool {
        matches!(self.0, Kind::Stdout)
    }

    /// The child's end.
    pub(super) fn open(&self) -> io::Result<process::Stdio> {
        Ok(match &self.0 {
            Kind::Inherit => process::Stdio::inherit(),
            Kind::Piped => process::Stdio::piped(),
            Kind::Null => process::Stdio::null(),
            Kind::Descriptor(descriptor) => calls::duplicate(descriptor)?.into(),
            Kind::Stdout => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "only standard error can go to standard output",
                ));
            }
        })
    }

    /// The child's end of its standard output, once more for its standard error; and the parent's if it is a pipe.
    pub(super) fn open_shared(&self) -> io::Result<(process::Stdio, process::Stdio, Option<OwnedFd>)> {
        Ok(match &self.0 {
            Kind::Piped => {
                let (reader, writer) = calls::pipe()?;
                (calls::duplicate(&writer)?.into(), writer.into(), Some(reader))
            }
            Kind::Inherit => {
                let own = calls::duplicate(io::stdout())?;
                (process::Stdio::inherit(), own.into(), None)
            }
            _ => (self.open()?, self.open()?, None),
        })
    }
}

impl From<OwnedFd> for Stdio {
    /// To an open file, pipe or socket. A command that is started several times uses it each time.
    fn from(descriptor: OwnedFd) -> Self {
        Self(Kind::Descriptor(descriptor))
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Self {
        Self(Kind::Descriptor(file.into()))
    }
}

/// The streams of one child can be those of another.
macro_rules! from_stream {
    ($($stream:ident)*) => {$(
        impl TryFrom<$stream> for Stdio {
            type Error = $stream;

            /// Gives the stream back if an operation is in flight on it, or if it has received what nobody has taken.
            fn try_from(stream: $stream) -> Result<Self, $stream> {
                stream.into_owned().map(Self::from)
            }
        }
    )*};
}

from_stream!(ChildStdin ChildStdout ChildStderr);

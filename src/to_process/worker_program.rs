//! Functions of another program, by their names.

use super::{
    call::{Call, RunSync},
    program::{Other, Program},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{ffi::OsString, rc::Rc};

/// Another program that is started as a worker, and offers functions by their names: see [`Functions`](super::Functions).
///
/// Argument and value have to be of the same types on both sides; bytes that cannot be of a type are refused, but some can
/// be of several.
///
/// ```no_run
/// use anyio::to_process::WorkerProgram;
///
/// # anyio::run(async || -> anyio::Result<()> {
/// let codec = WorkerProgram::new("/usr/lib/player/codec");
/// let decoded: Vec<i16> = codec.run_sync("decode", &vec![0_u8; 100]).await?;
/// # Ok(()) });
/// ```
#[derive(Debug, Clone)]
pub struct WorkerProgram(Rc<Other>);

impl WorkerProgram {
    /// A program without arguments. It is looked for in the folders of `PATH` if its name has no slash.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self(Rc::new(Other { program: program.into(), arguments: Vec::new() }))
    }

    /// The same program with one argument more.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        Rc::make_mut(&mut self.0).arguments.push(argument.into());
        self
    }

    /// Calls a function in a worker of this program, as [`run_sync`](super::run_sync()) does in one of this one. Workers are
    /// used again for the same program with the same arguments.
    ///
    /// # Errors
    /// As for [`run_sync`](super::run_sync()). [`InvalidData`](std::io::ErrorKind::InvalidData), too, if the program offers no
    /// function of that name, or one of other types.
    ///
    /// # Panics
    /// As for [`run_sync`](super::run_sync()). If the name is longer than 65,535 bytes.
    pub fn run_sync<A, T>(&self, function: &str, argument: &A) -> RunSync<T>
    where
        A: Serialize + ?Sized,
        T: DeserializeOwned + 'static,
    {
        RunSync::new(Program::Other(Rc::clone(&self.0)), Call::by_name(function, argument))
    }
}

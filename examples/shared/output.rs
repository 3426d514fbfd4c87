//! Standard output of the examples. Whoever reads it may go at any time, as in `doctor | head -1`, and a disk may be full:
//! `println!` panics then, and `say!` gives an error.

use std::{
    fmt::{Arguments, Display},
    io::{self, Write},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

/// Whether the reader has gone.
static IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Prints a line, as `println!` does, or gives the error.
macro_rules! say {
    ($($text:tt)*) => {
        crate::output::line(format_args!($($text)*))
    };
}

pub(crate) use say;

/// Writes a line to standard output.
pub(crate) fn line(text: Arguments<'_>) -> io::Result<()> {
    write(|output| writeln!(output, "{text}"))
}

/// Writes to standard output, undisturbed by others.
pub(crate) fn write(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let written = write(&mut io::stdout().lock());
    if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        IS_CLOSED.store(true, Ordering::Relaxed);
    }
    written
}

/// What a program ends with. An error is told in one line. That nobody reads any more is no failure, and nobody is told.
pub(crate) fn conclude<E: Display>(ended: Result<ExitCode, E>) -> ExitCode {
    match ended {
        Ok(code) => code,
        Err(_) if IS_CLOSED.load(Ordering::Relaxed) => ExitCode::SUCCESS,
        Err(error) => {
            // With neither output there is nobody to tell. The form is that in which `anyhow` has the causes, too.
            let _ = writeln!(io::stderr(), "Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

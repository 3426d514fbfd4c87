//! Which driver to open, and opening it.

use super::{AnyDriver, Backend, Options, poll, uring};
use std::{
    env, io, mem,
    sync::{Mutex, PoisonError},
};

/// The environment variable that names the back end of runs which name none.
pub(crate) const VARIABLE: &str = "ANYIO_BACKEND";

/// The back end that the environment names, if it names one.
///
/// # Errors
/// If it names none that there is.
pub(crate) fn from_environment() -> io::Result<Option<Backend>> {
    match env::var_os(VARIABLE) {
        Some(name) if !name.is_empty() => match name.to_string_lossy().parse() {
            Ok(backend) => Ok(Some(backend)),
            Err(error) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{VARIABLE} in the environment: {error}"),
            )),
        },
        _ => Ok(None),
    }
}

/// Opens a driver.
///
/// # Errors
/// If it is not to be had; the text says why.
pub(crate) fn open(backend: Backend, options: &Options) -> io::Result<AnyDriver> {
    match backend {
        Backend::Uring => open_uring(options),
        Backend::Poll => open_poll(options),
        Backend::Auto => open_uring(options).or_else(|cause| fall_back(&cause, options)),
    }
}

fn open_uring(options: &Options) -> io::Result<AnyDriver> {
    uring::open(options).map(|driver| AnyDriver::Uring(Box::new(driver)))
}

fn open_poll(options: &Options) -> io::Result<AnyDriver> {
    poll::open(options).map(|driver| AnyDriver::Poll(Box::new(driver)))
}

fn fall_back(cause: &io::Error, options: &Options) -> io::Result<AnyDriver> {
    let driver = open_poll(options).map_err(|error| io::Error::new(error.kind(), neither(&error, cause)))?;
    if is_news(cause.to_string()) {
        log::info!("anyio polls, because {cause}");
    }
    Ok(driver)
}

/// Why there is no driver at all.
pub(crate) fn neither(poll: &io::Error, uring: &io::Error) -> String {
    format!("polling cannot be set up: {poll}; {uring}")
}

/// Whether this cause is another one than that which was told last. Programs may have many runs, on many cores, and the
/// cause is the host's: one line for all of them says everything.
fn is_news(cause: String) -> bool {
    static TOLD: Mutex<String> = Mutex::new(String::new());
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let news = *told != cause;
    drop(mem::replace(&mut *told, cause));
    news
}

//! The driver on io_uring.
//!
//! # Contract
//! The only operation that is submitted here names neither memory nor descriptors.

use super::{BackendReport, Feature, Options};
use anyio_driver::{Driver, Op, OpKind, Token, Wait};
use anyio_uring::Report;
use std::{
    io,
    time::{Duration, Instant},
};

pub(crate) use anyio_uring::UringDriver;

/// So long a trial operation may take; it takes no time at all where rings work.
const TRIAL: Duration = Duration::from_secs(1);

/// Sets a ring up, and makes sure that it has what the runtime needs.
///
/// # Errors
/// If the host does not offer one; the text says why.
pub(crate) fn open(options: &Options) -> io::Result<UringDriver> {
    let mut driver = set_up(options)?;
    check(&mut driver)?;
    Ok(driver)
}

fn set_up(options: &Options) -> io::Result<UringDriver> {
    let uring = anyio_uring::Options {
        entries: options.ring_entries,
        buffers: options.receive_buffers,
        buffer_size: options.receive_buffer_size,
        spin: options.spin,
        ..Default::default()
    };
    UringDriver::new(&uring).map_err(io::Error::from)
}

/// Looks what there is of it on this host.
pub(crate) fn examine(options: &Options) -> BackendReport {
    match set_up(options) {
        Ok(mut driver) => {
            BackendReport { refusal: check(&mut driver).err(), features: features(driver.report()) }
        }
        Err(error) => BackendReport { refusal: Some(error), features: Vec::new() },
    }
}

fn features(report: &Report) -> Vec<Feature> {
    let size = |name, note| Feature { name, in_use: true, note };
    let mut features = vec![
        size("submission queue", format!("{} entries", report.submission_entries)),
        size("completion queue", format!("{} entries", report.completion_entries)),
    ];
    features.extend(report.findings.iter().map(|finding| Feature {
        name: finding.name,
        in_use: finding.in_use,
        note: finding.note.to_owned(),
    }));
    features
}

/// Makes sure that the ring is more than there: it can do what nothing else stands in for, and it is allowed to do it.
fn check(driver: &mut impl Driver) -> io::Result<()> {
    if let Some(missing) = OpKind::ALL.iter().find(|kind| !has_substitute(**kind) && !driver.supports(**kind))
    {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!(
                "io_uring is not available: this kernel has no {}; Linux 5.15 or later is needed",
                missing.name()
            ),
        ));
    }
    attempt(driver).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!(
                "io_uring is not available: a ring can be set up but not used, most likely because a seccomp filter \
                 or a security module refuses io_uring_enter ({error})"
            ),
        )
    })
}

/// Whether the runtime does without operations of this kind where the kernel has none.
fn has_substitute(kind: OpKind) -> bool {
    matches!(
        kind,
        OpKind::ReceivePooled
            | OpKind::ReceiveMultishot
            | OpKind::ReceiveMessages
            | OpKind::Truncate
            | OpKind::WaitProcess
    )
}

/// Does nothing, by way of the ring.
fn attempt(driver: &mut impl Driver) -> io::Result<()> {
    let deadline = Instant::now() + TRIAL;
    // SAFETY: the operation names neither memory nor descriptors, and there is no other with that token.
    unsafe { driver.submit(Token::new(0, 0), Op::Nop {}) };
    let mut completions = Vec::new();
    while completions.is_empty() {
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        driver.turn(Wait::Until(deadline), &mut completions)?;
    }
    match completions[0].result {
        error @ ..0 => Err(io::Error::from_raw_os_error(-error)),
        _ => Ok(()),
    }
}

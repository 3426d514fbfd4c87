//! The driver on readiness.

use super::{BackendReport, Feature, Options};
use anyio_driver::{Driver, OpKind};
use anyio_fallback::PollDriver;
use std::io;

/// Sets it up.
///
/// # Errors
/// If the process has no descriptors left.
pub(crate) fn open(options: &Options) -> io::Result<PollDriver> {
    PollDriver::new(anyio_fallback::Options {
        threads: options.worker_threads,
        buffer_size: options.receive_buffer_size,
    })
}

/// Looks what there is of it on this host.
pub(crate) fn examine(options: &Options) -> BackendReport {
    match open(options) {
        Ok(driver) => BackendReport { refusal: None, features: features(&driver) },
        Err(error) => BackendReport { refusal: Some(error), features: Vec::new() },
    }
}

fn features(driver: &PollDriver) -> Vec<Feature> {
    let readiness = Feature {
        name: PollDriver::READINESS,
        in_use: true,
        note: "tells when sockets and their like are ready".to_owned(),
    };
    // Repeated receives are only of use where each would cost an entry.
    let kinds = OpKind::ALL.iter().filter(|kind| **kind != OpKind::ReceiveMultishot);
    let operations = kinds.map(|&kind| {
        let in_use = driver.supports(kind);
        let note = if in_use { "supported" } else { "not known to this system" };
        Feature { name: operation_name(kind), in_use, note: note.to_owned() }
    });
    [readiness].into_iter().chain(operations).collect()
}

fn operation_name(kind: OpKind) -> &'static str {
    match kind {
        OpKind::ReceivePooled => "receive into a pool buffer",
        OpKind::ReceiveMessages => "recvmsg of several",
        _ => kind.name(),
    }
}

//! The driver's operations on files, as payloads.
//!
//! # Contract
//! Each payload owns what its operation names: paths as C strings and status buffers on the heap, buffers in
//! [`Held`](anyio_driver::Held), and a share of the descriptor. None of it moves with the payload.

mod on_descriptor;
mod on_path;
mod status;
mod transfer;
mod vectored;

pub(super) use on_descriptor::{Effect, OnDescriptor};
pub(super) use on_path::{OnPath, c_path};
pub(super) use status::{of_descriptor, of_path};
pub(super) use transfer::{Read, Write};
pub(super) use vectored::{ReadVectored, WriteVectored};

use crate::runtime::Refusal;

/// The most bytes that the kernel transfers at once.
const MOST: usize = 0x7fff_f000;

/// Checks a position in a file: the drivers have other uses for those beyond what files can have.
pub(super) fn check_position(position: u64, length: usize) -> Result<(), Refusal> {
    match i64::try_from(position.saturating_add(length.min(MOST) as u64)) {
        Ok(_) => Ok(()),
        Err(_) => Err(Refusal::System(libc::EINVAL)),
    }
}

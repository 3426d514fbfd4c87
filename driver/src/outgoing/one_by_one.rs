//! Systems without a call that takes several messages.

use super::Call;
use libc::msghdr;

/// A message.
pub(super) type Slot = msghdr;

pub(super) const CALL: Option<Call> = None;

#[inline]
pub(super) fn slot(message: msghdr) -> Slot {
    message
}

#[inline]
pub(super) fn head(slot: &Slot) -> &msghdr {
    slot
}

/// Nobody has sent it together with others.
pub(super) fn length(_: &Slot) -> i32 {
    0
}

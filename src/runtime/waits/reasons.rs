//! Who waits for what.

use super::{Marks, Slot, WaitKind, WaitState, Waits};
use crate::runtime::{Scope, WaitReason, autojump::Outside, backend::AnyDriver, waker::StoredWaker};
use anyio_driver::Token;

impl Slot {
    /// Whether somebody waits here for what has not happened.
    fn is_awaited(&self) -> bool {
        self.state == WaitState::Waiting && !self.waker.is_none()
    }
}

impl Waits {
    /// What may come from the driver for somebody who waits, but for operations that it keeps back: time alone ends these.
    pub(in crate::runtime) fn outside(&self, driver: &AnyDriver) -> Outside {
        let mut outside = Outside::Silent;
        for (index, slot) in self.slots().iter().enumerate() {
            let operation = matches!(
                slot.kind,
                WaitKind::Operation | WaitKind::Kept | WaitKind::KeptMessages | WaitKind::Piece
            );
            if operation && slot.is_awaited() {
                if slot.marks.contains(Marks::CANCEL_ASKED) {
                    return Outside::WillAnswer;
                }
                if driver.keeps_back(Token::new(index as u32, slot.generation)) {
                    continue;
                }
                if slot.reason.ends_by_itself() {
                    return Outside::WillAnswer;
                }
                outside = Outside::MayAnswer;
            }
        }
        outside
    }

    /// Shows everything that somebody waits for and that has not happened, with the scope it is linked to. What is called
    /// may not change or wake anything.
    pub(crate) fn for_each_waiting(&self, mut visit: impl FnMut(WaitReason, &StoredWaker, Option<&Scope>)) {
        for slot in self.slots().iter() {
            let wait = match slot.kind {
                WaitKind::Free | WaitKind::Deadline | WaitKind::Orphan | WaitKind::Queued => false,
                WaitKind::Operation
                | WaitKind::Kept
                | WaitKind::KeptMessages
                | WaitKind::Piece
                | WaitKind::Hook
                | WaitKind::Timer => true,
            };
            if wait && slot.is_awaited() {
                // SAFETY: a linked slot's scope is alive: see the contract of the slots.
                visit(slot.reason, &slot.waker, unsafe { slot.scope.as_ref() });
            }
        }
    }
}

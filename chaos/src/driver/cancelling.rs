//! Cancellations, which may come late and find nothing.

use super::{ChaosDriver, Stage};
use crate::Fault;
use anyio_driver::{Driver, Token};

impl<D: Driver> ChaosDriver<D> {
    /// Sends the cancellations below that have been kept back until now.
    pub(super) fn send_cancels(&mut self) {
        let turn = self.turn;
        let mut due = Vec::new();
        self.cancels.retain(|(token, at)| {
            let waits = *at > turn;
            if !waits {
                due.push(*token);
            }
            waits
        });
        due.into_iter().for_each(|token| self.cancel_below(token));
    }

    /// Has the driver below cancel an operation, unless it has ended there.
    pub(super) fn cancel_below(&mut self, token: Token) {
        if self.end_slow(token) {
            return;
        }
        let Some(flight) = self.flight(token).filter(|flight| !matches!(flight.stage, Stage::Answered))
        else {
            return;
        };
        let (kind, number) = (flight.kind, flight.number);
        if !flight.course.unfound_cancel {
            self.driver.cancel(token);
        } else if self.driver.cancel_in_vain(token) {
            self.note(kind, number, Fault::UnfoundCancel);
        }
    }
}

//! Builds without the feature `chaos`.

use super::AnyDriver;
pub(crate) use super::absent::Absent as ChaosDriver;
use crate::runtime::Clock;
use anyio_driver::Token;
use std::{io, time::Duration};

/// Nothing is to happen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disturbance;

impl Disturbance {
    /// The driver as it is.
    pub(crate) fn wrap(&self, driver: AnyDriver, _clock: Clock) -> AnyDriver {
        self.driver().map_or(driver, AnyDriver::Chaos)
    }

    /// None.
    fn driver(&self) -> Option<ChaosDriver> {
        None
    }

    /// No seed.
    pub(crate) fn shuffle(&self) -> Option<u64> {
        None
    }
}

impl AnyDriver {
    /// Nobody asks.
    pub(in crate::runtime) fn note_time(&mut self, _passed: Duration) {}

    /// Nothing is kept back.
    pub(in crate::runtime) fn kept_back(&self) -> Option<Duration> {
        None
    }

    /// None is.
    pub(in crate::runtime) fn keeps_back(&self, _token: Token) -> bool {
        false
    }

    /// Nothing was to happen.
    ///
    /// # Errors
    /// None.
    pub(crate) fn check(&self) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn backend_below(driver: &ChaosDriver) -> super::Backend {
        match *driver {}
    }
}

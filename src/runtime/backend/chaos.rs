//! A driver that lies, in front of any other.

use super::AnyDriver;
use crate::runtime::Clock;
use anyio_chaos::Chaos;
use anyio_driver::Token;
use std::{io, time::Duration};

/// It is boxed, since it holds a driver of any kind.
pub(crate) type ChaosDriver = Box<anyio_chaos::ChaosDriver<AnyDriver>>;

/// What is to happen to the operations of a run, and how its tasks are shuffled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disturbance {
    pub(crate) chaos: Option<Chaos>,
    pub(crate) shuffle: Option<u64>,
}

impl Disturbance {
    /// Whether anything was asked for.
    pub(crate) fn is_any(&self) -> bool {
        self.chaos.is_some() || self.shuffle.is_some()
    }

    /// Puts the driver that lies in front of another, if that was asked for.
    pub(crate) fn wrap(&self, driver: AnyDriver, clock: Clock) -> AnyDriver {
        let Some(chaos) = &self.chaos else { return driver };
        let driver = anyio_chaos::ChaosDriver::new(driver, chaos);
        AnyDriver::Chaos(Box::new(match clock {
            Clock::Monotonic => driver,
            Clock::Virtual => driver.on_virtual_clock(),
        }))
    }

    /// The seed by which ready tasks are shuffled.
    pub(crate) fn shuffle(&self) -> Option<u64> {
        self.shuffle
    }
}

impl AnyDriver {
    /// Notes that so much time has passed on a virtual clock.
    pub(in crate::runtime) fn note_time(&mut self, passed: Duration) {
        if let Self::Chaos(driver) = self {
            driver.note_time(passed);
        }
    }

    /// How much later, on the clock of the run, it begins the next of those operations that it keeps back.
    pub(in crate::runtime) fn kept_back(&self) -> Option<Duration> {
        match self {
            Self::Chaos(driver) => driver.kept_back(),
            _ => None,
        }
    }

    /// Whether it keeps an operation back until its time has come.
    pub(in crate::runtime) fn keeps_back(&self, token: Token) -> bool {
        matches!(self, Self::Chaos(driver) if driver.keeps_back(token))
    }

    /// Makes sure that everything has happened that was asked to happen.
    ///
    /// # Errors
    /// If something has not, with an [`anyio_chaos::Missed`].
    pub(crate) fn check(&self) -> io::Result<()> {
        match self {
            Self::Chaos(driver) => driver.check().map_err(io::Error::other),
            _ => Ok(()),
        }
    }

    pub(super) fn backend_below(driver: &ChaosDriver) -> super::Backend {
        driver.get_ref().backend()
    }
}

//! What the system says about processes.

use crate::peers::until_within;
use anyio::Result;
use std::{fs, time::Duration};

/// Whether a process is there and not a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

/// The letter that stands for a process's state.
pub(crate) fn state(pid: u32) -> Option<char> {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    status.rsplit_once(')')?.1.trim().chars().next()
}

/// Waits until something is so. What other processes do cannot be awaited in another way.
pub(crate) async fn until(condition: impl Fn() -> bool) -> Result<()> {
    until_within(Duration::from_secs(10), condition).await
}

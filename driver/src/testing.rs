//! Which drivers tests are run on: one rule for those of anyio, of its users and of the drivers.

pub mod messages;

use std::env;

/// The environment variable that names the drivers to test, separated by commas: `uring`, `poll`, or `auto` for all of
/// them, as does no name.
pub const SELECTION: &str = "ANYIO_TEST_BACKENDS";

/// Whether the environment selects tests on the driver of this name.
pub fn is_selected(driver: &str) -> bool {
    selects(env::var(SELECTION).ok().as_deref(), driver)
}

/// Whether such names select the driver of this name.
pub fn selects(names: Option<&str>, driver: &str) -> bool {
    let Some(names) = names.filter(|names| !names.is_empty()) else { return true };
    names.split(',').map(str::trim).any(|name| name == driver || name == "auto")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_select_drivers_and_no_name_selects_all() {
        assert!(selects(None, "uring") && selects(Some(""), "poll") && selects(Some("auto"), "uring"));
        assert!(selects(Some("poll"), "poll") && !selects(Some("poll"), "uring"));
        assert!(selects(Some("poll, uring"), "uring"));
    }
}

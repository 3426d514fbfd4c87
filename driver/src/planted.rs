//! Faults of the past, planted to see whether the tests find them: see `ci/planted.sh`. Builds without `--cfg anyio_planted` have none.

#[cfg(anyio_planted)]
static NAME: std::sync::LazyLock<Option<String>> =
    std::sync::LazyLock::new(|| std::env::var("ANYIO_PLANTED").ok());

/// Whether the fault of this name is to be there.
#[cfg(anyio_planted)]
pub fn planted(name: &str) -> bool {
    NAME.as_deref() == Some(name)
}

/// Whether the fault of this name is to be there: never.
#[cfg(not(anyio_planted))]
#[inline(always)]
pub const fn planted(_name: &str) -> bool {
    false
}

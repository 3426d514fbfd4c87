//! Settings of hosts other than Linux.

use super::{Setting, limits};

/// Limits and settings that concern back ends.
pub(super) fn settings() -> Vec<Setting> {
    limits::everywhere()
}

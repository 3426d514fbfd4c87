//! Builds without the feature `chaos`.

use crate::running::Builder;

/// Runs a test as it is.
pub(super) fn disturb(builder: Builder, _expected: bool, test: impl Fn(Builder)) {
    test(builder);
}

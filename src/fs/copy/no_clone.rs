//! Hosts where files do not share contents, or where copying sees to it.

use std::fs::File;

pub(super) fn clone(_from: &File, _to: &File) -> Option<u64> {
    None
}

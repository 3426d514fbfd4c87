//! Sending and receiving at once, beside the driver.

use crate::runtime::Core;

/// Whether the system may be called beside the driver: not where the driver is to see all that is done, nor by a task that has done
/// a lot without waiting, as others have to have their turn.
pub(super) fn may_call(core: &Core) -> bool {
    !core.capabilities().sees_all && core.charge_immediate()
}

//! Checkpoints for what is done without waiting.

use crate::{error::Cancelled, runtime::Core};
use std::future::poll_fn;

/// Lets others have their turn now and then, also in a cancelled scope.
pub(crate) async fn let_others_run() {
    poll_fn(|cx| Core::with(|core| core.poll_immediate(cx))).await;
}

/// Looks whether the scope is cancelled, and lets others have their turn now and then.
pub(crate) async fn checkpoint() -> Result<(), Cancelled> {
    poll_fn(|cx| {
        Core::with(|core| {
            if core.reach_checkpoint() {
                return core.poll_delivery(cx).map(|()| Err(Cancelled::new()));
            }
            core.poll_immediate(cx).map(Ok)
        })
    })
    .await
}

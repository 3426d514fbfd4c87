//! Yields that every runtime does with the same code: by wakers that are not its own, and out of a deep body.

use std::hint::black_box;

use futures_util::{StreamExt, stream::FuturesUnordered};

use crate::measuring::{amounts::YIELDERS, arrivals::yield_once};

/// Ten futures that yield, in a set that has wakers of its own, within one task.
pub(crate) async fn by_foreign_wakers(count: u64) {
    let yielder = |_| async move {
        for _ in 0..count / YIELDERS {
            yield_once().await;
        }
    };
    let mut yielders: FuturesUnordered<_> = (0..YIELDERS).map(yielder).collect();
    while yielders.next().await.is_some() {}
}

/// How many bytes each level of a deep body keeps while it waits.
const KEPT: usize = 512;

/// A body in a body for each token, the innermost of which yields.
macro_rules! deep {
    ($count:ident) => {
        for _ in 0..$count {
            yield_once().await;
        }
    };
    ($count:ident $level:tt $($more:tt)*) => {
        async {
            let kept = black_box([0_u8; KEPT]);
            deep!($count $($more)*);
            black_box(&kept);
        }
        .await
    };
}

/// One task that yields from ten levels down, with 5 KiB kept on the way.
pub(crate) async fn out_of_depth(count: u64) {
    deep!(count 1 2 3 4 5 6 7 8 9 10);
}

/// These rows for a peer whose `run` does a row's work.
macro_rules! yield_jobs {
    () => {
        fn yield_foreign(order: &Order) -> anyhow::Result<Measured> {
            run(order, async |count| {
                crate::peers::yielders::by_foreign_wakers(count).await;
                Ok(())
            })
        }

        fn yield_deep(order: &Order) -> anyhow::Result<Measured> {
            run(order, async |count| {
                crate::peers::yielders::out_of_depth(count).await;
                Ok(())
            })
        }
    };
}

pub(crate) use yield_jobs;

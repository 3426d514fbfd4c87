//! Tasks, scopes, and what waits for several.

use crate::sentences::{cancelled, cut_short, whole_is_cut_short};
use anyio::{
    Error, Result, Started, TaskLocal, amap, as_completed, fail_after, fail_after_because, fail_at,
    fail_at_because, finishing, foreign, gather, gather_tuple, gather_until, idle,
    lowlevel::checkpoint,
    move_on_after, move_on_at, race, race_tuple, shield, sleep, sleep_forever, sleep_until, task_group,
    testing::{Everywhere, Sequencer, cancel_everywhere, wait_all_tasks_blocked},
    using,
};
use std::{
    cell::Cell,
    future::{pending, ready},
    time::Duration,
};

const SHORT: Duration = Duration::from_micros(20);
const LONG: Duration = Duration::from_secs(3600);

/// What was begun, what has come to its end, and what lives.
#[derive(Default)]
struct Members {
    begun: Cell<u32>,
    ended: Cell<u32>,
    alive: Cell<u32>,
}

struct Alive<'a>(&'a Members);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.alive.set(self.0.alive.get() - 1);
    }
}

impl Members {
    /// Waits, and cleans up in any case.
    async fn member(&self, value: u32) -> Result<u32> {
        self.begun.set(self.begun.get() + 1);
        self.alive.set(self.alive.get() + 1);
        let _alive = Alive(self);
        let slept = sleep(SHORT * value).await;
        shield(checkpoint()).await?;
        self.ended.set(self.ended.get() + 1);
        slept?;
        Ok(value)
    }
}

/// "They are cancelled and awaited": each comes to its end, and if the future is dropped none lives.
macro_rules! awaited {
    ($($make:expr => |$members:ident| $run:expr;)*) => {$({
        let body = async |$members: &mut Members| {
            let $members = &*$members;
            $run
        };
        let all_have_ended = async |members: Members, _| {
            assert_eq!((members.begun.get(), members.alive.get()), (members.ended.get(), 0));
        };
        let none_lives = async |members: Members, _| assert_eq!(members.alive.get(), 0);
        cancel_everywhere(Everywhere::cancel().children(false).pairs(0, 0), async || $make, &body, all_have_ended).await;
        cancel_everywhere(Everywhere::drop(), async || $make, &body, none_lives).await;
    })*};
}

#[anyio::test(clock = "virtual")]
async fn what_runs_together_is_cancelled_and_awaited() {
    covers![
        "group/gather::gather",
        "group/gather::amap",
        "group/gather::as_completed",
        "group/gather_tuple::gather_tuple",
        "group/gather_until::gather_until",
        "group/race::race",
        "group/race_tuple::race_tuple",
        "group/task_group::task_group"
    ];
    awaited! {
        Members::default() => |members| gather((1..4).map(|value| members.member(value))).await.map(drop);
        Members::default() => |members| amap(async |value| members.member(value).await, 1..4).await.map(drop);
        Members::default() => |members| gather_tuple((members.member(1), members.member(2))).await.map(drop);
        Members::default() => |members| {
            gather_until(anyio::current_time() + LONG, (1..4).map(|value| members.member(value))).await.map(drop)
        };
        Members::default() => |members| race((1..4).map(|value| members.member(value))).await.map(drop);
        Members::default() => |members| race_tuple((members.member(1), members.member(2))).await.map(drop);
        Members::default() => |members| {
            as_completed((1..4).map(|value| members.member(value)), async |mut completed| {
                while completed.next().await?.is_some() {}
                Ok(())
            })
            .await
            .map(drop)
        };
        Members::default() => |members| {
            task_group(async |tg| -> Result<()> {
                for value in 1..4 {
                    tg.start_soon(members.member(value));
                }
                members.member(1).await.map(drop)
            })
            .await
            .map(drop)
        };
    }
}

#[anyio::test(clock = "virtual")]
async fn no_value_of_a_completed_future_or_a_task_is_lost() {
    covers![
        "group/gather::Completed::next",
        "group/handle::TaskHandle",
        "group/handle::TaskHandle::wait",
        "group/handle::TaskHandle::outcome"
    ];
    whole_is_cut_short(
        async || Cell::new(0),
        async |sum| {
            let members = Members::default();
            as_completed((1..4).map(|value| members.member(value)), async |mut completed| {
                loop {
                    // A wait that is cut short takes nothing.
                    let next =
                        move_on_after(SHORT, async { Ok::<_, Error>(completed.next().await?) }).await?;
                    match next {
                        None => continue,
                        Some(None) => break,
                        Some(Some((_, value))) => sum.set(sum.get() + value),
                    }
                }
                Ok(())
            })
            .await
        },
        async |sum, value| assert!(value.is_none() || sum.get() == 6),
    )
    .await;
    whole_is_cut_short(
        async || Cell::new(0),
        async |got| {
            task_group(async |tg| -> Result<()> {
                let mut handle = tg.start_soon(async {
                    sleep(SHORT).await?;
                    anyio::Ok(7)
                });
                let _ = move_on_after(Duration::ZERO, async { Ok::<_, Error>(handle.wait().await?) }).await?;
                handle.wait().await?;
                got.set(handle.outcome().await?.expect("it has ended well"));
                Ok(())
            })
            .await
        },
        async |got, value| assert!(value.is_none() || got.get() == 7),
    )
    .await;
}

#[anyio::test(clock = "virtual")]
async fn a_child_that_is_being_started_is_cancelled_and_awaited() {
    covers!["group/start::TaskGroup::start"];
    awaited! {
        Members::default() => |members| {
            task_group(async |tg| -> Result<()> {
                let (value, _handle) = tg
                    .start(async |started: Started<u32>| {
                        let value = members.member(1).await?;
                        started.set(value);
                        members.member(2).await.map(drop)
                    })
                    .await?;
                assert_eq!(value, 1);
                Ok(())
            })
            .await
            .map(drop)
        };
    }
}

#[anyio::test(clock = "virtual")]
async fn what_a_scope_is_around_is_cancelled_and_awaited_and_its_value_comes_out() {
    covers![
        "scope/cancel_scope::CancelScope::run",
        "scope/timeout::move_on_after",
        "scope/timeout::move_on_at",
        "scope/timeout::fail_after",
        "scope/timeout::fail_at",
        "scope/timeout::fail_after_because",
        "scope/timeout::fail_at_because",
        "scope/idle::idle",
        "scope/timeout::shield",
        "scope/using::using",
        "task_local::TaskLocal::scope"
    ];
    let later = || anyio::current_time() + LONG;
    awaited! {
        Members::default() => |members| anyio::CancelScope::new().run(async || members.member(1).await).await.map(drop);
        Members::default() => |members| move_on_after(LONG, members.member(1)).await.map(drop);
        Members::default() => |members| move_on_at(later(), members.member(1)).await.map(drop);
        Members::default() => |members| fail_after(LONG, members.member(1)).await.map(drop);
        Members::default() => |members| fail_at(later(), members.member(1)).await.map(drop);
        Members::default() => |members| fail_after_because(LONG, "it", members.member(1)).await.map(drop);
        Members::default() => |members| fail_at_because(later(), "it", members.member(1)).await.map(drop);
        Members::default() => |members| idle(members.member(1)).await.map(drop);
        Members::default() => |members| {
            checkpoint().await?;
            shield(members.member(1)).await.map(drop)
        };
    }
    // A time that is over and a cancellation from outside meet.
    cancelled(
        async || (),
        async |()| {
            let inner = move_on_after(SHORT, async { Ok::<_, Error>(sleep(LONG).await?) }).await?;
            assert_eq!(inner, None);
            checkpoint().await?;
            anyio::Ok(())
        },
        async |(), _| (),
    )
    .await;
    cancelled(
        async || Cell::new((0, 0)),
        async |counts| {
            using(
                counts,
                async |counts| {
                    counts.set((1, 0));
                    sleep(SHORT).await?;
                    anyio::Ok(())
                },
                async |counts| {
                    checkpoint().await?;
                    counts.set((counts.get().0, 1));
                    Ok(())
                },
            )
            .await
        },
        async |counts, _| assert_eq!(counts.get().1, 1, "the cleanup runs"),
    )
    .await;
    static LOCAL: TaskLocal<u32> = TaskLocal::new();
    cut_short(
        async || (),
        async |()| {
            LOCAL
                .scope(7, async {
                    checkpoint().await?;
                    assert_eq!(LOCAL.get(), Some(7));
                    anyio::Ok(())
                })
                .await
        },
        async |(), _| assert!(LOCAL.get().is_none()),
    )
    .await;
}

#[anyio::test(clock = "virtual")]
async fn waiting_for_a_time_loses_nothing() {
    covers![
        "time::sleep",
        "time::sleep_until",
        "time::sleep_forever",
        "scope/idle::finishing",
        "lowlevel::checkpoint",
        "testing/blocked::wait_all_tasks_blocked"
    ];
    cut_short(
        async || (),
        async |()| {
            checkpoint().await?;
            sleep(SHORT).await?;
            sleep_until(anyio::current_time() + SHORT).await?;
            wait_all_tasks_blocked().await?;
            move_on_after(SHORT, async { Ok::<_, Error>(finishing().await?) }).await?;
            move_on_after(SHORT, async { Err::<(), Error>(sleep_forever().await.into()) }).await?;
            anyio::Ok(())
        },
        async |(), _| (),
    )
    .await;
}

#[anyio::test(clock = "virtual")]
async fn a_future_of_others_is_polled_once_more_and_dropped() {
    covers!["scope/foreign::foreign"];
    cut_short(
        async || Members::default(),
        async |members| {
            foreign(ready(())).await?;
            members.alive.set(1);
            let alive = Alive(members);
            foreign(async {
                let _alive = alive;
                let mut polls = 0;
                std::future::poll_fn(|cx| {
                    polls += 1;
                    cx.waker().wake_by_ref();
                    if polls > 2 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
                })
                .await;
            })
            .await?;
            move_on_after(SHORT, async { Ok::<_, Error>(foreign(pending::<()>()).await?) }).await?;
            anyio::Ok(())
        },
        async |members, _| assert_eq!(members.alive.get(), 0),
    )
    .await;
}

#[anyio::test(clock = "virtual")]
async fn a_turn_that_was_cut_short_breaks_the_sequence() {
    covers!["testing/sequencer::Sequencer::turn"];
    cancel_everywhere(
        Everywhere::cancel().allow_errors(),
        async || Sequencer::new(),
        async |sequencer| {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    let _turn = sequencer.turn(0).await?;
                    checkpoint().await?;
                    anyio::Ok(())
                });
                let _turn = sequencer.turn(1).await?;
                Ok(())
            })
            .await
        },
        async |_, _| (),
    )
    .await;
}

//! `CapacityLimiter`.

use crate::lock::begin;
use anyio::{
    CancelScope, Error, Result, cross,
    lowlevel::{self, checkpoint},
    sync::{Borrower, CapacityLimiter},
    task_group,
    testing::wait_all_tasks_blocked,
};
use std::{
    cell::{Cell, RefCell},
    fmt,
    future::Future,
    hash::{Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    ptr,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, RawWaker, RawWakerVTable, Waker},
};

#[anyio::test]
async fn tokens_are_counted() -> Result<()> {
    let limiter = CapacityLimiter::new(2);
    assert_eq!((limiter.total_tokens(), limiter.available_tokens()), (2, 2));
    let token = limiter.acquire().await?;
    assert_eq!((limiter.borrowed_tokens(), limiter.available_tokens()), (1, 1));
    let other = limiter.acquire_on_behalf_of(5).await?;
    assert_eq!(other.borrower(), &Borrower::new(5));
    let statistics = limiter.statistics();
    assert_eq!((statistics.borrowed_tokens, statistics.total_tokens, statistics.tasks_waiting), (2, 2, 0));
    assert!(
        statistics.borrowers.contains(token.borrower()) && statistics.borrowers.contains(other.borrower())
    );
    drop((token, other));
    assert_eq!(limiter.borrowed_tokens(), 0);
    Ok(())
}

#[anyio::test]
async fn nobody_borrows_twice() -> Result<()> {
    let limiter = CapacityLimiter::new(2);
    let _token = limiter.acquire().await?;
    assert!(matches!(limiter.acquire().await, Err(Error::BusyResource(_))));
    assert!(matches!(limiter.try_acquire(), Err(Error::BusyResource(_))));
    let _other = limiter.acquire_on_behalf_of("a").await?;
    assert!(matches!(limiter.acquire_on_behalf_of("a").await, Err(Error::BusyResource(_))));
    Ok(())
}

#[anyio::test]
async fn borrowers_are_told_apart_by_type_and_value() -> Result<()> {
    let limiter = CapacityLimiter::new(usize::MAX);
    let _tokens = [
        limiter.try_acquire_on_behalf_of(1u8)?,
        limiter.try_acquire_on_behalf_of(1u16)?,
        limiter.try_acquire_on_behalf_of(2u8)?,
        limiter.try_acquire()?,
    ];
    assert_eq!((limiter.borrowed_tokens(), limiter.available_tokens()), (4, isize::MAX));
    assert!(matches!(limiter.try_acquire_on_behalf_of(2u8), Err(Error::BusyResource(_))));
    Ok(())
}

#[anyio::test]
async fn first_come_first_served() -> Result<()> {
    let (limiter, arrivals, order) = (CapacityLimiter::new(1), RefCell::new(vec![]), RefCell::new(vec![]));
    task_group(async |tg| -> Result<()> {
        let token = limiter.acquire().await?;
        for number in 0..4 {
            let (limiter, arrivals, order) = (&limiter, &arrivals, &order);
            tg.start_soon(async move {
                arrivals.borrow_mut().push(number);
                let _token = limiter.acquire().await?;
                assert_eq!(limiter.borrowed_tokens(), 1);
                order.borrow_mut().push(number);
                checkpoint().await?;
                anyio::Ok(())
            });
        }
        wait_all_tasks_blocked().await?;
        assert_eq!(limiter.statistics().tasks_waiting, 4);
        drop(token);
        assert_eq!(limiter.borrowed_tokens(), 1, "the token was handed over at once");
        assert!(matches!(limiter.try_acquire(), Err(Error::WouldBlock)));
        Ok(())
    })
    .await?;
    assert_eq!(order, arrivals);
    Ok(())
}

#[anyio::test]
async fn no_tokens_lend_nothing_until_there_are_some() -> Result<()> {
    let limiter = CapacityLimiter::new(0);
    task_group(async |tg| -> Result<()> {
        assert!(matches!(limiter.try_acquire(), Err(Error::WouldBlock)));
        for number in 0..2 {
            let limiter = &limiter;
            tg.start_soon(async move {
                drop(limiter.acquire_on_behalf_of(number).await?);
                anyio::Ok(())
            });
        }
        wait_all_tasks_blocked().await?;
        assert_eq!(limiter.statistics().tasks_waiting, 2);
        limiter.set_total_tokens(1);
        assert_eq!(limiter.statistics().tasks_waiting, 1);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn more_tokens_go_to_those_who_wait_and_then_to_others() -> Result<()> {
    let limiter = CapacityLimiter::new(1);
    task_group(async |tg| -> Result<()> {
        let _token = limiter.acquire().await?;
        let waiter = tg.start_soon(async {
            let token = limiter.acquire().await?;
            wait_all_tasks_blocked().await?;
            drop(token);
            anyio::Ok(())
        });
        wait_all_tasks_blocked().await?;
        limiter.set_total_tokens(3);
        let _new = limiter.try_acquire_on_behalf_of("newcomer")?;
        assert!(matches!(limiter.try_acquire_on_behalf_of("another"), Err(Error::WouldBlock)));
        waiter.await?;
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn fewer_tokens_than_are_lent_revoke_nothing_and_lend_nothing_too_much() -> Result<()> {
    let limiter = CapacityLimiter::new(3);
    task_group(async |tg| -> Result<()> {
        let mut tokens = vec![];
        for number in 0..3 {
            tokens.push(limiter.acquire_on_behalf_of(number).await?);
        }
        let mut waiting = pin!(limiter.acquire());
        begin(waiting.as_mut()).await;
        limiter.set_total_tokens(1);
        assert_eq!(limiter.available_tokens(), -2);
        limiter.set_total_tokens(2);
        tokens.pop();
        assert_eq!((limiter.borrowed_tokens(), limiter.statistics().tasks_waiting), (2, 1));
        tokens.pop();
        assert_eq!((limiter.borrowed_tokens(), limiter.statistics().tasks_waiting), (2, 0));
        drop(waiting.await?);
        let _ = tg;
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn cancelling_the_first_who_waits_does_not_lose_the_token() -> Result<()> {
    for release_first in [false, true] {
        let (limiter, scope) = (CapacityLimiter::new(1), CancelScope::new());
        task_group(async |tg| -> Result<()> {
            let token = limiter.acquire().await?;
            let first = tg.start_soon(async {
                scope
                    .run(async || {
                        let _token = limiter.acquire().await?;
                        checkpoint().await?;
                        Ok::<_, Error>(())
                    })
                    .await
            });
            wait_all_tasks_blocked().await?;
            let second = tg.start_soon(async {
                drop(limiter.acquire().await?);
                anyio::Ok(())
            });
            wait_all_tasks_blocked().await?;
            if release_first {
                drop(token);
                scope.cancel();
            } else {
                scope.cancel();
                drop(token);
            }
            assert_eq!(first.await?, None);
            second.await?;
            Ok(())
        })
        .await?;
        assert_eq!(limiter.borrowed_tokens(), 0);
    }
    Ok(())
}

#[anyio::test]
async fn a_waiter_that_is_dropped_after_its_turn_came_gives_the_token_on() -> Result<()> {
    let limiter = CapacityLimiter::new(0);
    task_group(async |tg| -> Result<()> {
        {
            let mut dropped = pin!(limiter.acquire_on_behalf_of("dropped"));
            begin(dropped.as_mut()).await;
            tg.start_soon(async {
                let _token = limiter.acquire().await?;
                anyio::Ok(())
            });
            wait_all_tasks_blocked().await?;
            limiter.set_total_tokens(1);
            assert_eq!(limiter.statistics().borrowers, [Borrower::new("dropped")]);
        }
        assert_eq!(limiter.borrowed_tokens(), 1);
        assert_ne!(limiter.statistics().borrowers, [Borrower::new("dropped")]);
        Ok(())
    })
    .await?;
    assert_eq!(limiter.borrowed_tokens(), 0);
    Ok(())
}

thread_local! {
    static ASKED: RefCell<Option<Rc<CapacityLimiter>>> = const { RefCell::new(None) };
}

/// Uses the limiter whenever it is compared, hashed, shown or dropped.
struct Curious(u32);

fn use_limiter() {
    if let Some(limiter) = ASKED.with_borrow(Clone::clone) {
        limiter.try_acquire_on_behalf_of("a stranger").map(drop).ok();
        limiter.set_total_tokens(limiter.total_tokens());
        drop(limiter.statistics());
    }
}

impl PartialEq for Curious {
    fn eq(&self, other: &Self) -> bool {
        use_limiter();
        self.0 == other.0
    }
}

impl Eq for Curious {}

impl Hash for Curious {
    fn hash<H: Hasher>(&self, state: &mut H) {
        use_limiter();
        // All have one hash, so they have to be compared.
        0.hash(state);
    }
}

impl fmt::Debug for Curious {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use_limiter();
        f.write_str("curious")
    }
}

impl Drop for Curious {
    fn drop(&mut self) {
        use_limiter();
    }
}

#[anyio::test]
async fn borrowers_may_use_the_limiter_when_they_are_compared() -> Result<()> {
    let limiter = Rc::new(CapacityLimiter::new(3));
    ASKED.set(Some(limiter.clone()));
    let one = limiter.acquire_on_behalf_of(Curious(1)).await?;
    let two = limiter.acquire_on_behalf_of(Curious(2)).await?;
    assert!(matches!(limiter.try_acquire_on_behalf_of(Curious(1)), Err(Error::BusyResource(_))));
    let three = limiter.try_acquire_on_behalf_of(Curious(3))?;
    let mut fourth = pin!(limiter.acquire_on_behalf_of(Curious(4)));
    begin(fourth.as_mut()).await;
    assert!(matches!(limiter.acquire_on_behalf_of(Curious(4)).await, Err(Error::BusyResource(_))));
    assert!(format!("{limiter:?}").contains("curious"));
    drop(one);
    let four = fourth.await?;
    assert_eq!(limiter.borrowed_tokens(), 3);
    drop((two, three, four));
    assert_eq!(limiter.borrowed_tokens(), 0);
    ASKED.take();
    Ok(())
}

fn no_clone(_: *const ()) -> RawWaker {
    panic!("a clone")
}

static NO_CLONE: RawWakerVTable = RawWakerVTable::new(no_clone, |_| (), |_| (), |_| ());

#[anyio::test]
async fn a_request_is_withdrawn_although_a_waker_panics_as_it_is_made() -> Result<()> {
    let limiter = CapacityLimiter::new(0);
    // SAFETY: nothing in the table uses the pointer.
    let waker = unsafe { Waker::from_raw(RawWaker::new(ptr::null(), &NO_CLONE)) };
    let mut request = Box::pin(limiter.acquire_on_behalf_of("somebody"));
    let polled = catch_unwind(AssertUnwindSafe(|| request.as_mut().poll(&mut Context::from_waker(&waker))));
    assert!(polled.is_err());
    drop(request);
    assert_eq!(limiter.statistics().tasks_waiting, 0);
    limiter.set_total_tokens(1);
    limiter.try_acquire_on_behalf_of("somebody").map(drop)
}

#[anyio::test]
async fn calls_outside_of_every_task_are_borrowers_of_their_own() -> Result<()> {
    thread_local! {
        static LIMITER: CapacityLimiter = CapacityLimiter::new(2);
        static LENT: Cell<Option<usize>> = const { Cell::new(None) };
    }
    let done = Arc::new(cross::Event::new());
    let set = done.clone();
    let asked = lowlevel::current_token().expect("this is a run").run_soon(move || {
        LIMITER.with(|limiter| {
            let mut acquire = pin!(limiter.acquire());
            let acquired = acquire.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let other = limiter.try_acquire();
            LENT.set(
                matches!((&acquired, &other), (Poll::Ready(Ok(_)), Ok(_))).then(|| limiter.borrowed_tokens()),
            );
        });
        set.set();
    });
    assert!(asked);
    done.wait().await?;
    assert_eq!(LENT.get(), Some(2));
    assert_eq!(LIMITER.with(CapacityLimiter::borrowed_tokens), 0);
    Ok(())
}

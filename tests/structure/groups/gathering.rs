//! Several futures at once: all their values, the first one, or one after the other.

use super::{SHORT, forever};
use anyio::{
    Error, Result, amap, as_completed, current_time, gather, gather_tuple, gather_until, move_on_after, race,
    race_tuple, shield, sleep, sleep_forever,
};
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    task::Poll,
    time::Duration,
};

#[anyio::test]
async fn gather_keeps_the_order_and_gives_all_errors() -> Result<()> {
    let values = gather([3u64, 1, 2].map(|n| async move {
        sleep(Duration::from_micros(n * 300)).await?;
        anyio::Ok(n)
    }))
    .await?;
    assert_eq!(values, [3, 1, 2]);
    assert_eq!(amap(async |n: u8| anyio::Ok(n + 1), [1, 2]).await?, [2, 3]);
    let failed = gather((0..3).map(|n| async move {
        if n == 1 {
            return Err(Error::WouldBlock);
        }
        Err::<(), Error>(sleep_forever().await.into())
    }))
    .await;
    assert_eq!(failed.unwrap_err().len(), 1);
    let empty: Vec<()> = gather(std::iter::empty::<std::future::Ready<Result<()>>>()).await?;
    assert!(empty.is_empty());
    assert_eq!(
        move_on_after(SHORT, async { Ok::<_, Error>(gather([forever(), forever()]).await?) }).await?,
        None
    );
    Ok(())
}

async fn value_after<T>(delay: Duration, value: T) -> Result<T> {
    sleep(delay).await?;
    Ok(value)
}

#[anyio::test]
async fn values_of_different_types_are_gathered() -> Result<()> {
    let gathered = gather_tuple((value_after(SHORT, 1), value_after(Duration::ZERO, "two"), async {
        anyio::Ok(vec![3])
    }));
    assert_eq!(gathered.await?, (1, "two", vec![3]));
    let failed = gather_tuple((value_after(SHORT, 1), async { Err::<(), _>(Error::WouldBlock) }, forever()));
    assert_eq!(failed.await.unwrap_err().len(), 1);
    let passed_on = move_on_after(SHORT, async { anyio::Ok(gather_tuple((forever(), forever())).await?) });
    assert_eq!(passed_on.await?, None);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn what_has_ended_at_a_deadline_is_given_and_the_rest_awaited() -> Result<()> {
    let second = Duration::from_secs(1);
    let naps = || [1u32, 5, 2].map(|n| value_after(second * n, n));
    let begun = current_time();
    assert_eq!(gather_until(begun + second * 3, naps()).await?, [Some(1), None, Some(2)]);
    assert_eq!(current_time(), begun + second * 3);
    assert_eq!(gather_until(None, naps()).await?, [Some(1), Some(5), Some(2)]);
    assert_eq!(gather_until(begun, naps()).await?, [None, None, None]);
    // One that ends with a value although it was cancelled, after some cleaning up.
    let stubborn = async {
        forever().await.ok();
        shield(sleep(second)).await?;
        anyio::Ok(7)
    };
    let before = current_time();
    assert_eq!(gather_until(before + second, [stubborn]).await?, [Some(7)]);
    assert_eq!(current_time(), before + second * 2);
    // Errors, and cancellations from further out, are told.
    let failing = gather_until(current_time() + second, [async { Err::<(), _>(Error::WouldBlock) }]);
    assert_eq!(failing.await.unwrap_err().len(), 1);
    let passed_on =
        move_on_after(second, async { anyio::Ok(gather_until(current_time() + second * 9, naps()).await?) });
    assert_eq!(passed_on.await?, None);
    Ok(())
}

#[anyio::test]
async fn a_race_awaits_the_losers() -> Result<()> {
    let cleaned = Rc::new(Cell::new(false));
    let won = race((0..2).map(|n| {
        let cleaned = cleaned.clone();
        async move {
            if n == 1 {
                sleep(SHORT).await?;
                return anyio::Ok(n);
            }
            let ended = forever().await;
            let _ = shield(sleep(SHORT)).await;
            cleaned.set(true);
            ended.map(|()| n)
        }
    }))
    .await?;
    assert_eq!((won, cleaned.get()), (1, true));
    assert_eq!(race([async { Err::<(), _>(Error::WouldBlock) }]).await.unwrap_err().len(), 1);
    let passed_on =
        move_on_after(SHORT, async { Ok::<_, Error>(race([forever(), forever()]).await?) }).await?;
    assert_eq!(passed_on, None);
    Ok(())
}

#[anyio::test(ordered = "they are started in their order")]
async fn of_those_that_are_ready_at_once_the_first_wins_a_race() -> Result<()> {
    let both: Result<u8, anyio::ErrorGroup<Error>> = race_tuple((async { Ok(1) }, async { Ok(2) })).await;
    assert_eq!(both?, 1);
    Ok(())
}

#[anyio::test]
async fn futures_of_different_types_race() -> Result<()> {
    let cleaned = Cell::new(false);
    let loser = async {
        let ended = forever().await;
        let _ = shield(sleep(SHORT)).await;
        cleaned.set(true);
        ended.map(|()| "never")
    };
    let winner = async {
        sleep(SHORT).await?;
        anyio::Ok("first")
    };
    assert_eq!(race_tuple((loser, winner)).await?, "first");
    assert!(cleaned.get(), "the loser is awaited");
    let failed: Result<(), _> =
        race_tuple((async { Err(Error::WouldBlock) }, forever(), async { forever().await })).await;
    assert_eq!(failed.unwrap_err().len(), 1);
    let passed_on =
        move_on_after(SHORT, async { Ok::<_, Error>(race_tuple((forever(), forever())).await?) }).await?;
    assert_eq!(passed_on, None);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn values_come_as_they_are_completed() -> Result<()> {
    let naps = [2u64, 1, 3].map(|n| async move {
        sleep(Duration::from_millis(n * 2)).await?;
        anyio::Ok(n)
    });
    let order = as_completed(naps, async |mut values| {
        let mut order = Vec::new();
        while let Some((place, value)) = values.next().await? {
            order.push((place, value));
        }
        anyio::Ok(order)
    })
    .await?;
    assert_eq!(order, Some(vec![(1, 1), (0, 2), (2, 3)]));
    Ok(())
}

#[anyio::test]
async fn one_that_fails_ends_the_others_and_comes_out_alone() {
    let cancelled = Cell::new(0);
    let work = async |number: u32| -> Result<u32> {
        if number == 2 {
            // The third waits by then.
            anyio::lowlevel::checkpoint().await?;
            return Err(Error::WouldBlock);
        }
        let ended = sleep_forever().await;
        cancelled.set(cancelled.get() + 1);
        Err(ended.into())
    };
    let mapped = amap(work, [1, 2, 3]).await;
    assert!(matches!(mapped.unwrap_err().into_single(), Ok(Error::WouldBlock)));
    assert_eq!(cancelled.get(), 2);
    let completed = as_completed([1, 2, 3].map(work), async |mut values| -> Result<()> {
        let next = values.next().await;
        assert!(next.is_err(), "none has a value");
        next.map(drop).map_err(Error::from)
    })
    .await;
    assert!(matches!(completed.unwrap_err().into_single(), Ok(Error::WouldBlock)));
    assert_eq!(cancelled.get(), 4);
}

#[anyio::test]
async fn an_error_among_several_calls_of_one_function_ends_the_others() {
    let ended = Cell::new(0);
    let failed = amap(
        async |number: u32| {
            if number == 2 {
                return Err(Error::WouldBlock);
            }
            let cancelled = sleep_forever().await;
            ended.set(ended.get() + 1);
            Err::<(), Error>(cancelled.into())
        },
        [1, 2, 3],
    )
    .await;
    assert!(matches!(failed.unwrap_err().into_single(), Ok(Error::WouldBlock)));
    assert_eq!(ended.get(), 2);
}

#[anyio::test]
async fn each_value_goes_although_others_panic_when_another_future_has_failed() -> Result<()> {
    struct Bomb<'a>(&'a Cell<u32>);
    impl Drop for Bomb<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            panic!("a value");
        }
    }
    let dropped = Cell::new(0);
    let value = async |number: u32| {
        if number < 3 {
            return Ok(Bomb(&dropped));
        }
        sleep(SHORT).await?;
        Err(Error::WouldBlock)
    };
    assert!(has_panicked(gather((0..4).map(value))).await);
    assert_eq!(dropped.get(), 3);
    assert!(has_panicked(gather_tuple((value(0), value(1), value(2), value(3)))).await);
    assert_eq!(dropped.get(), 6);
    let waiting = async {
        sleep_forever().await;
        Ok(())
    };
    let mut dropped_early = Box::pin(gather_tuple((value(0), value(1), waiting)));
    assert!(poll_fn(|cx| Poll::Ready(dropped_early.as_mut().poll(cx).is_pending())).await);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(dropped_early))).is_err());
    assert_eq!(dropped.get(), 8);
    Ok(())
}

/// Whether a future panics, rather than to be ready.
async fn has_panicked(future: impl Future) -> bool {
    let mut future = Box::pin(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx).is_ready())) {
        Ok(true) => Poll::Ready(false),
        Ok(false) => Poll::Pending,
        Err(_) => Poll::Ready(true),
    })
    .await
}

#[anyio::test]
async fn of_no_futures_nothing_comes() -> Result<()> {
    let none = std::iter::empty::<std::future::Ready<Result<u8>>>;
    assert_eq!(gather(none()).await?, []);
    assert_eq!(gather_until(None, none()).await?, []);
    assert_eq!(as_completed(none(), async |mut values| Ok(values.next().await?)).await?, Some(None));
    Ok(())
}

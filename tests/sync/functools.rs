//! Caches of asynchronous functions, and reducing.

use anyio::{
    CancelScope, Error, Result, current_time, functools,
    functools::{Cache, lru_cache},
    gather, itertools, lowlevel, sleep,
    streams::memory,
    task_group,
    testing::wait_all_tasks_blocked,
};
use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    hash::{Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// The numbers of a cache that tell what happened: hits, misses, and values.
fn numbers<K: Hash + Eq + Clone, V: Clone, F>(cache: &Cache<K, V, F>) -> (u64, u64, usize) {
    let info = cache.info();
    (info.hits, info.misses, info.current_size)
}

#[anyio::test]
async fn equal_arguments_call_the_function_once() -> Result<()> {
    let calls = Cell::new(0);
    let cached = functools::lru_cache(async |&(a, b): &(i32, i32)| {
        calls.set(calls.get() + 1);
        anyio::Ok(a + b)
    });
    assert_eq!(
        (cached.call((1, 2)).await?, cached.call((1, 2)).await?, cached.call((2, 1)).await?),
        (3, 3, 3)
    );
    assert_eq!(calls.get(), 2);
    assert_eq!(numbers(&cached), (1, 2, 2));
    assert_eq!(cached.parameters().max_size, Some(128));
    cached.clear();
    assert_eq!(numbers(&cached), (0, 0, 0));
    Ok(())
}

#[anyio::test]
async fn calls_at_the_same_time_share_one_and_different_ones_do_not_wait() -> Result<()> {
    let (running, most) = (Cell::new(0), Cell::new(0));
    let cached = functools::cache(async |&key: &i32| {
        running.set(running.get() + 1);
        most.set(most.get().max(running.get()));
        lowlevel::checkpoint().await?;
        running.set(running.get() - 1);
        anyio::Ok(key * 2)
    });
    let doubled = gather((0..100).map(|n| cached.call(n % 2))).await?;
    assert!(doubled.iter().enumerate().all(|(n, &value)| value == (n % 2) as i32 * 2));
    assert_eq!(numbers(&cached), (98, 2, 2));
    assert_eq!(most.get(), 2, "different keys are computed side by side");
    Ok(())
}

#[anyio::test]
async fn the_oldest_goes_first() -> Result<()> {
    let cached = functools::lru_cache(async |&key: &i32| anyio::Ok(key)).max_size(2);
    for key in [1, 2, 1, 3, 1, 2] {
        cached.call(key).await?;
    }
    // 1 was asked for again, so 3 pushed 2 out, and then 2 pushed 3 out.
    assert_eq!(numbers(&cached), (2, 4, 2));
    Ok(())
}

#[anyio::test]
async fn without_room_nothing_is_kept() -> Result<()> {
    let cached = functools::lru_cache(async |&key: &i32| anyio::Ok(key)).max_size(0);
    cached.call(1).await?;
    cached.call(1).await?;
    assert_eq!(numbers(&cached), (0, 2, 0));
    Ok(())
}

#[anyio::test]
async fn a_failure_is_not_kept() -> Result<()> {
    let fails = Cell::new(true);
    let cached = functools::cache(
        async |&key: &i32| {
            if fails.replace(false) { Err(Error::WouldBlock) } else { Ok(key) }
        },
    );
    assert!(matches!(cached.call(1).await, Err(Error::WouldBlock)));
    assert_eq!(cached.call(1).await?, 1);
    Ok(())
}

#[anyio::test]
async fn cancelling_one_does_not_cancel_the_others() -> Result<()> {
    let begun = Cell::new(0);
    let cached = functools::cache(async |&key: &i32| {
        begun.set(begun.get() + 1);
        if begun.get() == 1 {
            anyio::sleep_forever().await;
        }
        lowlevel::checkpoint().await?;
        anyio::Ok(key)
    });
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        let first = tg.start_soon(async { scope.run(async || cached.call(5).await).await });
        wait_all_tasks_blocked().await?;
        let second = tg.start_soon(cached.call(5));
        wait_all_tasks_blocked().await?;
        scope.cancel();
        assert_eq!((first.await?, second.await?), (None, 5));
        Ok(())
    })
    .await?;
    assert_eq!(begun.get(), 2);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_value_is_good_for_its_time() -> Result<()> {
    let cached = functools::lru_cache(async |_: &()| anyio::Ok(current_time())).ttl(Duration::from_secs(60));
    let first = cached.call(()).await?;
    sleep(Duration::from_secs(59)).await?;
    assert_eq!(cached.call(()).await?, first);
    sleep(Duration::from_secs(1)).await?;
    assert_ne!(cached.call(()).await?, first);
    assert_eq!(numbers(&cached), (1, 2, 1));
    Ok(())
}

#[anyio::test]
async fn a_hit_is_a_checkpoint_if_that_is_asked_for() -> Result<()> {
    let hit_in_a_cancelled_scope = async |cached: &dyn AsyncHit| {
        let scope = CancelScope::new();
        scope
            .run(async || {
                scope.cancel();
                cached.hit().await
            })
            .await
    };
    let plain = functools::cache(async |&key: &i32| anyio::Ok(key));
    let yielding = functools::cache(async |&key: &i32| anyio::Ok(key)).always_checkpoint();
    plain.call(1).await?;
    yielding.call(1).await?;
    assert!(hit_in_a_cancelled_scope(&Hit(&plain)).await?.is_some());
    assert!(hit_in_a_cancelled_scope(&Hit(&yielding)).await?.is_none());
    Ok(())
}

/// A call that finds its value, whatever the function is.
trait AsyncHit {
    fn hit(&self) -> std::pin::Pin<Box<dyn Future<Output = Result<i32>> + '_>>;
}

struct Hit<'a, F>(&'a Cache<i32, i32, F>);

impl<F: AsyncFn(&i32) -> Result<i32>> AsyncHit for Hit<'_, F> {
    fn hit(&self) -> std::pin::Pin<Box<dyn Future<Output = Result<i32>> + '_>> {
        Box::pin(self.0.call(1))
    }
}

type Twice = Rc<RefCell<Option<Box<dyn Fn()>>>>;

/// A key that comes back to its cache when it is hashed.
#[derive(Clone)]
struct Returning(i32, Twice);

impl Hash for Returning {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(again) = &*self.1.borrow() {
            again();
        }
        self.0.hash(state);
    }
}

impl PartialEq for Returning {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Returning {}

#[anyio::test]
async fn a_key_may_come_back_to_its_cache() -> Result<()> {
    let cached = Rc::new(functools::cache(async |key: &Returning| anyio::Ok(key.0)));
    let key = Returning(1, Rc::default());
    let returning = cached.clone();
    key.1.replace(Some(Box::new(move || returning.clear())));
    assert_eq!(cached.call(key.clone()).await?, 1);
    key.1.take();
    assert_eq!(cached.info().current_size, 1, "it was cleared before the key was looked for");
    Ok(())
}

thread_local! {
    /// What the next keys do that are compared or hashed.
    static MOOD: Cell<Mood> = const { Cell::new(Mood::Honest) };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Honest,
    EqualsNobody,
    PanicsWhenCompared,
    PanicsWhenHashed,
}

#[derive(Clone, Debug)]
struct Moody(i32);

impl Hash for Moody {
    fn hash<H: Hasher>(&self, state: &mut H) {
        assert!(MOOD.get() != Mood::PanicsWhenHashed, "a hash");
        (self.0 % 2).hash(state);
    }
}

impl PartialEq for Moody {
    fn eq(&self, other: &Self) -> bool {
        assert!(MOOD.get() != Mood::PanicsWhenCompared, "a comparison");
        MOOD.get() == Mood::Honest && self.0 == other.0
    }
}

impl Eq for Moody {}

#[anyio::test]
async fn keys_that_panic_or_say_nonsense_leave_the_cache_whole() -> Result<()> {
    let cached = functools::lru_cache(async |key: &Moody| anyio::Ok(key.0)).max_size(4);
    for number in 0..6 {
        assert_eq!(cached.call(Moody(number)).await?, number);
    }
    for mood in [Mood::PanicsWhenCompared, Mood::PanicsWhenHashed] {
        MOOD.set(mood);
        for number in 0..6 {
            let mut call = pin!(cached.call(Moody(number)));
            let polled = catch_unwind(AssertUnwindSafe(|| {
                call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
            }));
            assert!(polled.is_err());
        }
        assert_eq!(cached.info().current_size, 4);
    }
    MOOD.set(Mood::EqualsNobody);
    for number in 0..20 {
        assert_eq!(cached.call(Moody(number % 3)).await?, number % 3);
        assert_eq!(cached.info().current_size, 4);
    }
    MOOD.set(Mood::Honest);
    cached.clear();
    for number in 0..8 {
        assert_eq!(cached.call(Moody(number / 2)).await?, number / 2);
    }
    let info = cached.info();
    assert_eq!((info.hits, info.misses, info.current_size), (4, 4, 4));
    Ok(())
}

#[lru_cache(max_size = 2, ttl_ms = 1000)]
async fn joined(first: String, mut second: String) -> Result<String> {
    lowlevel::checkpoint().await?;
    second.insert_str(0, &first);
    Ok(second)
}

#[anyio::test]
async fn a_function_with_the_attribute_has_a_cache_in_each_run() -> Result<()> {
    assert_eq!(numbers(&joined_cache()), (0, 0, 0), "no run sees what another has cached");
    assert_eq!(joined("a".into(), "b".into()).await?, "ab");
    assert_eq!(joined("a".into(), "b".into()).await?, "ab");
    assert_eq!(numbers(&joined_cache()), (1, 1, 1));
    assert_eq!(joined_cache().parameters().ttl, Some(Duration::from_secs(1)));
    Ok(())
}

#[anyio::test]
async fn reduce_makes_one_value_of_many() -> Result<()> {
    let add = async |total: i32, item: i32| {
        lowlevel::checkpoint().await?;
        Ok(total + item)
    };
    assert_eq!(functools::reduce(itertools::from_iter(1..=3), add).await?, Some(6));
    assert_eq!(functools::reduce(itertools::from_iter(0..0), add).await?, None);
    let (sender, receiver) = memory::unbounded();
    sender.send("x").await?;
    drop(sender);
    let length =
        functools::reduce_from(10, receiver, async |total, item: &str| Ok(total + item.len())).await?;
    assert_eq!(length, 11);
    let scope = CancelScope::new();
    let cancelled = scope
        .run(async || {
            scope.cancel();
            functools::reduce(itertools::from_iter(0..0), add).await
        })
        .await?;
    assert!(cancelled.is_none(), "also of nothing it is a checkpoint");
    Ok(())
}

#[anyio::test]
async fn of_what_failed_panicked_or_was_cancelled_nothing_is_kept() -> Result<()> {
    let cached = functools::cache(async |&key: &i32| match key {
        0 => Err::<i32, _>(Error::WouldBlock),
        1 => panic!("a function"),
        _ => Err(anyio::sleep_forever().await.into()),
    });
    assert!(cached.call(0).await.is_err());
    let mut panicking = pin!(cached.call(1));
    let polled =
        catch_unwind(AssertUnwindSafe(|| panicking.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
    assert!(polled.is_err());
    assert!(anyio::move_on_after(Duration::ZERO, cached.call(2)).await?.is_none());
    {
        let mut dropped = Box::pin(cached.call(3));
        assert!(dropped.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let mut other = Box::pin(cached.call(3));
        assert!(other.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(cached.info().current_size, 1, "what is being made counts");
        drop(dropped);
        assert_eq!(cached.info().current_size, 1, "the other is to make it now");
    }
    assert_eq!(numbers(&cached), (1, 4, 0));
    Ok(())
}

/// The product of all numbers up to one, except that 100 needs itself to be made.
#[functools::cache]
async fn factorial(number: u64) -> Result<u64> {
    lowlevel::checkpoint().await?;
    let below = match number {
        0 => return Ok(1),
        100 => number,
        _ => number - 1,
    };
    // Not even in a group, and for a limited time.
    let asked = async { anyio::fail_after(Duration::from_secs(3600), Box::pin(factorial(below))).await };
    Ok(gather([asked]).await?[0] * number)
}

#[anyio::test]
async fn a_function_that_asks_for_the_value_that_it_is_to_make_is_told() -> Result<()> {
    assert_eq!(factorial(10).await?, 3_628_800);
    let mut circular = pin!(factorial(101));
    let told = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| circular.as_mut().poll(cx))) {
        Ok(polled) => polled.map(|_| None),
        Err(payload) => Poll::Ready(Some(payload)),
    });
    let told = told.await.expect("a panic");
    assert!(told.downcast_ref::<&str>().unwrap().contains("wait for itself"));
    assert_eq!(factorial_cache().info().current_size, 11, "nothing is left of it");
    Ok(())
}

//! One program: one or two runs after each other on one back end, and what must hold afterwards.

use crate::{
    mischief::act,
    peers::open_descriptors,
    quarantine,
    values::{discard, fault, faults, new_census},
    world::{self, World},
};
use anyio::{
    Backend, Builder, CancelScope, Clock, Result, lowlevel, shield, sleep,
    testing::{self, chaos::Chaos},
};
use std::{
    env,
    future::{Future, poll_fn},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    sync::atomic::{AtomicIsize, Ordering},
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

/// The variable of the environment that is the seed of what the system does.
pub(crate) const CHAOS: &str = "ANYIO_TEST_CHAOS";

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Things are begun and left as they are.
    Begin,
    /// The same, but all of it is cancelled and ends.
    BeginAndEnd,
    /// What was left is ended.
    End,
}

/// Runs the program of a seed. Gives what was wrong.
pub(crate) fn run(seed: u64, backend: Backend) -> Vec<String> {
    faults().clear();
    let (before, census) = (open_descriptors(), new_census());
    let alive = |count: &AtomicIsize| count.load(Ordering::SeqCst);
    let world = world::make(seed);
    let habits = world.habits;
    let mut builder =
        Builder::new().backend(backend).ring_entries(32).teardown_limit(Duration::from_secs(20));
    let virtually = seed % 5 == 4;
    if virtually {
        builder = builder.clock(Clock::Virtual);
    }
    if let Some(chaos) = chaos(seed) {
        builder = builder.chaos(chaos);
    }
    if habits.leaves {
        run_once(&builder, &world, Part::Begin, virtually);
        drop(world.counted.take());
    }
    if !run_once(&builder, &world, Part::BeginAndEnd, virtually) {
        run_once(&builder, &world, Part::End, virtually);
    }
    world.calm.set(true);
    world.clear();
    let gives_back = !habits.forgets;
    if gives_back && !habits.panics {
        world.check_grants();
    }
    let world_alone = Rc::strong_count(&world) == 2;
    world::leave();
    drop(world);
    if gives_back {
        // What a panic took with it has no end to wait for.
        await_workers(|| open_descriptors() <= before && (habits.panics || alive(&census.values) <= 0));
        if open_descriptors() != before {
            fault(format!("{before} descriptors became {}", open_descriptors()));
        }
        if !habits.panics {
            if !world_alone {
                fault("a future was neither dropped nor forgotten");
            }
            if alive(&census.values) > 0 {
                fault(format!("{} values are left", alive(&census.values)));
            }
            if alive(&census.wakers) > 0 {
                fault(format!("{} wakers are left", alive(&census.wakers)));
            }
        }
    }
    if alive(&census.values) < 0 || alive(&census.wakers) < 0 {
        fault("something was dropped twice");
    }
    if let Some(size) = quarantine::written_to() {
        fault(format!("memory of {size} bytes was written to after it was freed"));
    }
    mem::take(&mut *faults())
}

/// What the system does to the program of a seed, if the environment wants chaos. Each program has one of its own, so that
/// one that fails can be repeated.
fn chaos(seed: u64) -> Option<Chaos> {
    let text = env::var(CHAOS).ok().filter(|text| !text.is_empty())?;
    let chaos: Chaos = text.parse().unwrap_or_else(|error| panic!("{CHAOS}: {error}"));
    let first: u64 = text.split(':').next().and_then(|first| first.trim().parse().ok()).unwrap_or(0);
    Some(chaos.unnoticed().reseed(first.wrapping_mul(1_000_003).wrapping_add(seed)))
}

/// Waits for worker threads that are about to let go of something.
fn await_workers(are_done: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(10);
    while !are_done() && Instant::now() < limit {
        thread::yield_now();
    }
}

/// Tells whether the run came to its end.
fn run_once(builder: &Builder, world: &Rc<World>, part: Part, virtually: bool) -> bool {
    world.calm.set(part == Part::End);
    match catch_unwind(AssertUnwindSafe(|| builder.run(async || main(world, part, virtually).await))) {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            fault(format!("a run failed: {error}"));
            false
        }
        // A panic of the program's own outside of its tasks; of others the hook has told.
        Err(payload) => {
            discard(payload);
            false
        }
    }
}

async fn main(world: &Rc<World>, part: Part, virtually: bool) {
    world.furnish();
    let root = CancelScope::new();
    let done = root
        .run(async || -> Result<()> {
            if part != Part::End {
                for _ in 0..40 + world.below(60) {
                    step(world).await;
                }
            }
            if part != Part::Begin {
                world.calm.set(true);
                root.cancel();
                // Some keep cancellations from outside off.
                let scopes = world.scopes.borrow().clone();
                scopes.iter().for_each(|scope| scope.cancel());
                end_all(world, virtually).await;
            }
            Ok(())
        })
        .await;
    if done.is_err() {
        fault("the program itself was cancelled");
    }
    if part != Part::Begin {
        check_items(world);
        check_bytes(world, virtually).await;
    }
}

async fn step(world: &Rc<World>) {
    match world.below(12) {
        0..=2 => caught(|| world.begin()),
        3..=6 => {
            let Some(running) = world.take_any() else { return };
            if world.below(3) == 0 {
                let mut running = Some(running);
                poll_fn(|cx| {
                    if let Some(running) = running.take() {
                        world.poll(running, cx.waker());
                    }
                    Poll::Ready(())
                })
                .await;
            } else {
                let waker = world.any_waker();
                caught(|| world.poll(running, &waker));
                caught(|| drop(waker));
            }
        }
        7 => caught(|| drop(world.take_any())),
        8 if world.habits.forgets => mem::forget(world.take_any()),
        9 | 10 if world.mischief_left.get() > 0 => caught(|| act(world)),
        _ => {
            let _ = lowlevel::checkpoint().await;
        }
    }
}

fn caught(step: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(step)) {
        discard(payload);
    }
}

/// Polls all futures whenever one was woken, until they have ended: all are cancelled. Others than those of this run end
/// in a panic.
async fn end_all(world: &Rc<World>, virtually: bool) {
    // What waits for a lock that a forgotten future holds does not end. On a virtual clock a deadlock is told anyway.
    let patience = Duration::from_millis(if world.habits.forgets { 20 } else { 20_000 });
    let mut limit = pin!(shield(sleep(patience)));
    let limited = world.habits.forgets || !virtually;
    poll_fn(|cx| {
        poll_all(world, cx);
        if world.slots.borrow().iter().all(Option::is_none) {
            return Poll::Ready(());
        }
        if !limited || limit.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let names: Vec<&str> = world.slots.borrow().iter().flatten().map(|running| running.what).collect();
        if !world.habits.forgets {
            let tasks = testing::running_tasks();
            fault(format!("these were cancelled and have not ended: {names:?}, of {tasks:?}"));
        }
        Poll::Ready(())
    })
    .await;
    let left = world.slots.take();
    drop(left);
}

fn poll_all(world: &World, cx: &Context<'_>) {
    let count = world.slots.borrow().len();
    for index in 0..count {
        let running = world.slots.borrow_mut()[index].take();
        if let Some(running) = running {
            caught(|| world.poll(running, cx.waker()));
        }
    }
}

/// Each item whose sending succeeded was received, or is still there; and none twice.
fn check_items(world: &World) {
    while let Ok(Some((number, value))) = world.items.1.receive_nowait() {
        value.check();
        world.received_items.borrow_mut().push(number);
    }
    let mut received = world.received_items.borrow().clone();
    received.sort_unstable();
    if received.windows(2).any(|two| two[0] == two[1]) {
        fault("an item was received twice");
    }
    if world.habits.panics || world.habits.forgets {
        return;
    }
    for number in &*world.sent_items.borrow() {
        if received.binary_search(number).is_err() {
            fault(format!("item {number} was sent and is lost"));
        }
    }
}

/// All bytes of the counted stream come, each once.
async fn check_bytes(world: &World, virtually: bool) {
    let counted = world.counted.take().expect("there is one in each run");
    counted.send(3);
    // What panics where it has got bytes loses them itself, and a forgotten receive keeps the stream.
    if world.habits.panics || world.habits.forgets || virtually {
        return;
    }
    while counted.received.get() < counted.sent.get() {
        match counted.stream.receive().await {
            Ok(Some(chunk)) => counted.got(&chunk, !world.habits.reenters),
            other => {
                return fault(format!(
                    "{} of {} bytes came, and then {other:?}",
                    counted.received.get(),
                    counted.sent.get()
                ));
            }
        }
    }
    if !counted.is_complete() {
        fault("the bytes of a stream are not those that were sent");
    }
}

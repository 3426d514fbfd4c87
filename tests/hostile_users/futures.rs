//! The futures of a program: all that can be waited for, alone and nested.

use crate::{
    mischief::{act, maybe, short},
    system, threads,
    values::{Evil, Key, Value, panic_now},
    world::{Local, Running, World},
};
use anyio::{
    CancelScope, Cancelled, Error, Started, TaskGroup, amap, as_completed, fail_after, gather, lowlevel,
    move_on_after, race, shield, sleep, sleep_forever, streams::ObjectReceiveStream, sync::Borrower,
    task_group, using,
};
use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    rc::Rc,
    task::Poll,
};

/// How deep groups lie in groups.
pub(crate) const DEPTH: usize = 3;

pub(crate) type Ended = Result<(), Evil>;

/// Any future.
pub(crate) fn any(world: &Rc<World>, depth: usize) -> (&'static str, Local) {
    let w = world.clone();
    if depth < DEPTH && world.below(3) == 0 {
        return match world.below(8) {
            0..=2 => ("group", Box::pin(group(w, depth))),
            3 => ("gather", Box::pin(gathered(w, depth))),
            4 => ("scope", Box::pin(scoped(w, depth))),
            5 => ("timeout", Box::pin(timed(w, depth))),
            6 => ("using", Box::pin(resource(w, depth))),
            _ => ("twice", Box::pin(side_by_side(w, depth))),
        };
    }
    match world.below(36) {
        0 => ("checkpoint", Box::pin(checkpoints(w))),
        1 | 2 => ("sleep", Box::pin(sleeps(w))),
        3 => ("event", Box::pin(event(w))),
        4 => ("semaphore", Box::pin(permit(w, depth))),
        5 => ("lock", Box::pin(lock(w, depth))),
        6 => ("condition", Box::pin(condition(w))),
        7 => ("read-write lock", Box::pin(rw_lock(w))),
        8 => ("limiter", Box::pin(token(w, depth))),
        9 | 10 => ("item sent", Box::pin(send_item(w))),
        11 | 12 => ("item received", Box::pin(receive_items(w))),
        13 => ("channel", Box::pin(wild(w))),
        14 => ("broadcast", Box::pin(broadcast(w))),
        15 => ("watch", Box::pin(watch(w))),
        16 => ("promise", Box::pin(promise(w))),
        17 => ("cell", Box::pin(cell(w, depth))),
        18 => ("barrier", Box::pin(barrier(w))),
        19 | 20 => ("counted", Box::pin(receive_counted(w))),
        21 => ("socket", Box::pin(system::sockets(w))),
        22 => ("connection", Box::pin(system::connection(w))),
        23 => ("file", Box::pin(system::file(w))),
        24 => ("datagram", Box::pin(system::datagrams(w))),
        25 => ("passed descriptor", Box::pin(system::passing(w))),
        26 => ("signal", Box::pin(system::signals(w))),
        27 => ("thread", Box::pin(threads::thread(w))),
        28 => ("asking thread", Box::pin(threads::asking(w, depth))),
        29 => ("portal", Box::pin(threads::portal(w, depth))),
        30 => ("ending thread", Box::pin(threads::ending(w))),
        31 | 32 => ("tee", Box::pin(tee(w))),
        33 => ("cache", Box::pin(cached(w))),
        _ => ("cross", Box::pin(cross(w))),
    }
}

pub(crate) fn nested(world: &Rc<World>, depth: usize) -> Local {
    any(world, depth + 1).1
}

/// Moves a future that may have waited into another one, within a scope.
pub(crate) fn within(world: &Rc<World>, running: Running) -> Running {
    let Running { future, what, value } = running;
    let w = world.clone();
    let scope = CancelScope::new();
    world.scopes.borrow_mut().push(scope.clone());
    Running {
        future: Box::pin(async move {
            let _value = value;
            let mut future = Some(future);
            scope.run(async || future.take().expect("called once").await).await?;
            finish(&w)
        }),
        what,
        value: Value::new(),
    }
}

/// How a future ends: well, with an error or in a panic.
pub(crate) fn finish(world: &World) -> Ended {
    maybe();
    match world.below(12) {
        0 => Err(Evil::Other(Value::new())),
        1 if world.habits.panics && !world.calm.get() => {
            panic_now();
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Keeps the waker of who polls, so that others may wake or drop it.
async fn leave_waker(world: &World) {
    poll_fn(|cx| {
        let waker = cx.waker().clone();
        world.wakers.borrow_mut().push(waker);
        Poll::Ready(())
    })
    .await;
}

/// When dropped, it starts a child.
struct StartsChild<'scope, 'env> {
    group: &'scope TaskGroup<'scope, 'env, Evil>,
    world: &'env Rc<World>,
    depth: usize,
}

impl Drop for StartsChild<'_, '_> {
    fn drop(&mut self) {
        let world = self.world;
        if world.calm.get() || world.mischief_left.get() == 0 || !world.habits.reenters {
            return;
        }
        world.mischief_left.set(world.mischief_left.get() - 1);
        drop(self.group.start_soon(nested(world, self.depth)));
    }
}

async fn group(w: Rc<World>, depth: usize) -> Ended {
    let world = &w;
    task_group(async move |tg| -> Ended {
        let _starts = (world.below(3) == 0).then_some(StartsChild { group: tg, world, depth });
        let mut handles = VecDeque::new();
        for _ in 0..=world.below(3) {
            let _value = Value::new();
            match world.below(8) {
                6 => handles.push_back(tg.call_now(move || {
                    maybe();
                    nested(world, depth)
                })),
                7 => drop(tg.start_now(nested(world, depth))),
                0 => drop(tg.start_soon(nested(world, depth))),
                1 | 2 => handles.push_back(tg.start_soon(nested(world, depth))),
                3 => drop(tg.start_soon(async move {
                    let _starts = StartsChild { group: tg, world, depth };
                    nested(world, depth).await
                })),
                4 => {
                    let mut started = Box::pin(tg.start(async move |started: Started<Value>| {
                        let _starts = StartsChild { group: tg, world, depth };
                        let early = world.below(2) == 0;
                        if early {
                            started.set(Value::new());
                            return nested(world, depth).await;
                        }
                        nested(world, depth).await?;
                        started.set(Value::new());
                        finish(world)
                    }));
                    if world.below(2) == 0 {
                        // Dropped after one poll.
                        poll_fn(|cx| {
                            drop(started.as_mut().poll(cx));
                            Poll::Ready(())
                        })
                        .await;
                    } else {
                        let (value, _handle) = started.await?;
                        value.check();
                    }
                }
                _ => {
                    let mut inner = nested(world, depth);
                    let fed = world.below(3);
                    drop(tg.start_soon(async move {
                        for _ in 0..fed {
                            // By the waker of the child, and without it once.
                            let polled = poll_fn(|cx| Poll::Ready(inner.as_mut().poll(cx))).await;
                            if let Poll::Ready(ended) = polled {
                                return ended;
                            }
                            lowlevel::checkpoint().await?;
                        }
                        Ok(())
                    }));
                }
            }
        }
        if world.below(4) == 0 {
            tg.cancel();
        }
        if world.below(2) == 0 {
            nested(world, depth).await?;
        }
        while let Some(mut handle) = handles.pop_front() {
            match world.below(5) {
                0 => handle.cancel(),
                1 => handle.wait().await?,
                2 => drop(handle.try_take()),
                3 => handle.await?,
                _ => {}
            }
        }
        finish(world)
    })
    .await?;
    finish(world)
}

async fn gathered(w: Rc<World>, depth: usize) -> Ended {
    let world = &w;
    let count = 1 + world.below(3);
    let item = async |_number: usize| -> Result<Value, Evil> {
        let value = Value::new();
        nested(world, depth).await?;
        value.check();
        Ok(value)
    };
    match world.below(4) {
        0 => drop(gather((0..count).map(item)).await?),
        1 => drop(race((0..count).map(item)).await?),
        2 => drop(amap(item, 0..count).await?),
        _ => drop(
            as_completed((0..count).map(item), async |mut values| -> Result<Value, Evil> {
                while let Some((_, value)) = values.next().await? {
                    value.check();
                    if world.below(2) == 0 {
                        return Ok(value);
                    }
                }
                Ok(Value::new())
            })
            .await?,
        ),
    }
    finish(world)
}

async fn scoped(w: Rc<World>, depth: usize) -> Ended {
    let mut scope = CancelScope::new();
    if w.below(2) == 0 {
        scope = scope.with_timeout(short(&w));
    }
    // From then on nobody would cancel it.
    if w.below(4) == 0 && !w.calm.get() {
        scope = scope.shielded();
    }
    w.scopes.borrow_mut().push(scope.clone());
    let world = &w;
    scope
        .run(async || {
            if world.below(2) == 0 {
                world.remotes.borrow_mut().push(scope.remote());
            }
            nested(world, depth).await?;
            nested(world, depth).await
        })
        .await?;
    finish(world)
}

async fn timed(w: Rc<World>, depth: usize) -> Ended {
    let (world, limit) = (&w, short(&w));
    match world.below(3) {
        0 => drop(move_on_after(limit, nested(world, depth)).await?),
        1 => fail_after(limit, nested(world, depth)).await?,
        _ => shield(sleeps(w.clone())).await?,
    }
    finish(world)
}

async fn resource(w: Rc<World>, depth: usize) -> Ended {
    let world = &w;
    using(
        Value::new(),
        async |value: &mut Value| -> Ended {
            value.check();
            nested(world, depth).await
        },
        async |value: Value| {
            sleep(short(world)).await?;
            value.check();
            Ok(())
        },
    )
    .await?;
    finish(world)
}

/// Two futures in one task, as with `select!`: the one that is left is dropped.
async fn side_by_side(w: Rc<World>, depth: usize) -> Ended {
    let mut one = nested(&w, depth);
    let mut other = nested(&w, depth);
    poll_fn(|cx| match one.as_mut().poll(cx) {
        Poll::Pending => other.as_mut().poll(cx),
        ready => ready,
    })
    .await?;
    finish(&w)
}

async fn checkpoints(w: Rc<World>) -> Ended {
    for _ in 0..w.below(4) {
        lowlevel::checkpoint().await?;
        act_sometimes(&w);
    }
    leave_waker(&w).await;
    lowlevel::cancel_shielded_checkpoint().await;
    lowlevel::checkpoint_if_cancelled().await?;
    finish(&w)
}

pub(crate) fn act_sometimes(w: &Rc<World>) {
    if w.below(2) == 0 && !w.calm.get() && w.mischief_left.get() > 0 {
        w.mischief_left.set(w.mischief_left.get() - 1);
        act(w);
    }
}

async fn sleeps(w: Rc<World>) -> Ended {
    let _value = Value::new();
    sleep(short(&w)).await?;
    leave_waker(&w).await;
    act_sometimes(&w);
    sleep(short(&w)).await?;
    finish(&w)
}

async fn event(w: Rc<World>) -> Ended {
    let _value = Value::new();
    let event = w.event.borrow().clone();
    event.wait().await?;
    finish(&w)
}

async fn permit(w: Rc<World>, depth: usize) -> Ended {
    let permit = w.semaphore.acquire().await?;
    if depth < DEPTH {
        nested(&w, depth).await?;
    }
    act_sometimes(&w);
    drop(permit);
    finish(&w)
}

async fn lock(w: Rc<World>, depth: usize) -> Ended {
    let mut guard = w.lock.acquire().await?;
    guard.check();
    if depth < DEPTH {
        nested(&w, depth).await?;
    }
    *guard = Value::new();
    drop(guard);
    finish(&w)
}

async fn condition(w: Rc<World>) -> Ended {
    let guard = w.lock.acquire().await?;
    let guard = w.condition.wait(guard).await.map_err(Cancelled::from)?;
    guard.check();
    w.condition.notify(&guard, 1);
    drop(guard);
    finish(&w)
}

async fn rw_lock(w: Rc<World>) -> Ended {
    if w.below(2) == 0 {
        let guard = w.rw_lock.read().await?;
        guard.check();
        sleep(short(&w)).await?;
        guard.check();
    } else {
        let mut guard = w.rw_lock.write().await?;
        sleep(short(&w)).await?;
        *guard = Value::new();
    }
    finish(&w)
}

async fn token(w: Rc<World>, depth: usize) -> Ended {
    let token = if w.below(3) == 0 {
        w.limiter.acquire().await?
    } else {
        let key = Key(w.below(3) as u64, Value::new());
        w.limiter.acquire_on_behalf_of(Borrower::new(key)).await?
    };
    if depth < DEPTH {
        nested(&w, depth).await?;
    }
    drop(token);
    finish(&w)
}

async fn send_item(w: Rc<World>) -> Ended {
    let number = w.next_item.get();
    w.next_item.set(number + 1);
    w.items.0.send((number, Value::new())).await?;
    w.sent_items.borrow_mut().push(number);
    finish(&w)
}

async fn receive_items(w: Rc<World>) -> Ended {
    for _ in 0..=w.below(3) {
        if let Some((number, value)) = w.items.1.receive().await? {
            w.received_items.borrow_mut().push(number);
            value.check();
        }
    }
    finish(&w)
}

async fn wild(w: Rc<World>) -> Ended {
    if w.below(2) == 0 {
        let sender = w.wild.borrow().0.clone();
        if let Some(sender) = sender {
            sender.send(Value::new()).await?;
            sender.send(Value::new()).await?;
        }
    } else {
        let receiver = w.wild.borrow().1.clone();
        if let Some(receiver) = receiver {
            while let Some(value) = receiver.receive().await? {
                value.check();
            }
        }
    }
    finish(&w)
}

async fn broadcast(w: Rc<World>) -> Ended {
    let receiver = w.broadcast.borrow().as_ref().map(|sender| sender.subscribe());
    if let Some(mut receiver) = receiver {
        drop(receiver.receive().await?);
        drop(receiver.receive().await?);
    }
    finish(&w)
}

async fn watch(w: Rc<World>) -> Ended {
    let receiver = w.watch.borrow().as_ref().map(|(_, receiver)| receiver.clone());
    if let Some(mut receiver) = receiver {
        drop(receiver.changed().await?);
        let _ = receiver
            .wait_for(|value| {
                value.check();
                maybe();
                true
            })
            .await?;
    }
    finish(&w)
}

async fn promise(w: Rc<World>) -> Ended {
    let promise = w.promise.borrow().clone();
    if let Some(value) = promise.wait().await? {
        value.check();
    }
    finish(&w)
}

async fn cell(w: Rc<World>, depth: usize) -> Ended {
    if w.making.get() {
        // Who asks for what it is to make itself is told by a panic.
        return promise(w).await;
    }
    let cell = w.cell.borrow().clone();
    let mut init = pin!(async {
        nested(&w, depth.max(1)).await?;
        Ok::<_, Evil>(Value::new())
    });
    let mut made = pin!(cell.get_or_try_init(async || {
        poll_fn(|cx| {
            let before = w.making.replace(true);
            let polled = catch_unwind(AssertUnwindSafe(|| init.as_mut().poll(cx)));
            w.making.set(before);
            polled.unwrap_or_else(|payload| resume_unwind(payload))
        })
        .await
    }));
    let made = poll_fn(|cx| {
        if w.making.get() {
            // Somebody has this polled who is making a value, of which this is no part.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        made.as_mut().poll(cx)
    })
    .await?;
    made.check();
    finish(&w)
}

async fn barrier(w: Rc<World>) -> Ended {
    w.barrier.wait().await?;
    finish(&w)
}

async fn receive_counted(w: Rc<World>) -> Ended {
    let counted = w.counted.borrow().clone();
    let Some(counted) = counted else { return Ok(()) };
    let in_order = !w.habits.reenters;
    for _ in 0..=w.below(4) {
        let received = match w.below(2) {
            0 => counted.stream.receive().await?,
            _ => counted.stream.receive_at_most(7).await?,
        };
        let Some(chunk) = received else { break };
        counted.got(&chunk, in_order);
        maybe();
        if w.below(2) == 0 {
            counted.send(5);
        }
    }
    finish(&w)
}

async fn tee(w: Rc<World>) -> Ended {
    let reader = w.tees.borrow().first().cloned();
    if let Some(mut reader) = reader {
        for _ in 0..2 {
            if let Some(value) = reader.receive().await? {
                value.check();
            }
            maybe();
        }
    }
    finish(&w)
}

async fn cached(w: Rc<World>) -> Ended {
    let key = Key(w.below(4) as u64, Value::new());
    w.cache.call(key).await?.check();
    finish(&w)
}

async fn cross(w: Rc<World>) -> Ended {
    match w.below(5) {
        0 => {
            let event = w.cross_event.borrow().clone();
            event.wait().await?;
        }
        1 => w.notifier.clone().wait().await?,
        2 => {
            let sender = w.cross.borrow().as_ref().map(|(sender, _)| sender.clone());
            if let Some(sender) = sender {
                sender.send(Value::new()).await?;
                sender.send(Value::new()).await?;
            }
        }
        3 => {
            let receiver = w.cross.borrow().as_ref().map(|(_, receiver)| receiver.clone());
            if let Some(receiver) = receiver {
                while let Some(value) = receiver.receive().await? {
                    value.check();
                }
            }
        }
        _ => return Err(Error::from(sleep_forever().await).into()),
    }
    finish(&w)
}

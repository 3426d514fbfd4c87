//! What wakers, values, keys and errors do when they are called.

use crate::{
    futures, outgoing,
    values::{Key, Value, fault, panic_now},
    world::{self, World},
};
use anyio::{Builder, lowlevel, net::UnixStream, testing};
use std::{
    cell::{Cell, RefCell},
    io::Read,
    rc::Rc,
    task::{Context, Waker},
    time::Duration,
};

/// How deep mischief goes into mischief.
const DEPTH: u32 = 3;

/// Does some mischief, or none.
pub(crate) fn maybe() {
    let Some(world) = world::current() else { return };
    if world.calm.get() || world.depth.get() >= DEPTH || world.mischief_left.get() == 0 || world.below(3) > 0
    {
        return;
    }
    world.mischief_left.set(world.mischief_left.get() - 1);
    world.depth.set(world.depth.get() + 1);
    let _back = Back(&world.depth);
    if world.habits.panics && world.below(6) == 0 {
        panic_now();
    }
    if world.habits.reenters {
        for _ in 0..=world.below(3) {
            act(&world);
        }
    }
}

struct Back<'a>(&'a Cell<u32>);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// One thing that does not wait.
pub(crate) fn act(world: &Rc<World>) {
    let inside = anyio::current_backend().is_some();
    match world.below(31) {
        0..=2 if inside => poll_some(world),
        3 | 4 => drop(world.take_any()),
        5 | 6 if inside => world.begin(),
        7 => {
            let event = one_of(world, &world.event);
            event.set();
        }
        8 => {
            let scopes = world.scopes.borrow();
            let scope = scopes.get(world.below(scopes.len().max(1))).cloned();
            drop(scopes);
            if let Some(scope) = scope {
                match world.below(4) {
                    0 => scope.set_shield(!scope.shield()),
                    1 => scope.set_deadline(Some(anyio::current_time())),
                    2 => scope.set_deadline(None),
                    _ => scope.cancel(),
                }
            }
        }
        9 => drop(world.semaphore.try_acquire()),
        10 => items(world),
        11 => streams(world),
        12 => drop(world.lock.try_acquire().map(|guard| match world.below(2) {
            0 => world.condition.notify(&guard, 1),
            _ => world.condition.notify_all(&guard),
        })),
        13 if inside => sockets(world),
        14 => cross(world),
        15 if inside && Builder::new().run(async || ()).is_ok() => fault("a run began within a run"),
        16 => {
            if let Some(token) = lowlevel::current_token() {
                token.run_soon(maybe);
            }
        }
        17 if inside => {
            if world.below(2) == 0 {
                drop(world.variable.get());
            } else {
                let token = world.variable.set(Value::new());
                if world.below(2) == 0 {
                    world.variable.reset(token);
                }
            }
        }
        18 => {
            let wakers = &world.wakers;
            let waker = wakers.borrow_mut().pop();
            if let Some(waker) = waker {
                if world.below(2) == 0 {
                    waker.wake_by_ref();
                }
                waker.wake();
            }
        }
        19 => {
            let counted = world.counted.borrow().clone();
            if let Some(counted) = counted {
                counted.send(1 + world.below(40) as u64);
                let _ = (&counted.peer).read(&mut [0; 256]);
            }
        }
        20 => {
            let promise = one_of(world, &world.promise);
            match world.below(3) {
                0 => promise.cancel(),
                _ => drop(promise.set(Value::new())),
            }
            let cell = one_of(world, &world.cell);
            if world.below(2) == 0 {
                drop(cell.set(Value::new()));
            }
        }
        21 if inside => {
            let key = Key(world.below(3) as u64, Value::new());
            drop(world.limiter.try_acquire_on_behalf_of(anyio::sync::Borrower::new(key)));
            world.limiter.set_total_tokens(1 + world.below(3));
        }
        22 => {
            let remotes = world.remotes.borrow();
            let remote = remotes.get(world.below(remotes.len().max(1))).cloned();
            drop(remotes);
            if let Some(remote) = remote {
                remote.cancel();
            }
        }
        23 if inside => adopt(world),
        24 if inside => drop((format!("{:?}", testing::running_tasks()), lowlevel::statistics())),
        25 => {
            drop(world.rw_lock.try_read());
            drop(world.rw_lock.try_write());
        }
        26 => match world.below(3) {
            0 => world.cache.clear(),
            _ => assert!(world.cache.info().current_size <= 2),
        },
        27 => {
            let sender = world.tee_source.borrow().clone();
            drop(sender.map(|sender| sender.send_nowait(Value::new())));
            if world.below(3) == 0 {
                let reader = world.tees.borrow_mut().pop();
                drop(reader);
            }
        }
        28..=30 if inside => outgoing::act(world),
        _ => {}
    }
}

fn poll_some(world: &Rc<World>) {
    if let Some(running) = world.take_any() {
        let waker = world.any_waker();
        world.poll(running, &waker);
    }
}

/// Moves a future into a scope of another.
fn adopt(world: &Rc<World>) {
    if let Some(running) = world.take_any() {
        world.put(futures::within(world, running));
    }
}

fn items(world: &World) {
    if world.below(2) == 0 {
        let number = world.next_item.get();
        world.next_item.set(number + 1);
        if world.items.0.send_nowait((number, Value::new())).is_ok() {
            world.sent_items.borrow_mut().push(number);
        }
    } else if let Ok(Some((number, value))) = world.items.1.receive_nowait() {
        world.received_items.borrow_mut().push(number);
        value.check();
    }
}

fn streams(world: &World) {
    match world.below(9) {
        0 => world.renew_channels(),
        1 => {
            let end = world.wild.borrow_mut().0.take();
            drop(end);
        }
        2 => {
            let end = world.wild.borrow_mut().1.take();
            drop(end);
        }
        3 => {
            let end = world.wild.borrow().0.clone();
            drop(end.map(|end| end.send_nowait(Value::new())));
        }
        4 => {
            let end = world.wild.borrow().1.clone();
            if let Some(end) = end {
                if world.below(2) == 0 {
                    end.close();
                }
                drop(end.receive_nowait());
            }
        }
        5 => {
            let sender = world.broadcast.borrow().clone();
            if let Some(sender) = sender {
                sender.send(Value::new());
                if world.below(4) == 0 {
                    let last = world.broadcast.take();
                    drop(last);
                }
            }
        }
        6 => {
            let listener = world.listeners.borrow_mut().pop();
            if let Some(mut listener) = listener {
                drop(listener.receive_nowait());
                if world.below(3) > 0 {
                    let copy = listener.clone();
                    world.listeners.borrow_mut().push(copy);
                }
            }
        }
        7 => {
            let watch = world.watch.borrow().as_ref().map(|(sender, _)| sender.clone());
            if let Some(watch) = watch {
                drop(watch.send(Value::new()));
                watch.modify(|value| *value = Value::new());
            }
        }
        _ => {
            let watch = world.watch.take();
            drop(watch);
        }
    }
}

fn sockets(world: &World) {
    let Ok((one, other)) = UnixStream::pair() else { return };
    let mut receive = Box::pin(one.receive());
    let waker = world.any_waker();
    let mut cx = Context::from_waker(if world.below(2) == 0 { Waker::noop() } else { &waker });
    let _ = receive.as_mut().poll(&mut cx);
    if world.below(2) == 0 {
        drop(other);
    }
}

fn cross(world: &World) {
    match world.below(6) {
        0 => {
            let event = one_of(world, &world.cross_event);
            event.set();
        }
        1 => {
            let event = world.cross_event.borrow().clone();
            event.set();
        }
        2 => world.notifier.notify(),
        3 => world.notifier.notify_all(),
        4 => {
            let sender = world.cross.borrow().as_ref().map(|(sender, _)| sender.clone());
            drop(sender.map(|sender| sender.send_nowait(Value::new())));
        }
        _ => {
            let receiver = world.cross.borrow().as_ref().map(|(_, receiver)| receiver.clone());
            drop(receiver.map(|receiver| receiver.receive_nowait()));
        }
    }
}

/// A time that some sleeps last.
pub(crate) fn short(world: &World) -> Duration {
    Duration::from_micros([0, 100, 1_000, 2_500][world.below(4)])
}

/// What is in the cell, which may be given something new. Nothing is called under the borrow.
fn one_of<T: Clone + Default>(world: &World, cell: &RefCell<T>) -> T {
    let new = if world.below(2) == 0 { T::default() } else { cell.borrow().clone() };
    cell.replace(new)
}

//! Futures that wait for threads, and threads that reach into a run.

use crate::{
    futures::{DEPTH, Ended, finish, nested},
    mischief::{maybe, short},
    values::{Value, fault, panic_now},
    world::{self, World},
};
use anyio::{
    Backend, Builder, Result, current_backend,
    from_thread::{self, blocking_portal},
    net::UnixStream,
    sleep,
    sync::Event,
    task_group, to_thread,
};
use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Waker},
    thread,
    time::Duration,
};

pub(crate) async fn thread(w: Rc<World>) -> Ended {
    let value = Value::new();
    let panics = w.habits.panics && w.below(4) == 0;
    let call = to_thread::run_sync(move || {
        if panics {
            panic_now();
        }
        value.check();
        value
    });
    let call = if w.below(2) == 0 { call.abandon_on_cancel() } else { call };
    call.await?.check();
    finish(&w)
}

/// What a thread has the run do, on the run's thread.
async fn asked(value: Value, depth: usize) {
    let Some(world) = world::current() else { return };
    value.check();
    maybe();
    drop(nested(&world, depth).await);
    value.check();
}

/// A thread that asks its task for something, at the latest until the run is over.
pub(crate) async fn asking(w: Rc<World>, depth: usize) -> Ended {
    if depth >= DEPTH {
        return thread(w).await;
    }
    let value = Value::new();
    let call = to_thread::run_sync(move || {
        let asked = from_thread::run(async move || asked(value, depth).await);
        drop(asked.and_then(|()| from_thread::check_cancelled()));
    });
    let call = if w.below(2) == 0 { call.abandon_on_cancel() } else { call };
    call.await?;
    finish(&w)
}

pub(crate) async fn portal(w: Rc<World>, depth: usize) -> Ended {
    if depth >= DEPTH {
        return thread(w).await;
    }
    let world = &w;
    let ended = blocking_portal(async |portal| -> Ended {
        let (there, value) = (portal.clone(), Value::new());
        let call = to_thread::run_sync(move || {
            let task = there.start_task_soon(async move || asked(value, depth).await);
            drop(task.and_then(|task| task.wait()));
        });
        if world.below(3) == 0 {
            portal.stop(world.below(2) == 0);
        }
        let call = if world.below(2) == 0 { call.abandon_on_cancel() } else { call };
        call.await?;
        finish(world)
    })
    .await;
    ended?;
    finish(&w)
}

type Left = Vec<Pin<Box<dyn Future<Output = Result<()>>>>>;

thread_local! {
    /// Dropped when the thread ends, before or after what the runtime has on the thread.
    static LEFT: RefCell<Left> = const { RefCell::new(Vec::new()) };
}

fn begin_and_leave(backend: Backend) -> Result<()> {
    Builder::new().backend(backend).run(async || -> Result<()> {
        let (one, other) = UnixStream::pair()?;
        let mut left: Left = vec![
            Box::pin(async { Ok(sleep(Duration::from_secs(3600)).await?) }),
            Box::pin(async { Ok(Event::new().wait().await?) }),
            Box::pin(async move { one.receive().await.map(drop) }),
            Box::pin(async move { other.receive_into(vec![0; 100]).await.0.map(drop) }),
            Box::pin(async {
                task_group(async |tg| -> Result<()> {
                    tg.start_soon(async { Ok(sleep(Duration::from_secs(3600)).await?) });
                    Ok(())
                })
                .await?;
                Ok(())
            }),
        ];
        for future in &mut left {
            let _ = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        LEFT.with(|place| place.borrow_mut().append(&mut left));
        Ok(())
    })?
}

/// A thread with a run of its own, whose futures are dropped by the destructors of what is local to the thread.
pub(crate) async fn ending(w: Rc<World>) -> Ended {
    let Some(backend) = current_backend() else { return Ok(()) };
    let touches_first = w.below(2) == 0;
    let ended = thread::spawn(move || {
        if touches_first {
            LEFT.with(|left| left.borrow_mut().clear());
        }
        begin_and_leave(backend)
    })
    .join();
    if !matches!(ended, Ok(Ok(()))) {
        fault(format!("a thread with a run of its own: {ended:?}"));
    }
    sleep(short(&w)).await?;
    finish(&w)
}

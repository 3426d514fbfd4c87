//! Wakers whose clones, wakes and destructors do what nobody expects.

use crate::busy_host::BusyHost;
use anyio::{
    Builder, CancelScope, Cancelled, RemoteScope, Result, cross, foreign, lowlevel, move_on_after,
    net::UnixStream,
    sleep, sleep_forever,
    streams::memory,
    sync::{Condition, Event, Lock, RwLock, Semaphore},
    task_group, to_thread,
};
use std::{
    cell::{Cell, RefCell},
    future::{Future, pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker},
    thread,
    time::Duration,
};

type Boxed = Pin<Box<dyn Future<Output = ()>>>;
type Action = Cell<Option<Box<dyn FnOnce()>>>;

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(5);

/// What a waker does, each once. For one thread.
#[derive(Default)]
struct Hooks {
    cloned: Action,
    woken: Action,
    dropped: Action,
}

impl Hooks {
    fn when_cloned(action: impl FnOnce() + 'static) -> Self {
        let hooks = Self::default();
        hooks.cloned.set(Some(Box::new(action)));
        hooks
    }

    fn when_woken(action: impl FnOnce() + 'static) -> Self {
        let hooks = Self::default();
        hooks.woken.set(Some(Box::new(action)));
        hooks
    }

    fn when_dropped(action: impl FnOnce() + 'static) -> Self {
        let hooks = Self::default();
        hooks.dropped.set(Some(Box::new(action)));
        hooks
    }

    fn into_waker(self) -> Waker {
        // SAFETY: the functions of the table count the hooks' owners; no test here lets its waker go to another thread.
        unsafe { Waker::from_raw(RawWaker::new(Rc::into_raw(Rc::new(self)).cast(), &TABLE)) }
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        run(&self.dropped);
    }
}

fn run(action: &Action) {
    if let Some(action) = action.take() {
        action();
    }
}

static TABLE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: the data came from `Rc::into_raw`.
        let hooks = unsafe { &*data.cast::<Hooks>() };
        run(&hooks.cloned);
        // SAFETY: as above.
        unsafe { Rc::increment_strong_count(data.cast::<Hooks>()) };
        RawWaker::new(data, &TABLE)
    },
    |data| {
        // SAFETY: as above; waking by value gives the share up.
        let hooks = unsafe { Rc::from_raw(data.cast::<Hooks>()) };
        run(&hooks.woken);
    },
    // SAFETY: as above.
    |data| run(unsafe { &(*data.cast::<Hooks>()).woken }),
    // SAFETY: as above; this gives the share up.
    |data| drop(unsafe { Rc::from_raw(data.cast::<Hooks>()) }),
);

fn is_pending(future: Pin<&mut (impl Future + ?Sized)>, waker: &Waker) -> bool {
    future.poll(&mut Context::from_waker(waker)).is_pending()
}

fn panics<T>(action: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(action)).is_err()
}

#[anyio::test]
async fn a_wait_that_is_ended_by_the_destructor_of_its_waker_is_woken() -> Result<()> {
    let event = Rc::new(Event::new());
    let (waited, set) = (event.clone(), event.clone());
    let mut wait = Box::pin(async move { waited.wait().await });
    assert!(is_pending(wait.as_mut(), &Hooks::when_dropped(move || set.set()).into_waker()));
    let ended = move_on_after(LONG, async { anyio::Ok(wait.as_mut().await?) }).await?;
    assert_eq!(ended, Some(()));
    Ok(())
}

#[anyio::test]
async fn a_wait_that_is_ended_by_the_clone_of_its_next_waker_is_woken() {
    let event = Rc::new(Event::new());
    let (waited, set, woken) = (event.clone(), event.clone(), Rc::new(Cell::new(false)));
    let mut wait = Box::pin(async move { waited.wait().await });
    assert!(is_pending(wait.as_mut(), Waker::noop()));
    let hooks = Hooks::when_cloned(move || set.set());
    let noted = woken.clone();
    hooks.woken.set(Some(Box::new(move || noted.set(true))));
    assert!(is_pending(wait.as_mut(), &hooks.into_waker()));
    assert!(woken.get());
    assert!(!is_pending(wait.as_mut(), Waker::noop()));
}

/// A waker that does this when it is first cloned, and takes note when it is woken.
fn noting_waker(when_cloned: impl FnOnce() + 'static) -> (Waker, Rc<Cell<bool>>) {
    let woken = Rc::new(Cell::new(false));
    let hooks = Hooks::when_cloned(when_cloned);
    let noted = woken.clone();
    hooks.woken.set(Some(Box::new(move || noted.set(true))));
    (hooks.into_waker(), woken)
}

#[anyio::test]
async fn a_wait_that_is_ended_by_the_clone_of_its_first_waker_is_woken() -> Result<()> {
    let event = Rc::new(Event::new());
    let set = event.clone();
    let (waker, woken) = noting_waker(move || set.set());
    let mut wait = Box::pin(event.wait());
    assert!(is_pending(wait.as_mut(), &waker) && woken.get());
    assert!(!is_pending(wait.as_mut(), Waker::noop()));

    let semaphore = Rc::new(Semaphore::new(0));
    let releases = semaphore.clone();
    let (waker, woken) = noting_waker(move || releases.release());
    let mut acquire = Box::pin(semaphore.acquire());
    assert!(is_pending(acquire.as_mut(), &waker) && woken.get());
    assert!(!is_pending(acquire.as_mut(), Waker::noop()));

    let (sender, receiver) = memory::channel(0);
    let taken = Rc::new(Cell::new(None));
    let takes = taken.clone();
    let (waker, woken) = noting_waker(move || takes.set(receiver.receive_nowait().unwrap()));
    let mut send = Box::pin(sender.send(7));
    assert!(is_pending(send.as_mut(), &waker) && woken.get());
    assert_eq!(taken.get(), Some(7));
    send.await
}

#[anyio::test]
async fn a_wait_whose_scope_is_cancelled_by_the_clone_of_its_first_waker_is_cancelled() -> Result<()> {
    async fn check(mut wait: Pin<&mut dyn Future<Output = Result<()>>>) -> Result<()> {
        let scope = CancelScope::new();
        let cancelled = scope.clone();
        let (waker, woken) = noting_waker(move || cancelled.cancel());
        let ended = scope
            .run(async || -> Result<()> {
                let mut polled = wait.as_mut().poll(&mut Context::from_waker(&waker));
                if polled.is_pending() && woken.get() {
                    polled = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                    assert!(polled.is_ready(), "it was woken and goes on waiting");
                }
                match polled {
                    Poll::Ready(ended) => ended,
                    // The kernel's answer comes later, and wakes who waits then.
                    Poll::Pending => wait.as_mut().await,
                }
            })
            .await?;
        assert_eq!(ended, None);
        Ok(())
    }
    let (event, semaphore, notifier) = (Event::new(), Semaphore::new(0), cross::Notifier::new());
    let (one, _other) = UnixStream::pair()?;
    check(pin!(async { Ok(event.wait().await?) })).await?;
    check(pin!(async { semaphore.acquire().await.map(drop).map_err(Into::into) })).await?;
    check(pin!(async { Ok(notifier.wait().await?) })).await?;
    check(pin!(async { Ok(foreign(pending()).await?) })).await?;
    check(pin!(async { Ok(sleep(LONG).await?) })).await?;
    check(pin!(async { one.receive().await.map(drop) })).await?;
    check(pin!(async { one.receive_into(vec![0; 10]).await.0.map(drop) })).await?;
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let thread = to_thread::run_sync(move || assert!(held.recv().is_err())).abandon_on_cancel();
    check(pin!(thread)).await?;
    drop(hold);
    Ok(())
}

#[anyio::test]
async fn a_wait_whose_waker_panics_when_it_is_cloned_leaves_nothing_behind() {
    let before = lowlevel::statistics();
    let (event, semaphore) = (Event::new(), Semaphore::new(0));
    let waker = || Hooks::when_cloned(|| panic_any("a clone")).into_waker();
    assert!(panics(|| is_pending(Box::pin(event.wait()).as_mut(), &waker())));
    assert!(panics(|| is_pending(Box::pin(semaphore.acquire()).as_mut(), &waker())));
    assert!(panics(|| is_pending(Box::pin(sleep(LONG)).as_mut(), &waker())));
    semaphore.release();
    assert!(semaphore.try_acquire().is_ok());
    assert_eq!(lowlevel::statistics(), before);
}

#[anyio::test]
async fn a_waker_that_goes_with_its_wait_may_begin_an_operation_and_notify() -> Result<()> {
    let (one, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
    let one = Rc::new(UnixStream::from_owned(one.into())?);
    let event = Rc::new(Event::new());
    let (waited, set) = (event.clone(), event.clone());
    let mut wait = Box::pin(async move { waited.wait().await });
    let receiving =
        Rc::new(RefCell::new(Box::pin(async move { one.receive_into(Vec::with_capacity(4096)).await })));
    let begun = receiving.clone();
    let begins = Hooks::when_dropped(move || {
        assert!(is_pending(begun.borrow_mut().as_mut(), Waker::noop()));
        set.set();
    });
    assert!(is_pending(wait.as_mut(), &begins.into_waker()));
    drop(wait);
    let _ = sleep(SHORT).await;
    // Nothing was sent, so it has not ended.
    assert!(is_pending(receiving.borrow_mut().as_mut(), Waker::noop()));
    std::io::Write::write_all(&mut other, b"sent").unwrap();
    let (count, buffer) = poll_fn(|cx| receiving.borrow_mut().as_mut().poll(cx)).await;
    assert_eq!((count?, buffer), (4, b"sent".to_vec()));
    Ok(())
}

#[anyio::test]
async fn a_queue_is_whole_when_the_waker_of_who_leaves_it_panics() {
    let event = Rc::new(Event::new());
    let wait = |waker: Waker| {
        let event = event.clone();
        let mut wait = Box::pin(async move { event.wait().await });
        assert!(is_pending(wait.as_mut(), &waker));
        wait
    };
    let woken = Rc::new(Cell::new(0));
    let counts = || {
        let woken = woken.clone();
        Hooks::when_woken(move || woken.set(woken.get() + 1)).into_waker()
    };
    let first = wait(Hooks::when_dropped(|| panic_any("a destructor")).into_waker());
    let _second = wait(counts());
    let third = wait(Hooks::when_dropped(|| panic_any("a destructor")).into_waker());
    let _fourth = wait(counts());
    assert!(panics(|| drop(first)));
    assert!(panics(|| drop(third)));
    assert_eq!(event.statistics().tasks_waiting, 2);
    event.set();
    assert_eq!(woken.get(), 2);
}

#[anyio::test]
async fn one_waker_that_panics_costs_nobody_else_the_wake() {
    let (event, condition) = (Event::new(), Condition::new());
    let (lock, shared) = (Lock::new(()), RwLock::new(()));
    let woken = Rc::new(Cell::new(0));
    let waker = |place: u32| {
        let woken = woken.clone();
        let noted = move || woken.set(woken.get() + 1);
        Hooks::when_woken(move || if place == 1 { panic_any("a wake") } else { noted() }).into_waker()
    };
    let writing = shared.write().await.unwrap();
    let mut waits: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = Vec::new();
    let guard = lock.try_acquire().unwrap();
    for place in 0..3 {
        let mut wait = Box::pin(async { event.wait().await.unwrap() });
        assert!(is_pending(wait.as_mut(), &waker(place)));
        waits.push(wait);
        let mut wait = Box::pin(async { drop(shared.read().await.unwrap()) });
        assert!(is_pending(wait.as_mut(), &waker(place)));
        waits.push(wait);
    }
    drop(guard);
    for place in 0..3 {
        let mut wait = Box::pin(async {
            let guard = lock.acquire().await.unwrap();
            drop(condition.wait(guard).await);
        });
        assert!(is_pending(wait.as_mut(), &waker(place)));
        waits.push(wait);
    }
    assert!(panics(|| event.set()));
    assert_eq!(woken.get(), 2);
    assert!(panics(|| drop(writing)));
    assert_eq!(woken.get(), 4);
    assert_eq!(shared.statistics().readers, 3);
    let guard = lock.try_acquire().unwrap();
    assert!(panics(|| condition.notify_all(&guard)));
    assert_eq!(woken.get(), 6);
}

#[anyio::test(calm = "its waker is to be dropped with the operation, and not when that is interrupted")]
async fn an_operation_is_cancelled_although_the_destructor_of_its_waker_panics() -> Result<()> {
    let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let one = UnixStream::from_owned(one.into())?;
    let mut receiving = Box::pin(one.receive_into(Vec::with_capacity(4096)));
    let waker = Hooks::when_dropped(|| panic_any("a destructor")).into_waker();
    assert!(is_pending(receiving.as_mut(), &waker));
    drop(waker);
    let _ = sleep(SHORT).await;
    assert!(panics(|| drop(receiving)));
    while lowlevel::statistics().orphaned_operations > 0 {
        sleep(SHORT).await?;
    }
    Ok(())
}

thread_local! {
    static OUTER: RefCell<Option<Boxed>> = const { RefCell::new(None) };
}

#[anyio::test]
async fn a_waker_may_drop_the_scope_around_the_one_that_is_left() {
    let scope = CancelScope::new().shielded();
    let asked = scope.clone();
    let sleeping: Rc<RefCell<Pin<Box<dyn Future<Output = Cancelled>>>>> =
        Rc::new(RefCell::new(Box::pin(sleep_forever())));
    let woken = Rc::new(Cell::new(false));
    let (in_scope, noted) = (sleeping.clone(), woken.clone());
    let inner: Rc<RefCell<Option<Boxed>>> = Rc::new(RefCell::new(Some(Box::pin(async move {
        let running = scope.clone();
        let _ = running
            .run(async || -> Result<()> {
                let drops = Hooks::when_woken(move || {
                    drop(OUTER.take());
                    asked.set_shield(false);
                    assert!(!asked.cancel_called());
                    noted.set(true);
                });
                assert!(is_pending(in_scope.borrow_mut().as_mut(), &drops.into_waker()));
                pending().await
            })
            .await;
    }))));
    let polled_in_outer = inner.clone();
    OUTER.set(Some(Box::pin(async move {
        let _ = move_on_after(Duration::ZERO, async move {
            assert!(is_pending(polled_in_outer.borrow_mut().as_mut().unwrap().as_mut(), Waker::noop()));
            pending::<Result<()>>().await
        })
        .await;
    })));
    OUTER.with_borrow_mut(|outer| assert!(is_pending(outer.as_mut().unwrap().as_mut(), Waker::noop())));
    let inner = inner.take();
    drop(inner);
    assert!(woken.get());
}

#[anyio::test]
async fn a_handle_of_a_scope_leads_nowhere_after_a_panic_of_a_waker_as_it_was_left() -> Result<()> {
    let outer = CancelScope::new();
    let sleeping: Rc<RefCell<Pin<Box<dyn Future<Output = Cancelled>>>>> =
        Rc::new(RefCell::new(Box::pin(sleep_forever())));
    let remote: Rc<RefCell<Option<RemoteScope>>> = Rc::default();
    let (in_group, to_remote) = (sleeping.clone(), remote.clone());
    let mut group: Option<Boxed> = Some(Box::pin(async move {
        let _ = task_group(async |tg| -> Result<()> {
            tg.scope().set_shield(true);
            to_remote.replace(Some(tg.scope().remote()));
            let waker = Hooks::when_woken(|| panic_any("a wake")).into_waker();
            assert!(is_pending(in_group.borrow_mut().as_mut(), &waker));
            pending().await
        })
        .await;
    }));
    let canceller = outer.clone();
    let _ = outer
        .run(async || -> Result<()> {
            assert!(is_pending(group.as_mut().unwrap().as_mut(), Waker::noop()));
            canceller.cancel();
            assert!(panics(|| drop(group.take())));
            Ok(())
        })
        .await;
    let remote = remote.take().unwrap();
    thread::spawn(move || remote.cancel()).join().unwrap();
    sleep(SHORT).await?;
    Ok(())
}

#[anyio::test]
async fn what_the_clone_of_a_hosts_waker_wakes_is_polled_at_once() {
    let events: Rc<[Event; 3]> = Rc::default();
    let in_group = events.clone();
    let mut group = Box::pin(task_group(async move |tg| -> Result<()> {
        for place in 0..3 {
            let events = in_group.clone();
            tg.start_soon(async move { anyio::Ok(events[place].wait().await?) });
        }
        Ok(())
    }));
    for place in 0..3 {
        // The clone is made before anything is polled, so its event is seen in the same poll.
        let set = events.clone();
        let waker = Hooks::when_cloned(move || set[place].set()).into_waker();
        assert_eq!(is_pending(group.as_mut(), &waker), place < 2);
        assert!(events[place].is_set());
    }
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Panics {
    fn drop(&mut self) {
        panic_any("a destructor");
    }
}

#[test]
fn wakers_that_panic_with_their_run_end_it_with_one_panic() {
    for backend in [anyio::Backend::Uring, anyio::Backend::Poll] {
        let dropped = Arc::new(AtomicBool::new(false));
        let noted = dropped.clone();
        let ended = catch_unwind(|| {
            anyio::Builder::new().backend(backend).run(async || {
                let event = Box::leak(Box::new(Event::new()));
                for _ in 0..3 {
                    let mut wait = Box::pin(event.wait());
                    assert!(is_pending(wait.as_mut(), &Waker::from(Arc::new(Panics))));
                    std::mem::forget(wait);
                }
                let mut wait = Box::pin(event.wait());
                let notes = Hooks::when_dropped(move || noted.store(true, Ordering::SeqCst));
                assert!(is_pending(wait.as_mut(), &notes.into_waker()));
                std::mem::forget(wait);
            })
        });
        match ended {
            Err(payload) => assert_eq!(payload.downcast_ref(), Some(&"a destructor")),
            // Not every host has each of them.
            Ok(result) => assert!(result.is_err()),
        }
        assert!(dropped.load(Ordering::SeqCst) || backend == anyio::Backend::Uring);
    }
}

/// Counts how often it is dropped.
struct Counts(Rc<Cell<u32>>);

impl Drop for Counts {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// Panics when it is told to wake somebody, once.
struct PanicsOnce(AtomicBool);

impl Wake for PanicsOnce {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        assert!(self.0.swap(true, Ordering::Relaxed), "the host is not to be woken");
    }
}

#[test]
fn a_child_whose_host_panics_as_it_begins_is_dropped_once() {
    for backend in anyio::testing::test_backends() {
        let start = Rc::new(RefCell::new(None::<Box<dyn Fn(Counts)>>));
        let stop = Rc::new(Event::new());
        let (given, stopped) = (start.clone(), stop.clone());
        let mut guest = pin!(Builder::new().backend(backend).run_as_guest(BusyHost::new, async move || {
            task_group(async |tg| -> Result<()> {
                let start: Box<dyn Fn(Counts) + '_> = Box::new(|counts| {
                    tg.start_soon(async move {
                        lowlevel::checkpoint().await?;
                        drop(counts);
                        anyio::Ok(())
                    });
                });
                // SAFETY: it is taken back before the group ends.
                let start: Box<dyn Fn(Counts)> = unsafe { std::mem::transmute(start) };
                given.replace(Some(start));
                let ended = stopped.wait().await;
                drop(given.take());
                ended.map_err(anyio::Error::from)
            })
            .await
        }));
        let waker = Waker::from(Arc::new(PanicsOnce(AtomicBool::new(false))));
        let mut cx = Context::from_waker(&waker);
        while start.borrow().is_none() {
            assert!(guest.as_mut().poll(&mut cx).is_pending());
        }
        // The thread is the host's now, who has to be told of a new task.
        let dropped = Rc::new(Cell::new(0));
        for (number, panics) in [true, false].into_iter().enumerate() {
            let counts = Counts(dropped.clone());
            let started = catch_unwind(AssertUnwindSafe(|| {
                start.borrow().as_ref().expect("the group is there")(counts);
            }));
            assert_eq!((started.is_err(), dropped.get()), (panics, 1), "{backend}, child {number}");
        }
        stop.set();
        let ended = loop {
            if let Poll::Ready(ended) = guest.as_mut().poll(&mut cx) {
                break ended;
            }
        };
        ended.unwrap().unwrap();
        assert_eq!(dropped.get(), 2, "{backend}: the other child has run");
    }
}

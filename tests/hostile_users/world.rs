//! What the futures of one program share.

use crate::{
    futures, mischief,
    outgoing::{self, Other, Outgoing},
    values::{Evil, Key, Value, discard, fault},
    wakers,
};
use anyio::{
    CancelScope, RemoteScope,
    cross::{self, CrossReceiver, CrossSender},
    functools::{Cache, lru_cache},
    itertools::{Tee, tee},
    lowlevel::RunVar,
    net::UnixStream,
    sleep,
    streams::{
        broadcast::{self, BroadcastReceiver, BroadcastSender},
        memory::{self, ReceiveStream, SendStream},
        watch::{self, WatchReceiver, WatchSender},
    },
    sync::{Barrier, CapacityLimiter, Condition, Event, Lock, OnceCell, Promise, RwLock, Semaphore},
};
use std::{
    cell::{Cell, RefCell},
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// What the programs of a seed do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    /// User code re-enters the runtime.
    pub(crate) reenters: bool,
    /// User code panics.
    pub(crate) panics: bool,
    /// The payloads of panics do mischief when dropped.
    pub(crate) payloads: bool,
    /// Futures are forgotten.
    pub(crate) forgets: bool,
    /// Futures are left to a second run.
    pub(crate) leaves: bool,
}

impl Habits {
    fn of(seed: u64) -> Self {
        let panics = seed & 2 != 0;
        Self {
            reenters: seed & 1 != 0,
            panics,
            payloads: panics && seed & 4 != 0,
            forgets: seed & 8 != 0,
            leaves: seed & 16 != 0,
        }
    }
}

pub(crate) type Local = Pin<Box<dyn Future<Output = Result<(), Evil>>>>;

type Ends<T> = (SendStream<T>, ReceiveStream<T>);
type SomeEnds<T> = (Option<SendStream<T>>, Option<ReceiveStream<T>>);

/// A future that is under way.
pub(crate) struct Running {
    pub(crate) future: Local,
    pub(crate) what: &'static str,
    pub(crate) value: Value,
}

/// A socket whose bytes are counted.
pub(crate) struct Counted {
    pub(crate) stream: UnixStream,
    pub(crate) peer: std::os::unix::net::UnixStream,
    pub(crate) sent: Cell<u64>,
    pub(crate) received: Cell<u64>,
    sum: Cell<u64>,
}

pub(crate) fn byte_at(position: u64) -> u8 {
    (position.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 53) as u8
}

impl Counted {
    /// Sends some bytes, if the program may still send.
    pub(crate) fn send(&self, count: u64) {
        let bytes: Vec<u8> = (self.sent.get()..self.sent.get() + count).map(byte_at).collect();
        match (&self.peer).write(&bytes) {
            Ok(written) => {
                for byte in &bytes[..written] {
                    self.sum.set(self.sum.get() + u64::from(*byte));
                }
                self.sent.set(self.sent.get() + written as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => fault(format!("the peer cannot send: {error}")),
        }
    }

    /// Takes note of bytes that have come. With re-entering wakers the code that got the first bytes may come second.
    pub(crate) fn got(&self, bytes: &[u8], in_order: bool) {
        let position = self.received.get();
        for (at, byte) in (position..).zip(bytes) {
            if in_order && *byte != byte_at(at) {
                fault(format!("byte {at} of a stream is wrong"));
                break;
            }
            self.sum.set(self.sum.get().wrapping_sub(u64::from(*byte)));
        }
        self.received.set(position + bytes.len() as u64);
    }

    /// Whether all bytes have come, each once.
    pub(crate) fn is_complete(&self) -> bool {
        self.sent == self.received && self.sum.get() == 0
    }
}

pub(crate) struct World {
    pub(crate) habits: Habits,
    random: Cell<u64>,
    /// How much more mischief there may be, so that programs end.
    pub(crate) mischief_left: Cell<u32>,
    pub(crate) depth: Cell<u32>,
    /// No mischief any more.
    pub(crate) calm: Cell<bool>,
    pub(crate) slots: RefCell<Vec<Option<Running>>>,
    pub(crate) wakers: RefCell<Vec<Waker>>,
    pub(crate) scopes: RefCell<Vec<CancelScope>>,
    pub(crate) remotes: RefCell<Vec<RemoteScope>>,
    pub(crate) event: RefCell<Rc<Event>>,
    pub(crate) cross_event: RefCell<Arc<cross::Event>>,
    pub(crate) notifier: Arc<cross::Notifier>,
    pub(crate) semaphore: Semaphore,
    pub(crate) lock: Lock<Value>,
    pub(crate) condition: Condition,
    pub(crate) rw_lock: RwLock<Value>,
    pub(crate) barrier: Barrier,
    pub(crate) limiter: CapacityLimiter,
    pub(crate) promise: RefCell<Rc<Promise<Value>>>,
    pub(crate) cell: RefCell<Rc<OnceCell<Value>>>,
    /// Whether what makes the value of such a cell is being polled.
    pub(crate) making: Cell<bool>,
    /// A channel that stays open, by its numbers.
    pub(crate) items: Ends<(u64, Value)>,
    pub(crate) next_item: Cell<u64>,
    pub(crate) sent_items: RefCell<Vec<u64>>,
    pub(crate) received_items: RefCell<Vec<u64>>,
    /// A channel whose ends come and go.
    pub(crate) wild: RefCell<SomeEnds<Value>>,
    pub(crate) broadcast: RefCell<Option<BroadcastSender<Value>>>,
    pub(crate) listeners: RefCell<Vec<BroadcastReceiver<Value>>>,
    pub(crate) watch: RefCell<Option<(WatchSender<Value>, WatchReceiver<Value>)>>,
    pub(crate) cross: RefCell<Option<(CrossSender<Value>, CrossReceiver<Value>)>>,
    pub(crate) counted: RefCell<Option<Rc<Counted>>>,
    pub(crate) outgoing: RefCell<Vec<Outgoing>>,
    /// The other ends of those whose streams are gone.
    pub(crate) gone: RefCell<Vec<Other>>,
    pub(crate) variable: RunVar<Value>,
    pub(crate) cache: Cache<Key, Value, MakeValue>,
    pub(crate) tees: RefCell<Vec<Tee<ReceiveStream<Value>>>>,
    pub(crate) tee_source: RefCell<Option<SendStream<Value>>>,
}

type MakeValue = for<'a> fn(&'a Key) -> Pin<Box<dyn Future<Output = Result<Value, Evil>> + 'a>>;

fn make_value(key: &Key) -> Pin<Box<dyn Future<Output = Result<Value, Evil>> + '_>> {
    Box::pin(async {
        sleep(Duration::from_micros(100)).await?;
        key.1.check();
        mischief::maybe();
        Ok(Value::new())
    })
}

const PERMITS: usize = 2;

impl World {
    fn new(seed: u64) -> Rc<Self> {
        Rc::new(Self {
            habits: Habits::of(seed),
            random: Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            mischief_left: Cell::new(400),
            depth: Cell::new(0),
            calm: Cell::new(false),
            slots: RefCell::default(),
            wakers: RefCell::default(),
            scopes: RefCell::default(),
            remotes: RefCell::default(),
            event: RefCell::default(),
            cross_event: RefCell::default(),
            notifier: Arc::default(),
            semaphore: Semaphore::new(PERMITS),
            lock: Lock::new(Value::new()),
            condition: Condition::new(),
            rw_lock: RwLock::new(Value::new()),
            barrier: Barrier::new(2),
            limiter: CapacityLimiter::new(2),
            promise: RefCell::default(),
            cell: RefCell::default(),
            making: Cell::new(false),
            items: memory::channel((seed % 3) as usize),
            next_item: Cell::new(0),
            sent_items: RefCell::default(),
            received_items: RefCell::default(),
            wild: RefCell::default(),
            broadcast: RefCell::default(),
            listeners: RefCell::default(),
            watch: RefCell::default(),
            cross: RefCell::default(),
            counted: RefCell::default(),
            outgoing: RefCell::default(),
            gone: RefCell::default(),
            variable: RunVar::new(),
            cache: lru_cache(make_value as MakeValue).max_size(2),
            tees: RefCell::default(),
            tee_source: RefCell::default(),
        })
    }

    /// Fills what can be used only within a run, or goes with it.
    pub(crate) fn furnish(&self) {
        if self.counted.borrow().is_none() {
            let (stream, peer) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
            peer.set_nonblocking(true).expect("sockets can be non-blocking");
            let stream = UnixStream::from_owned(stream.into()).expect("a socket is one");
            let (sent, received, sum) = (Cell::new(0), Cell::new(0), Cell::new(0));
            self.counted.replace(Some(Rc::new(Counted { stream, peer, sent, received, sum })));
        }
        outgoing::furnish(self);
        self.renew_channels();
    }

    pub(crate) fn renew_channels(&self) {
        let (sender, receiver) = memory::channel(1);
        let before = self.wild.replace((Some(sender), Some(receiver)));
        drop(before);
        let (sender, receiver) = broadcast::channel(2);
        let before = self.broadcast.replace(Some(sender));
        drop(before);
        let before = self.listeners.replace(vec![receiver]);
        drop(before);
        let before = self.watch.replace(Some(watch::channel(Value::new())));
        drop(before);
        let before = self.cross.replace(Some(cross::channel(1)));
        drop(before);
        let (sender, receiver) = memory::channel(2);
        let before = self.tee_source.replace(Some(sender));
        drop(before);
        let readers: [_; 2] = tee(receiver, 2);
        let before = self.tees.replace(readers.into());
        drop(before);
    }

    pub(crate) fn next(&self) -> u64 {
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        self.random.set(random);
        random >> 16
    }

    pub(crate) fn below(&self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// One of the wakers that futures were polled with, a hostile one, or one that does nothing.
    pub(crate) fn any_waker(&self) -> Waker {
        match self.below(8) {
            0 => Waker::noop().clone(),
            1 => {
                let waker = self.wakers.borrow_mut().pop();
                waker.unwrap_or_else(wakers::hostile)
            }
            _ => wakers::hostile(),
        }
    }

    /// Begins something, without polling it.
    pub(crate) fn begin(self: &Rc<Self>) {
        let (what, future) = futures::any(self, 0);
        self.put(Running { future, what, value: Value::new() });
    }

    pub(crate) fn put(&self, running: Running) {
        let mut slots = self.slots.borrow_mut();
        match slots.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(running),
            None => slots.push(Some(running)),
        }
    }

    pub(crate) fn take_any(&self) -> Option<Running> {
        let mut slots = self.slots.borrow_mut();
        let count = slots.len();
        if count == 0 { None } else { slots[self.below(count)].take() }
    }

    /// Polls one of the futures. It is out of reach of others meanwhile.
    pub(crate) fn poll(&self, mut running: Running, waker: &Waker) {
        let polled =
            catch_unwind(AssertUnwindSafe(|| running.future.as_mut().poll(&mut Context::from_waker(waker))));
        match polled {
            Ok(Poll::Pending) => self.put(running),
            Ok(Poll::Ready(result)) => drop((running, result)),
            Err(payload) => {
                drop(running);
                discard(payload);
            }
        }
    }

    /// Drops what the program has left.
    pub(crate) fn clear(&self) {
        drop(self.slots.take());
        drop(self.wakers.take());
        drop(self.scopes.take());
        drop(self.remotes.take());
        drop(self.counted.take());
        drop(self.outgoing.take());
        self.gone.take().iter_mut().for_each(Other::receive_all);
        drop(self.wild.take());
        drop(self.broadcast.take());
        drop(self.listeners.take());
        drop(self.watch.take());
        drop(self.cross.take());
        drop(self.tees.take());
        drop(self.tee_source.take());
        self.cache.clear();
    }

    /// Whether every permit and token is back.
    pub(crate) fn check_grants(&self) {
        if self.semaphore.value() != PERMITS {
            fault(format!("{} of {PERMITS} permits are left", self.semaphore.value()));
        }
        if self.limiter.borrowed_tokens() != 0 {
            fault(format!("{} tokens are still lent", self.limiter.borrowed_tokens()));
        }
        if self.lock.locked() || self.rw_lock.try_write().is_err() {
            fault("a lock is still held");
        }
    }
}

/// The world of the program that runs on this thread.
pub(crate) fn current() -> Option<Rc<World>> {
    WORLD.try_with(|world| world.borrow().clone()).ok().flatten()
}

pub(crate) fn make(seed: u64) -> Rc<World> {
    let world = World::new(seed);
    WORLD.set(Some(world.clone()));
    world
}

pub(crate) fn leave() {
    let world = WORLD.take();
    drop(world);
}

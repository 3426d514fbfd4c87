//! What tests of sockets start from.
#![allow(dead_code, unused_imports, unused_macros, reason = "no test binary needs all of it")]

mod assert_receives;

pub(crate) use assert_receives::assert_receives;

use anyio::{
    Builder, Result, lowlevel,
    net::{TcpListener, TcpStream, UnixStream},
    sleep,
    testing::test_backends,
};
use socket2::{Domain, Socket, Type};
use std::{
    fs,
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
    thread,
    time::{Duration, Instant},
};

/// Two connected TCP streams.
pub(crate) async fn pair() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    Ok((client, listener.accept().await?))
}

/// A stream and its peer, which belongs to the standard library.
pub(crate) async fn with_std_peer() -> Result<(TcpStream, std::net::TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    Ok((listener.accept().await?, peer))
}

/// A listener that lets nobody in, with those that fill its queue.
pub(crate) struct Blackhole {
    pub(crate) address: SocketAddr,
    _sockets: Vec<Socket>,
}

impl Blackhole {
    pub(crate) fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut sockets = vec![listener];
        for _ in 0..4 {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address);
            sockets.push(socket);
        }
        Self { address: address.as_socket().unwrap(), _sockets: sockets }
    }
}

/// An address at which nobody listens.
pub(crate) fn refusing() -> SocketAddr {
    // Others neither listen nor connect from there, so the port stays free.
    std::net::TcpListener::bind("127.0.91.2:0").unwrap().local_addr().unwrap()
}

/// Something that makes the driver take turns: everything queued before is with the kernel afterwards.
pub(crate) struct Ticker(UnixStream, UnixStream);

impl Ticker {
    pub(crate) fn new() -> Self {
        let (one, other) = UnixStream::pair().unwrap();
        Self(one, other)
    }

    pub(crate) async fn tick(&self) {
        // Not by the runtime's own counting: a byte goes through the kernel and comes back, twice. It is waited for before
        // it is sent, so that it cannot be there at once.
        for _ in 0..2 {
            let mut receive = pin!(self.1.receive());
            assert!(poll_once(receive.as_mut()).await.is_pending());
            self.0.send("x").await.unwrap();
            receive.await.unwrap().unwrap();
        }
    }
}

/// Polls a future once.
pub(crate) async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Waits until something is so which others bring about, and which cannot be awaited in another way.
pub(crate) async fn until(condition: impl Fn() -> bool) -> Result<()> {
    until_within(Duration::from_secs(60), condition).await
}

/// The same, for so long at most.
pub(crate) async fn until_within(limit: Duration, condition: impl Fn() -> bool) -> Result<()> {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < limit, "it did not come about");
        sleep(Duration::from_millis(1)).await?;
    }
    Ok(())
}

/// How many descriptors this process has open.
pub(crate) fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Raises the soft limit of open descriptors to the hard one.
pub(crate) fn raise_descriptor_limit() -> libc::rlim_t {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is valid for both calls.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
    limit.rlim_cur
}

/// Keeps other tests of this binary from running, so that descriptors can be counted.
pub(crate) fn lock() -> MutexGuard<'static, usize> {
    /// How many descriptors were open before the first test.
    static LOCK: Mutex<usize> = Mutex::new(0);
    let mut first = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    if *first == 0 {
        *first = open_descriptors();
    }
    // What a failed test has left stays for good.
    *first = descriptors_once_at_most(*first);
    first
}

/// Looks that as many descriptors are open as before a run that has ended.
#[track_caller]
pub(crate) fn assert_descriptors(before: usize, run: impl std::fmt::Display) {
    assert_eq!(descriptors_once_at_most(before), before, "descriptors after a run: {run}");
}

/// How many descriptors are open as soon as there are at most `bound`, or else after 10 seconds: a worker thread may hold on
/// to what woke its run for a moment longer.
pub(crate) fn descriptors_once_at_most(bound: usize) -> usize {
    let limit = Instant::now() + Duration::from_secs(10);
    while open_descriptors() > bound && Instant::now() < limit {
        thread::yield_now();
    }
    open_descriptors()
}

/// Runs a test on each back end, while no other test of this binary runs, and looks whether descriptors are left.
pub(crate) fn alone(test: impl AsyncFn() -> Result<()>) {
    alone_with(&Builder::new(), test);
}

/// The same, with options.
pub(crate) fn alone_with(builder: &Builder, test: impl AsyncFn() -> Result<()>) {
    let _lock = lock();
    for backend in test_backends() {
        let before = open_descriptors();
        anyio::testing::run_test(builder.clone(), backend, None, async || test().await);
        assert_descriptors(before, backend);
    }
}

/// Waits until the run stands as it did, taking turns.
pub(crate) async fn settle(ticker: &Ticker, before: lowlevel::RunStatistics) {
    for _ in 0..200 {
        if what_is_left(before) == before {
            // Descriptors are closed in the background, behind the end of what used them.
            return ticker.tick().await;
        }
        ticker.tick().await;
    }
    assert_eq!(what_is_left(before), before, "something was left");
}

/// How the run stands, with the number of shortages of buffers that there had been before.
fn what_is_left(before: lowlevel::RunStatistics) -> lowlevel::RunStatistics {
    let mut now = lowlevel::statistics();
    now.buffer_shortages = before.buffer_shortages;
    now
}

/// Random numbers, the same in each run of a test.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }
}

/// The byte at this position of a stream that shows which of its bytes are lost, doubled or swapped.
pub(crate) fn byte_at(position: u64) -> u8 {
    (position.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 53) as u8
}

/// How often to do something: so often in an ordinary run, and so often where `ANYIO_LONG_TESTS` is set.
pub(crate) fn rounds(ordinary: usize, long: usize) -> usize {
    if std::env::var_os("ANYIO_LONG_TESTS").is_some() { long } else { ordinary }
}

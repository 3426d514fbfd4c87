//! The other side of a socket that is measured: peers that wait for answers, a flood, or a sink. A thread of its own on
//! another processor.
//!
//! The unsafe blocks pass pointers to live local values to system calls that do not keep them, and read a clock.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use socket2::SockRef;

use crate::measuring::{
    amounts::{STREAM_BYTES, TOGETHER},
    job::Order,
    limits,
    stopwatch::Measured,
};

/// Room for all that may be on its way.
const SOCKET_BUFFER: usize = 8 << 20;

/// After so many milliseconds an answer that has not come was lost.
const LOST: i32 = 20;

/// What a job has done of its work: an eighth first to warm up.
pub(crate) struct Progress {
    operations: u64,
    warm: u64,
    done: u64,
    began: Option<(Instant, Duration)>,
    measured: Option<Measured>,
}

impl Progress {
    fn new(operations: u64) -> Self {
        Self { operations, warm: operations.div_ceil(8), done: 0, began: None, measured: None }
    }

    /// Notes some more; false once it is enough.
    #[inline]
    pub(crate) fn add(&mut self, count: u64) -> bool {
        self.done += count;
        match self.began {
            None if self.done >= self.warm => self.began = Some((Instant::now(), thread_time())),
            Some((began, cpu)) if self.done >= self.warm + self.operations => {
                let operations = self.done - self.warm;
                let measured = Measured { operations, elapsed: began.elapsed(), cpu: thread_time() - cpu };
                self.measured.get_or_insert(measured);
                return false;
            }
            _ => {}
        }
        true
    }
}

/// The processor time of this thread.
fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A thread on another processor, until this is dropped.
struct Other {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Other {
    fn start(core: usize, work: impl FnOnce(&AtomicBool) -> io::Result<()> + Send + 'static) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let told = ended.clone();
        let thread = thread::spawn(move || {
            limits::pin_to_core(core)?;
            work(&told)
        });
        Self { ended, thread: Some(thread) }
    }
}

impl Other {
    /// Ends it. An error tells what was wrong with what it has seen of the other side.
    fn end(mut self) -> anyhow::Result<()> {
        match self.stop() {
            Some(Ok(ended)) => Ok(ended?),
            _ => anyhow::bail!("the other side has panicked"),
        }
    }

    fn stop(&mut self) -> Option<thread::Result<io::Result<()>>> {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // What it has to say does not count where the job has failed.
        let _ = self.stop();
    }
}

fn socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let options = SockRef::from(&socket);
    options.set_recv_buffer_size(SOCKET_BUFFER)?;
    options.set_send_buffer_size(SOCKET_BUFFER)?;
    // Beyond the system's limit, where this process may.
    let _ = set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, SOCKET_BUFFER as libc::c_int);
    Ok(socket)
}

fn run(
    progress: Progress,
    other: Other,
    job: impl FnOnce(&mut Progress) -> anyhow::Result<()>,
) -> anyhow::Result<Measured> {
    let mut progress = progress;
    job(&mut progress)?;
    other.end()?;
    progress.measured.ok_or_else(|| anyhow::anyhow!("the job ended before its work was done"))
}

/// Has a socket serve so many peers, each of which waits for the answer to its datagram.
pub(crate) fn echo(
    order: &Order,
    peers: usize,
    size: usize,
    job: impl FnOnce(UdpSocket, &mut Progress) -> anyhow::Result<()>,
) -> anyhow::Result<Measured> {
    let served = socket()?;
    let address = served.local_addr()?;
    let clients = (0..peers)
        .map(|_| {
            let client = UdpSocket::bind("127.0.0.1:0")?;
            client.connect(address)?;
            client.set_nonblocking(true)?;
            Ok(client)
        })
        .collect::<io::Result<Vec<_>>>()?;
    let other = Other::start(order.other_core, move |ended| ask(&clients, size, ended));
    run(Progress::new(order.operations), other, |progress| job(served, progress))
}

/// Asks with each client, again after each answer.
fn ask(clients: &[UdpSocket], size: usize, ended: &AtomicBool) -> io::Result<()> {
    // SAFETY: takes a flag only.
    let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    if epoll < 0 {
        return Err(io::Error::last_os_error());
    }
    for (number, client) in clients.iter().enumerate() {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number as u64 };
        // SAFETY: the pointer is to a live event.
        unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, client.as_raw_fd(), &mut event) };
    }
    // Each client's questions are its own, so that an answer that went to another is noticed.
    let questions: Vec<_> = (0..clients.len()).map(|client| question(client, size)).collect();
    let mut answer = vec![0; 2048];
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 256];
    let ask_all = |questions: &[Vec<u8>]| {
        clients.iter().zip(questions).for_each(|(client, question)| drop(client.send(question)));
    };
    ask_all(&questions);
    while !ended.load(Ordering::Relaxed) {
        // SAFETY: there is room for so many events.
        let count = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), events.len() as i32, LOST) };
        if count <= 0 {
            ask_all(&questions);
        }
        for event in events.iter().take(count.max(0) as usize) {
            let client = &clients[event.u64 as usize];
            let question = &questions[event.u64 as usize];
            while let Ok(length) = client.recv(&mut answer) {
                if answer[..length] != question[..] {
                    return Err(io::Error::other("an answer was not what had been asked"));
                }
                let _ = client.send(question);
            }
        }
    }
    // SAFETY: the descriptor is this function's own.
    unsafe { libc::close(epoll) };
    Ok(())
}

/// What a client asks.
fn question(client: usize, size: usize) -> Vec<u8> {
    client.to_le_bytes().into_iter().chain(7..=u8::MAX).cycle().take(size).collect()
}

/// Floods a socket with datagrams of one sender, whose address the job is told.
pub(crate) fn receive(
    order: &Order,
    job: impl FnOnce(UdpSocket, SocketAddr, &mut Progress) -> anyhow::Result<()>,
) -> anyhow::Result<Measured> {
    let receiver = socket()?;
    let address = receiver.local_addr()?;
    let sender = socket()?;
    sender.connect(address)?;
    let from = sender.local_addr()?;
    let other = Other::start(order.other_core, move |ended| flood(&sender, ended));
    run(Progress::new(order.operations), other, |progress| job(receiver, from, progress))
}

/// Whether an address as the system tells it is this one.
#[inline]
pub(crate) fn is_sender(name: &libc::sockaddr_in, sender: SocketAddr) -> bool {
    let SocketAddr::V4(sender) = sender else { return false };
    name.sin_port == sender.port().to_be() && name.sin_addr.s_addr == sender.ip().to_bits().to_be()
}

fn flood(sender: &UdpSocket, ended: &AtomicBool) -> io::Result<()> {
    segment(sender)?;
    let data = vec![7; STREAM_BYTES * TOGETHER];
    while !ended.load(Ordering::Relaxed) {
        let _ = sender.send(&data);
    }
    Ok(())
}

/// Has the kernel make datagrams of the stream's size of what is sent.
pub(crate) fn segment(socket: &UdpSocket) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_SEGMENT, STREAM_BYTES as libc::c_int)
}

/// Says whether datagrams that follow each other come as one.
pub(crate) fn set_coalescing(socket: &impl AsRawFd, on: bool) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_GRO, libc::c_int::from(on))
}

fn set_option(
    socket: &impl AsRawFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the option's value is an int, and the length says so.
    let set = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has a socket send to a sink, whose address the job is told.
pub(crate) fn send(
    order: &Order,
    job: impl FnOnce(UdpSocket, SocketAddr, &mut Progress) -> anyhow::Result<()>,
) -> anyhow::Result<Measured> {
    let sink = socket()?;
    let address = sink.local_addr()?;
    let sender = socket()?;
    let other = Other::start(order.other_core, move |ended| drain(&sink, ended));
    run(Progress::new(order.operations), other, |progress| job(sender, address, progress))
}

fn drain(sink: &UdpSocket, ended: &AtomicBool) -> io::Result<()> {
    set_coalescing(sink, true)?;
    sink.set_read_timeout(Some(Duration::from_millis(10)))?;
    let mut buffer = vec![0; 1 << 16];
    while !ended.load(Ordering::Relaxed) {
        let _ = sink.recv(&mut buffer);
    }
    Ok(())
}

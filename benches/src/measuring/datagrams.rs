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

/// After so long an answer that has not come was lost.
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

impl Drop for Other {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let options = SockRef::from(&socket);
    options.set_recv_buffer_size(SOCKET_BUFFER)?;
    options.set_send_buffer_size(SOCKET_BUFFER)?;
    force_receive_buffer(&socket);
    Ok(socket)
}

/// Beyond the system's limit, where this process may.
fn force_receive_buffer(socket: &UdpSocket) {
    let size = SOCKET_BUFFER as libc::c_int;
    // SAFETY: the option's value is an int, and the length says so.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            (&raw const size).cast(),
            size_of_val(&size) as libc::socklen_t,
        );
    }
}

fn run(
    progress: Progress,
    other: Other,
    job: impl FnOnce(&mut Progress) -> anyhow::Result<()>,
) -> anyhow::Result<Measured> {
    let mut progress = progress;
    job(&mut progress)?;
    drop(other);
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
    let question = vec![7; size];
    let mut answer = vec![0; 2048];
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 256];
    let ask_all = || clients.iter().for_each(|client| drop(client.send(&question)));
    ask_all();
    while !ended.load(Ordering::Relaxed) {
        // SAFETY: there is room for so many events.
        let count = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), events.len() as i32, LOST) };
        if count <= 0 {
            ask_all();
        }
        for event in events.iter().take(count.max(0) as usize) {
            let client = &clients[event.u64 as usize];
            while client.recv(&mut answer).is_ok() {
                let _ = client.send(&question);
            }
        }
    }
    // SAFETY: the descriptor is this function's own.
    unsafe { libc::close(epoll) };
    Ok(())
}

/// Floods a socket with datagrams.
pub(crate) fn receive(
    order: &Order,
    job: impl FnOnce(UdpSocket, &mut Progress) -> anyhow::Result<()>,
) -> anyhow::Result<Measured> {
    let receiver = socket()?;
    let address = receiver.local_addr()?;
    let sender = socket()?;
    sender.connect(address)?;
    let other = Other::start(order.other_core, move |ended| flood(&sender, ended));
    run(Progress::new(order.operations), other, |progress| job(receiver, progress))
}

fn flood(sender: &UdpSocket, ended: &AtomicBool) -> io::Result<()> {
    let size = STREAM_BYTES as libc::c_int;
    // SAFETY: the option's value is an int, and the length says so.
    unsafe {
        libc::setsockopt(
            sender.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
            (&raw const size).cast(),
            size_of_val(&size) as libc::socklen_t,
        );
    }
    let data = vec![7; STREAM_BYTES * TOGETHER];
    while !ended.load(Ordering::Relaxed) {
        let _ = sender.send(&data);
    }
    Ok(())
}

/// Has datagrams that follow each other come as one.
pub(crate) fn coalesce(socket: &UdpSocket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int, and the length says so.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_GRO,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
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
    coalesce(sink)?;
    sink.set_read_timeout(Some(Duration::from_millis(10)))?;
    let mut buffer = vec![0; 1 << 16];
    while !ended.load(Ordering::Relaxed) {
        let _ = sink.recv(&mut buffer);
    }
    Ok(())
}

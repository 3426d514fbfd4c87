//! Running a program.

use super::{
    driving::{Prepared, drive, finish},
    guest::{Guest, Hosted},
};
use crate::{
    lowlevel::Host,
    net::{MakeResolver, Resolver},
    runtime::{
        Backend, Blocking, Clock, Core, Instrument, MakeInstrument, Shuffle,
        backend::{self, Disturbance},
        clock::RunClock,
    },
    signal::{Interrupt, InterruptHandling},
};
use anyio_driver::{Driver, OpKind};
use std::{
    future::Future,
    io,
    num::{NonZeroU32, NonZeroUsize},
    os::fd::OwnedFd,
    time::Duration,
};

/// Runs a program with the default options: `Builder::new().run(main)`.
///
/// ```
/// let answer = anyio::run(async || {
///     anyio::sleep(std::time::Duration::from_millis(1)).await.unwrap();
///     42
/// });
/// assert_eq!(answer, 42);
/// ```
///
/// # Panics
/// If `main` does, after everything was torn down. If no driver can be set up, or a runtime runs on this thread
/// already; use [`Builder::run`] to get these as errors.
#[track_caller]
pub fn run<T>(main: impl AsyncFnOnce() -> T) -> T {
    match Builder::new().run(main) {
        Ok(value) => value,
        Err(error) => panic!("anyio cannot run: {error}"),
    }
}

/// How a program is to be run.
///
/// ```
/// use anyio::{Backend, Builder};
///
/// let backend = Builder::new().backend(Backend::Poll).run(async || anyio::current_backend())?;
/// assert_eq!(backend, Some(Backend::Poll));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Clone)]
pub struct Builder {
    backend: Option<Backend>,
    options: backend::Options,
    teardown_limit: Duration,
    interrupt: InterruptHandling,
    clock: Clock,
    autojump_threshold: Duration,
    timer_slack: Duration,
    deadlock_timeout: Duration,
    resolver: Option<MakeResolver>,
    instruments: Vec<MakeInstrument>,
    pub(super) disturbance: Disturbance,
    calm: Option<&'static str>,
    ordered: Option<&'static str>,
}

impl Builder {
    /// The default options: the back end that `ANYIO_BACKEND` in the environment names (`auto`, `uring` or `poll`), or
    /// [`Backend::Auto`].
    pub fn new() -> Self {
        Self {
            backend: None,
            options: backend::Options::default(),
            teardown_limit: Duration::from_secs(5),
            interrupt: InterruptHandling::OnMainThread,
            clock: Clock::Monotonic,
            autojump_threshold: Duration::from_millis(10),
            timer_slack: Duration::ZERO,
            deadlock_timeout: Duration::from_secs(10),
            resolver: None,
            instruments: Vec::new(),
            // Without the feature `chaos` there is but one.
            #[allow(clippy::default_constructed_unit_structs)]
            disturbance: Disturbance::default(),
            calm: None,
            ordered: None,
        }
    }

    /// Chooses the back end, whatever the environment says.
    ///
    /// *Helps*: a program that needs one of them fails at its beginning where that is not to be had, and tests run on each.
    /// *Hurts*: there is no falling back, and whoever runs the program can no longer choose.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// How many submissions fit into the ring at a time; rounded up to a power of two. More wait in the driver's queue.
    /// 1024 by default. Of the ring alone.
    ///
    /// *Helps*, if there are more: programs that begin thousands of operations in one turn enter the kernel less often, and
    /// cancelling among many thousand operations is faster. *Hurts*: the ring takes 200 bytes an entry that are locked in
    /// memory, so runs with many entries fail to begin where that is limited; fewer than a turn needs cost system calls.
    #[must_use]
    pub fn ring_entries(mut self, entries: u32) -> Self {
        self.options.ring_entries = entries;
        self
    }

    /// How many receive buffers the kernel gets to choose from, for programs with many streams; rounded up to a power of
    /// two, at most 32,768. 256 by default. Of the ring alone; datagrams have buffers of their own, as many as it takes.
    ///
    /// *Helps*, if there are more: programs in which more than 256 streams have bytes at once, or that keep chunks for
    /// long ([`buffer_shortages`](crate::lowlevel::RunStatistics::buffer_shortages) tells). *Hurts*: with more buffers
    /// than the processor's cache has room for, each is cold when it is filled. With 0 each receive brings its own
    /// buffer, so idle streams tie memory up.
    #[must_use]
    pub fn receive_buffers(mut self, count: u16) -> Self {
        self.options.receive_buffers = count;
        self
    }

    /// The size of a receive buffer in bytes, and so the most that one `receive` gives: from 1 to 2,147,479,552 (2 GiB
    /// less 4 KiB). 16 KiB by default. Runs with other sizes, or for which there is not enough memory, fail to begin.
    ///
    /// *Helps*, if they are larger: streams that receive much at a time do so in fewer steps. *Hurts*: a chunk of one byte
    /// holds a whole buffer, and larger ones leave the cache sooner. Smaller ones suit programs with many slow
    /// connections and short messages.
    #[must_use]
    pub fn receive_buffer_size(mut self, bytes: usize) -> Self {
        self.options.receive_buffer_size = bytes;
        self
    }

    /// How long to look for completions before sleeping. Not at all by default. Of the ring alone.
    ///
    /// *Helps* where answers come within microseconds and each counts: a lone connection's answers are faster by what it
    /// takes to wake a sleeping processor. *Hurts*: the thread keeps its processor busy for so long whenever it has
    /// nothing to do, also at the expense of others there, and batches become smaller under load.
    #[must_use]
    pub fn spin(mut self, duration: Duration) -> Self {
        self.options.spin = Some(duration);
        self
    }

    /// How long a wait polls the queues of network devices before it sleeps (NAPI busy polling), in whole microseconds.
    /// Not at all by default. Of the ring alone, from Linux 6.9 on, if the kernel was built with it; elsewhere waits are as
    /// always, and [`doctor::examine_with`](crate::doctor::examine_with) says so.
    ///
    /// *Helps* where packets come by a device whose interrupts cost more than the wait, and a processor is there for it:
    /// answers are faster by some microseconds. *Hurts* as [`spin`](Self::spin) does; sockets of this host gain nothing.
    #[must_use]
    pub fn busy_poll(mut self, time: Duration) -> Self {
        self.options.busy_poll = Some(time);
        self
    }

    /// From how many bytes on a TCP stream sends out of the program's memory without a copy in the kernel (`SEND_ZC`). Never
    /// by default; 16 KiB is a good value, and what is less than 4096 counts as that. Of the ring alone, from Linux 6.2
    /// on, and never to sockets of this host. Where the kernel or a device cannot do it, or the limit of locked memory is
    /// reached, sends are copied as always.
    ///
    /// *Helps* servers of much data on fast networks: the copy is a large part of what sending costs. *Hurts*: the buffer
    /// is the network's until the peer has acknowledged it, so a send takes at least as long as the way there and back.
    /// That holds for one that is cancelled as well, once bytes of it were taken: with a peer that has vanished it ends only
    /// when TCP gives up (`TCP_USER_TIMEOUT`), or with the run. Streams with one long send after the other should have
    /// several connections, or do without.
    #[must_use]
    pub fn zero_copy_sends(mut self, threshold: usize) -> Self {
        self.options.zero_copy_sends = Some(threshold);
        self
    }

    /// How many threads this run may use for files where the kernel does not do it: those of the poll back end, and on the
    /// ring those for what an older kernel lacks. By default all runs of the process share at most four for each processor,
    /// and at least eight.
    ///
    /// *Helps*, if there are more: many slow files, as on network file systems, wait side by side. With some of its own
    /// a run is not kept waiting by others. *Hurts*: threads take memory and compete for the device.
    #[must_use]
    pub fn worker_threads(mut self, count: NonZeroUsize) -> Self {
        self.options.worker_threads = Some(count);
        self
    }

    /// How many threads of the kernel may do what works on files and paths for this run (`IORING_REGISTER_IOWQ_MAX_WORKERS`).
    /// By default at least 64; the kernel starts them as they are needed. Of the ring alone.
    ///
    /// *Helps*, if there are more: as for [`worker_threads`](Self::worker_threads). If there are fewer: a program with many
    /// files does not crowd out others. *Hurts*: with fewer than there are openings of slow files, these keep all others
    /// waiting.
    #[must_use]
    pub fn kernel_workers(mut self, count: NonZeroU32) -> Self {
        self.options.kernel_workers = Some(count);
        self
    }

    /// Has the ring do without operations of these names or kinds, as if the kernel lacked them. For tests of what stands in.
    ///
    /// # Panics
    /// If no operation has such a name.
    #[doc(hidden)]
    #[must_use]
    pub fn mask_operations(mut self, names: &[&str]) -> Self {
        for name in names {
            let before = self.options.masked.len();
            let is_meant = |kind: &&OpKind| kind.name() == *name || format!("{kind:?}") == *name;
            self.options.masked.extend(OpKind::ALL.iter().filter(is_meant));
            assert!(self.options.masked.len() > before, "no operation is called {name}");
        }
        self
    }

    /// How long the end of a run waits for operations that the kernel cannot cancel. What is not done then is leaked, with
    /// a warning in the log. Five seconds by default.
    ///
    /// *Helps*, if it is longer: files on slow devices are written and closed when the run has ended. *Hurts*: so much longer
    /// the run may take to end.
    #[must_use]
    pub fn teardown_limit(mut self, limit: Duration) -> Self {
        self.teardown_limit = limit;
        self
    }

    /// By which clock the run sleeps: [`Clock::Monotonic`] by default. With [`Clock::Virtual`] tests that sleep cost no time.
    ///
    /// *Helps* tests of what takes long. *Hurts*: time stands still while tasks have something to do, so a virtual clock is
    /// not for programs that talk to others, whose time goes on.
    ///
    /// ```
    /// use anyio::{Builder, Clock, current_time, sleep};
    /// use std::time::Duration;
    ///
    /// let slept = Builder::new().clock(Clock::Virtual).run(async || {
    ///     let before = current_time();
    ///     sleep(Duration::from_secs(3600)).await?;
    ///     anyio::Ok(current_time() - before)
    /// })?;
    /// assert_eq!(slept?, Duration::from_secs(3600));
    /// # anyio::Ok(())
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How much later than it is due a timer may end, so that those that are due close together share one wake-up of the
    /// processor. Zero by default.
    ///
    /// *Helps* where thousands of tasks sleep for short times or have time limits that pass: with 1 ms, at most a thousand
    /// wake-ups a second are for timers. *Hurts* where times are to be kept: a sleep, a time limit, or a tick may end so much
    /// later than asked for, never earlier, and loops that sleep again and again add that up. A run that is awake for other
    /// reasons tells what is due meanwhile without delay. It holds for a [virtual clock](Clock::Virtual), too, which jumps
    /// so much further.
    #[must_use]
    pub fn timer_slack(mut self, slack: Duration) -> Self {
        self.timer_slack = slack;
        self
    }

    /// How long, in real time, nothing may have come from the operating system before a [virtual clock](Clock::Virtual)
    /// jumps while tasks wait for sockets or pipes. 10 ms by default, which is much for what the program sends to itself;
    /// more if it is to hear from threads of its own or from other processes, less if it has many jumps to make.
    ///
    /// *Helps*, if it is longer: time-outs do not end what is only slow to come. *Hurts*: each such jump takes so long.
    #[must_use]
    pub fn autojump_threshold(mut self, threshold: Duration) -> Self {
        self.autojump_threshold = threshold;
        self
    }

    /// How long, in real time, nothing may have come from outside before a run with a [virtual clock](Clock::Virtual) is
    /// given up with a [`Deadlock`](crate::testing::Deadlock), when some task waits for what may come from outside (a
    /// socket, another thread, a future that is not anyio's) and none for a time. Ten seconds by default. When all tasks wait
    /// for each other the run is given up at once; when one waits for a worker thread or a file, when a child process runs,
    /// or as long as a [`signal::receiver`](crate::signal::receiver) is open, it is never given up.
    ///
    /// *Helps*, if it is shorter: a test that hangs is told of sooner. *Hurts*: what another process or thread takes longer
    /// for is taken for a deadlock.
    #[must_use]
    pub fn deadlock_timeout(mut self, timeout: Duration) -> Self {
        self.deadlock_timeout = timeout;
        self
    }

    /// What `SIGINT` (Ctrl-C) and maybe `SIGTERM` do: cancel the main task, or tell it to
    /// [finish](crate::Scope::finish), so that the program can clean up and end; what `run` gives is then what the main task
    /// makes of that. If the user insists, the signal has its default effect. When several cores run, the main task of each
    /// is told.
    ///
    /// If this is not called, it is [`Interrupt::Cancel`] for runs that are started on the process's main thread, and
    /// [`Interrupt::Ignore`] for others. In any case the program's own choices come first: nothing is done about a signal
    /// that has another effect than the default one when the run begins (other code handles it, or it is ignored), and a
    /// [`signal::receiver`](crate::signal::receiver) of it gets it in place of the run. When the main task has ended, the
    /// signals have their default effect again.
    ///
    /// *Helps*: programs clean up, or finish what they have begun, when they are told to end. *Hurts*: a program that neither
    /// ends nor waits has to be told twice.
    ///
    /// ```no_run
    /// use anyio::{Builder, Interrupt, Result, idle, net::{TcpListener, TcpStream}, streams::Listener};
    /// use std::time::Duration;
    ///
    /// let finish = Interrupt::Finish(Duration::from_secs(30));
    /// Builder::new().interrupt(finish).run(async || -> Result<()> {
    ///     let listener = TcpListener::bind("127.0.0.1:7000").await?;
    ///     listener
    ///         .serve(async |stream: TcpStream| -> Result<()> {
    ///             while let Some(chunk) = idle(stream.receive()).await? {
    ///                 stream.send(chunk).await?;
    ///             }
    ///             stream.close().await
    ///         })
    ///         .await?;
    ///     // All that was received has been answered.
    ///     Ok(())
    /// })??;
    /// # anyio::Ok(())
    /// ```
    #[must_use]
    pub fn interrupt(mut self, interrupt: Interrupt) -> Self {
        self.interrupt = InterruptHandling::Decided(interrupt);
        self
    }

    /// Who looks up names in place of the operating system. Called once at the beginning of each run, on its thread.
    ///
    /// See [`net::Resolver`](crate::net::Resolver), with an example.
    ///
    /// *Helps* tests, which need no network, and programs that ask name servers themselves. *Hurts*: what the system knows
    /// beside them, such as its file of hosts, is known only if the resolver looks there.
    #[must_use]
    pub fn resolver<R: Resolver + 'static>(mut self, make: impl Fn() -> R + Send + Sync + 'static) -> Self {
        self.resolver = Some(MakeResolver::new(make));
        self
    }

    /// Who is told what the run does, step by step. Called once at the beginning of each run, on its thread; there can be several.
    ///
    /// See [`lowlevel::Instrument`](crate::lowlevel::Instrument), with an example.
    ///
    /// *Helps* to see what a program does. *Hurts*: each poll of each task costs some calls more. Without instruments it
    /// costs a look at a flag.
    #[must_use]
    pub fn instrument<I: Instrument + 'static>(
        mut self,
        make: impl Fn() -> I + Send + Sync + 'static,
    ) -> Self {
        self.instruments.push(MakeInstrument::new(make));
        self
    }

    /// Has the environment's wish for chaos left out of account in a test, for this reason.
    #[doc(hidden)]
    #[must_use]
    pub fn calm(mut self, reason: &'static str) -> Self {
        self.calm = Some(reason);
        self
    }

    /// Why nothing is to happen to the operations of a test, if that is so.
    #[cfg_attr(not(feature = "chaos"), expect(dead_code, reason = "tests are left alone anyway"))]
    pub(crate) fn why_calm(&self) -> Option<&'static str> {
        self.calm
    }

    /// Has the environment's wish for another order of tasks left out of account in a test, for this reason.
    #[doc(hidden)]
    #[must_use]
    pub fn ordered(mut self, reason: &'static str) -> Self {
        self.ordered = Some(reason);
        self
    }

    /// Why the tasks of a test are to be polled in the order in which they were woken, if that is so.
    #[cfg_attr(not(feature = "chaos"), expect(dead_code, reason = "tests are left alone anyway"))]
    pub(crate) fn why_ordered(&self) -> Option<&'static str> {
        self.ordered
    }

    /// The same for runs that the calling thread lets other threads do.
    pub(crate) fn decide_interrupt_here(self) -> Self {
        Self { interrupt: self.interrupt.decided_here(), ..self }
    }

    /// Runs a program on this thread and gives what it gives.
    ///
    /// # Errors
    /// If the chosen back end cannot be had on this host, with the cause; or if the environment was to choose and names
    /// none. If a runtime runs on this thread already. If the driver becomes unusable half-way, or, on a [virtual
    /// clock](Clock::Virtual), with a [`Deadlock`](crate::testing::Deadlock) in it; the main future is dropped then.
    ///
    /// # Panics
    /// If `main` does, after everything was torn down.
    pub fn run<T>(&self, main: impl AsyncFnOnce() -> T) -> io::Result<T> {
        self.run_to_end(main, |_| ()).map(|(value, ())| value)
    }

    /// The same, and looks at the executor when everything was torn down.
    pub(crate) fn run_to_end<T, R>(
        &self,
        main: impl AsyncFnOnce() -> T,
        look: impl FnOnce(&Core) -> R,
    ) -> io::Result<(T, R)> {
        finish(async { drive(self.prepare()?, |_| Ok(Blocking), main, look).await })
    }

    /// Runs a program as one future among others of another event loop, the host, whose thread it shares: see [`Host`]. Nothing
    /// is begun before the future is first polled. `host` gets a descriptor that tells of news by edges, as
    /// `EPOLLET` does: it may stay readable, and what counts is that it becomes so.
    ///
    /// All is as in an ordinary [`run`](Self::run): back ends, clocks, the handling of Ctrl-C, deadlines, panics, and the end. As
    /// long as the future is not polled, what else runs in the thread may use what belongs to the run, such as setting an
    /// event, and is within its outermost scope. [`spin`](Self::spin) has no effect.
    ///
    /// # Cancel safety
    /// A future that is dropped drops the program's, and then blocks the thread until the kernel has let go of everything, or
    /// for the [`teardown_limit`](Self::teardown_limit). Whoever can wait cancels the program instead. A future that is forgotten
    /// leaves the thread without a place for another run.
    ///
    /// # Errors
    /// As for [`run`](Self::run), and those of the host.
    ///
    /// # Panics
    /// If `main` does, after everything was torn down.
    pub fn run_as_guest<T, H, B, M>(
        &self,
        host: B,
        main: M,
    ) -> impl Future<Output = io::Result<T>> + use<T, H, B, M>
    where
        H: Host,
        B: FnOnce(OwnedFd) -> io::Result<H>,
        M: AsyncFnOnce() -> T,
    {
        let ended = self.run_as_guest_to_end(host, main, |_| ());
        async { ended.await.map(|(value, ())| value) }
    }

    /// The same, and looks at the executor when everything was torn down.
    pub(crate) fn run_as_guest_to_end<T, R, H, B, M, L>(
        &self,
        host: B,
        main: M,
        look: L,
    ) -> impl Future<Output = io::Result<(T, R)>> + use<T, R, H, B, M, L>
    where
        H: Host,
        B: FnOnce(OwnedFd) -> io::Result<H>,
        M: AsyncFnOnce() -> T,
        L: FnOnce(&Core) -> R,
    {
        let builder = self.clone();
        Guest::new(async move {
            let begin = |core: &Core| host(core.driver_mut().event_source()?).map(Hosted::new);
            drive(builder.prepare()?, begin, main, look).await
        })
    }

    /// The executor for a run with these options.
    ///
    /// # Errors
    /// If the back end is not to be had, or too many run.
    fn prepare(&self) -> io::Result<Prepared<'_>> {
        let driver = self.disturbance.wrap(backend::open(self.chosen_backend()?, &self.options)?, self.clock);
        let clock =
            RunClock::new(self.clock, self.autojump_threshold, self.deadlock_timeout, self.timer_slack);
        Ok(Prepared {
            core: Core::new(driver, clock, Shuffle::new(self.disturbance.shuffle()))?,
            teardown_limit: self.teardown_limit,
            interrupt: self.interrupt,
            resolver: self.resolver.as_ref(),
            instruments: &self.instruments,
        })
    }

    /// What a back end would be set up with.
    pub(crate) fn options(&self) -> &backend::Options {
        &self.options
    }

    fn chosen_backend(&self) -> io::Result<Backend> {
        match self.backend {
            Some(backend) => Ok(backend),
            None => Ok(backend::choice::from_environment()?.unwrap_or_default()),
        }
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

/// Which back end runs here: [`Backend::Uring`] or [`Backend::Poll`], or `None` outside of a run.
pub fn current_backend() -> Option<Backend> {
    Core::try_with(|core| core.driver().backend())
}

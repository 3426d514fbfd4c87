//! Who tells which program hangs, crashes, or panics where nobody has thrown anything.

use crate::{
    program::CHAOS,
    values::{Payload, fault},
};
use anyio::Backend;
use std::{
    backtrace::Backtrace,
    env, mem,
    panic::{self, PanicHookInfo},
    process, ptr,
    sync::{
        Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long a program may take; most take milliseconds.
const LIMIT: Duration = Duration::from_secs(120);

type Watched = Option<(u64, Backend, Instant)>;

/// The panic before this one: when two at a time end the process, the first is of interest.
static LAST: Mutex<String> = Mutex::new(String::new());

static WATCHED: Mutex<Watched> = Mutex::new(None);

/// What the runtime's documentation says it panics with.
const DOCUMENTED: [&str; 8] = [
    "in another run than the one it began in",
    "in another run than the one it began to wait in",
    "no anyio runtime on this thread",
    "a scope runs one body at a time",
    "only while its body is under way",
    "a condition was used with two locks",
    "ended without calling Started::set",
    // Of the language: after a panic.
    "resumed after panicking",
];

/// The command that repeats a program.
pub(crate) fn repeat(seed: u64, backend: Backend) -> String {
    let chaos = env::var(CHAOS).map_or_else(|_| String::new(), |seed| format!("{CHAOS}={seed} "));
    format!("{chaos}ANYIO_HOSTILE_SEED={seed} cargo test --test hostile_users hostile_programs_on_{backend}")
}

/// The seed of the program that runs, for the handler of signals.
static SEED: AtomicU64 = AtomicU64::new(0);

/// From now on, or from `None` on no more, this program is watched.
pub(crate) fn watch(program: Option<(u64, Backend)>) {
    SEED.store(program.map_or(0, |(seed, _)| seed), Ordering::SeqCst);
    *WATCHED.lock().unwrap_or_else(PoisonError::into_inner) =
        program.map(|(seed, backend)| (seed, backend, Instant::now()));
}

/// Begins to watch, once in a process.
pub(crate) fn begin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| if watched().is_some() { look(info) } else { before(info) }));
        tell_crashes();
        thread::spawn(|| {
            loop {
                thread::sleep(Duration::from_secs(1));
                if let Some((seed, backend, begun)) = watched()
                    && begun.elapsed() > LIMIT
                {
                    eprintln!("seed {seed} on {backend} hangs; repeat it with: {}", repeat(seed, backend));
                    process::abort();
                }
            }
        });
    });
}

/// Has a signal that ends the process tell the seed first.
fn tell_crashes() {
    for signal in [libc::SIGABRT, libc::SIGSEGV, libc::SIGBUS, libc::SIGILL] {
        // SAFETY: an all-zero action is a valid one; the handler makes no calls but `write`, and the next signal, or the
        // instruction that is tried again, has the default action.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = on_crash as extern "C" fn(libc::c_int) as usize;
            action.sa_flags = libc::SA_RESETHAND | libc::SA_ONSTACK;
            assert_eq!(libc::sigaction(signal, &action, ptr::null_mut()), 0);
        }
    }
}

extern "C" fn on_crash(_signal: libc::c_int) {
    let mut text = *b"\nthe process ends in the program of seed 00000000000000000000\n";
    let mut seed = SEED.load(Ordering::SeqCst);
    for digit in text.iter_mut().rev().skip(1).take(20) {
        *digit = b'0' + (seed % 10) as u8;
        seed /= 10;
    }
    // SAFETY: the text is valid; nobody could be told of a failure.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}

fn watched() -> Watched {
    *WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn look(info: &PanicHookInfo<'_>) {
    if info.payload().is::<Payload>() {
        return;
    }
    let text = info.payload_as_str().unwrap_or("no text");
    if text.contains("in a destructor during cleanup") || text.contains("cannot unwind") {
        // The process ends with it.
        eprintln!("{info}\n{}\nbefore: {}", Backtrace::capture(), last());
    }
    *last() = format!("{info}\n{}", Backtrace::capture());
    if !DOCUMENTED.iter().any(|known| text.contains(known)) {
        fault(format!("a panic: {info}\n{}", Backtrace::capture()));
    }
}

fn last() -> MutexGuard<'static, String> {
    LAST.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Receiving signals. Each test has one of its own.

use anyio::{
    Builder, CancelScope, Core, Error, ErrorGroup, Result,
    lowlevel::checkpoint,
    run_on_cores,
    signal::{Signal, SignalReceiver, receiver},
    task_group,
    testing::{run_test, test_backends},
};
use std::{
    cell::{Cell, RefCell},
    future::Future,
    io, mem,
    panic::{self, AssertUnwindSafe},
    pin::pin,
    process, ptr,
    sync::{Arc, Barrier},
    task::{Context, Wake, Waker},
    thread,
    time::Duration,
};

/// Signals are the whole process's, so each test has its own.
fn real_time(number: i32) -> Signal {
    Signal::from_raw(libc::SIGRTMIN() + number).unwrap()
}

/// Sends a signal to this thread, which has handled it when the call returns.
fn send(signal: Signal) {
    // SAFETY: each test sends only what is received.
    assert_eq!(unsafe { libc::raise(signal.as_raw()) }, 0);
}

/// Sends a signal to this process, which handles it some time on some thread.
fn send_to_process(signal: Signal) {
    // SAFETY: as above.
    assert_eq!(unsafe { libc::kill(process::id() as i32, signal.as_raw()) }, 0);
}

fn disposition(signal: Signal) -> usize {
    // SAFETY: all zeroes is a valid value, which the call fills.
    unsafe {
        let mut now: libc::sigaction = mem::zeroed();
        assert_eq!(libc::sigaction(signal.as_raw(), ptr::null(), &mut now), 0);
        now.sa_sigaction
    }
}

fn on_each_backend<F: Future<Output = Result<()>>>(test: impl Fn() -> F) {
    for backend in test_backends() {
        run_test(Builder::new(), backend, None, async || test().await);
    }
}

#[test]
fn signals_from_a_thread_arrive_in_order() {
    on_each_backend(|| async {
        let (first, second) = (real_time(2), real_time(1));
        let signals = receiver(&[first, second])?;
        thread::spawn(move || {
            send(first);
            send(second);
        })
        .join()
        .unwrap();
        assert_eq!(signals.receive().await?, first);
        assert_eq!(signals.receive().await?, second);
        Ok(())
    });
}

#[test]
fn a_signal_wakes_who_waits() {
    on_each_backend(|| async {
        let signal = real_time(3);
        let signals = receiver(&[signal])?;
        let thread = thread::spawn({
            let token = anyio::lowlevel::current_token().unwrap();
            move || token.run_soon(move || drop(thread::spawn(move || send_to_process(signal))))
        });
        assert_eq!(signals.receive().await?, signal);
        assert!(thread.join().unwrap());
        Ok(())
    });
}

#[test]
fn repeats_are_merged_until_they_are_received() {
    on_each_backend(|| async {
        let (signal, last) = (real_time(4), real_time(5));
        let signals = receiver(&[signal, last, signal])?;
        for repeated in [signal, signal, last, signal] {
            send(repeated);
        }
        assert_eq!(signals.receive().await?, signal);
        assert_eq!(signals.receive().await?, last);
        send(signal);
        assert_eq!(signals.receive().await?, signal);
        Ok(())
    });
}

#[test]
fn each_of_several_receivers_gets_every_signal() {
    on_each_backend(|| async {
        let (signal, other) = (real_time(6), real_time(7));
        let (one, two) = (receiver(&[signal])?, receiver(&[signal, other])?);
        send(signal);
        send(other);
        assert_eq!(one.receive().await?, signal);
        assert_eq!(two.receive().await?, signal);
        assert_eq!(two.receive().await?, other);
        drop(one);
        send(signal);
        assert_eq!(two.receive().await?, signal);
        Ok(())
    });
}

#[test]
fn each_signal_goes_to_one_of_several_waiters() {
    on_each_backend(|| async {
        let (first, second) = (real_time(8), real_time(9));
        let signals = receiver(&[first, second])?;
        let (sum, signals) = (Cell::new(0), &signals);
        task_group(async |tg| -> Result<()> {
            for _ in 0..2 {
                tg.start_soon(async {
                    let signal = signals.receive().await?;
                    sum.set(sum.get() + signal.as_raw());
                    Ok(())
                });
            }
            checkpoint().await?;
            send(first);
            send(second);
            Ok(())
        })
        .await?;
        assert_eq!(sum.get(), first.as_raw() + second.as_raw());
        Ok(())
    });
}

#[test]
fn what_a_signal_did_before_comes_back_with_the_end_of_the_last_receiver() {
    extern "C" fn own(_: i32) {}
    let own: extern "C" fn(i32) = own;
    on_each_backend(|| async move {
        for (signal, before) in
            [(real_time(10), libc::SIG_DFL), (real_time(11), libc::SIG_IGN), (real_time(12), own as usize)]
        {
            // SAFETY: the handler does nothing.
            unsafe { libc::signal(signal.as_raw(), before) };
            let (one, two) = (receiver(&[signal])?, receiver(&[signal])?);
            assert_ne!(disposition(signal), before);
            drop(one);
            assert_ne!(disposition(signal), before);
            send(signal);
            assert_eq!(two.receive().await?, signal);
            drop(two);
            assert_eq!(disposition(signal), before);
        }
        Ok(())
    });
}

#[test]
fn what_others_set_meanwhile_is_left_alone() {
    on_each_backend(|| async {
        let signal = real_time(13);
        let signals = receiver(&[signal])?;
        // SAFETY: ignoring a signal calls no code.
        unsafe { libc::signal(signal.as_raw(), libc::SIG_IGN) };
        drop(signals);
        assert_eq!(disposition(signal), libc::SIG_IGN);
        // SAFETY: as above.
        unsafe { libc::signal(signal.as_raw(), libc::SIG_DFL) };
        Ok(())
    });
}

#[test]
fn signals_that_cannot_be_caught_are_refused_by_name() {
    on_each_backend(|| async {
        for signal in [Signal::SIGKILL, Signal::SIGSTOP, Signal::SIGSEGV] {
            let error = receiver(&[real_time(14), signal]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert_eq!(error.to_string(), format!("{signal} cannot be received"));
        }
        assert_eq!(receiver(&[]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        // The C library keeps this one for itself; what was installed before the refusal is taken back.
        let reserved = Signal::from_raw(32).unwrap();
        assert!(receiver(&[Signal::SIGPROF, reserved]).is_err());
        assert_eq!(disposition(Signal::SIGPROF), libc::SIG_DFL);
        Ok(())
    });
}

#[test]
fn a_cancelled_scope_ends_the_wait_and_loses_no_signal() {
    on_each_backend(|| async {
        let signal = real_time(15);
        let signals = receiver(&[signal])?;
        let scope = CancelScope::new();
        let ended = task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                assert_eq!(scope.run(async || signals.receive().await).await?, None);
                Ok(())
            });
            checkpoint().await?;
            scope.cancel();
            Ok(())
        })
        .await?;
        assert_eq!(ended, Some(()));
        send(signal);
        let cancelled = CancelScope::new();
        cancelled.cancel();
        assert_eq!(cancelled.run(async || signals.receive().await).await?, None);
        assert_eq!(signals.receive().await?, signal);
        Ok(())
    });
}

#[test]
fn opening_in_a_cancelled_scope_does_not_swallow_the_cancellation() {
    on_each_backend(|| async {
        let scope = CancelScope::new();
        scope.cancel();
        let received = scope
            .run(async || {
                let signals = receiver(&[real_time(16)])?;
                signals.receive().await
            })
            .await?;
        assert_eq!(received, None);
        assert!(scope.cancelled_caught());
        Ok(())
    });
}

#[test]
fn receivers_on_several_cores_each_get_the_signal() {
    let signal = real_time(17);
    let open = Barrier::new(3);
    let received = run_on_cores(3, async |core: &Core| -> Result<Signal> {
        let signals = receiver(&[signal])?;
        // Nothing else runs on this core.
        open.wait();
        if core.index() == 0 {
            send_to_process(signal);
        }
        signals.receive().await
    });
    assert_eq!(received.map_err(ErrorGroup::into_first).unwrap(), Some(vec![signal; 3]));
    assert_eq!(disposition(signal), libc::SIG_DFL);
}

#[test]
fn a_receiver_of_another_run_is_closed() {
    let signals = anyio::run(async || receiver(&[real_time(18)]).unwrap());
    assert!(matches!(anyio::run(async || signals.receive().await), Err(Error::ClosedResource)));
    drop(signals);
    assert_eq!(disposition(real_time(18)), libc::SIG_DFL);
}

#[test]
fn receivers_are_opened_and_closed_while_signals_pour_in() {
    let signal = real_time(19);
    let _keeps_it_harmless = anyio::run(async || receiver(&[signal]).unwrap());
    on_each_backend(|| async move {
        let done = std::sync::atomic::AtomicBool::new(false);
        let sent = thread::scope(|threads| {
            let sender = threads.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    send(signal);
                }
            });
            for _ in 0..500 {
                drop(receiver(&[signal]).unwrap());
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            sender.join()
        });
        sent.unwrap();
        Ok(())
    });
}

#[anyio::test(clock = "virtual", deadlock_timeout_ms = 0)]
async fn on_a_virtual_clock_a_signal_may_come_at_any_time() -> Result<()> {
    let signal = real_time(20);
    let signals = receiver(&[signal])?;
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        send(signal);
    });
    assert_eq!(signals.receive().await?, signal);
    thread.join().unwrap();
    Ok(())
}

thread_local! {
    static OTHER: RefCell<Option<SignalReceiver>> = const { RefCell::new(None) };
}

/// Drops a receiver and opens another.
struct Exchanges;

impl Wake for Exchanges {
    fn wake(self: Arc<Self>) {
        drop(OTHER.take());
        OTHER.set(Some(receiver(&[real_time(23)]).unwrap()));
        panic!("a waker");
    }
}

#[test]
fn wakers_may_open_and_drop_receivers_and_their_panics_end_the_run() {
    for backend in test_backends() {
        let (signal, received) = (real_time(21), Cell::new(None));
        let ended = panic::catch_unwind(AssertUnwindSafe(|| {
            Builder::new().backend(backend).run(async || {
                let (one, second) = (receiver(&[signal]).unwrap(), receiver(&[signal]).unwrap());
                OTHER.set(Some(receiver(&[real_time(22)]).unwrap()));
                let mut first = Box::pin(one.receive());
                let waker = Waker::from(Arc::new(Exchanges));
                assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
                let mut wait = pin!(second.receive());
                assert!(futures_util::poll!(wait.as_mut()).is_pending());
                send(signal);
                received.set(Some(wait.await));
                checkpoint().await
            })
        }));
        assert_eq!(ended.unwrap_err().downcast_ref::<&str>(), Some(&"a waker"));
        OTHER.take();
        // The run ends with the turn in which the waker has panicked.
        assert!(received.take().is_none());
        assert_eq!(disposition(real_time(23)), libc::SIG_DFL);
    }
}

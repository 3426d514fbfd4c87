//! Faults that other runtimes had, each as a body that would show it: six patterns of those on io_uring, and seven of AnyIO, of
//! which the lost notifications of conditions are in `sync.rs`.

use crate::{
    scratch::Folder,
    sentences::{cancelled, cut_short, whole_is_cut_short},
};
use anyio::{
    Builder, CancelScope, Error, Result, from_thread,
    fs::File,
    lowlevel::checkpoint,
    move_on_after,
    net::{TcpListener, TcpStream, UdpSocket, UnixStream},
    sync::{CapacityLimiter, Lock, Semaphore},
    task_group,
    testing::{test_backends, wait_all_tasks_blocked},
    to_thread,
};
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

// ---- those of runtimes on io_uring ----

#[anyio::test(ring_entries = 1)]
async fn a_cancel_that_finds_the_queue_full_is_not_lost() {
    let pairs = || (0..8).map(|_| UnixStream::pair().unwrap()).collect::<Vec<_>>();
    cut_short(
        async || pairs(),
        async |pairs| {
            task_group(async |tg| -> Result<()> {
                for (one, _) in pairs.iter() {
                    tg.start_soon(async { one.receive_into(Vec::with_capacity(1)).await.0.map(drop) });
                }
                checkpoint().await?;
                tg.cancel();
                Ok(())
            })
            .await
        },
        async |pairs, _| {
            // Nothing is in flight any more that would take it.
            for (one, other) in pairs {
                other.send("x").await.unwrap();
                assert_eq!(one.receive().await.unwrap().unwrap(), "x");
            }
        },
    )
    .await;
}

#[anyio::test]
async fn a_late_cancel_does_not_hit_the_next_operation_in_the_same_place() -> Result<()> {
    let (one, other) = UnixStream::pair()?;
    let receive = async || one.receive_into(Vec::with_capacity(1)).await.0;
    for _ in 0..20 {
        let scope = CancelScope::new();
        let met = task_group(async |tg| {
            tg.start_soon(async {
                scope.cancel();
                other.send("x").await
            });
            scope.run(receive).await
        })
        .await?;
        if met.is_none() {
            assert_eq!(receive().await?, 1);
        }
        // In the slot that has just become free, until what is left of the cancel has come.
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                wait_all_tasks_blocked().await?;
                other.send("x").await
            });
            assert_eq!(receive().await?, 1);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[anyio::test]
async fn a_success_that_meets_a_cancellation_is_a_success() {
    cancelled(
        async || (UnixStream::pair().unwrap(), Cell::new(0), Cell::new(0)),
        async |((one, other), sent, taken)| {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    sent.set(other.send_some("abc").await.0?);
                    anyio::Ok(())
                });
                taken.set(one.receive_into(Vec::with_capacity(3)).await.0?);
                Ok(())
            })
            .await
        },
        async |((one, other), sent, taken), _| {
            drop(other);
            let (mut left, taken) = (0, taken.get());
            while let Some(chunk) = one.receive().await.unwrap() {
                left += chunk.len();
            }
            assert_eq!(taken + left, sent.get(), "{taken} were taken and {left} are left");
        },
    )
    .await;
}

#[anyio::test]
async fn descriptors_that_come_when_nobody_waits_any_more_are_closed_or_kept() {
    cut_short(
        async || (Folder::with_file(""), TcpListener::bind("127.0.0.1:0").await.unwrap()),
        async |(folder, listener)| {
            let client = TcpStream::connect(listener.local_addr()?).await?;
            let (accepted, file) = (listener.accept().await?, File::open(folder.join("a")).await?);
            drop((client, accepted, file));
            anyio::Ok(())
        },
        async |(_folder, listener), _| listener.close().await.unwrap(),
    )
    .await;
}

#[test]
fn memory_that_the_kernel_writes_to_outlives_the_run() {
    for backend in test_backends() {
        for _ in 0..20 {
            let (reader, mut writer) = std::os::unix::net::UnixStream::pair().unwrap();
            // Should the end of the run wait in vain, it does so for long.
            let builder = Builder::new().backend(backend).teardown_limit(Duration::from_secs(3600));
            let buffer = builder.run(async || {
                let mut file = File::from(std::fs::File::from(std::os::fd::OwnedFd::from(reader)));
                let mut read = pin!(file.read(vec![1; 64]));
                // It is in flight when the run ends.
                poll_fn(|cx| {
                    assert!(read.as_mut().poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
                vec![2_u8; 64]
            });
            let buffer = buffer.unwrap();
            let _ = std::io::Write::write(&mut writer, &[3; 64]);
            assert_eq!(buffer, [2; 64]);
        }
    }
}

#[anyio::test]
async fn a_write_that_nobody_waits_for_does_not_land_on_a_later_one() {
    for _ in 0..5 {
        cut_short(
            async || {
                let folder = Folder::with_file("");
                let file = File::from(std::fs::File::options().write(true).open(folder.join("a")).unwrap());
                (file, folder)
            },
            async |(file, _)| {
                file.write_at(vec![b'a'; 4096], 0).await.0?;
                file.write_at(vec![b'b'; 4096], 0).await.0
            },
            async |(file, folder), _| {
                file.write_all_at(vec![b'c'; 4096], 0).await.0.unwrap();
                file.close().await.unwrap();
                assert_eq!(folder.contents("a"), [b'c'; 4096]);
            },
        )
        .await;
    }
}

// ---- those of AnyIO ----

#[anyio::test]
async fn waiters_that_were_cancelled_do_not_stop_those_behind_them() {
    cut_short(
        async || (Lock::new(()), Semaphore::new(1)),
        async |(lock, semaphore)| {
            let (lock, semaphore) = (&*lock, &*semaphore);
            task_group(async |tg| -> Result<()> {
                let (guard, permit) = (lock.acquire().await?, semaphore.acquire().await?);
                let in_vain = tg.start_soon(async { lock.acquire().await.map(drop) });
                let also_in_vain = tg.start_soon(async { Ok(semaphore.acquire().await.map(drop)?) });
                tg.start_soon(async { lock.acquire().await.map(drop) });
                tg.start_soon(async { Ok(semaphore.acquire().await.map(drop)?) });
                checkpoint().await?;
                in_vain.cancel();
                also_in_vain.cancel();
                drop((guard, permit));
                Ok(())
            })
            .await
        },
        async |(lock, semaphore), _| assert!(lock.try_acquire().is_ok() && semaphore.value() == 1),
    )
    .await;
}

/// Counts what is lent, for as long as it is.
struct Lent<'a>(&'a Cell<usize>);

impl<'a> Lent<'a> {
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[anyio::test]
async fn a_limiter_never_lends_more_than_it_has() {
    cut_short(
        async || (CapacityLimiter::new(2), Cell::new(0_usize)),
        async |(limiter, lent)| {
            let (limiter, lent) = (&*limiter, &*lent);
            task_group(async |tg| -> Result<()> {
                for _ in 0..5 {
                    tg.start_soon(async {
                        let token = limiter.acquire().await?;
                        let _lent = Lent::new(lent);
                        assert!(lent.get() <= 2, "it lends more than it has");
                        checkpoint().await?;
                        drop(token);
                        anyio::Ok(())
                    });
                }
                Ok(())
            })
            .await
        },
        async |(limiter, lent), _| assert_eq!((limiter.borrowed_tokens(), lent.get()), (0, 0)),
    )
    .await;
}

#[anyio::test]
async fn scopes_that_end_in_the_wrong_order_do_not_make_anybody_spin() {
    cut_short(
        async || (),
        async |()| {
            let (outer, inner) = (anyio::CancelScope::new(), anyio::CancelScope::new());
            let mut first =
                Some(Box::pin(outer.run(async || Err::<(), Error>(anyio::sleep_forever().await.into()))));
            let mut second =
                Box::pin(inner.run(async || Err::<(), Error>(anyio::sleep_forever().await.into())));
            let mut polls = 0;
            let waited = move_on_after(Duration::from_millis(2), async {
                poll_fn(|cx| {
                    polls += 1;
                    if let Some(first) = &mut first {
                        let _ = first.as_mut().poll(cx);
                    }
                    let polled = second.as_mut().poll(cx);
                    // The one that began first goes first.
                    first = None;
                    outer.cancel();
                    polled
                })
                .await
            });
            assert!(waited.await?.is_none());
            assert!(polls <= 4, "polled {polls} times");
            anyio::Ok(())
        },
        async |(), _| (),
    )
    .await;
}

#[anyio::test]
async fn a_socket_that_was_closed_is_free_at_once() {
    cut_short(
        async || {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            (socket.local_addr().unwrap(), Some(socket))
        },
        async |(_, socket)| {
            let open = socket.as_ref().expect("it is open");
            move_on_after(Duration::from_micros(50), async { open.receive().await.map(drop) }).await?;
            socket.take().expect("closed once").close().await
        },
        async |(address, socket), _| {
            drop(socket);
            UdpSocket::bind(address).await.unwrap().close().await.unwrap();
        },
    )
    .await;
    // The same with what a cancelled receive has left.
    cut_short(
        async || {
            let (one, other) = UnixStream::pair().unwrap();
            (Some(one), other)
        },
        async |(one, _)| {
            let open = one.as_ref().expect("it is open");
            move_on_after(Duration::from_micros(50), async { open.receive().await.map(drop) }).await?;
            one.take().expect("closed once").close().await
        },
        async |(one, other), _| {
            drop(one);
            assert!(other.receive().await.unwrap().is_none());
        },
    )
    .await;
}

#[anyio::test]
async fn a_cancellation_that_a_thread_has_seen_belongs_to_the_scope_of_its_caller() {
    whole_is_cut_short(
        async || (),
        async |()| {
            let begun = Instant::now();
            let looking = to_thread::run_sync(move || {
                while begun.elapsed() < Duration::from_millis(2) {
                    from_thread::check_cancelled()?;
                    std::thread::yield_now();
                }
                anyio::Ok(())
            });
            looking.await?
        },
        async |(), _| (),
    )
    .await;
    cancelled(
        async || (),
        async |()| {
            // Absorbed by the scope that was cancelled, and by no other.
            let ended = move_on_after(Duration::from_micros(100), async {
                to_thread::run_sync(|| -> Result<()> {
                    loop {
                        from_thread::check_cancelled()?;
                    }
                })
                .await?
            })
            .await?;
            assert_eq!(ended, None);
            anyio::Ok(())
        },
        async |(), _| (),
    )
    .await;
}

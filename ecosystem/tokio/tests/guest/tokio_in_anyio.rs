//! What is tokio's, in tasks of anyio.

use super::on_each;
use anyio::{
    CancelScope, Error, Result, current_time, fail_after, foreign, move_on_after, sleep, task_group,
};
use std::{
    cell::Cell,
    io,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};

#[test]
fn timers_of_both_expire_in_order_in_one_thread() {
    on_each(|builder| {
        let order = std::cell::RefCell::new(Vec::new());
        let run = anyio_tokio::run(builder, async || {
            task_group(async |group| -> Result<()> {
                group.start_soon(async {
                    tokio::time::sleep(Duration::from_millis(40)).await;
                    order.borrow_mut().push("tokio's, 40 ms");
                    Ok(())
                });
                group.start_soon(async {
                    sleep(Duration::from_millis(80)).await?;
                    order.borrow_mut().push("anyio's, 80 ms");
                    Ok(())
                });
                tokio::time::sleep(Duration::from_millis(120)).await;
                order.borrow_mut().push("tokio's, 120 ms");
                Ok(())
            })
            .await
        });
        run.unwrap().unwrap();
        assert_eq!(order.into_inner(), ["tokio's, 40 ms", "anyio's, 80 ms", "tokio's, 120 ms"]);
    });
}

#[test]
fn a_deadline_of_anyios_passes_in_time_while_tokio_has_nothing_to_do() {
    on_each(|builder| {
        let (limited, took) = anyio_tokio::run(builder, async || {
            let before = Instant::now();
            let limited = fail_after(Duration::from_millis(30), async {
                anyio::sleep_forever().await;
                Ok::<_, Error>(anyio::lowlevel::checkpoint().await?)
            });
            (limited.await, before.elapsed())
        })
        .unwrap();
        assert!(matches!(limited, Err(Error::TimedOut(_))), "{limited:?}");
        assert!(took >= Duration::from_millis(30), "{took:?}");
    });
}

#[test]
fn a_scope_gives_up_what_tokio_waits_for_and_drops_it() {
    struct Noting<'a>(&'a Cell<bool>);

    impl Drop for Noting<'_> {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }

    on_each(|builder| {
        let dropped = Cell::new(false);
        let given_up = anyio_tokio::run(builder, async || {
            move_on_after(Duration::from_millis(5), async {
                let noting = Noting(&dropped);
                foreign(async {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                    drop(noting);
                })
                .await?;
                Ok::<_, Error>(())
            })
            .await
        });
        assert!(given_up.unwrap().unwrap().is_none());
        assert!(dropped.get());
    });
}

#[test]
fn a_server_of_tokios_answers_a_client_of_anyios() {
    const MESSAGES: u32 = 2000;
    on_each(|builder| {
        let answered = anyio_tokio::run(builder, async || -> Result<u32> {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = tokio::spawn(async move {
                let (mut connection, _) = listener.accept().await?;
                let mut message = [0; 4];
                while connection.read_exact(&mut message).await.is_ok() {
                    connection.write_all(&message).await?;
                }
                io::Result::Ok(())
            });
            let client = anyio::net::TcpStream::connect(address).await?;
            let mut answered = 0;
            for number in 0..MESSAGES {
                client.send(number.to_be_bytes().to_vec()).await?;
                let mut answer = Vec::new();
                while answer.len() < 4 {
                    answer.extend_from_slice(&client.receive().await?.expect("an answer"));
                }
                answered += u32::from(answer == number.to_be_bytes());
            }
            drop(client);
            server.await.unwrap().unwrap();
            Ok(answered)
        });
        assert_eq!(answered.unwrap().unwrap(), MESSAGES);
    });
}

#[test]
fn what_tokio_allows_to_one_poll_does_not_run_out_for_tasks_of_a_run() {
    // Each receive counts against what a task of tokio's may do at once, and all of the run is one poll of it.
    const ITEMS: usize = 10_000;
    on_each(|builder| {
        let received = anyio_tokio::run(builder, async || -> Result<usize> {
            let (sender, mut receiver) = mpsc::channel(ITEMS);
            (0..ITEMS).for_each(|number| sender.try_send(number).unwrap());
            drop(sender);
            let mut received = 0;
            while receiver.recv().await.is_some() {
                received += 1;
            }
            Ok(received)
        });
        assert_eq!(received.unwrap().unwrap(), ITEMS);
    });
}

#[test]
fn tasks_of_tokios_and_of_anyios_hand_each_other_on() {
    on_each(|builder| {
        let turns = anyio_tokio::run(builder, async || -> Result<u32> {
            let (to_tokio, mut from_anyio) = mpsc::unbounded_channel::<u32>();
            let (to_anyio, mut from_tokio) = mpsc::unbounded_channel::<u32>();
            tokio::task::spawn_local(async move {
                while let Some(number) = from_anyio.recv().await {
                    tokio::task::yield_now().await;
                    if to_anyio.send(number + 1).is_err() {
                        break;
                    }
                }
            });
            let mut number = 0;
            while number < 1000 {
                to_tokio.send(number).unwrap();
                number = from_tokio.recv().await.unwrap();
                anyio::lowlevel::checkpoint().await?;
            }
            Ok(number)
        });
        assert_eq!(turns.unwrap().unwrap(), 1000);
    });
}

#[test]
fn a_child_that_is_cancelled_while_tokio_waits_for_it_cleans_up_before_its_group_ends() {
    on_each(|builder| {
        let cleaned = Cell::new(false);
        let run = anyio_tokio::run(builder, async || -> Result<()> {
            let scope = CancelScope::new();
            let ended = scope
                .run(async || {
                    task_group(async |group| -> Result<()> {
                        group.start_soon(async {
                            let waited = foreign(tokio::time::sleep(Duration::from_secs(3600))).await;
                            anyio::shield(async {
                                // Cleaning up waits for tokio, too.
                                tokio::time::sleep(Duration::from_millis(5)).await;
                                cleaned.set(true);
                            })
                            .await;
                            Ok(waited?)
                        });
                        anyio::testing::wait_all_tasks_blocked().await?;
                        scope.cancel();
                        Ok(())
                    })
                    .await?;
                    Ok::<_, Error>(())
                })
                .await?;
            assert!(ended.is_none());
            Ok(())
        });
        run.unwrap().unwrap();
        assert!(cleaned.get());
    });
}

#[test]
fn time_that_is_virtual_jumps_in_a_guest_too() {
    on_each(|builder| {
        let builder = builder.clone().clock(anyio::Clock::Virtual);
        let (real, slept) = anyio_tokio::run(&builder, async || {
            let (before, real) = (current_time(), Instant::now());
            sleep(Duration::from_secs(3600)).await.unwrap();
            (real.elapsed(), current_time() - before)
        })
        .unwrap();
        assert_eq!(slept, Duration::from_secs(3600));
        assert!(real < Duration::from_secs(600), "{real:?}");
    });
}

#[test]
fn a_run_that_is_alone_with_tokio_is_certain_of_its_deadlock() {
    on_each(|builder| {
        let builder =
            builder.clone().clock(anyio::Clock::Virtual).deadlock_timeout(Duration::from_millis(50));
        let certainty = |with_task: bool| {
            let ended = anyio_tokio::run(&builder, async || {
                if with_task {
                    tokio::task::spawn_local(std::future::pending::<()>());
                }
                anyio::sync::Event::new().wait().await
            });
            let error = ended.unwrap_err();
            let deadlock = error.get_ref().and_then(|inner| inner.downcast_ref::<anyio::testing::Deadlock>());
            deadlock.expect("a deadlock").is_certain()
        };
        assert!(certainty(false));
        assert!(!certainty(true));
    });
}

#[test]
#[cfg(target_os = "linux")]
fn an_event_counter_wakes_a_guest_each_time_another_thread_adds_to_it() {
    use std::{
        fs::File,
        io::{Read, Write},
        os::fd::FromRawFd,
        sync::mpsc,
    };
    on_each(|builder| {
        // SAFETY: no memory is involved, and the new descriptor is nobody else's.
        let counter = unsafe { File::from_raw_fd(libc::eventfd(0, libc::EFD_CLOEXEC)) };
        let (sender, receiver) = mpsc::channel::<()>();
        std::thread::scope(|threads| {
            threads.spawn(|| {
                for () in receiver {
                    std::thread::sleep(Duration::from_millis(2));
                    (&counter).write_all(&1_u64.to_ne_bytes()).unwrap();
                }
            });
            let counted = anyio_tokio::run(builder, async || -> Result<()> {
                for _ in 0..20 {
                    sender.send(()).unwrap();
                    fail_after(Duration::from_secs(60), async {
                        anyio::lowlevel::wait_readable(&counter).await
                    })
                    .await?;
                    (&counter).read_exact(&mut [0; 8])?;
                }
                Ok(())
            });
            drop(sender);
            counted.unwrap().unwrap();
        });
    });
}

//! What is always ready, or pours in, leaves other tasks, timers and sockets their turn: after so many operations, however
//! long these take.

use crate::peers::poll_once;
use anyio::{
    Backend, Result, current_backend, lowlevel, net::UnixStream, sleep, task_group,
    testing::wait_all_tasks_blocked,
};
use std::{
    cell::Cell,
    io::{Read, Write},
    pin::pin,
    thread,
    time::Duration,
};

/// How many operations a task does in one poll if each is answered at once.
const IN_A_POLL: u32 = 32;

/// How many polls a turn has for tasks that only other tasks have woken, or that have woken themselves.
const POLLS_IN_A_TURN: u32 = 64;

/// How many operations there can be before the kernel is looked at. The last answer of a poll is taken by the next.
const IN_A_TURN: u32 = POLLS_IN_A_TURN * (IN_A_POLL + 1);

/// Many times what is allowed.
const TOO_MANY: u32 = 20 * IN_A_TURN;

/// Sends and counts that. There is always room, so that it need not wait on the poll back end.
async fn keep_sending(operations: &Cell<u32>, goes_on: impl Fn() -> bool) -> Result<()> {
    let (near, mut far) = std::os::unix::net::UnixStream::pair()?;
    let near = UnixStream::from_owned(near.into())?;
    while goes_on() {
        assert!(operations.get() < TOO_MANY, "it is never interrupted");
        near.send("x").await?;
        operations.set(operations.get() + 1);
        far.read_exact(&mut [0])?;
    }
    Ok(())
}

#[anyio::test(calm = "it counts what is answered at once", ordered = "it is about whose turn it is")]
async fn a_task_whose_operations_are_answered_at_once_lets_another_have_every_second_poll() -> Result<()> {
    let (operations, most, done) = (Cell::new(0), Cell::new(0), Cell::new(false));
    task_group(async |tg| -> Result<()> {
        tg.start_soon(keep_sending(&operations, || !done.get()));
        for _ in 0..1000 {
            let before = operations.get();
            lowlevel::checkpoint().await?;
            most.set(most.get().max(operations.get() - before));
        }
        done.set(true);
        Ok(())
    })
    .await?;
    assert!(most.get() <= IN_A_POLL + 1, "{most:?} operations in one poll");
    // Otherwise these tests would show nothing.
    assert!(
        current_backend() == Some(Backend::Uring) || most.get() >= IN_A_POLL,
        "{most:?} were answered at once"
    );
    Ok(())
}

#[anyio::test]
async fn a_task_whose_operations_are_answered_at_once_does_not_keep_a_timer_waiting() -> Result<()> {
    let (operations, due, is_armed, most) = (Cell::new(0), Cell::new(0), Cell::new(false), Cell::new(0));
    for _ in 0..20 {
        operations.set(0);
        let is_over = Cell::new(false);
        task_group(async |tg| -> Result<()> {
            tg.start_soon(keep_sending(&operations, || {
                if is_armed.take() {
                    // Time is of no other importance here: the timer is due afterwards.
                    thread::sleep(Duration::from_millis(4));
                    due.set(operations.get());
                }
                !is_over.get()
            }));
            // The other is at work already.
            lowlevel::checkpoint().await?;
            let mut nap = pin!(sleep(Duration::from_millis(2)));
            assert!(poll_once(nap.as_mut()).await.is_pending());
            is_armed.set(true);
            nap.await?;
            is_over.set(true);
            // Who was waiting himself all the time has kept nobody waiting.
            if !is_armed.take() {
                most.set(most.get().max(operations.get() - due.get()));
            }
            Ok(())
        })
        .await?;
    }
    assert!(most.get() <= IN_A_TURN, "{most:?} operations while a timer was due");
    Ok(())
}

#[anyio::test]
async fn a_task_whose_operations_are_answered_at_once_does_not_keep_another_socket_waiting() -> Result<()> {
    let (operations, arrived, most) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let (near, mut far) = std::os::unix::net::UnixStream::pair()?;
    let stream = UnixStream::from_owned(near.into())?;
    for _ in 0..20 {
        operations.set(0);
        let (is_over, is_waiting) = (Cell::new(false), Cell::new(false));
        let far = Cell::new(Some(&mut far));
        task_group(async |tg| -> Result<()> {
            tg.start_soon(keep_sending(&operations, || {
                if is_waiting.take() {
                    far.take().expect("once").write_all(b"x").expect("there is room");
                    arrived.set(operations.get());
                }
                !is_over.get()
            }));
            lowlevel::checkpoint().await?;
            let mut receive = pin!(stream.receive());
            assert!(poll_once(receive.as_mut()).await.is_pending());
            is_waiting.set(true);
            assert_eq!(receive.await?.unwrap(), "x");
            is_over.set(true);
            most.set(most.get().max(operations.get() - arrived.get()));
            Ok(())
        })
        .await?;
    }
    assert!(most.get() <= IN_A_TURN, "{most:?} operations while a socket had something");
    Ok(())
}

/// The poll back end looks at so many small messages in one turn; a ring brings what there is.
#[anyio::test(
    backend = "poll",
    calm = "answers that are late come many in a turn",
    ordered = "it is about whose turn it is"
)]
async fn a_flood_of_small_messages_on_many_connections_leaves_timers_and_tasks_their_turn() -> Result<()> {
    const CONNECTIONS: u32 = 250;
    const IN_A_TURN: u32 = 32;
    let mut peers = Vec::new();
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let (near, far) = std::os::unix::net::UnixStream::pair()?;
        streams.push(UnixStream::from_owned(near.into())?);
        peers.push(far);
    }
    let (received, at_the_timer) = (Cell::new(0), Cell::new(None));
    task_group(async |tg| -> Result<()> {
        for stream in &streams {
            tg.start_soon(async {
                while let Some(chunk) = stream.receive().await? {
                    received.set(received.get() + chunk.len() as u32);
                }
                anyio::Ok(())
            });
        }
        wait_all_tasks_blocked().await?;
        for _ in 0..10 {
            received.set(0);
            let nap = tg.start_soon(async {
                sleep(Duration::from_millis(2)).await?;
                at_the_timer.set(Some(received.get()));
                anyio::Ok(())
            });
            lowlevel::checkpoint().await?;
            // The timer is due and everything has arrived before the kernel is looked at again.
            thread::sleep(Duration::from_millis(4));
            for peer in &mut peers {
                peer.write_all(b"x")?;
            }
            for polls in 0.. {
                if received.get() == CONNECTIONS {
                    break;
                }
                assert!(polls < 1_000_000, "{received:?} messages, and no more come");
                let before = received.get();
                lowlevel::checkpoint().await?;
                let between = received.get() - before;
                assert!(between <= IN_A_TURN, "{between} messages before this task had its turn");
            }
            nap.await?;
            let before_timer = at_the_timer.take().unwrap();
            assert!(before_timer <= IN_A_TURN, "{before_timer} messages before the timer had its turn");
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

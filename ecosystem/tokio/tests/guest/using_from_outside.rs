//! Tasks of tokio's that use what belongs to a run while that waits.

use super::{host, is_pending, on_each};
use anyio::{Result, net::TcpListener, streams::memory, sync::Event};
use std::{rc::Rc, time::Duration};

#[test]
fn an_event_that_a_task_of_tokios_sets_wakes_a_run_that_rests() {
    on_each(|builder| {
        let waited = host().block_on(anyio_tokio::guest(builder, async || {
            let event = Rc::new(Event::new());
            tokio::task::spawn_local({
                let event = event.clone();
                async move {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    event.set();
                }
            });
            event.wait().await
        }));
        waited.unwrap().unwrap();
    });
}

#[test]
fn a_task_of_tokios_sleeps_and_talks_by_way_of_a_run_that_waits_for_nothing() {
    on_each(|builder| {
        let text = host().block_on(anyio_tokio::guest(builder, async || -> Result<String> {
            let talk = tokio::task::spawn_local(async {
                anyio::sleep(Duration::from_millis(5)).await?;
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                let address = listener.local_addr()?;
                let client = tokio::task::spawn_local(async move {
                    let client = anyio::net::TcpStream::connect(address).await?;
                    client.send("from outside").await
                });
                let server = listener.accept().await?;
                let received = server.receive().await?.expect("some bytes");
                client.await.unwrap()?;
                anyio::Ok(String::from_utf8_lossy(&received).into_owned())
            });
            talk.await.unwrap()
        }));
        assert_eq!(text.unwrap().unwrap(), "from outside");
    });
}

#[test]
fn objects_go_from_tasks_of_tokios_to_tasks_of_a_run_with_back_pressure() {
    on_each(|builder| {
        let sum = host().block_on(anyio_tokio::guest(builder, async || -> Result<u64> {
            let (sender, receiver) = memory::channel::<u64>(1);
            tokio::task::spawn_local(async move {
                for number in 0..1000 {
                    sender.send(number).await.unwrap();
                }
            });
            let mut sum = 0;
            while let Some(number) = receiver.receive().await? {
                sum += number;
            }
            Ok(sum)
        }));
        assert_eq!(sum.unwrap().unwrap(), 499_500);
    });
}

#[test]
fn a_task_that_outlives_the_run_it_used_gets_errors_and_no_more() {
    on_each(|builder| {
        let host = host();
        let left = host.block_on(anyio_tokio::guest(builder, async || {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let left = tokio::task::spawn_local(async move {
                // Begun in the run, polled and dropped after it.
                let mut accepting = Box::pin(async move { listener.accept().await.map(drop) });
                assert!(is_pending(accepting.as_mut()).await);
                tokio::time::sleep(Duration::from_millis(20)).await;
                drop(accepting);
            });
            tokio::task::yield_now().await;
            left
        }));
        host.block_on(left.unwrap()).unwrap();
        // The thread is free for another run.
        assert_eq!(host.block_on(anyio_tokio::guest(builder, async || 1)).unwrap(), 1);
    });
}

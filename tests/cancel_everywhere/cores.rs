//! Cores that do things for each other, and the listeners that they share.

use crate::sentences::{cut_short, cut_short_beside_threads};
use anyio::{
    Builder, Core, Result,
    cores::{CoreListener, PerCore},
    cross::Event,
    lowlevel::checkpoint,
    net::{TcpListenerOptions, TcpStream},
    task_group,
    testing::test_backends,
};
use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

/// Runs a test on the first of two cores; the second waits until it has ended.
fn beside_another(test: impl AsyncFn(&Core) -> Result<()> + Sync) {
    for backend in test_backends() {
        let over = Event::new();
        let ended = Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
            if core.index() == 1 {
                return Ok(over.wait().await?);
            }
            // What is there as long as the core is when it has been asked once.
            core.run(async || ()).await?;
            let ended = test(core).await;
            over.set();
            ended
        });
        assert!(ended.unwrap().is_some());
    }
}

#[derive(Default)]
struct Counts {
    begun: AtomicU32,
    ended: AtomicU32,
}

impl Counts {
    fn are_even(&self) -> bool {
        self.begun.load(Ordering::SeqCst) == self.ended.load(Ordering::SeqCst)
    }
}

#[test]
fn what_another_core_has_begun_is_awaited() {
    covers!["cores/call::Core::run", "cores/broadcast::Core::broadcast"];
    let body = async |counts: Arc<Counts>| -> Result<u32> {
        counts.begun.fetch_add(1, Ordering::SeqCst);
        let ended = checkpoint().await;
        counts.ended.fetch_add(1, Ordering::SeqCst);
        ended?;
        Ok(counts.ended.load(Ordering::SeqCst))
    };
    beside_another(async |core| {
        let other = core.all().nth(1).expect("there are two");
        let awaited = async |counts: Arc<Counts>, _: Option<()>| {
            // Whoever drops a future does not wait: what it has left is done, sooner or later.
            while !counts.are_even() {
                checkpoint().await.unwrap();
            }
        };
        cut_short_beside_threads(
            async || Arc::new(Counts::default()),
            async |counts| {
                for core in [core, &other] {
                    let counts = counts.clone();
                    core.run(async move || body(counts).await).await??;
                }
                anyio::Ok(())
            },
            &awaited,
        )
        .await;
        cut_short_beside_threads(
            async || Arc::new(Counts::default()),
            async |counts| {
                let counts = counts.clone();
                core.broadcast(async move |_: &Core| body(counts.clone()).await).await.map(drop)
            },
            &awaited,
        )
        .await;
        Ok(())
    });
}

#[test]
fn a_value_of_a_core_is_asked_for_or_not() {
    covers!["cores/per_core::PerCore::on", "cores/per_core::PerCore::on_each"];
    static ASKED: PerCore<Cell<u32>> = PerCore::new(|| Cell::new(0));
    beside_another(async |core| {
        let count = |asked: &Cell<u32>| asked.replace(asked.get() + 1);
        cut_short_beside_threads(
            async || ASKED.on_each(core, Cell::get).await.unwrap(),
            async |_| {
                let other = core.all().nth(1).expect("there are two");
                ASKED.on(&other, count).await?;
                ASKED.on_each(core, count).await.map(drop)
            },
            async |before, value| {
                let after = ASKED.on_each(core, Cell::get).await.unwrap();
                assert!(after[0] <= before[0] + 1 && after[1] <= before[1] + 2, "{before:?} {after:?}");
                assert!(value.is_none() || after[0] == before[0] + 1 && after[1] == before[1] + 2);
            },
        )
        .await;
        Ok(())
    });
}

/// Runs a test on one core alone, so that it is the same each time.
fn alone(test: impl AsyncFn(&Core) -> Result<()> + Sync) {
    for backend in test_backends() {
        let ended = Builder::new().backend(backend).run_on_cores(1, &test);
        assert!(ended.unwrap().is_some());
    }
}

async fn listener(core: &Core) -> CoreListener {
    core.listen("127.0.0.1:0").await.unwrap()
}

#[test]
fn a_shared_listener_loses_no_connection() {
    covers!["cores/listener::CoreListener::accept", "cores/listener::CoreListener::serve"];
    alone(async |core| {
        cut_short(
            async || (listener(core).await, Cell::new(0), Cell::new(0)),
            async |(listener, connected, accepted)| {
                let (listener, connected, accepted) = (&*listener, &*connected, &*accepted);
                task_group(async |tg| -> Result<()> {
                    tg.start_soon(async {
                        for _ in 0..2 {
                            drop(TcpStream::connect(listener.local_addr()?).await?);
                            connected.set(connected.get() + 1);
                        }
                        anyio::Ok(())
                    });
                    for _ in 0..2 {
                        drop(listener.accept().await?);
                        accepted.set(accepted.get() + 1);
                    }
                    Ok(())
                })
                .await
            },
            async |(listener, connected, accepted), _| {
                // A client that was cut short may have been connected.
                for _ in accepted.get()..connected.get() {
                    drop(listener.accept().await.unwrap());
                }
                listener.close().await.unwrap();
                assert_eq!(core.connections(), 0);
            },
        )
        .await;
        cut_short(
            async || (listener(core).await, Cell::new(0)),
            async |(listener, serving)| {
                let (listener, serving) = (&*listener, &*serving);
                task_group(async |tg| -> Result<()> {
                    tg.start_soon(async {
                        let handler = async |stream: TcpStream| -> Result<()> {
                            serving.set(serving.get() + 1);
                            let ended = stream.receive().await.map(drop);
                            serving.set(serving.get() - 1);
                            ended
                        };
                        listener.serve(handler).await?;
                        anyio::Ok(())
                    });
                    let client = TcpStream::connect(listener.local_addr()?).await?;
                    client.send("hello").await?;
                    while let Ok(Some(_)) = client.receive().await {}
                    tg.cancel();
                    Ok(())
                })
                .await
            },
            async |(listener, _), _| {
                listener.close().await.unwrap();
                assert_eq!(core.connections(), 0, "the handlers are gone");
            },
        )
        .await;
        Ok(())
    });
}

#[test]
fn a_share_of_a_listener_is_made_and_given_back_in_any_case() {
    covers![
        "cores/listener::Core::listen",
        "cores/listener::Core::listen_with",
        "cores/listener::CoreListener::close"
    ];
    alone(async |core| {
        cut_short(
            async || None,
            async |share| {
                *share = Some(core.listen("127.0.0.1:0").await?);
                anyio::Ok(())
            },
            async |share, value| {
                assert_eq!(share.is_some(), value.is_some());
                drop(share);
                // Otherwise the core would have one already.
                listener(core).await.close().await.unwrap();
            },
        )
        .await;
        cut_short(
            async || {
                let listener = listener(core).await;
                (listener.local_addr().unwrap(), Some(listener))
            },
            async |(address, share)| {
                let _ = checkpoint().await;
                share.take().expect("closed once").close().await?;
                core.listen_with(&TcpListenerOptions::new().backlog(8), *address).await?.close().await
            },
            async |(address, share), _| {
                drop(share);
                core.listen(address).await.unwrap().close().await.unwrap();
            },
        )
        .await;
        Ok(())
    });
}

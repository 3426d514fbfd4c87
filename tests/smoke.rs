use anyio::{
    Backend, Builder, Error, ErrorGroup, Result, Started, lowlevel, move_on_after, sleep, sleep_forever,
    task_group,
};
use std::time::Duration;
#[test]
fn smoke() {
    for backend in [Backend::Uring, Backend::Poll] {
        let v = Builder::new()
            .backend(backend)
            .run(async || {
                sleep(Duration::from_millis(5)).await.unwrap();
                let names = vec!["a".to_string(), "bb".to_string()];
                let total = std::cell::Cell::new(0);
                let r = task_group(async |tg| -> Result<usize> {
                    for n in &names {
                        let total = &total;
                        tg.start_soon(async move {
                            sleep(Duration::from_millis(1)).await?;
                            total.set(total.get() + n.len());
                            Ok(())
                        });
                    }
                    let h = tg.start_soon(async { anyio::Ok(5usize) });
                    let five = h.await?;
                    let (v, server) = tg
                        .start(async |s: Started<u16>| {
                            s.set(80);
                            sleep_forever().await;
                            anyio::Ok(())
                        })
                        .await?;
                    assert_eq!(v, 80);
                    server.cancel();
                    Ok(five)
                })
                .await;
                assert_eq!(r.unwrap(), Some(5));
                assert_eq!(total.get(), 3);
                let m = move_on_after(Duration::from_millis(3), async {
                    sleep(Duration::from_secs(5)).await?;
                    anyio::Ok(1)
                })
                .await
                .unwrap();
                assert_eq!(m, None);
                let r: std::result::Result<Option<()>, ErrorGroup<Error>> = task_group(async |tg| {
                    tg.start_soon(async {
                        sleep(Duration::from_secs(50)).await?;
                        Ok(())
                    });
                    tg.start_soon(async {
                        sleep(Duration::from_millis(1)).await?;
                        Err::<(), Error>(Error::WouldBlock)
                    });
                    Ok(())
                })
                .await;
                assert_eq!(r.unwrap_err().len(), 1);
                lowlevel::statistics()
            })
            .unwrap();
        println!("{v:?}");
    }
}

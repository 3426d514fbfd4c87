//! Runs within event loops of others.

use crate::busy_host::BusyHost;
use anyio::{Builder, Result, fs, net::UnixStream, sleep, task_group, testing::test_backends};
use std::{
    future::Future,
    io::Read,
    pin::pin,
    rc::Rc,
    task::{Context, Waker},
    time::Duration,
};

/// Has things in flight: a timer, a file, bytes to be received.
async fn program(near: UnixStream, alive: Rc<()>, folder: &std::path::Path) -> Result<()> {
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let _alive = alive;
            near.receive().await?;
            anyio::Ok(())
        });
        for number in 0..3 {
            fs::write(folder.join("file"), format!("{number}")).await?;
            sleep(Duration::from_millis(1)).await?;
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[test]
fn a_guest_that_is_dropped_leaves_nothing_wherever_it_was() {
    covers!["running/builder::Builder::run_as_guest"];
    for backend in test_backends() {
        let folder = tempfile::tempdir().unwrap();
        // The number of polls until the end depends on the time, so that it goes up by more and more.
        for polls in (0..).map(|number: u32| number + number.pow(3) / 500) {
            let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
            let alive = Rc::new(());
            let has_ended = {
                let (alive, folder) = (alive.clone(), folder.path());
                let builder = Builder::new().backend(backend);
                let mut guest = pin!(builder.run_as_guest(BusyHost::new, async move || {
                    program(UnixStream::from_owned(near.into())?, alive, folder).await
                }));
                let mut cx = Context::from_waker(Waker::noop());
                (0..polls)
                    .any(|_| guest.as_mut().poll(&mut cx).map(|ended| ended.unwrap().unwrap()).is_ready())
            };
            assert_eq!(Rc::strong_count(&alive), 1, "the program is gone after {polls} polls");
            assert_eq!(far.read(&mut [0]).unwrap(), 0, "its stream is closed after {polls} polls");
            // The thread has a place for another run.
            Builder::new().backend(backend).run(async || ()).unwrap();
            if has_ended {
                break;
            }
        }
    }
}

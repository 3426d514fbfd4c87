//! Options that only the ring knows, and that do no harm elsewhere.

use anyio::{
    Backend, Builder, Result, amap, doctor, fs,
    net::{TcpListener, TcpStream},
    testing::test_backends,
};
use std::{num::NonZeroU32, time::Duration};

/// What the diagnosis says with these options; `None` where there is no ring.
fn diagnosis(builder: &Builder) -> Option<String> {
    let report = doctor::examine_with(&builder.clone().backend(Backend::Uring));
    report.uring.refusal.is_none().then(|| report.to_string())
}

#[test]
fn the_kernel_has_as_many_workers_as_it_is_told_to() {
    for count in [1, 3] {
        let builder = Builder::new().kernel_workers(NonZeroU32::new(count).unwrap());
        let Some(text) = diagnosis(&builder) else { return };
        let told = format!("at most {count} work on files");
        // Kernels before 5.15 know no bound.
        assert!(text.contains(&told) || text.contains("as many as the kernel sees fit"), "{text}");
    }
}

#[test]
fn all_files_are_read_however_few_workers_there_are() {
    for backend in test_backends() {
        let builder = Builder::new().backend(backend).kernel_workers(NonZeroU32::MIN);
        let lengths = builder.run(async || {
            let this = std::env::current_exe().unwrap();
            amap(async |_: u8| Ok::<_, anyio::Error>(fs::metadata(&this).await?.len()), 0..50).await
        });
        let lengths = lengths.unwrap().unwrap();
        assert_eq!(lengths.len(), 50);
        assert!(lengths.iter().all(|&length| length == lengths[0] && length > 0));
    }
}

#[test]
fn busy_polling_is_used_only_if_it_is_asked_for_and_a_refusal_is_told() {
    let Some(text) = diagnosis(&Builder::new()) else { return };
    assert!(text.contains("not asked for. Devices interrupt"), "{text}");
    let text = diagnosis(&Builder::new().busy_poll(Duration::from_micros(20))).unwrap();
    let is_used = text.contains("waits look at the queues of network devices");
    assert!(is_used != text.contains("refused; needs Linux 6.9 with CONFIG_NET_RX_BUSY_POLL"), "{text}");
}

#[test]
fn connections_and_times_are_as_always_with_busy_polling() {
    for backend in test_backends() {
        let builder = Builder::new().backend(backend).busy_poll(Duration::from_micros(20));
        let echoed = builder.run(async || -> Result<_> {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let client = TcpStream::connect(listener.local_addr()?).await?;
            let server = listener.accept().await?;
            let nothing = anyio::move_on_after(Duration::from_millis(5), client.receive()).await?;
            assert!(nothing.is_none());
            server.send("x").await?;
            client.receive().await
        });
        assert_eq!(echoed.unwrap().unwrap().unwrap(), "x");
    }
}

//! Calls beside the driver that the system refuses, one after the other.

use crate::peers::{descriptors_once_at_most, lock, open_descriptors};
use anyio::{
    Builder, Error, Path, Result,
    fs::File,
    lowlevel,
    net::{
        ConnectedUdpSocket, ConnectedUnixDatagram, TcpListener, TcpStream, UdpSocket, UnixDatagram,
        UnixListener, UnixStream,
    },
    process::{Command, Stdio},
    streams::{ByteReceiveStream, ByteSendStream},
    task_group,
    tempfile::TemporaryDirectory,
    testing::{
        chaos::{CallKind, Chaos, Fault, OpKind, fail_each},
        test_backends,
    },
};
use std::{error::Error as _, io::IoSlice, net::Ipv4Addr, time::Duration};

const TEXT: &[u8] = b"what is sent comes as it was";

/// Sends at once what can be sent so, and the rest as ever.
async fn send_now(stream: &mut TcpStream) -> Result<()> {
    let sent = match stream.send_nowait(&[IoSlice::new(&TEXT[..4]), IoSlice::new(&TEXT[4..])]) {
        Err(Error::WouldBlock) => 0,
        sent => sent?,
    };
    stream.send(&TEXT[sent..]).await
}

/// Receives that, at once as soon as there is something.
async fn receive_now(stream: &mut TcpStream) -> Result<()> {
    let (mut received, mut buffer) = (Vec::new(), [0; 64]);
    while received.len() < TEXT.len() {
        match stream.receive_nowait(&mut &mut buffer[..]) {
            Err(Error::WouldBlock) => {
                lowlevel::wait_readable(&*stream).await?;
            }
            Ok(0) => return Err(Error::IncompleteRead),
            count => received.extend_from_slice(&buffer[..count?]),
        }
    }
    assert_eq!(received, TEXT);
    Ok(())
}

async fn streams(file: &File) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?);
    let (mut client, mut server) = (client.await?, listener.accept().await?);
    assert_eq!(client.peer_addr()?, server.local_addr()?);
    client.set_nodelay(true)?;
    assert!(client.nodelay()?);
    client.set_linger(Some(Duration::from_secs(1)))?;
    send_now(&mut client).await?;
    receive_now(&mut server).await?;
    let (result, sent) = client.send_file(file, 0..TEXT.len() as u64).await;
    result?;
    assert_eq!(sent, TEXT.len() as u64);
    receive_now(&mut server).await?;
    client.close().await?;
    assert!(server.receive().await?.is_none());
    let (one, other) = UnixStream::pair()?;
    drop(one.split());
    assert!(other.receive().await?.is_none());
    listener.close().await
}

async fn datagrams(folder: &Path) -> Result<()> {
    let one = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let other = ConnectedUdpSocket::connect(one.local_addr()?).await?;
    other.send(TEXT).await?;
    assert_eq!(&*one.receive().await?.data, TEXT);
    one.set_hops(7)?;
    one.close().await?;
    let listener = UnixListener::bind(folder.join("listener")).await?;
    listener.close().await?;
    let bound = UnixDatagram::bind(folder.join("datagrams")).await?;
    let connected = ConnectedUnixDatagram::connect(folder.join("datagrams")).await?;
    connected.send(TEXT).await?;
    assert_eq!(&*bound.receive().await?.data, TEXT);
    Ok(())
}

async fn files(folder: &Path) -> Result<File> {
    let path = folder.join("file");
    let mut file = File::create(&path).await?;
    file.write_all(TEXT).await.0?;
    file.close().await?;
    path.chmod(0o600).await?;
    let file = File::open(&path).await?;
    assert_eq!(file.metadata().await?.len(), TEXT.len() as u64);
    let (result, read) = file.read_exact_at(Vec::with_capacity(TEXT.len()), 0).await;
    result?;
    assert_eq!(read, TEXT);
    file.lock().await?;
    let mut copy = file.try_clone()?;
    assert_eq!(copy.stream_position()?, 0);
    copy.close().await?;
    let standard = file.into_std().map_err(|_| "nothing is under way").unwrap();
    Ok(standard.into())
}

async fn processes() -> Result<()> {
    let mut command = Command::new("echo");
    command.arg("here").stdout(Stdio::piped()).stderr(Stdio::to_stdout());
    let mut process = command.spawn()?;
    let output = process.stdout.take().expect("it is piped");
    let mut text = Vec::new();
    while let Some(chunk) = output.receive().await? {
        text.extend_from_slice(&chunk);
    }
    assert_eq!(text, b"here\n");
    assert!(process.wait().await?.success());
    Ok(())
}

/// Makes calls of each kind.
async fn all_calls() -> Result<()> {
    let folder = TemporaryDirectory::new().await?;
    let worked = async {
        let file = files(folder.path()).await?;
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { streams(&file).await });
            datagrams(folder.path()).await
        })
        .await?;
        file.close().await?;
        processes().await
    };
    worked.await?;
    folder.close().await
}

/// Whether an error says this one of the operating system somewhere.
fn tells(error: &Error, number: i32) -> bool {
    let number = format!("os error {number}");
    let mut source = error.source();
    let mut texts = vec![error.to_string(), format!("{error:?}")];
    while let Some(error) = source {
        texts.push(error.to_string());
        source = error.source();
    }
    texts.iter().any(|text| text.contains(&number) || text.contains(&number.replace("os error", "code:")))
}

/// Calls without which what they were made for cannot be had.
const NEEDED: &[CallKind] = &[
    CallKind::ReceiveNow,
    CallKind::SendNow,
    CallKind::SendFile,
    CallKind::MakeSocket,
    CallKind::MakePair,
    CallKind::MakePipe,
    CallKind::Duplicate,
    CallKind::Bind,
    CallKind::Listen,
    CallKind::ConnectNow,
    CallKind::LocalAddress,
    CallKind::PeerAddress,
    CallKind::GetOption,
    CallKind::SetOption,
    CallKind::SetMode,
    CallKind::Close,
    CallKind::OnPath,
    CallKind::OnFile,
];

#[test]
fn whatever_call_is_refused_is_told_or_done_otherwise_and_nothing_is_left_open() {
    let _lock = lock();
    for backend in test_backends() {
        for &kind in CallKind::ALL {
            let before = open_descriptors();
            let mut told = 0;
            let builder = Builder::new().backend(backend);
            let count = fail_each(&builder, kind, libc::EIO, all_calls, |failed, result| {
                if let Err(error) = result {
                    assert!(failed.is_some(), "{kind:?} on {backend}: {error:?}");
                    assert!(tells(&error, libc::EIO), "{kind:?} {failed:?} on {backend}: {error:?}");
                    told += 1;
                }
                assert_eq!(descriptors_once_at_most(before), before, "{kind:?} {failed:?} on {backend}");
            })
            .unwrap();
            // Datagrams go through the driver where that attempts them itself, and it knows how to wait for processes.
            let is_met = !matches!(kind, CallKind::SendMessageNow | CallKind::OpenProcess);
            assert!(count > 0 || !is_met, "{kind:?} on {backend} is not made");
            if is_met {
                assert_eq!(told > 0, NEEDED.contains(&kind), "{kind:?} on {backend}: {told} of {count}");
            }
        }
    }
}

#[test]
fn who_has_to_wait_for_a_process_by_a_descriptor_hears_that_there_is_none() {
    let _lock = lock();
    for backend in test_backends() {
        let chaos = Chaos::none().without(OpKind::WaitProcess);
        let run = |chaos: Chaos| {
            Builder::new().backend(backend).chaos(chaos).run(async || processes().await).unwrap()
        };
        run(chaos.clone().rule(|_| None)).unwrap();
        let error = run(chaos.fail(CallKind::OpenProcess, 1, libc::EMFILE)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
    }
}

#[test]
fn calls_that_are_interrupted_short_or_would_wait_change_nothing() {
    let _lock = lock();
    for backend in test_backends() {
        let mut met = Vec::new();
        for seed in 0..12 {
            let chaos = Chaos::none()
                .reseed(seed)
                .rate_of(CallKind::ReceiveNow, Fault::Short, 0.5)
                .rate_of(CallKind::SendNow, Fault::Short, 0.5)
                .rule(|_| None);
            let chaos = [Fault::Interrupted, Fault::WouldBlock].into_iter().fold(chaos, |chaos, fault| {
                [CallKind::ReceiveNow, CallKind::SendNow, CallKind::SendFile, CallKind::ReadCached]
                    .into_iter()
                    .fold(chaos, |chaos, kind| chaos.rate_of(kind, fault, 0.4))
            });
            let before = open_descriptors();
            // That one seed does not meet all of them is no failure.
            if let Ok(result) =
                Builder::new().backend(backend).chaos(chaos.clone()).run(async || all_calls().await)
            {
                result.unwrap_or_else(|error| panic!("seed {seed} on {backend}: {error}"));
            }
            assert_eq!(descriptors_once_at_most(before), before);
            met.push(chaos.report());
        }
        for kind in [CallKind::ReceiveNow, CallKind::SendNow, CallKind::SendFile, CallKind::ReadCached] {
            for fault in [Fault::Interrupted, Fault::WouldBlock] {
                assert!(met.iter().any(|report| report.count_of(kind, fault) > 0), "{fault} of {kind:?}");
            }
        }
        for kind in [CallKind::ReceiveNow, CallKind::SendNow] {
            assert!(met.iter().any(|report| report.count_of(kind, Fault::Short) > 0), "short {kind:?}");
        }
    }
}

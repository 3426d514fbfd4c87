//! What streams know, through all wrappers.

use anyio::{
    Result,
    net::{
        TcpListener, TcpStream, UnixListener, UnixStream,
        attribute::{
            Family, LocalAddress, LocalPath, LocalPort, Peer, RawDescriptor, RemoteAddress, RemotePath,
            RemotePort,
        },
    },
    process::{self, Command, Stdio},
    streams::{
        Attributes, BoxedByteReceiveStream, BoxedByteStream, BoxedObjectStream, BufferedByteStream,
        StapledByteStream, TextStream,
    },
    tempfile::TemporaryDirectory,
};
use socket2::Domain;
use std::os::{
    fd::{AsFd, AsRawFd},
    unix::fs::MetadataExt,
};

#[anyio::test]
async fn a_tcp_stream_knows_both_ends_through_wrappers_and_boxes() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    assert_eq!(listener.extra::<LocalAddress>(), Some(address));
    assert_eq!(listener.extra::<LocalPort>(), Some(address.port()));
    assert_eq!(listener.extra::<RemoteAddress>(), None);
    assert_eq!(listener.extra::<Family>(), Some(Domain::IPV4));
    let client = TcpStream::connect(address).await?;
    let (local, number) = (client.local_addr()?, client.as_fd().as_raw_fd());
    let (receive, send) = client.split();
    assert_eq!(send.extra::<RemotePort>(), Some(address.port()));
    let stapled = StapledByteStream::new(send, BoxedByteReceiveStream::new(receive));
    let text = TextStream::new(BoxedByteStream::new(BufferedByteStream::new(stapled)));
    let boxed: BoxedObjectStream<String> = BoxedObjectStream::new(text);
    assert_eq!(boxed.extra::<LocalAddress>(), Some(local));
    assert_eq!(boxed.extra::<LocalPort>(), Some(local.port()));
    assert_eq!(boxed.extra::<RemoteAddress>(), Some(address));
    assert_eq!(boxed.extra::<RawDescriptor>(), Some(number));
    assert_eq!(boxed.extra::<Family>(), Some(Domain::IPV4));
    assert_eq!(boxed.extra::<LocalPath>(), None);
    Ok(())
}

#[anyio::test]
async fn adapters_know_what_their_streams_know() -> Result<()> {
    use anyio::streams::{
        io::{ByteIo, ByteReader, ByteWriter},
        memory,
        objects::{ObjectItems, ObjectSink},
    };
    use futures_util::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let connect = async || TcpStream::connect(address).await;
    let mut reader = ByteReader::new(connect().await?);
    listener.accept().await?.send("x").await?;
    assert_eq!(reader.extra::<RemoteAddress>(), Some(address));
    reader.read_exact(&mut [0]).await?;
    assert_eq!(reader.extra::<RemoteAddress>(), Some(address));
    let mut writer = ByteWriter::new(connect().await?);
    writer.write_all(b"x").await?;
    writer.flush().await?;
    assert_eq!(writer.extra::<RemoteAddress>(), Some(address));
    let (receive, send) = connect().await?.split();
    let both = BoxedByteStream::new(StapledByteStream::new(send, receive));
    assert_eq!(ByteIo::new(connect().await?, both).extra::<RemotePort>(), Some(address.port()));
    assert_eq!(
        ObjectItems::new(TextStream::new(connect().await?)).extra::<RemotePort>(),
        Some(address.port())
    );
    let sink = ObjectSink::<_, String>::new(TextStream::new(connect().await?));
    assert_eq!(sink.extra::<RemotePort>(), Some(address.port()));
    assert_eq!(memory::channel::<u8>(1).1.into_stream().extra::<RemotePort>(), None);
    Ok(())
}

#[anyio::test]
async fn a_unix_stream_knows_the_paths_that_there_are() -> Result<()> {
    let folder = TemporaryDirectory::new().await?;
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).await?;
    assert_eq!(listener.extra::<LocalPath>().as_deref(), Some(path.as_ref()));
    let client = UnixStream::connect(&path).await?;
    assert_eq!(client.extra::<RemotePath>().as_deref(), Some(path.as_ref()));
    assert_eq!(client.extra::<LocalPath>(), None);
    let folder = std::fs::metadata(folder.path())?;
    let peer = client.extra::<Peer>().unwrap();
    assert_eq!(peer.user, folder.uid());
    assert!(peer.process.is_none_or(|number| number == std::process::id()));
    assert_eq!(client.extra::<Family>(), Some(Domain::UNIX));
    assert_eq!(client.extra::<RemoteAddress>(), None);
    Ok(())
}

#[anyio::test]
async fn the_pipes_of_a_process_know_their_descriptors() -> Result<()> {
    let mut process = process::open(Command::new("cat").stderr(Stdio::null())).await?;
    let stdin = process.stdin.take().unwrap();
    let stdout = BufferedByteStream::new(process.stdout.take().unwrap());
    assert_eq!(stdin.extra::<RawDescriptor>(), Some(stdin.as_fd().as_raw_fd()));
    assert_eq!(stdout.extra::<RawDescriptor>(), Some(stdout.get_ref().as_fd().as_raw_fd()));
    drop(stdin);
    process.wait().await?;
    Ok(())
}

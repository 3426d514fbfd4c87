//! Streams taken apart and put together again.

use anyio::{
    Error, Result,
    net::{TcpListener, TcpStream, UnixStream},
    streams::{
        Attributes, BoxedByteReceiveStream, BoxedByteStream, BufferedByteStream, ByteReceiveStream,
        ByteSendStream, ByteStream, RawDescriptor, Split, StapledByteStream,
    },
    task_group,
    testing::{
        MemoryByteStream, check_half_closeable_stream, check_one_way_stream, lockstep_stream_pair,
        memory_stream_pair,
    },
};

async fn connection() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    Ok((client, listener.accept().await?))
}

/// Checks the halves of a kind of stream, each by itself, and what they are put together to.
async fn check<S: Split>(make: impl AsyncFn() -> Result<(S, S)>) -> Result<()> {
    // The halves that are not checked stay open, as those of a pair do.
    check_half_closeable_stream(async || {
        let ((one_receives, one_sends), (other_receives, other_sends)) = split_both(&make).await?;
        Ok((
            StapledByteStream::new(one_sends, one_receives),
            StapledByteStream::new(other_sends, other_receives),
        ))
    })
    .await?;
    check_half_closeable_stream(async || {
        let ((one_receives, one_sends), (other_receives, other_sends)) = split_both(&make).await?;
        let Ok(one) = S::reunite(one_receives, one_sends) else { panic!("the halves are of one stream") };
        let Ok(other) = S::reunite(other_receives, other_sends) else {
            panic!("the halves are of one stream")
        };
        Ok((one, other))
    })
    .await
}

type Halves<S> = (<S as Split>::Receive, <S as Split>::Send);

async fn split_both<S: Split>(make: impl AsyncFn() -> Result<(S, S)>) -> Result<(Halves<S>, Halves<S>)> {
    let (one, other) = make().await?;
    Ok((one.split(), other.split()))
}

#[anyio::test]
async fn halves_of_tcp_and_unix_streams_conform() -> Result<()> {
    check(connection).await?;
    check(async || UnixStream::pair()).await
}

#[anyio::test]
async fn halves_of_memory_and_lockstep_streams_conform() -> Result<()> {
    check(async || Ok(memory_stream_pair())).await?;
    check(async || Ok(lockstep_stream_pair())).await
}

#[anyio::test]
async fn halves_of_wrapped_streams_conform() -> Result<()> {
    check(async || {
        let (one, other) = lockstep_stream_pair();
        Ok((BufferedByteStream::new(one), BufferedByteStream::new(other)))
    })
    .await?;
    check(async || {
        let (one, other) = connection().await?;
        Ok((BoxedByteStream::new(one), BoxedByteStream::new(BufferedByteStream::new(other))))
    })
    .await?;
    check(async || {
        let ((to_one, from_other), (to_other, from_one)) = (memory_stream_pair(), memory_stream_pair());
        Ok((StapledByteStream::new(to_other, from_other), StapledByteStream::new(to_one, from_one)))
    })
    .await
}

#[anyio::test]
async fn what_is_buffered_goes_with_the_receiving_half() -> Result<()> {
    let (mut one, other) = memory_stream_pair();
    let mut buffered = BufferedByteStream::new(other);
    buffered.feed_data(b"first ");
    one.send("second").await?;
    let (receive, send) = buffered.split();
    let Ok(mut buffered) = BufferedByteStream::<MemoryByteStream>::reunite(receive, send) else {
        panic!("of one stream")
    };
    assert_eq!(buffered.receive_exactly(12).await?, "first second");
    Ok(())
}

/// Refuses to put halves of two streams of the same kind together.
fn check_strangers<S: Split>(one: S, other: S) {
    let ((one_receives, one_sends), (other_receives, other_sends)) = (one.split(), other.split());
    let Err((one_receives, other_sends)) = S::reunite(one_receives, other_sends) else {
        panic!("halves of different streams were put together")
    };
    assert!(S::reunite(one_receives, one_sends).is_ok() && S::reunite(other_receives, other_sends).is_ok());
}

#[anyio::test]
async fn halves_of_different_streams_do_not_make_one() -> Result<()> {
    let (one, other) = connection().await?;
    check_strangers(one, other);
    let (one, other) = memory_stream_pair();
    check_strangers(one, other);
    let (one, other) = lockstep_stream_pair();
    check_strangers(BufferedByteStream::new(one), BufferedByteStream::new(other));
    let (one, other) = connection().await?;
    check_strangers(BoxedByteStream::new(one), BoxedByteStream::new(other));
    let (one, other) = UnixStream::pair()?;
    check_strangers(BoxedByteStream::new(one), BoxedByteStream::new(memory_stream_pair().0));
    let receive = BoxedByteReceiveStream::new(memory_stream_pair().0);
    let (_, send) = BoxedByteStream::new(other).split();
    assert!(BoxedByteStream::reunite(receive, send).is_err(), "this one is not the half of anything");
    Ok(())
}

#[anyio::test]
async fn halves_of_boxes_know_the_attributes_of_the_stream() -> Result<()> {
    let (one, _other) = UnixStream::pair()?;
    let number = one.extra::<RawDescriptor>();
    let (receive, send) = BoxedByteStream::new(one).split();
    assert!(number.is_some());
    assert_eq!((receive.extra::<RawDescriptor>(), send.extra::<RawDescriptor>()), (number, number));
    Ok(())
}

/// A stream that can do no more than it must.
struct Least<S>(S);

impl<S: ByteSendStream> ByteSendStream for Least<S> {
    async fn send_some<B: anyio::IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
        // A few bytes at a time.
        let length = data.length().min(7_919);
        let (result, part) = self.0.send_some(data.slice(..length)).await;
        (result, part.into_inner())
    }
}

#[anyio::test]
async fn a_stream_that_only_sends_some_sends_all() -> Result<()> {
    check_one_way_stream(async || {
        let (one, other) = connection().await?;
        Ok((Least(one), other))
    })
    .await?;
    check_one_way_stream(async || {
        let (one, other) = lockstep_stream_pair();
        Ok((Least(one), other))
    })
    .await
}

#[anyio::test]
async fn a_stapled_stream_ends_what_it_sends_to_and_closes_it() -> Result<()> {
    let (mut receives, sends) = UnixStream::pair()?;
    let (_, send) = sends.split();
    let mut stapled = StapledByteStream::new(send, memory_stream_pair().0);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            stapled.send("x").await?;
            stapled.send_eof().await?;
            assert!(stapled.send_stream().is_none());
            assert!(matches!(stapled.send("y").await, Err(Error::ClosedResource)));
            stapled.close().await
        });
        assert_eq!(ByteReceiveStream::receive(&mut receives).await?.unwrap(), "x");
        assert!(ByteReceiveStream::receive(&mut receives).await?.is_none());
        Ok(())
    })
    .await?;
    Ok(())
}

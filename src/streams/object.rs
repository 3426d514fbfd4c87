//! What every stream of objects can do.

use crate::error::{Error, Result};

/// Where objects come from, in the order in which they were sent.
#[expect(async_fn_in_trait, reason = "everything stays on its thread, so no `Send` is missing")]
pub trait ObjectReceiveStream {
    /// What comes.
    type Item;

    /// The next object. `Ok(None)` is the end of the stream.
    ///
    /// # Errors
    /// [`Error::ClosedResource`] if the stream was closed on this side, [`Error::BrokenResource`] if the link was lost,
    /// [`Error::Cancelled`] if the scope is cancelled.
    ///
    /// # Cancel safety
    /// No object is lost, whether the scope is cancelled or the future dropped: the next call gets it.
    async fn receive(&mut self) -> Result<Option<Self::Item>>;

    /// Closes what objects come from and waits until that is done. What has no more to do than to be dropped leaves this as
    /// it is. A borrowed stream stays open.
    ///
    /// # Errors
    /// What the operating system reports; the stream is closed all the same.
    ///
    /// # Cancel safety
    /// The stream is closed in any case, also in a cancelled scope and when the future is dropped.
    async fn close_receiving(self) -> Result<()>
    where
        Self: Sized,
    {
        Ok(())
    }
}

/// Where objects go.
#[expect(async_fn_in_trait, reason = "everything stays on its thread, so no `Send` is missing")]
pub trait ObjectSendStream<T> {
    /// Sends an object.
    ///
    /// # Errors
    /// [`Error::ClosedResource`] if the stream was closed on this side, [`Error::BrokenResource`] if nobody can receive
    /// any more, [`Error::Cancelled`] if the scope is cancelled.
    ///
    /// # Cancel safety
    /// A stream over bytes may have sent a part of the object when it is cancelled. Others have not sent it.
    async fn send(&mut self, item: T) -> Result<()>;

    /// Sends an object if that can be done at once.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where [`send`](Self::send) would wait, [`Error::Unsupported`] if this kind of stream cannot
    /// tell; the object comes back in either case and in all others.
    fn send_nowait(&mut self, item: T) -> Result<(), (Error, T)> {
        Err((Error::Unsupported("sending without waiting"), item))
    }

    /// Says that nothing more will be sent. Does nothing the second time.
    ///
    /// # Errors
    /// [`Error::BrokenResource`] if the link was lost, [`Error::Unsupported`] if this kind of stream cannot do it.
    ///
    /// # Cancel safety
    /// Nothing is lost; it may be called again.
    async fn send_eof(&mut self) -> Result<()>;

    /// Says that nothing more will be sent, closes what objects go to, and waits until that is done. As it is here it calls
    /// [`send_eof`](Self::send_eof), if there is one, and drops the stream. A borrowed stream stays open.
    ///
    /// # Errors
    /// As for [`send_eof`](Self::send_eof), and what the operating system reports; the stream is closed all the same.
    ///
    /// # Cancel safety
    /// The stream is closed in any case, also in a cancelled scope and when the future is dropped.
    async fn close_sending(mut self) -> Result<()>
    where
        Self: Sized,
    {
        match self.send_eof().await {
            Err(Error::Unsupported(_)) => Ok(()),
            ended => ended,
        }
    }
}

/// Objects in both directions.
pub trait ObjectStream<T>: ObjectReceiveStream<Item = T> + ObjectSendStream<T> {}

impl<T, S: ObjectReceiveStream<Item = T> + ObjectSendStream<T>> ObjectStream<T> for S {}

impl<S: ObjectReceiveStream + ?Sized> ObjectReceiveStream for &mut S {
    type Item = S::Item;

    async fn receive(&mut self) -> Result<Option<S::Item>> {
        (**self).receive().await
    }
}

impl<T, S: ObjectSendStream<T> + ?Sized> ObjectSendStream<T> for &mut S {
    async fn send(&mut self, item: T) -> Result<()> {
        (**self).send(item).await
    }

    fn send_nowait(&mut self, item: T) -> Result<(), (Error, T)> {
        (**self).send_nowait(item)
    }

    async fn send_eof(&mut self) -> Result<()> {
        (**self).send_eof().await
    }

    async fn close_sending(self) -> Result<()> {
        Ok(())
    }
}

//! The ends of a channel as streams of objects.

use super::{ReceiveStream, SendStream};
use crate::{
    error::{Error, Result},
    streams::{Attributes, ObjectReceiveStream, ObjectSendStream},
};

impl<T> ObjectReceiveStream for ReceiveStream<T> {
    type Item = T;

    async fn receive(&mut self) -> Result<Option<T>> {
        ReceiveStream::receive(self).await
    }
}

impl<T> ObjectSendStream<T> for SendStream<T> {
    async fn send(&mut self, item: T) -> Result<()> {
        SendStream::send(self, item).await
    }

    fn send_nowait(&mut self, item: T) -> Result<(), (Error, T)> {
        SendStream::send_nowait(self, item).map_err(|refused| (refused.error, refused.item))
    }

    async fn send_eof(&mut self) -> Result<()> {
        self.close();
        Ok(())
    }
}

impl<T> Attributes for ReceiveStream<T> {}

impl<T> Attributes for SendStream<T> {}

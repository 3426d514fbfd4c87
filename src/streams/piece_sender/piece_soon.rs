//! Pieces that the stream takes over.

use super::PieceSender;
use crate::{
    error::{Error, Result},
    streams::ByteSendStream,
};
use std::{
    io::IoSlice,
    task::{Context, Poll},
};

impl<W> PieceSender<W> {
    /// Has the stream take over the piece, or else sends as much of it as can be sent at once. Only while nothing is in flight.
    pub(in super::super) fn begin_soon(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>>
    where
        W: ByteSendStream,
    {
        let rest = [IoSlice::new(&self.piece[self.sent..])];
        let taken_over = self.stream.with_now(|stream| stream.send_soon(cx, &rest));
        match taken_over {
            Some(Ok(count)) => {
                self.is_sending_soon = true;
                self.judge(Ok(count))?;
                Poll::Ready(Ok(false))
            }
            None | Some(Err(Error::Unsupported(_))) => self.poll_sent(cx),
            Some(Err(error)) => {
                self.judge(Err(error))?;
                Poll::Ready(Ok(false))
            }
        }
    }
}

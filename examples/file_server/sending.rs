//! Sending responses, piece by piece, each within a time limit.

use crate::{
    response::{Content, Piece},
    stream::ClientStream,
};
use anyio::{Error, IoBufMut as _, Result, fail_after, fs::File};
use std::{cell::Cell, ops::Range, time::Duration};

/// How many bytes are read from a file and sent at a time.
const PIECE: usize = 64 * 1024;

/// Sends one response.
pub(crate) struct Sender<'a> {
    stream: &'a ClientStream,
    timeout: Duration,
    /// What is to be sent next.
    gathered: Vec<u8>,
    /// How many bytes of content have been sent.
    pub(crate) sent: &'a Cell<u64>,
}

impl<'a> Sender<'a> {
    pub(crate) fn new(stream: &'a ClientStream, timeout: Duration, sent: &'a Cell<u64>) -> Self {
        Self { stream, timeout, gathered: Vec::new(), sent }
    }

    /// Sends a head, with its content in the same breath as far as that is short.
    ///
    /// # Errors
    /// If the client is gone, or takes too long to accept a piece. If a file cannot be read or became shorter meanwhile:
    /// then the connection cannot go on, since the client waits for more.
    pub(crate) async fn send(mut self, head: String, content: Option<&Content>) -> Result<()> {
        let head = head.into_bytes();
        let length = content.map_or(0, Content::length);
        self.gathered
            .reserve_exact(head.len() + usize::try_from(length).map_or(PIECE, |length| length.min(PIECE)));
        self.gathered.extend(head);
        let uncounted = self.gathered.len() as u64;
        match content {
            None | Some(Content::None) => {}
            Some(Content::Text(text)) => self.gathered.extend(text.bytes()),
            Some(Content::File(file, pieces)) => {
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => self.gathered.extend(text.bytes()),
                        Piece::Bytes(range) => self.gather(file, range.clone()).await?,
                    }
                }
            }
        }
        self.flush().await?;
        self.sent.set(self.sent.get().saturating_sub(uncounted));
        Ok(())
    }

    async fn gather(&mut self, file: &File, mut range: Range<u64>) -> Result<()> {
        while range.start < range.end {
            if self.gathered.len() >= PIECE {
                self.flush().await?;
            }
            let filled = self.gathered.len();
            let wanted = usize::try_from(range.end - range.start).map_or(PIECE, |left| left.min(PIECE));
            self.gathered.reserve(wanted);
            let room = std::mem::take(&mut self.gathered).room(filled, wanted);
            let (read, room) = file.read_at(room, range.start).await;
            self.gathered = room.into_inner();
            match read? {
                0 => return Err(Error::IncompleteRead),
                count => range.start += count as u64,
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        let gathered = std::mem::take(&mut self.gathered);
        let mut gathered = fail_after(self.timeout, async {
            let (sent, gathered) = self.stream.send_buf(gathered).await;
            sent.map(|()| gathered)
        })
        .await?;
        self.sent.set(self.sent.get() + gathered.len() as u64);
        gathered.clear();
        self.gathered = gathered;
        Ok(())
    }
}

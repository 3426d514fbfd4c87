//! Sending responses, each piece within a time limit.

use crate::{
    response::{Content, Piece},
    stream::ClientStream,
};
use anyio::{Error, IoBufMut as _, Result, TimedOut, fs::File, lowlevel::is_cancelled, move_on_after};
use std::{cell::Cell, ops::Range, time::Duration};

/// Shorter parts of files are gathered with what is around them.
const SHORT: u64 = 16 * 1024;

/// Sends one response.
pub(crate) struct Sender<'a> {
    stream: &'a ClientStream,
    /// How long the client may accept nothing at all.
    timeout: Duration,
    /// How many bytes of content have been sent.
    sent: &'a Cell<u64>,
}

impl<'a> Sender<'a> {
    pub(crate) fn new(stream: &'a ClientStream, timeout: Duration, sent: &'a Cell<u64>) -> Self {
        Self { stream, timeout, sent }
    }

    /// Sends a head, with its content in the same breath as far as that is short.
    ///
    /// # Errors
    /// If the client is gone, or accepts nothing for too long. If a file cannot be read or became shorter meanwhile: then
    /// the connection cannot go on, since the client waits for more.
    pub(crate) async fn send(&self, head: String, content: Option<&Content>) -> Result<()> {
        let mut gathered = head.into_bytes();
        let uncounted = gathered.len() as u64;
        let result = self.send_pieces(&mut gathered, content).await;
        self.sent.set(self.sent.get().saturating_sub(uncounted));
        result
    }

    async fn send_pieces(&self, gathered: &mut Vec<u8>, content: Option<&Content>) -> Result<()> {
        match content {
            None | Some(Content::None) => {}
            Some(Content::Text(text)) => gathered.extend(text.bytes()),
            Some(Content::Bytes(bytes)) => gathered.extend_from_slice(bytes),
            Some(Content::File(file, pieces)) => {
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => gathered.extend(text.bytes()),
                        Piece::Bytes(range) if range.end - range.start <= SHORT => {
                            read(file, range.clone(), gathered).await?;
                        }
                        Piece::Bytes(range) => {
                            self.send_file(gathered, file, range.clone()).await?;
                            gathered.clear();
                        }
                    }
                }
            }
        }
        if gathered.is_empty() { Ok(()) } else { self.send_bytes(gathered).await }
    }

    async fn send_bytes(&self, bytes: &[u8]) -> Result<()> {
        self.send_from(bytes, None, 0..0).await
    }

    /// Sends a part of a file with what goes before it.
    pub(crate) async fn send_file(&self, head: &[u8], file: &File, range: Range<u64>) -> Result<()> {
        self.send_from(head, Some(file), range).await
    }

    async fn send_from(&self, mut head: &[u8], file: Option<&File>, mut range: Range<u64>) -> Result<()> {
        loop {
            let sending = async { anyio::Ok(self.stream.send_file_after(head, file, range.clone()).await) };
            // What was sent is told also when time was over.
            let Some((result, sent)) = move_on_after(self.timeout, sending).await? else {
                return Err(slow());
            };
            self.sent.set(self.sent.get() + sent);
            match result {
                Err(Error::Cancelled(_)) if !is_cancelled() && sent == 0 => return Err(slow()),
                Err(Error::Cancelled(_)) if !is_cancelled() => {}
                result => return result,
            }
            let of_head = sent.min(head.len() as u64);
            head = &head[of_head as usize..];
            range.start += sent - of_head;
        }
    }
}

/// Reads a short part of a file.
async fn read(file: &File, mut range: Range<u64>, gathered: &mut Vec<u8>) -> Result<()> {
    while range.start < range.end {
        let (filled, wanted) = (gathered.len(), (range.end - range.start) as usize);
        gathered.reserve(wanted);
        let room = std::mem::take(gathered).room(filled, wanted);
        let (read, room) = file.read_at(room, range.start).await;
        *gathered = room.into_inner();
        match read? {
            0 => return Err(Error::IncompleteRead),
            count => range.start += count as u64,
        }
    }
    Ok(())
}

fn slow() -> Error {
    TimedOut::because("accepting an answer").into()
}

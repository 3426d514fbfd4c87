//! Connections and their streams.

use super::{Endpoint, signal::Signal};
use anyio::{Error, Result, task_group};
use quinn_proto::{ConnectionHandle, Dir, ReadError, StreamId, VarInt, WriteError};
use std::{cell::RefCell, io, net::SocketAddr, rc::Rc, time::Instant};

/// What endpoint and handles share of a connection.
pub(super) struct State {
    pub(super) handle: ConnectionHandle,
    pub(super) protocol: RefCell<quinn_proto::Connection>,
    /// Told whenever something has happened to the connection.
    pub(super) news: Signal,
    lost: RefCell<Option<String>>,
}

impl State {
    pub(super) fn new(handle: ConnectionHandle, protocol: quinn_proto::Connection) -> Self {
        Self { handle, protocol: RefCell::new(protocol), news: Signal::default(), lost: RefCell::default() }
    }

    pub(super) fn note_lost(&self, reason: String) {
        self.lost.replace(Some(reason));
    }
}

/// One connection of an endpoint.
pub struct Connection<'a> {
    endpoint: &'a Endpoint,
    state: Rc<State>,
}

impl<'a> Connection<'a> {
    pub(super) fn new(endpoint: &'a Endpoint, state: Rc<State>) -> Self {
        Self { endpoint, state }
    }

    /// Calls until there is an answer, each time after there was news of the connection.
    async fn until<T>(
        &self,
        mut attempt: impl FnMut(&mut quinn_proto::Connection) -> Option<T>,
    ) -> Result<T> {
        loop {
            let answer = attempt(&mut self.state.protocol.borrow_mut());
            if let Some(answer) = answer {
                self.endpoint.advance(&self.state);
                return Ok(answer);
            }
            if let Some(reason) = &*self.state.lost.borrow() {
                let error = io::Error::new(io::ErrorKind::ConnectionAborted, reason.clone());
                return Err(Error::BrokenResource(error));
            }
            self.state.news.wait().await?;
        }
    }

    pub(super) async fn established(&self) -> Result<()> {
        self.until(|protocol| (!protocol.is_handshaking() && !protocol.is_closed()).then_some(())).await
    }

    /// The address of the other side, which may change.
    pub fn remote_address(&self) -> SocketAddr {
        self.state.protocol.borrow().remote_address()
    }

    /// How many packets were lost on the way from here.
    pub fn lost_packets(&self) -> u64 {
        self.state.protocol.borrow().stats().path.lost_packets
    }

    /// Opens a stream, sends everything, and gives what comes back.
    pub async fn ask(&self, question: &[u8]) -> Result<Vec<u8>> {
        let stream = self.until(|protocol| protocol.streams().open(Dir::Bi)).await?;
        let answer = RefCell::new(Vec::new());
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                while let Some(bytes) = self.read(stream).await? {
                    answer.borrow_mut().extend_from_slice(&bytes);
                }
                Ok(())
            });
            self.write(stream, question).await?;
            self.finish(stream)
        })
        .await?;
        Ok(answer.into_inner())
    }

    /// Answers every stream with what came.
    pub(super) async fn echo(&self) -> Result<()> {
        task_group(async |tg| -> Result<()> {
            loop {
                let stream = self.until(|protocol| protocol.streams().accept(Dir::Bi)).await?;
                tg.start_soon(async move {
                    while let Some(bytes) = self.read(stream).await? {
                        self.write(stream, &bytes).await?;
                    }
                    self.finish(stream)
                });
            }
        })
        .await
        .map(drop)
        .map_err(Error::from)
    }

    /// Some bytes of a stream, in order; nothing at its end.
    async fn read(&self, stream: StreamId) -> Result<Option<Vec<u8>>> {
        self.until(|protocol| {
            let mut receiving = protocol.recv_stream(stream);
            let Ok(mut chunks) = receiving.read(true) else { return Some(Ok(None)) };
            let answer = match chunks.next(usize::MAX) {
                Ok(Some(chunk)) => Some(Ok(Some(chunk.bytes.to_vec()))),
                Ok(None) => Some(Ok(None)),
                Err(ReadError::Blocked) => None,
                Err(error) => Some(Err(broken(error))),
            };
            // Whether there is something to send is found out anyway.
            let _ = chunks.finalize();
            answer
        })
        .await?
    }

    async fn write(&self, stream: StreamId, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            let count = self
                .until(|protocol| match protocol.send_stream(stream).write(data) {
                    Ok(count) => Some(Ok(count)),
                    Err(WriteError::Blocked) => None,
                    Err(error) => Some(Err(broken(error))),
                })
                .await??;
            data = &data[count..];
        }
        Ok(())
    }

    fn finish(&self, stream: StreamId) -> Result<()> {
        let finished = self.state.protocol.borrow_mut().send_stream(stream).finish();
        self.endpoint.advance(&self.state);
        finished.map_err(broken)
    }

    /// Says goodbye.
    pub fn close(&self) {
        let reason = bytes::Bytes::from_static(b"done");
        self.state.protocol.borrow_mut().close(Instant::now(), VarInt::from_u32(0), reason);
        self.endpoint.advance(&self.state);
    }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::BrokenResource(io::Error::new(io::ErrorKind::ConnectionAborted, error))
}

//! HTTP/2 with several requests outstanding on each connection. Each answer is looked at.
//!
//! What is asked and what has to be answered is an [`Exchange`], also for gRPC, whose answers end with trailers.
//!
//! The time of this side does not count, so it is written plainly: frames by hand on sockets that do not block.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use hdrhistogram::Histogram;
use mio::net::TcpStream;

use super::{Load, Served, connect, nanoseconds, poller::Poller};
use crate::measuring::{cell::Cell, hyper::ANSWER_BYTES, interrupt::Interrupt};

/// What is asked on each stream, and the answer.
#[derive(Clone)]
pub(crate) struct Exchange {
    /// The compressed head of a request.
    pub(crate) head: Vec<u8>,
    /// Its body.
    pub(crate) body: Vec<u8>,
    /// The body of the answer.
    pub(crate) answer: Vec<u8>,
    /// As how many requests it counts.
    pub(crate) requests: u64,
}

/// Short answers to short requests without a body.
pub(crate) fn short() -> Exchange {
    Exchange { head: GET.to_vec(), body: Vec::new(), answer: vec![b'x'; ANSWER_BYTES], requests: 1 }
}

/// What is outstanding on a stream.
struct Outstanding {
    /// When it was sent.
    since: u64,
    /// How many bytes of the answer have come.
    received: usize,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

const ACKNOWLEDGED: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const FRAME_HEAD: usize = 9;
const STATUS_200: u8 = 0x88;
const LARGEST_WINDOW: u32 = i32::MAX as u32;

/// `GET /13`, with `accept: */*`, in names and values of the static table and literals that are not remembered.
const GET: &[u8] = b"\x82\x86\x04\x03/13\x01\x0e127.0.0.1:8080\x0f\x04\x03*/*";

/// A connection, and what is outstanding on it.
struct Connection {
    socket: TcpStream,
    next_stream: u32,
    outstanding: HashMap<u32, Outstanding>,
    received: Vec<u8>,
    to_send: Vec<u8>,
}

pub(crate) struct Connections {
    poller: Poller,
    connections: Vec<Connection>,
    streams: usize,
}

pub(crate) struct Http2(pub(crate) Exchange);

impl Connection {
    /// Has the greeting go out with the first request.
    fn new(socket: TcpStream) -> Self {
        let mut to_send = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let initial_window = [&4u16.to_be_bytes()[..], &LARGEST_WINDOW.to_be_bytes()].concat();
        push_frame(&mut to_send, SETTINGS, 0, 0, &initial_window);
        // The connection's window begins with 64 KiB less one, whatever the settings say.
        push_frame(&mut to_send, WINDOW_UPDATE, 0, 0, &(LARGEST_WINDOW - 0xffff).to_be_bytes());
        Self { socket, next_stream: 1, outstanding: HashMap::new(), received: Vec::new(), to_send }
    }

    fn ask(&mut self, exchange: &Exchange, now: u64) {
        let end = if exchange.body.is_empty() { END_STREAM } else { 0 };
        push_frame(&mut self.to_send, HEADERS, end | END_HEADERS, self.next_stream, &exchange.head);
        if !exchange.body.is_empty() {
            push_frame(&mut self.to_send, DATA, END_STREAM, self.next_stream, &exchange.body);
        }
        self.outstanding.insert(self.next_stream, Outstanding { since: now, received: 0 });
        self.next_stream += 2;
    }

    fn send(&mut self) -> anyhow::Result<()> {
        while !self.to_send.is_empty() {
            match self.socket.write(&self.to_send) {
                Ok(count) => drop(self.to_send.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Takes what has come, and gives when each request was sent that is answered now.
    fn receive(&mut self, exchange: &Exchange) -> anyhow::Result<Vec<u64>> {
        let mut piece = [0; 64 * 1024];
        loop {
            match self.socket.read(&mut piece) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(count) => self.received.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        let (mut answered, mut used) = (Vec::new(), 0);
        while let Some(frame) = Frame::at(&self.received[used..]) {
            used += FRAME_HEAD + frame.payload.len();
            match frame.kind {
                HEADERS | DATA => {
                    let Some(outstanding) = self.outstanding.get_mut(&frame.stream) else {
                        bail!("an answer to what was not asked");
                    };
                    if frame.kind == DATA {
                        let from = outstanding.received;
                        outstanding.received += frame.payload.len();
                        let expected = exchange.answer.get(from..outstanding.received);
                        ensure!(expected == Some(frame.payload), "other bytes than there should be");
                    } else {
                        ensure!(frame.flags & END_HEADERS != 0, "an answer's head in several frames");
                        // A change of the table's size comes before everything else.
                        let status = frame.payload.iter().find(|byte| !(0x20..0x40).contains(*byte));
                        let is_head = outstanding.received == 0;
                        ensure!(!is_head || status == Some(&STATUS_200), "an answer that is not 200");
                    }
                    if frame.flags & END_STREAM != 0 {
                        ensure!(outstanding.received == exchange.answer.len(), "an answer that is too short");
                        answered.push(outstanding.since);
                        self.outstanding.remove(&frame.stream);
                    }
                }
                SETTINGS | PING if frame.flags & ACKNOWLEDGED == 0 => {
                    let payload = if frame.kind == PING { frame.payload } else { &[] };
                    push_frame(&mut self.to_send, frame.kind, ACKNOWLEDGED, 0, payload);
                }
                SETTINGS | PING | WINDOW_UPDATE => {}
                kind => bail!("a frame of kind {kind}"),
            }
        }
        self.received.drain(..used);
        Ok(answered)
    }
}

struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the beginning, once all of it is there.
    fn at(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<FRAME_HEAD>()?;
        let [high, middle, low, kind, flags, stream @ ..] = *head;
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        let payload = rest.get(..length)?;
        Some(Self { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }
}

fn push_frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
}

impl Load for Http2 {
    type Connections = Connections;

    fn open(&mut self, server: SocketAddr, cell: Cell, interrupt: &Interrupt) -> anyhow::Result<Connections> {
        let poller = Poller::new()?;
        let mut connections = Vec::with_capacity(cell.connections);
        for place in 0..cell.connections {
            interrupt.check()?;
            let socket = connect(server)?;
            socket.set_nonblocking(true)?;
            let mut socket = TcpStream::from_std(socket);
            poller.add(&mut socket, place)?;
            connections.push(Connection::new(socket));
        }
        let mut connections = Connections { poller, connections, streams: cell.size };
        // One answer for each stream, so that a server which gives others fails here.
        self.drive(&mut connections, Duration::ZERO, &mut Histogram::new(3)?, interrupt)?;
        Ok(connections)
    }

    fn drive(
        &mut self,
        connections: &mut Connections,
        slice: Duration,
        latencies: &mut Histogram<u64>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Served> {
        let Connections { poller, connections, streams } = connections;
        let start = Instant::now();
        let slice = nanoseconds(slice);
        let (mut requests, mut last_answer) = (0, 0);
        for connection in &mut *connections {
            let now = nanoseconds(start.elapsed());
            (0..*streams).for_each(|_| connection.ask(&self.0, now));
            connection.send()?;
        }
        let mut outstanding = *streams * connections.len();
        while outstanding > 0 {
            for place in poller.wait(interrupt)? {
                let connection = &mut connections[place];
                let answered = connection.receive(&self.0)?;
                let now = nanoseconds(start.elapsed());
                for sent_at in answered {
                    latencies.saturating_record(now - sent_at);
                    requests += self.0.requests;
                    last_answer = now;
                    if now < slice {
                        connection.ask(&self.0, now);
                    } else {
                        outstanding -= 1;
                    }
                }
                connection.send()?;
            }
        }
        Ok(Served { requests, elapsed: Duration::from_nanos(last_answer) })
    }

    fn forget(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

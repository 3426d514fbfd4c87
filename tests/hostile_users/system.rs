//! Futures that wait for the operating system: sockets, files, datagrams, descriptors and signals.

use crate::{
    futures::{Ended, act_sometimes, finish},
    mischief::maybe,
    values::Value,
    world::World,
};
use anyio::{
    Error, fs,
    net::{ConnectedUnixDatagram, TcpListener, TcpStream, UdpSocket, UnixStream},
    signal::{self, Signal},
};
use std::{os::fd::AsFd, rc::Rc};

pub(crate) async fn sockets(w: Rc<World>) -> Ended {
    let (one, other) = UnixStream::pair()?;
    let _value = Value::new();
    match w.below(4) {
        0 => {
            // More than fits into the socket.
            let size = 1 << 20;
            let sent = async {
                let (result, _buffer) = one.send_buf(vec![7; size]).await;
                drop(other);
                result
            };
            sent.await?;
        }
        1 => {
            let received = async {
                let (result, _buffer) = one.receive_into(vec![0; 4096]).await;
                result
            };
            if w.below(2) == 0 {
                other.send("x").await?;
            }
            received.await?;
        }
        2 => {
            other.send(vec![1; 300]).await?;
            other.send_eof().await?;
            act_sometimes(&w);
            while let Some(chunk) = one.receive().await? {
                maybe();
                drop(chunk);
            }
            one.close().await?;
        }
        _ => {
            let (receive, send) = one.split();
            drop(send);
            drop(receive.receive().await?);
        }
    }
    finish(&w)
}

pub(crate) async fn connection(w: Rc<World>) -> Ended {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    if w.below(3) == 0 {
        drop(listener.accept().await?);
    }
    act_sometimes(&w);
    let client = TcpStream::connect(address).await?;
    if w.below(2) == 0 {
        let server = listener.accept().await?;
        server.send("hello").await?;
        drop(client.receive().await?);
    }
    finish(&w)
}

pub(crate) async fn file(w: Rc<World>) -> Ended {
    match w.below(3) {
        0 => drop(fs::read("/proc/self/stat").await?),
        1 => {
            let file = fs::File::open("/dev/null").await?;
            act_sometimes(&w);
            let _ = file.read_at(vec![0; 100], 0).await.0?;
            file.close().await?;
        }
        _ => {
            let file = fs::File::open("/dev/zero").await?;
            let _ = file.read_at(vec![0; 70_000], 0).await.0?;
        }
    }
    finish(&w)
}

pub(crate) async fn datagrams(w: Rc<World>) -> Ended {
    match w.below(3) {
        0 => {
            let one = UdpSocket::bind("127.0.0.1:0").await?;
            let other = UdpSocket::bind("127.0.0.1:0").await?;
            let to = one.local_addr()?;
            for _ in 0..w.below(4) {
                other.send_to("datagram", to).await?;
            }
            act_sometimes(&w);
            drop(one.receive().await?);
            maybe();
            drop(one.receive().await?);
        }
        1 => {
            let (one, other) = ConnectedUnixDatagram::pair()?;
            if w.below(2) == 0 {
                other.send(vec![1; 100]).await?;
                other.send("another").await?;
            }
            act_sometimes(&w);
            drop(one.receive().await?);
            one.close().await?;
        }
        _ => {
            // More than the peer's queue takes.
            let (one, other) = ConnectedUnixDatagram::pair()?;
            let _value = Value::new();
            for _ in 0..2000 {
                one.send(vec![0; 1000]).await?;
            }
            drop(other);
        }
    }
    finish(&w)
}

pub(crate) async fn passing(w: Rc<World>) -> Ended {
    let _value = Value::new();
    let sends = w.below(3) > 0;
    if w.below(2) == 0 {
        let (one, other) = UnixStream::pair()?;
        if sends {
            one.send_fds("x", &[one.as_fd(), other.as_fd()]).await?;
        }
        act_sometimes(&w);
        drop(other.receive_fds(10, 1 + w.below(4)).await?);
        maybe();
        drop(other.receive().await?);
    } else {
        let (one, other) = ConnectedUnixDatagram::pair()?;
        if sends {
            one.send_fds("x", &[one.as_fd()]).await?;
            one.send_fds("x", &[other.as_fd()]).await?;
        }
        act_sometimes(&w);
        drop(other.receive_fds().await?);
        maybe();
        drop(other.receive().await?);
    }
    finish(&w)
}

pub(crate) async fn signals(w: Rc<World>) -> Ended {
    let receiver = signal::receiver(&[Signal::SIGUSR2]).map_err(Error::from)?;
    if w.below(2) == 0 {
        // SAFETY: raising a signal is always sound, and while there is a receiver this one ends nothing.
        unsafe { libc::raise(libc::SIGUSR2) };
    }
    act_sometimes(&w);
    receiver.receive().await?;
    maybe();
    receiver.receive().await?;
    finish(&w)
}

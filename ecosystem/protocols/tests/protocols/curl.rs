//! libcurl's multi interface: it says which sockets it waits for, and is told when they are ready.

use anyio::{
    Error, Result, fail_after,
    lowlevel::{wait_readable, wait_writable},
    move_on_after,
    net::{TcpListener, TcpStream},
    task_group,
};
use curl::{
    easy::{Easy2, Handler, WriteError},
    multi::{Easy2Handle, Events, Multi, Socket},
};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    os::fd::BorrowedFd,
    sync::{Arc, Mutex},
    time::Duration,
};

/// What a transfer has brought.
#[derive(Default)]
struct Received(Vec<u8>);

impl Handler for Received {
    fn write(&mut self, data: &[u8]) -> std::result::Result<usize, WriteError> {
        self.0.extend_from_slice(data);
        Ok(data.len())
    }
}

/// What libcurl wants to be told.
#[derive(Default)]
struct Wishes {
    /// For each socket, whether it is to be readable, and to be writable.
    sockets: HashMap<Socket, (bool, bool)>,
    timeout: Option<Duration>,
}

/// Waits for one socket in the way that libcurl asked for.
async fn ready(socket: Socket, reading: bool, writing: bool) -> Result<Events> {
    // SAFETY: libcurl has the socket open as long as it asks for it.
    let descriptor = unsafe { BorrowedFd::borrow_raw(socket) };
    let mut events = Events::new();
    let seen = Cell::new((false, false));
    task_group(async |tg| -> Result<()> {
        if reading {
            tg.start_soon(async {
                wait_readable(descriptor).await?;
                seen.set((true, seen.get().1));
                tg.cancel();
                Ok(())
            });
        }
        if writing {
            tg.start_soon(async {
                wait_writable(descriptor).await?;
                seen.set((seen.get().0, true));
                tg.cancel();
                Ok(())
            });
        }
        Ok(())
    })
    .await?;
    events.input(seen.get().0);
    events.output(seen.get().1);
    Ok(events)
}

/// Drives transfers until all are done.
async fn drive(multi: &Multi, wishes: &Mutex<Wishes>) -> Result<()> {
    let failed = |error: curl::MultiError| Error::Io(std::io::Error::other(error.to_string()));
    let mut running = multi.timeout().map_err(failed)?;
    while running > 0 {
        let (sockets, timeout) = {
            let wishes = wishes.lock().unwrap();
            (wishes.sockets.clone(), wishes.timeout.unwrap_or(Duration::from_secs(60)))
        };
        let happened = RefCell::new(Vec::new());
        move_on_after(timeout, async {
            task_group(async |tg| -> Result<()> {
                for (&socket, &(reading, writing)) in &sockets {
                    let happened = &happened;
                    tg.start_soon(async move {
                        let events = ready(socket, reading, writing).await?;
                        happened.borrow_mut().push((socket, events));
                        tg.cancel();
                        Ok(())
                    });
                }
                if sockets.is_empty() {
                    return Err(anyio::sleep_forever().await.into());
                }
                Ok(())
            })
            .await?;
            anyio::Ok(())
        })
        .await?;
        running = match happened.into_inner() {
            happened if happened.is_empty() => multi.timeout().map_err(failed)?,
            happened => {
                let mut running = running;
                for (socket, events) in happened {
                    running = multi.action(socket, &events).map_err(failed)?;
                }
                running
            }
        };
    }
    Ok(())
}

/// Answers one request of a connection after the other, each with the path that was asked for, many times.
async fn answer(stream: TcpStream) -> Result<()> {
    let mut request = Vec::new();
    while let Some(chunk) = stream.receive().await? {
        request.extend_from_slice(&chunk);
        let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&request[..end]).into_owned();
        request.drain(..end + 4);
        let path = text.split(' ').nth(1).unwrap_or("/").to_owned();
        let body = path.repeat(20_000);
        stream.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await?;
    }
    Ok(())
}

#[anyio::test]
async fn transfers_of_libcurl_are_driven_by_readiness() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let wishes = Arc::new(Mutex::new(Wishes::default()));
    let mut multi = Multi::new();
    let seen = wishes.clone();
    multi
        .socket_function(move |socket, events, _| {
            let mut wishes = seen.lock().unwrap();
            if events.remove() {
                wishes.sockets.remove(&socket);
            } else {
                wishes.sockets.insert(socket, (events.input(), events.output()));
            }
        })
        .unwrap();
    let seen = wishes.clone();
    multi
        .timer_function(move |timeout| {
            seen.lock().unwrap().timeout = timeout;
            true
        })
        .unwrap();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            listener.serve(answer).await.map(drop).map_err(Error::from)?;
            Ok(())
        });
        let mut transfers: Vec<Easy2Handle<Received>> = Vec::new();
        for number in 0..20 {
            let mut easy = Easy2::new(Received::default());
            easy.url(&format!("http://{address}/{number}")).unwrap();
            easy.noproxy("*").unwrap();
            transfers.push(multi.add2(easy).unwrap());
        }
        fail_after(Duration::from_secs(60), drive(&multi, &wishes)).await?;
        for (number, transfer) in transfers.into_iter().enumerate() {
            let easy = multi.remove2(transfer).unwrap();
            assert_eq!(easy.response_code().unwrap(), 200);
            assert!(
                easy.get_ref().0 == format!("/{number}").repeat(20_000).into_bytes(),
                "transfer {number}"
            );
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

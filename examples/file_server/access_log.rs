//! The access log, in the common log format, on standard output.
//!
//! Lines are gathered and written by a task of their own, so that no connection waits for the terminal. When the reader
//! of the log is too slow, lines are left out and counted.

use crate::status::Status;
use anyio::{Result, shield, sleep, to_thread};
use std::{
    cell::{Cell, RefCell},
    io::Write as _,
    net::IpAddr,
    time::{Duration, SystemTime},
};

/// How often gathered lines are written.
const INTERVAL: Duration = Duration::from_millis(100);

/// How much is gathered at most, in bytes.
const LIMIT: usize = 4 << 20;

pub(crate) struct AccessLog {
    quiet: bool,
    lines: RefCell<Vec<u8>>,
    lost: Cell<usize>,
}

impl AccessLog {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, lines: RefCell::default(), lost: Cell::new(0) }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Notes one request: who asked for what, what the answer was, and how many bytes of content were sent.
    pub(crate) fn note(&self, client: IpAddr, request_line: &[u8], status: Status, bytes: u64) {
        if self.quiet {
            return;
        }
        let mut lines = self.lines.borrow_mut();
        if lines.len() >= LIMIT {
            self.lost.set(self.lost.get() + 1);
            return;
        }
        // What a client sends must not forge lines or move the terminal's cursor.
        let request_line = request_line.escape_ascii();
        let _ = writeln!(
            lines,
            "{client} - - [{}] \"{request_line}\" {} {bytes}",
            moment(SystemTime::now()),
            status.code()
        );
    }

    /// Writes what is gathered, from time to time, until cancelled; the last lines are written even then.
    pub(crate) async fn write_in_background(&self) -> Result<()> {
        loop {
            let slept = sleep(INTERVAL).await;
            shield(self.write_gathered()).await;
            slept?;
        }
    }

    async fn write_gathered(&self) {
        let mut lines = self.lines.take();
        let lost = self.lost.take();
        if lost > 0 {
            lines.extend(format!("({lost} lines of the access log were left out)\n").bytes());
        }
        if lines.is_empty() {
            return;
        }
        // A log that nobody can read any more, or no thread to write it, is no reason to stop serving.
        let written = to_thread::run_sync(move || {
            let mut output = std::io::stdout().lock();
            output.write_all(&lines).and_then(|()| output.flush())
        });
        let _ = written.await;
    }
}

/// A moment as the common log format writes it: `06/Nov/1994:08:49:37 +0000`.
fn moment(time: SystemTime) -> String {
    // `Sun, 06 Nov 1994 08:49:37 GMT`, of fixed width.
    let date = httpdate::fmt_http_date(time);
    format!("{}/{}/{}:{} +0000", &date[5..7], &date[8..11], &date[12..16], &date[17..25])
}

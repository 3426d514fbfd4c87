//! What can be chosen about a server.

use super::{error::ConnectionError, head_limit::HeadLimit};
use crate::HyperTimer;
use hyper::server::conn::{http1, http2};
use std::time::Duration;

#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) handshake_timeout: Option<Duration>,
    pub(super) header_timeout: Option<Duration>,
    pub(super) request_timeout: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) send_timeout: Option<Duration>,
    pub(super) min_send_rate: u64,
    pub(super) keep_alive: Option<(Duration, Duration)>,
    pub(super) max_streams: u32,
    pub(super) extended_connect: bool,
    pub(super) max_header_bytes: u32,
    pub(super) max_body_bytes: Option<u64>,
    pub(super) grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            handshake_timeout: Some(Duration::from_secs(10)),
            header_timeout: Some(Duration::from_secs(30)),
            request_timeout: None,
            idle_timeout: Some(Duration::from_secs(120)),
            send_timeout: Some(Duration::from_secs(60)),
            min_send_rate: 240,
            keep_alive: None,
            max_streams: 200,
            extended_connect: false,
            max_header_bytes: 64 * 1024,
            max_body_bytes: None,
            grace: Duration::from_secs(10),
        }
    }
}

/// How much a client has to take in which time of what is to be sent to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct SendLimit {
    pub(super) time: Duration,
    /// In bytes a second.
    rate: u64,
}

impl SendLimit {
    /// How many bytes have to be taken in that time.
    pub(super) fn least(&self) -> u64 {
        let least = u128::from(self.rate) * self.time.as_millis() / 1000;
        u64::try_from(least).unwrap_or(u64::MAX).max(1)
    }

    /// The error of a client that has taken so many bytes only.
    pub(super) fn missed_with(&self, sent: u64) -> ConnectionError {
        ConnectionError::SendTimeout { sent, least: self.least(), time: self.time }
    }
}

impl Options {
    pub(super) fn send_limit(&self) -> Option<SendLimit> {
        Some(SendLimit { time: self.send_timeout?, rate: self.min_send_rate })
    }

    pub(super) fn http1(&self, heads: &HeadLimit) -> http1::Builder {
        let mut http = http1::Builder::new();
        http.timer(heads.timer())
            .header_read_timeout(self.header_timeout)
            .max_header_size(self.max_header_bytes as usize);
        http
    }

    pub(super) fn http2<X: Clone>(&self, executor: X) -> http2::Builder<X> {
        let mut http = http2::Builder::new(executor);
        http.timer(HyperTimer)
            .max_concurrent_streams(self.max_streams)
            .max_header_list_size(self.max_header_bytes);
        if self.extended_connect {
            http.enable_connect_protocol();
        }
        if let Some((interval, limit)) = self.keep_alive {
            http.keep_alive_interval(interval).keep_alive_timeout(limit);
        }
        http
    }
}

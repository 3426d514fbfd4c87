//! What can be chosen about a server.

use super::head_limit::HeadLimit;
use crate::{GroupExecutor, HyperTimer};
use anyio::Error;
use hyper::server::conn::{http1, http2};
use std::time::Duration;

#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) handshake_timeout: Option<Duration>,
    pub(super) header_timeout: Option<Duration>,
    pub(super) request_timeout: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
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
            keep_alive: None,
            max_streams: 200,
            extended_connect: false,
            max_header_bytes: 64 * 1024,
            max_body_bytes: None,
            grace: Duration::from_secs(10),
        }
    }
}

impl Options {
    pub(super) fn http1(&self, heads: &HeadLimit) -> http1::Builder {
        let mut http = http1::Builder::new();
        http.timer(heads.timer())
            .header_read_timeout(self.header_timeout)
            .max_header_size(self.max_header_bytes as usize);
        http
    }

    pub(super) fn http2<'scope, 'env>(
        &self,
        executor: GroupExecutor<'scope, 'env, Error>,
    ) -> http2::Builder<GroupExecutor<'scope, 'env, Error>> {
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

//! The numbers of a server.

#![cfg(feature = "http")]

use anyio_http::Server;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

#[test]
fn what_a_server_has_counted_is_recorded_under_its_name() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let mut statistics = Server::new().statistics();
        statistics.connections = 3;
        statistics.accepted_requests = 70;
        statistics.timed_out = 2;
        statistics.send_timed_out = 5;
        anyio_metrics::record_server("public", &statistics);
    });
    let recorded = snapshotter.snapshot().into_vec();
    let value = |name: &str, how: Option<&str>| {
        let found = recorded.iter().find(|(key, ..)| {
            let labels: Vec<&str> = key.key().labels().map(metrics::Label::value).collect();
            key.key().name() == name && labels[0] == "public" && how.is_none_or(|how| labels[1] == how)
        });
        match found.unwrap().3 {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(_) => panic!("{name} is no histogram"),
        }
    };
    assert_eq!(value("anyio_http_connections", None), 3.0);
    assert_eq!(value("anyio_http_requests_accepted_total", None), 70.0);
    assert_eq!(value("anyio_http_requests_ended_badly_total", Some("timed_out")), 2.0);
    assert_eq!(value("anyio_http_requests_ended_badly_total", Some("send_timed_out")), 5.0);
}

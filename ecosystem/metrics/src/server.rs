//! What servers of anyio-http count.

use anyio_http::ServerStatistics;
use metrics::{Label, counter, gauge};

/// Gives what a server has counted to the recorder, with the label `server`. To be called again and again, by a task beside the server.
pub fn record_server(name: &str, statistics: &ServerStatistics) {
    let labels = vec![Label::new("server", name.to_owned())];
    gauge!("anyio_http_connections", labels.clone()).set(statistics.connections as f64);
    gauge!("anyio_http_requests", labels.clone()).set(statistics.requests as f64);
    counter!("anyio_http_connections_accepted_total", labels.clone())
        .absolute(statistics.accepted_connections);
    counter!("anyio_http_requests_accepted_total", labels.clone()).absolute(statistics.accepted_requests);
    let ends = [
        ("timed_out", statistics.timed_out),
        ("send_timed_out", statistics.send_timed_out),
        ("cancelled", statistics.cancelled),
        ("failed", statistics.failed),
        ("panicked", statistics.panicked),
    ];
    for (how, count) in ends {
        let mut labels = labels.clone();
        labels.push(Label::from_static_parts("how", how));
        counter!("anyio_http_requests_ended_badly_total", labels).absolute(count);
    }
}

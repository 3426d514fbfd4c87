//! The command as a whole, with loads too short to mean anything.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

const COMMAND: &str = env!("CARGO_BIN_EXE_anyio-benches");

#[test]
fn every_peer_serves_the_load_and_is_compared_with_the_reference() {
    let json = std::env::temp_dir().join(format!("anyio-benches-{}.json", std::process::id()));
    let run = Command::new(COMMAND)
        .args(["echo", "--cells", "3x64,2x40000", "--rounds", "2", "--slice-ms", "10", "--json"])
        .arg(&json)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let results: serde_json::Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    fs::remove_file(&json).unwrap();

    let table = String::from_utf8(run.stdout).unwrap();
    let cells = results["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 2);
    for cell in cells {
        let peers = cell["peers"].as_array().unwrap();
        assert!(peers.len() >= 4);
        for peer in peers {
            assert!(table.contains(peer["peer"].as_str().unwrap()));
            assert_eq!(peer["slices"].as_array().unwrap().len(), 2);
            assert!(peer["slices"][1]["requests"].as_u64().unwrap() >= 2);
            assert!(peer["cpu_to_reference"]["median"].as_f64().unwrap() > 0.0);
            assert!(peer["latency"]["p50"].as_u64().unwrap() > 0);
            assert!(peer["resident_bytes"].as_u64().unwrap() > 0);
        }
        let reference = peers.iter().find(|peer| peer["peer"] == results["reference"]).unwrap();
        assert_eq!(reference["cpu_to_reference"]["max"].as_f64(), Some(1.0));
    }
}

/// Runs a workload with short slices and two peers, and gives what it wrote.
fn measure_requests(workload: &str, arguments: &[&str]) -> serde_json::Value {
    let name = [&[workload], arguments].concat().concat().replace(' ', "-");
    let json = std::env::temp_dir().join(format!("anyio-benches-{name}-{}.json", std::process::id()));
    let run = Command::new(COMMAND)
        .args(workload.split(' '))
        .args(["--rounds", "1", "--slice-ms", "10", "--json"])
        .arg(&json)
        .args(arguments)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let results = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    fs::remove_file(&json).unwrap();
    results
}

fn assert_that_anyio_answered_in_all_cells(results: &serde_json::Value, cells: usize) {
    assert_eq!(results["cells"].as_array().unwrap().len(), cells);
    for cell in results["cells"].as_array().unwrap() {
        assert_eq!(cell["failures"].as_array().unwrap().len(), 0, "{}", cell["failures"]);
        let peers = cell["peers"].as_array().unwrap();
        assert!(peers.iter().any(|peer| peer["peer"] == "anyio-uring"), "{cell}");
        for peer in peers {
            assert!(peer["slices"][0]["requests"].as_u64().unwrap() > 0, "{peer}");
            assert!(peer["cpu_to_reference"]["median"].as_f64().unwrap() > 0.0, "{peer}");
        }
    }
}

#[test]
fn every_peer_answers_http_requests_one_by_one_and_in_a_row() {
    let results = measure_requests("http", &["--cells", "2x1,2x16"]);
    assert_that_anyio_answered_in_all_cells(&results, 2);
    assert!(results["cells"][0]["peers"].as_array().unwrap().len() >= 8);
}

#[test]
fn every_peer_serves_connections_that_come_and_go() {
    let results = measure_requests("accept", &["--cells", "5x64"]);
    assert_that_anyio_answered_in_all_cells(&results, 1);
}

#[test]
fn every_peer_sends_and_receives_in_bulk() {
    let results = measure_requests("stream", &["--quick"]);
    assert_that_anyio_answered_in_all_cells(&results, 2);
}

#[test]
fn tls_is_spoken_in_all_workloads_that_have_it() {
    for (workload, cells) in [
        ("tls echo", "3x64,2x40000"),
        ("tls handshakes", "2x64"),
        ("tls resumptions", "2x64"),
        ("tls stream", "send:1x64K,receive:1x64K"),
    ] {
        let results = measure_requests(workload, &["--cells", cells]);
        assert_that_anyio_answered_in_all_cells(&results, cells.split(',').count());
        let peers = results["cells"][0]["peers"].as_array().unwrap();
        for expected in ["anyio-poll", "tokio", "compio"] {
            assert!(peers.iter().any(|peer| peer["peer"] == expected), "{workload}: {expected}");
        }
    }
}

#[test]
fn handshakes_in_memory_are_full_or_resumed_by_rustls_alone_and_by_streams() {
    let run = Command::new(COMMAND).args(["tls", "bare", "--handshakes", "20"]).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let said = String::from_utf8(run.stdout).unwrap();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    for (line, kind) in lines.iter().zip(["full: rustls alone ", "resumed: rustls alone "]) {
        assert!(line.starts_with(kind) && line.contains("by streams of anyio"), "{line}");
        let ratio = line.rsplit(", ").next().and_then(|end| end.strip_suffix(" of it")).unwrap();
        assert!(ratio.parse::<f64>().unwrap() > 0.5, "{line}");
    }
}

#[test]
fn requests_at_a_fixed_rate_are_all_answered() {
    let cells = ["--cells", "3x64@5000", "--peers", "anyio-uring,anyio-uring-spin"];
    let results = measure_requests("latency", &cells);
    assert_that_anyio_answered_in_all_cells(&results, 1);
    for peer in results["cells"][0]["peers"].as_array().unwrap() {
        // Ten milliseconds of five requests each, and the one that is due at once.
        assert_eq!(peer["slices"][0]["requests"], 51, "{peer}");
        assert!(peer["p99_to_reference"]["median"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn a_cell_that_makes_no_sense_in_a_workload_is_refused() {
    for (workload, cell) in
        [("echo", "1x64@100"), ("http", "1x1000"), ("stream", "1x64K"), ("latency", "1x64")]
    {
        let run = Command::new(COMMAND).args([workload, "--cells", cell]).output().unwrap();
        assert!(!run.status.success(), "{workload} {cell}");
        assert!(String::from_utf8_lossy(&run.stderr).contains(cell));
    }
}

#[test]
fn idle_connections_take_memory() {
    let results =
        measure_idle(&["--connections", "200", "--rounds", "1", "--peers", "anyio-uring,raw-oneshot"]);
    assert_eq!(results["connections"], 200);
    let by_hand =
        &results["peers"].as_array().unwrap().iter().find(|it| it["peer"] == "raw-oneshot").unwrap();
    // It has a buffer of four pages for each connection, of which one at least was used.
    assert!(by_hand["resident_per_connection"]["median"].as_f64().unwrap() >= 4096.0);
}

fn measure_idle(arguments: &[&str]) -> serde_json::Value {
    let json = std::env::temp_dir().join(format!("anyio-benches-idle-{}.json", std::process::id()));
    let run = Command::new(COMMAND).args(["idle", "--json"]).arg(&json).args(arguments).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let results = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    fs::remove_file(&json).unwrap();
    results
}

#[test]
fn a_server_ends_when_its_standard_input_closes() {
    let (mut server, address) = echo_server("raw-epoll");
    let _connection = TcpStream::connect(address).unwrap();
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
}

/// Starts a server, which ends with its standard input.
fn echo_server(peer: &str) -> (Child, SocketAddr) {
    let mut server = Command::new(COMMAND)
        .args(["serve", "echo", peer, "--core", "0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (server, line.trim().parse().unwrap())
}

#[test]
fn much_comes_back_as_it_was_sent() {
    let sent: Vec<u8> =
        (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for peer in ["anyio-uring", "raw-oneshot", "raw-multishot", "raw-direct", "raw-bundle", "raw-epoll"] {
        let (mut server, address) = echo_server(peer);
        let connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let received = thread::scope(|threads| {
            threads.spawn(|| {
                (&connection).write_all(&sent).unwrap();
                connection.shutdown(Shutdown::Write).unwrap();
            });
            let mut received = Vec::new();
            let mut piece = vec![0; 1 << 16];
            loop {
                match (&connection).read(&mut piece).unwrap() {
                    0 => return received,
                    length => received.extend_from_slice(&piece[..length]),
                }
            }
        });
        assert!(received == sent, "{peer}: {} bytes of {} came back", received.len(), sent.len());
        drop(server.stdin.take());
        assert!(server.wait().unwrap().success());
    }
}

#[test]
fn an_unknown_peer_is_refused_with_the_names_there_are() {
    let run = Command::new(COMMAND).args(["echo", "--peers", "nobody"]).output().unwrap();
    assert!(!run.status.success());
    assert!(String::from_utf8_lossy(&run.stderr).contains("tokio"));
}

/// Runs a workload of rows and gives what it wrote.
fn measure_rows(workload: &str, arguments: &[&str]) -> serde_json::Value {
    let json = std::env::temp_dir().join(format!("anyio-benches-{workload}-{}.json", std::process::id()));
    let run = Command::new(COMMAND)
        .args([workload, "--rounds", "2", "--thin", "1000", "--json"])
        .arg(&json)
        .args(arguments)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let results = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    fs::remove_file(&json).unwrap();
    results
}

fn assert_that_all_peers_did_all_rows(results: &serde_json::Value) {
    for row in results["rows"].as_array().unwrap() {
        assert_eq!(row["failures"].as_array().unwrap().len(), 0, "{row}");
        let peers = row["peers"].as_array().unwrap();
        assert!(peers.iter().any(|peer| peer["peer"] == "anyio-uring"), "{row}");
        for peer in peers {
            assert_eq!(peer["turns"].as_array().unwrap().len(), 2);
            assert!(peer["cpu_to_reference"]["median"].as_f64().unwrap() > 0.0);
            assert!(peer["elapsed_to_reference"]["median"].as_f64().unwrap() > 0.0);
        }
    }
}

#[test]
fn every_peer_does_its_rows_of_tasks() {
    let results = measure_rows("tasks", &[]);
    assert!(results["rows"].as_array().unwrap().len() >= 15);
    assert_that_all_peers_did_all_rows(&results);
}

#[test]
fn every_peer_does_its_rows_of_cancel() {
    let results = measure_rows("cancel", &[]);
    assert!(results["rows"].as_array().unwrap().len() >= 8);
    assert_that_all_peers_did_all_rows(&results);
}

#[test]
fn servers_on_all_cores_are_compared_with_tokio_s_own() {
    let results = measure_requests("echo", &["--all-cores", "--cells", "4x64"]);
    assert_eq!(results["workload"], "echo-all-cores");
    assert_eq!(results["reference"], "tokio-mt");
    assert_that_anyio_answered_in_all_cells(&results, 1);
    let results = measure_requests("echo", &["--all-cores", "--skewed", "--cells", "100x64"]);
    assert_eq!(results["workload"], "echo-skewed");
    assert_that_anyio_answered_in_all_cells(&results, 1);
}

#[test]
fn every_peer_does_its_rows_of_files() {
    let results = measure_rows("files", &["--folder", env!("CARGO_TARGET_TMPDIR")]);
    assert_eq!(results["rows"].as_array().unwrap().len(), 10);
    assert_that_all_peers_did_all_rows(&results);
}

#[test]
fn every_peer_does_its_rows_of_processes() {
    let results = measure_rows("processes", &[]);
    assert_eq!(results["rows"].as_array().unwrap().len(), 2);
    assert_that_all_peers_did_all_rows(&results);
}

//! The command as a whole, with loads too short to mean anything.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
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

#[test]
fn a_server_ends_when_its_standard_input_closes() {
    let mut server = Command::new(COMMAND)
        .args(["serve", "echo", "raw-epoll", "--core", "0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address: SocketAddr = line.trim().parse().unwrap();
    let _connection = TcpStream::connect(address).unwrap();
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
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

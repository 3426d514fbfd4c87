//! The page made from saved measurements.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const COMMAND: &str = env!("CARGO_BIN_EXE_anyio-benches");

/// A folder of this test's own, gone when it ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("anyio-benches-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn measure(workload: &str, json: &Path, arguments: &[&str]) {
    let run = Command::new(COMMAND)
        .args([workload, "--rounds", "1", "--json"])
        .arg(json)
        .args(arguments)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn saved_measurements_of_several_workloads_make_one_page_that_needs_nothing_else() {
    let folder = Folder::new("report");
    let names = ["echo", "tasks", "idle"];
    let files = names.map(|name| folder.file(&format!("{name}.json")));
    let peers = ["--peers", "anyio-uring,tokio"];
    measure("echo", &files[0], &[&peers[..], &["--cells", "1x64,3x64", "--slice-ms", "10"]].concat());
    measure("tasks", &files[1], &[&peers[..], &["--rows", "yield,lock", "--thin", "1000"]].concat());
    measure("idle", &files[2], &[&peers[..], &["--connections", "10"]].concat());

    let run = Command::new(COMMAND)
        .arg("report")
        .arg("--from")
        .args(&files)
        .arg("--to")
        .arg(&folder.0)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));

    let page = fs::read_to_string(folder.file("report.html")).unwrap();
    for name in names {
        assert!(page.contains(&format!("<h2>{name}</h2>")), "{name}");
    }
    let charts =
        ["echo-cpu", "echo-throughput", "echo-latency-3x64", "echo-cpu-64-over-connections", "tasks", "idle"];
    for name in charts {
        let chart = fs::read_to_string(folder.file(&format!("{name}.svg"))).unwrap();
        assert!(chart.contains("anyio-uring") && chart.contains("tokio"), "{name}");
        assert!(page.contains(&chart), "{name} is not in the page");
    }
    // The one address in it names the format of the charts.
    let elsewhere = page.replace("http://www.w3.org/2000/svg", "");
    for foreign in ["http:", "https:", "<script", "<link", "<img", "url("] {
        assert!(!elsewhere.contains(foreign), "{foreign}");
    }
}

#[test]
fn a_measurement_writes_its_page_itself() {
    let folder = Folder::new("own-report");
    let report = folder.file("charts");
    let arguments = ["--peers", "anyio-uring", "--cells", "2x64", "--slice-ms", "10", "--report"];
    measure("echo", &folder.file("echo.json"), &[&arguments[..], &[report.to_str().unwrap()]].concat());
    assert!(report.join("report.html").exists() && report.join("echo-cpu.svg").exists());
}

#[test]
fn a_file_that_is_no_measurement_is_refused_by_name() {
    let folder = Folder::new("no-report");
    let file = folder.file("other.json");
    fs::write(&file, "{}").unwrap();
    let run = Command::new(COMMAND)
        .arg("report")
        .arg("--from")
        .arg(&file)
        .arg("--to")
        .arg(&folder.0)
        .output()
        .unwrap();
    assert!(!run.status.success());
    assert!(String::from_utf8_lossy(&run.stderr).contains("other.json"));
}

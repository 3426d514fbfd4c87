//! Passes the versions locked in the workspace, the compiler's version and the source's revision on to the report's header.

use std::{env, fs, path::PathBuf, process::Command};

fn main() {
    let lock = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    let locked = locked_packages(&fs::read_to_string(&lock).unwrap_or_default());
    println!("cargo::rustc-env=ANYIO_BENCHES_LOCKED={}", locked.join(","));

    let compiler = env::var_os("RUSTC").unwrap();
    let version = Command::new(compiler).arg("--version").output().map(|output| output.stdout);
    let version = String::from_utf8(version.unwrap_or_default()).unwrap_or_default();
    println!("cargo::rustc-env=ANYIO_BENCHES_RUSTC={}", version.trim());
    println!("cargo::rustc-env=ANYIO_BENCHES_PROFILE={}", env::var("PROFILE").unwrap());
    println!("cargo::rustc-env=ANYIO_BENCHES_REVISION={}", revision());
}

/// What git calls the source; nothing if it was not checked out with git.
fn revision() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    // This file grows with each commit and each change of the branch.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    git(&["describe", "--always", "--dirty", "--abbrev=12"]).unwrap_or_default()
}

/// `name version` of each package in the lock file.
fn locked_packages(lock: &str) -> Vec<String> {
    let value = |line: &str, key: &str| {
        line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"').map(str::to_owned)
    };
    let mut packages = Vec::new();
    let mut name = String::new();
    for line in lock.lines() {
        if let Some(found) = value(line, "name") {
            name = found;
        } else if let Some(version) = value(line, "version") {
            packages.push(format!("{name} {version}"));
        }
    }
    packages
}

//! A file server that runs as long as a test needs it.

use crate::client::Client;
use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
};
use tempfile::TempDir;

/// A running server with a folder of its own.
pub(crate) struct Server {
    child: Option<Child>,
    output: Option<BufReader<ChildStdout>>,
    address: SocketAddr,
    folder: TempDir,
}

impl Server {
    /// Starts a server on the test's back end with an empty folder.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(tempfile::tempdir().unwrap(), arguments)
    }

    /// The same with its folder in another.
    pub(crate) fn start_in(parent: &str, arguments: &[&str]) -> Self {
        Self::start_with(tempfile::tempdir_in(parent).unwrap(), arguments)
    }

    fn start_with(folder: TempDir, arguments: &[&str]) -> Self {
        let backend = anyio::current_backend().unwrap().to_string();
        let mut child = command()
            .args(["--port", "0", "--backend", &backend])
            .arg(folder.path())
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim().rsplit("://").next().unwrap().parse().expect("the address it listens on");
        Self { child: Some(child), output: Some(output), address, folder }
    }

    /// The path of something in the server's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file into the server's folder.
    pub(crate) fn put(&self, name: &str, contents: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), contents).unwrap();
    }

    /// Makes a folder in the server's folder.
    pub(crate) fn make_folder(&self, name: &str) {
        std::fs::create_dir_all(self.path(name)).unwrap();
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    fn number(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: the process has not been waited for, so its number is its own.
        assert_eq!(unsafe { libc::kill(self.number().cast_signed(), signal) }, 0);
    }

    /// How many descriptors the server has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.number())).unwrap().count()
    }

    /// Waits for the server to end. Gives its status and what it has written.
    pub(crate) async fn wait(mut self) -> (ExitStatus, String) {
        let (mut child, mut output) = (self.child.take().unwrap(), self.output.take().unwrap());
        anyio::to_thread::run_sync(move || {
            let mut text = String::new();
            output.read_to_string(&mut text).unwrap();
            (child.wait().unwrap(), text)
        })
        .await
        .unwrap()
    }

    /// Stops the server and gives what it has written.
    pub(crate) async fn stop(self) -> String {
        self.signal(libc::SIGTERM);
        let (status, text) = self.wait().await;
        assert!(status.success(), "{status}");
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// The server's program.
pub(crate) fn command() -> Command {
    example("file_server")
}

/// The program of an example, which `cargo test` builds along with the tests.
pub(crate) fn example(name: &str) -> Command {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(program.exists(), "the example is not built; `cargo build --examples` does it");
    Command::new(program)
}

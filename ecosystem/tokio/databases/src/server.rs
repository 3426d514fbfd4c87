//! A server with a folder and a port of its own.

use anyio::testing::free_tcp_port;
use std::{
    env, fs, io,
    net::TcpStream,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a server may take to begin.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server, until this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Server {
    /// PostgreSQL with the user and database `postgres`, open to everybody on the loopback interface; or `None`, with a message
    /// on the standard error, where it is not installed.
    ///
    /// # Errors
    /// If it is installed, and does not begin.
    pub fn postgres() -> io::Result<Option<Self>> {
        let Some((initdb, postgres)) = find("initdb").zip(find("postgres")) else {
            return Ok(left_out("postgresql"));
        };
        let folder = tempfile::tempdir()?;
        let user = user_for("postgres", folder.path())?;
        let data = folder.path().join("data");
        let made = as_user(&mut Command::new(initdb), user)
            .args([
                "--username=postgres",
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C",
                "--pgdata",
            ])
            .arg(&data)
            .stdout(Stdio::null())
            .output()?;
        if !made.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
        }
        let port = free_tcp_port()?;
        let mut command = Command::new(postgres);
        as_user(&mut command, user)
            .args(["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-p", &port.to_string(), "-k"])
            .arg(folder.path())
            .arg("-D")
            .arg(&data);
        // It listens before it serves, and says in this file when it does.
        let is_ready =
            || fs::read_to_string(data.join("postmaster.pid")).is_ok_and(|text| text.contains("ready"));
        Self::start(command, port, folder, is_ready).map(Some)
    }

    /// Redis, on the loopback interface and on the socket `redis` in its [folder](Self::folder); or `None`, with a message on the
    /// standard error, where it is not installed.
    ///
    /// # Errors
    /// If it is installed, and does not begin.
    pub fn redis() -> io::Result<Option<Self>> {
        let Some(redis) = find("redis-server") else { return Ok(left_out("redis-server")) };
        let (folder, port) = (tempfile::tempdir()?, free_tcp_port()?);
        let mut command = Command::new(redis);
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string(), "--dir"])
            .arg(folder.path());
        command.arg("--unixsocket").arg(folder.path().join("redis"));
        Self::start(command, port, folder, || TcpStream::connect(("127.0.0.1", port)).is_ok()).map(Some)
    }

    fn start(
        mut command: Command,
        port: u16,
        folder: TempDir,
        is_ready: impl Fn() -> bool,
    ) -> io::Result<Self> {
        let log = fs::File::create(folder.path().join("log"))?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut server = Self { child, port, folder };
        let end = Instant::now() + PATIENCE;
        while !is_ready() {
            if server.child.try_wait()?.is_some() || Instant::now() > end {
                return Err(io::Error::other(fs::read_to_string(server.folder.path().join("log"))?));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// The port on 127.0.0.1 on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder in which its sockets are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // With PostgreSQL's processes at once, and Redis' as well.
        // SAFETY: the child has not been waited for.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGQUIT) };
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        // What cannot be killed has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn left_out<T>(package: &str) -> Option<T> {
    eprintln!("left out: {package} is not installed here");
    None
}

/// A program in the path, or where Debian has PostgreSQL's.
fn find(program: &str) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    folders.into_iter().map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// PostgreSQL refuses to be run by root. Gives the user that it has of its own, who gets the folder, or `None` if this is
/// not root.
fn user_for(name: &str, folder: &Path) -> io::Result<Option<(u32, u32)>> {
    // SAFETY: the call only asks.
    if unsafe { libc::geteuid() } != 0 {
        return Ok(None);
    }
    let ask = |option| -> io::Result<u32> {
        let told = Command::new("id").args([option, name]).output()?;
        String::from_utf8_lossy(&told.stdout)
            .trim()
            .parse()
            .map_err(|_| io::Error::other(format!("there is no user {name}, and root cannot run it")))
    };
    let user = (ask("-u")?, ask("-g")?);
    chown(folder, Some(user.0), Some(user.1))?;
    Ok(Some(user))
}

fn as_user(command: &mut Command, user: Option<(u32, u32)>) -> &mut Command {
    match user {
        Some((user, group)) => command.uid(user).gid(group).current_dir("/"),
        None => command,
    }
}

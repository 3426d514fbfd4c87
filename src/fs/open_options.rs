//! How a file is to be opened.

use super::{
    File,
    direct::DIRECT,
    fifo,
    operations::{OnPath, c_path},
};
use crate::{
    error::{Error, Result},
    runtime::{Descriptor, Operation, Refusal},
};
use libc::c_int;
use std::{ffi::CString, io, path::Path};

/// How a file is to be opened, like [`std::fs::OpenOptions`].
///
/// ```
/// use anyio::{Result, fs::OpenOptions};
///
/// # anyio::run(async || -> Result<()> {
/// # let folder = std::env::temp_dir().join(format!("anyio-options-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("log");
/// let mut log = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).await?;
/// log.write_all("one line\n").await.0?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    direct: bool,
    mode: u32,
    custom_flags: c_int,
}

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// [`Error::Io`] if the system refuses.
    ///
    /// # Cancel safety
    /// As for [`OpenOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        OpenOptions::new().read(true).open(path).await
    }

    /// Opens a file for writing: makes it if it is not there, empties it if it is.
    ///
    /// # Errors
    /// [`Error::Io`] if the system refuses.
    ///
    /// # Cancel safety
    /// As for [`OpenOptions::open`].
    pub async fn create(path: impl AsRef<Path>) -> Result<Self> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path).await
    }

    /// Makes a file, which must not be there before, for reading and writing.
    ///
    /// # Errors
    /// [`Error::Io`] if the system refuses.
    ///
    /// # Cancel safety
    /// As for [`OpenOptions::open`].
    pub async fn create_new(path: impl AsRef<Path>) -> Result<Self> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path).await
    }

    /// All the ways of opening a file.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }
}

impl OpenOptions {
    /// Nothing is chosen yet; a file that is created gets the mode 0o666 without the bits of the process's mask.
    pub fn new() -> Self {
        Self {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            direct: false,
            mode: 0o666,
            custom_flags: 0,
        }
    }

    /// Whether the file can be read.
    pub fn read(&mut self, read: bool) -> &mut Self {
        self.read = read;
        self
    }

    /// Whether the file can be written.
    pub fn write(&mut self, write: bool) -> &mut Self {
        self.write = write;
        self
    }

    /// Whether all that is written goes to the end of the file, wherever that is by then.
    pub fn append(&mut self, append: bool) -> &mut Self {
        self.append = append;
        self
    }

    /// Whether the file is emptied. It has to be opened for writing.
    pub fn truncate(&mut self, truncate: bool) -> &mut Self {
        self.truncate = truncate;
        self
    }

    /// Whether the file is made if it is not there. It has to be opened for writing or appending.
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.create = create;
        self
    }

    /// Whether the file is made and must not be there before, not even as a link that leads nowhere.
    pub fn create_new(&mut self, create_new: bool) -> &mut Self {
        self.create_new = create_new;
        self
    }

    /// Whether reading and writing goes past the page cache (`O_DIRECT`). Buffers, positions and lengths must then be
    /// multiples of what the device asks for.
    pub fn direct(&mut self, direct: bool) -> &mut Self {
        self.direct = direct;
        self
    }

    /// The mode of a file that is made, from which the bits of the process's mask are taken.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = mode;
        self
    }

    /// More `O_…` flags. Those for reading and writing are ignored here.
    pub fn custom_flags(&mut self, flags: c_int) -> &mut Self {
        self.custom_flags = flags;
        self
    }

    /// Opens the file. A named pipe waits for somebody to open its other end, as the system has it, unless the flags
    /// have `O_NONBLOCK` or it is opened for both.
    ///
    /// # Errors
    /// [`Error::Io`] if the system refuses, or if the options contradict each other. [`Error::Unsupported`] for direct
    /// access where the host has none.
    ///
    /// # Cancel safety
    /// A file that was opened although a cancellation was on its way is given. A file that nobody waits for any more
    /// is closed.
    pub async fn open(&self, path: impl AsRef<Path>) -> Result<File> {
        self.open_path(path.as_ref()).await
    }

    async fn open_path(&self, path: &Path) -> Result<File> {
        let flags =
            self.flags()?.ok_or_else(|| Error::of_operation(contradiction(), "open", path.display()))?;
        let name = c_path(path, "open")?;
        let unwaiting = fifo::without_waiting(&name, flags);
        let mut answer = self.ask_driver(name.clone(), unwaiting).await;
        if unwaiting != flags && fifo::has_vanished(&answer) {
            answer = self.ask_driver(name.clone(), flags).await;
        }
        if fifo::has_to_wait(&answer, &name, flags).await {
            let opened = fifo::wait(answer.ok(), path, flags).await?;
            let descriptor = opened.map_err(|error| Error::of_operation(error, "open", path.display()))?;
            return Ok(File::of_path(descriptor, path, flags));
        }
        let descriptor = answer.map_err(|refusal| refusal.on("open", path.display()))?;
        Ok(File::of_path(descriptor, path, flags))
    }

    async fn ask_driver(&self, path: CString, flags: c_int) -> Result<Descriptor, Refusal> {
        let open = OnPath::Open { path, flags, mode: self.mode as libc::mode_t };
        Operation::new(open).await.map(|number| {
            // SAFETY: the operation has opened this descriptor for us.
            unsafe { Descriptor::from_answer(number) }
        })
    }

    /// The flags for the system, or `None` if the options contradict each other.
    fn flags(&self) -> Result<Option<c_int>> {
        let access = match (self.read, self.write, self.append) {
            (true, false, false) => libc::O_RDONLY,
            (false, true, false) => libc::O_WRONLY,
            (true, true, false) => libc::O_RDWR,
            (false, _, true) => libc::O_WRONLY | libc::O_APPEND,
            (true, _, true) => libc::O_RDWR | libc::O_APPEND,
            (false, false, false) => return Ok(None),
        };
        let writes = self.write || self.append;
        if (!writes && (self.truncate || self.create || self.create_new))
            || (self.append && self.truncate && !self.create_new)
        {
            return Ok(None);
        }
        let creation = match (self.create, self.truncate, self.create_new) {
            (_, _, true) => libc::O_CREAT | libc::O_EXCL,
            (true, true, false) => libc::O_CREAT | libc::O_TRUNC,
            (true, false, false) => libc::O_CREAT,
            (false, true, false) => libc::O_TRUNC,
            (false, false, false) => 0,
        };
        let direct = match (self.direct, DIRECT) {
            (false, _) => 0,
            (true, Some(flag)) => flag,
            (true, None) => return Err(Error::Unsupported("direct access to files")),
        };
        Ok(Some(access | creation | direct | (self.custom_flags & !libc::O_ACCMODE)))
    }
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

fn contradiction() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "these options cannot be combined")
}

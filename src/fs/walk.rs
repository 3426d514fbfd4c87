//! Walking through trees of folders.

use super::{DirEntry, FileType, checkpoint::checkpoint};
use crate::{
    error::{Error, Result},
    to_thread,
};
use std::{
    collections::VecDeque,
    fmt, fs,
    future::{Future, poll_fn},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::Poll,
};

/// Walks through a folder and those below it. A folder comes before what is in it; otherwise there is no order.
///
/// ```
/// use anyio::{Result, fs};
///
/// # anyio::run(async || -> Result<()> {
/// let mut walk = fs::walk("/etc").max_depth(1);
/// while let Some(entry) = walk.next().await? {
///     assert!(entry.path().starts_with("/etc"));
/// }
/// # Ok(()) }).unwrap();
/// ```
pub fn walk(root: impl AsRef<Path>) -> Walk {
    Walk {
        options: Options { max_depth: usize::MAX, follow_links: false },
        concurrency: 8,
        waiting: vec![Folder { path: root.as_ref().into(), depth: 0, ancestors: None }],
        running: Vec::new(),
        ready: VecDeque::new(),
    }
}

/// The entries of a tree of folders, several of which are read at a time. Made by [`walk`].
pub struct Walk {
    options: Options,
    concurrency: usize,
    waiting: Vec<Folder>,
    /// Folders that are being read.
    running: Vec<(Folder, Reading)>,
    ready: VecDeque<Result<WalkEntry>>,
}

type Reading = Pin<Box<dyn Future<Output = Result<Read>>>>;

#[derive(Debug, Clone, Copy)]
struct Options {
    max_depth: usize,
    follow_links: bool,
}

/// A folder to be read.
#[derive(Clone)]
struct Folder {
    path: Arc<Path>,
    depth: usize,
    ancestors: Option<Arc<Ancestor>>,
}

/// A folder on the way from the root, by device and inode, so that links cannot lead in circles.
struct Ancestor {
    identity: (u64, u64),
    above: Option<Arc<Ancestor>>,
}

/// What was found in a folder.
struct Read {
    entries: Vec<io::Result<WalkEntry>>,
    folders: Vec<Folder>,
}

/// Something in a tree of folders.
#[derive(Debug, Clone)]
pub struct WalkEntry {
    entry: DirEntry,
    depth: usize,
}

impl WalkEntry {
    /// The root as it was given, with the way to this.
    pub fn path(&self) -> PathBuf {
        self.entry.path()
    }

    /// What kind of thing it is. Links are links, also where they are followed.
    pub fn file_type(&self) -> FileType {
        self.entry.file_type()
    }

    /// How far below the root it is: 1 for what is in the root itself.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The entry in its folder.
    pub fn entry(&self) -> &DirEntry {
        &self.entry
    }
}

impl Walk {
    /// How far below the root to go; 1 for what is in the root itself. All the way by default.
    #[must_use]
    pub fn max_depth(mut self, depth: usize) -> Self {
        self.options.max_depth = depth;
        self
    }

    /// Whether links to folders are walked into. A link to a folder on the way to it is not. No by default.
    #[must_use]
    pub fn follow_links(mut self, follow: bool) -> Self {
        self.options.follow_links = follow;
        self
    }

    /// How many folders are read at a time, at least one. 8 by default.
    #[must_use]
    pub fn concurrency(mut self, folders: usize) -> Self {
        self.concurrency = folders.max(1);
        self
    }

    /// The next entry, or `None` when all have been given.
    ///
    /// # Errors
    /// A cancellation. [`Error::Io`] if a folder cannot be read; the walk can be continued without it.
    ///
    /// # Cancel safety
    /// A folder that was being read when a cancellation came is read again by the next call; no entry is lost. After
    /// the future was dropped nothing is lost either.
    pub async fn next(&mut self) -> Result<Option<WalkEntry>> {
        checkpoint().await?;
        poll_fn(|cx| {
            loop {
                if let Some(entry) = self.ready.pop_front() {
                    return Poll::Ready(entry.map(Some));
                }
                self.start();
                if self.running.is_empty() {
                    return Poll::Ready(Ok(None));
                }
                let mut cancelled = None;
                let mut place = 0;
                let before = self.running.len();
                while place < self.running.len() {
                    let Poll::Ready(read) = self.running[place].1.as_mut().poll(cx) else {
                        place += 1;
                        continue;
                    };
                    let (folder, _) = self.running.swap_remove(place);
                    match read {
                        Ok(read) => self.take(&folder, read),
                        Err(error) => {
                            self.waiting.push(folder);
                            cancelled = cancelled.or(Some(error));
                        }
                    }
                }
                if let Some(error) = cancelled {
                    return Poll::Ready(Err(error));
                }
                if self.running.len() == before {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Has more folders read, up to the bound.
    fn start(&mut self) {
        while self.running.len() < self.concurrency {
            let Some(folder) = self.waiting.pop() else { return };
            let options = self.options;
            let copy = folder.clone();
            self.running.push((folder, Box::pin(to_thread::for_files(move || copy.read(options)))));
        }
    }

    fn take(&mut self, folder: &Folder, read: Read) {
        self.ready.extend(
            read.entries.into_iter().map(|entry| {
                entry.map_err(|error| Error::of_operation(error, "list", folder.path.display()))
            }),
        );
        self.waiting.extend(read.folders);
    }
}

impl Folder {
    /// Reads the whole folder. Blocks.
    fn read(self, options: Options) -> Read {
        let mut read = Read { entries: Vec::new(), folders: Vec::new() };
        if let Err(error) = self.read_into(options, &mut read) {
            read.entries.push(Err(error));
        }
        read
    }

    fn read_into(self, options: Options, read: &mut Read) -> io::Result<()> {
        let entries = fs::read_dir(&self.path)?;
        let ancestors = match options.follow_links {
            true => Some(Arc::new(Ancestor { identity: identity(&self.path)?, above: self.ancestors })),
            false => None,
        };
        let depth = self.depth + 1;
        for entry in entries {
            let entry = match entry.and_then(|entry| DirEntry::new(&self.path, &entry)) {
                Ok(entry) => entry,
                Err(error) => {
                    read.entries.push(Err(error));
                    continue;
                }
            };
            let inside = entry.file_type().is_dir()
                || (entry.file_type().is_symlink()
                    && ancestors.as_ref().is_some_and(|above| may_follow(&entry.path(), above)));
            if inside && depth < options.max_depth {
                let path = entry.path().into();
                read.folders.push(Folder { path, depth, ancestors: ancestors.clone() });
            }
            read.entries.push(Ok(WalkEntry { entry, depth }));
        }
        Ok(())
    }
}

/// Whether a link leads to a folder that is not above it.
fn may_follow(link: &Path, above: &Arc<Ancestor>) -> bool {
    let Ok(metadata) = fs::metadata(link) else { return false };
    let identity = (metadata.dev(), metadata.ino());
    let mut ancestors = std::iter::successors(Some(above), |ancestor| ancestor.above.as_ref());
    metadata.is_dir() && ancestors.all(|ancestor| ancestor.identity != identity)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

impl fmt::Debug for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk")
            .field("options", &self.options)
            .field("waiting", &self.waiting.len())
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}

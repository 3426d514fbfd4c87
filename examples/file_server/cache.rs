//! Answers that are ready: open files and what is known of them, and short files with their heads.
//!
//! What an answer was made of is looked at again after a second. An answer that is being sent keeps what it has.

use crate::{
    encodings::Encodings,
    origin::Origin,
    response::{Content, Piece, Response},
};
use anyio::{Error, IoBufMut as _, Result, current_time, fs, sleep};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    ops::Range,
    rc::Rc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// After how long a file is looked at again.
const FRESH: Duration = Duration::from_millis(900);

/// How long what nobody asks for is kept, or twice as long.
const SWEEP: Duration = Duration::from_secs(5);

/// How many targets there may be. Each may hold a file open.
const MAX_TARGETS: usize = 256;

/// How many bytes of content there may be.
const MAX_BYTES: usize = 32 << 20;

/// What is not longer is kept in memory, and sent in one piece with its head.
const SHORT: u64 = 32 * 1024;

/// An answer that is ready.
pub(crate) struct Ready {
    /// The status line and all headers but the date.
    head: Box<[u8]>,
    content: ReadyContent,
    origins: Vec<Origin>,
    looked_at: Cell<Instant>,
    /// Whether somebody has asked for it since the cache was last swept.
    is_used: Cell<bool>,
    dated: RefCell<(u64, Rc<[u8]>)>,
}

enum ReadyContent {
    Short(Box<[u8]>),
    Long(Rc<fs::File>, u64),
}

/// What is to be sent.
pub(crate) enum Sending {
    /// All of it.
    Whole(Rc<[u8]>, u64),
    /// A head, and a file behind it.
    WithFile(Rc<[u8]>, Rc<fs::File>, Range<u64>),
}

impl Ready {
    /// The answer as of now.
    pub(crate) fn sending(&self) -> Sending {
        let second = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut dated = self.dated.borrow_mut();
        if dated.0 != second || dated.1.is_empty() {
            *dated = (second, self.at(second));
        }
        let bytes = dated.1.clone();
        match &self.content {
            ReadyContent::Short(content) => Sending::Whole(bytes, content.len() as u64),
            ReadyContent::Long(file, length) => Sending::WithFile(bytes, file.clone(), 0..*length),
        }
    }

    #[cold]
    fn at(&self, second: u64) -> Rc<[u8]> {
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
        let content = match &self.content {
            ReadyContent::Short(content) => &**content,
            ReadyContent::Long(..) => &[],
        };
        [&*self.head, b"Date: ", date.as_bytes(), b"\r\n\r\n", content].concat().into()
    }

    fn size(&self) -> usize {
        match &self.content {
            ReadyContent::Short(content) => self.head.len() + 2 * content.len(),
            ReadyContent::Long(..) => self.head.len(),
        }
    }

    /// Whether the files are as they were, as far as was seen within the last second.
    async fn is_fresh(&self) -> Result<bool> {
        let now = current_time();
        if now.saturating_duration_since(self.looked_at.get()) < FRESH {
            return Ok(true);
        }
        // One looks, and others need not meanwhile.
        self.looked_at.set(now);
        for origin in &self.origins {
            if !origin.is_unchanged().await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The answers to one target, by what the client can decode.
type ByEncodings = [Option<Rc<Ready>>; Encodings::COUNT];

/// The answers of one core.
#[derive(Default)]
pub(crate) struct Cache {
    targets: RefCell<HashMap<Box<str>, ByEncodings>>,
    bytes: Cell<usize>,
}

impl Cache {
    /// The answer to a request for the whole of a target, if it is ready and fresh.
    pub(crate) async fn find(&self, target: &str, encodings: Encodings) -> Result<Option<Rc<Ready>>> {
        let found = self.targets.borrow().get(target).and_then(|ready| ready[encodings.number()].clone());
        let Some(ready) = found else { return Ok(None) };
        ready.is_used.set(true);
        if ready.is_fresh().await? {
            return Ok(Some(ready));
        }
        self.clear();
        Ok(None)
    }

    /// Lets go from time to time of what nobody has asked for meanwhile, for ever: also files hold something, their
    /// descriptors, and their place on the disk when they are removed.
    pub(crate) async fn sweep(&self) -> Result<()> {
        loop {
            sleep(SWEEP).await?;
            let mut swept = Vec::new();
            self.targets.borrow_mut().retain(|_, forms| {
                for form in forms.iter_mut() {
                    if form.as_ref().is_some_and(|ready| !ready.is_used.replace(false)) {
                        swept.extend(form.take());
                    }
                }
                forms.iter().any(Option::is_some)
            });
            let bytes: usize = swept.iter().map(|ready| ready.size()).sum();
            self.bytes.set(self.bytes.get().saturating_sub(bytes));
        }
    }

    /// Forgets everything.
    fn clear(&self) {
        let old = self.targets.take();
        self.bytes.set(0);
        drop(old);
    }

    /// Keeps the answer for others who ask the same, if it is the whole of some files.
    pub(crate) async fn keep(
        &self,
        target: &str,
        encodings: Encodings,
        response: &mut Response,
        extra: &str,
    ) -> Result<()> {
        let origins = std::mem::take(&mut response.origins);
        // What comes behind a question mark makes no difference here, and would fill the cache.
        if origins.is_empty() || target.contains('?') {
            return Ok(());
        }
        let content = match &response.content {
            Content::Bytes(bytes) => ReadyContent::Short(bytes[..].into()),
            Content::File(file, pieces) => match &pieces[..] {
                [Piece::Bytes(range)] if range.end <= SHORT => match read(file, range.end).await? {
                    Some(bytes) => ReadyContent::Short(bytes.into()),
                    None => return Ok(()),
                },
                [Piece::Bytes(range)] => ReadyContent::Long(file.clone(), range.end),
                _ => return Ok(()),
            },
            Content::Text(_) | Content::None => return Ok(()),
        };
        let ready = Ready {
            head: response.head_without_date(None, extra).into_bytes().into(),
            content,
            origins,
            looked_at: Cell::new(current_time()),
            is_used: Cell::new(true),
            dated: RefCell::new((0, [].into())),
        };
        if self.targets.borrow().len() >= MAX_TARGETS || self.bytes.get() + ready.size() > MAX_BYTES {
            self.clear();
        }
        self.bytes.set(self.bytes.get() + ready.size());
        let mut targets = self.targets.borrow_mut();
        let place = &mut targets.entry(target.into()).or_default()[encodings.number()];
        // Two may have missed it at a time.
        if let Some(old) = place.replace(Rc::new(ready)) {
            self.bytes.set(self.bytes.get() - old.size());
        }
        Ok(())
    }
}

/// Reads a short file, which may have become shorter.
async fn read(file: &fs::File, length: u64) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(length as usize);
    while (bytes.len() as u64) < length {
        let (filled, left) = (bytes.len(), length as usize - bytes.len());
        let (read, room) = file.read_at(bytes.room(filled, left), filled as u64).await;
        bytes = room.into_inner();
        match read {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error @ Error::Cancelled(_)) => return Err(error),
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(bytes))
}

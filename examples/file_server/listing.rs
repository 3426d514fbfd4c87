//! A folder's contents as a page.

use crate::{folder::is_hidden, target::encode};
use anyio::{
    Error, Result,
    fs::{self, DirEntry, Metadata},
    to_thread,
};
use std::{
    cmp::Ordering,
    fmt::Write as _,
    io,
    os::unix::ffi::OsStrExt,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Longer pages are made on a thread, so that other clients do not wait meanwhile.
const LONG: usize = 1000;

/// What a page says of one file or folder.
struct Line {
    is_file: bool,
    name: Vec<u8>,
    size: u64,
    modified: SystemTime,
}

/// In which order a page shows its lines. Folders come first in any case.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Order {
    by: Column,
    descending: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    Size,
    Date,
}

impl Column {
    const ALL: [(Self, &'static str, &'static str); 3] =
        [(Self::Name, "name", "Name"), (Self::Size, "size", "Size"), (Self::Date, "date", "Modified")];
}

impl Order {
    /// As a query asks for it: `?sort=size&order=desc`.
    fn of(query: &str) -> Self {
        let asked = |name: &str| {
            query
                .trim_start_matches('?')
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let by = Column::ALL.into_iter().find(|(_, name, _)| asked("sort") == Some(name));
        let by = by.map_or(Column::Name, |(column, ..)| column);
        Self { by, descending: asked("order") == Some("desc") }
    }

    fn compare(self, one: &Line, other: &Line) -> Ordering {
        let order = match self.by {
            Column::Name => Ordering::Equal,
            Column::Size => one.size.cmp(&other.size),
            Column::Date => one.modified.cmp(&other.modified),
        };
        let order = order.then_with(|| one.name.cmp(&other.name));
        one.is_file.cmp(&other.is_file).then(if self.descending { order.reverse() } else { order })
    }
}

/// Makes the page of a folder within `root`.
///
/// # Errors
/// What the system says.
pub(crate) async fn page(
    folder: &Path,
    root: &Path,
    title: &str,
    query: &str,
    with_hidden: bool,
) -> Result<String> {
    let order = Order::of(query);
    let lines = read(folder, root, with_hidden).await?;
    let title = escape(title);
    if lines.len() < LONG {
        return Ok(write_page(&title, order, lines));
    }
    to_thread::run_sync(move || write_page(&title, order, lines)).await
}

fn write_page(title: &str, order: Order, mut lines: Vec<Line>) -> String {
    lines.sort_by(|one, other| order.compare(one, other));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <style>td, th {{ text-align: left; padding-right: 2em }} td + td {{ text-align: right }}</style>\n\
         </head>\n<body>\n<h1>{title}</h1>\n<table>\n<tr>"
    );
    // Writing to a string does not fail.
    for (column, name, shown) in Column::ALL {
        let other = if order.by == column && !order.descending { "desc" } else { "asc" };
        let _ = write!(page, "<th><a href=\"?sort={name}&amp;order={other}\">{shown}</a></th>");
    }
    page.push_str("</tr>\n");
    if title != "/" {
        page.push_str("<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n");
    }
    for Line { is_file, name, size, modified } in lines {
        let (link, shown) = (encode(&name), escape(&String::from_utf8_lossy(&name)));
        let date = date(modified);
        // `./` keeps a name with a colon from being taken for a scheme.
        let _ = if is_file {
            writeln!(
                page,
                "<tr><td><a href=\"./{link}\">{shown}</a></td><td>{size} bytes</td><td>{date}</td></tr>"
            )
        } else {
            writeln!(page, "<tr><td><a href=\"./{link}/\">{shown}/</a></td><td></td><td>{date}</td></tr>")
        };
    }
    page.push_str("</table>\n</body>\n</html>\n");
    page
}

/// A moment as `2024-02-29 13:45`, in universal time.
fn date(moment: SystemTime) -> String {
    let seconds = moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // `Sun, 06 Nov 1994 08:49:37 GMT`, of fixed width, with the year after 9999 left out.
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799)));
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|&month| month == &text[8..11]).map_or(0, |month| month + 1);
    format!("{}-{month:02}-{} {}", &text[12..16], &text[5..7], &text[17..22])
}

async fn read(folder: &Path, root: &Path, with_hidden: bool) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    let mut entries = fs::read_dir(folder).await?;
    while let Some(entry) = entries.next().await? {
        if is_hidden(entry.file_name().as_bytes()) && !with_hidden {
            continue;
        }
        match look_at(&entry, root).await {
            Ok(metadata) if metadata.is_dir() || metadata.is_file() => lines.push(Line {
                is_file: metadata.is_file(),
                name: entry.file_name().as_bytes().to_owned(),
                size: metadata.len(),
                modified: metadata.modified().unwrap_or(UNIX_EPOCH),
            }),
            Err(error @ Error::Cancelled(_)) => return Err(error),
            // Nothing that could be sent, a link that leads nowhere or out of the root, or gone already.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(lines)
}

/// Finds out what an entry is. What a link leads to counts.
async fn look_at(entry: &DirEntry, root: &Path) -> Result<Metadata> {
    if !entry.file_type().is_symlink() {
        return entry.metadata().await;
    }
    let real_path = fs::canonicalize(entry.path()).await?;
    if !real_path.starts_with(root) {
        return Err(io::Error::from(io::ErrorKind::PermissionDenied).into());
    }
    fs::metadata(real_path).await
}

/// Text that is safe within HTML, also between quotation marks.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

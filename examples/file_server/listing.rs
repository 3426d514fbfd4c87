//! A folder's contents as a page.

use crate::target::encode;
use anyio::{
    Error, Result,
    fs::{self, DirEntry, Metadata},
};
use std::{fmt::Write as _, io, os::unix::ffi::OsStrExt, path::Path};

/// What a page says of one file or folder. Folders come first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    is_file: bool,
    name: Vec<u8>,
    size: u64,
}

/// Makes the page of a folder within `root`.
///
/// # Errors
/// What the system says.
pub(crate) async fn page(folder: &Path, root: &Path, title: &str) -> Result<String> {
    let lines = read(folder, root).await?;
    let title = escape(title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n</head>\n\
         <body>\n<h1>{title}</h1>\n<ul>\n"
    );
    if title != "/" {
        page.push_str("<li><a href=\"../\">../</a></li>\n");
    }
    for Line { is_file, name, size } in lines {
        let (link, shown) = (encode(&name), escape(&String::from_utf8_lossy(&name)));
        // `./` keeps a name with a colon from being taken for a scheme. Writing to a string does not fail.
        let _ = if is_file {
            writeln!(page, "<li><a href=\"./{link}\">{shown}</a> {size} bytes</li>")
        } else {
            writeln!(page, "<li><a href=\"./{link}/\">{shown}/</a></li>")
        };
    }
    page.push_str("</ul>\n</body>\n</html>\n");
    Ok(page)
}

async fn read(folder: &Path, root: &Path) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    let mut entries = fs::read_dir(folder).await?;
    while let Some(entry) = entries.next().await? {
        match look_at(&entry, root).await {
            Ok(metadata) if metadata.is_dir() || metadata.is_file() => lines.push(Line {
                is_file: metadata.is_file(),
                name: entry.file_name().as_bytes().to_owned(),
                size: metadata.len(),
            }),
            Err(error @ Error::Cancelled(_)) => return Err(error),
            // Nothing that could be sent, a link that leads nowhere or out of the root, or gone already.
            Ok(_) | Err(_) => {}
        }
    }
    lines.sort();
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

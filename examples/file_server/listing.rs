//! A folder's contents as a page.

use crate::target::encode;
use anyio::{Result, to_thread};
use std::{
    fmt::Write as _,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// What a page says of one file or folder. Folders come first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    is_file: bool,
    name: Vec<u8>,
    size: u64,
}

/// Makes the page of a folder within `root`. The folder is read on a worker thread.
///
/// # Errors
/// What the system says.
pub(crate) async fn page(folder: PathBuf, root: PathBuf, title: &str) -> Result<String> {
    let lines = to_thread::run_sync(move || read(&folder, &root)).await??;
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

fn read(folder: &Path, root: &Path) -> io::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // What a link leads to counts. One that leads nowhere or out of the root, and what is gone already, is left out.
        let Ok(real_path) = entry.path().canonicalize() else { continue };
        let Ok(metadata) = real_path.metadata() else { continue };
        if !real_path.starts_with(root) {
            continue;
        }
        lines.push(Line {
            is_file: !metadata.is_dir(),
            name: entry.file_name().as_bytes().to_owned(),
            size: metadata.len(),
        });
    }
    lines.sort();
    Ok(lines)
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

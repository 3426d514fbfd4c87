//! Serving a folder.

use super::{
    body::{FileBody, PIECE, Piece, read},
    conditions::{Conditions, Unmet, Version},
    folder::{Folder, Found},
    ranges::Ranges,
    target::Target,
};
use anyio::{
    CancelAware, Error, OnThread, Result,
    fs::{self, File, Metadata},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCEPT_ENCODING, ACCEPT_RANGES, ALLOW, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH,
        IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, LOCATION, RANGE,
        VARY,
    },
};
use std::{
    borrow::Cow,
    hash::{BuildHasher, RandomState},
    io,
    ops::Range,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
};

/// Serves the files of a folder, by anyio's own reads: with ranges, conditions (`If-None-Match` and the like), the media
/// types that names speak for, and files that are compressed already. What lies outside of the folder by way of links is
/// refused; pipes and devices are not there. A folder's file is its `index.html`.
///
/// It is a service of tower's (feature `tower`), such as for axum's `fallback_service` and `nest_service`.
///
/// ```
/// use anyio::{Result, net::TcpListener};
/// use anyio_http::{Server, files::ServeDir, tower};
/// use axum::{Router, routing::get};
///
/// async fn serve(listener: &TcpListener) -> Result<()> {
///     let router: Router = Router::new()
///         .route("/hello", get(async || "hello"))
///         .nest_service("/static", ServeDir::new("static").await?.precompressed());
///     Server::new().serve(listener, tower(router)).await?;
///     Ok(())
/// }
/// # let _ = serve;
/// ```
#[derive(Debug, Clone)]
pub struct ServeDir {
    root: Arc<Path>,
    is_precompressed: bool,
}

/// A file that was found, and what is to be said of it.
struct Resource {
    file: File,
    metadata: Box<Metadata>,
    /// By which its media type is known.
    path: PathBuf,
    encoding: Option<&'static str>,
}

impl ServeDir {
    /// Serves what is in this folder.
    ///
    /// # Errors
    /// What the system says if it is not there. [`Error::Cancelled`] if the scope is cancelled.
    ///
    /// # Cancel safety
    /// Nothing is left behind.
    pub async fn new(root: impl AsRef<Path>) -> Result<Self> {
        let root = fs::canonicalize(root.as_ref()).await?;
        Ok(Self { root: root.into(), is_precompressed: false })
    }

    /// Sends `name.br`, `name.zst` or `name.gz` in place of `name` where there is such a file and the client can read it.
    #[must_use]
    pub fn precompressed(mut self) -> Self {
        self.is_precompressed = true;
        self
    }

    /// Answers a request.
    ///
    /// # Errors
    /// Only a cancellation; whatever else goes wrong is an answer.
    ///
    /// # Cancel safety
    /// Nothing is left behind.
    pub async fn answer<B>(&self, request: &Request<B>) -> Result<Response<FileBody>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut answer = bare(StatusCode::METHOD_NOT_ALLOWED);
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Ok(answer);
        }
        let target = match Target::parse(request.uri().path()) {
            Ok(target) => target,
            Err(status) => return Ok(bare(status)),
        };
        match self.find(&target, request.headers()).await {
            Ok(Some(resource)) => {
                resource.answer(request.method(), request.headers(), self.is_precompressed).await
            }
            Ok(None) => Ok(redirect(&target, request.uri().query())),
            Err(error) if error.is_cancelled() => Err(error),
            Err(error) => Ok(bare(status_of(&error))),
        }
    }

    /// The file, or `None` for a folder that should have been asked for with a slash.
    async fn find(&self, target: &Target, headers: &HeaderMap) -> Result<Option<Resource>> {
        let folder = Folder::new(&self.root);
        match folder.find(&target.path).await? {
            Found::File(..) if target.is_folder => Err(io::Error::from(io::ErrorKind::NotFound).into()),
            Found::File(file, metadata) => {
                self.choose(&folder, headers, file, metadata, target.path.clone()).await.map(Some)
            }
            Found::Folder(_) if !target.is_folder => Ok(None),
            Found::Folder(_) => {
                let index = target.path.join("index.html");
                match folder.find(&index).await? {
                    Found::File(file, metadata) => {
                        self.choose(&folder, headers, file, metadata, index).await.map(Some)
                    }
                    Found::Folder(_) => Err(io::Error::from(io::ErrorKind::NotFound).into()),
                }
            }
        }
    }

    /// A file, or one beside it that is compressed.
    async fn choose(
        &self,
        folder: &Folder<'_>,
        headers: &HeaderMap,
        file: File,
        metadata: Box<Metadata>,
        path: PathBuf,
    ) -> Result<Resource> {
        if self.is_precompressed {
            for (encoding, extension) in [("br", ".br"), ("zstd", ".zst"), ("gzip", ".gz")] {
                if !accepts(headers, encoding) {
                    continue;
                }
                let mut compressed = path.clone().into_os_string();
                compressed.push(extension);
                match folder.find(Path::new(&compressed)).await {
                    Ok(Found::File(file, metadata)) => {
                        return Ok(Resource { file, metadata, path, encoding: Some(encoding) });
                    }
                    Err(error) if error.is_cancelled() => return Err(error),
                    // The file itself will do.
                    Ok(Found::Folder(_)) | Err(_) => {}
                }
            }
        }
        Ok(Resource { file, metadata, path, encoding: None })
    }
}

impl Resource {
    async fn answer(self, method: &Method, headers: &HeaderMap, varies: bool) -> Result<Response<FileBody>> {
        let version = Version::of(&self.metadata);
        let (wanted, known) = (list_of(headers, &IF_MATCH), list_of(headers, &IF_NONE_MATCH));
        let conditions = Conditions {
            if_match: wanted.as_deref(),
            if_none_match: known.as_deref(),
            if_modified_since: only(headers, &IF_MODIFIED_SINCE),
            if_unmodified_since: only(headers, &IF_UNMODIFIED_SINCE),
            // What cannot be understood is of no version.
            if_range: headers.contains_key(IF_RANGE).then(|| only(headers, &IF_RANGE).unwrap_or_default()),
        };
        let mut answer = match version.check(&conditions) {
            Some(Unmet::PreconditionFailed) => return Ok(bare(StatusCode::PRECONDITION_FAILED)),
            Some(Unmet::NotModified) => bare(StatusCode::NOT_MODIFIED),
            None => {
                let range = only(headers, &RANGE)
                    .filter(|_| *method == Method::GET && version.allows_ranges(&conditions));
                let ranges = range.map_or(Ranges::Whole, |range| Ranges::parse(range, self.metadata.len()));
                self.content(method, ranges).await?
            }
        };
        let answered = answer.headers_mut();
        set(answered, ETAG, &version.tag);
        set(answered, LAST_MODIFIED, &version.modified());
        answered.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if varies {
            answered.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
        Ok(answer)
    }

    async fn content(self, method: &Method, ranges: Ranges) -> Result<Response<FileBody>> {
        let length = self.metadata.len();
        let kind = media_type(&self.path);
        let file = Rc::new(self.file);
        let whole = |range: Range<u64>| Piece::File(OnThread::new(file.clone()), range);
        let mut answer = Response::new(FileBody::default());
        let headers = answer.headers_mut();
        if let Some(encoding) = self.encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        match ranges {
            Ranges::Unsatisfiable => {
                set(headers, CONTENT_RANGE, &format!("bytes */{length}"));
                headers.remove(CONTENT_ENCODING);
                *answer.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            }
            Ranges::Whole => {
                set(headers, CONTENT_TYPE, &kind);
                // What is short is read at once, to leave with the head.
                let is_short = length > 0 && length <= PIECE as u64 && *method == Method::GET;
                let first = if is_short {
                    let bytes = match read(file.clone(), 0, length as usize).await {
                        Ok(bytes) => bytes,
                        Err(error) if error.is_cancelled() => return Err(error),
                        Err(error) => return Ok(bare(status_of(&error))),
                    };
                    Some(bytes)
                } else {
                    None
                };
                let read = first.as_ref().map_or(0, |bytes| bytes.len() as u64);
                *answer.body_mut() =
                    FileBody::new(first.map(Piece::Bytes).into_iter().chain([whole(read..length)]));
            }
            Ranges::Parts(mut parts) if parts.len() == 1 => {
                let part = parts.remove(0);
                set(headers, CONTENT_TYPE, &kind);
                set(headers, CONTENT_RANGE, &content_range(&part, length));
                *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
                *answer.body_mut() = FileBody::new([whole(part)]);
            }
            // Each with a head of its own (RFC 9110, section 14.6).
            Ranges::Parts(parts) => {
                // Nobody can guess it, and so nobody can make a file that contains it.
                let boundary = format!("{:016x}", RandomState::new().hash_one(length));
                set(headers, CONTENT_TYPE, &format!("multipart/byteranges; boundary={boundary}"));
                let mut pieces = Vec::new();
                for part in parts {
                    let range = content_range(&part, length);
                    let head =
                        format!("\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {range}\r\n\r\n");
                    pieces.extend([Piece::Bytes(head.into()), whole(part)]);
                }
                pieces.push(Piece::Bytes(format!("\r\n--{boundary}--\r\n").into()));
                *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
                *answer.body_mut() = FileBody::new(pieces);
            }
        }
        Ok(answer)
    }
}

fn bare(status: StatusCode) -> Response<FileBody> {
    let text = match status {
        StatusCode::NOT_MODIFIED | StatusCode::MOVED_PERMANENTLY => String::new(),
        status => format!("{status}\n"),
    };
    let mut answer = Response::new(FileBody::new([Piece::Bytes(Bytes::from(text))]));
    *answer.status_mut() = status;
    answer
}

/// To the same with a slash, by a reference that is right wherever the folder is served.
fn redirect(target: &Target, query: Option<&str>) -> Response<FileBody> {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let mut answer = bare(StatusCode::MOVED_PERMANENTLY);
    // With the dot, what has a colon in it is no scheme.
    set(answer.headers_mut(), LOCATION, &format!("./{}/{query}", target.last));
    answer
}

fn set(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

/// A header that is no list. Of several nobody knows which counts, so none does (RFC 9110, section 5.3).
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?;
    if lines.next().is_some() { None } else { line.to_str().ok() }
}

/// A header that is a list, which may come in several lines.
fn list_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, str>> {
    // What is no text is no tag of ours.
    let mut lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default());
    let mut list = Cow::Borrowed(lines.next()?);
    for line in lines {
        let list = list.to_mut();
        list.push(',');
        list.push_str(line);
    }
    Some(list)
}

/// Whether a client can read what is encoded so.
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, ""));
        let weight = weight.trim();
        let weight = weight.strip_prefix("q=").or_else(|| weight.strip_prefix("Q="));
        let weight = weight.and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case(encoding) && weight != Some(0.0)
    })
}

fn content_range(part: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end - 1)
}

/// The type that a file's name speaks for. Text is taken for UTF-8.
fn media_type(path: &Path) -> String {
    let guess = mime_guess::from_path(path).first_or_octet_stream();
    match guess.type_() {
        mime_guess::mime::TEXT => format!("{guess}; charset=utf-8"),
        _ => guess.to_string(),
    }
}

fn status_of(error: &Error) -> StatusCode {
    match (error.raw_os_error(), error.kind()) {
        // A file's name followed by a slash, names that are too long, links that lead in circles, sockets.
        (Some(libc::ENOTDIR | libc::ENAMETOOLONG | libc::ELOOP | libc::ENXIO), _) => StatusCode::NOT_FOUND,
        (Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM), _) => StatusCode::SERVICE_UNAVAILABLE,
        (_, io::ErrorKind::NotFound) => StatusCode::NOT_FOUND,
        (_, io::ErrorKind::PermissionDenied) => StatusCode::FORBIDDEN,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

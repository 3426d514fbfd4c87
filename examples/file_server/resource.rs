//! From a request to the response.

use crate::{
    conditions::{Conditions, Unmet, Version},
    folder::{Folder, Found},
    listing,
    ranges::Ranges,
    request::{Method, Request},
    response::{Content, Piece, Response},
    status::Status,
    target::Target,
};
use anyio::{
    Error, Result,
    fs::{File, Metadata},
};
use std::{
    hash::{BuildHasher, RandomState},
    io,
    ops::Range,
    path::Path,
};

/// Answers a request.
///
/// # Errors
/// Only a cancellation; whatever else goes wrong is an answer.
pub(crate) async fn answer(request: &Request, folder: &Folder<'_>) -> Result<Response> {
    match request.method {
        Method::Get | Method::Head => {}
        Method::Refused => {
            return Ok(Response::of_status(Status::MethodNotAllowed).header("Allow", "GET, HEAD"));
        }
        Method::Unknown => return Ok(Response::of_status(Status::NotImplemented)),
    }
    let target = match Target::parse(&request.target) {
        Ok(target) => target,
        Err(status) => return Ok(Response::of_status(status)),
    };
    match find(request, &target, folder).await {
        Ok(response) => Ok(response),
        Err(error @ Error::Cancelled(_)) => Err(error),
        Err(error) => Ok(Response::of_status(status_of(&error))),
    }
}

async fn find(request: &Request, target: &Target, folder: &Folder<'_>) -> Result<Response> {
    let path = target.relative();
    let real_path = match folder.find(&path).await? {
        Found::File(..) if target.is_folder => return Err(io::Error::from(io::ErrorKind::NotFound).into()),
        Found::File(file, metadata) => return Ok(of_file(request, file, &metadata, &path)),
        Found::Folder(real_path) => real_path,
    };
    if !target.is_folder {
        let response = Response::of_status(Status::MovedPermanently);
        return Ok(response.header("Location", target.as_folder()));
    }
    let index = path.join("index.html");
    match folder.find(&index).await {
        Ok(Found::File(file, metadata)) => return Ok(of_file(request, file, &metadata, &index)),
        Ok(Found::Folder(_)) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let page = listing::page(&real_path, folder.root(), &format!("/{}", path.display())).await?;
    Ok(Response::new(Status::Ok, Content::Text(page)).header("Content-Type", "text/html; charset=utf-8"))
}

fn of_file(request: &Request, file: File, metadata: &Metadata, path: &Path) -> Response {
    let version = Version::of(metadata);
    let conditions = conditions_of(request);
    match version.check(&conditions) {
        Some(Unmet::NotModified) => {
            return with_version(Response::new(Status::NotModified, Content::None), &version);
        }
        Some(Unmet::PreconditionFailed) => return Response::of_status(Status::PreconditionFailed),
        None => {}
    }
    let length = metadata.len();
    let media_type = media_type(path);
    let range = request
        .range
        .as_deref()
        .filter(|_| request.method == Method::Get && version.allows_ranges(&conditions));
    let response = match range.map_or(Ranges::Whole, |range| Ranges::parse(range, length)) {
        Ranges::Whole => {
            let content = Content::File(file, vec![Piece::Bytes(0..length)]);
            Response::new(Status::Ok, content).header("Content-Type", media_type)
        }
        Ranges::Unsatisfiable => {
            let response = Response::of_status(Status::RangeNotSatisfiable);
            return response.header("Content-Range", format_args!("bytes */{length}"));
        }
        Ranges::Parts(mut parts) if parts.len() == 1 => {
            let part = parts.remove(0);
            let content_range = content_range(&part, length);
            Response::new(Status::PartialContent, Content::File(file, vec![Piece::Bytes(part)]))
                .header("Content-Type", media_type)
                .header("Content-Range", content_range)
        }
        Ranges::Parts(parts) => several_parts(file, parts, length, &media_type),
    };
    with_version(response, &version)
}

fn conditions_of(request: &Request) -> Conditions<'_> {
    Conditions {
        if_match: request.if_match.as_deref(),
        if_none_match: request.if_none_match.as_deref(),
        if_modified_since: request.if_modified_since.as_deref(),
        if_unmodified_since: request.if_unmodified_since.as_deref(),
        if_range: request.if_range.as_deref(),
    }
}

fn with_version(response: Response, version: &Version) -> Response {
    response
        .header("ETag", &version.tag)
        .header("Last-Modified", version.modified())
        .header("Accept-Ranges", "bytes")
}

fn content_range(part: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end - 1)
}

/// Several ranges, each with a head of its own (RFC 9110, section 14.6).
fn several_parts(file: File, parts: Vec<Range<u64>>, length: u64, media_type: &str) -> Response {
    // Nobody can guess it, and so nobody can make a file that contains it.
    let boundary = format!("{:016x}", RandomState::new().hash_one(length));
    let mut pieces = Vec::new();
    for part in parts {
        let content_range = content_range(&part, length);
        pieces.push(Piece::Text(format!(
            "\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {content_range}\r\n\r\n"
        )));
        pieces.push(Piece::Bytes(part));
    }
    pieces.push(Piece::Text(format!("\r\n--{boundary}--\r\n")));
    Response::new(Status::PartialContent, Content::File(file, pieces))
        .header("Content-Type", format_args!("multipart/byteranges; boundary={boundary}"))
}

/// The type that a file's name speaks for. Text is taken for UTF-8.
fn media_type(path: &Path) -> String {
    let guess = mime_guess::from_path(path).first_or_octet_stream();
    match guess.type_() {
        mime_guess::mime::TEXT => format!("{guess}; charset=utf-8"),
        _ => guess.to_string(),
    }
}

fn status_of(error: &Error) -> Status {
    match (error.raw_os_error(), error.kind()) {
        // A file's name followed by a slash, names that are too long, links that lead in circles, sockets.
        (Some(libc::ENOTDIR | libc::ENAMETOOLONG | libc::ELOOP | libc::ENXIO), _) => Status::NotFound,
        (Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM), _) => Status::ServiceUnavailable,
        (_, io::ErrorKind::NotFound) => Status::NotFound,
        (_, io::ErrorKind::PermissionDenied) => Status::Forbidden,
        _ => Status::InternalServerError,
    }
}

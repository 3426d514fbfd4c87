//! From a request to the response.

use crate::{
    conditions::{Conditions, Unmet, Version},
    folder::{Folder, Found},
    listing,
    options::Options,
    ranges::Ranges,
    representation::{Chosen, Representation},
    request::{Method, Request},
    response::{Content, Piece, Response},
    status::Status,
    target::Target,
};
use anyio::{Error, Result, fs::File};
use std::{
    hash::{BuildHasher, RandomState},
    io,
    ops::Range,
    path::Path,
};

const ALLOWED: &str = "GET, HEAD, OPTIONS";

/// Answers a request.
///
/// # Errors
/// Only a cancellation; whatever else goes wrong is an answer.
pub(crate) async fn answer(request: &Request, folder: &Folder<'_>, options: &Options) -> Result<Response> {
    match request.method {
        Method::Get | Method::Head => {}
        Method::Options => {
            let response = Response::new(Status::NoContent, Content::None).header("Allow", ALLOWED);
            let preflight = |response: Response| {
                response
                    .header("Access-Control-Allow-Methods", ALLOWED)
                    .header("Access-Control-Allow-Headers", "*")
            };
            return Ok(if options.cors { preflight(response) } else { response });
        }
        Method::Refused => {
            return Ok(Response::of_status(Status::MethodNotAllowed).header("Allow", ALLOWED));
        }
        Method::Unknown => return Ok(Response::of_status(Status::NotImplemented)),
    }
    let target = match Target::parse(&request.target) {
        Ok(target) => target,
        Err(status) => return Ok(Response::of_status(status)),
    };
    match find(request, &target, folder, options).await {
        Err(error) if options.spa && error.kind() == io::ErrorKind::NotFound => {
            match find_file(request, Path::new(&options.index), folder, options).await {
                // Whether something comes to be there is not known from the index.
                Ok(Some(response)) => Ok(response.made_of(Vec::new())),
                Err(error @ Error::Cancelled(_)) => Err(error),
                Ok(None) | Err(_) => Ok(Response::of_status(Status::NotFound)),
            }
        }
        Ok(response) => Ok(response),
        Err(error @ Error::Cancelled(_)) => Err(error),
        Err(error) => Ok(Response::of_status(status_of(&error))),
    }
}

async fn find(
    request: &Request,
    target: &Target,
    folder: &Folder<'_>,
    options: &Options,
) -> Result<Response> {
    if target.is_hidden() && !options.hidden {
        return Err(io::Error::from(io::ErrorKind::NotFound).into());
    }
    let path = target.relative();
    let real_path = match folder.find(&path).await? {
        Found::File(..) if target.is_folder => return Err(io::Error::from(io::ErrorKind::NotFound).into()),
        Found::File(file, metadata) => {
            let chosen = Representation::choose(request, folder, options, file, &metadata, &path).await?;
            return Ok(of_file(request, chosen));
        }
        Found::Folder(real_path) => real_path,
    };
    if !target.is_folder {
        let response = Response::of_status(Status::MovedPermanently);
        return Ok(response.header("Location", target.as_folder()));
    }
    match find_file(request, &path.join(&options.index), folder, options).await {
        Ok(Some(response)) => return Ok(response),
        Ok(None) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if options.no_listing {
        return Ok(Response::of_status(Status::Forbidden));
    }
    let title = format!("/{}", path.display());
    let page = listing::page(&real_path, folder.root(), &title, &target.query, options.hidden).await?;
    Ok(Response::new(Status::Ok, Content::Text(page)).header("Content-Type", "text/html; charset=utf-8"))
}

/// The answer that a file is, if it is one.
async fn find_file(
    request: &Request,
    path: &Path,
    folder: &Folder<'_>,
    options: &Options,
) -> Result<Option<Response>> {
    match folder.find(path).await? {
        Found::File(file, metadata) => {
            let chosen = Representation::choose(request, folder, options, file, &metadata, path).await?;
            Ok(Some(of_file(request, chosen)))
        }
        Found::Folder(_) => Ok(None),
    }
}

fn of_file(request: &Request, chosen: Representation) -> Response {
    let Representation { content, length, version, media_type, encoding, varies, origins: files } = chosen;
    let conditions = conditions_of(request);
    match version.check(&conditions) {
        Some(Unmet::NotModified) => {
            let response = Response::new(Status::NotModified, Content::None);
            return with_version(response, &version, varies);
        }
        Some(Unmet::PreconditionFailed) => return Response::of_status(Status::PreconditionFailed),
        None => {}
    }
    let range = request
        .range
        .as_deref()
        .filter(|_| request.method == Method::Get && version.allows_ranges(&conditions));
    let mut origins = Vec::new();
    let response = match (range.map_or(Ranges::Whole, |range| Ranges::parse(range, length)), content) {
        (Ranges::Whole, content) => {
            let content = match content {
                Chosen::File(file) => Content::File(file.into(), vec![Piece::Bytes(0..length)]),
                Chosen::Bytes(bytes) => Content::Bytes(bytes),
            };
            origins = files;
            Response::new(Status::Ok, content).header("Content-Type", media_type)
        }
        (Ranges::Unsatisfiable, _) => {
            let response = Response::of_status(Status::RangeNotSatisfiable);
            return response.header("Content-Range", format_args!("bytes */{length}"));
        }
        (Ranges::Parts(mut parts), Chosen::File(file)) if parts.len() == 1 => {
            let part = parts.remove(0);
            let content_range = content_range(&part, length);
            Response::new(Status::PartialContent, Content::File(file.into(), vec![Piece::Bytes(part)]))
                .header("Content-Type", media_type)
                .header("Content-Range", content_range)
        }
        (Ranges::Parts(parts), Chosen::File(file)) => several_parts(file, parts, length, &media_type),
        (Ranges::Parts(_), Chosen::Bytes(_)) => unreachable!("ranges are of files as they are"),
    };
    let response = match encoding {
        Some(encoding) => response.header("Content-Encoding", encoding.name()),
        None => response,
    };
    with_version(response, &version, varies).made_of(origins)
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

fn with_version(response: Response, version: &Version, varies: bool) -> Response {
    let response = if varies { response.header("Vary", "Accept-Encoding") } else { response };
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
    Response::new(Status::PartialContent, Content::File(file.into(), pieces))
        .header("Content-Type", format_args!("multipart/byteranges; boundary={boundary}"))
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

//! Conditional requests: whether a client has the current version of a file already.

use crate::{encodings::Encoding, request::Request, status::Status};
use anyio::fs::Metadata;
use httpdate::{fmt_http_date, parse_http_date};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that HTTP can write: the end of the year 9999.
const LAST: u64 = 253_402_300_799;

/// What tells versions of a file apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// The entity tag, with its quotation marks.
    pub(crate) tag: String,
    /// When the file was last changed, in whole seconds.
    modified: SystemTime,
}

impl Version {
    /// The version that a file is in. Moments that HTTP cannot write count as the nearest that it can: those before 1970 as
    /// 1970, and those after the year 9999 as its end. The tag tells them apart all the same.
    /// Each form that it is sent in has a tag of its own.
    pub(crate) fn of(metadata: &Metadata, encoding: Option<Encoding>) -> Self {
        let since = metadata
            .modified()
            .ok()
            .and_then(|modified| modified.duration_since(UNIX_EPOCH).ok())
            .unwrap_or_default();
        Self {
            tag: match encoding {
                None => format!("\"{:x}-{:x}\"", since.as_nanos(), metadata.len()),
                Some(encoding) => {
                    format!("\"{:x}-{:x}-{}\"", since.as_nanos(), metadata.len(), encoding.name())
                }
            },
            modified: UNIX_EPOCH + Duration::from_secs(since.as_secs().min(LAST)),
        }
    }

    /// When the file was last changed, as HTTP writes it.
    pub(crate) fn modified(&self) -> String {
        fmt_http_date(self.modified)
    }

    /// The status that a condition of the request leads to, if one does, in the order of RFC 9110, section 13.2.2.
    pub(crate) fn check(&self, request: &Request) -> Option<Status> {
        let unchanged_since = |date: &str| parse_http_date(date).ok().map(|date| self.modified <= date);
        if let Some(tags) = &request.if_match {
            if !self.is_among(tags, Comparison::Strong) {
                return Some(Status::PreconditionFailed);
            }
        } else if request.if_unmodified_since.as_deref().and_then(unchanged_since) == Some(false) {
            return Some(Status::PreconditionFailed);
        }
        let has_it = match (&request.if_none_match, &request.if_modified_since) {
            (Some(tags), _) => self.is_among(tags, Comparison::Weak),
            (None, Some(date)) => unchanged_since(date) == Some(true),
            (None, None) => false,
        };
        has_it.then_some(Status::NotModified)
    }

    /// Whether ranges may be sent: they may if the client's other parts are of this version.
    pub(crate) fn allows_ranges(&self, request: &Request) -> bool {
        match request.if_range.as_deref() {
            None => true,
            Some(tag) if tag.starts_with('"') => tag == self.tag,
            Some(date) => parse_http_date(date).is_ok_and(|date| date == self.modified),
        }
    }

    fn is_among(&self, tags: &str, comparison: Comparison) -> bool {
        // Our tags contain no commas, so a list can be split there: parts of others' tags never match.
        tags.split(',').map(str::trim).any(|tag| match (tag, comparison) {
            ("*", _) => true,
            (tag, Comparison::Weak) => tag.strip_prefix("W/").unwrap_or(tag) == self.tag,
            (tag, Comparison::Strong) => tag == self.tag,
        })
    }
}

#[derive(Clone, Copy)]
enum Comparison {
    Weak,
    Strong,
}

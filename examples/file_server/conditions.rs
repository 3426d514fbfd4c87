//! Conditional requests: whether a client has the current version of a file already.

use anyio::fs::Metadata;
use httpdate::{fmt_http_date, parse_http_date};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that HTTP can write: the end of the year 9999.
const LAST: u64 = 253_402_300_799;

/// The conditions of a request: the headers of these names.
#[derive(Debug, Default)]
pub(crate) struct Conditions<'a> {
    pub(crate) if_match: Option<&'a str>,
    pub(crate) if_none_match: Option<&'a str>,
    pub(crate) if_modified_since: Option<&'a str>,
    pub(crate) if_unmodified_since: Option<&'a str>,
    pub(crate) if_range: Option<&'a str>,
}

/// What a condition leads to in place of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// 304: the client has this version.
    NotModified,
    /// 412: the client has wanted another version.
    PreconditionFailed,
}

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
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let since = metadata
            .modified()
            .ok()
            .and_then(|modified| modified.duration_since(UNIX_EPOCH).ok())
            .unwrap_or_default();
        Self {
            tag: format!("\"{:x}-{:x}\"", since.as_nanos(), metadata.len()),
            modified: UNIX_EPOCH + Duration::from_secs(since.as_secs().min(LAST)),
        }
    }

    /// When the file was last changed, as HTTP writes it.
    pub(crate) fn modified(&self) -> String {
        fmt_http_date(self.modified)
    }

    /// What a condition of the request leads to, if one does, in the order of RFC 9110, section 13.2.2.
    pub(crate) fn check(&self, conditions: &Conditions<'_>) -> Option<Unmet> {
        let unchanged_since = |date: &str| parse_http_date(date).ok().map(|date| self.modified <= date);
        if let Some(tags) = conditions.if_match {
            if !self.is_among(tags, Comparison::Strong) {
                return Some(Unmet::PreconditionFailed);
            }
        } else if conditions.if_unmodified_since.and_then(unchanged_since) == Some(false) {
            return Some(Unmet::PreconditionFailed);
        }
        let has_it = match (conditions.if_none_match, conditions.if_modified_since) {
            (Some(tags), _) => self.is_among(tags, Comparison::Weak),
            (None, Some(date)) => unchanged_since(date) == Some(true),
            (None, None) => false,
        };
        has_it.then_some(Unmet::NotModified)
    }

    /// Whether ranges may be sent: they may if the client's other parts are of this version.
    pub(crate) fn allows_ranges(&self, conditions: &Conditions<'_>) -> bool {
        match conditions.if_range {
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

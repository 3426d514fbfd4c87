//! Byte ranges: the `Range` header.

use std::ops::Range;

/// More ranges than these are not worth the trouble: the whole is sent.
const LIMIT: usize = 16;

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ranges {
    /// Nothing that this server understands, or too much: the header is to be ignored.
    Whole,
    /// These parts, none empty, in the order asked for.
    Parts(Vec<Range<u64>>),
    /// Nothing that exists.
    Unsatisfiable,
}

impl Ranges {
    /// Reads a header like `bytes=0-99,-500`, for content of this length.
    pub(crate) fn parse(header: &str, length: u64) -> Self {
        let Some(list) = after_unit(header) else { return Self::Whole };
        let mut parts = Vec::new();
        let mut asked = 0;
        for range in list.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            asked += 1;
            match parse_one(range, length) {
                Ok(Some(part)) => parts.push(part),
                Ok(None) => {}
                Err(Malformed) => return Self::Whole,
            }
        }
        // Overlapping ranges must not make a response that is larger than the content.
        let total = parts.iter().try_fold(0_u64, |total, part| total.checked_add(part.end - part.start));
        match (asked, parts.len()) {
            (0, _) => Self::Whole,
            (_, 0) => Self::Unsatisfiable,
            _ if asked > LIMIT || total.is_none_or(|total| total > length) => Self::Whole,
            _ => Self::Parts(parts),
        }
    }
}

fn after_unit(header: &str) -> Option<&str> {
    let (unit, list) = header.split_once('=')?;
    unit.trim().eq_ignore_ascii_case("bytes").then_some(list)
}

struct Malformed;

/// One range, or none if it lies beyond the end.
fn parse_one(range: &str, length: u64) -> Result<Option<Range<u64>>, Malformed> {
    let (first, last) = range.split_once('-').ok_or(Malformed)?;
    let part = match (first.trim(), last.trim()) {
        ("", suffix) => length.saturating_sub(number(suffix)?)..length,
        (first, "") => number(first)?..length,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return Err(Malformed);
            }
            first..last.saturating_add(1).min(length)
        }
    };
    Ok(Some(part).filter(|part| part.start < part.end))
}

/// A decimal number; one that is too large stands for the largest.
fn number(digits: &str) -> Result<u64, Malformed> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed);
    }
    Ok(digits.parse().unwrap_or(u64::MAX))
}

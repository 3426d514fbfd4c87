//! How long a call may take, as the other side is told.

use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The units by their letters, the smallest first, in nanoseconds.
const UNITS: [(char, u64); 6] = [
    ('n', 1),
    ('u', 1_000),
    ('m', 1_000_000),
    ('S', 1_000_000_000),
    ('M', 60_000_000_000),
    ('H', 3_600_000_000_000),
];

/// More is not written with eight digits.
const MOST: u128 = 99_999_999;

/// In a second.
const NANOSECONDS: u128 = 1_000_000_000;

/// What is said of the time is not understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The time that the other side gives the call. `None` if it says nothing of that.
pub(crate) fn time_limit(headers: &HeaderMap) -> Result<Option<Duration>, Malformed> {
    let Some(value) = headers.get(GRPC_TIMEOUT) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Malformed)?;
    let unit = text.chars().next_back().ok_or(Malformed)?;
    let (_, nanoseconds) = *UNITS.iter().find(|(letter, _)| *letter == unit).ok_or(Malformed)?;
    let digits = &text[..text.len() - 1];
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Malformed);
    }
    let count: u64 = digits.parse().map_err(|_| Malformed)?;
    // That many hours are more nanoseconds than fit into 64 bits.
    let nanoseconds = u128::from(count) * u128::from(nanoseconds);
    let (seconds, rest) = (nanoseconds / NANOSECONDS, nanoseconds % NANOSECONDS);
    Ok(Some(Duration::new(seconds as u64, rest as u32)))
}

/// Says it, in the smallest unit that there is room for. What has too many hours is as good as no limit.
pub(crate) fn of_time_limit(limit: Duration) -> Option<HeaderValue> {
    let (unit, count) = UNITS.iter().find_map(|(unit, nanoseconds)| {
        let count = limit.as_nanos().div_ceil(u128::from(*nanoseconds));
        (count <= MOST).then_some((unit, count))
    })?;
    HeaderValue::try_from(format!("{count}{unit}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Option<Duration>, Malformed> {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_bytes(text).unwrap());
        time_limit(&headers)
    }

    #[test]
    fn each_unit_is_read() {
        let units = [("3H", 10_800_000_000_000), ("1M", 60_000_000_000), ("42S", 42_000_000_000)];
        for (text, nanoseconds) in units.into_iter().chain([("13m", 13_000_000), ("2u", 2_000), ("82n", 82)])
        {
            assert_eq!(read(text.as_bytes()), Ok(Some(Duration::from_nanos(nanoseconds))), "{text}");
        }
        assert_eq!(time_limit(&HeaderMap::new()), Ok(None));
        assert!(read(b"99999999H").is_ok());
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for text in
            [&b""[..], b"S", b"1", b"1s", b"+1S", b"-1S", b"1.5S", b" 1S", b"123456789n", b"1\xe4", b"\xff"]
        {
            assert_eq!(read(text), Err(Malformed), "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_at_least_that() {
        for limit in [
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::from_millis(100),
            Duration::from_nanos(100_000_001),
            Duration::from_secs(86_400) + Duration::from_nanos(1),
            Duration::from_secs(360_000_000_000 - 3600),
        ] {
            let written = of_time_limit(limit).unwrap();
            let again = read(written.as_bytes()).unwrap().unwrap();
            assert!(
                again >= limit && again <= limit.mul_f64(1.0001) + Duration::from_nanos(1),
                "{limit:?}: {written:?}"
            );
        }
        assert_eq!(of_time_limit(Duration::MAX), None);
    }
}

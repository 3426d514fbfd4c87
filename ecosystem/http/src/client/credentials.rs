//! What says who asks.

use super::error::{ClientError, ClientErrorKind};
use base64::prelude::{BASE64_STANDARD, Engine};
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use url::Url;

/// A header that nobody is to be shown.
pub(super) fn secret(text: String) -> Result<HeaderValue, ClientError> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|error| ClientError::of_source(ClientErrorKind::Request, error))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A name and a password (RFC 7617).
pub(super) fn basic(name: &str, password: Option<&str>) -> Result<HeaderValue, ClientError> {
    let credentials = format!("{name}:{}", password.unwrap_or_default());
    secret(format!("Basic {}", BASE64_STANDARD.encode(credentials)))
}

/// Takes a name and a password out of a URL, as they are for a header and for nobody else.
pub(super) fn take_credentials(url: &mut Url) -> Option<Result<HeaderValue, ClientError>> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (name, password) = (decoded(url.username()), url.password().map(decoded));
    if name.is_empty() && password.is_none() {
        return None;
    }
    let _ = (url.set_username(""), url.set_password(None));
    Some(basic(&name, password.as_deref()))
}

//! Redirects (RFC 9110, 15.4).

use super::{
    body::ClientBody,
    credentials::take_credentials,
    error::{ClientError, ClientErrorKind},
};
use http::{
    HeaderMap, Method, StatusCode,
    header::{
        AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE,
        COOKIE, HOST, LOCATION, PROXY_AUTHORIZATION, TRANSFER_ENCODING, WWW_AUTHENTICATE,
    },
};
use url::Url;

/// What is asked next.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: ClientBody,
}

impl Asked {
    /// What to ask after an answer, if that is a redirect that can be followed. `again` is the body, if it can be sent once
    /// more.
    pub(super) fn after(
        mut self,
        status: StatusCode,
        answer: &HeaderMap,
        again: Option<ClientBody>,
    ) -> Result<Option<Self>, ClientError> {
        let forgets_body = match status {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            StatusCode::SEE_OTHER => self.method != Method::HEAD && self.method != Method::GET,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => false,
            _ => return Ok(None),
        };
        let Some(location) = answer.get(LOCATION) else { return Ok(None) };
        let wrong = |error: String| ClientError::of_source(ClientErrorKind::Transfer, error).at(&self.url);
        let location = std::str::from_utf8(location.as_bytes())
            .map_err(|error| wrong(format!("a redirect to what is no text: {error}")))?;
        let mut url =
            self.url.join(location).map_err(|error| wrong(format!("a redirect to {location:?}: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!("a redirect to {url}, which is not HTTP")));
        }
        if url.fragment().is_none() {
            url.set_fragment(self.url.fragment());
        }
        if forgets_body {
            self.method = Method::GET;
            self.body = ClientBody::default();
            for name in [
                CONTENT_ENCODING,
                CONTENT_LANGUAGE,
                CONTENT_LENGTH,
                CONTENT_LOCATION,
                CONTENT_TYPE,
                TRANSFER_ENCODING,
            ] {
                self.headers.remove(name);
            }
        } else {
            // The answer itself is all there is if the body is gone.
            let Some(again) = again else { return Ok(None) };
            self.body = again;
        }
        let credentials = take_credentials(&mut url);
        if url.origin() != self.url.origin() {
            for name in [AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION, WWW_AUTHENTICATE] {
                self.headers.remove(name);
            }
        }
        if let Some(credentials) = credentials {
            self.headers.insert(AUTHORIZATION, credentials?);
        }
        self.url = url;
        Ok(Some(self))
    }
}

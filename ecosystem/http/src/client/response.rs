//! An answer.

use super::{
    error::{ClientError, ClientErrorKind},
    response_body::ResponseBody,
};
use crate::UpgradedStream;
use anyio::{foreign, lowlevel::checkpoint_if_cancelled};
use bytes::Bytes;
use http::{
    HeaderMap, Response, StatusCode, Version,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::BodyExt;
use url::Url;

/// The answer to a request of a [`Client`](crate::Client): its head, and the body that comes after it.
///
/// If it is dropped before the body has come to its end, the rest is not waited for.
#[derive(Debug)]
pub struct ClientResponse {
    response: Response<ResponseBody>,
    url: Url,
}

impl ClientResponse {
    pub(super) fn new(response: Response<ResponseBody>, url: Url) -> Self {
        Self { response, url }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The version of HTTP that it came by.
    pub fn version(&self) -> Version {
        self.response.version()
    }

    /// The headers. Those of an encoding that was taken off are not among them.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// What others have put into it.
    pub fn extensions(&self) -> &http::Extensions {
        self.response.extensions()
    }

    /// Whom it is from, after all redirects.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// How many bytes the body has, if the answer tells.
    pub fn content_length(&self) -> Option<u64> {
        self.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// The answer, unless its status says that the request failed (4xx and 5xx).
    ///
    /// # Errors
    /// [`ClientErrorKind::Status`], if it does.
    pub fn error_for_status(self) -> Result<Self, ClientError> {
        let status = self.status();
        if status.is_client_error() || status.is_server_error() {
            return Err(ClientError::new(ClientErrorKind::Status(status)).at(&self.url));
        }
        Ok(self)
    }

    /// The next bytes of the body, as they come; `None` at its end.
    ///
    /// # Errors
    /// If the rest does not come: see [`ClientErrorKind`].
    ///
    /// # Cancel safety
    /// No byte is lost.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        self.response.body_mut().chunk().await
    }

    /// All bytes of the body.
    ///
    /// # Errors
    /// If they do not come: see [`ClientErrorKind`].
    ///
    /// # Cancel safety
    /// The answer is given up.
    pub async fn bytes(self) -> Result<Bytes, ClientError> {
        Ok(self.response.into_body().collect().await?.to_bytes())
    }

    /// The body as text, in the encoding that `Content-Type` names, or UTF-8. What is not in that encoding is replaced.
    ///
    /// # Errors
    /// If it does not come: see [`ClientErrorKind`].
    ///
    /// # Cancel safety
    /// The answer is given up.
    pub async fn text(self) -> Result<String, ClientError> {
        let encoding = self.encoding();
        let bytes = self.bytes().await?;
        Ok(encoding.decode(&bytes).0.into_owned())
    }

    fn encoding(&self) -> &'static encoding_rs::Encoding {
        let kind = self.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        kind.into_iter()
            .flat_map(|kind| kind.split(';').skip(1))
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
            .and_then(|(_, label)| {
                encoding_rs::Encoding::for_label(label.trim().trim_matches('"').as_bytes())
            })
            .unwrap_or(encoding_rs::UTF_8)
    }

    /// What the body says in JSON.
    ///
    /// # Errors
    /// If it does not come, or is something else: see [`ClientErrorKind`].
    ///
    /// # Cancel safety
    /// The answer is given up.
    #[cfg(feature = "json")]
    pub async fn json<T: serde::de::DeserializeOwned>(self) -> Result<T, ClientError> {
        let url = self.url.clone();
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| ClientError::of_source(ClientErrorKind::Decode, error).at(&url))
    }

    /// The body alone: to read as a [`Body`](http_body::Body) with its trailers, or as a stream.
    pub fn into_body(self) -> ResponseBody {
        self.response.into_body()
    }

    /// Goes on with the connection as something else, as the server has agreed to by 101, or by 200 over HTTP/2 to a `CONNECT`.
    ///
    /// # Errors
    /// [`ClientErrorKind::NotUpgraded`], if it has not.
    ///
    /// # Cancel safety
    /// The connection is closed.
    pub async fn upgrade(self) -> Result<UpgradedStream, ClientError> {
        let url = self.url;
        let is_http2 = self.response.version() == Version::HTTP_2;
        let agreed = if is_http2 { StatusCode::OK } else { StatusCode::SWITCHING_PROTOCOLS };
        if self.response.status() != agreed {
            return Err(ClientError::new(ClientErrorKind::NotUpgraded).at(&url));
        }
        match foreign(hyper::upgrade::on(self.response)).await? {
            Ok(upgraded) => Ok(UpgradedStream::new(upgraded)),
            Err(error) => {
                // The connection may be cancelled as well, which is no other error.
                checkpoint_if_cancelled().await?;
                Err(ClientError::of_source(ClientErrorKind::NotUpgraded, error).at(&url))
            }
        }
    }
}

/// The head and the body as the crate `http` has them.
impl From<ClientResponse> for Response<ResponseBody> {
    fn from(response: ClientResponse) -> Self {
        response.response
    }
}

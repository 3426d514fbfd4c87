//! Which requests go by a proxy.

use super::error::{ClientError, ClientErrorKind};
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use std::fmt;

/// By which proxies requests go. Requests over HTTP are handed to the proxy, those over HTTPS go through it (`CONNECT`). A
/// proxy is named by its URL, `http://` or `https://`, which may hold a name and password for it.
///
/// ```
/// use anyio_http::{ClientOptions, Proxies};
///
/// # fn example() -> Result<ClientOptions, anyio_http::ClientError> {
/// let proxies = Proxies::none().all("http://proxy.example.org:3128")?.except("localhost, 10.0.0.0/8, .example.org");
/// let options = ClientOptions::new().proxies(proxies);
/// # Ok(options) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    of_environment: bool,
    http: Option<String>,
    https: Option<String>,
    except: String,
}

impl Proxies {
    /// No proxy at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Those that the variables `HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY` name, without the targets in `NO_PROXY`, all of
    /// them in small letters, too. They are read when the client is made. `HTTP_PROXY` is passed over where there is
    /// `REQUEST_METHOD`, as in a CGI script, since a client could have set it there.
    pub fn from_environment() -> Self {
        Self { of_environment: true, ..Self::default() }
    }

    /// A proxy for all requests.
    ///
    /// # Errors
    /// If this is no URL of a proxy.
    pub fn all(self, proxy: &str) -> Result<Self, ClientError> {
        self.http(proxy)?.https(proxy)
    }

    /// A proxy for requests over HTTP.
    ///
    /// # Errors
    /// If this is no URL of a proxy.
    pub fn http(mut self, proxy: &str) -> Result<Self, ClientError> {
        self.http = Some(checked(proxy)?);
        Ok(self)
    }

    /// A proxy for requests over HTTPS.
    ///
    /// # Errors
    /// If this is no URL of a proxy.
    pub fn https(mut self, proxy: &str) -> Result<Self, ClientError> {
        self.https = Some(checked(proxy)?);
        Ok(self)
    }

    /// What is asked directly, with commas between: names (`example.org`, with all below it), addresses and networks
    /// (`10.0.0.0/8`), or `*` for everything.
    #[must_use]
    pub fn except(mut self, targets: &str) -> Self {
        targets.clone_into(&mut self.except);
        self
    }

    pub(super) fn into_choice(self) -> ProxyChoice {
        if self.of_environment {
            return ProxyChoice(Matcher::from_env());
        }
        ProxyChoice(
            Matcher::builder()
                .http(self.http.unwrap_or_default())
                .https(self.https.unwrap_or_default())
                .no(self.except)
                .build(),
        )
    }
}

fn checked(proxy: &str) -> Result<String, ClientError> {
    let url =
        url::Url::parse(proxy).map_err(|error| ClientError::of_source(ClientErrorKind::Request, error))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        let what = format!("no URL of a proxy: {}://{}", url.scheme(), url.host_str().unwrap_or_default());
        return Err(ClientError::of_source(ClientErrorKind::Request, what));
    }
    Ok(proxy.to_owned())
}

/// The proxies, ready to be asked.
pub(super) struct ProxyChoice(Matcher);

impl ProxyChoice {
    pub(super) fn of(&self, target: &Uri) -> Option<Intercept> {
        self.0.intercept(target)
    }

    /// What to tell the proxy that a request is handed to.
    pub(super) fn authorization(&self, target: &Uri) -> Option<HeaderValue> {
        self.of(target)?.basic_auth().cloned()
    }
}

impl fmt::Debug for ProxyChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyChoice").finish_non_exhaustive()
    }
}

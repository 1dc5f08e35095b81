//! The one HTTP client. Redirects are followed by hand, so that each hop is asked about; bodies and times have limits;
//! proxies and settings of the environment have no say.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use portcullis_model::source::{address_of, check_url};
use portcullis_model::{Code, Fault};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, StatusCode, Url};

use crate::SourceCredential;
use crate::credential::{self, Scheme};
use crate::reach::{self, Guarded};

/// Most redirects that are followed.
const REDIRECTS_MAX: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time without a byte.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether an address may be asked for; the error says why not.
pub(crate) type Permit<'a> = &'a (dyn Fn(&str) -> Result<(), Fault> + Send + Sync);

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    /// Decides about each hop.
    pub permit: Permit<'a>,
    /// Most bytes of the body.
    pub max_bytes: usize,
    /// How a token is shown.
    pub scheme: Scheme,
    /// The address that a credential is looked up by; `None`: each hop's own.
    pub as_address: Option<&'a str>,
}

/// What was answered.
pub(crate) struct Answer {
    /// Where, in the end.
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
    }
}

/// The client.
pub(crate) struct Web {
    client: Client,
    credentials: Arc<[SourceCredential]>,
    time: Duration,
}

impl Web {
    /// With certificate authorities (PEM) besides the host's, and a limit on the time of each [`Web::get`].
    pub fn new(credentials: Arc<[SourceCredential]>, ca_pem: Option<&[u8]>, time: Duration) -> Result<Self, Fault> {
        let bad = |error: reqwest::Error| {
            Fault::new(Code::BAD_OPTION, format!("modules cannot be fetched this way: {}", chain(&error.without_url())))
                .remedy("Give certificate authorities as a PEM file.")
        };
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(Guarded))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(IDLE_TIMEOUT)
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = ca_pem {
            let authorities = reqwest::Certificate::from_pem_bundle(pem).map_err(bad)?;
            builder = builder.tls_certs_merge(authorities);
        }
        Ok(Web { client: builder.build().map_err(bad)?, credentials, time })
    }

    /// Gets a URL, over redirects: all of them together have the time of one.
    ///
    /// # Errors
    /// `PC-0615` for a hop that is not allowed, `PC-0616` for whatever keeps it from being fetched.
    pub async fn get(&self, url: &str, ask: Ask<'_>) -> Result<Answer, Fault> {
        let ended = tokio::time::timeout(self.time, self.follow(url, ask)).await;
        ended.unwrap_or_else(|_| {
            let why = format!("it takes longer than {} s", self.time.as_secs());
            Err(failed(&address_of(url), &why).remedy("Check that the runner reaches that host, then try again."))
        })
    }

    async fn follow(&self, url: &str, ask: Ask<'_>) -> Result<Answer, Fault> {
        let mut url = Url::parse(url).map_err(|error| failed(url, &error.to_string()))?;
        for _ in 0..=REDIRECTS_MAX {
            let address = checked(&url, ask.permit)?;
            let mut request = self.client.get(url.clone()).header(ACCEPT, "*/*");
            if let Some(text) = self.authorization(&address, &ask)? {
                let mut value = HeaderValue::from_str(&text).map_err(|_| failed(&address, "its credential is odd"))?;
                value.set_sensitive(true);
                request = request.header(AUTHORIZATION, value);
            }
            if let Some(literal) = literal(&url) {
                // What is no name is never looked up, so it is checked here.
                reach::addresses(&literal.to_string(), 0).await?;
            }
            let answer = request.send().await.map_err(|error| unreachable(&address, error))?;
            let status = answer.status();
            if !status.is_redirection() {
                let headers = answer.headers().clone();
                if !status.is_success() {
                    return Err(refused(&address, status));
                }
                return Ok(Answer { url, headers, body: body(answer, &address, ask.max_bytes).await? });
            }
            let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let to = to.ok_or_else(|| failed(&address, "it redirects to nowhere"))?;
            url = url.join(to).map_err(|error| failed(&address, &format!("it redirects to no URL: {error}")))?;
        }
        Err(failed(&address_of(url.as_str()), &format!("more than {REDIRECTS_MAX} redirects")))
    }

    fn authorization(&self, address: &str, ask: &Ask<'_>) -> Result<Option<String>, Fault> {
        let host = |address: &'_ str| address.split('/').next().unwrap_or_default().to_owned();
        match ask.as_address {
            // A registry's credential is for the registry's host, and its module.
            Some(named) if host(named) == host(address) => credential::header(&self.credentials, named, ask.scheme),
            Some(_) | None => credential::header(&self.credentials, address, Scheme::File),
        }
    }
}

/// Checks a URL as it will be asked for, and gives its address.
fn checked(url: &Url, permit: Permit<'_>) -> Result<String, Fault> {
    // Of the parsed form: an odd spelling is no other host than the one that is asked.
    let address = address_of(url.as_str());
    check_url(url.as_str(), "http").map_err(|why| failed(&address, &why))?;
    permit(&address)?;
    if is_of_any_fork(&address) {
        return Err(Fault::new(
            Code::SOURCE_REFUSED,
            format!("{address} names no branch and no tag: GitHub has the commits of anybody's fork there"),
        )
        .remedy("Name the repository (`github.com/…?ref=…`), or the archive of `refs/tags/…` or `refs/heads/…`."));
    }
    Ok(address)
}

/// Whether GitHub may hand out a commit there that nobody with rights in that repository has pushed: a fork's, a pull
/// request's. Branches and tags are the repository's own.
fn is_of_any_fork(address: &str) -> bool {
    let parts: Vec<&str> = address.split('/').collect();
    let at = match parts.first() {
        // `owner/name/zip/refs/tags/v1`
        Some(&"codeload.github.com") => 4,
        // `owner/name/refs/tags/v1/path`
        Some(&"raw.githubusercontent.com") => 3,
        _ => return false,
    };
    !matches!(parts.get(at..), Some(["refs", "tags" | "heads", _, ..]))
}

fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

async fn body(mut answer: reqwest::Response, address: &str, max: usize) -> Result<Vec<u8>, Fault> {
    let too_large = || {
        failed(address, &format!("it has more than {max} bytes")).remedy("Fetch less: a module is code, no artifact.")
    };
    if answer.content_length().is_some_and(|length| length > max as u64) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(address, error))? {
        if bytes.len() + chunk.len() > max {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// `PC-0616`. An address has neither query nor user, so it may be shown.
pub(crate) fn failed(address: &str, why: &str) -> Fault {
    let address: String = address.split('?').next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    Fault::new(Code::SOURCE_FETCH, format!("{address} cannot be fetched: {why}"))
}

fn refused(address: &str, status: StatusCode) -> Fault {
    let remedy = match status.as_u16() {
        401 | 403 => "Give the runner a credential for that place: `serve --source-credential PLACE=FILE`.",
        404 => "Correct the source, or give the runner a credential: some hosts hide what is private.",
        _ => "Try again later, or ask who keeps that host.",
    };
    failed(address, &format!("the host answers {status}")).remedy(remedy)
}

fn unreachable(address: &str, error: reqwest::Error) -> Fault {
    let what = if error.is_timeout() { "it takes too long".to_owned() } else { chain(&error.without_url()) };
    failed(address, &what).remedy("Check that the runner reaches that host, then try again.")
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn github_hands_out_branches_and_tags_and_nobodys_fork() {
        let code = |url: &str| checked(&Url::parse(url).unwrap(), &|_| Ok(())).map_err(|fault| fault.code());
        for good in [
            "https://codeload.github.com/acme/m/zip/refs/tags/v1",
            "https://codeload.github.com/acme/m/legacy.tar.gz/refs/heads/release/1",
            "https://raw.githubusercontent.com/acme/m/refs/heads/main/a.zip",
            "https://github.com/acme/m/archive/v1.zip",
        ] {
            assert!(code(good).is_ok(), "{good}");
        }
        for bad in [
            "https://codeload.github.com/acme/m/zip/0123456789abcdef0123456789abcdef01234567",
            "https://codeload.github.com/acme/m/zip/0123456",
            "https://codeload.github.com/acme/m/zip/refs/pull/7/head",
            "https://CodeLoad.GitHub.com:443/acme/m/tar.gz/0123456",
            "https://codeload.github.com/acme/m/zip/refs/tags",
            "https://raw.githubusercontent.com/acme/m/0123456/a.zip",
        ] {
            assert_eq!(code(bad), Err(Code::SOURCE_REFUSED), "{bad}");
        }
    }
}

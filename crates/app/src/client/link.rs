//! What all outgoing connections have in common: which URLs they may go to, and limits.

use std::net::IpAddr;
use std::time::Duration;

use portcullis_model::Fault;
use reqwest::{Response, Url, redirect};

/// Longest time to a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// A URL that a token may be sent to: `https`, or `http` to this machine.
///
/// # Errors
/// What is wrong with it, as a lowercase fragment.
pub fn checked(text: &str) -> Result<Url, &'static str> {
    let Ok(url) = Url::parse(text) else { return Err("it is no URL") };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has a user name or a password in it");
    }
    match url.scheme() {
        "https" if url.has_host() => Ok(url),
        "http" if is_this_machine(&url) => Ok(url),
        "http" => Err("a token is not sent over plain HTTP, but to this machine"),
        _ => Err("it is neither https nor http"),
    }
}

fn is_this_machine(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A client without redirects and without proxies of the environment. `whole` bounds a request with its answer;
/// without it, `silence` alone does: the longest time in which nothing arrives.
///
/// # Errors
/// When the TLS library does not start.
pub fn client(whole: Option<Duration>, silence: Duration) -> Result<reqwest::Client, Fault> {
    let mut builder = reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .read_timeout(silence)
        .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")));
    if let Some(whole) = whole {
        builder = builder.timeout(whole);
    }
    builder.build().map_err(|error| Fault::internal(format!("the HTTP client: {}", why(&error))))
}

/// Why a request failed: the innermost cause, without the URL, which may hold a secret.
pub fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it takes too long".to_owned();
    }
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| "the request failed".to_owned(), ToString::to_string)
}

/// Why a body was not read.
#[derive(Debug)]
pub enum Unread {
    /// The connection broke.
    Broken(String),
    /// It has more bytes than this.
    TooLarge(usize),
}

/// The whole body, if it has at most `max` bytes.
///
/// # Errors
/// As [`Unread`] says.
pub async fn body(mut answer: Response, max: usize) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| Unread::Broken(why(&error)))? {
        if bytes.len() + chunk.len() > max {
            return Err(Unread::TooLarge(max));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_over_tls_or_stay_on_this_machine() {
        for good in [
            "https://a.example",
            "https://a.example:8443/x",
            "http://127.0.0.1:1",
            "http://[::1]:1",
            "http://localhost",
        ] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example",
            "http://127.0.0.1@evil.example",
            "https://user:word@a.example",
            "https://user@a.example",
            "ftp://a.example",
            "file:///etc/passwd",
            "a.example",
            "//a.example",
            "",
        ] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}

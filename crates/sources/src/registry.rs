//! A registry of modules: service discovery, the versions of a module, and where a version is.
//!
//! See the module registry protocol and remote service discovery of Terraform and OpenTofu.

use portcullis_model::source::{SourceKind, is_loopback};
use portcullis_model::{Code, Fault, RemoteSource};
use reqwest::Url;
use serde::Deserialize;

use crate::credential::Scheme;
use crate::page;
use crate::web::{Answer, Ask, Permit, Web, failed};

/// Largest document of a registry, in bytes.
const DOCUMENT_MAX_BYTES: usize = 4 << 20;

#[derive(Deserialize)]
struct Discovery {
    #[serde(rename = "modules.v1")]
    modules: Option<String>,
}

#[derive(Deserialize)]
struct Versions {
    modules: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    versions: Vec<Version>,
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Deserialize)]
struct Located {
    location: Option<String>,
}

/// A module of a registry.
pub(crate) struct Registry<'a> {
    pub web: &'a Web,
    pub permit: Permit<'a>,
    pub host: &'a str,
    /// `namespace/name/provider`.
    pub module: &'a str,
}

impl Registry<'_> {
    /// Where a version is; without one, the newest that is no pre-release.
    ///
    /// # Errors
    /// Those of [`Web::get`], `PC-0616` for an answer that is not understood, `PC-0419` for a place that is not.
    pub async fn locate(&self, version: Option<&str>) -> Result<RemoteSource, Fault> {
        let base = self.discover().await?;
        let version = match version {
            Some(version) => version.to_owned(),
            None => self.newest(&base).await?,
        };
        let url = self.below(&base, &format!("{version}/download"))?;
        let answer = self.get(url.as_str()).await?;
        let said = match answer.header(page::HEADER) {
            Some(said) => said.to_owned(),
            None => serde_json::from_slice::<Located>(&answer.body)
                .ok()
                .and_then(|located| located.location)
                .ok_or_else(|| failed(url.as_str(), "the registry does not say where the module is"))?,
        };
        let source = page::source(&answer, &said)?;
        if matches!(source.kind, SourceKind::Registry { .. }) {
            return Err(failed(url.as_str(), "the registry leads on to a registry"));
        }
        Ok(source)
    }

    /// Where the registry's modules are.
    async fn discover(&self) -> Result<Url, Fault> {
        let name = self.host.rsplit_once(':').map_or(self.host, |(name, _)| name);
        let scheme = if is_loopback(name) { "http" } else { "https" };
        let answer = self.get(&format!("{scheme}://{}/.well-known/terraform.json", self.host)).await?;
        let found: Discovery = serde_json::from_slice(&answer.body)
            .map_err(|error| failed(self.host, &format!("its service discovery is not understood: {error}")))?;
        let modules = found.modules.ok_or_else(|| failed(self.host, "it is no registry of modules"))?;
        let folder = format!("{}/", modules.trim_end_matches('/'));
        answer.url.join(&folder).map_err(|error| failed(self.host, &format!("its modules are at no URL: {error}")))
    }

    async fn newest(&self, base: &Url) -> Result<String, Fault> {
        let url = self.below(base, "versions")?;
        let answer = self.get(url.as_str()).await?;
        let found: Versions = serde_json::from_slice(&answer.body)
            .map_err(|error| failed(url.as_str(), &format!("its versions are not understood: {error}")))?;
        let versions = found.modules.into_iter().flat_map(|listed| listed.versions).map(|version| version.version);
        let newest = versions.filter_map(|text| Some((numbers(&text)?, text))).max();
        newest.map(|(_, text)| text).ok_or_else(|| {
            Fault::new(Code::SOURCE_FETCH, format!("{}/{} has no released version", self.host, self.module))
                .remedy("Name one with `?version=…`.")
        })
    }

    fn below(&self, base: &Url, rest: &str) -> Result<Url, Fault> {
        base.join(&format!("{}/{rest}", self.module)).map_err(|error| failed(self.host, &error.to_string()))
    }

    /// Asks the registry itself, which the module's address was allowed for; whatever it leads on to, by its own.
    async fn get(&self, url: &str) -> Result<Answer, Fault> {
        let permit = |address: &str| {
            if address.split('/').next() == Some(self.host) { Ok(()) } else { (self.permit)(address) }
        };
        let address = format!("{}/{}", self.host, self.module);
        let ask =
            Ask { permit: &permit, max_bytes: DOCUMENT_MAX_BYTES, scheme: Scheme::Bearer, as_address: Some(&address) };
        self.web.get(url, ask).await
    }
}

/// `1.2.3` as numbers; `None` for a pre-release and what is no version. A version becomes a part of a URL.
fn numbers(text: &str) -> Option<Vec<u64>> {
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || ".-+".contains(c)) {
        return None;
    }
    let text = text.split('+').next()?;
    let numbers: Option<Vec<u64>> = text.split('.').map(|part| part.parse().ok()).collect();
    numbers.filter(|numbers| !numbers.is_empty() && numbers.len() <= 4)
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn versions_are_compared_by_number_and_pre_releases_do_not_count() {
        assert!(numbers("1.10.0") > numbers("1.9.9"));
        assert_eq!(numbers("2.0.0-rc1"), None);
        assert_eq!(numbers("x"), None);
        assert_eq!(numbers("1.0.0+build.7"), Some(vec![1, 0, 0]));
        assert_eq!(numbers("1.0.0+/../x"), None);
    }
}

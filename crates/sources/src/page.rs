//! Pages that say where a module is: a URL that is no archive is asked with `terraform-get=1`, and answers in the header
//! `X-Terraform-Get` or in `<meta name="terraform-get" content="…">`, as go-getter understands it.

use portcullis_model::{Fault, RemoteSource};
use reqwest::Url;

use crate::credential::Scheme;
use crate::web::{Answer, Ask, Permit, Web, failed};

/// Largest page, in bytes.
const PAGE_MAX_BYTES: usize = 1 << 20;
/// The header.
pub(crate) const HEADER: &str = "x-terraform-get";

/// Asks a page where the module is.
///
/// # Errors
/// Those of [`Web::get`], and `PC-0616` when the page does not say.
pub(crate) async fn ask(web: &Web, url: &str, permit: Permit<'_>) -> Result<RemoteSource, Fault> {
    let asked = format!("{url}{}terraform-get=1", if url.contains('?') { '&' } else { '?' });
    let ask = Ask { permit, max_bytes: PAGE_MAX_BYTES, scheme: Scheme::File, as_address: None };
    let answer = web.get(&asked, ask).await?;
    let said = match answer.header(HEADER) {
        Some(said) => Some(said.to_owned()),
        None => meta(&String::from_utf8_lossy(&answer.body)),
    };
    let said = said.ok_or_else(|| {
        failed(url, "it is no archive, and does not say where the module is")
            .remedy("Name an archive (`….zip`, or `?archive=zip`), or a git repository (`git::https://…`).")
    })?;
    source(&answer, &said)
}

/// A source that an answer names; a relative one is relative to what was asked.
///
/// # Errors
/// `PC-0419` when it is not understood.
pub(crate) fn source(answer: &Answer, said: &str) -> Result<RemoteSource, Fault> {
    let relative = ["/", "./", "../"].iter().any(|start| said.starts_with(start));
    let absolute = match relative.then(|| answer.url.join(said)) {
        Some(joined) => String::from(joined.map_err(|error| failed(answer.url.as_str(), &error.to_string()))?),
        None => said.to_owned(),
    };
    let host = Url::host_str(&answer.url).unwrap_or_default();
    RemoteSource::parse(&absolute).map_err(|fault| fault.note(format!("{host} says that the module is there")))
}

/// The content of the first `<meta name="terraform-get">`.
fn meta(page: &str) -> Option<String> {
    // ASCII case alone, so that places in both are the same.
    let lower = page.to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = lower.get(from..)?.find("<meta") {
        let start = from + at;
        let length = lower.get(start..)?.find('>')?;
        let (tag, lower_tag) = (page.get(start..start + length)?, lower.get(start..start + length)?);
        if attribute(tag, lower_tag, "name").as_deref() == Some("terraform-get") {
            return attribute(tag, lower_tag, "content").filter(|content| !content.is_empty());
        }
        from = start + length;
    }
    None
}

fn attribute(tag: &str, lower: &str, name: &str) -> Option<String> {
    let wanted = format!(" {name}=");
    let start = lower.find(&wanted)? + wanted.len();
    let rest = tag.get(start..)?;
    let value = match rest.chars().next()? {
        quote @ ('"' | '\'') => rest.get(1..)?.split(quote).next()?,
        _ => rest.split([' ', '/']).next()?,
    };
    Some(value.replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::meta;

    #[test]
    fn a_page_says_where_the_module_is() {
        let page = "<html><META charset=utf-8><meta content='x' name=other>\n<Meta Name=\"terraform-get\" \
                    Content=\"https://x.example/a.zip?a=1&amp;b=2\"/></html>";
        assert_eq!(meta(page).as_deref(), Some("https://x.example/a.zip?a=1&b=2"));
        for none in ["", "<meta", "<meta name=\"terraform-get\">", "<p>terraform-get</p>", "ü<meta name=ü content=é>"]
        {
            assert_eq!(meta(none), None, "{none}");
        }
    }
}

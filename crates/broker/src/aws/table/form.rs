//! The parameters of the query protocols: in a form, in the query, or both.

use crate::aws::request::{PARAMETERS_MAX, Request};
use crate::aws::sigv4::is_of_signature;

/// Names and values, each name once.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads them. The error says what is not clear.
    pub(super) fn read(request: &Request, body: Option<&[u8]>) -> Result<Self, &'static str> {
        let mut pairs: Vec<(String, String)> =
            request.parameters.iter().filter(|(name, _)| !is_of_signature(name)).cloned().collect();
        if let Some(body) = body {
            let text = std::str::from_utf8(body).map_err(|_| "its form is not text")?;
            for piece in text.split('&').filter(|piece| !piece.is_empty()) {
                if pairs.len() == PARAMETERS_MAX {
                    return Err("its form has too many parameters");
                }
                let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
                let (Some(name), Some(value)) = (decode(name), decode(value)) else {
                    return Err("its form is not well encoded");
                };
                pairs.push((name, value));
            }
        }
        let mut names: Vec<String> = pairs.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err("a parameter is there more than once");
        }
        Ok(Form(pairs))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Of a form: `+` is a space.
fn decode(text: &str) -> Option<String> {
    crate::aws::encode::decode(&text.replace('+', " "))
}

//! Where the command line takes its token from: a file, or the variable `PORTCULLIS_TOKEN`.
//!
//! Never an argument: arguments are shown to everybody on the machine.

use std::io::Read;
use std::path::Path;

use portcullis_model::api::TOKEN_MAX_BYTES;
use portcullis_model::{Code, Fault};

use crate::environment::Environment;

/// The variable that holds a token.
pub const VARIABLE: &str = "PORTCULLIS_TOKEN";

/// Finds the token.
///
/// # Errors
/// `PC-0003` when there is none or it cannot be read.
pub fn find(file: Option<&Path>, environment: &Environment) -> Result<String, Fault> {
    let text = match file {
        Some(path) => {
            let failed = |error: std::io::Error| {
                Fault::new(Code::NO_TOKEN, format!("the token file {}: {error}", path.display()))
                    .remedy("Name a file that holds the OIDC token and nothing else.")
            };
            let mut text = String::new();
            let limit = TOKEN_MAX_BYTES as u64 + 2;
            std::fs::File::open(path).map_err(failed)?.take(limit).read_to_string(&mut text).map_err(failed)?;
            text
        }
        None => environment.get(VARIABLE).unwrap_or_default().to_owned(),
    };
    let token = text.trim();
    if token.is_empty() {
        return Err(Fault::new(Code::NO_TOKEN, "there is no token")
            .remedy(format!("Give `--token-file FILE`, or set {VARIABLE}.")));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_from_the_file_or_the_variable() {
        let none: Environment = std::iter::empty::<(String, String)>().collect();
        assert_eq!(find(None, &none).unwrap_err().code(), Code::NO_TOKEN);
        let environment: Environment = [(VARIABLE, "a.b.c")].into_iter().collect();
        assert_eq!(find(None, &environment).unwrap(), "a.b.c");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "d.e.f\n").unwrap();
        assert_eq!(find(Some(file.path()), &environment).unwrap(), "d.e.f");
    }
}

//! A module's documentation: files beside its code that no code reads decide no plan.
//!
//! That no code reads them is decided by the code's text alone, and coarsely: it has none of the words without which a
//! file cannot be named ([`WORDS`]), its providers are known to read nothing unasked ([`PROVIDERS`]), and no input names
//! such a file or the module's own folder. Where one of these is not so, an input is not known, a hook runs, or code is JSON
//! or in another repository, documentation counts like any other file.

use std::borrow::Cow;

use portcullis_hcl::hcl_edit::structure::Block;
use portcullis_hcl::{Kind, Value};

use crate::path;

/// Endings of documentation.
const ENDINGS: [&str; 4] = [".md", ".markdown", ".adoc", ".rst"];
/// Names of documentation, whatever follows the point.
const NAMES: [&str; 4] = ["readme", "license", "changelog", "contributing"];
/// What code has that reads files by a name, or starts a program that could: functions (`file`, `fileset`,
/// `templatefile`, …), resources and arguments (`archive_file`, `source_dir`, `local-exec`), the module's own folder.
const WORDS: [&str; 10] =
    ["file", "path.", "path(", "dir", "template", "provisioner", "external", "local-exec", "\".\"", "\"./\""];

/// What makes texts that are not written anywhere, so that no word of a name is seen.
const HIDES: [&str; 5] = ["base64", "base64gunzip", "strrev", "urldecode", "\\u"];
/// Providers that read no files but those that an argument names.
const PROVIDERS: [&str; 12] = [
    "aws",
    "awscc",
    "azuread",
    "azurerm",
    "cloudflare",
    "google",
    "null",
    "random",
    "terraform",
    "time",
    "tls",
    "vault",
];
/// Blocks of code in which nothing can read a file that the text does not name.
const KINDS: [&str; 10] =
    ["check", "import", "locals", "module", "moved", "output", "provider", "removed", "terraform", "variable"];

fn lowercase(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        text.into()
    } else {
        text.to_lowercase().into()
    }
}

/// Whether a file is documentation by its name.
pub(crate) fn is_documentation(file: &str) -> bool {
    let name = path::name(file).to_lowercase();
    let stem = name.split('.').next().unwrap_or_default();
    ENDINGS.iter().any(|ending| name.ends_with(ending)) || (NAMES.contains(&stem) && !crate::module::is_code(&name))
}

/// Whether code could read documentation that lies beside it.
pub(crate) fn could_be_read(code: &str) -> bool {
    let code = lowercase(code);
    WORDS.iter().chain(&HIDES).chain(&ENDINGS).chain(&NAMES).any(|word| code.contains(word))
}

/// Whether a block's provider may read files that nobody names to it.
pub(crate) fn reads_unasked(block: &Block) -> bool {
    let label = block.labels.first().map_or("", |label| label.as_str());
    match block.ident.as_str() {
        "resource" | "data" | "ephemeral" => !PROVIDERS.contains(&label.split('_').next().unwrap_or_default()),
        kind => !KINDS.contains(&kind),
    }
}

/// Whether a file holds values for a module's variables, which the tool reads by itself.
pub(crate) fn holds_values(file: &str) -> bool {
    file.ends_with(".tfvars") || file.ends_with(".tfvars.json")
}

/// Whether a value names documentation, or the folder that the tool runs in; or is not known, and so might.
pub(crate) fn is_named(value: &Value) -> bool {
    match value.kind() {
        Kind::Seq(_, elements) => elements.iter().any(is_named),
        Kind::Map(_, entries) => entries.values().any(is_named),
        Kind::String(text) => {
            let lower = lowercase(text);
            matches!(text, "." | "./") || ENDINGS.iter().chain(&NAMES).any(|word| lower.contains(word))
        }
        Kind::Unknown(_) => true,
        Kind::Null | Kind::Bool(_) | Kind::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_is_known_by_its_name_and_code_that_could_read_it_by_its_words() {
        for (file, expected) in [
            ("m/README.md", true),
            ("m/docs.markdown", true),
            ("m/LICENSE", true),
            ("m/readme.txt", true),
            ("m/main.tf", false),
            ("m/license.tf", false),
            ("m/policy.json", false),
            ("m/notes.txt", false),
        ] {
            assert_eq!(is_documentation(file), expected, "{file}");
        }
        for code in [
            "content = file(\"x\")",
            "for_each = fileset(path.module, \"*\")",
            "source_dir = var.x",
            "chart = \".\"",
            "context = abspath(\"\")",
            "data \"external\" \"x\" {}",
            "source = \"README.md\"",
        ] {
            assert!(could_be_read(code), "{code}");
        }
        assert!(!could_be_read("resource \"aws_vpc\" \"this\" {\n  cidr_block = var.cidr\n}\n"));
    }
}

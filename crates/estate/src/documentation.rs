//! A module's documentation: files beside its code that no code reads decide no plan.
//!
//! That no code reads them is decided by the code's text alone, and coarsely: it has none of the words without which a
//! file cannot be named ([`WORDS`]), and no input names such a file or the module's own folder. Where one of these is
//! there, or a hook runs, or the code is JSON or in another repository, documentation counts like any other file.

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

/// Whether a file is documentation by its name.
pub(crate) fn is_documentation(file: &str) -> bool {
    let name = path::name(file).to_lowercase();
    let stem = name.split('.').next().unwrap_or_default();
    ENDINGS.iter().any(|ending| name.ends_with(ending)) || (NAMES.contains(&stem) && !crate::module::is_code(&name))
}

/// Whether code could read documentation that lies beside it.
pub(crate) fn could_be_read(code: &str) -> bool {
    let code = code.to_lowercase();
    WORDS.iter().chain(&ENDINGS).chain(&NAMES).any(|word| code.contains(word))
}

/// Whether a value names documentation, or the folder that the tool runs in.
pub(crate) fn is_named(value: &Value) -> bool {
    match value.kind() {
        Kind::Seq(_, elements) => elements.iter().any(is_named),
        Kind::Map(_, entries) => entries.values().any(is_named),
        Kind::String(text) => {
            let lower = text.to_lowercase();
            matches!(text, "." | "./") || ENDINGS.iter().chain(&NAMES).any(|word| lower.contains(word))
        }
        _ => false,
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

//! What a configuration means where nothing is written: a default that is written out is no change.
//!
//! Only where both mean the same to every part that looks at them, and only after includes are merged: a `false` that is
//! written out replaces a parent's `true`.

use portcullis_hcl::Value;

/// What an attribute is where it is not written.
enum Default {
    Bool(bool),
    Text(&'static str),
    NoElements,
}

/// Attributes by kind of block; none for those of the file itself.
const DEFAULTS: &[(&str, &str, Default)] = &[
    ("", "prevent_destroy", Default::Bool(false)),
    ("", "terraform_binary", Default::Text("")),
    ("", "terraform_version_constraint", Default::Text("")),
    ("", "terragrunt_version_constraint", Default::Text("")),
    ("", "download_dir", Default::Text("")),
    ("", "iam_role", Default::Text("")),
    ("dependency", "enabled", Default::Bool(true)),
    ("dependency", "skip_outputs", Default::Bool(false)),
    ("terraform", "copy_terraform_lock_file", Default::Bool(true)),
    ("terraform", "include_in_copy", Default::NoElements),
    ("terraform", "exclude_from_copy", Default::NoElements),
    ("terraform", "mutable", Default::Bool(false)),
    ("terraform", "update_source_with_cas", Default::Bool(false)),
    ("extra_arguments", "arguments", Default::NoElements),
    ("extra_arguments", "required_var_files", Default::NoElements),
    ("extra_arguments", "optional_var_files", Default::NoElements),
    ("extra_arguments", "env_vars", Default::NoElements),
    ("before_hook", "if", Default::Bool(true)),
    ("before_hook", "run_on_error", Default::Bool(false)),
    ("before_hook", "suppress_stdout", Default::Bool(false)),
    ("after_hook", "if", Default::Bool(true)),
    ("after_hook", "run_on_error", Default::Bool(false)),
    ("after_hook", "suppress_stdout", Default::Bool(false)),
    ("error_hook", "suppress_stdout", Default::Bool(false)),
    ("remote_state", "disable_init", Default::Bool(false)),
    ("remote_state", "disable_dependency_optimization", Default::Bool(false)),
    ("generate", "disable", Default::Bool(false)),
    ("generate", "disable_signature", Default::Bool(false)),
    ("generate", "if_disabled", Default::Text("skip")),
    ("generate", "comment_prefix", Default::Text("# ")),
    ("exclude", "exclude_dependencies", Default::Bool(false)),
];

/// Whether an attribute of a kind of block says what would hold without it.
pub(crate) fn is_default(kind: &str, name: &str, value: &Value) -> bool {
    if value.is_sensitive() || value.is_unknown() {
        return false;
    }
    if value.is_null() {
        return true;
    }
    let Some((_, _, default)) = DEFAULTS.iter().find(|(block, attribute, _)| *block == kind && *attribute == name)
    else {
        return false;
    };
    match default {
        Default::Bool(bool) => value.as_bool() == Some(*bool),
        Default::Text(text) => value.as_str() == Some(text),
        Default::NoElements => {
            value.as_seq().is_some_and(<[Value]>::is_empty) || value.as_map().is_some_and(|entries| entries.is_empty())
        }
    }
}

//! The types of blocks' attributes: what a value becomes where Terragrunt decodes it into a typed field. `"true"`
//! is a bool for `skip_outputs`, `1` a string in `env_vars`. A value that cannot become its type stays as it is; the
//! fault is found where the attribute is used.

use portcullis_hcl::Value;
use portcullis_hcl::value::Entries;

use super::sections::Section;

enum Type {
    Bool,
    Number,
    Text,
    Texts,
    TextMap,
    /// A map whose values have one type.
    Uniform,
}

/// An attribute's type is the same in every block that has it.
fn of(name: &str) -> Option<Type> {
    Some(match name {
        "expose"
        | "copy_terraform_lock_file"
        | "run_on_error"
        | "suppress_stdout"
        | "if"
        | "disable_init"
        | "disable_dependency_optimization"
        | "enabled"
        | "skip_outputs"
        | "mock_outputs_merge_with_state"
        | "disable_signature"
        | "disable"
        | "hcl_fmt"
        | "no_run"
        | "exclude_dependencies"
        | "prevent_destroy"
        | "no_dot_terragrunt_stack"
        | "no_validation"
        | "update_source_with_cas" => Type::Bool,
        "max_attempts" | "sleep_interval_sec" | "iam_assume_role_duration" => Type::Number,
        "source"
        | "path"
        | "backend"
        | "working_dir"
        | "if_exists"
        | "if_disabled"
        | "contents"
        | "comment_prefix"
        | "merge_strategy"
        | "message"
        | "version"
        | "type"
        | "mock_outputs_merge_strategy_with_state"
        | "terraform_binary"
        | "terraform_version_constraint"
        | "terragrunt_version_constraint"
        | "download_dir"
        | "iam_role"
        | "iam_assume_role_session_name"
        | "iam_web_identity_token" => Type::Text,
        "commands"
        | "execute"
        | "on_errors"
        | "arguments"
        | "required_var_files"
        | "optional_var_files"
        | "include_in_copy"
        | "exclude_from_copy"
        | "paths"
        | "actions"
        | "retryable_errors"
        | "ignorable_errors"
        | "mock_outputs_allowed_terraform_commands" => Type::Texts,
        "env_vars" => Type::TextMap,
        "signals" => Type::Uniform,
        _ => return None,
    })
}

/// Gives the attributes of a block their types.
pub(super) fn apply(section: &mut Section) {
    for (name, value) in section.attributes.iter_mut() {
        if let Some(typed) = typed(name, value) {
            *value = typed;
        }
    }
}

/// A value as its attribute's type; `None` where it stays as it is.
pub(super) fn typed(name: &str, value: &Value) -> Option<Value> {
    let sensitive = value.is_sensitive();
    let typed = match of(name)? {
        Type::Bool => {
            value.as_str()?;
            Value::bool(value.want_bool(name).ok()?, value.origin().clone())
        }
        Type::Number => Value::number(value.as_str()?.parse::<u64>().ok()?, value.origin().clone()),
        Type::Text => text(value)?,
        Type::Texts => {
            let elements = value.as_seq()?;
            if elements.iter().all(|element| text(element).is_none()) {
                return None;
            }
            let texts = elements.iter().map(|element| text(element).unwrap_or_else(|| element.clone()));
            Value::tuple(texts.collect(), value.origin().clone())
        }
        Type::TextMap => texts(value)?,
        Type::Uniform => {
            let entries = value.as_map()?;
            let mixed = entries.values().any(|entry| entry.as_str().is_some());
            if mixed { texts(value)? } else { return None }
        }
    };
    Some(typed.mark(sensitive))
}

/// A number or bool as a string.
fn text(value: &Value) -> Option<Value> {
    if value.is_null() || value.as_str().is_some() {
        return None;
    }
    let text = value.text_form()?;
    Some(Value::string(text, value.origin().clone()).mark(value.is_sensitive()))
}

fn texts(value: &Value) -> Option<Value> {
    let entries: Entries = value
        .as_map()?
        .iter()
        .map(|(name, entry)| (name.clone(), text(entry).unwrap_or_else(|| entry.clone())))
        .collect();
    Some(Value::object(entries, value.origin().clone()))
}

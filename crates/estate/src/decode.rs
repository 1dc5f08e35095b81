//! From evaluated sections to [`Resolved`](crate::Resolved)'s parts: types are checked here, and nowhere else.

use indexmap::IndexMap;
use portcullis_hcl::Value;
use portcullis_model::{Code, Fault};

use crate::config::{Config, Section};
use crate::path;
use crate::resolved::{
    Errors, ExtraArguments, Generated, Hook, IamRole, IfDisabled, IfExists, Ignore, RemoteState, Retry,
};

/// The tool's default, and Terragrunt's.
const COMMENT_PREFIX: &str = "# ";

fn strings(section: &Section, name: &str) -> Result<Vec<String>, Fault> {
    section.get(name).map_or(Ok(Vec::new()), |value| value.want_strings(&format!("`{name}`")))
}

fn string(section: &Section, name: &str) -> Result<Option<String>, Fault> {
    section.get(name).map(|value| value.want_string(&format!("`{name}`")).map(|text| text.to_string())).transpose()
}

fn flag(section: &Section, name: &str, default: bool) -> Result<bool, Fault> {
    section.get(name).map_or(Ok(default), |value| value.want_bool(&format!("`{name}`")))
}

fn required(section: &Section, name: &str) -> Result<String, Fault> {
    string(section, name)?.ok_or_else(|| section.origin.fault(Code::HCL_TYPE, format!("`{name}` must not be null")))
}

fn number(value: &Value, what: &str) -> Result<u64, Fault> {
    value.want_string(what)?.parse().map_err(|_| value.wrong(what, "a whole number that is not negative"))
}

fn choice<T: Copy>(section: &Section, name: &str, text: &str, choices: &[(&str, T)]) -> Result<T, Fault> {
    choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<String> = choices.iter().map(|(choice, _)| format!("`{choice}`")).collect();
        let origin = section.get(name).map_or(&section.origin, Value::origin);
        origin
            .fault(Code::HCL_TYPE, format!("{} is no value for `{name}`", path::quoted(text)))
            .remedy(format!("Use one of {}.", known.join(", ")))
    })
}

const IF_EXISTS: [(&str, IfExists); 4] = [
    ("error", IfExists::Error),
    ("skip", IfExists::Skip),
    ("overwrite", IfExists::Overwrite),
    ("overwrite_terragrunt", IfExists::OverwriteTerragrunt),
];

/// A `generate` block.
pub(crate) fn generated(section: &Section) -> Result<Generated, Fault> {
    let if_disabled = string(section, "if_disabled")?.unwrap_or_else(|| "skip".to_owned());
    let if_exists = required(section, "if_exists")?;
    let target = required(section, "path")?;
    // The file belongs in the working directory, wherever that is; an absolute path or one upwards does not.
    if target.starts_with('/') || path::resolve(".", &target).is_err() {
        let origin = section.get("path").map_or(&section.origin, Value::origin);
        return Err(origin
            .fault(Code::OUTSIDE_REPOSITORY, format!("{} leads out of the working directory", path::quoted(&target)))
            .remedy("Give a path relative to the module's folder."));
    }
    Ok(Generated {
        name: section.label.to_string(),
        path: target,
        if_exists: choice(section, "if_exists", &if_exists, &IF_EXISTS)?,
        if_disabled: choice(
            section,
            "if_disabled",
            &if_disabled,
            &[
                ("skip", IfDisabled::Skip),
                ("remove", IfDisabled::Remove),
                ("remove_terragrunt", IfDisabled::RemoveTerragrunt),
            ],
        )?,
        contents: required(section, "contents")?,
        comment_prefix: string(section, "comment_prefix")?.unwrap_or_else(|| COMMENT_PREFIX.to_owned()),
        disable_signature: flag(section, "disable_signature", false)?,
        hcl_fmt: section.get("hcl_fmt").map(|value| value.want_bool("`hcl_fmt`")).transpose()?,
        disable: flag(section, "disable", false)?,
        place: section.place(),
    })
}

/// The `remote_state` block.
pub(crate) fn remote_state(section: &Section) -> Result<RemoteState, Fault> {
    let generate = match section.get("generate") {
        None => None,
        Some(value) => {
            let entries = value.want_map("`generate` of `remote_state`")?;
            let text = |name: &str| match entries.get(name) {
                Some(value) => value.want_string(&format!("`{name}`")).map(|text| text.to_string()),
                None => Err(value.fault(Code::HCL_TYPE, format!("`generate` of `remote_state` needs `{name}`"))),
            };
            Some((text("path")?, choice(section, "generate", &text("if_exists")?, &IF_EXISTS)?))
        }
    };
    Ok(RemoteState {
        backend: required(section, "backend")?,
        config: section.get("config").map_or(Ok(IndexMap::new()), |value| known_map(value, "`config`"))?,
        encryption: section.get("encryption").map(|value| known_map(value, "`encryption`")).transpose()?,
        generate,
        disable_init: flag(section, "disable_init", false)?,
        place: section.place(),
    })
}

/// The entries of a map in which everything is known.
pub(crate) fn known_map(value: &Value, what: &str) -> Result<IndexMap<String, Value>, Fault> {
    let entries = value.want_map(what)?;
    for (name, entry) in entries {
        if let Some(unknown) = entry.first_unknown() {
            return Err(entry
                .fault(Code::INEXACT, format!("`{name}` of {what} is not known: {}", unknown.reason()))
                .remedy("Replace it by something that can be read from files, or use the `terragrunt` driver."));
        }
    }
    Ok(entries.iter().map(|(name, entry)| (name.to_string(), entry.clone())).collect())
}

/// An `extra_arguments` block.
pub(crate) fn extra_arguments(section: &Section) -> Result<ExtraArguments, Fault> {
    let mut env_vars = IndexMap::new();
    if let Some(value) = section.get("env_vars") {
        for (name, value) in value.want_map("`env_vars`")? {
            env_vars.insert(name.to_string(), value.want_string("each of `env_vars`")?.to_string());
        }
    }
    Ok(ExtraArguments {
        name: section.label.to_string(),
        commands: strings(section, "commands")?,
        arguments: strings(section, "arguments")?,
        env_vars,
        required_var_files: strings(section, "required_var_files")?,
        optional_var_files: strings(section, "optional_var_files")?,
        place: section.place(),
    })
}

/// A hook of any kind.
pub(crate) fn hook(section: &Section) -> Result<Hook, Fault> {
    let execute = strings(section, "execute")?;
    if execute.first().is_none_or(String::is_empty) {
        return Err(section.origin.fault(Code::HCL_TYPE, format!("hook `{}` has nothing to execute", section.label)));
    }
    Ok(Hook {
        name: section.label.to_string(),
        commands: strings(section, "commands")?,
        execute,
        working_dir: string(section, "working_dir")?,
        run_on_error: flag(section, "run_on_error", false)?,
        suppress_stdout: flag(section, "suppress_stdout", false)?,
        condition: flag(section, "if", true)?,
        on_errors: strings(section, "on_errors")?,
        place: section.place(),
    })
}

/// The blocks of one kind inside `terraform`.
pub(crate) fn terraform_blocks<T>(
    config: &Config,
    kind: &str,
    decode: impl Fn(&Section) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    config.terraform_blocks.get(kind).into_iter().flatten().map(decode).collect()
}

/// Attributes of `terraform` that are lists of patterns.
pub(crate) fn patterns(config: &Config, name: &str) -> Result<Vec<String>, Fault> {
    config.terraform.as_ref().map_or(Ok(Vec::new()), |section| strings(section, name))
}

/// Whether the lock file is copied back.
pub(crate) fn copy_lock_file(config: &Config) -> Result<bool, Fault> {
    config.terraform.as_ref().map_or(Ok(true), |section| flag(section, "copy_terraform_lock_file", true))
}

/// A plain attribute that is text; empty text counts as not set.
pub(crate) fn text(config: &Config, name: &str) -> Result<Option<String>, Fault> {
    let Some(value) = config.plain.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let text = value.want_string(&format!("`{name}`"))?;
    Ok(Some(text.to_string()).filter(|text| !text.is_empty()))
}

/// `prevent_destroy`.
pub(crate) fn prevent_destroy(config: &Config) -> Result<bool, Fault> {
    let value = config.plain.get("prevent_destroy").filter(|value| !value.is_null());
    value.map_or(Ok(false), |value| value.want_bool("`prevent_destroy`"))
}

/// The role to assume.
pub(crate) fn iam_role(config: &Config) -> Result<Option<IamRole>, Fault> {
    let Some(arn) = text(config, "iam_role")? else { return Ok(None) };
    let duration = config.plain.get("iam_assume_role_duration").filter(|value| !value.is_null());
    Ok(Some(IamRole {
        arn,
        duration_s: duration.map(|value| number(value, "`iam_assume_role_duration`")).transpose()?,
        session_name: text(config, "iam_assume_role_session_name")?,
        web_identity_token: text(config, "iam_web_identity_token")?,
    }))
}

/// The `errors` block.
pub(crate) fn errors(config: &Config) -> Result<Errors, Fault> {
    let of = |kind: &str| config.errors.as_ref().and_then(|blocks| blocks.get(kind)).into_iter().flatten();
    let count = |section: &Section, name: &str| match section.get(name) {
        Some(value) => number(value, &format!("`{name}`")),
        None => Err(section.origin.fault(Code::HCL_TYPE, format!("`{name}` must not be null"))),
    };
    let retry = |section: &Section| {
        Ok(Retry {
            name: section.label.to_string(),
            errors: strings(section, "retryable_errors")?,
            max_attempts: count(section, "max_attempts")?,
            sleep_s: count(section, "sleep_interval_sec")?,
        })
    };
    let ignore = |section: &Section| {
        Ok(Ignore {
            name: section.label.to_string(),
            errors: strings(section, "ignorable_errors")?,
            message: string(section, "message")?.unwrap_or_default(),
            signals: section.get("signals").map_or(Ok(serde_json::Value::Null), crate::json::from_value)?,
        })
    };
    Ok(Errors {
        retries: of("retry").map(retry).collect::<Result<_, Fault>>()?,
        ignores: of("ignore").map(ignore).collect::<Result<_, Fault>>()?,
    })
}

/// Decodes each part that is known already, for its faults only.
pub(crate) fn check(config: &Config) -> Vec<Fault> {
    let known = |section: &&Section| section.attributes.values().all(Value::is_known_deep);
    let mut faults = Vec::new();
    let blocks = |kind: &str| config.terraform_blocks.get(kind).into_iter().flatten().filter(known);
    faults
        .extend(blocks("extra_arguments").filter_map(|section| section.attributes.fault(|| extra_arguments(section))));
    for kind in ["before_hook", "after_hook", "error_hook"] {
        faults.extend(blocks(kind).filter_map(|section| section.attributes.fault(|| hook(section))));
    }
    let generate = config.generate.iter().filter(known);
    faults.extend(generate.filter_map(|section| section.attributes.fault(|| generated(section))));
    let state = config.remote_state.iter().filter(known);
    faults.extend(state.filter_map(|section| section.attributes.fault(|| remote_state(section))));
    if config.errors.iter().flat_map(|blocks| blocks.values()).flatten().all(|section| known(&section)) {
        faults.extend(errors(config).err());
    }
    if config.plain.values().all(Value::is_known_deep) {
        faults.extend(iam_role(config).err());
        faults.extend(prevent_destroy(config).err());
    }
    faults
}

//! A configuration as other configuration sees it (`include.NAME.…`, `read_terragrunt_config`), and as
//! `terragrunt render --json` shows it: the same shape (`pkg/config/config_as_cty.go`).
//!
//! Text that is not set is empty, other attributes that are not set are null, labelled blocks are maps by
//! label, each with its `name`; a block that is not there at all is no part, or null.

use std::rc::Rc;
use std::sync::Arc;

use portcullis_hcl::value::Entries;
use portcullis_hcl::{Origin, Value};
use portcullis_model::{Code, Fault};

use super::dependency;
use super::frame::Frame;
use super::sections::{Config, Only, PLAIN, Section, TERRAFORM_BLOCKS, is_wanted};

/// All parts that a configuration may have, but for the plain attributes.
const PARTS: [&str; 12] = [
    "locals",
    "inputs",
    "terraform",
    "remote_state",
    "generate",
    "dependencies",
    "dependency",
    "exclude",
    "errors",
    "engine",
    "feature",
    "iam_assume_role_duration",
];

/// What an attribute is shown as where it is not set.
#[derive(Clone, Copy)]
enum Unset {
    Null,
    False,
    Text(&'static str),
    NoElements,
    NoEntries,
}

const EXTRA_ARGUMENTS: [(&str, Unset); 5] = [
    ("arguments", Unset::Null),
    ("commands", Unset::Null),
    ("env_vars", Unset::Null),
    ("optional_var_files", Unset::Null),
    ("required_var_files", Unset::Null),
];
const HOOK: [(&str, Unset); 6] = [
    ("commands", Unset::Null),
    ("execute", Unset::Null),
    ("if", Unset::Null),
    ("run_on_error", Unset::Null),
    ("suppress_stdout", Unset::Null),
    ("working_dir", Unset::Null),
];
const ERROR_HOOK: [(&str, Unset); 5] = [
    ("commands", Unset::Null),
    ("execute", Unset::Null),
    ("on_errors", Unset::Null),
    ("suppress_stdout", Unset::Null),
    ("working_dir", Unset::Null),
];
const TERRAFORM: [(&str, Unset); 4] = [
    ("source", Unset::Null),
    ("include_in_copy", Unset::Null),
    ("exclude_from_copy", Unset::Null),
    ("copy_terraform_lock_file", Unset::Null),
];
const REMOTE_STATE: [(&str, Unset); 6] = [
    ("backend", Unset::Text("")),
    ("config", Unset::Null),
    ("disable_init", Unset::False),
    ("disable_dependency_optimization", Unset::False),
    ("generate", Unset::Null),
    ("encryption", Unset::Null),
];
const GENERATE: [(&str, Unset); 9] = [
    ("path", Unset::Text("")),
    ("if_exists", Unset::Text("")),
    ("if_disabled", Unset::Text("skip")),
    ("comment_prefix", Unset::Text("# ")),
    ("contents", Unset::Text("")),
    ("disable_signature", Unset::False),
    ("disable", Unset::False),
    ("hcl_fmt", Unset::Null),
    ("mutable", Unset::Null),
];
const EXCLUDE: [(&str, Unset); 4] = [
    ("if", Unset::False),
    ("actions", Unset::NoElements),
    ("no_run", Unset::False),
    ("exclude_dependencies", Unset::False),
];
const RETRY: [(&str, Unset); 3] =
    [("retryable_errors", Unset::Null), ("max_attempts", Unset::Null), ("sleep_interval_sec", Unset::Null)];
const IGNORE: [(&str, Unset); 3] =
    [("ignorable_errors", Unset::NoElements), ("message", Unset::Text("")), ("signals", Unset::NoEntries)];
const ENGINE: [(&str, Unset); 4] =
    [("source", Unset::Text("")), ("version", Unset::Text("")), ("type", Unset::Text("")), ("meta", Unset::Null)];
const DEPENDENCY: [(&str, Unset); 7] = [
    ("config_path", Unset::Null),
    ("enabled", Unset::Null),
    ("mock_outputs", Unset::Null),
    ("mock_outputs_allowed_terraform_commands", Unset::Null),
    ("mock_outputs_merge_with_state", Unset::Null),
    ("mock_outputs_merge_strategy_with_state", Unset::Null),
    ("inputs", Unset::Null),
];

/// The attributes of a section with those that are not set.
fn filled(section: &Section, shape: &[(&str, Unset)]) -> Entries {
    let mut entries = Entries::clone(&section.attributes);
    for (name, unset) in shape {
        if entries.get(*name).is_none_or(Value::is_null) {
            // Nobody wrote it: it comes from no file.
            let origin = Origin::built_in();
            let value = match unset {
                Unset::Null => Value::null(origin),
                Unset::False => Value::bool(false, origin),
                Unset::Text(text) => Value::string(*text, origin),
                Unset::NoElements => Value::list(Vec::new(), origin),
                Unset::NoEntries => Value::object(Entries::new(), origin),
            };
            entries.insert((*name).into(), value);
        }
    }
    entries
}

fn shown(section: &Section, shape: &[(&str, Unset)]) -> Value {
    Value::object(filled(section, shape), section.origin.clone())
}

fn named(section: &Section, shape: &[(&str, Unset)]) -> Value {
    let mut entries = filled(section, shape);
    entries.insert("name".into(), Value::string(Arc::clone(&section.label), section.origin.clone()));
    Value::object(entries, section.origin.clone())
}

fn by_label(sections: &[Section], shape: &[(&str, Unset)], at: &Origin) -> Value {
    let entries = sections.iter().map(|section| (Arc::clone(&section.label), named(section, shape)));
    Value::object(entries.collect(), at.clone())
}

fn terraform(config: &Config, section: &Section) -> Value {
    let mut entries = filled(section, &TERRAFORM);
    for kind in TERRAFORM_BLOCKS {
        let shape: &[(&str, Unset)] = match kind {
            "extra_arguments" => &EXTRA_ARGUMENTS,
            "error_hook" => &ERROR_HOOK,
            _ => &HOOK,
        };
        let sections = config.terraform_blocks.get(kind).map_or(&[][..], Vec::as_slice);
        entries.insert(kind.into(), by_label(sections, shape, &section.origin));
    }
    Value::object(entries, section.origin.clone())
}

fn errors(config: &Config, at: &Origin) -> Option<Value> {
    let blocks = config.errors.as_ref()?;
    let list = |kind: &str, shape: &[(&str, Unset)]| -> Option<Value> {
        let sections = blocks.get(kind).filter(|sections| !sections.is_empty())?;
        Some(Value::tuple(sections.iter().map(|section| named(section, shape)).collect(), at.clone()))
    };
    let mut entries = Entries::new();
    entries.insert("retry".into(), list("retry", &RETRY).unwrap_or_else(|| Value::null(at.clone())));
    if let Some(ignore) = list("ignore", &IGNORE) {
        entries.insert("ignore".into(), ignore);
    }
    Some(Value::object(entries, at.clone()))
}

fn generate(config: &Config, at: &Origin) -> Value {
    let entries = config.generate.iter().map(|section| (Arc::clone(&section.label), shown(section, &GENERATE)));
    Value::object(entries.collect(), at.clone())
}

/// Whether a configuration is shown with the outputs of its dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outputs {
    /// As for other configuration that reads it.
    Shown,
    /// As where it is rendered itself.
    Hidden,
}

fn dependency(frame: &Rc<Frame<'_>>, outputs: Outputs, at: &Origin) -> Result<Value, Fault> {
    let mut entries = Entries::new();
    for block in frame.dependency_blocks()? {
        let mut shown = filled(&block.section, &DEPENDENCY);
        let skip = shown.remove("skip_outputs").unwrap_or_else(|| Value::null(at.clone()));
        shown.insert("skip".into(), skip);
        shown.insert("name".into(), Value::string(Arc::clone(&block.section.label), block.section.origin.clone()));
        let outputs = match outputs {
            Outputs::Shown => dependency::outputs_of(frame, block, at)?,
            Outputs::Hidden => None,
        };
        shown.insert("outputs".into(), outputs.unwrap_or_else(|| Value::null(at.clone())));
        entries.insert(Arc::clone(&block.section.label), Value::object(shown, block.section.origin.clone()));
    }
    Ok(Value::object(entries, at.clone()))
}

impl Config {
    /// A part as other configuration sees it. `None`: there is no such part.
    fn part(&self, frame: &Rc<Frame<'_>>, part: &str, outputs: Outputs, at: &Origin) -> Result<Option<Value>, Fault> {
        let null = || Value::null(at.clone());
        Ok(match part {
            "locals" if frame.has_locals() => Some(frame.all_locals(at)?),
            "locals" => Some(null()),
            "inputs" => Some(self.inputs.clone().unwrap_or_else(null)),
            "terraform" => self.terraform.as_ref().map(|section| terraform(self, section)),
            "remote_state" => self.remote_state.as_ref().map(|section| shown(section, &REMOTE_STATE)),
            "generate" => Some(generate(self, at)),
            "dependencies" if self.dependencies.is_none() => Some(null()),
            "dependencies" => {
                let paths = Value::tuple(self.dependencies.clone().unwrap_or_default(), at.clone());
                Some(Value::object(Entries::from([("paths".into(), paths)]), at.clone()))
            }
            "dependency" => Some(dependency(frame, outputs, at)?),
            "exclude" => self.exclude.as_ref().map(|section| shown(section, &EXCLUDE)),
            "errors" => errors(self, at),
            "engine" => self.engine.as_ref().map(|section| shown(section, &ENGINE)),
            "feature" => Some(by_label(&self.features, &[("default", Unset::Null)], at)),
            "prevent_destroy" => self.plain.get(part).cloned(),
            "iam_assume_role_duration" => Some(self.plain.get(part).cloned().unwrap_or_else(null)),
            part if PLAIN.contains(&part) => {
                Some(self.plain.get(part).cloned().unwrap_or_else(|| Value::string("", at.clone())))
            }
            _ => None,
        })
    }

    /// All parts as one object.
    pub(crate) fn whole(&self, frame: &Rc<Frame<'_>>, outputs: Outputs, at: &Origin) -> Result<Value, Fault> {
        self.parts(frame, None, outputs, at)
    }

    /// As [`Config::whole`], but for what is not asked for.
    pub(crate) fn parts(
        &self,
        frame: &Rc<Frame<'_>>,
        only: Only<'_>,
        outputs: Outputs,
        at: &Origin,
    ) -> Result<Value, Fault> {
        let mut entries = Entries::new();
        for part in PARTS.into_iter().chain(PLAIN).filter(|part| is_wanted(only, part)) {
            if let Some(value) = self.part(frame, part, outputs, at)? {
                entries.insert(part.into(), value);
            }
        }
        Ok(Value::object(entries, at.clone()))
    }
}

/// One part of an included file, as `include.NAME.PART` gives it.
pub(super) fn part(frame: &Rc<Frame<'_>>, part: &str, at: &Origin) -> Result<Value, Fault> {
    let value = frame.memoized(&format!("(part {part})"), || {
        let config = Config::own(frame, Some(&[part]))?;
        config.part(frame, part, Outputs::Shown, at)?.ok_or_else(|| {
            at.fault(Code::HCL_EVALUATION, format!("{} has no `{part}`", frame.file.path()))
                .remedy("Only what the included file sets is exposed.")
        })
    });
    value.unwrap_or_else(|| Err(at.fault(Code::HCL_EVALUATION, format!("`{part}` refers to itself"))))
}

/// All of an included file, as `include.NAME` gives it.
pub(super) fn whole(frame: &Rc<Frame<'_>>, at: &Origin) -> Result<Value, Fault> {
    Config::own(frame, None)?.whole(frame, Outputs::Shown, at)
}

/// What each file says by itself, before includes are merged: the file's own, then its includes, the last one first.
pub(crate) fn layers(frame: &Rc<Frame<'_>>, at: &Origin) -> Result<Vec<Value>, Fault> {
    let mut layers = vec![Config::own(frame, None)?.whole(frame, Outputs::Hidden, at)?];
    for include in frame.includes()?.iter().rev() {
        layers.push(Config::own(&include.frame, None)?.whole(&include.frame, Outputs::Hidden, at)?);
    }
    Ok(layers)
}

//! Which blocks and attributes a configuration may have. What is not listed here is refused, never skipped.

use std::sync::Arc;

use hashbrown::HashSet;
use portcullis_hcl::hcl_edit::structure::{Attribute, Block, Body, Structure};
use portcullis_hcl::{File, Origin};
use portcullis_model::{Code, Fault};

/// A kind of block, or the file itself.
pub(super) struct Shape {
    /// How faults call it.
    name: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
    pub(super) blocks: &'static [Inner],
    /// Whether any attribute is allowed (`locals`).
    open: bool,
    /// Whether anything is allowed.
    free: bool,
}

pub(super) struct Inner {
    pub(super) name: &'static str,
    pub(super) labels: Labels,
    pub(super) shape: &'static Shape,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Labels {
    /// No label, at most one block.
    Single,
    /// One label, which is the block's name.
    Named,
    /// One label, which several blocks may have.
    Repeated,
    /// One label or none (`include`).
    Maybe,
}

impl Shape {
    /// Whether an attribute of this name is known.
    pub(super) fn has_attribute(&self, name: &str) -> bool {
        self.required.contains(&name) || self.optional.contains(&name)
    }
}

const NONE: Shape = Shape { name: "", required: &[], optional: &[], blocks: &[], open: false, free: false };

pub(super) static FILE: Shape = Shape {
    name: "the configuration",
    optional: &[
        "inputs",
        "remote_state",
        "generate",
        "terraform_binary",
        "terraform_version_constraint",
        "terragrunt_version_constraint",
        "download_dir",
        "prevent_destroy",
        "iam_role",
        "iam_assume_role_duration",
        "iam_assume_role_session_name",
        "iam_web_identity_token",
        // Spellings of Terragrunt before 1.0, which it refuses by now.
        "skip",
        "retryable_errors",
        "retry_max_attempts",
        "retry_sleep_interval_sec",
    ],
    blocks: &[
        Inner { name: "locals", labels: Labels::Single, shape: &LOCALS },
        Inner { name: "include", labels: Labels::Maybe, shape: &INCLUDE },
        Inner { name: "terraform", labels: Labels::Single, shape: &TERRAFORM },
        Inner { name: "remote_state", labels: Labels::Single, shape: &REMOTE_STATE },
        Inner { name: "dependencies", labels: Labels::Single, shape: &DEPENDENCIES },
        Inner { name: "dependency", labels: Labels::Named, shape: &DEPENDENCY },
        Inner { name: "generate", labels: Labels::Named, shape: &GENERATE },
        Inner { name: "feature", labels: Labels::Named, shape: &FEATURE },
        Inner { name: "exclude", labels: Labels::Single, shape: &EXCLUDE },
        Inner { name: "errors", labels: Labels::Single, shape: &ERRORS },
        Inner { name: "engine", labels: Labels::Single, shape: &ENGINE },
        Inner { name: "catalog", labels: Labels::Single, shape: &CATALOG },
    ],
    ..NONE
};
static LOCALS: Shape = Shape { name: "`locals`", open: true, ..NONE };
static INCLUDE: Shape =
    Shape { name: "`include`", required: &["path"], optional: &["expose", "merge_strategy"], ..NONE };
static TERRAFORM: Shape = Shape {
    name: "`terraform`",
    optional: &[
        "source",
        "include_in_copy",
        "exclude_from_copy",
        "copy_terraform_lock_file",
        "mutable",
        "update_source_with_cas",
    ],
    blocks: &[
        Inner { name: "extra_arguments", labels: Labels::Repeated, shape: &EXTRA_ARGUMENTS },
        Inner { name: "before_hook", labels: Labels::Repeated, shape: &HOOK },
        Inner { name: "after_hook", labels: Labels::Repeated, shape: &HOOK },
        Inner { name: "error_hook", labels: Labels::Repeated, shape: &ERROR_HOOK },
    ],
    ..NONE
};
static EXTRA_ARGUMENTS: Shape = Shape {
    name: "`extra_arguments`",
    required: &["commands"],
    optional: &["arguments", "env_vars", "required_var_files", "optional_var_files"],
    ..NONE
};
static HOOK: Shape = Shape {
    name: "a hook",
    required: &["commands", "execute"],
    optional: &["working_dir", "run_on_error", "suppress_stdout", "if"],
    ..NONE
};
static ERROR_HOOK: Shape = Shape {
    name: "`error_hook`",
    required: &["commands", "execute", "on_errors"],
    optional: &["working_dir", "suppress_stdout"],
    ..NONE
};
static REMOTE_STATE: Shape = Shape {
    name: "`remote_state`",
    required: &["backend", "config"],
    optional: &["disable_init", "disable_dependency_optimization", "generate", "encryption"],
    ..NONE
};
static DEPENDENCIES: Shape = Shape { name: "`dependencies`", required: &["paths"], ..NONE };
static DEPENDENCY: Shape = Shape {
    name: "`dependency`",
    required: &["config_path"],
    optional: &[
        "enabled",
        "skip_outputs",
        "mock_outputs",
        "mock_outputs_allowed_terraform_commands",
        "mock_outputs_merge_with_state",
        "mock_outputs_merge_strategy_with_state",
    ],
    ..NONE
};
static GENERATE: Shape = Shape {
    name: "`generate`",
    required: &["path", "if_exists", "contents"],
    optional: &["if_disabled", "comment_prefix", "disable_signature", "disable", "hcl_fmt"],
    ..NONE
};
static FEATURE: Shape = Shape { name: "`feature`", required: &["default"], ..NONE };
static EXCLUDE: Shape =
    Shape { name: "`exclude`", required: &["if", "actions"], optional: &["exclude_dependencies", "no_run"], ..NONE };
static ERRORS: Shape = Shape {
    name: "`errors`",
    blocks: &[
        Inner { name: "retry", labels: Labels::Named, shape: &RETRY },
        Inner { name: "ignore", labels: Labels::Named, shape: &IGNORE },
    ],
    ..NONE
};
static RETRY: Shape =
    Shape { name: "`retry`", required: &["retryable_errors", "max_attempts", "sleep_interval_sec"], ..NONE };
static IGNORE: Shape =
    Shape { name: "`ignore`", required: &["ignorable_errors"], optional: &["message", "signals"], ..NONE };
static ENGINE: Shape =
    Shape { name: "`engine`", required: &["source"], optional: &["version", "type", "meta"], ..NONE };
/// For `terragrunt catalog` only: means nothing to a run.
static CATALOG: Shape = Shape {
    name: "`catalog`",
    optional: &["urls", "default_template", "no_shell", "no_hooks", "discovery", "cas_clone_depth"],
    ..NONE
};

/// Checks a file's blocks and attributes.
///
/// # Errors
/// All faults, in the order of the text.
pub(super) fn check(file: &Arc<File>) -> Result<(), Vec<Fault>> {
    check_as(file, &FILE)
}

/// A unit or stack that a stack generates.
static COMPONENT: Shape = Shape {
    name: "a unit or stack of a stack",
    required: &["source", "path"],
    optional: &["values", "enabled", "no_dot_terragrunt_stack", "no_validation", "update_source_with_cas", "mutable"],
    blocks: &[Inner { name: "autoinclude", labels: Labels::Single, shape: &AUTOINCLUDE }],
    ..NONE
};
/// Checked as the file that it becomes.
static AUTOINCLUDE: Shape = Shape { name: "`autoinclude`", free: true, ..NONE };
static STACK_INCLUDE: Shape = Shape { name: "`include`", required: &["path"], ..NONE };
static STACK: Shape = Shape {
    name: "a stack",
    blocks: &[
        Inner { name: "locals", labels: Labels::Single, shape: &LOCALS },
        Inner { name: "include", labels: Labels::Named, shape: &STACK_INCLUDE },
        Inner { name: "unit", labels: Labels::Named, shape: &COMPONENT },
        Inner { name: "stack", labels: Labels::Named, shape: &COMPONENT },
    ],
    ..NONE
};
static STACK_PART: Shape = Shape {
    name: "a part of a stack",
    blocks: &[
        Inner { name: "unit", labels: Labels::Named, shape: &COMPONENT },
        Inner { name: "stack", labels: Labels::Named, shape: &COMPONENT },
    ],
    ..NONE
};

/// Checks a stack's file.
///
/// # Errors
/// All faults, in the order of the text.
pub(super) fn check_stack(file: &Arc<File>) -> Result<(), Vec<Fault>> {
    check_as(file, &STACK)
}

/// Checks a file that a stack includes or that is merged into one.
///
/// # Errors
/// All faults, in the order of the text.
pub(super) fn check_stack_part(file: &Arc<File>) -> Result<(), Vec<Fault>> {
    check_as(file, &STACK_PART)
}

/// Checks a values file: attributes of any name, each once, and no blocks.
///
/// # Errors
/// All faults, in the order of the text.
pub(super) fn check_values(file: &Arc<File>) -> Result<(), Vec<Fault>> {
    static VALUES: Shape = Shape { name: "a values file", open: true, ..NONE };
    check_as(file, &VALUES)
}

fn check_as(file: &Arc<File>, shape: &Shape) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    check_body(file, file.body(), shape, &Origin::new(file, 0..0), &mut faults);
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Attributes of a `generate` or `remote_state` that is written as an attribute, for the same check.
pub(super) fn is_known(block: &str, attribute: &str) -> bool {
    FILE.blocks.iter().find(|inner| inner.name == block).is_some_and(|inner| inner.shape.has_attribute(attribute))
}

fn check_body(file: &Arc<File>, body: &Body, shape: &Shape, at: &Origin, faults: &mut Vec<Fault>) {
    if shape.free {
        return;
    }
    let mut attributes: HashSet<&str> = HashSet::new();
    let mut blocks: HashSet<(&str, &str)> = HashSet::new();
    for structure in body {
        match structure {
            Structure::Attribute(attribute) => {
                let name = attribute.key.as_str();
                if !attributes.insert(name) {
                    let message = format!("`{name}` is set twice");
                    faults.push(Origin::of(file, attribute).fault(Code::HCL_SYNTAX, message).remedy("Remove one."));
                } else if !(shape.open || shape.has_attribute(name)) {
                    faults.push(unknown_attribute(file, attribute, shape));
                }
            }
            Structure::Block(block) => {
                let Some(inner) = shape.blocks.iter().find(|inner| inner.name == block.ident.as_str()) else {
                    faults.push(unknown_block(file, block, shape));
                    continue;
                };
                let label = block.labels.first().map_or("", |label| label.as_str());
                if let Some(message) = wrong_labels(block, inner.labels) {
                    faults.push(Origin::of(file, block).fault(Code::UNKNOWN_BLOCK, message));
                } else if !blocks.insert((inner.name, label)) && inner.labels != Labels::Repeated {
                    faults.push(twice(file, block));
                }
                check_body(file, &block.body, inner.shape, &Origin::of(file, &block.ident), faults);
            }
        }
    }
    for name in shape.required.iter().filter(|name| !attributes.contains(*name)) {
        faults.push(at.fault(Code::HCL_TYPE, format!("{} needs `{name}`", shape.name)));
    }
}

fn wrong_labels(block: &Block, labels: Labels) -> Option<String> {
    let name = block.ident.as_str();
    match (labels, block.labels.len()) {
        (Labels::Single, 0) | (Labels::Named | Labels::Repeated, 1) | (Labels::Maybe, 0 | 1) => None,
        (Labels::Single, _) => Some(format!("`{name}` takes no label")),
        (Labels::Named | Labels::Repeated, _) => Some(format!("`{name}` takes one label")),
        (Labels::Maybe, _) => Some(format!("`{name}` takes one label or none")),
    }
}

fn twice(file: &Arc<File>, block: &Block) -> Fault {
    let name = block.ident.as_str();
    let what = block.labels.first().map_or(format!("`{name}`"), |label| format!("`{name} \"{}\"`", label.as_str()));
    Origin::of(file, block).fault(Code::UNKNOWN_BLOCK, format!("{what} is defined twice")).remedy("Remove one.")
}

fn unknown_attribute(file: &Arc<File>, attribute: &Attribute, shape: &Shape) -> Fault {
    let name = attribute.key.as_str();
    let fault = Origin::of(file, attribute)
        .fault(Code::UNKNOWN_BLOCK, format!("attribute `{name}` is not known in {}", shape.name));
    match name {
        "version" | "mutable" => {
            fault.remedy("This is an experiment of Terragrunt that is not supported. Pin the source itself.")
        }
        _ => fault.remedy(known(shape)),
    }
}

fn unknown_block(file: &Arc<File>, block: &Block, shape: &Shape) -> Fault {
    let name = block.ident.as_str();
    let origin = Origin::of(file, block);
    match name {
        "unit" | "stack" => origin
            .fault(Code::UNKNOWN_BLOCK, format!("block `{name}` is not known in {}", shape.name))
            .remedy("It belongs in a file named terragrunt.stack.hcl."),
        "expansion" => origin
            .fault(Code::HCL_UNSUPPORTED, "block `expansion` is not supported")
            .remedy("It is an experiment of Terragrunt. Write one block for each element."),
        _ if shape.has_attribute(name) => origin
            .fault(Code::UNKNOWN_BLOCK, format!("`{name}` is an attribute of {}, not a block", shape.name))
            .remedy(format!("Write `{name} = {{ … }}`.")),
        _ => origin
            .fault(Code::UNKNOWN_BLOCK, format!("block `{name}` is not known in {}", shape.name))
            .remedy(known(shape)),
    }
}

fn known(shape: &Shape) -> String {
    let quote = |names: Vec<&str>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let attributes = quote(shape.required.iter().chain(shape.optional).copied().collect());
    let blocks = quote(shape.blocks.iter().map(|inner| inner.name).collect());
    match (attributes.is_empty(), blocks.is_empty()) {
        (true, true) => "Nothing is known in this place.".to_owned(),
        (false, true) => format!("Known attributes: {attributes}."),
        (true, false) => format!("Known blocks: {blocks}."),
        (false, false) => format!("Known attributes: {attributes}. Known blocks: {blocks}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_hcl::Limits;

    fn faults(text: &str) -> Vec<String> {
        let file = File::parse("a/terragrunt.hcl", text.as_bytes(), &Limits::default()).unwrap();
        check(&file).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_not_known_is_named_with_its_place() {
        assert_eq!(faults("locals {\n  anything = 1\n}\ninclude {\n  path = \"x\"\n}\n"), Vec::<String>::new());
        assert_eq!(
            faults("inputs = {}\nfrobnicate = 1\n"),
            ["a/terragrunt.hcl:2:1: attribute `frobnicate` is not known in the configuration [PC-0415]"]
        );
        assert_eq!(
            faults("terraform {\n  hook \"x\" {}\n}\n"),
            ["a/terragrunt.hcl:2:3: block `hook` is not known in `terraform` [PC-0415]"]
        );
        assert_eq!(
            faults("dependency \"a\" {}\n"),
            ["a/terragrunt.hcl:1:1: `dependency` needs `config_path` [PC-0406]"]
        );
        assert_eq!(faults("engine {}\n"), ["a/terragrunt.hcl:1:1: `engine` needs `source` [PC-0406]"]);
        assert_eq!(
            faults("unit \"a\" {}\n"),
            ["a/terragrunt.hcl:1:1: block `unit` is not known in the configuration [PC-0415]"]
        );
        assert_eq!(
            faults("inputs {}\n"),
            ["a/terragrunt.hcl:1:1: `inputs` is an attribute of the configuration, not a block [PC-0415]"]
        );
        assert_eq!(faults("locals {}\nlocals {}\n"), ["a/terragrunt.hcl:2:1: `locals` is defined twice [PC-0415]"]);
        assert_eq!(
            faults("dependency {\n  config_path = \"x\"\n}\n"),
            ["a/terragrunt.hcl:1:1: `dependency` takes one label [PC-0415]"]
        );
    }
}

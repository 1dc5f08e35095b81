//! [`Resolved`]: a unit's effective configuration with its dependencies' outputs in it: all that a driver
//! needs to lay out a working directory and start the tool.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use portcullis_hcl::Value;
use portcullis_model::{Place, RemoteSource, UnitPath};

/// A unit's effective configuration after all includes, with outputs.
///
/// Paths inside values are as the configuration computes them: absolute ones start with `/repo`, where the
/// sandbox shows the repository.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The unit.
    pub path: UnitPath,
    /// The module that is run. `None`: the unit's own folder is the module.
    pub source: Option<ModuleSource>,
    /// Where the unit's own folder is the module: files outside of it that its code refers to, such as those of local
    /// modules, by path.
    pub beside: Vec<String>,
    /// Whether it is a root module without a configuration of Terragrunt.
    pub root_module: bool,
    /// The inputs, which become `TF_VAR_…`. Known throughout.
    pub inputs: IndexMap<String, Value>,
    /// Files to generate, in the order of their names.
    pub generate: Vec<Generated>,
    /// The state's backend.
    pub remote_state: Option<RemoteState>,
    /// Arguments for the tool, parents' first.
    pub extra_arguments: Vec<ExtraArguments>,
    /// Hooks that run before a command.
    pub before_hooks: Vec<Hook>,
    /// Hooks that run after a command.
    pub after_hooks: Vec<Hook>,
    /// Hooks that run when a command fails.
    pub error_hooks: Vec<Hook>,
    /// Patterns of hidden files that are copied all the same.
    pub include_in_copy: Vec<String>,
    /// Patterns of files that are not copied.
    pub exclude_from_copy: Vec<String>,
    /// Whether the lock file is copied back to the unit's folder.
    pub copy_lock_file: bool,
    /// The program the configuration asks for (`terraform_binary`).
    pub terraform_binary: Option<String>,
    /// Such as `>= 1.5`.
    pub terraform_version_constraint: Option<String>,
    /// Which Terragrunt the configuration is written for, such as `>= 1.0`.
    pub terragrunt_version_constraint: Option<String>,
    /// Whether the unit may be destroyed.
    pub prevent_destroy: bool,
    /// The role that Terragrunt would assume before it starts the tool.
    pub iam_role: Option<IamRole>,
    /// What to do about errors of the tool.
    pub errors: Errors,
    /// Dependencies whose outputs were mocked, wholly or in part.
    pub mocked: Vec<Mocked>,
    /// The outputs that went in, per dependency, mocks included.
    pub used_outputs: BTreeMap<UnitPath, serde_json::Value>,
}

/// Where the module comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleSource {
    /// A folder of the repository.
    Folder(ModuleFolder),
    /// A place outside of it, from which it has to be fetched.
    Remote {
        /// The place.
        source: RemoteSource,
        /// Where it is written.
        place: Place,
    },
}

impl ModuleSource {
    /// Where it is written.
    pub fn place(&self) -> &Place {
        match self {
            ModuleSource::Folder(folder) => &folder.place,
            ModuleSource::Remote { place, .. } => place,
        }
    }

    /// The module's folder below what is copied: what follows `//`. Empty when there is none.
    pub fn sub(&self) -> &str {
        match self {
            ModuleSource::Folder(folder) => &folder.sub,
            ModuleSource::Remote { source, .. } => &source.sub,
        }
    }

    /// The module, for people.
    pub fn shown(&self) -> String {
        match self {
            ModuleSource::Folder(folder) => folder.folder(),
            ModuleSource::Remote { source, .. } => source.to_string(),
        }
    }
}

/// A module in a folder of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleFolder {
    /// The folder that is copied whole, relative to the repository's root.
    pub root: String,
    /// The module's folder below it: what follows `//`. Empty when there is none.
    pub sub: String,
    /// Where it is written.
    pub place: Place,
}

impl ModuleFolder {
    /// The module's folder, relative to the repository's root.
    pub fn folder(&self) -> String {
        match (self.root.as_str(), self.sub.as_str()) {
            (root, "") => root.to_owned(),
            (".", sub) => sub.to_owned(),
            (root, sub) => format!("{root}/{sub}"),
        }
    }
}

/// What to do when a generated file exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfExists {
    /// Fail.
    Error,
    /// Leave it.
    Skip,
    /// Replace it.
    Overwrite,
    /// Replace it if its first line has Terragrunt's signature, else fail.
    OverwriteTerragrunt,
}

/// What to do with an existing file when its generate block is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfDisabled {
    /// Leave it.
    Skip,
    /// Remove it.
    Remove,
    /// Remove it if its first line has Terragrunt's signature, else fail.
    RemoveTerragrunt,
}

/// A `generate` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The block's label.
    pub name: String,
    /// Where the file goes, relative to the module's folder.
    pub path: String,
    /// What to do when the file exists.
    pub if_exists: IfExists,
    /// What to do with an existing file when the block is disabled.
    pub if_disabled: IfDisabled,
    /// The file's text, without the signature.
    pub contents: String,
    /// What starts a comment in that kind of file. The signature line is `{comment_prefix}{signature}`.
    pub comment_prefix: String,
    /// Whether the file goes without the signature line.
    pub disable_signature: bool,
    /// Whether the text is formatted; `None`: as the file's ending says (`.tf`, `.tofu`, `.hcl`).
    pub hcl_fmt: Option<bool>,
    /// Whether nothing is generated.
    pub disable: bool,
    /// Where it is written.
    pub place: Place,
}

/// The signature that marks a generated file, as Terragrunt writes it, so that files of either are known to
/// both.
pub const GENERATED_SIGNATURE: &str = "Generated by Terragrunt. Sig: nIlQXj57tbuaRZEa";

/// The `remote_state` block.
#[derive(Debug, Clone)]
pub struct RemoteState {
    /// The backend's name, such as `http` or `s3`.
    pub backend: String,
    /// Its configuration, in the order of names. Known throughout.
    pub config: IndexMap<String, Value>,
    /// State encryption, as OpenTofu has it.
    pub encryption: Option<IndexMap<String, Value>>,
    /// The file that holds the backend block; `None`: the configuration goes to `init` as arguments.
    pub generate: Option<(String, IfExists)>,
    /// Whether the backend is not to be set up.
    pub disable_init: bool,
    /// Where it is written.
    pub place: Place,
}

/// An `extra_arguments` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraArguments {
    /// The block's label.
    pub name: String,
    /// The commands it is for.
    pub commands: Vec<String>,
    /// Arguments for the tool.
    pub arguments: Vec<String>,
    /// Environment variables for the tool.
    pub env_vars: IndexMap<String, String>,
    /// Variable files that must exist.
    pub required_var_files: Vec<String>,
    /// Variable files that may be missing.
    pub optional_var_files: Vec<String>,
    /// Where it is written.
    pub place: Place,
}

/// A hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The block's label.
    pub name: String,
    /// The commands it is for.
    pub commands: Vec<String>,
    /// The program and its arguments. Not empty.
    pub execute: Vec<String>,
    /// Where it runs, if not in the default place.
    pub working_dir: Option<String>,
    /// Whether it runs also after an error.
    pub run_on_error: bool,
    /// Whether its output is dropped.
    pub suppress_stdout: bool,
    /// The `if` attribute. `false`: the hook is skipped.
    pub condition: bool,
    /// For an error hook: regular expressions, one of which must match the error.
    pub on_errors: Vec<String>,
    /// Where it is written.
    pub place: Place,
}

/// The role that Terragrunt would assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IamRole {
    /// Its ARN.
    pub arn: String,
    /// For how many seconds.
    pub duration_s: Option<u64>,
    /// The session's name.
    pub session_name: Option<String>,
    /// A token, or the file that holds one, for web identity.
    pub web_identity_token: Option<String>,
}

/// The `errors` block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Errors {
    /// Errors after which the command is run again.
    pub retries: Vec<Retry>,
    /// Errors that are no errors.
    pub ignores: Vec<Ignore>,
}

/// A `retry` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// The block's label.
    pub name: String,
    /// Regular expressions.
    pub errors: Vec<String>,
    /// How many tries in all.
    pub max_attempts: u64,
    /// Seconds between tries.
    pub sleep_s: u64,
}

/// An `ignore` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignore {
    /// The block's label.
    pub name: String,
    /// Regular expressions; one that starts with `!` excepts.
    pub errors: Vec<String>,
    /// What to say.
    pub message: String,
    /// What to hand on to whoever looks at the failure, as JSON.
    pub signals: serde_json::Value,
}

/// A dependency whose outputs were mocked, wholly or in part.
#[derive(Debug, Clone, PartialEq)]
pub struct Mocked {
    /// The dependency.
    pub unit: UnitPath,
    /// The outputs as they went in.
    pub values: serde_json::Value,
    /// The real outputs, when there are some and mocks only filled the gaps.
    pub real: Option<serde_json::Value>,
}

/// What goes into a unit from its dependencies.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Taken {
    /// Dependencies whose outputs were mocked, wholly or in part.
    pub mocked: Vec<Mocked>,
    /// The outputs that went in, per dependency, mocks included.
    pub used_outputs: BTreeMap<UnitPath, serde_json::Value>,
}

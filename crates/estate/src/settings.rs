//! [`Settings`]: all that an evaluation depends on besides the repository's files.

use std::collections::BTreeMap;

use portcullis_model::AccountName;

/// What an estate is evaluated with. Two loads with equal settings and equal files are equal.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The account's folder; `.` for the whole repository. Units outside it are not loaded, and a
    /// dependency that leads out of it is *foreign*.
    pub within: String,
    /// The account, when there is one: the answer to `get_aws_account_id`.
    pub account: Option<AccountFacts>,
    /// What `get_env` sees. The process's own environment is never looked at.
    pub env: BTreeMap<String, String>,
    /// The tool that will run the units. Part of every input digest.
    pub tool: ToolFacts,
    /// Folders that are units without a configuration of Terragrunt, if there is code in them: patterns from the
    /// repository's root, such as `stacks/*`.
    pub root_modules: Vec<String>,
    /// Limits on what the repository may ask for.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            within: ".".to_owned(),
            account: None,
            env: BTreeMap::new(),
            tool: ToolFacts::default(),
            root_modules: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// Facts of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountFacts {
    /// Its name in the fleet definition.
    pub name: AccountName,
    /// Its id with the cloud provider.
    pub id: String,
}

/// Facts of the tool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolFacts {
    /// `tofu` or `terraform`; empty when not known.
    pub name: String,
    /// Such as `1.11.4`; empty when not known.
    pub version: String,
    /// The version of Terragrunt, where Terragrunt itself runs the units.
    pub terragrunt: Option<String>,
}

/// Limits on what a repository may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most units of an estate.
    pub units: usize,
    /// Most folders that are walked to find units, and most files of one module.
    pub entries: usize,
    /// Deepest chain of includes and configurations that read each other.
    pub depth: usize,
    /// Largest file that configuration may read as text, in bytes.
    pub file_bytes: usize,
    /// What one unit's evaluation may cost.
    pub hcl: portcullis_hcl::Limits,
    /// Steps that the evaluation of all units may take together.
    pub steps: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            units: 50_000,
            entries: 500_000,
            depth: 32,
            file_bytes: 4 * 1024 * 1024,
            hcl: portcullis_hcl::Limits::default(),
            steps: 250_000_000,
        }
    }
}

//! What an account's definition comes to: checked, complete, without names that lead nowhere.
//!
//! Plain data. Whatever makes it is in the other modules.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_model::parameter::{Command, Parameter};
use portcullis_model::record::Unreviewed;
use portcullis_model::{
    AccountName, ActionKind, BranchName, Digest, DigestBuilder, Fault, FleetName, Phase, PrincipalName, RepositoryName,
    SourcePattern, Target, UnitPath,
};
use portcullis_policy::{Freeze, Policies, Principal};
use serde::Serialize;

use crate::network::{CredentialRule, EgressRule};
use crate::presets::Preset;

/// One account of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The fleet.
    pub fleet: FleetName,
    /// The account's name.
    pub name: AccountName,
    /// The cloud's own name for it: an account number, a project or a subscription.
    pub id: String,
    /// Its folder in the repository; `.` for the whole repository.
    pub path: String,
    /// Regions that it uses, as written. Empty: not stated.
    pub regions: Vec<String>,
    /// Where its units are.
    pub repository: Repository,
    /// What runs them.
    pub tools: Tools,
    /// Token issuers, with this account's audience.
    pub identities: BTreeMap<String, Identity>,
    /// Who may ask, by name.
    pub principals: BTreeMap<PrincipalName, Principal>,
    /// The actions that exist in this account. One that is not here does not exist.
    pub actions: BTreeMap<ActionKind, Grant>,
    /// Folders of OpenTofu or Terraform code without Terragrunt that are units: patterns from the repository's root.
    /// Only those inside the account's folder count.
    pub root_modules: Vec<String>,
    /// What `get_env` sees. Nothing else of any environment is visible to configuration.
    pub env: BTreeMap<String, String>,
    /// Bounds for its tasks.
    pub limits: Limits,
    /// From where modules outside of the repository may be fetched. Empty: from nowhere.
    pub sources: Vec<SourcePattern>,
    /// Hosts that its tasks may reach, by the block's name. Empty: none.
    pub egress: BTreeMap<String, EgressRule>,
    /// What the runner adds to requests to them, by the block's name.
    pub credentials: BTreeMap<String, CredentialRule>,
    /// Times in which its policies may forbid.
    pub freezes: BTreeMap<String, Freeze>,
    /// What decides who may do what here: its actions and its `policy` blocks, compiled.
    #[serde(skip)]
    pub policies: Arc<Policies>,
}

impl Account {
    /// Names all that the definition says for this account, however it is written.
    ///
    /// # Errors
    /// `PC-0900`: it always becomes JSON.
    pub fn digest(&self) -> Result<Digest, Fault> {
        let json =
            serde_json::to_vec(self).map_err(|error| Fault::internal(format!("an account's digest: {error}")))?;
        let mut builder = DigestBuilder::new("portcullis definition v1");
        builder.bytes(&json);
        Ok(builder.finish())
    }
}

/// A repository with units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repository {
    /// Its name in requests.
    pub name: RepositoryName,
    /// Where it is fetched from. Holds no credential.
    pub url: String,
    /// Branches from whose commits may be applied. Never empty; the first is the one that definitions and
    /// policies are read from.
    pub protected: Vec<BranchName>,
}

/// How units are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// Portcullis evaluates, the tool runs.
    #[default]
    Native,
    /// The real Terragrunt runs.
    Terragrunt,
}

/// The tool that plans and applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// OpenTofu.
    Tofu,
    /// Terraform.
    Terraform,
}

impl Program {
    /// The file name of the program.
    pub fn as_str(self) -> &'static str {
        match self {
            Program::Tofu => "tofu",
            Program::Terraform => "terraform",
        }
    }
}

/// A program's version, and the digest of its file when the fleet names one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pin {
    /// `major.minor.patch`, perhaps with a pre-release.
    pub version: String,
    /// SHA-256 of the program file.
    pub sha256: Option<Digest>,
}

/// Which tool, and which build of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolPin {
    /// Which program.
    pub program: Program,
    /// `major.minor.patch`, perhaps with a pre-release.
    pub version: String,
    /// SHA-256 of the program file.
    pub sha256: Option<Digest>,
}

/// What runs an account's units.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Tools {
    /// The driver.
    pub driver: Driver,
    /// The tool. `None`: the one that the runner finds on its machine.
    pub tool: Option<ToolPin>,
    /// Terragrunt, for its driver.
    pub terragrunt: Option<Pin>,
    /// Programs of custom actions by their file name, with the SHA-256 of the file.
    pub programs: BTreeMap<String, Digest>,
}

/// An issuer of tokens, as one account sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The `iss` claim, exactly.
    pub issuer: String,
    /// Which CI service it is, if it is a known one.
    pub preset: Option<Preset>,
    /// Where its keys are, if its discovery document does not say.
    pub jwks_uri: Option<String>,
    /// Its keys themselves (a JWKS document), where the definition pins them. Nothing is fetched then.
    pub jwks: Option<String>,
    /// The `aud` claim that tokens for this account must have.
    pub audience: String,
}

/// Who may do an action, and what becomes of plans that nobody reviewed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Grant {
    /// Who may start it. Empty: nobody.
    pub allow: Vec<PrincipalName>,
    /// Who may approve what it holds. Empty: nobody.
    pub approvers: Vec<PrincipalName>,
    /// How many different approvers a held plan needs. At least 1.
    pub approvals: u32,
    /// What becomes of a plan that nobody reviewed.
    pub unreviewed: Unreviewed,
    /// What a declared action is. `None` for `plan` and `apply`.
    pub declared: Option<Declared>,
}

/// An action that a definition declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Declared {
    /// For people.
    pub description: String,
    /// What a caller may choose, and what is chosen for them.
    pub parameters: BTreeMap<String, Parameter>,
    /// What is done.
    pub work: Work,
}

/// What a declared action does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Starts a program in a sandbox.
    Program(Box<ProgramWork>),
    /// Nothing yet: a built-in action that is checked, and has no executor. Its settings, as they are written.
    BuiltIn(BTreeMap<String, serde_json::Value>),
}

/// A program in a sandbox, with the repository at the run's commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProgramWork {
    /// The program: one of the account's tools.
    pub program: String,
    /// The SHA-256 of its file.
    pub sha256: Digest,
    /// Its arguments.
    pub argv: Command,
    /// The folder of the repository that it starts in.
    pub working_directory: UnitPath,
    /// [`Phase::Plan`]: at the head of any branch. [`Phase::Apply`]: at a commit of the protected branch.
    pub phase: Phase,
    /// Bounds for its sandbox.
    pub limits: Limits,
    /// Hosts that it has to reach.
    pub network: Vec<Target>,
}

impl Declared {
    /// Why nobody can ask for it yet; `None`: they can.
    pub fn not_offered(&self) -> Option<String> {
        match &self.work {
            Work::BuiltIn(_) => Some("it is declared and checked, and this version has no executor for it".to_owned()),
            Work::Program(work) if !work.network.is_empty() => {
                Some("it asks for network, and this version gives none to an action".to_owned())
            }
            Work::Program(_) => None,
        }
    }
}

/// Bounds for the tasks of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Tasks that run at once.
    pub parallel: u32,
    /// Memory of one task, in MiB.
    pub memory_mib: u64,
    /// Private disk of one task, in MiB.
    pub disk_mib: u64,
    /// Processes and threads of one task.
    pub pids: u32,
    /// CPU of one task, in percent of one core.
    pub cpu_percent: u32,
    /// Wall time of one task, in seconds.
    pub timeout_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { parallel: 4, memory_mib: 2048, disk_mib: 4096, pids: 512, cpu_percent: 200, timeout_s: 3600 }
    }
}

/// The audience of an account's tokens when its identity does not say another: `portcullis:<fleet>/<account>`.
pub fn audience_for(fleet: &FleetName, account: &AccountName) -> String {
    format!("portcullis:{fleet}/{account}")
}

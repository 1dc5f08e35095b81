//! [`Unit`]: what is known of a unit before any dependency has outputs.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_model::{Digest, Fault, Place, UnitPath};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A unit, evaluated with its dependencies' outputs unknown.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unit {
    /// Its folder.
    pub path: UnitPath,
    /// What it depends on, sorted by target; a target is named once.
    pub dependencies: Vec<Dependency>,
    /// Over all that decides its plan before the world is asked.
    pub input_digest: Digest,
    /// The parts that the input digest was made of, for saying what differs.
    pub parts: Parts,
    /// Every file that its configuration read, sorted.
    pub reads: Vec<String>,
    /// What is not known without running something (`PC-0418`, with the place). Empty: the unit is exact.
    pub inexact: Vec<Fault>,
    /// Its `exclude` block when that applies, or the line of `.terragrunt-excludes` that it is left out by.
    pub exclude: Option<Exclude>,
    /// Where the code that it runs comes from.
    pub module: Module,
    /// What would stop a run though the configuration is known: a dependency or a module that is not there.
    pub problems: Vec<Fault>,
    /// What stops nothing, and is better known.
    pub notes: Vec<Fault>,
}

/// Where the code that a unit runs comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Module {
    /// `source` of its `terraform` block.
    Source,
    /// Its own folder.
    Folder,
    /// Its `generate` and `remote_state` blocks alone.
    Generated,
    /// Nowhere: there is nothing to run. A configuration that others include or read.
    None,
}

impl Unit {
    /// What it takes in memory, about, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        // A part with its name, which few share at worst; a text with its entry in a list; places with their source lines.
        let parts = self.parts.names().map(|name| name.len() + 64).sum::<usize>();
        let reads = self.reads.iter().map(|read| read.len() + 32).sum::<usize>();
        let places = (self.dependencies.len() + self.inexact.len() + self.problems.len()) * 384;
        size_of::<Unit>() + 2 * self.path.as_str().len() + parts + reads + places
    }

    /// Whether the configuration is fully known without running anything.
    pub fn is_exact(&self) -> bool {
        self.inexact.is_empty()
    }
}

/// A dependency of a unit on another, by a `dependency` or `dependencies` block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The label of the `dependency` block; `None` for a path of a `dependencies` block.
    pub name: Option<String>,
    /// The unit depended on.
    pub target: UnitPath,
    /// Whether it lies outside the folder that the estate was loaded for.
    pub foreign: bool,
    /// Whether the unit needs the target's outputs.
    pub outputs: bool,
    /// Where it is written.
    pub place: Place,
}

/// An `exclude` block whose condition holds, or a line of `.terragrunt-excludes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclude {
    /// The commands it is for: `plan`, `apply`, `all`, `all_except_output`, ….
    pub actions: Vec<String>,
    /// Whether dependencies are excluded as well.
    pub dependencies: bool,
    /// Whether the unit may not be run on its own either, if that is written.
    pub no_run: Option<bool>,
    /// Where it is written.
    pub place: Place,
}

impl Exclude {
    /// Whether it is for a command of the tool.
    pub fn covers(&self, command: &str) -> bool {
        let listed = |action: &String| match action.as_str() {
            "all" => true,
            "all_except_output" => command != "output",
            action => action.eq_ignore_ascii_case(command),
        };
        self.actions.iter().any(listed)
    }

    /// Whether it keeps the unit from being run by a command also when the unit is named. Where nothing is written
    /// about that, it does so for a command that it lists by name, as Terragrunt's
    /// `ShouldPreventRunBasedOnExclude` has it.
    pub fn prevents(&self, command: &str) -> bool {
        match self.no_run {
            None => self.actions.iter().any(|action| action == command),
            Some(no_run) => no_run && self.covers(command),
        }
    }
}

/// Digests of the parts that make up an input digest, each with a name that a person understands, such as
/// ``input `cidr` ``, ``generate `provider` `` or `file main.tf`. Sorted by name. Units share the names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts(Box<[(Arc<str>, Digest)]>);

impl Parts {
    /// Of parts in any order. Of two with one name the later one counts.
    pub(crate) fn new(mut parts: Vec<(Arc<str>, Digest)>) -> Self {
        parts.sort_by(|(a, _), (b, _)| a.cmp(b));
        parts.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 = later.1;
            }
            same
        });
        Parts(parts.into())
    }

    /// The same and one more.
    pub(crate) fn with(&self, name: &str, digest: Digest) -> Self {
        Parts::new(self.0.iter().cloned().chain([(name.into(), digest)]).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// All parts, sorted by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Digest)> {
        self.0.iter().map(|(name, digest)| (&**name, digest))
    }

    fn get(&self, name: &str) -> Option<&Digest> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.0.get(at).map(|(_, digest)| digest)
    }

    /// The names of all parts, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// The files that count by their content, by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Digest)> {
        let named =
            |name: &'_ str| name.strip_prefix("file ").or_else(|| name.strip_prefix("lock file ")).map(str::len);
        self.iter().filter_map(move |(name, digest)| {
            let length = named(name)?;
            Some((name.get(name.len() - length..)?, digest))
        })
    }

    /// Whether the effective configuration is the same, whatever files and tool are.
    pub fn same_configuration(&self, other: &Parts) -> bool {
        let configuration = |(name, _): &(&str, &Digest)| !is_content(name);
        self.iter().filter(configuration).eq(other.iter().filter(configuration))
    }

    /// The parts that differ from those of `before`, and how, sorted by name.
    pub fn differences<'a>(&'a self, before: &'a Parts) -> Vec<(&'a str, Difference)> {
        let mut found: Vec<(&str, Difference)> = Vec::new();
        for (name, digest) in self.iter() {
            match before.get(name) {
                None => found.push((name, Difference::New)),
                Some(other) if other != digest => found.push((name, Difference::Changed)),
                Some(_) => {}
            }
        }
        let gone = before.names().filter(|name| self.get(name).is_none());
        found.extend(gone.map(|name| (name, Difference::Gone)));
        found.sort_unstable();
        found
    }
}

impl Serialize for Parts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = BTreeMap::<Arc<str>, Digest>::deserialize(deserializer)?;
        Ok(Parts::new(parts.into_iter().collect()))
    }
}

/// What the name of the part starts with that stands for every file of the repository.
pub(crate) const ANY_FILE: &str = "some file of the repository";

/// Whether a part comes from files or the tool, not from configuration.
pub(crate) fn is_content(name: &str) -> bool {
    name.starts_with("file ") || name.starts_with("lock file ") || name.starts_with(ANY_FILE) || name == "tool"
}

/// How a part differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// It is in both, and not the same.
    Changed,
    /// It was not there before.
    New,
    /// It is not there any more.
    Gone,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Difference::Changed => "differs",
            Difference::New => "is new",
            Difference::Gone => "is gone",
        })
    }
}

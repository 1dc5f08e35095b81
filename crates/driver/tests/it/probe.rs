//! What a driver has started the tool with: environment, arguments, files.

use std::collections::BTreeMap;

/// Variables that are not of the unit: the drivers' own, and the shell's.
const OWN: [&str; 7] = ["PWD", "OLDPWD", "SHLVL", "_", "PATH", "TF_IN_AUTOMATION", "TMPDIR"];
/// Files that Terragrunt keeps for itself.
const BOOKS: [&str; 4] = [
    ".terragrunt-module-manifest",
    ".terragrunt-source-manifest",
    ".terragrunt-source-version",
    ".terragrunt-init-required",
];

/// One start of the tool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Started {
    pub arguments: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// The working directory, by path.
    pub files: BTreeMap<String, String>,
}

impl Started {
    /// The last start of each command.
    pub fn all(artifacts: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Started> {
        let mut all: BTreeMap<String, Started> = BTreeMap::new();
        for (name, bytes) in artifacts {
            let Some((command, what)) = name.strip_prefix("probe/").and_then(|name| name.split_once('/')) else {
                continue;
            };
            let text = String::from_utf8_lossy(bytes).into_owned();
            let started = all.entry(command.to_owned()).or_default();
            let parts = || text.split_terminator('\0').map(str::to_owned);
            match what {
                "arguments" => started.arguments = parts().collect(),
                "env" => started.env = text.split_terminator('\0').filter_map(variable).collect(),
                _ => {
                    let path = what.strip_prefix("tree/").unwrap();
                    if !BOOKS.contains(&path.rsplit('/').next().unwrap()) {
                        started.files.insert(path.to_owned(), text);
                    }
                }
            }
        }
        all
    }

    /// Arguments without the command and without those that every start has.
    pub fn extra(&self) -> Vec<&str> {
        let common =
            |argument: &&str| !["-input=false", "-no-color"].contains(argument) && !argument.starts_with("-out=/work/");
        self.arguments.iter().skip(1).map(String::as_str).filter(common).collect()
    }
}

fn variable(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    (!OWN.contains(&name) && !name.starts_with("TG_")).then(|| (name.to_owned(), value.to_owned()))
}

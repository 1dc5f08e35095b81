//! [`Odd`]: what is rarer than units with modules: a stack, links, units that are not fully known, units that are
//! broken. All of it lies in a folder of its own, `odd`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::model::EstateModel;
use super::{Files, Random, link};

/// Ways in which a unit is broken; one more means that it is not.
const BROKEN: [&str; 3] =
    ["inputs = {\n", "inputs = {\n  a = local.nowhere\n}\n", "include \"none\" {\n  path = \"../none.hcl\"\n}\n"];

/// The odd parts of an estate.
#[derive(Debug, Clone)]
pub(super) struct Odd {
    /// The units of the stack, with a value of each. The first stays.
    stack: BTreeMap<u64, u64>,
    /// Values of the two files that a link can lead to.
    linked: [u64; 2],
    /// Which of them it leads to.
    leads_to: usize,
    /// The module that another link leads to.
    module: usize,
    secret: u64,
    command: u64,
    /// An index into [`BROKEN`].
    broken: usize,
}

impl EstateModel {
    /// Adds the odd parts: a stack, links, units that are not fully known, units that are broken.
    #[must_use]
    pub fn with_odd_parts(mut self) -> Self {
        let stack = BTreeMap::from([(0, 1), (1, 1)]);
        self.odd =
            Some(Odd { stack, linked: [1, 2], leads_to: 0, module: 0, secret: 1, command: 1, broken: BROKEN.len() });
        self
    }

    /// Units that cannot be evaluated, as they are meant to be.
    pub fn broken_units(&self) -> BTreeSet<String> {
        let Some(odd) = &self.odd else { return BTreeSet::new() };
        let broken = (odd.broken < BROKEN.len()).then(|| "odd/broken".to_owned());
        // It stands for itself nowhere: a stack gives it its values.
        broken.into_iter().chain(["odd/templates/app".to_owned()]).collect()
    }
}

impl Odd {
    /// Edits one of the parts; the file or folder.
    pub(super) fn edit(&mut self, random: &mut Random, value: u64) -> String {
        match random.below(9) {
            0 => {
                let at = u64::try_from(random.below(4)).unwrap_or(0);
                self.stack.insert(at, value);
            }
            1 => {
                let last = self.stack.keys().next_back().copied().unwrap_or(0);
                if last > 0 {
                    self.stack.remove(&last);
                }
            }
            2 => {
                let at = random.below(2);
                if let Some(linked) = self.linked.get_mut(at) {
                    *linked = value;
                }
                return format!("odd/shared/{at}.hcl");
            }
            3 => {
                self.leads_to = 1 - self.leads_to;
                return "odd/linked.hcl".to_owned();
            }
            4 => {
                self.module = random.below(EstateModel::kinds().len());
                return "odd/modules/alias".to_owned();
            }
            5 => {
                self.secret = value;
                return "odd/sops/secret.yaml".to_owned();
            }
            6 => {
                self.command = value;
                return "odd/run".to_owned();
            }
            _ => {
                self.broken = random.below(BROKEN.len() + 1);
                return "odd/broken".to_owned();
            }
        }
        "odd/stack".to_owned()
    }

    /// Its files.
    pub(super) fn files(&self) -> Files {
        let source = "terraform {\n  source = \"../modules/alias\"\n}\n";
        let mut stack = String::new();
        for (name, size) in &self.stack {
            let _ = writeln!(
                stack,
                "unit \"u{name}\" {{\n  source = \"../templates/app\"\n  path = \"u{name}\"\n  values = {{ size = {size} }}\n}}"
            );
        }
        let template =
            "terraform {\n  source = \"${get_repo_root()}/modules/vpc\"\n}\ninputs = {\n  size = values.size\n}\n";
        let reads = "include \"linked\" {\n  path   = find_in_parent_folders(\"linked.hcl\")\n  expose = true\n}\n\
                     inputs = {\n  value = include.linked.locals.value\n}\n";
        let after = "dependency \"u\" {\n  config_path = \"../stack/.terragrunt-stack/u0\"\n}\n\
                     dependencies {\n  paths = [\"../stack\", \"../reads\"]\n}\ninputs = {\n  id = dependency.u.outputs.id\n}\n";
        let run = format!("inputs = {{\n  value = run_cmd(\"echo\", \"{}\")\n}}\n", self.command);
        let sops = "inputs = {\n  value = yamldecode(sops_decrypt_file(\"secret.yaml\"))\n}\n";
        let module = EstateModel::kinds().get(self.module).copied().unwrap_or("vpc");
        let linked = |at: usize| format!("locals {{\n  value = {}\n}}\n", self.linked.get(at).copied().unwrap_or(0));
        Files::from([
            ("odd/stack/terragrunt.stack.hcl".to_owned(), stack),
            ("odd/templates/app/terragrunt.hcl".to_owned(), template.to_owned()),
            ("odd/shared/0.hcl".to_owned(), linked(0)),
            ("odd/shared/1.hcl".to_owned(), linked(1)),
            ("odd/linked.hcl".to_owned(), link(&format!("shared/{}.hcl", self.leads_to))),
            ("odd/modules/alias".to_owned(), link(&format!("../../modules/{module}"))),
            ("odd/reads/terragrunt.hcl".to_owned(), format!("{source}{reads}")),
            ("odd/after/terragrunt.hcl".to_owned(), format!("{source}{after}")),
            ("odd/run/terragrunt.hcl".to_owned(), format!("{source}{run}")),
            ("odd/sops/terragrunt.hcl".to_owned(), format!("{source}{sops}")),
            ("odd/sops/secret.yaml".to_owned(), format!("value: ENC[{}]\n", self.secret)),
            (
                "odd/broken/terragrunt.hcl".to_owned(),
                format!("{source}{}", BROKEN.get(self.broken).copied().unwrap_or_default()),
            ),
        ])
    }
}

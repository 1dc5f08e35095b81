//! Random fleets: what layers come to, against a merge that is written down in another way, and what a diff says.

#![allow(clippy::indexing_slicing, reason = "a test that cannot go on stops")]

use std::collections::{BTreeMap, BTreeSet};

use portcullis_fleet::{Fleet, diff};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::load;

const PRINCIPALS: [&str; 4] = ["a", "b", "c", "d"];
const KEYS: [&str; 3] = ["X", "Y", "Z"];
const PROFILES: [&str; 3] = ["p", "q", "r"];

/// A list, and whether it is appended.
type List = Option<(bool, Vec<&'static str>)>;

/// What one layer says. `None`: nothing.
#[derive(Debug, Clone, Default)]
struct Says {
    /// `Some(None)`: null.
    env: BTreeMap<&'static str, Option<u8>>,
    allow: List,
    regions: List,
    parallel: Option<u8>,
}

fn list(of: &'static [&'static str]) -> impl Strategy<Value = List> {
    proptest::option::of((any::<bool>(), subsequence(of.to_vec(), 0..=of.len())))
}

fn says() -> impl Strategy<Value = Says> {
    let env = proptest::collection::btree_map(select(KEYS.to_vec()), proptest::option::of(0u8..3), 0..3);
    let parallel = proptest::option::of(1u8..4);
    (env, list(&PRINCIPALS), list(&["us", "eu", "ap"]), parallel).prop_map(|(env, allow, regions, parallel)| Says {
        env,
        allow,
        regions,
        parallel,
    })
}

/// A fleet: what three profiles say, imported or not, and which of them each of two accounts uses, with what it says.
#[derive(Debug, Clone)]
struct Plan {
    profiles: Vec<(Says, bool)>,
    accounts: Vec<(Vec<&'static str>, Says)>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let profiles = proptest::collection::vec((says(), any::<bool>()), PROFILES.len());
    let accounts = proptest::collection::vec((subsequence(PROFILES.to_vec(), 0..=3).prop_shuffle(), says()), 2);
    (profiles, accounts).prop_map(|(profiles, accounts)| Plan { profiles, accounts })
}

impl Says {
    fn text(&self) -> String {
        let mut text = String::new();
        let list = |(append, names): &(bool, Vec<&str>)| {
            let names = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
            if *append { format!("append([{names}])") } else { format!("[{names}]") }
        };
        if !self.env.is_empty() {
            let value = |value: &Option<u8>| value.map_or("null".to_owned(), |number| format!("\"{number}\""));
            let entries: Vec<String> = self.env.iter().map(|(key, of)| format!("{key} = {}", value(of))).collect();
            text.push_str(&format!("  env = {{ {} }}\n", entries.join(", ")));
        }
        if let Some(regions) = &self.regions {
            text.push_str(&format!("  regions = {}\n", list(regions)));
        }
        if let Some(allow) = &self.allow {
            text.push_str(&format!("  action \"plan\" {{\n    allow = {}\n  }}\n", list(allow)));
        }
        if let Some(parallel) = self.parallel {
            text.push_str(&format!("  limits {{\n    parallel = {parallel}\n  }}\n"));
        }
        text
    }
}

impl Plan {
    /// The files. `turned`: everything in another order of the file, which must not matter.
    fn files(&self, turned: bool) -> [(String, String); 2] {
        let head = "fleet \"f\" {\n  deploy_order = [\"one\", \"two\"]\n  repository \"r\" {\n    url = \"https://git.example/r\"\n    \
                    protected = [\"main\"]\n  }\n}\n";
        let mut blocks = vec![head.to_owned()];
        blocks.push("identity \"i\" {\n  issuer = \"https://token.example\"\n}\n".to_owned());
        for name in PRINCIPALS {
            blocks.push(format!("principal \"{name}\" {{\n  identity = \"i\"\n  claims = {{ n = \"{name}\" }}\n}}\n"));
        }
        blocks.push("import \"more\" {\n  path = \"more.hcl\"\n}\n".to_owned());
        let mut imported = Vec::new();
        for (name, (says, is_imported)) in PROFILES.iter().zip(&self.profiles) {
            let block = format!("profile \"{name}\" {{\n{}}}\n", says.text());
            if *is_imported { imported.push(block) } else { blocks.push(block) }
        }
        for (name, (profiles, says)) in ["one", "two"].iter().zip(&self.accounts) {
            let profiles: Vec<String> = profiles.iter().map(|name| format!("\"{name}\"")).collect();
            let profiles = profiles.join(", ");
            blocks.push(format!(
                "account \"{name}\" {{\n  id = \"{name}\"\n  profiles = [{profiles}]\n{}}}\n",
                says.text()
            ));
        }
        if turned {
            blocks.reverse();
            imported.reverse();
        }
        [("portcullis.hcl".to_owned(), blocks.concat()), ("more.hcl".to_owned(), imported.concat())]
    }

    fn load(&self, turned: bool) -> Option<Fleet> {
        let files = self.files(turned);
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        load(&files).ok()
    }

    /// The layers of an account, from the lowest: imported profiles, local ones, the account.
    fn layers(&self, account: usize) -> Vec<&Says> {
        let (names, own) = &self.accounts[account];
        let of = |imported: bool| {
            let profile = |name: &&str| &self.profiles[PROFILES.iter().position(|known| known == name).unwrap()];
            names.iter().map(profile).filter(move |(_, is)| *is == imported).map(|(says, _)| says)
        };
        of(true).chain(of(false)).chain([own]).collect()
    }

    /// What is in force, found from the top: the first layer that says something of a setting decides it, but that a
    /// list goes on down as long as it is appended.
    fn naive(&self, account: usize) -> (BTreeMap<&str, u8>, Vec<&str>, Vec<&str>, u8) {
        let layers = self.layers(account);
        let env = KEYS.iter().filter_map(|key| {
            let said = layers.iter().rev().find_map(|layer| layer.env.get(key))?;
            Some((*key, (*said)?))
        });
        let list = |of: fn(&Says) -> &List| {
            let mut parts: Vec<&Vec<&str>> = Vec::new();
            for layer in layers.iter().rev() {
                if let Some((append, names)) = of(layer) {
                    parts.push(names);
                    if !append {
                        break;
                    }
                }
            }
            let mut seen = BTreeSet::new();
            parts.into_iter().rev().flatten().copied().filter(|name| seen.insert(*name)).collect::<Vec<_>>()
        };
        let parallel = layers.iter().rev().find_map(|layer| layer.parallel).unwrap_or(4);
        (env.collect(), list(|says| &says.allow), list(|says| &says.regions), parallel)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn layers_come_to_what_they_say_in_whatever_order_they_are_written(plan in plan()) {
        let wanted: Vec<_> = (0..2).map(|account| plan.naive(account)).collect();
        // An account that lets nobody in is refused, and nothing else of these is.
        let lets_in = wanted.iter().all(|(_, allow, _, _)| !allow.is_empty());
        let fleet = plan.load(false);
        prop_assert_eq!(fleet.is_some(), lets_in);
        let Some(fleet) = fleet else { return Ok(()) };
        for (name, (env, allow, regions, parallel)) in ["one", "two"].iter().zip(wanted) {
            let account = crate::account(&fleet, name);
            let got: BTreeMap<&str, u8> = account.env.iter().map(|(key, text)| (key.as_str(), text.parse().unwrap())).collect();
            prop_assert_eq!(got, env);
            let got: Vec<&str> = account.actions.values().next().unwrap().allow.iter().map(|name| name.as_str()).collect();
            prop_assert_eq!(got, allow);
            prop_assert_eq!(account.regions, regions);
            prop_assert_eq!(account.limits.parallel, u32::from(parallel));
        }
        let turned = plan.load(true).unwrap();
        prop_assert!(diff(&fleet, &turned).is_empty());
    }

    #[test]
    fn a_diff_is_empty_exactly_when_the_same_is_in_force(one in plan(), other in plan(), keep in any::<[bool; 4]>()) {
        // Half of one fleet in the other, so that some pairs are alike in effect.
        let mut mixed = other;
        for (at, keep) in keep.iter().enumerate() {
            match (keep, at) {
                (true, 0) => mixed.accounts = one.accounts.clone(),
                (true, at) => mixed.profiles[at - 1] = one.profiles[at - 1].clone(),
                _ => {}
            }
        }
        let (Some(base), Some(head)) = (one.load(false), mixed.load(false)) else { return Ok(()) };
        // Who is allowed is so in any order.
        let in_force = |plan: &Plan, account: usize| {
            let (env, allow, regions, parallel) = plan.naive(account);
            let allow: BTreeSet<String> = allow.into_iter().map(str::to_owned).collect();
            let env: BTreeMap<String, u8> = env.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            (env, allow, regions.into_iter().map(str::to_owned).collect::<Vec<_>>(), parallel)
        };
        let same = (0..2).all(|account| in_force(&one, account) == in_force(&mixed, account));
        let found = diff(&base, &head);
        prop_assert_eq!(found.is_empty(), same, "{:#?}", found);
        for (at, name) in ["one", "two"].iter().enumerate() {
            let account = &found.accounts[&portcullis_model::AccountName::parse(name).unwrap()];
            let names = |plan: &Plan| plan.naive(at).1.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
            prop_assert_eq!(account.rights.is_empty(), names(&one) == names(&mixed), "rights are told apart from values");
        }
    }
}

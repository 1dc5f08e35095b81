//! Which principals a token is, without comparing it with each of them.
//!
//! Every principal is filed under one of its claims, and each value that this may have. A token that is this principal has
//! that claim with one of these values, so whoever is not found there is not it. What is found is compared in full.

use std::collections::{BTreeMap, HashMap};

use portcullis_model::PrincipalName;

use crate::grants::{Caller, Principal, single};

/// Principals by a claim and its value.
#[derive(Debug, Default)]
pub(crate) struct Index(HashMap<String, HashMap<String, Vec<PrincipalName>>>);

impl Index {
    pub fn new(principals: &BTreeMap<PrincipalName, Principal>) -> Self {
        // Filed where the fewest others are: under `ref` there may be half the fleet.
        let mut common: HashMap<(&str, &str), usize> = HashMap::new();
        let of = |principal: &'_ Principal| -> Vec<(String, String)> {
            let pairs =
                principal.claims.iter().flat_map(|(claim, values)| values.iter().map(move |value| (claim, value)));
            pairs.map(|(claim, value)| (claim.clone(), value.clone())).collect()
        };
        for principal in principals.values() {
            for (claim, values) in &principal.claims {
                for value in values {
                    *common.entry((claim, value)).or_default() += 1;
                }
            }
        }
        let mut index = Index::default();
        for (name, principal) in principals {
            let crowd = |values: &[String], claim: &str| {
                values.iter().filter_map(|value| common.get(&(claim, value.as_str()))).sum::<usize>()
            };
            let best = principal.claims.iter().min_by_key(|(claim, values)| crowd(values, claim));
            // Without a claim it is nobody.
            let Some((claim, _)) = best else { continue };
            for (_, value) in of(principal).into_iter().filter(|(other, _)| other == claim) {
                let filed = index.0.entry(claim.clone()).or_default().entry(value).or_default();
                if filed.last() != Some(name) {
                    filed.push(name.clone());
                }
            }
        }
        index
    }

    /// Whom a token may be. Each once.
    pub fn candidates<'i>(&'i self, caller: &'i Caller<'_>) -> impl Iterator<Item = &'i PrincipalName> {
        self.0.iter().filter_map(|(claim, values)| values.get(&*single(caller.claims.get(claim)?)?)).flatten()
    }
}

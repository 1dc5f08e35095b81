//! [`EstateModel`]: what an estate consists of, before it is written out.

use std::collections::{BTreeMap, BTreeSet};

use super::Random;
use super::odd::Odd;

/// Kinds of units, each with a module and a file in `_envcommon`.
const KINDS: [&str; 12] =
    ["vpc", "dns", "alb", "postgres", "redis", "cluster", "api", "web", "worker", "bucket", "queue", "roles"];
const ACCOUNTS: [&str; 6] = ["dev", "stage", "prod", "shared", "security", "logs"];
const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-south-1"];

/// Where units lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `account/region/kind-n`
    AccountRegion,
    /// `account/kind-n`
    Account,
    /// `live/account/region/kind/n`
    Deep,
}

/// How a unit's `_envcommon` is merged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Merge {
    Default,
    Shallow,
    Deep,
    None,
}

/// A unit.
#[derive(Debug, Clone)]
pub(super) struct UnitModel {
    pub(super) account: usize,
    pub(super) region: usize,
    pub(super) kind: usize,
    /// Told apart by this among those of one kind, account and region.
    pub(super) number: usize,
    /// A value that goes into its inputs.
    pub(super) size: u64,
    pub(super) merge: Merge,
    /// Units that it depends on, by their id.
    pub(super) dependencies: BTreeSet<usize>,
    /// Bits that choose among constructs.
    pub(super) choices: u64,
    /// Of a file next to the configuration; `None`: there is none.
    pub(super) lock: Option<u64>,
}

/// What an estate consists of. Cloning it keeps an earlier state.
#[derive(Debug, Clone)]
pub struct EstateModel {
    pub(super) layout: Layout,
    pub(super) accounts: usize,
    pub(super) regions: usize,
    pub(super) units: BTreeMap<usize, UnitModel>,
    pub(super) next: usize,
    /// Values that shared files hold, by file and key.
    pub(super) values: BTreeMap<(String, &'static str), u64>,
    /// Keys that nobody uses, by shared file.
    pub(super) unused: BTreeMap<String, u64>,
    /// Comments, by file.
    pub(super) comments: BTreeMap<String, u64>,
    /// Files that are written with other white space.
    pub(super) reformatted: BTreeSet<String>,
    /// Accounts in which an optional file is there, with its value.
    pub(super) optional: BTreeMap<usize, u64>,
    /// Files in modules, by kind: code, and documentation.
    pub(super) code: BTreeMap<usize, u64>,
    pub(super) naming: u64,
    pub(super) odd: Option<Odd>,
}

impl EstateModel {
    /// An estate of `units` units.
    pub fn new(seed: u64, units: usize) -> Self {
        let mut random = Random::new(seed);
        let layout = *random.pick(&[Layout::AccountRegion, Layout::Account, Layout::Deep]);
        EstateModel::with_layout(seed, units, layout)
    }

    /// As [`EstateModel::new`], with units where one wants them.
    pub fn with_layout(seed: u64, units: usize, layout: Layout) -> Self {
        let mut random = Random::new(seed ^ 0x5EED);
        let mut model = EstateModel {
            layout,
            accounts: ACCOUNTS.len().min(1 + units / 4),
            regions: 1 + random.below(REGIONS.len()),
            units: BTreeMap::new(),
            next: 0,
            values: BTreeMap::new(),
            unused: BTreeMap::new(),
            comments: BTreeMap::new(),
            reformatted: BTreeSet::new(),
            optional: BTreeMap::new(),
            code: BTreeMap::new(),
            naming: 0,
            odd: None,
        };
        for _ in 0..units {
            model.add_unit(&mut random);
        }
        model
    }

    /// The folders of all units, in the order in which they were added.
    pub fn unit_folders(&self) -> Vec<String> {
        self.units.values().map(|unit| self.folder(unit)).collect()
    }

    pub(super) fn add_unit(&mut self, random: &mut Random) -> usize {
        let id = self.next;
        self.next += 1;
        let account = random.below(self.accounts);
        let unit = UnitModel {
            account,
            region: random.below(self.regions),
            kind: random.below(KINDS.len()),
            number: id,
            size: random.number() % 1000,
            merge: *random.pick(&[Merge::Default, Merge::Shallow, Merge::Deep, Merge::Deep, Merge::None]),
            dependencies: self.targets(random, account),
            choices: random.number(),
            lock: random.chance(30).then(|| random.number() % 1000),
        };
        self.units.insert(id, unit);
        id
    }

    /// Earlier units of the account: so there is no cycle.
    fn targets(&self, random: &mut Random, account: usize) -> BTreeSet<usize> {
        let near = self.units.iter().rev().take(60).filter(|(_, unit)| unit.account == account);
        let near: Vec<usize> = near.map(|(id, _)| *id).collect();
        (0..random.below(3)).filter(|_| !near.is_empty()).map(|_| *random.pick(&near)).collect()
    }

    pub(super) fn kind(unit: &UnitModel) -> &'static str {
        KINDS.get(unit.kind).copied().unwrap_or("vpc")
    }

    pub(super) fn kinds() -> &'static [&'static str] {
        &KINDS
    }

    pub(super) fn account(&self, account: usize) -> String {
        let name = ACCOUNTS.get(account).copied().unwrap_or("dev");
        if self.layout == Layout::Deep { format!("live/{name}") } else { name.to_owned() }
    }

    /// Where the region's file lies.
    pub(super) fn region(&self, account: usize, region: usize) -> String {
        let account = self.account(account);
        match self.layout {
            Layout::Account => account,
            _ => format!("{account}/{}", REGIONS.get(region).copied().unwrap_or("us-east-1")),
        }
    }

    pub(super) fn folder(&self, unit: &UnitModel) -> String {
        let (base, kind, number) = (self.region(unit.account, unit.region), EstateModel::kind(unit), unit.number);
        match self.layout {
            Layout::Deep => format!("{base}/{kind}/{number}"),
            _ => format!("{base}/{kind}-{number}"),
        }
    }

    /// A value of a shared file.
    pub(super) fn value(&self, file: &str, key: &'static str) -> u64 {
        self.values.get(&(file.to_owned(), key)).copied().unwrap_or(1)
    }
}

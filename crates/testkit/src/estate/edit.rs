//! Edits, as people make them.

use super::Random;
use super::model::EstateModel;

/// What was edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// In which way.
    pub kind: EditKind,
    /// The file or folder.
    pub path: String,
}

/// In which way something was edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EditKind {
    /// A comment was added or changed.
    Comment,
    /// White space was changed.
    Reformat,
    /// A key that nobody uses got another value.
    UnusedKey,
    /// A value that units use was changed.
    UsedValue,
    /// A unit's own value was changed.
    OwnValue,
    /// A unit was added.
    Add,
    /// A unit was removed; what depended on it does so no more.
    Remove,
    /// A unit has another folder.
    Move,
    /// A file appeared where searches passed by, changed, or went.
    Optional,
    /// A module's code was changed.
    Code,
    /// A lock file appeared, changed, or went.
    LockFile,
    /// A dependency was added or taken away.
    Dependency,
    /// A stack, a link, a unit that is not fully known or one that is broken was changed.
    Odd,
}

impl EditKind {
    /// All of them.
    pub const ALL: [EditKind; 13] = [
        EditKind::Comment,
        EditKind::Reformat,
        EditKind::UnusedKey,
        EditKind::UsedValue,
        EditKind::OwnValue,
        EditKind::Add,
        EditKind::Remove,
        EditKind::Move,
        EditKind::Optional,
        EditKind::Code,
        EditKind::LockFile,
        EditKind::Dependency,
        EditKind::Odd,
    ];

    /// Whether no unit's configuration can differ after it.
    pub fn means_nothing(self) -> bool {
        matches!(self, EditKind::Comment | EditKind::Reformat | EditKind::UnusedKey)
    }
}

impl EstateModel {
    /// Edits something.
    pub fn edit(&mut self, random: &mut Random) -> Edit {
        let kind = *random.pick(&EditKind::ALL);
        self.edit_as(kind, random)
    }

    /// Edits something in one way. An estate without units gets one instead.
    pub fn edit_as(&mut self, kind: EditKind, random: &mut Random) -> Edit {
        let ids: Vec<usize> = self.units.keys().copied().collect();
        if ids.is_empty() || kind == EditKind::Add {
            let id = self.add_unit(random);
            return self.edited(EditKind::Add, id);
        }
        let id = *random.pick(&ids);
        let shared = self.shared_file(random);
        let value = random.number() % 1_000_000;
        match kind {
            EditKind::Comment | EditKind::Reformat => {
                let own = self.units.get(&id).map(|unit| format!("{}/terragrunt.hcl", self.folder(unit)));
                let path = own.filter(|_| random.chance(50)).unwrap_or(shared);
                if kind == EditKind::Comment {
                    self.comments.insert(path.clone(), value);
                } else if !self.reformatted.insert(path.clone()) {
                    self.reformatted.remove(&path);
                }
                Edit { kind, path }
            }
            EditKind::UnusedKey => {
                self.unused.insert(shared.clone(), value);
                Edit { kind, path: shared }
            }
            EditKind::UsedValue => {
                self.values.insert((shared.clone(), "value"), value);
                Edit { kind, path: shared }
            }
            EditKind::Optional => self.edit_optional(random, value),
            EditKind::Code => {
                let module = random.below(EstateModel::kinds().len() + 1);
                match EstateModel::kinds().get(module) {
                    Some(name) => {
                        self.code.insert(module, value);
                        Edit { kind, path: format!("modules/{name}/main.tf") }
                    }
                    None => {
                        self.naming = value;
                        Edit { kind, path: "modules/naming/main.tf".to_owned() }
                    }
                }
            }
            EditKind::Remove => self.remove(id),
            EditKind::Odd => match &mut self.odd {
                Some(odd) => Edit { kind, path: odd.edit(random, value) },
                None => self.edit_as(EditKind::OwnValue, random),
            },
            EditKind::OwnValue | EditKind::Move | EditKind::LockFile | EditKind::Dependency | EditKind::Add => {
                self.edit_unit(kind, id, value, random);
                self.edited(kind, id)
            }
        }
    }

    fn edited(&self, kind: EditKind, id: usize) -> Edit {
        Edit { kind, path: self.units.get(&id).map(|unit| self.folder(unit)).unwrap_or_default() }
    }

    fn edit_unit(&mut self, kind: EditKind, id: usize, value: u64, random: &mut Random) {
        let number = self.next;
        let earlier: Vec<usize> = match self.units.get(&id) {
            Some(unit) => {
                self.units.range(..id).filter(|(_, other)| other.account == unit.account).map(|(id, _)| *id).collect()
            }
            None => Vec::new(),
        };
        let Some(unit) = self.units.get_mut(&id) else { return };
        match kind {
            EditKind::OwnValue => unit.size = 1000 + value,
            EditKind::Move => {
                unit.number = number;
                self.next += 1;
            }
            EditKind::LockFile => unit.lock = if unit.lock.is_some() && random.chance(40) { None } else { Some(value) },
            _ if unit.dependencies.is_empty() && !earlier.is_empty() => {
                unit.dependencies.insert(*random.pick(&earlier));
            }
            _ => drop(unit.dependencies.pop_first()),
        }
    }

    fn remove(&mut self, id: usize) -> Edit {
        let edit = self.edited(EditKind::Remove, id);
        self.units.remove(&id);
        for unit in self.units.values_mut() {
            unit.dependencies.remove(&id);
        }
        edit
    }

    fn edit_optional(&mut self, random: &mut Random, value: u64) -> Edit {
        let account = random.below(self.accounts);
        if self.optional.contains_key(&account) && random.chance(50) {
            self.optional.remove(&account);
        } else {
            self.optional.insert(account, value);
        }
        Edit { kind: EditKind::Optional, path: format!("{}/optional.hcl", self.account(account)) }
    }

    /// A file that holds a used and an unused key.
    fn shared_file(&self, random: &mut Random) -> String {
        let account = self.account(random.below(self.accounts));
        match random.below(5) {
            0 => "root.hcl".to_owned(),
            1 => "common.yaml".to_owned(),
            2 => format!("{account}/account.hcl"),
            3 => format!("{account}/tags.json"),
            _ => format!("_envcommon/{}.hcl", random.pick(EstateModel::kinds())),
        }
    }
}

//! Moving what is repeated into a profile, with the proof that it changed nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use portcullis_hcl::File;
use portcullis_model::{Code, Fault};
use serde::Serialize;

use super::book::{Book, Item, ItemKind, Section, below};
use super::edit::Draft;
use super::find::{Finding, Repeated, findings};
use super::profile::{self, Moved as Value, Notes};
use crate::Read;
use crate::diff::diff;
use crate::fleet::{FLEET_FILE, Fleet};
use crate::read::Elsewhere;
use crate::settings::LayerName;

/// Most moves of one call: each is proved by loading the whole definition.
const MOVES_MAX: usize = 1_000;
/// Longest name of a profile.
const NAME_MAX: usize = 64;

/// What is to be moved, and where to.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The profile that is to hold it, new or not. `None`: the one that the report names.
    pub profile: Option<String>,
    /// Only settings at or below these paths. Empty: all.
    pub only: Vec<String>,
}

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// What was said more than once.
    #[serde(flatten)]
    pub repeated: Repeated,
}

/// What could not be moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// What is said more than once; why it stays is its `obstacle`.
    #[serde(flatten)]
    pub repeated: Repeated,
}

/// A file with other text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEdit {
    /// Its path from the top of the repository.
    pub path: String,
    /// What it was.
    pub before: Vec<u8>,
    /// What it is to be.
    pub after: Vec<u8>,
}

/// A definition in which less is said twice, and in which every account is what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extraction {
    /// What was moved, in this order.
    pub moved: Vec<Moved>,
    /// What stays as it is, and why.
    pub refused: Vec<Refused>,
    /// The files that differ.
    pub files: Vec<FileEdit>,
    /// How many accounts were compared, and found equal.
    pub accounts: usize,
}

/// What is repeated, with the profile that would hold it; and why it cannot, if that is so.
///
/// # Errors
/// What is wrong with the definition.
pub fn report(read: &Read<'_>, elsewhere: &Elsewhere<'_>) -> Result<Vec<Repeated>, Vec<Fault>> {
    let texts = Texts::new(read, elsewhere);
    let book = Book::read(&|path| texts.read(path), elsewhere)?;
    let told = findings(&book, &[]).into_iter().map(|finding| match texts.attempt(&book, &finding, None) {
        Ok((told, _)) => told,
        Err(obstacle) => Repeated { obstacle: Some(obstacle), ..finding.told(&book) },
    });
    Ok(told.collect())
}

/// Says once what is repeated. Nothing is written.
///
/// # Errors
/// What is wrong with the definition. `PC-0520` when a profile or a setting is named that cannot be one.
pub fn extract(read: &Read<'_>, elsewhere: &Elsewhere<'_>, wanted: &Wanted) -> Result<Extraction, Vec<Fault>> {
    if let Some(name) = &wanted.profile {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(is_name) {
            let message = format!("{} is no name for a profile", portcullis_model::id::quoted(name));
            let remedy = format!("Use 1 to {NAME_MAX} of the characters A-Z a-z 0-9 - _ .");
            return Err(vec![Fault::new(Code::FLEET_EXTRACT, message).remedy(remedy)]);
        }
    }
    let mut texts = Texts::new(read, elsewhere);
    let first = Book::read(&|path| texts.read(path), elsewhere)?;
    let original = first.fleet.clone();
    let mut book = first;
    let mut moved = Vec::new();
    let mut refused: Vec<Refused>;
    loop {
        refused = Vec::new();
        let mut done = None;
        for finding in findings(&book, &wanted.only) {
            match texts.attempt(&book, &finding, wanted.profile.as_deref()) {
                Ok(found) => {
                    done = Some(found);
                    break;
                }
                Err(obstacle) => {
                    let repeated = Repeated { obstacle: Some(obstacle), ..finding.told(&book) };
                    refused.push(Refused { repeated });
                }
            }
        }
        let Some((told, changed)) = done else { break };
        texts.changed.extend(changed);
        moved.push(Moved { repeated: told });
        book = Book::read(&|path| texts.read(path), elsewhere)?;
        if moved.len() >= MOVES_MAX {
            break;
        }
    }
    // Each step was proved. That they are the same together is proved by itself.
    if let Some(why) = differs(&original, &book.fleet) {
        return Err(vec![Fault::internal(format!("what was proved step by step is not so as a whole: {why}"))]);
    }
    let accounts = original.accounts().len();
    Ok(Extraction { moved, refused, files: texts.edits().map_err(|fault| vec![fault])?, accounts })
}

/// Why two definitions are not the same in every account; `None`: they are.
fn differs(before: &Fleet, after: &Fleet) -> Option<String> {
    let found = diff(before, after);
    for (name, account) in &found.accounts {
        if let Some(right) = account.rights.first() {
            return Some(format!("in account `{name}` the right that {} would change", right.right));
        }
        if let Some(value) = account.values.first() {
            return Some(format!("in account `{name}` `{}` would change", value.path));
        }
    }
    let is_same =
        found.is_empty() && before.accounts() == after.accounts() && before.deploy_order() == after.deploy_order();
    (!is_same).then(|| "the definition would change".to_owned())
}

/// The files of a definition, as they are and as they are to be.
struct Texts<'r> {
    read: &'r Read<'r>,
    elsewhere: &'r Elsewhere<'r>,
    changed: BTreeMap<String, String>,
}

/// What became of files, by path.
type Changed = BTreeMap<String, String>;

/// Where values could go.
enum Target<'b> {
    /// They are said below already: they only go.
    Nowhere(LayerName),
    /// One of those that say them: the others use it.
    Use(&'b Section),
    Existing(&'b Section),
    /// A new profile of this name in the file of this section.
    New(String, &'b Section),
}

impl<'r> Texts<'r> {
    fn new(read: &'r Read<'r>, elsewhere: &'r Elsewhere<'r>) -> Self {
        Texts { read, elsewhere, changed: BTreeMap::new() }
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Fault> {
        match self.changed.get(path) {
            Some(text) => Ok(Some(text.clone().into_bytes())),
            None => (self.read)(path),
        }
    }

    /// What differs from the files as they are.
    fn edits(&self) -> Result<Vec<FileEdit>, Fault> {
        let edit = |(path, after): (&String, &String)| {
            let before = (self.read)(path)?.unwrap_or_default();
            // The mark at the start is no part of the text.
            let mark = if before.starts_with(MARK) { MARK } else { &[] };
            let after = [mark, after.as_bytes()].concat();
            Ok((before != after).then(|| FileEdit { path: path.clone(), before, after }))
        };
        self.changed.iter().map(edit).filter_map(Result::transpose).collect()
    }

    /// Moves the values of a finding, to the first place where that changes nothing.
    ///
    /// # Errors
    /// Why there is no such place.
    fn attempt(&self, book: &Book, finding: &Finding, name: Option<&str>) -> Result<(Repeated, Changed), String> {
        for index in &finding.sections {
            let Some(section) = book.sections.get(*index) else { continue };
            let text = self.read(section.file.path()).ok().flatten().unwrap_or_default();
            let text = text.strip_prefix(MARK).unwrap_or(&text);
            if text != section.file.text().as_bytes() {
                return Err(format!("`{}` is not UTF-8", section.file.path()));
            }
        }
        let mut why = None;
        for target in targets(book, finding, name) {
            match self.at(book, finding, &target) {
                Ok(changed) => {
                    let (holder, is_new) = match target {
                        Target::Nowhere(layer) => (layer, false),
                        Target::Use(section) | Target::Existing(section) => (section.name.clone(), false),
                        Target::New(name, section) if is_imported(book, section) => {
                            (LayerName::ImportedProfile(name), true)
                        }
                        Target::New(name, _) => (LayerName::LocalProfile(name), true),
                    };
                    return Ok((Repeated { holder: Some(holder), is_new, ..finding.told(book) }, changed));
                }
                Err(reason) => why = why.or(Some(reason)),
            }
        }
        Err(why.unwrap_or_else(|| "there is no profile that could hold it".to_owned()))
    }

    /// Moves them to that place.
    fn at(&self, book: &Book, finding: &Finding, target: &Target<'_>) -> Result<Changed, String> {
        let changed = Move::new(book, finding, target).made()?;
        let after = Texts {
            read: self.read,
            elsewhere: self.elsewhere,
            changed: self.changed.clone().into_iter().chain(changed.clone()).collect(),
        };
        let proved = Book::read(&|path| after.read(path), self.elsewhere).map_err(|faults| {
            faults.first().map_or_else(String::new, |fault| format!("the definition would be refused: {fault}"))
        })?;
        if let Some(why) = differs(&book.fleet, &proved.fleet) {
            return Err(why);
        }
        let said = |book: &Book| book.sections.iter().map(|section| section.said().len()).sum::<usize>();
        if said(&proved) >= said(book) {
            return Err("no less would be said".to_owned());
        }
        let (old, new) = (comments(book), comments(&proved));
        match old.iter().find(|comment| !new.contains(*comment)) {
            Some(lost) => Err(format!("the comment {} would be lost", portcullis_model::id::quoted(lost))),
            None => Ok(changed),
        }
    }
}

/// The byte order mark.
const MARK: &[u8] = "\u{feff}".as_bytes();

fn comments(book: &Book) -> BTreeSet<String> {
    let of = |file: &std::sync::Arc<File>| {
        file.comments().iter().map(|at| file.slice(at).trim_end().to_owned()).collect::<Vec<_>>()
    };
    book.files.iter().flat_map(of).collect()
}

/// Whether profiles in this section's file are imported ones.
fn is_imported(book: &Book, section: &Section) -> bool {
    section.file.path() != FLEET_FILE && book.sections.iter().any(|one| one.name == section.name)
}

/// Where the values of a finding could go, the best place first.
fn targets<'b>(book: &'b Book, finding: &Finding, name: Option<&str>) -> Vec<Target<'b>> {
    if let Some(below) = &finding.below {
        return vec![Target::Nowhere(below.clone())];
    }
    let sections: Vec<&Section> = finding.sections.iter().filter_map(|index| book.sections.get(*index)).collect();
    let users: BTreeSet<_> = sections.iter().flat_map(|section| &section.users).collect();
    let profiles = || book.sections.iter().filter(|section| section.is_ours && !section.is_account());
    let is_apart = |section: &&Section| sections.iter().all(|one| one.name != section.name);
    // The root file's own layers are on top of imported ones: a profile there decides like the account itself.
    let mut homes: Vec<&Section> = Vec::new();
    for section in sections.iter().filter(|section| section.file.path() != FLEET_FILE) {
        if !homes.iter().any(|home| home.file.path() == section.file.path()) {
            homes.push(section);
        }
    }
    let root = book.sections.iter().find(|section| section.is_account());
    match root {
        Some(root) if sections.iter().any(|section| section.file.path() == FLEET_FILE) => homes.insert(0, root),
        Some(root) => homes.push(root),
        None => {}
    }
    let new = |name: String| homes.iter().map(move |home| Target::New(name.clone(), home)).collect::<Vec<_>>();
    if let Some(name) = name {
        let named: Vec<&Section> = profiles().filter(|section| section.label() == name).collect();
        let target = |section| if is_apart(&section) { Target::Existing(section) } else { Target::Use(section) };
        return if named.is_empty() { new(name.to_owned()) } else { named.into_iter().map(target).collect() };
    }
    let same = profiles().filter(|section| section.users.iter().collect::<BTreeSet<_>>() == users && !users.is_empty());
    // Accounts that say what one profile says are to use it. Of two profiles, neither is to rest on the other.
    let said_by: Vec<&Section> = profiles().filter(|section| !is_apart(section)).collect();
    let mut targets: Vec<Target<'b>> = match said_by.as_slice() {
        [only] => vec![Target::Use(only)],
        _ => Vec::new(),
    };
    targets.extend(same.filter(is_apart).map(Target::Existing));
    targets.extend(new(free_name(book, finding)));
    targets
}

/// A name for a new profile, by what it says.
fn free_name(book: &Book, finding: &Finding) -> String {
    let top = |path: &String| {
        let mut parts = path.split('.');
        let first = parts.next().unwrap_or_default();
        let word = if first == "action" { parts.next().unwrap_or(first) } else { first };
        let plain: String = word.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_').collect();
        plain.replace('_', "-")
    };
    let tops: BTreeSet<String> = finding.values.keys().map(top).collect();
    let base = match tops.first() {
        Some(only) if tops.len() == 1 && !only.is_empty() => format!("common-{only}"),
        _ => "common".to_owned(),
    };
    let is_free =
        |name: &str| book.sections.iter().filter(|section| !section.is_account()).all(|one| one.label() != name);
    let numbered = (2..).map(|number| format!("{base}-{number}"));
    std::iter::once(base.clone()).chain(numbered).find(|name| is_free(name)).unwrap_or(base.clone())
}

/// One move, being made.
struct Move<'b> {
    book: &'b Book,
    finding: &'b Finding,
    target: &'b Target<'b>,
    drafts: BTreeMap<String, Draft>,
    notes: Notes,
}

/// A value of a section that is to go, with the way to it.
type Going<'b> = (Vec<&'b Item>, &'b super::book::Piece);

impl<'b> Move<'b> {
    fn new(book: &'b Book, finding: &'b Finding, target: &'b Target<'b>) -> Self {
        Move { book, finding, target, drafts: BTreeMap::new(), notes: Notes::new() }
    }

    fn draft(&mut self, section: &Section) -> &mut Draft {
        let path = section.file.path().to_owned();
        self.drafts.entry(path).or_insert_with(|| Draft::of(&section.file))
    }

    /// The files that differ.
    fn made(mut self) -> Result<Changed, String> {
        let mut values: Vec<Value> = Vec::new();
        let mut written: BTreeSet<String> = BTreeSet::new();
        let sections = self.finding.sections.iter().filter_map(|index| Some((*index, self.book.sections.get(*index)?)));
        // Who says it for the others goes on to say it.
        let stays = |section: &Section| matches!(self.target, Target::Use(one) if one.name == section.name);
        let sections: Vec<(usize, &Section)> = sections.filter(|(_, section)| !stays(section)).collect();
        // Values are copied from the file that they go to, if there is one: its locals are known there.
        let home = match self.target {
            Target::Nowhere(_) => None,
            Target::Use(section) | Target::Existing(section) | Target::New(_, section) => {
                Some(section.file.path().to_owned())
            }
        };
        let mut by_home = sections.clone();
        by_home.sort_by_key(|(index, section)| (Some(section.file.path()) != home.as_deref(), *index));
        if home.is_none() {
            by_home.clear();
        }
        let mut copied: Vec<String> = Vec::new();
        for (index, section) in &by_home {
            for (way, piece) in self.going(*index, section)? {
                let path = piece.said.keys().next().cloned().unwrap_or_default();
                if !written.insert(path.clone()) {
                    continue;
                }
                let knows = Some(section.file.path()) == home.as_deref() || !piece.refers;
                let text = match (knows, piece.said.values().next()) {
                    (false, Some(said)) if piece.said.len() == 1 && !said.appended => profile::literal(&said.value),
                    (false, _) => return Err(format!("`{path}` refers to locals of `{}`", section.file.path())),
                    (true, _) => section.file.slice(&piece.value).to_owned(),
                };
                copied.push(text.clone());
                written.extend(piece.said.keys().cloned());
                values.push(Value { way: way.iter().map(|item| item.step.clone()).collect(), text });
            }
        }
        for (index, section) in &sections {
            self.take(*index, section, &copied)?;
        }
        self.put(&sections, values)?;
        let finish = |(path, draft): (String, Draft)| {
            let text = draft.finish().ok_or_else(|| format!("two edits of `{path}` are about one place"))?;
            Ok((path, text))
        };
        std::mem::take(&mut self.drafts).into_iter().map(finish).collect()
    }

    /// What of a section is to go.
    fn going(&self, index: usize, section: &'b Section) -> Result<Vec<Going<'b>>, String> {
        let goes = |path: &String| self.finding.values.get(path).is_some_and(|(_, movers)| movers.contains(&index));
        let mut going = Vec::new();
        for (way, piece) in section.pieces() {
            match piece.said.keys().filter(|path| goes(path)).count() {
                0 => {}
                some if some == piece.said.len() => going.push((way, piece)),
                _ => {
                    let paths = piece.said.keys().cloned().collect::<Vec<_>>().join("`, `");
                    return Err(format!(
                        "{} says `{paths}` in one expression, of which only a part is alike",
                        section.name
                    ));
                }
            }
        }
        Ok(going)
    }

    /// Takes what goes out of a section.
    fn take(&mut self, index: usize, section: &'b Section, copied: &[String]) -> Result<(), String> {
        let going: BTreeSet<usize> = self.going(index, section)?.iter().map(|(_, piece)| piece.value.start).collect();
        let mut gone: Vec<Gone<'_>> = Vec::new();
        out(&section.file, &section.items, "", &going, &mut gone);
        let stay = matches!(self.target, Target::Nowhere(_));
        let mut notes: Vec<(String, String)> = Vec::new();
        let draft = self.draft(section);
        for Gone { path, at, item, keep } in &gone {
            let kept: Option<Vec<&str>> =
                keep.as_ref().map(|keep| keep.iter().map(|at| section.file.slice(at)).collect());
            let lines = match (draft.lines_of(at), keep) {
                (_, Some(_)) => at.clone(),
                (Some(lines), None) => lines,
                (None, None) => return Err(format!("something else is on the line of `{path}` in {}", section.name)),
            };
            let told = |text: &str| {
                copied.iter().map(String::as_str).chain(kept.iter().flatten().copied()).any(|said| said.contains(text))
            };
            let comments = draft.comments_in(&lines).into_iter();
            let comments = comments.map(|at| (at.start, draft.file.slice(&at).trim_end().to_owned()));
            let comments: Vec<(usize, String)> = comments.filter(|(_, comment)| !told(comment)).collect();
            match &kept {
                Some(_) if stay && !comments.is_empty() => {
                    return Err(format!("there are comments on the line of `{path}` in {}", section.name));
                }
                Some(kept) => draft.replace(lines, format!("{{ {} }}", kept.join(", "))),
                None if stay && !comments.is_empty() => {
                    let indent = draft.indent(at.start).to_owned();
                    let newline = draft.newline();
                    let text = comments.iter().map(|(_, comment)| format!("{indent}{comment}{newline}")).collect();
                    draft.replace(lines, text);
                }
                None => draft.remove_lines(lines),
            }
            let owner = |at| {
                item.as_ref().and_then(|item| owner(item, path, at, &section.file)).unwrap_or_else(|| path.clone())
            };
            notes.extend(comments.into_iter().map(|(at, comment)| (owner(at), comment)));
        }
        if !stay {
            for (path, note) in notes {
                let all = self.notes.entry(path).or_default();
                if !all.contains(&note) {
                    all.push(note);
                }
            }
        }
        Ok(())
    }

    /// Puts what goes into the profile, and the profile below those that said it.
    fn put(&mut self, sections: &[(usize, &'b Section)], values: Vec<Value>) -> Result<(), String> {
        let mut notes = std::mem::take(&mut self.notes);
        let name = match self.target {
            Target::Nowhere(_) => return Ok(()),
            Target::Use(section) => {
                let draft = self.draft(section);
                profile::explain(section, &mut notes, draft);
                section.label().to_owned()
            }
            Target::Existing(section) => {
                let draft = self.draft(section);
                profile::add(section, values, &mut notes, draft)?;
                section.label().to_owned()
            }
            Target::New(name, home) => {
                let draft = self.draft(home);
                let newline = draft.newline();
                let text = profile::new(name, values, &mut notes, newline);
                if home.is_account() {
                    let at =
                        draft.lines_of(&home.at).map_or_else(|| draft.line_start(home.at.start), |lines| lines.start);
                    draft.insert(at, format!("{text}{newline}"));
                } else {
                    let end = draft.file.text().len();
                    let gap = if draft.file.text().ends_with('\n') { "" } else { newline };
                    draft.insert(end, format!("{gap}{newline}{text}"));
                }
                name.clone()
            }
        };
        if let Some(note) = notes.values().flatten().next() {
            return Err(format!("there is no place for the comment {}", portcullis_model::id::quoted(note)));
        }
        for (_, section) in sections {
            let uses = matches!(self.target, Target::Existing(target) | Target::Use(target)
                if !target.users.is_empty() && !section.users.is_empty() && section.users.is_subset(&target.users));
            if !uses {
                profile::use_profile(section, &name, self.draft(section))?;
            }
        }
        Ok(())
    }
}

/// Something that goes.
struct Gone<'i> {
    path: String,
    at: Range<usize>,
    /// What it is, if nothing of it stays.
    item: Option<&'i Item>,
    /// Of an object on one line that is written anew: the keys that stay.
    keep: Option<Vec<Range<usize>>>,
}

/// Finds what goes: the largest items of which nothing stays.
fn out<'i>(file: &File, items: &'i [Item], path: &str, going: &BTreeSet<usize>, gone: &mut Vec<Gone<'i>>) {
    for item in items {
        let path = below(path, &item.step);
        match &item.kind {
            _ if goes(item, going) => gone.push(Gone { path, at: item.at.clone(), item: Some(item), keep: None }),
            ItemKind::Value(_) => {}
            ItemKind::Object(at, inner) if !file.slice(at).contains('\n') => {
                let keep: Vec<Range<usize>> =
                    inner.iter().filter(|item| !goes(item, going)).map(|item| item.at.clone()).collect();
                if keep.len() < inner.len() {
                    gone.push(Gone { path, at: at.clone(), item: None, keep: Some(keep) });
                }
            }
            ItemKind::Block(_, inner) | ItemKind::Object(_, inner) => out(file, inner, &path, going, gone),
        }
    }
}

/// The part of an item that a comment is about: what it stands behind, or else what comes next.
fn owner(item: &Item, path: &str, comment: usize, file: &File) -> Option<String> {
    let (ItemKind::Object(_, inner) | ItemKind::Block(_, inner)) = &item.kind else { return None };
    if !item.at.contains(&comment) {
        return None;
    }
    let is_behind = |one: &&Item| one.at.end <= comment && !file.slice(&(one.at.end..comment)).contains('\n');
    let part =
        inner.iter().find(is_behind).or_else(|| inner.iter().find(|one| one.at.end > comment)).or(inner.last())?;
    let path = below(path, &part.step);
    Some(owner(part, &path, comment, file).unwrap_or(path))
}

/// Whether nothing of an item stays.
fn goes(item: &Item, going: &BTreeSet<usize>) -> bool {
    match &item.kind {
        ItemKind::Value(piece) => going.contains(&piece.value.start),
        ItemKind::Object(_, inner) | ItemKind::Block(_, inner) => {
            !inner.is_empty() && inner.iter().all(|item| goes(item, going))
        }
    }
}

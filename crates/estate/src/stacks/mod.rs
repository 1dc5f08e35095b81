//! Explicit stacks: `terragrunt.stack.hcl` files expanded in memory, as `terragrunt stack generate` would on disk.
//!
//! Each stack's file is evaluated, and the folders that it would generate are laid over the tree ([`Overlay`]):
//! units with their values, stacks with theirs, which are expanded in turn. What follows sees one tree and need not
//! know which of it was generated.
//!
//! A source in another repository is shown where the caller has that repository's tree ([`Elsewhere`]). Elsewhere the unit is
//! known by its folder, and inexact.

mod elsewhere;
mod overlay;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_model::source::{GitRef, SourceKind, is_remote};
use portcullis_model::{Code, Fault, Place, RemoteSource, UnitPath};

use crate::cache::Cache;
use crate::config::{
    CONFIG_FILE, Component, ComponentKind, JSON_CONFIG_FILE, OutputsMode, STACK_AUTOINCLUDE, STACK_FILE, STACK_FOLDER,
    Session, StackFile, VALUES_FILE,
};
use crate::discover::LEFT_BEHIND;
use crate::estate::on_deep_stack;
use crate::path;
use crate::reader::{Library, Reader};
use crate::settings::Settings;
use crate::source::{EntryKind, Look, Source};
pub use elsewhere::Elsewhere;
pub(crate) use overlay::Overlay;

/// Deepest chain of stacks that generate stacks.
const LEVELS_MAX: usize = 10;
/// What a unit merges of its stack's `autoinclude` block.
pub(crate) const UNIT_AUTOINCLUDE: &str = "terragrunt.autoinclude.hcl";

/// A stack, expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Its folder.
    pub path: UnitPath,
    /// The units that it generates itself: name and folder, sorted by name.
    pub units: Vec<(String, UnitPath)>,
    /// The stacks that it generates itself.
    pub stacks: Vec<(String, UnitPath)>,
    /// Every file that its evaluation read, sorted.
    pub reads: Vec<String>,
    /// What of it is not known without running something.
    pub inexact: Vec<Fault>,
    /// What is wrong with single units and stacks of it, which are not generated.
    pub problems: Vec<Fault>,
}

/// Stacks by folder, each expanded or with what is wrong with it.
pub type Stacks = BTreeMap<UnitPath, Result<Arc<Stack>, Vec<Fault>>>;

/// A tree with its stacks expanded.
pub(crate) struct Expanded {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) stacks: Stacks,
    /// Units whose source is not in this repository, with why their configuration is not known.
    pub(crate) elsewhere: BTreeMap<UnitPath, Fault>,
    /// Generated folders, with the stack's block that generates each.
    pub(crate) generated: BTreeMap<UnitPath, Place>,
    /// Folders of this repository that stacks make units of.
    pub(crate) templates: BTreeSet<String>,
    /// Sources in other repositories that name one content, and whose trees are not at hand.
    pub(crate) wanted: Vec<RemoteSource>,
}

/// Expands all stacks below `settings.within`.
///
/// # Errors
/// When the source cannot be read, or a limit on the repository's size is exceeded.
pub(crate) fn expand(
    source: Arc<dyn Source>,
    settings: &Settings,
    cache: &Arc<Cache>,
    elsewhere: &Elsewhere,
) -> Result<Expanded, Fault> {
    let mut level = find(&*source, settings, &settings.within)?;
    let mut expanded = Expanded {
        source: Arc::clone(&source),
        stacks: Stacks::new(),
        elsewhere: BTreeMap::new(),
        generated: BTreeMap::new(),
        templates: BTreeSet::new(),
        wanted: Vec::new(),
    };
    if level.is_empty() {
        return Ok(expanded);
    }
    let mut overlay = Overlay::new(source);
    for depth in 0.. {
        let library = Library::new(Arc::new(overlay.clone()), &settings.limits, Arc::clone(cache));
        let read = on_deep_stack(|| {
            level.iter().map(|folder| (folder.clone(), read(&library, settings, folder))).collect::<Vec<_>>()
        })?;
        let mut next = Vec::new();
        for (folder, outcome) in read {
            let outcome = if depth < LEVELS_MAX { outcome } else { Err(vec![too_deep(&folder)]) };
            let outcome =
                outcome.map(|found| lay_over(&mut overlay, &library, elsewhere, &folder, found, &mut expanded));
            expanded.stacks.insert(folder, outcome.map(Arc::new));
        }
        // A generated folder may hold stacks anywhere, whatever kind it was generated as.
        let known = &expanded.stacks;
        for folder in expanded.generated.keys() {
            next.extend(
                find(&overlay, settings, folder.as_str())?.into_iter().filter(|found| !known.contains_key(found)),
            );
        }
        next.sort();
        next.dedup();
        if expanded.generated.len() > settings.limits.units {
            return Err(Fault::new(Code::REPOSITORY_TOO_LARGE, "stacks generate too many units")
                .remedy("Split the repository, or give the account a smaller folder."));
        }
        if next.is_empty() {
            break;
        }
        level = next;
    }
    mark(&mut overlay, &expanded.stacks);
    expanded.source = Arc::new(overlay);
    Ok(expanded)
}

fn too_deep(folder: &UnitPath) -> Fault {
    Fault::new(Code::HCL_TOO_LARGE, format!("stacks generate stacks more than {LEVELS_MAX} levels deep"))
        .at(Place::file(path::child(folder.as_str(), STACK_FILE)))
        .remedy("Look for a stack that generates itself.")
}

/// Folders with a stack's file.
fn find(source: &dyn Source, settings: &Settings, within: &str) -> Result<Vec<UnitPath>, Fault> {
    let mut found = Vec::new();
    let mut left = vec![within.to_owned()];
    let mut seen = 0usize;
    while let Some(folder) = left.pop() {
        let Some(entries) = source.list(&folder)? else { continue };
        for entry in &entries {
            if entry.kind == EntryKind::Dir {
                seen += 1;
                if !LEFT_BEHIND.contains(&entry.name.as_str()) {
                    left.push(path::child(&folder, &entry.name));
                }
            } else if entry.name == STACK_FILE && entry.kind != EntryKind::Submodule {
                // A folder whose name no unit may have is told of where units are looked for.
                found.extend(UnitPath::parse(&folder).ok());
            }
        }
        if seen > settings.limits.entries {
            return Err(Fault::new(Code::REPOSITORY_TOO_LARGE, "the repository has too many folders")
                .remedy("Split the repository, or give the account a smaller folder."));
        }
    }
    // What a stack would generate is expanded with that stack, not for itself.
    let stacks: BTreeSet<String> = found.iter().map(|folder: &UnitPath| folder.as_str().to_owned()).collect();
    found.retain(|folder| !is_generated(&stacks, folder.as_str()));
    found.sort();
    Ok(found)
}

fn is_generated(stacks: &BTreeSet<String>, folder: &str) -> bool {
    let mut at = folder;
    while at != "." {
        if path::name(at) == STACK_FOLDER && stacks.contains(path::parent(at)) {
            return true;
        }
        at = path::parent(at);
    }
    false
}

/// A stack's file, evaluated.
struct Read {
    components: Vec<Component>,
    reads: Vec<String>,
    inexact: Vec<Fault>,
    problems: Vec<Fault>,
}

fn read(library: &Arc<Library>, settings: &Settings, folder: &UnitPath) -> Result<Read, Vec<Fault>> {
    let reader = Reader::new(library);
    for name in [CONFIG_FILE, JSON_CONFIG_FILE] {
        if !reader.exists(&path::child(folder.as_str(), name)).map_err(|fault| vec![fault])? {
            continue;
        }
        let message = format!("{folder} has a {name} and a {STACK_FILE}");
        let place = Place::file(path::child(folder.as_str(), STACK_FILE));
        return Err(vec![
            Fault::new(Code::UNKNOWN_BLOCK, message)
                .at(place)
                .remedy("A folder is a unit or a stack. Move one of them."),
        ]);
    }
    let session = Session::new(&reader, settings, folder, "plan", OutputsMode::Unknown, None);
    let file = StackFile::read(&session, &path::child(folder.as_str(), STACK_FILE))?;
    let StackFile { components, problems, .. } = file;
    for component in &components {
        for value in component.values.iter().chain([&component.source]) {
            session.note_unknowns(value);
        }
    }
    Ok(Read { components, reads: session.reads(), inexact: session.inexact(), problems })
}

/// Where the source of a component is.
enum From {
    Here(String),
    /// In another tree that is at hand, in this folder.
    There(Arc<dyn Source>, String),
    /// In another repository, which is not at hand.
    Wanted(RemoteSource, Fault),
    Elsewhere(Fault),
}

fn source_of(reader: &Reader, elsewhere: &Elsewhere, stack: &UnitPath, component: &Component) -> Result<From, Fault> {
    let value = &component.source;
    if !value.is_known_deep() {
        return Ok(From::Elsewhere(inexact(
            value.fault(Code::INEXACT, "the source is not known without running something"),
        )));
    }
    let text = value.want_string("`source`")?;
    let local = text.strip_prefix("file://").unwrap_or(&text);
    let missing = |what: &str| {
        value
            .fault(Code::FILE_MISSING, format!("the source {} {what}", path::quoted(&text)))
            .remedy("Correct the source; it is relative to the stack's folder.")
    };
    if is_remote(local) {
        let message = format!("the source {} is not in this repository", path::quoted(&text));
        let fault = inexact(value.fault(Code::INEXACT, message));
        let Ok(source) = RemoteSource::parse(local) else { return Ok(From::Elsewhere(fault)) };
        // What may be something else tomorrow would let the same commit mean two things.
        if !matches!(source.kind, SourceKind::Git { at: GitRef::Commit(_), .. }) {
            return Ok(From::Elsewhere(
                fault.note("only a git source that names a commit, by all 40 digits, is looked into"),
            ));
        }
        return match elsewhere.get(&source.kind) {
            None => Ok(From::Wanted(source, fault)),
            Some(Err(why)) => Ok(From::Elsewhere(fault.note(why.to_string()))),
            Some(Ok(tree)) => {
                let folder = if source.sub.is_empty() { "." } else { &source.sub };
                let wanted = path::child(folder, component.kind.file());
                if !matches!(tree.look(folder)?, Look::At(EntryKind::Dir)) {
                    return Err(missing("is no folder there"));
                }
                if component.checked && !matches!(tree.look(&wanted)?, Look::At(EntryKind::File { .. })) {
                    return Err(missing(&format!("has no {}", component.kind.file())));
                }
                Ok(From::There(Arc::clone(tree), folder.to_owned()))
            }
        };
    }
    let named = path::resolve(stack.as_str(), local).map_err(|fault| fault.at(value.origin().place()))?;
    let found = reader.find(&named).map_err(|fault| fault.at(value.origin().place()))?;
    let Some(found) = found.filter(|found| found.kind == EntryKind::Dir) else {
        return Err(missing("is no folder"));
    };
    let wanted = component.kind.file();
    if component.checked && reader.bytes(&path::child(&found.real, wanted))?.is_none() {
        return Err(missing(&format!("has no {wanted}")));
    }
    Ok(From::Here(found.real))
}

fn inexact(fault: Fault) -> Fault {
    fault.remedy("Keep the units of a stack in this repository, or use the `terragrunt` driver.")
}

/// Lays what a stack generates over the tree. One faulty component hides no other.
fn lay_over(
    overlay: &mut Overlay,
    library: &Arc<Library>,
    elsewhere: &Elsewhere,
    folder: &UnitPath,
    found: Read,
    expanded: &mut Expanded,
) -> Stack {
    let reader = Reader::new(library);
    let mut stack = Stack {
        path: folder.clone(),
        units: Vec::new(),
        stacks: Vec::new(),
        reads: found.reads,
        inexact: found.inexact,
        problems: found.problems,
    };
    overlay.fill(folder.as_str());
    for component in found.components {
        let placed = match UnitPath::parse(&component.folder) {
            Ok(placed) => placed,
            Err(fault) => {
                stack.problems.push(fault.at(component.place.clone()));
                continue;
            }
        };
        match component.kind {
            ComponentKind::Unit => stack.units.push((component.name.clone(), placed.clone())),
            ComponentKind::Stack => stack.stacks.push((component.name.clone(), placed.clone())),
        }
        let from = source_of(&reader, elsewhere, folder, &component).map(|from| match from {
            From::Wanted(source, fault) => {
                expanded.wanted.push(source);
                From::Elsewhere(fault)
            }
            from => from,
        });
        match from {
            Ok(From::Here(real)) => {
                overlay.mount(placed.as_str(), &real);
                expanded.templates.insert(real);
            }
            Ok(From::There(tree, from)) => overlay.mount_of(&tree, placed.as_str(), &from),
            Ok(From::Wanted(_, fault) | From::Elsewhere(fault)) if component.kind == ComponentKind::Unit => {
                expanded.elsewhere.insert(placed.clone(), fault);
                // So that the folder is found, others may depend on it, and what is known of it counts.
                overlay.write(&path::child(placed.as_str(), CONFIG_FILE), component.stand_in());
            }
            Ok(From::Wanted(_, fault) | From::Elsewhere(fault)) => stack.inexact.push(fault),
            Err(fault) => {
                stack.problems.push(fault);
                continue;
            }
        }
        write(overlay, &placed, &component);
        expanded.generated.insert(placed, component.place);
    }
    stack.units.sort();
    stack.stacks.sort();
    stack
}

/// The files that a stack writes into a generated folder.
fn write(overlay: &mut Overlay, placed: &UnitPath, component: &Component) {
    if let Some(text) = component.values_text() {
        overlay.write(&path::child(placed.as_str(), VALUES_FILE), text);
    }
    let merged = match component.kind {
        ComponentKind::Unit => UNIT_AUTOINCLUDE,
        ComponentKind::Stack => STACK_AUTOINCLUDE,
    };
    if let Some(text) = &component.autoinclude {
        overlay.write(&path::child(placed.as_str(), merged), text.clone());
    }
}

/// The name under which the identity of what a stack generates is asked for.
pub(crate) fn mark_of(folder: &str) -> String {
    format!("{folder}//{STACK_FILE}")
}

fn mark(overlay: &mut Overlay, stacks: &Stacks) {
    for (folder, stack) in stacks {
        let text = match stack {
            Ok(stack) => format!("{:?}\n{:?}", stack.units, units_of(stacks, folder)),
            Err(_) => "broken".to_owned(),
        };
        overlay.mark(mark_of(folder.as_str()), text);
    }
}

/// All units that a stack generates, also through others.
pub(crate) fn units_of(stacks: &Stacks, folder: &UnitPath) -> Vec<UnitPath> {
    let mut units = Vec::new();
    let mut left = vec![folder];
    while let Some(folder) = left.pop() {
        let Some(Ok(stack)) = stacks.get(folder) else { continue };
        units.extend(stack.units.iter().map(|(_, unit)| unit.clone()));
        left.extend(stack.stacks.iter().map(|(_, stack)| stack));
    }
    units.sort();
    units
}

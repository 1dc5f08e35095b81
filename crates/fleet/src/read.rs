//! From files to evaluated blocks: parsing, imports, locals.
//!
//! Reads only what the caller's functions give: files of the repository, and files of others that are pinned by commit and
//! content. A pinned file's own imports are pinned in it, so that one digest at the top holds all that is below.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use portcullis_hcl::hcl_edit::expr::Expression;
use portcullis_hcl::hcl_edit::structure::Structure;
use portcullis_hcl::{Budget, File, Kind, Limits, Origin, Scope, Value, evaluate};
use portcullis_model::id::quoted;
use portcullis_model::source::{SourceKind, address_of};
use portcullis_model::{Code, CommitId, Digest, Fault, Place, RemoteSource};

use crate::Read;
use crate::fleet::FLEET_FILE;
use crate::schema::{self, Contents, contents, duplicate};
use crate::spelling::hint;

/// Most files that a definition may be made of.
const FILES_MAX: usize = 64;
/// Most files that lead from one to the next.
const DEPTH_MAX: usize = 8;
/// A definition is small; what is larger is a mistake or an attack.
const FILE_BYTES_MAX: usize = 256 << 10;

fn limits() -> Limits {
    Limits { file_bytes: FILE_BYTES_MAX, steps: 200_000, grown_bytes: 16 << 20, ..Limits::default() }
}

/// One file of the definition, parsed.
pub(crate) struct Source {
    pub file: Arc<File>,
    pub imported: bool,
    /// Where it is from, if it is no file of this repository.
    pub pinned: Option<Pinned>,
}

/// A file of another repository, as an import names it: by commit and by content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The repository: `https`, `ssh`, or `http` on loopback. Holds no password.
    pub git: String,
    /// The commit.
    pub commit: CommitId,
    /// The file in it.
    pub path: String,
    /// What the file's bytes are.
    pub sha256: Digest,
    /// The import that names it.
    pub place: Place,
}

impl Pinned {
    /// The name that messages have for it: `github.com/acme/profiles@0123456789ab:standard.hcl`.
    pub fn name(&self) -> String {
        format!("{}@{}:{}", address_of(&self.git), self.commit.short(), self.path)
    }

    /// Whether these are the bytes that were pinned.
    ///
    /// # Errors
    /// `PC-0521`, with both digests.
    pub fn check(&self, bytes: &[u8]) -> Result<(), Fault> {
        let found = Digest::of(bytes);
        if found == self.sha256 {
            return Ok(());
        }
        Err(Fault::new(Code::FLEET_IMPORT_CHANGED, format!("{} is not what was pinned", self.name()))
            .at(self.place.clone())
            .remedy(format!(
                "Find out why. If you have read it and want what is there now, write `sha256 = \"{found}\"`."
            ))
            .note(format!("pinned: {}", self.sha256))
            .note(format!("found:  {found}")))
    }
}

/// Gives a file of another repository; `None` when it is not at hand.
pub type Elsewhere<'a> = dyn Fn(&Pinned) -> Result<Option<Vec<u8>>, Fault> + 'a;

/// Nothing of other repositories is at hand.
pub(crate) fn nowhere(_: &Pinned) -> Result<Option<Vec<u8>>, Fault> {
    Ok(None)
}

/// The files of other repositories that a definition needs and that are not at hand. More may be found once these are.
pub fn wanted(read: &Read<'_>, elsewhere: &Elsewhere<'_>) -> Vec<Pinned> {
    let Ok(Some(text)) = read(FLEET_FILE) else { return Vec::new() };
    let Ok(file) = parse(FLEET_FILE, &text) else { return Vec::new() };
    let mut walk = Walk::new(FLEET_FILE, read, elsewhere);
    walk.imports(&file, None);
    walk.wanted
}

/// Reads `root` and everything that it imports, the root last and imports in the order that they are named,
/// each once.
pub(crate) fn sources(root: &str, read: &Read<'_>, elsewhere: &Elsewhere<'_>) -> Result<Vec<Source>, Vec<Fault>> {
    let text = read(root).map_err(|fault| vec![fault])?.ok_or_else(|| {
        vec![
            Fault::new(Code::FLEET_MISSING, format!("there is no `{root}`"))
                .remedy("Put the fleet definition at the top of the repository, on its protected branch."),
        ]
    })?;
    let file = parse(root, &text).map_err(|fault| vec![fault])?;
    let mut walk = Walk::new(root, read, elsewhere);
    walk.imports(&file, None);
    walk.found.push(Source { file, imported: false, pinned: None });
    if walk.faults.is_empty() { Ok(walk.found) } else { Err(walk.faults) }
}

fn parse(path: &str, text: &[u8]) -> Result<Arc<File>, Fault> {
    File::parse(path, text, &limits()).map_err(into_fleet)
}

/// The reading of imports.
struct Walk<'r> {
    read: &'r Read<'r>,
    elsewhere: &'r Elsewhere<'r>,
    /// Files that were asked for, to read each once and to count them.
    seen: Vec<String>,
    /// The file whose imports are read, and those that led to it: one of them again is a cycle.
    open: Vec<String>,
    found: Vec<Source>,
    wanted: Vec<Pinned>,
    faults: Vec<Fault>,
}

/// What an import leads to.
enum Target {
    Here(String),
    There(Pinned),
}

impl<'r> Walk<'r> {
    fn new(root: &str, read: &'r Read<'r>, elsewhere: &'r Elsewhere<'r>) -> Self {
        Walk {
            read,
            elsewhere,
            seen: vec![root.to_owned()],
            open: vec![root.to_owned()],
            found: Vec::new(),
            wanted: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Appends the files that `file` imports, the innermost first. Two files may import a third; a cycle has no
    /// innermost file, so which profile is below which could not be said. `from`: where the file is from, if it is
    /// pinned; a path in it is one of the same commit.
    fn imports(&mut self, file: &Arc<File>, from: Option<&Pinned>) {
        for block in file.body().get_blocks("import") {
            let evaluator = Evaluator::new(file);
            let body = contents(&block.body, file, &schema::IMPORT, &mut self.faults);
            let origin = Origin::of(file, &block.ident);
            let target = match target(&evaluator, &body, &origin, from) {
                Ok(target) => target,
                Err(fault) => {
                    self.faults.push(fault);
                    continue;
                }
            };
            let name = match &target {
                Target::Here(path) => path.clone(),
                Target::There(pinned) => pinned.name(),
            };
            if self.open.contains(&name) {
                self.faults.push(cycle(&name, &self.open, &origin));
                continue;
            }
            if self.seen.contains(&name) {
                continue;
            }
            if self.seen.len() >= FILES_MAX || self.open.len() > DEPTH_MAX {
                let message = match self.open.len() > DEPTH_MAX {
                    true => format!("imports are nested deeper than {DEPTH_MAX} files"),
                    false => format!("the definition has more than {FILES_MAX} files"),
                };
                self.faults.push(origin.fault(Code::FLEET_IMPORT, message).remedy("Import fewer files."));
                return;
            }
            self.seen.push(name.clone());
            let pinned = match target {
                Target::Here(_) => None,
                Target::There(pinned) => Some(pinned),
            };
            match self.file(&name, pinned.as_ref()) {
                Err(fault) => self.faults.push(if fault.place().is_some() { fault } else { fault.at(origin.place()) }),
                Ok(imported) => {
                    self.open.push(name);
                    self.imports(&imported, pinned.as_ref());
                    self.open.pop();
                    self.found.push(Source { file: imported, imported: true, pinned });
                }
            }
        }
    }

    fn file(&mut self, name: &str, pinned: Option<&Pinned>) -> Result<Arc<File>, Fault> {
        let Some(pinned) = pinned else {
            return parse(name, &(self.read)(name)?.ok_or_else(|| missing(name))?);
        };
        match (self.elsewhere)(pinned)? {
            Some(bytes) => {
                pinned.check(&bytes)?;
                parse(name, &bytes)
            }
            None => {
                self.wanted.push(pinned.clone());
                Err(Fault::new(Code::FLEET_IMPORT, format!("{name} is not at hand"))
                    .remedy("`portcullis fleet check` fetches it, without `--offline`."))
            }
        }
    }
}

/// What an import names: a file here, or one of another repository by its commit and its digest.
fn target(evaluator: &Evaluator<'_>, body: &Contents<'_>, at: &Origin, from: Option<&Pinned>) -> Result<Target, Fault> {
    let path = evaluator.required(body, "path", at).and_then(|value| import_path(&value))?;
    let optional = |name: &str| {
        let value = evaluator.optional(body, name)?.filter(|value| !value.is_null());
        value.map(|value| Ok((text(&value, &format!("`{name}`"))?, value))).transpose()
    };
    let (git, commit, sha256) = (optional("git")?, optional("commit")?, optional("sha256")?);
    let file = quoted(&path);
    let digest = |given: Option<(String, Value)>| {
        let Some((text, value)) = given else {
            return Err(at.fault(Code::FLEET_IMPORT, "`sha256` is missing").remedy(format!(
                "A file of another repository is named by its content as well: `portcullis fleet pin` prints the one of {file}."
            )));
        };
        Digest::from_str(&text).map_err(|_| {
            let message = format!("{} is no SHA-256", quoted(&text));
            value.fault(Code::FLEET_IMPORT, message).remedy("Give 64 hexadecimal digits, as `sha256sum` prints them.")
        })
    };
    let place = at.place();
    match (git, commit, from) {
        (Some((git, value)), commit, _) => {
            let Some((commit, commit_value)) = commit else {
                return Err(at
                    .fault(Code::FLEET_IMPORT, "`commit` is missing")
                    .remedy("Name the commit: a branch or tag can be moved to something else."));
            };
            let commit = CommitId::parse(&commit).map_err(|_| {
                let message = format!("{} is no commit", quoted(&commit));
                let remedy =
                    "Give its 40 hexadecimal digits: a branch, a tag or a short id can come to mean something else.";
                commit_value.fault(Code::FLEET_IMPORT, message).remedy(remedy)
            })?;
            let git = repository(&git, &commit, &value)?;
            Ok(Target::There(Pinned { git, commit, path, sha256: digest(sha256)?, place }))
        }
        (None, Some((_, value)), _) => Err(value
            .fault(Code::FLEET_IMPORT, "`commit` is for an import with `git`")
            .remedy("Take it out: a file of this repository is read at the commit of the definition.")),
        (None, None, Some(from)) => Ok(Target::There(Pinned {
            git: from.git.clone(),
            commit: from.commit.clone(),
            path,
            sha256: digest(sha256)?,
            place,
        })),
        (None, None, None) => match sha256 {
            None => Ok(Target::Here(path)),
            Some((_, value)) => Err(value
                .fault(Code::FLEET_IMPORT, "`sha256` is for a file of another repository")
                .remedy("Take it out: a file of this repository is read at the commit of the definition.")),
        },
    }
}

/// A repository's URL, in the forms that sources have.
fn repository(url: &str, commit: &CommitId, value: &Value) -> Result<String, Fault> {
    let bad = |why: &str| {
        let fault = value.fault(Code::FLEET_IMPORT, format!("{} is no repository: {why}", quoted(url)));
        fault.remedy("Give an `https://` or `ssh://` URL without a password.")
    };
    if url.contains(['?', '#']) || url.contains("::") {
        return Err(bad("it has more than a host and a path"));
    }
    let login = url.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@'));
    if login.is_some_and(|(user, _)| user.contains(':')) {
        // The place's excerpt would show the line.
        let mut place = value.origin().place();
        place.excerpt.clear();
        return Err(Fault::new(Code::FLEET_IMPORT, "`git` contains a password")
            .at(place)
            .remedy("Take it out, revoke it, and give the runner the credential by file."));
    }
    let source = RemoteSource::parse(&format!("git::{url}?ref={commit}")).map_err(|fault| bad(fault.message()))?;
    match source.kind {
        SourceKind::Git { url, .. } if source.sub.is_empty() => Ok(url),
        _ => Err(bad("it has more than a host and a path")),
    }
}

fn cycle(path: &str, open: &[String], at: &Origin) -> Fault {
    let chain = open.iter().skip_while(|file| *file != path).cloned().collect::<Vec<_>>().join(" → ");
    at.fault(Code::FLEET_IMPORT, format!("the import of {} leads back to it", quoted(path)))
        .remedy("Move what both files need into a third one that imports neither.")
        .note(format!("{chain} → {path}"))
}

fn missing(path: &str) -> Fault {
    Fault::new(Code::FLEET_IMPORT, format!("the imported file {} does not exist", quoted(path)))
        .remedy("Name a file of this repository, from its top.")
}

fn import_path(value: &Value) -> Result<String, Fault> {
    let text = text(value, "`path`")?;
    let bad = |why: &str| {
        value
            .fault(Code::FLEET_IMPORT, format!("{} cannot be imported: {why}", quoted(&text)))
            .remedy("Name a file of this repository, from its top, such as `profiles/standard.hcl`.")
    };
    if text.is_empty() || text.len() > 512 || text.starts_with('/') || text.contains(['\\', '\0']) {
        return Err(bad("it is no path inside the repository"));
    }
    // `git::…`, `https://…`, `git@host:…`, and `host/owner/name//folder` as Terraform takes them.
    if text.contains([':', '@', '?']) || text.contains("//") {
        return Err(bad("it is no path; another repository is named by `git`, `commit` and `sha256`"));
    }
    if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(bad("it has an empty part, `.` or `..`"));
    }
    Ok(text)
}

/// A string, as written: numbers are not taken for text here, a definition should look like what it means.
pub(crate) fn text(value: &Value, what: &str) -> Result<String, Fault> {
    value.as_str().map(str::to_owned).ok_or_else(|| wrong(value, what, "a string"))
}

/// A list of strings.
pub(crate) fn texts(value: &Value, what: &str) -> Result<Vec<String>, Fault> {
    let elements = value.as_seq().ok_or_else(|| wrong(value, what, "a list of strings"))?;
    elements.iter().map(|element| text(element, &format!("each element of {what}"))).collect()
}

/// What a definition may be made of.
const PURE: &str = "Write the value out: a fleet definition reads no file, no environment, no clock and no network.";

/// `PC-0505`: a value of another type was wanted.
pub(crate) fn wrong(value: &Value, what: &str, wanted: &str) -> Fault {
    if let Kind::Unknown(unknown) = value.kind() {
        let message =
            format!("{what} must be {wanted}, but is not known without running something: {}", unknown.reason());
        return value.fault(Code::FLEET_TYPE, message).remedy(PURE);
    }
    let is = value.type_name();
    value.fault(Code::FLEET_TYPE, format!("{what} must be {wanted}, but is {is}")).remedy(format!("Give {wanted}."))
}

/// Evaluates the expressions of one file. Knows `local` and the pure functions, nothing else.
pub(crate) struct Evaluator<'a> {
    file: &'a Arc<File>,
    locals: BTreeMap<&'a str, &'a Expression>,
    known: RefCell<BTreeMap<String, Value>>,
    open: RefCell<Vec<String>>,
    budget: Budget,
}

impl<'a> Evaluator<'a> {
    pub fn new(file: &'a Arc<File>) -> Self {
        Self::checked(file, &mut Vec::new())
    }

    /// The same; a local that is defined twice goes to `faults`.
    pub fn checked(file: &'a Arc<File>, faults: &mut Vec<Fault>) -> Self {
        let mut locals = BTreeMap::new();
        for block in file.body().get_blocks("locals") {
            for structure in &block.body {
                match structure {
                    Structure::Attribute(attribute) => {
                        let name = attribute.key.as_str();
                        if locals.insert(name, &attribute.value).is_some() {
                            faults.push(duplicate(&format!("local `{name}`"), &Origin::of(file, &attribute.key)));
                        }
                    }
                    Structure::Block(block) => {
                        let at = Origin::of(file, &block.ident);
                        let message = format!("`locals` has no block `{}`", block.ident.as_str());
                        faults.push(
                            at.fault(Code::FLEET_UNKNOWN_BLOCK, message).remedy("`locals` takes attributes only."),
                        );
                    }
                }
            }
        }
        let budget = Budget::new(&limits());
        Evaluator { file, locals, known: RefCell::default(), open: RefCell::default(), budget }
    }

    /// Where an expression is.
    pub fn origin(&self, expr: &Expression) -> Origin {
        Origin::of(self.file, expr)
    }

    pub fn value(&self, expr: &Expression) -> Result<Value, Fault> {
        evaluate(expr, self.file, self, &self.budget).map_err(into_fleet)
    }

    /// The same, with another answer to what names stand for.
    pub fn value_in(&self, expr: &Expression, scope: &dyn Scope) -> Result<Value, Fault> {
        evaluate(expr, self.file, scope, &self.budget).map_err(into_fleet)
    }

    /// An attribute's value; `None` when it is absent.
    pub fn optional(&self, contents: &Contents<'_>, name: &str) -> Result<Option<Value>, Fault> {
        contents.attributes.get(name).map(|expr| self.value(expr)).transpose()
    }

    /// An attribute that must be there; `at` is the block that lacks it.
    pub fn required(&self, contents: &Contents<'_>, name: &str, at: &Origin) -> Result<Value, Fault> {
        match self.optional(contents, name)? {
            Some(value) if !value.is_null() => Ok(value),
            _ => Err(at
                .fault(Code::FLEET_TYPE, format!("`{name}` is missing"))
                .remedy(format!("Add `{name} = …` to the block."))),
        }
    }

    fn local(&self, name: &str, expr: &Expression, at: &Origin, budget: &Budget) -> Result<Value, Fault> {
        if let Some(value) = self.known.borrow().get(name) {
            return Ok(value.clone());
        }
        if self.open.borrow().iter().any(|open| open == name) {
            let chain = self.open.borrow().iter().map(|open| format!("local.{open}")).collect::<Vec<_>>().join(" → ");
            return Err(at
                .fault(Code::LOCALS_CYCLE, format!("local `{name}` refers to itself"))
                .remedy("Break the cycle.")
                .note(format!("{chain} → local.{name}")));
        }
        self.open.borrow_mut().push(name.to_owned());
        let value = evaluate(expr, self.file, self, budget);
        self.open.borrow_mut().pop();
        let value = value?;
        self.known.borrow_mut().insert(name.to_owned(), value.clone());
        Ok(value)
    }
}

impl Scope for Evaluator<'_> {
    fn resolve(
        &self,
        root: &str,
        steps: &[&str],
        at: &Origin,
        budget: &Budget,
    ) -> Result<Option<(Value, usize)>, Fault> {
        let (true, Some(name)) = (root == "local", steps.first()) else { return Ok(None) };
        let Some((name, expr)) = self.locals.get_key_value(name) else {
            let near = hint(name, self.locals.keys().copied());
            return Err(at
                .fault(Code::FLEET_UNKNOWN_NAME, format!("there is no local {}", quoted(name)))
                .remedy(format!("{near}Define it in a `locals` block of the same file.")));
        };
        Ok(Some((self.local(name, expr, at, budget)?, 1)))
    }

    fn call(&self, _: &str, _: &[Value], _: &Origin, _: &Budget) -> Result<Option<Value>, Fault> {
        Ok(None)
    }

    fn variable_names(&self) -> Vec<&str> {
        vec!["local"]
    }
}

/// Faults of the language get the fleet's codes where there is one for them: whoever reads the code looks up
/// what is wrong with the definition, not with a unit.
fn into_fleet(fault: Fault) -> Fault {
    let (code, remedy) = match fault.code() {
        Code::HCL_SYNTAX | Code::HCL_TOO_LARGE => {
            (Code::FLEET_SYNTAX, "Mend the file; the last good definition stays in force until then.")
        }
        Code::HCL_UNKNOWN_VARIABLE => {
            (Code::FLEET_UNKNOWN_NAME, "A fleet definition knows `local` and the standard functions only.")
        }
        Code::HCL_TYPE => (Code::FLEET_TYPE, "Give a value of the type that is asked for."),
        Code::HCL_UNKNOWN_FUNCTION => {
            let near = fault.remedy_text().map_or_else(String::new, |near| format!("{near} "));
            return fault.remedy(format!("{near}{PURE}"));
        }
        _ if fault.remedy_text().is_none() => return fault.remedy("Write the value in another way."),
        _ => return fault,
    };
    let mut mapped = Fault::new(code, fault.message()).remedy(fault.remedy_text().unwrap_or(remedy));
    if let Some(place) = fault.place() {
        mapped = mapped.at(Place::clone(place));
    }
    fault.notes().iter().fold(mapped, |mapped, note| mapped.note(note.clone()))
}

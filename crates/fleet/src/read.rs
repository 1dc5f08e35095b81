//! From files to evaluated blocks: parsing, imports, locals.
//!
//! Reads only what the caller's function gives, and only files of the repository.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_hcl::hcl_edit::expr::Expression;
use portcullis_hcl::hcl_edit::structure::Structure;
use portcullis_hcl::{Budget, File, Limits, Origin, Scope, Value, evaluate};
use portcullis_model::id::quoted;
use portcullis_model::{Code, Fault, Place};

use crate::Read;
use crate::schema::{self, Contents, contents, duplicate};

/// Most files that a definition may be made of.
const FILES_MAX: usize = 64;
/// A definition is small; what is larger is a mistake or an attack.
const FILE_BYTES_MAX: usize = 256 << 10;

fn limits() -> Limits {
    Limits { file_bytes: FILE_BYTES_MAX, steps: 200_000, grown_bytes: 16 << 20, ..Limits::default() }
}

/// One file of the definition, parsed.
pub(crate) struct Source {
    pub file: Arc<File>,
    pub imported: bool,
}

/// Reads `root` and everything that it imports, the root last and imports in the order that they are named,
/// each once.
pub(crate) fn sources(root: &str, read: &Read<'_>) -> Result<Vec<Source>, Vec<Fault>> {
    let text = read(root).map_err(|fault| vec![fault])?.ok_or_else(|| {
        vec![
            Fault::new(Code::FLEET_MISSING, format!("there is no `{root}`"))
                .remedy("Put the fleet definition at the top of the repository, on its protected branch."),
        ]
    })?;
    let file = parse(root, &text).map_err(|fault| vec![fault])?;
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    let mut walk = Walk { seen: vec![root.to_owned()], open: vec![root.to_owned()] };
    imports(&file, read, &mut walk, &mut found, &mut faults);
    found.push(Source { file, imported: false });
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

fn parse(path: &str, text: &[u8]) -> Result<Arc<File>, Fault> {
    File::parse(path, text, &limits()).map_err(into_fleet)
}

/// Where the reading of imports is.
struct Walk {
    /// Files that were asked for, to read each once and to count them.
    seen: Vec<String>,
    /// The file whose imports are read, and those that led to it: one of them again is a cycle.
    open: Vec<String>,
}

/// Appends the files that `file` imports, the innermost first. Two files may import a third; a cycle has no
/// innermost file, so which profile is below which could not be said.
fn imports(file: &Arc<File>, read: &Read<'_>, walk: &mut Walk, found: &mut Vec<Source>, faults: &mut Vec<Fault>) {
    for block in file.body().get_blocks("import") {
        let evaluator = Evaluator::new(file);
        let body = contents(&block.body, file, &schema::IMPORT, faults);
        let origin = Origin::of(file, &block.ident);
        let path = match evaluator.required(&body, "path", &origin).and_then(|value| import_path(&value)) {
            Ok(path) => path,
            Err(fault) => {
                faults.push(fault);
                continue;
            }
        };
        if walk.open.contains(&path) {
            faults.push(cycle(&path, &walk.open, &origin));
            continue;
        }
        if walk.seen.contains(&path) {
            continue;
        }
        if walk.seen.len() >= FILES_MAX {
            let fault = origin.fault(Code::FLEET_IMPORT, format!("the definition has more than {FILES_MAX} files"));
            faults.push(fault.remedy("Import fewer files."));
            return;
        }
        walk.seen.push(path.clone());
        let imported =
            read(&path).and_then(|text| text.ok_or_else(|| missing(&path))).and_then(|text| parse(&path, &text));
        match imported {
            Err(fault) => faults.push(fault.at(origin.place())),
            Ok(imported) => {
                walk.open.push(path);
                imports(&imported, read, walk, found, faults);
                walk.open.pop();
                found.push(Source { file: imported, imported: true });
            }
        }
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
        return Err(bad("only files of this repository can be imported, no git or other source"));
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

/// `PC-0505`: a value of another type was wanted.
pub(crate) fn wrong(value: &Value, what: &str, wanted: &str) -> Fault {
    let is = if value.is_unknown() { "not known without running something" } else { value.type_name() };
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
        let Some((name, expr)) = self.locals.get_key_value(name) else { return Ok(None) };
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
        _ => return fault,
    };
    let mut mapped = Fault::new(code, fault.message()).remedy(fault.remedy_text().unwrap_or(remedy));
    if let Some(place) = fault.place() {
        mapped = mapped.at(Place::clone(place));
    }
    fault.notes().iter().fold(mapped, |mapped, note| mapped.note(note.clone()))
}

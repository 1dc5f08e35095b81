//! Functions that read files of the repository. Relative paths are taken from the folder of the file that
//! calls, as in Terragrunt (`tflang.Scope{BaseDir}`); those of Terragrunt's own from the configuration's.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use globset::GlobBuilder;
use portcullis_hcl::value::Entries;
use portcullis_hcl::{Budget, EmptyScope, File, Origin, Scope, Value, evaluate, render};
use portcullis_model::{Code, Fault};
use sha2::Digest as _;

use super::functions::{Call, call as host_call};
use crate::source::EntryKind;
use crate::{json, path};

/// Answers a function whose arguments are known.
pub(super) fn call(call: &Call<'_, '_>) -> Result<Value, Fault> {
    match call.name {
        "fileset" => {
            call.arity(2, 2)?;
            return fileset(call);
        }
        _ => call.arity(1, 1)?,
    }
    match call.name {
        "file" => {
            let bytes = read(call)?;
            std::str::from_utf8(&bytes).map(|text| call.text(text)).map_err(|_| {
                call.fault(Code::HCL_EVALUATION, "the file is not UTF-8").remedy("Use `filebase64` for such files.")
            })
        }
        "fileexists" => {
            let path = inside(call)?;
            if call.frame.session.reader.is_dir(&path)? {
                return Err(call.fault(Code::HCL_EVALUATION, format!("{path} is a folder, not a file")));
            }
            Ok(Value::bool(call.frame.session.reader.exists(&path)?, call.at.clone()))
        }
        "filebase64" => Ok(call.text(&BASE64.encode(read(call)?))),
        "filemd5" => Ok(call.text(&hex(&md5::Md5::digest(read(call)?)))),
        "filesha1" => Ok(call.text(&hex(&sha1::Sha1::digest(read(call)?)))),
        "filesha256" => Ok(call.text(&hex(&sha2::Sha256::digest(read(call)?)))),
        "filesha512" => Ok(call.text(&hex(&sha2::Sha512::digest(read(call)?)))),
        "filebase64sha256" => Ok(call.text(&BASE64.encode(sha2::Sha256::digest(read(call)?)))),
        "filebase64sha512" => Ok(call.text(&BASE64.encode(sha2::Sha512::digest(read(call)?)))),
        "abspath" => {
            let path = call.frame.path(&call.arg(0)?).map_err(|fault| fault.at(call.at.place()))?;
            Ok(call.text(&path::absolute(&path)))
        }
        "pathexpand" => match call.arg(0)? {
            home if home.starts_with('~') => Err(call.fault(Code::OUTSIDE_REPOSITORY, "there is no home folder here")),
            other => Ok(call.text(&other)),
        },
        "mark_as_read" => {
            let path = call.frame.path(&call.arg(0)?).map_err(|fault| fault.at(call.at.place()))?;
            call.frame.session.note_content(&path);
            Ok(call.text(&call.arg(0)?))
        }
        "read_tfvars_file" => read_tfvars(call),
        other => Err(Fault::internal(format!("function `{other}` is listed and not answered"))),
    }
}

/// A path relative to the folder of the file that calls.
fn inside(call: &Call<'_, '_>) -> Result<String, Fault> {
    path::resolve(call.frame.file_dir(), &call.arg(0)?).map_err(|fault| fault.at(call.at.place()))
}

fn read(call: &Call<'_, '_>) -> Result<Arc<[u8]>, Fault> {
    let path = inside(call)?;
    read_path(call, &path)
}

fn read_path(call: &Call<'_, '_>, path: &str) -> Result<Arc<[u8]>, Fault> {
    let session = call.frame.session;
    match session.reader.bytes(path).map_err(|fault| fault.at(call.at.place()))? {
        Some(bytes) => {
            session.budget.grow(bytes.len())?;
            session.note_read(path);
            Ok(bytes)
        }
        None => {
            let fault = call.fault(Code::FILE_MISSING, format!("{path} does not exist or is no file"));
            let fault = fault.remedy("Correct the path; relative ones start at the folder of the file that calls.");
            Err(session.reader.note_submodule(fault, path))
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `fileset(folder, pattern)`: files that the pattern finds from the folder on, relative to it. The pattern is a path
/// first, as in Go: `./`, `../` and `//` are resolved before it is one.
fn fileset(call: &Call<'_, '_>) -> Result<Value, Fault> {
    let base = inside(call)?;
    let pattern = call.arg(1)?;
    let mut parts: Vec<&str> = Vec::new();
    let mut up = 0;
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => up += 1,
            ".." => {}
            part => parts.push(part),
        }
    }
    let start = match up {
        0 => base.clone(),
        up => path::resolve(&base, &"../".repeat(up)).map_err(|fault| fault.at(call.at.place()))?,
    };
    // `[!a]` is a class of two signs there, and negates here.
    let wanted = parts.join("/").replace("[!", "[\\!");
    let glob = GlobBuilder::new(&wanted).literal_separator(true).build().map_err(|error| {
        call.fault(Code::HCL_EVALUATION, format!("{} is no file pattern: {}", path::quoted(&pattern), error.kind()))
    })?;
    let matcher = glob.compile_matcher();
    let session = call.frame.session;
    let mut found = Vec::new();
    let mut folders = vec![start.clone()];
    let mut seen = 0usize;
    while let Some(folder) = folders.pop() {
        for entry in session.reader.list(&folder)?.unwrap_or_default() {
            seen += 1;
            session.budget.spend(1)?;
            if seen > session.settings.limits.entries {
                return Err(call.fault(Code::REPOSITORY_TOO_LARGE, "`fileset` walks too many files"));
            }
            let path = path::child(&folder, &entry.name);
            match entry.kind {
                EntryKind::Dir => folders.push(path),
                EntryKind::Symlink if session.reader.is_dir(&path)? => {}
                EntryKind::File { .. } | EntryKind::Symlink => {
                    if matcher.is_match(path::relative(&start, &path)) {
                        found.push(call.text(&path::relative(&base, &path)));
                    }
                }
                EntryKind::Submodule => {}
            }
        }
    }
    Ok(Value::set(found, call.at.clone()))
}

/// A variable file as JSON text.
fn read_tfvars(call: &Call<'_, '_>) -> Result<Value, Fault> {
    let path = call.frame.path(&call.arg(0)?).map_err(|fault| fault.at(call.at.place()))?;
    let bytes = read_path(call, &path)?;
    if path.ends_with("json") {
        return std::str::from_utf8(&bytes)
            .ok()
            .filter(|text| serde_json::from_str::<serde_json::Value>(text).is_ok())
            .map_or_else(
                || Err(call.fault(Code::HCL_SYNTAX, format!("{path} is no JSON"))),
                |text| Ok(call.text(text)),
            );
    }
    let session = call.frame.session;
    session.budget.parse(bytes.len())?;
    let file = File::parse(&path, &bytes, &session.settings.limits.hcl)?;
    let mut variables = serde_json::Map::new();
    for structure in file.body() {
        let Some(attribute) = structure.as_attribute() else {
            return Err(call.fault(Code::HCL_SYNTAX, format!("{path} has a block; a variable file has none")));
        };
        let value = evaluate(&attribute.value, &file, &EmptyScope, &session.budget)?;
        variables.insert(attribute.key.to_string(), json::from_value(&value)?);
    }
    variables.sort_keys();
    Ok(call.text(&serde_json::Value::Object(variables).to_string()))
}

/// `templatefile(path, variables)`.
pub(super) fn templatefile(call: &Call<'_, '_>) -> Result<Value, Fault> {
    call.arity(2, 2)?;
    let variables = call.args.get(1).filter(|value| !value.is_unknown());
    if call.args.first().is_none_or(|path| !path.is_known_deep()) || variables.is_none() {
        return Ok(Value::derived(call.name, call.args, call.at.clone()));
    }
    let path = inside(call)?;
    let bytes = read_path(call, &path)?;
    let file = File::plain(&path, &bytes, &call.frame.session.settings.limits.hcl)?;
    let variables = match variables {
        Some(value) => value.want_map("argument 2 of `templatefile`")?,
        None => return Err(Fault::internal("no variables")),
    };
    render(&file, &Template { call, variables }, &call.frame.session.budget)
        .map_err(|fault| fault.note(format!("the template is rendered at {}", call.at.place())))
}

/// What a template may refer to: its variables, and all functions but `templatefile`.
struct Template<'t, 'c, 's> {
    call: &'t Call<'c, 's>,
    variables: &'t Entries,
}

impl Scope for Template<'_, '_, '_> {
    fn resolve(&self, root: &str, _: &[&str], _: &Origin, _: &Budget) -> Result<Option<(Value, usize)>, Fault> {
        Ok(self.variables.get(root).map(|value| (value.clone(), 0)))
    }

    fn call(&self, name: &str, args: &[Value], at: &Origin, _: &Budget) -> Result<Option<Value>, Fault> {
        if name == "templatefile" {
            return Err(at.fault(Code::HCL_EVALUATION, "a template may not call `templatefile`"));
        }
        host_call(self.call.frame, name, args, at)
    }

    fn variable_names(&self) -> Vec<&str> {
        self.variables.keys().map(|name| &**name).collect()
    }
}

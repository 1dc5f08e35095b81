//! Terragrunt's functions. None of them runs anything: what would have to be run is an unknown, and is noted
//! as inexact. Semantics: Terragrunt's reference of functions and `pkg/config/config_helpers.go`.

use std::rc::Rc;
use std::sync::Arc;

use portcullis_hcl::{Origin, Value};
use portcullis_model::{Code, Fault};

use super::exposed::Outputs;
use super::frame::Frame;
use super::include::first;
use super::memo::{Key, Search};
use super::retryable::DEFAULT_RETRYABLE_ERRORS;
use super::session::inexact;
use super::stack_file::StackFile;
use super::{files, globs, merge, values, working_dir};
use crate::path;

/// Which files decide a function's result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// None that its arguments name.
    Nothing,
    /// Those that its arguments name: with an argument that is not known, any file.
    Named,
}

/// Every function that is answered here.
const FUNCTIONS: &[(&str, Reads)] = &[
    ("abspath", Reads::Nothing),
    ("constraint_check", Reads::Nothing),
    ("deep_merge", Reads::Nothing),
    ("file", Reads::Named),
    ("filebase64", Reads::Named),
    ("filebase64sha256", Reads::Named),
    ("filebase64sha512", Reads::Named),
    ("fileexists", Reads::Named),
    ("filemd5", Reads::Named),
    ("fileset", Reads::Named),
    ("filesha1", Reads::Named),
    ("filesha256", Reads::Named),
    ("filesha512", Reads::Named),
    ("find_in_parent_folders", Reads::Named),
    ("get_aws_account_alias", Reads::Nothing),
    ("get_aws_account_id", Reads::Nothing),
    ("get_aws_caller_identity_arn", Reads::Nothing),
    ("get_aws_caller_identity_user_id", Reads::Nothing),
    ("get_default_retryable_errors", Reads::Nothing),
    ("get_env", Reads::Nothing),
    ("get_original_terragrunt_dir", Reads::Nothing),
    ("get_parent_terragrunt_dir", Reads::Nothing),
    ("get_path_from_repo_root", Reads::Nothing),
    ("get_path_to_repo_root", Reads::Nothing),
    ("get_platform", Reads::Nothing),
    ("get_repo_root", Reads::Nothing),
    ("get_terraform_cli_args", Reads::Nothing),
    ("get_terraform_command", Reads::Nothing),
    ("get_terraform_commands_that_need_input", Reads::Nothing),
    ("get_terraform_commands_that_need_locking", Reads::Nothing),
    ("get_terraform_commands_that_need_parallelism", Reads::Nothing),
    ("get_terraform_commands_that_need_vars", Reads::Nothing),
    ("get_terragrunt_dir", Reads::Nothing),
    ("get_terragrunt_source_cli_flag", Reads::Nothing),
    ("get_working_dir", Reads::Nothing),
    ("mark_as_read", Reads::Named),
    ("mark_glob_as_read", Reads::Named),
    ("path_relative_from_include", Reads::Nothing),
    ("path_relative_to_include", Reads::Nothing),
    ("pathexpand", Reads::Nothing),
    ("read_terragrunt_config", Reads::Nothing),
    ("read_tfvars_file", Reads::Named),
    ("run_cmd", Reads::Nothing),
    ("sops_decrypt_file", Reads::Nothing),
    ("templatefile", Reads::Nothing),
];

/// The names of all functions.
pub(super) fn names() -> Vec<&'static str> {
    FUNCTIONS.iter().map(|(name, _)| *name).collect()
}

/// Calls a function. `None`: it is none of Terragrunt's.
pub(super) fn call(frame: &Rc<Frame<'_>>, name: &str, args: &[Value], at: &Origin) -> Result<Option<Value>, Fault> {
    let Some((_, reads)) = FUNCTIONS.iter().find(|(known, _)| *known == name) else { return Ok(None) };
    let call = Call { frame, name, args, at, reads: *reads };
    let value = call.answer()?;
    // What a sensitive argument led to is sensitive.
    let sensitive = args.iter().any(Value::is_sensitive_deep);
    Ok(Some(value.mark(sensitive)))
}

/// A call of a function.
pub(super) struct Call<'c, 's> {
    pub(super) frame: &'c Rc<Frame<'s>>,
    pub(super) name: &'c str,
    pub(super) args: &'c [Value],
    pub(super) at: &'c Origin,
    reads: Reads,
}

impl Call<'_, '_> {
    fn answer(&self) -> Result<Value, Fault> {
        match self.name {
            "deep_merge" => return self.deep_merge(),
            "read_terragrunt_config" => return self.read_terragrunt_config(),
            "templatefile" => return files::templatefile(self),
            "run_cmd"
            | "sops_decrypt_file"
            | "get_aws_account_alias"
            | "get_aws_caller_identity_arn"
            | "get_aws_caller_identity_user_id" => return self.run(),
            "get_working_dir" => return working_dir::get_working_dir(self),
            _ => {}
        }
        if self.args.iter().any(|arg| !arg.is_known_deep()) {
            if self.reads == Reads::Named {
                self.frame.session.note_reads_anything(self.at);
            }
            return Ok(Value::derived(self.name, self.args, self.at.clone()));
        }
        let session = self.frame.session;
        match self.name {
            "find_in_parent_folders" => self.find_in_parent_folders(),
            "path_relative_to_include" | "path_relative_from_include" | "get_parent_terragrunt_dir" => {
                self.include_path()
            }
            "get_env" => self.get_env(),
            "get_aws_account_id" => {
                self.arity(0, 0)?;
                match &session.settings.account {
                    Some(account) => Ok(self.text(&account.id)),
                    None => self.run(),
                }
            }
            "get_platform" => self.constant("linux"),
            "get_repo_root" => self.constant(path::ROOT),
            "get_path_from_repo_root" => self.constant(self.frame.dir()),
            "get_path_to_repo_root" => self.constant(&path::relative(self.frame.dir(), ".")),
            "get_terragrunt_dir" => self.constant(&path::absolute(self.frame.dir())),
            "get_original_terragrunt_dir" => self.constant(&path::absolute(session.unit_dir())),
            "get_terraform_command" => self.constant(session.command),
            // What a person would have typed; the arguments that a driver adds are its own.
            "get_terraform_cli_args" => self.commands(&[session.command]),
            "get_default_retryable_errors" => self.commands(&DEFAULT_RETRYABLE_ERRORS),
            "constraint_check" => self.constraint_check(),
            "mark_glob_as_read" => globs::mark_glob_as_read(self),
            "get_terragrunt_source_cli_flag" => self.constant(""),
            "get_terraform_commands_that_need_vars" => {
                self.commands(&["apply", "console", "destroy", "import", "plan", "push", "refresh"])
            }
            "get_terraform_commands_that_need_locking" => {
                self.commands(&["apply", "destroy", "import", "plan", "refresh", "taint", "untaint"])
            }
            "get_terraform_commands_that_need_input" => self.commands(&["apply", "import", "init", "plan", "refresh"]),
            "get_terraform_commands_that_need_parallelism" => self.commands(&["apply", "plan", "destroy"]),
            _ => files::call(self),
        }
    }

    /// A string with the call's place.
    pub(super) fn text(&self, text: &str) -> Value {
        Value::string(text, self.at.clone())
    }

    /// A fault at the call.
    pub(super) fn fault(&self, code: Code, message: impl Into<String>) -> Fault {
        self.at.fault(code, message)
    }

    /// Checks the number of arguments.
    pub(super) fn arity(&self, least: usize, most: usize) -> Result<(), Fault> {
        if (least..=most).contains(&self.args.len()) {
            return Ok(());
        }
        let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
        let message = format!("`{}` takes {wanted} arguments, not {}", self.name, self.args.len());
        Err(self.fault(Code::HCL_EVALUATION, message))
    }

    /// An argument as a string.
    pub(super) fn arg(&self, index: usize) -> Result<Arc<str>, Fault> {
        match self.args.get(index) {
            Some(value) => value
                .want_string(&format!("argument {} of `{}`", index + 1, self.name))
                .map_err(|f| f.at(self.at.place())),
            None => Err(self.fault(Code::HCL_EVALUATION, format!("`{}` needs argument {}", self.name, index + 1))),
        }
    }

    fn constant(&self, text: &str) -> Result<Value, Fault> {
        self.arity(0, 0)?;
        Ok(self.text(text))
    }

    fn commands(&self, commands: &[&str]) -> Result<Value, Fault> {
        self.arity(0, 0)?;
        Ok(Value::list(commands.iter().map(|command| self.text(command)).collect(), self.at.clone()))
    }

    /// What would have to be run: an unknown, told apart by function and arguments.
    fn run(&self) -> Result<Value, Fault> {
        let what = format!("`{}`", self.name);
        self.frame.session.note_inexact(inexact(&what, self.at));
        if self.name == "run_cmd" {
            self.frame.session.note_reads_anything(self.at);
        }
        if self.name == "sops_decrypt_file"
            && let Some(path) = self.args.first().and_then(Value::as_str)
        {
            let path = self.frame.path(path).map_err(|fault| fault.at(self.at.place()))?;
            // The text decides, though only encrypted: a change of it is a change of the input.
            let digest = match self.frame.session.reader.bytes(&path)? {
                Some(bytes) => portcullis_model::Digest::of(&bytes).to_string(),
                None => return Err(self.fault(Code::FILE_MISSING, format!("{path} does not exist"))),
            };
            self.frame.session.note_read(&path);
            return Ok(Value::derived("sops_decrypt_file", &[self.text(&path), self.text(&digest)], self.at.clone())
                .mark(true));
        }
        Ok(Value::derived(self.name, self.args, self.at.clone()))
    }

    fn deep_merge(&self) -> Result<Value, Fault> {
        let mut merged = Value::object(portcullis_hcl::value::Entries::new(), self.at.clone());
        for arg in self.args.iter().filter(|arg| !arg.is_null()) {
            if !arg.is_unknown() {
                arg.want_map("each argument of `deep_merge`")?;
            }
            merged = merge::deep_merge(&merged, arg)?;
        }
        Ok(merged)
    }

    fn get_env(&self) -> Result<Value, Fault> {
        self.arity(1, 2)?;
        let name = self.arg(0)?;
        if name.is_empty() {
            return Err(self.fault(Code::HCL_EVALUATION, "the name of the environment variable is empty"));
        }
        match (self.frame.session.settings.env.get(&*name), self.args.len()) {
            (Some(value), _) => Ok(self.text(value)),
            (None, 2) => Ok(self.text(&self.arg(1)?)),
            (None, _) => Err(self
                .fault(Code::HCL_EVALUATION, format!("environment variable {} is not set", path::quoted(&name)))
                .remedy("Set it in the account's `env`, or give `get_env` a default. The runner's own environment is never read.")),
        }
    }

    fn constraint_check(&self) -> Result<Value, Fault> {
        self.arity(2, 2)?;
        match crate::version::satisfies(&self.arg(0)?, &self.arg(1)?) {
            Ok(holds) => Ok(Value::bool(holds, self.at.clone())),
            Err(message) => Err(self
                .fault(Code::HCL_EVALUATION, message)
                .remedy("Give a version such as `1.11.4` and a constraint such as `>= 1.5, < 2.0`.")),
        }
    }

    /// Looks in the parents of the configuration's folder, not in the folder itself. Without a name it looks for
    /// a configuration, as JSON first.
    fn find_in_parent_folders(&self) -> Result<Value, Fault> {
        self.arity(0, 2)?;
        let wanted = if self.args.is_empty() { "".into() } else { self.arg(0)? };
        let search = match search(self.frame, &wanted) {
            Ok(search) => search,
            Err(fault) => {
                self.frame.dir();
                return Err(fault.at(self.at.place()));
            }
        };
        self.frame.session.note_search(self.frame.dir_in_words(), &wanted, &search);
        if let Some(found) = &search.found {
            return Ok(self.text(found));
        }
        if self.args.len() == 2 {
            return Ok(self.text(&self.arg(1)?));
        }
        let wanted = if wanted.is_empty() { super::CONFIG_FILE } else { &wanted };
        let message = format!("{} is in no parent folder of {}", path::quoted(wanted), self.frame.dir_in_words());
        Err(self.fault(Code::FILE_MISSING, message).remedy("Correct the name, or give a fallback as second argument."))
    }

    /// The included file that a path function is about: in an included file itself; else the one that is
    /// named, or the only one.
    fn included_dir(&self) -> Result<Option<String>, Fault> {
        self.arity(0, 1)?;
        if self.frame.included {
            return Ok(Some(self.frame.file_dir().to_owned()));
        }
        let includes = self.frame.includes()?;
        let chosen = match (includes, self.args.len()) {
            ([], _) => return Ok(None),
            ([only], _) => Some(only),
            (_, 0) => {
                return Err(self
                    .fault(Code::HCL_EVALUATION, format!("`{}` needs the name of an include here", self.name))
                    .remedy("There are several includes; name one."));
            }
            _ => {
                let name = self.arg(0)?;
                includes.iter().find(|include| include.name == *name)
            }
        };
        match chosen {
            Some(include) => Ok(Some(path::parent(&include.path).to_owned())),
            None => Err(self.fault(Code::HCL_UNKNOWN_VARIABLE, "there is no include of that name")),
        }
    }

    fn include_path(&self) -> Result<Value, Fault> {
        let there = self.included_dir()?.unwrap_or_else(|| self.frame.dir().to_owned());
        Ok(match self.name {
            "path_relative_to_include" => self.text(&path::relative(&there, self.frame.dir())),
            "path_relative_from_include" => self.text(&path::relative(self.frame.dir(), &there)),
            _ => self.text(&path::absolute(&there)),
        })
    }

    /// The whole configuration of another file, evaluated for itself; its own folder is where it is.
    fn read_terragrunt_config(&self) -> Result<Value, Fault> {
        self.arity(1, 2)?;
        if self.args.first().is_some_and(|arg| !arg.is_known_deep()) {
            self.frame.session.note_reads_anything(self.at);
            return Ok(Value::derived(self.name, self.args, self.at.clone()));
        }
        let session = self.frame.session;
        let place = |fault: Fault| fault.at(self.at.place());
        let named = self.frame.path(&self.arg(0)?).map_err(place)?;
        let target = session.config_path(&named).map_err(place)?;
        if !session.reader.exists(&target).map_err(place)? {
            return match self.args.get(1) {
                Some(default) => Ok(default.clone()),
                None => Err(self
                    .fault(Code::FILE_MISSING, format!("{target} does not exist"))
                    .remedy("Correct the path, or give a default as second argument.")),
            };
        }
        let known = session.configs.borrow().get(&target).cloned();
        if let Some((value, recorded)) = known {
            recorded.iter().for_each(|recorded| session.rely(recorded, None));
            return Ok(value.with_origin(self.at.clone()));
        }
        let key = || Some((Key::Config(target.as_str().into()), None));
        let (value, recorded) = session.shared(key, None, &|_| None, || {
            self.enter(&target)?;
            let value = self.read_target(&target);
            if value.is_err() {
                session.note_failed();
            }
            session.reading.borrow_mut().pop();
            value
        });
        let value = value.map_err(|fault| fault.note(format!("{target} is read at {}", self.at.place())))?;
        session.configs.borrow_mut().insert(target, (value.clone(), recorded));
        Ok(value.with_origin(self.at.clone()))
    }

    fn read_target(&self, target: &str) -> Result<Value, Fault> {
        let session = self.frame.session;
        let missing = || self.fault(Code::FILE_MISSING, format!("{target} does not exist"));
        if path::name(target) == values::VALUES_FILE {
            let frame = Frame::open_values(session, target, target, missing).map_err(first)?;
            return values::whole(&frame, &frame.origin());
        }
        if target.ends_with(".stack.hcl") {
            return StackFile::read(session, target).map_err(first)?.value();
        }
        let frame = Frame::open(session, target, missing).map_err(first)?;
        frame.check_locals()?;
        // Whoever reads it: its values are written there, and are the same for all.
        frame.config()?.whole(&frame, Outputs::Shown, &frame.origin())
    }

    fn enter(&self, target: &str) -> Result<(), Fault> {
        let session = self.frame.session;
        let mut reading = session.reading.borrow_mut();
        if reading.iter().any(|path| path == target) {
            let chain: Vec<&str> =
                reading.iter().map(String::as_str).skip_while(|path| *path != target).chain([target]).collect();
            return Err(self
                .fault(Code::INCLUDE_CYCLE, format!("configurations read each other: {}", chain.join(" → ")))
                .remedy("Move what is shared to a file of its own."));
        }
        if reading.len() >= session.settings.limits.depth {
            return Err(self.fault(
                Code::HCL_TOO_LARGE,
                format!("configurations read each other more than {} levels deep", session.settings.limits.depth),
            ));
        }
        reading.push(target.to_owned());
        session.reading_max.set(session.reading_max.get().max(reading.len()));
        session.note_config(target);
        Ok(())
    }
}

/// Looks for a file in the folders above a configuration's. Without a name it looks for a configuration, as JSON first.
/// What is found is the same for all configurations in folders of one folder.
///
/// # Errors
/// When a name or a link leads out of the repository, or the source cannot be read.
pub(super) fn search(frame: &Rc<Frame<'_>>, wanted: &Arc<str>) -> Result<Search, Fault> {
    let session = frame.session;
    let start = frame.dir_in_words();
    let above = if start == "." { start } else { path::parent(start) };
    if start != "."
        && let Some(known) = session.memo.and_then(|memo| memo.search(above, wanted))
    {
        return Ok(known);
    }
    session.reader.begin_part();
    let found = search_above(frame, start, wanted);
    let rests_on = session.reader.end_part();
    let search = match found {
        Ok(found) => Search { found, rests_on },
        Err(fault) => {
            session.reader.include(&rests_on);
            return Err(fault);
        }
    };
    if start != "."
        && !search.rests_on.is_broken()
        && let Some(memo) = session.memo
    {
        memo.keep_search(above, wanted, search.clone());
    }
    Ok(search)
}

fn search_above(frame: &Rc<Frame<'_>>, start: &str, wanted: &str) -> Result<Option<Arc<str>>, Fault> {
    let names: &[&str] = if wanted.is_empty() { &[super::JSON_CONFIG_FILE, super::CONFIG_FILE] } else { &[wanted] };
    let mut folder = start;
    while folder != "." {
        folder = path::parent(folder);
        for name in names {
            // Also a name that starts with `/` is taken below the folder.
            let candidate = path::resolve(folder, name.trim_start_matches('/'))?;
            if frame.session.reader.exists(&candidate)? {
                return Ok(Some(path::absolute(&candidate).into()));
            }
        }
    }
    Ok(None)
}

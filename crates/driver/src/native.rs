//! The native driver: the working directory that Terragrunt would have made, and the tool started directly in it.
//!
//! The order of steps is Terragrunt's: `terragrunt-read-config` hooks, `init-from-module` hooks, `init` between its
//! hooks, then the command between its own. Where a step fails, later ones run only if they say so
//! (`run_on_error`), as in Terragrunt; one difference is stated in docs/drivers.md: hooks of a command with
//! `run_on_error` run also when its automatic `init` has failed.

use std::collections::BTreeMap;

use portcullis_estate::{Hook, ModuleSource, Resolved, Source, satisfies};
use portcullis_model::agent::{Door, Role, Stdout, Step, TaskSpec, When};
use portcullis_model::{Code, DigestBuilder, Fault, Place};

use crate::arguments::{Extra, extra};
use crate::generate;
use crate::inputs::{NULL_INPUTS_FILE, inputs};
use crate::layout::{CopyRule, LOCK_FILE, Layout, join};
use crate::steps::{LOCK_MAX_BYTES, PLAN_FILE, base_env, collect, tool_step};
use crate::{
    ARTIFACT_INIT, ARTIFACT_LOCK, ARTIFACT_PLAN, ARTIFACT_SHOW, DOOR_PORT, DOOR_SOCKET, Files, INIT_MAX_BYTES,
    InitTree, Job, Limits, PLAN_MAX_BYTES, REPOSITORY, Recipe, Repository, SHOW_MAX_BYTES, Tool, WORK, backend, nested,
};

/// Folder of the layout that the module's source is copied to.
const MODULE: &str = "module";

/// The tool's command that a working directory is laid out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `plan`.
    Plan,
    /// `apply`, of a saved plan.
    Apply,
}

impl Command {
    /// As the tool and configuration name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Command::Plan => "plan",
            Command::Apply => "apply",
        }
    }
}

impl From<Job<'_>> for Command {
    fn from(job: Job<'_>) -> Self {
        match job {
            Job::Plan => Command::Plan,
            Job::Apply { .. } => Command::Apply,
        }
    }
}

/// A unit with its working directory laid out, before it is known what to do with it.
pub struct Prepared<'a> {
    repository: &'a dyn Source,
    unit: &'a Resolved,
    tool: &'a Tool,
    limits: Limits,
    layout: Layout,
    module: String,
    env: BTreeMap<String, String>,
    init: Vec<String>,
    init_env: BTreeMap<String, String>,
    init_key: Option<portcullis_model::Digest>,
}

impl<'a> Prepared<'a> {
    /// Lays out the working directory. `lock` is the lock file of the reviewed plan; it takes the place of the
    /// repository's.
    ///
    /// # Errors
    /// `PC-0607` for what this driver cannot take, `PC-0608` for a backend that cannot be used, `PC-0613` when the
    /// directory cannot be made.
    pub fn new(
        files: Files<'a>,
        unit: &'a Resolved,
        tool: &'a Tool,
        limits: Limits,
        command: Command,
        lock: Option<&[u8]>,
    ) -> Result<Self, Fault> {
        refuse_unsupported(unit, tool)?;
        check_versions(unit, tool)?;
        let repository = files.repository;
        let (mut layout, module) = lay_out(files, unit)?;
        nested::refuse_remote(unit, &layout, &module)?;
        if let Some(lock) = lock {
            layout.put(join(&module, LOCK_FILE), lock, false)?;
        }
        let inputs = inputs(&unit.path, &unit.inputs, &layout, &module)?;
        if let Some(nulls) = inputs.null_file {
            layout.put(join(&module, NULL_INPUTS_FILE), nulls.into_bytes(), false)?;
        }
        backend::check(unit, &layout, &module)?;
        let (init, init_env) = init_command(repository, unit, command, lock.is_some())?;
        let init_key = init_key(unit, tool, &layout, &module, &init, &init_env);
        Ok(Prepared { repository, unit, tool, limits, layout, module, env: inputs.env, init, init_env, init_key })
    }

    /// Under which key the `.terraform` folder that `init` makes may be kept. `None` when a hook could have written
    /// into it, so that what it holds does not follow from the files.
    pub fn init_key(&self) -> Option<portcullis_model::Digest> {
        self.init_key
    }

    /// The recipe for a job. With `init`, the tool's own `init` is left out.
    ///
    /// # Errors
    /// `PC-0416` for a missing variable file, `PC-0613` when the layout grows over its limits.
    pub fn recipe(mut self, job: Job<'_>, init: Option<&InitTree>) -> Result<Recipe, Fault> {
        for (path, bytes) in init.into_iter().flatten() {
            // Providers are programs; nothing else in that folder is started.
            let executable = path.starts_with("providers/");
            self.layout.put(join(&self.module, &format!(".terraform/{path}")), bytes.clone(), executable)?;
        }
        if let Job::Apply { plan } = job {
            self.layout.put(PLAN_FILE, plan, false)?;
        }
        let mut steps = Vec::new();
        self.hooks(&mut steps, &self.unit.after_hooks, "terragrunt-read-config", "after");
        self.hooks(&mut steps, &self.unit.before_hooks, "init-from-module", "before");
        self.hooks(&mut steps, &self.unit.after_hooks, "init-from-module", "after");
        if init.is_none() {
            self.init_steps(&mut steps);
        }
        match job {
            Job::Plan => self.plan_steps(&mut steps)?,
            Job::Apply { .. } => self.apply_steps(&mut steps)?,
        }
        let repository = if self.needs_repository(&steps) { Repository::Shown } else { Repository::Hidden };
        let spec = self.spec(steps);
        Ok(Recipe { layout: self.layout, spec, repository, init_key: self.init_key })
    }

    fn cwd(&self) -> String {
        format!("{WORK}/{}", self.module)
    }

    fn tool_step(&self, name: &str, arguments: &[String], env: BTreeMap<String, String>, stdout: Stdout) -> Step {
        tool_step(self.tool, self.limits, &self.cwd(), (name, arguments), env, stdout)
    }

    fn init_steps(&self, steps: &mut Vec<Step>) {
        self.hooks(steps, &self.unit.before_hooks, "init", "before");
        steps.push(self.tool_step("init", &self.init, self.init_env.clone(), Stdout::Log));
        if self.init_key.is_some() {
            let path = format!("{}/.terraform", self.cwd());
            steps.push(Step::CollectTree { name: ARTIFACT_INIT.into(), path, max_bytes: INIT_MAX_BYTES });
        }
        self.hooks(steps, &self.unit.after_hooks, "init", "after");
        self.hooks(steps, &self.unit.error_hooks, "init", "error");
    }

    fn plan_steps(&self, steps: &mut Vec<Step>) -> Result<(), Fault> {
        let Extra { arguments, env } = extra(self.repository, self.unit, "plan", false)?;
        let plan = format!("{WORK}/{PLAN_FILE}");
        self.hooks(steps, &self.unit.before_hooks, "plan", "before");
        let mut plan_arguments = vec!["plan".to_string(), "-input=false".into(), "-no-color".into()];
        plan_arguments.extend(arguments);
        // Last, so that it wins over one from extra arguments.
        plan_arguments.push(format!("-out={plan}"));
        steps.push(self.tool_step("plan", &plan_arguments, env, Stdout::Log));
        steps.push(collect(ARTIFACT_PLAN, plan.clone(), PLAN_MAX_BYTES, false));
        steps.push(collect(ARTIFACT_LOCK, format!("{}/{LOCK_FILE}", self.cwd()), LOCK_MAX_BYTES, true));
        let show: Vec<String> = vec!["show".into(), "-json".into(), "-no-color".into(), plan];
        let to = Stdout::Artifact { name: ARTIFACT_SHOW.into(), max_bytes: SHOW_MAX_BYTES };
        steps.push(self.tool_step("show", &show, BTreeMap::new(), to));
        self.hooks(steps, &self.unit.after_hooks, "plan", "after");
        self.hooks(steps, &self.unit.error_hooks, "plan", "error");
        Ok(())
    }

    fn apply_steps(&self, steps: &mut Vec<Step>) -> Result<(), Fault> {
        let Extra { arguments, env } = extra(self.repository, self.unit, "apply", true)?;
        self.hooks(steps, &self.unit.before_hooks, "apply", "before");
        let mut apply = vec!["apply".to_string(), "-input=false".into(), "-no-color".into()];
        apply.extend(arguments);
        apply.push(format!("{WORK}/{PLAN_FILE}"));
        steps.push(self.tool_step("apply", &apply, env, Stdout::Log));
        self.hooks(steps, &self.unit.after_hooks, "apply", "after");
        self.hooks(steps, &self.unit.error_hooks, "apply", "error");
        Ok(())
    }

    fn hooks(&self, steps: &mut Vec<Step>, hooks: &[Hook], command: &str, kind: &str) {
        for hook in hooks.iter().filter(|hook| hook.condition && hook.commands.iter().any(|c| c == command)) {
            let cwd = match &hook.working_dir {
                Some(folder) if folder.starts_with('/') => folder.clone(),
                // Relative to where Terragrunt would have been started.
                Some(folder) => format!("{}/{folder}", join(REPOSITORY, self.unit.path.as_str())),
                None if command == "terragrunt-read-config" => join(REPOSITORY, self.unit.path.as_str()),
                None => self.cwd(),
            };
            let context = [
                ("TG_CTX_TF_PATH", self.tool.program.as_str()),
                ("TG_CTX_COMMAND", command),
                ("TG_CTX_HOOK_NAME", hook.name.as_str()),
            ];
            let stdout = if hook.suppress_stdout {
                Stdout::Artifact { name: "dropped".into(), max_bytes: 16 << 20 }
            } else {
                Stdout::Log
            };
            steps.push(Step::Run {
                name: format!("{kind} hook {}", hook.name),
                argv: hook.execute.clone(),
                cwd,
                env: context.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect(),
                accept: vec![0],
                stdout,
                when: match (kind, hook.run_on_error) {
                    ("error", _) => When::Failure,
                    (_, true) => When::Always,
                    (_, false) => When::Success,
                },
                timeout_s: self.limits.step_timeout_s,
                role: Role::Hook,
            });
        }
    }

    /// Whether anything that runs could look at the repository: a hook, or a path below `/repo` in what it is given.
    fn needs_repository(&self, steps: &[Step]) -> bool {
        let names = |text: &str| text.contains(REPOSITORY);
        let in_steps = steps.iter().any(|step| match step {
            Step::Run { role: Role::Hook, .. } => true,
            Step::Run { argv, env, .. } => argv.iter().any(|a| names(a)) || env.values().any(|v| names(v)),
            Step::Collect { .. } | Step::CollectTree { .. } => false,
        });
        let generated = || self.unit.generate.iter().any(|file| names(&file.contents));
        in_steps || self.env.values().any(|value| names(value)) || generated()
    }

    fn spec(&self, steps: Vec<Step>) -> TaskSpec {
        let mut env = base_env();
        env.extend(self.env.clone());
        TaskSpec {
            steps,
            env,
            door: Some(Door { port: DOOR_PORT, socket: DOOR_SOCKET.into() }),
            read_only: Vec::new(),
            read_write: Vec::new(),
            output_max_bytes: self.limits.output_max_bytes,
        }
    }
}

/// Source, then the unit's own files, then what is generated. Answers the layout and the module's folder in it.
pub(crate) fn lay_out(files: Files<'_>, unit: &Resolved) -> Result<(Layout, String), Fault> {
    let repository = files.repository;
    let rule = CopyRule::new(&unit.include_in_copy, &unit.exclude_from_copy)?;
    let mut layout = Layout::default();
    let mut module = MODULE.to_string();
    if let Some(from) = &unit.source {
        let copied = match (from, files.module) {
            (ModuleSource::Folder(folder), _) => layout.copy_folder(repository, &folder.root, MODULE, &rule),
            (ModuleSource::Remote { .. }, Some(fetched)) => {
                layout.copy_folder(fetched.files, fetched.root, MODULE, &CopyRule::whole())
            }
            (ModuleSource::Remote { .. }, None) => Err(Fault::internal("a module that was not fetched")),
        };
        copied.map_err(|fault| fault.at(from.place().clone()))?;
        module = join(MODULE, from.sub());
        let inside = format!("{module}/");
        // One of the repository was looked for already.
        let looked_for = matches!(from, ModuleSource::Folder(_));
        if !looked_for && !layout.files().any(|(path, _)| path.starts_with(&inside)) {
            let message = format!("there is nothing in the folder {:?} of {}", from.sub(), from.shown());
            return Err(Fault::new(Code::LAYOUT, message)
                .at(from.place().clone())
                .remedy("Correct what follows `//` in `terraform.source`."));
        }
    } else if !unit.beside.is_empty() {
        // The unit's folder is the module, and keeps its place among what it refers to.
        module = join(MODULE, unit.path.as_str());
        for file in &unit.beside {
            layout.copy_file(repository, file, &join(MODULE, file))?;
        }
    }
    layout.copy_folder(repository, unit.path.as_str(), &module, &rule)?;
    for file in &unit.generate {
        generate::write(&mut layout, &module, file)?;
    }
    if let Some(state) = &unit.remote_state {
        generate::write_backend(&mut layout, &module, state)?;
    }
    let prefix = format!("{module}/");
    let is_code = |path: &str| {
        path.strip_prefix(&prefix).is_some_and(|name| {
            !name.contains('/') && [".tf", ".tf.json", ".tofu", ".tofu.json"].iter().any(|end| name.ends_with(end))
        })
    };
    if !layout.files().any(|(path, _)| is_code(path)) {
        let folder = unit.source.as_ref().map_or_else(|| unit.path.to_string(), ModuleSource::shown);
        let fault = Fault::new(Code::LAYOUT, format!("there is no code for the tool in {folder:?}")).remedy(
            "Let `terraform.source` name a folder with `.tf` files; a folder inside a module's source follows `//`.",
        );
        return Err(match &unit.source {
            Some(from) => fault.at(from.place().clone()),
            None => fault,
        });
    }
    // These folders have to be there for the tool; they stay empty.
    layout.put("home/.keep", Vec::new(), false)?;
    layout.put("tmp/.keep", Vec::new(), false)?;
    Ok((layout, module))
}

fn init_command(
    source: &dyn Source,
    unit: &Resolved,
    command: Command,
    reviewed_lock: bool,
) -> Result<(Vec<String>, BTreeMap<String, String>), Fault> {
    let Extra { arguments, env: own } = extra(source, unit, "init", false)?;
    // An `init` that comes before a command has that command's variables, too, as in Terragrunt.
    let mut env = extra(source, unit, command.as_str(), command == Command::Apply)?.env;
    env.extend(own);
    let mut init = vec!["init".to_string(), "-input=false".into(), "-no-color".into()];
    // With the reviewed plan's lock file, nothing may be chosen anew.
    init.extend(arguments.into_iter().filter(|argument| !(reviewed_lock && argument == "-upgrade")));
    if let Some(state) = unit.remote_state.as_ref().filter(|state| state.generate.is_none()) {
        init.extend(generate::backend_arguments(state)?);
    }
    if reviewed_lock {
        init.push("-lockfile=readonly".into());
    }
    Ok((init, env))
}

fn init_key(
    unit: &Resolved,
    tool: &Tool,
    layout: &Layout,
    module: &str,
    init: &[String],
    init_env: &BTreeMap<String, String>,
) -> Option<portcullis_model::Digest> {
    let early = ["terragrunt-read-config", "init-from-module", "init"];
    let hooks = unit.before_hooks.iter().chain(&unit.after_hooks).chain(&unit.error_hooks);
    if hooks.into_iter().any(|hook| hook.condition && hook.commands.iter().any(|c| early.contains(&c.as_str()))) {
        return None;
    }
    let mut digest = DigestBuilder::new("portcullis init v1");
    digest.text(&tool.name).text(&tool.version).text(unit.path.as_str()).text(module);
    // The lock file does not count here: `init` writes it, and the provider binaries are too large to be kept.
    let mut files = layout.clone();
    files.remove(&join(module, LOCK_FILE));
    files.remove(&join(module, NULL_INPUTS_FILE));
    files.digest_into(&mut digest);
    for argument in init.iter().filter(|argument| *argument != "-lockfile=readonly") {
        digest.text(argument);
    }
    for (name, value) in init_env {
        digest.text(name).text(value);
    }
    Some(digest.finish())
}

/// No driver can assume a role.
pub(crate) fn refuse_role(unit: &Resolved, driver: &str) -> Result<(), Fault> {
    let Some(role) = &unit.iam_role else { return Ok(()) };
    let message = format!(
        "the {driver} driver cannot take `iam_role` {:?} ({}): a sandbox of this version has no credentials to assume it with",
        role.arn, unit.path
    );
    Err(Fault::new(Code::DRIVER_REFUSED, message)
        .at(Place::file(unit.path.as_str()))
        .remedy("Remove `iam_role`, or let the module's provider assume the role."))
}

/// The Terragrunt whose configuration this driver follows.
const TERRAGRUNT_VERSION: &str = "1.1.0";

/// A unit says which versions it is for. Terragrunt refuses all others, and so does this.
fn check_versions(unit: &Resolved, tool: &Tool) -> Result<(), Fault> {
    let wanted = [
        (&unit.terraform_version_constraint, tool.name.as_str(), tool.version.as_str()),
        (&unit.terragrunt_version_constraint, "terragrunt", TERRAGRUNT_VERSION),
    ];
    for (constraint, name, version) in wanted {
        let Some(constraint) = constraint else { continue };
        let at = |fault: Fault| fault.at(Place::file(unit.path.as_str()));
        let fits = satisfies(version, constraint).map_err(|why| {
            at(Fault::new(Code::DRIVER_REFUSED, format!("{constraint:?} is no version constraint: {why}")))
                .remedy("Write it as Terraform does, such as `>= 1.5, < 2.0`.")
        })?;
        if !fits {
            let message = format!("{} is for {name} {constraint}, and would be run as by {version}", unit.path);
            return Err(at(Fault::new(Code::DRIVER_REFUSED, message))
                .remedy("Pin another version in the fleet's `tools`, or change the unit's version constraint."));
        }
    }
    Ok(())
}

/// What this driver cannot take is refused by name, before anything runs.
fn refuse_unsupported(unit: &Resolved, tool: &Tool) -> Result<(), Fault> {
    let refuse = |what: String, place: Option<&portcullis_model::Place>| {
        let fault = Fault::new(Code::DRIVER_REFUSED, format!("the native driver cannot take {what} ({})", unit.path))
            .remedy("Run this account with `driver = \"terragrunt\"`, or change the configuration.");
        Err(match place {
            Some(place) => fault.at(place.clone()),
            None => fault,
        })
    };
    refuse_role(unit, "native")?;
    if unit.remote_state.as_ref().is_some_and(|state| state.encryption.is_some()) {
        return refuse("`encryption` in `remote_state`".into(), unit.remote_state.as_ref().map(|state| &state.place));
    }
    for hook in unit.before_hooks.iter().chain(&unit.after_hooks).chain(&unit.error_hooks).filter(|hook| hook.condition)
    {
        if hook.execute.first().is_some_and(|program| program == "tflint") {
            return refuse(
                format!("hook {:?}: Terragrunt runs `tflint` with settings of its own", hook.name),
                Some(&hook.place),
            );
        }
    }
    for hook in unit.error_hooks.iter().filter(|hook| hook.condition) {
        if let Some(pattern) = hook.on_errors.iter().find(|pattern| !matches!(pattern.as_str(), ".*" | ".+" | "")) {
            return refuse(
                format!("error hook {:?} with `on_errors` {pattern:?}; it takes `\".*\"`", hook.name),
                Some(&hook.place),
            );
        }
    }
    if let Some(binary) = unit.terraform_binary.as_deref()
        && binary.rsplit('/').next() != Some(tool.name.as_str())
    {
        return refuse(format!("`terraform_binary = {binary:?}` where the fleet's tool is {:?}", tool.name), None);
    }
    Ok(())
}

//! The `terragrunt` driver: the real program runs, over a private copy of the repository at `/repo`.
//!
//! Terragrunt decides everything that the native driver decides itself: sources, generated files, inputs,
//! dependencies' outputs, mocks, hooks, retries. What is fixed from outside: the tool, where it may write, that it
//! asks nobody, and which plan it applies. The saved plan is shown in another sandbox ([`crate::show`]), since
//! hooks and `run_cmd` run in this one.

use std::collections::BTreeMap;

use portcullis_estate::{ModuleSource, Resolved, Source};
use portcullis_model::agent::{Door, Role, Stdout, Step, TaskSpec, When};
use portcullis_model::{Code, Fault, UnitPath};

use crate::layout::{LOCK_FILE, Layout, join};
use crate::steps::{LOCK_MAX_BYTES, PLAN_FILE, base_env, collect, in_work, tool_step};
use crate::{
    ARTIFACT_LOCK, ARTIFACT_PLAN, DOOR_PORT, DOOR_SOCKET, Files, Job, Limits, PLAN_MAX_BYTES, REPOSITORY, Recipe,
    Repository, Tool, backend, native,
};

/// The lock file of the reviewed plan, in the layout.
const REVIEWED_LOCK: &str = "reviewed.lock.hcl";

/// Which programs a task is run with.
#[derive(Debug, Clone, Copy)]
pub struct Programs<'a> {
    /// OpenTofu or Terraform.
    pub tool: &'a Tool,
    /// Terragrunt.
    pub terragrunt: &'a Tool,
}

/// What to do about a state that is not in the runner's store.
pub const KEEP_STATE: &str = "Keep the state in the runner's own store (backend `http`, docs/state.md). A sandbox of this \
                              version has no other place that outlives it.";

/// Refuses, before anything runs, a unit that is known to need what the sandbox does not have.
///
/// # Errors
/// `PC-0607` for a role to assume and for a module outside of the repository, `PC-0608` for a backend that cannot be used.
pub fn check(repository: &dyn Source, unit: &Resolved) -> Result<(), Fault> {
    native::refuse_role(unit, "terragrunt")?;
    if let Some(ModuleSource::Remote { source, place }) = &unit.source {
        let message = format!("the terragrunt driver cannot fetch {source} ({}): a sandbox has no network", unit.path);
        return Err(Fault::new(Code::DRIVER_REFUSED, message).at(place.clone()).remedy(
            "Use the `native` driver, for which the runner fetches modules, or keep the module in this repository.",
        ));
    }
    match native::lay_out(Files::of(repository), unit) {
        Ok((layout, module)) => backend::check(unit, &layout, &module),
        // Terragrunt will say what is wrong with it.
        Err(_) => Ok(()),
    }
}

/// The recipe for a job. `lock` is the lock file of the reviewed plan; it takes the place of the repository's.
///
/// # Errors
/// `PC-0613` when a plan is over the limits of a layout.
pub fn recipe(
    unit: &UnitPath,
    programs: Programs<'_>,
    limits: Limits,
    lock: Option<&[u8]>,
    job: Job<'_>,
) -> Result<Recipe, Fault> {
    let folder = join(REPOSITORY, unit.as_str());
    let unit_lock = format!("{folder}/{LOCK_FILE}");
    let plan = in_work(PLAN_FILE);
    let mut layout = Layout::default();
    layout.put("home/.keep", Vec::new(), false)?;
    let mut steps = Vec::new();
    if let Some(lock) = lock {
        layout.put(REVIEWED_LOCK, lock, false)?;
        steps.push(place_lock(&unit_lock, limits));
    }
    let step = |name: &str, arguments: &[&str]| {
        tool_step(programs.terragrunt, limits, &folder, (name, arguments), BTreeMap::new(), Stdout::Log)
    };
    match job {
        Job::Plan => {
            // After what Terragrunt adds from `extra_arguments`, so that this `-out` is the one that counts.
            steps.push(step("plan", &["plan", "-input=false", "-no-color", &format!("-out={plan}")]));
            steps.push(collect(ARTIFACT_PLAN, plan, PLAN_MAX_BYTES, false));
            steps.push(collect(ARTIFACT_LOCK, unit_lock, LOCK_MAX_BYTES, true));
        }
        Job::Apply { plan: bytes } => {
            layout.put(PLAN_FILE, bytes, false)?;
            steps.push(step("apply", &["apply", "-input=false", "-no-color", &plan]));
        }
    }
    let mut env = base_env();
    env.extend(settings(programs.tool));
    let spec = TaskSpec {
        steps,
        env,
        door: Some(Door { port: DOOR_PORT, socket: DOOR_SOCKET.into() }),
        read_only: Vec::new(),
        read_write: Vec::new(),
        output_max_bytes: limits.output_max_bytes,
    };
    Ok(Recipe { layout, spec, repository: Repository::Copied, init_key: None })
}

/// Puts the reviewed lock file where Terragrunt takes it from. A link that the repository has there is replaced.
fn place_lock(unit_lock: &str, limits: Limits) -> Step {
    let argv = ["/usr/bin/cp", "--remove-destination", "--", &in_work(REVIEWED_LOCK), unit_lock];
    Step::Run {
        name: "reviewed lock file".into(),
        argv: argv.map(str::to_owned).into(),
        cwd: REPOSITORY.into(),
        env: BTreeMap::new(),
        accept: vec![0],
        stdout: Stdout::Log,
        when: When::Success,
        timeout_s: limits.step_timeout_s,
        role: Role::Tool,
    }
}

/// Terragrunt's settings, by environment: a flag that a version does not know would end it, a variable does not.
fn settings(tool: &Tool) -> BTreeMap<String, String> {
    [
        ("TG_TF_PATH", tool.program.as_str()),
        ("TG_DOWNLOAD_DIR", "/work/cache"),
        ("TG_NON_INTERACTIVE", "true"),
        ("TG_NO_COLOR", "true"),
        ("TG_NO_TIPS", "true"),
        ("TG_LOG_FORMAT", "bare"),
        ("TG_TF_FORWARD_STDOUT", "true"),
        ("TG_NO_AUTO_PROVIDER_CACHE_DIR", "true"),
        ("TG_PROVIDER_CACHE", "false"),
        ("TG_TELEMETRY_TRACE_EXPORTER", "none"),
        ("TG_TELEMETRY_METRIC_EXPORTER", "none"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_string(), value.to_string()))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str) -> Tool {
        Tool { name: name.into(), version: "1.0.0".into(), program: format!("/tools/{name}") }
    }

    fn lowered(unit: &str, lock: Option<&[u8]>, job: Job<'_>) -> (Recipe, Vec<String>) {
        let (tofu, terragrunt) = (tool("tofu"), tool("terragrunt"));
        let programs = Programs { tool: &tofu, terragrunt: &terragrunt };
        let unit = UnitPath::parse(unit).unwrap();
        let recipe = recipe(&unit, programs, Limits::default(), lock, job).unwrap();
        let text = |step: &Step| match step {
            Step::Run { argv, cwd, .. } => format!("{cwd}: {}", argv.join(" ")),
            Step::Collect { name, path, optional, .. } => format!("collect {name} {path} {optional}"),
            Step::CollectTree { name, .. } => format!("tree {name}"),
        };
        let steps = recipe.spec.steps.iter().map(text).collect();
        (recipe, steps)
    }

    #[test]
    fn a_plan_is_made_in_the_units_folder_and_collected() {
        let (recipe, steps) = lowered("dev/vpc", None, Job::Plan);
        assert_eq!(
            steps,
            [
                "/repo/dev/vpc: /tools/terragrunt plan -input=false -no-color -out=/work/plan.tfplan",
                "collect plan /work/plan.tfplan false",
                "collect lock /repo/dev/vpc/.terraform.lock.hcl true",
            ]
        );
        assert_eq!(recipe.repository, Repository::Copied);
        assert_eq!(recipe.spec.env.get("TG_TF_PATH").map(String::as_str), Some("/tools/tofu"));
    }

    #[test]
    fn the_reviewed_plan_is_applied_with_its_lock_file() {
        let (recipe, steps) = lowered(".", Some(b"lock"), Job::Apply { plan: b"plan" });
        assert_eq!(
            steps,
            [
                "/repo: /usr/bin/cp --remove-destination -- /work/reviewed.lock.hcl /repo/.terraform.lock.hcl",
                "/repo: /tools/terragrunt apply -input=false -no-color /work/plan.tfplan",
            ]
        );
        assert_eq!(recipe.layout.get("plan.tfplan").map(|file| &*file.bytes), Some(&b"plan"[..]));
    }
}

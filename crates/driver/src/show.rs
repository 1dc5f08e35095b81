//! `show -json` of a saved plan in a sandbox of its own, which no code of the repository has been in.
//!
//! What a reviewer reads comes from here. Where a stranger's programs ran beside the tool (hooks, `run_cmd`), they
//! could have changed what a `show` in the same sandbox would print; here there is nothing but the plan, the lock
//! file and the providers that it names.

use std::collections::{BTreeMap, BTreeSet};

use hcl_edit::structure::{Body, Structure};
use portcullis_model::Fault;
use portcullis_model::agent::{Stdout, Step, TaskSpec};

use crate::layout::{LOCK_FILE, Layout};
use crate::steps::{PLAN_FILE, base_env, tool_step};
use crate::{ARTIFACT_SHOW, Limits, Recipe, Repository, SHOW_MAX_BYTES, Tool, WORK};

/// The folder that the tool runs in.
const FOLDER: &str = "show";

/// The recipe. `lock` is the lock file that was collected with the plan.
///
/// # Errors
/// `PC-0613` when plan and lock file are over the limits of a layout.
pub fn recipe(tool: &Tool, limits: Limits, plan: &[u8], lock: Option<&[u8]>) -> Result<Recipe, Fault> {
    let mut layout = Layout::default();
    layout.put("home/.keep", Vec::new(), false)?;
    layout.put(PLAN_FILE, plan, false)?;
    layout.put(format!("{FOLDER}/.keep"), Vec::new(), false)?;
    let cwd = format!("{WORK}/{FOLDER}");
    let mut steps: Vec<Step> = Vec::new();
    let providers = lock.map(providers).unwrap_or_default();
    if let Some(lock) = lock.filter(|_| !providers.is_empty()) {
        layout.put(format!("{FOLDER}/{LOCK_FILE}"), lock, false)?;
        layout.put(format!("{FOLDER}/providers.tf.json"), required(&providers), false)?;
        let init = ["init", "-input=false", "-no-color", "-backend=false", "-lockfile=readonly"];
        steps.push(tool_step(tool, limits, &cwd, ("init", &init), BTreeMap::new(), Stdout::Log));
    }
    let to = Stdout::Artifact { name: ARTIFACT_SHOW.into(), max_bytes: SHOW_MAX_BYTES };
    let plan = format!("{WORK}/{PLAN_FILE}");
    let show = ["show", "-json", "-no-color", plan.as_str()];
    steps.push(tool_step(tool, limits, &cwd, ("show", &show), BTreeMap::new(), to));
    let spec = TaskSpec {
        steps,
        env: base_env(),
        // Not even the state: a saved plan has all that is shown.
        door: None,
        read_only: Vec::new(),
        read_write: Vec::new(),
        output_max_bytes: limits.output_max_bytes,
    };
    Ok(Recipe { layout, spec, repository: Repository::Hidden, init_key: None })
}

/// The providers of a lock file. One that does not parse names none: the tool will say what is wrong with it.
fn providers(lock: &[u8]) -> BTreeSet<String> {
    let body = std::str::from_utf8(lock).ok().and_then(|text| text.parse::<Body>().ok()).unwrap_or_default();
    let blocks = body.iter().filter_map(Structure::as_block).filter(|block| block.ident.as_str() == "provider");
    blocks.filter_map(|block| block.labels.first().map(|label| label.as_str().to_string())).collect()
}

/// Configuration that asks for these providers and nothing else; their versions are in the lock file.
fn required(providers: &BTreeSet<String>) -> Vec<u8> {
    let wanted: serde_json::Map<String, serde_json::Value> = providers
        .iter()
        .enumerate()
        .map(|(index, source)| (format!("p{index}"), serde_json::json!({ "source": source })))
        .collect();
    serde_json::json!({ "terraform": { "required_providers": wanted } }).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "provider \"registry.terraform.io/hashicorp/aws\" {\n  version = \"5.100.0\"\n}\n";

    fn tool() -> Tool {
        Tool { name: "terraform".into(), version: "1.11.4".into(), program: "/usr/local/bin/terraform".into() }
    }

    fn names(recipe: &Recipe) -> Vec<String> {
        let name = |step: &Step| match step {
            Step::Run { argv, .. } => argv.get(1).cloned(),
            _ => None,
        };
        recipe.spec.steps.iter().filter_map(name).collect()
    }

    #[test]
    fn a_plan_is_shown_without_door_and_repository() {
        let recipe = recipe(&tool(), Limits::default(), b"plan", None).unwrap();
        assert_eq!(names(&recipe), ["show"]);
        assert!(recipe.spec.door.is_none());
        assert_eq!(recipe.repository, Repository::Hidden);
    }

    #[test]
    fn the_providers_of_the_lock_file_are_installed_first() {
        let recipe = recipe(&tool(), Limits::default(), b"plan", Some(LOCK.as_bytes())).unwrap();
        assert_eq!(names(&recipe), ["init", "show"]);
        let wanted = recipe.layout.get("show/providers.tf.json").unwrap();
        let wanted: serde_json::Value = serde_json::from_slice(&wanted.bytes).unwrap();
        let source = wanted.pointer("/terraform/required_providers/p0/source");
        assert_eq!(source, Some(&serde_json::json!("registry.terraform.io/hashicorp/aws")));
    }

    #[test]
    fn an_empty_lock_file_needs_no_init() {
        assert_eq!(names(&recipe(&tool(), Limits::default(), b"plan", Some(b"# nothing\n")).unwrap()), ["show"]);
        assert_eq!(names(&recipe(&tool(), Limits::default(), b"plan", Some(b"\xff{{{")).unwrap()), ["show"]);
    }
}

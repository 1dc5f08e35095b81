//! The everyday case: a branch is planned, the merge applies exactly what was reviewed.

use std::collections::BTreeMap;

use serde_json::Value;

use portcullis_testkit::Caller;

use super::call::Run;
use super::facts::Facts;
use super::world::World;

const BRANCH: &str = "feature/web-health";

/// Plans a branch that changes a shared file and one unit, merges it, applies it.
pub fn run(world: &mut World, facts: &mut Facts) -> Result<(), String> {
    world.live.branch(BRANCH, |live| {
        live.edit("_envcommon/services/web.hcl", "health_check_path = \"/\"", "health_check_path = \"/status\"")?;
        live.edit("prod/us-east-1/services/worker/terragrunt.hcl", ":2.7.4\"", ":2.7.5\"")
    })?;
    println!("   `{BRANCH}` changes _envcommon/services/web.hcl and prod/us-east-1/services/worker");
    let accounts: Vec<String> = world.runners.iter().map(|runner| runner.account.clone()).collect();
    let mut reviewed = BTreeMap::new();
    for account in &accounts {
        let run = world.run(account, Caller::Branch(BRANCH), ("plan", BRANCH), &[0])?;
        show(account, "plan", &run);
        facts.run(account, "plan", run.state(), run.tasks().len(), run.took);
        if !run.tasks().is_empty() {
            reviewed.insert(account.clone(), plans(&run));
        }
    }
    let affected: Vec<&str> = reviewed.keys().map(String::as_str).collect();
    if affected != ["dev", "prod", "stage"] {
        return Err(format!("affected are {affected:?}, and should be dev, prod and stage"));
    }
    world.live.squash_merge(BRANCH)?;
    println!("   merged (squash): another commit, the same inputs");
    for (account, reviewed) in &reviewed {
        apply_reviewed(world, facts, account, reviewed)?;
    }
    Ok(())
}

/// Applies main and checks that each plan is the one that was reviewed, by its digest.
pub fn apply_reviewed(
    world: &mut World,
    facts: &mut Facts,
    account: &str,
    reviewed: &BTreeMap<String, String>,
) -> Result<(), String> {
    let run = world.run(account, Caller::Merge, ("apply", "main"), &[0])?;
    show(account, "apply", &run);
    facts.run(account, "apply", run.state(), run.tasks().len(), run.took);
    if &plans(&run) != reviewed {
        return Err(format!("`{account}` applied {:?}, and {reviewed:?} was reviewed", plans(&run)));
    }
    match run.tasks().iter().find(|task| task["result"] != "applied-reviewed") {
        Some(task) => Err(format!("{} in `{account}` ended {} {}", task["unit"], task["state"], task["result"])),
        None => Ok(()),
    }
}

/// The plan of each unit, by digest.
pub fn plans(run: &Run) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    run.tasks().iter().map(|task| (text(&task["unit"]), text(&task["plan"]))).collect()
}

/// One line for each task.
pub fn show(account: &str, action: &str, run: &Run) {
    let seconds = run.took.as_secs_f64();
    if run.tasks().is_empty() {
        println!("   {account:<9} {action:<5} nothing is affected  {seconds:.1} s");
    }
    for task in run.tasks() {
        let summary = &task["summary"];
        let count = |name: &str| summary[name].as_u64().unwrap_or(0);
        println!(
            "   {account:<9} {action:<5} {}: {} to add, {} to change, {} to replace, {} to destroy; {}  plan {}",
            task["unit"].as_str().unwrap_or_default(),
            count("add"),
            count("change"),
            count("replace"),
            count("destroy"),
            task["result"].as_str().or(task["state"].as_str()).unwrap_or_default(),
            short(task["plan"].as_str().unwrap_or("-")),
        );
    }
}

fn short(digest: &str) -> String {
    digest.chars().take(19).collect()
}

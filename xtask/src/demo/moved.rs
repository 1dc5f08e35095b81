//! A change that was reviewed against a world that is no longer there: it is held until somebody has seen it.

use std::time::{Duration, Instant};

use portcullis_testkit::Caller;

use super::call::HELD;
use super::facts::Facts;
use super::review::{apply_reviewed, plans, show};
use super::world::World;

const ACCOUNT: &str = "dev";
const FIRST: &str = "feature/new-worker-image";
const SECOND: &str = "feature/two-workers";
/// Longest that an approved change may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Two branches change the same unit; each was reviewed alone, and both together by nobody.
pub fn run(world: &mut World, facts: &mut Facts) -> Result<(), String> {
    world.live.branch(FIRST, |live| {
        let worker = "dev/us-east-1/services/worker/terragrunt.hcl";
        let image = "include.envcommon.locals.image}:";
        live.edit(worker, image, &format!("{image}demo-"))
    })?;
    world.live.branch(SECOND, |live| live.edit("dev/account.hcl", "worker = 1", "worker = 2"))?;
    let mut reviewed = Vec::new();
    for branch in [FIRST, SECOND] {
        let run = world.run(ACCOUNT, Caller::Branch(branch), ("plan", branch), &[0])?;
        show(ACCOUNT, "plan", &run);
        facts.run(ACCOUNT, "plan", run.state(), run.tasks().len(), run.took);
        reviewed.push(plans(&run));
    }
    world.live.squash_merge(SECOND)?;
    apply_reviewed(world, facts, ACCOUNT, reviewed.get(1).ok_or("two plans were made")?)?;
    world.live.squash_merge(FIRST)?;
    println!("   both are merged; nobody has seen what the second does on top of the first");
    let run = world.run(ACCOUNT, Caller::Merge, ("apply", "main"), &[HELD])?;
    show(ACCOUNT, "apply", &run);
    let held: Vec<String> = run
        .tasks()
        .iter()
        .filter(|task| task["state"] == "held")
        .inspect(|task| println!("   held: {}", task["held_because"].as_str().unwrap_or_default()))
        .filter_map(|task| task["plan"].as_str().map(str::to_owned))
        .collect();
    if held.is_empty() {
        return Err(format!("the run {} holds no plan", run.id()));
    }
    refused_to_others(world, run.id(), &held)?;
    let said = approve(world, Caller::Approver, run.id(), &held)?;
    if said.code != Some(0) {
        world.evidence.extend(said.err.lines().map(str::to_owned));
        return Err(format!("the approval ended with {:?}", said.code));
    }
    let start = Instant::now();
    loop {
        let view = world.view(ACCOUNT, run.id(), &run.read_token)?;
        match view["state"].as_str() {
            Some("succeeded") => break,
            Some("failed" | "cancelled") => return Err(format!("the approved run ended {}", view["state"])),
            _ if start.elapsed() > LIMIT => return Err("the approved run does not end".to_owned()),
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    println!("   approved by its digest, applied");
    facts.run(ACCOUNT, "apply", "succeeded", run.tasks().len(), run.took + start.elapsed());
    Ok(())
}

/// The job that merged cannot also approve.
fn refused_to_others(world: &mut World, run: &str, held: &[String]) -> Result<(), String> {
    let said = approve(world, Caller::Merge, run, held)?;
    if said.code == Some(super::call::DENIED) {
        println!("   the job that merged may not approve it: {}", said.fault().unwrap_or_default());
        return Ok(());
    }
    Err(format!("the job that merged could approve its own change (exit {:?})", said.code))
}

fn approve(world: &mut World, caller: Caller<'_>, run: &str, held: &[String]) -> Result<super::call::Said, String> {
    let token = world.token(ACCOUNT, caller)?;
    let mut arguments = vec!["run", "approve", run];
    for plan in held {
        arguments.extend(["--plan", plan]);
    }
    world.portcullis(ACCOUNT, &token, &arguments)
}

//! A shared file is touched: a comment in it plans nothing and says why; a value in it plans exactly the units that
//! include it. Which those are is found out apart from the runners, by looking for the text.

use std::collections::BTreeSet;

use portcullis_testkit::{Caller, LiveRepo};

use super::facts::Facts;
use super::review::show;
use super::world::World;

const COMMENT: &str = "feature/a-comment";
const VALUE: &str = "feature/log-level";
const ROOT: &str = "root.hcl";
const SHARED: &str = "_envcommon/services/worker.hcl";

/// Plans both branches in every account.
pub fn run(world: &mut World, facts: &mut Facts) -> Result<(), String> {
    world.live.branch(COMMENT, |live| live.edit(ROOT, "locals {\n", "# A remark, and other spaces.\nlocals   {\n"))?;
    println!("   `{COMMENT}` adds a comment to {ROOT}, which every unit includes");
    let planned = plan(world, facts, COMMENT)?;
    if !planned.is_empty() {
        return Err(format!("a comment in {ROOT} plans {planned:?}"));
    }
    let including = including(&world.live)?;
    world.live.branch(VALUE, |live| {
        live.edit(SHARED, "  env_vars = {\n", "  env_vars = {\n    LOG_LEVEL     = \"info\"\n")
    })?;
    println!("   `{VALUE}` adds a value to {SHARED}; by their text {} units include it", including.len());
    let planned = plan(world, facts, VALUE)?;
    if planned != including {
        return Err(format!("planned are {planned:?}, and {including:?} include {SHARED}"));
    }
    println!("   exactly those {} are planned", planned.len());
    Ok(())
}

/// The units that a branch plans, in all accounts. Where nothing is planned, the runner must say why.
fn plan(world: &mut World, facts: &mut Facts, branch: &str) -> Result<BTreeSet<String>, String> {
    let accounts: Vec<String> = world.runners.iter().map(|runner| runner.account.clone()).collect();
    let mut planned = BTreeSet::new();
    for account in &accounts {
        let run = world.run(account, Caller::Branch(branch), ("plan", branch), &[0])?;
        facts.run(account, "plan", run.state(), run.tasks().len(), run.took);
        if run.tasks().is_empty() {
            let message = run.view["message"].as_str().unwrap_or_default();
            if !message.starts_with("nothing is affected: ") || (branch == COMMENT && !message.contains(ROOT)) {
                return Err(format!("`{account}` plans nothing and says {message:?}"));
            }
            println!("   {account:<9} plan  {message}");
        } else {
            show(account, "plan", &run);
            planned.extend(run.tasks().iter().filter_map(|task| task["unit"].as_str().map(str::to_owned)));
        }
    }
    Ok(planned)
}

/// The units whose file names the shared one.
fn including(live: &LiveRepo) -> Result<BTreeSet<String>, String> {
    let found =
        live.git(&["grep", "--files-with-matches", "--fixed-strings", SHARED, "main", "--", "*/terragrunt.hcl"])?;
    let unit = |line: &str| Some(line.strip_prefix("main:")?.strip_suffix("/terragrunt.hcl")?.to_owned());
    let units: BTreeSet<String> = found.lines().filter_map(unit).collect();
    if units.is_empty() { Err(format!("no unit of the example includes {SHARED}")) } else { Ok(units) }
}

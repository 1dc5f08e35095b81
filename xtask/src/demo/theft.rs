//! Three attempts to steal, each by somebody who may push branches. What each got is asserted, then shown.

use std::fs;

use serde_json::{Value, json};

use portcullis_testkit::Caller;

use super::call::DENIED;
use super::facts::Facts;
use super::world::{CANARY, World};

/// What the hook of attempt (b) tries. `@…@` are real paths and addresses: the thief is assumed to know them.
const PROBES: &str = include_str!("probes.sh");

/// Makes the attempts.
pub fn run(world: &mut World, facts: &mut Facts) -> Result<(), String> {
    let before = applies(world)?;
    stolen_token(world, facts)?;
    hostile_hook(world, facts)?;
    changed_rules(world, facts)?;
    let after = applies(world)?;
    if before != after {
        return Err(format!("prod had {before} runs of apply, and has {after}"));
    }
    println!("   prod's runner has started nothing for any of them");
    Ok(())
}

/// (a) A branch prints the CI job's environment, and uses the token in it.
fn stolen_token(world: &mut World, facts: &mut Facts) -> Result<(), String> {
    let branch = "steal/print-env";
    world.live.branch(branch, |live| {
        live.edit(".github/workflows/plan.yml", "      - name: Plan", "      - run: env | base64\n      - name: Plan")
    })?;
    // As found in the job's output: for prod's runner, and another for dev's.
    let prod = world.token("prod", Caller::Branch(branch))?;
    let dev = world.token("dev", Caller::Branch(branch))?;
    for (token, target, what) in [
        (&prod, "main", "(a) the job's token for prod, to apply main in prod"),
        (&prod, "main", "(a) the same token again"),
        (&prod, branch, "(a) the same token, to apply the branch in prod"),
        (&dev, "main", "(a) dev's token, to apply in prod"),
    ] {
        let got = refused(world, "prod", token, "apply", target)?;
        facts.theft(what, &got);
    }
    // A token that was good once, for what it was good for.
    let spent = world.token("dev", Caller::Branch(branch))?;
    let said = world.trigger("dev", &spent, "plan", branch)?;
    if said.code != Some(0) {
        world.evidence.extend(said.err.lines().map(str::to_owned));
        return Err(format!("the job's own plan ended with {:?}", said.code));
    }
    let got = refused(world, "dev", &spent, "plan", branch)?;
    facts.theft("(a) a token that the job has already used, to plan again", &got);
    Ok(())
}

/// (b) A branch adds a hook that looks for anything of worth from inside the sandbox.
fn hostile_hook(world: &mut World, facts: &mut Facts) -> Result<(), String> {
    let (branch, unit) = ("steal/hook", "dev/us-east-1/mgmt/kms-key");
    let probes = probes(world)?;
    world.live.branch(branch, |live| {
        let folder = live.tree().join(unit);
        let file = folder.join("terragrunt.hcl");
        let mut text = fs::read_to_string(&file).map_err(|error| format!("{unit}: {error}"))?;
        text.push_str(
            "\nterraform {\n  before_hook \"look\" {\n    commands = [\"plan\"]\n    \
             execute  = [\"bash\", \"${get_terragrunt_dir()}/look.sh\"]\n  }\n}\n",
        );
        fs::write(&file, text)
            .and_then(|()| fs::write(folder.join("look.sh"), &probes))
            .map_err(|error| format!("{unit}: {error}"))
    })?;
    let run = world.run("dev", Caller::Branch(branch), ("plan", branch), &[0])?;
    let task = run.tasks().iter().find(|task| task["unit"] == unit).ok_or("the unit with the hook was not planned")?;
    let log = world.task_log("dev", task, &run.read_token)?;
    let seen = read_probes(&log, PROBES.matches("\nprobe \"").count())?;
    for (what, got) in &seen {
        facts.theft(&format!("(b) a hook tries to {what}"), got);
    }
    match seen.iter().find(|(_, got)| got != "nothing") {
        Some((what, got)) => Err(format!("a hook in a sandbox of `dev` could {what}: {got}")),
        None if log.contains(CANARY) => Err("a secret of the runner is in the log".to_owned()),
        None => Ok(()),
    }
}

/// (c) A branch changes the rules so that it may apply.
fn changed_rules(world: &mut World, facts: &mut Facts) -> Result<(), String> {
    let branch = "steal/rules";
    world.live.branch(branch, |live| {
        live.edit("profiles/standard.hcl", "[\"live-merge\"]", "[\"live-merge\", \"live-ci\"]")?;
        live.edit("portcullis.hcl", "protected = [\"main\"]", "protected = [\"main\", \"steal/rules\"]")
    })?;
    for (target, what) in [
        (branch, "(c) a branch that lets itself in, to apply itself in prod"),
        ("main", "(c) the same branch, to apply main in prod"),
    ] {
        let token = world.token("prod", Caller::Branch(branch))?;
        let got = refused(world, "prod", &token, "apply", target)?;
        facts.theft(what, &got);
    }
    // Nor does it help to be the right caller with the wrong branch.
    let token = world.token("prod", Caller::Merge)?;
    let said = world.trigger("prod", &token, "apply", branch)?;
    if said.code == Some(0) || said.fault().is_none() {
        return Err(format!("a branch that is not protected was applied in `prod` (exit {:?})", said.code));
    }
    facts.theft(
        "(c) a merge's token, to apply the branch",
        &format!("nothing ({}: {})", said.fault().unwrap_or_default(), said.reason()),
    );
    Ok(())
}

/// Asks for what must be denied. Returns what was got: nothing, and the code that says why.
fn refused(world: &mut World, account: &str, token: &str, action: &str, branch: &str) -> Result<String, String> {
    let said = world.trigger(account, token, action, branch)?;
    match (said.code, said.fault()) {
        (Some(DENIED), Some(fault)) => Ok(format!("nothing ({fault}: {})", said.reason())),
        (code, fault) => {
            world.evidence.extend(said.err.lines().map(str::to_owned));
            Err(format!("{action} of `{branch}` in `{account}` was not denied (exit {code:?}, {fault:?})"))
        }
    }
}

/// How many runs of apply prod's runner knows.
fn applies(world: &World) -> Result<usize, String> {
    let token = world.token("prod", Caller::Merge)?;
    let text = world.get("prod", "/v1/runs?limit=200", &token)?;
    let page: Value = serde_json::from_str(&text).unwrap_or(json!(null));
    let runs = page["runs"].as_array().ok_or("`prod` lists no runs")?;
    Ok(runs.iter().filter(|run| run["action"] == "apply").count())
}

fn probes(world: &World) -> Result<String, String> {
    let dev = world.runner("dev")?;
    let host = |url: &str| url.trim_start_matches("http://").replace(':', "/");
    let runners = dev.data.parent().ok_or("the runner has no data folder")?;
    Ok(PROBES
        .replace("@DATA@", &dev.data.to_string_lossy())
        .replace("@RUNNERS@", &runners.to_string_lossy())
        .replace("@FOLDER@", &world.folder.to_string_lossy())
        .replace("@RUNNER@", &host(&dev.url))
        .replace("@ISSUER@", &host(&world.issuer)))
}

/// What each probe got. All must have spoken: a hook that did not run proves nothing.
fn read_probes(log: &str, wanted: usize) -> Result<Vec<(String, String)>, String> {
    let seen: Vec<(String, String)> = log
        .lines()
        .filter_map(|line| line.split_once("probe: ")?.1.split_once(" => "))
        .map(|(what, got)| (what.to_owned(), got.trim_end().to_owned()))
        .collect();
    if wanted > 0 && seen.len() == wanted {
        return Ok(seen);
    }
    Err(format!("{} of {wanted} probes of the hook are in its task's log", seen.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_probe_must_have_spoken() {
        let log = "tofu: x\nprobe: a => nothing\nprobe: b => root:x\n";
        assert_eq!(read_probes(log, 2).unwrap()[1], ("b".into(), "root:x".into()));
        assert!(read_probes(log, 3).is_err());
        assert!(read_probes("", 0).is_err());
        assert!(PROBES.matches("\nprobe \"").count() > 8);
    }
}

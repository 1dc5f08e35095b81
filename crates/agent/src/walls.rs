//! Closes the sandbox from inside: resource limits, landlock, seccomp.
//!
//! Namespaces and mounts (bubblewrap's) already decide what is there; these walls hold should one of them
//! have a hole. Landlock says once more which paths may be read and written, and that no signal or abstract
//! socket crosses; seccomp takes away the kernel surface that no tool needs ([`crate::syscalls`]).
//!
//! Never: goes on when a wall does not hold.

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, PathFdError, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};
use portcullis_model::agent::TaskSpec;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// The newest landlock that the rules below know. Newer kernels are asked for this much, older ones for what
/// they have: the doctor shows which.
const LANDLOCK: ABI = ABI::V6;
/// Open files per process. Terraform with many providers needs hundreds.
const FILES: u64 = 16_384;
/// Devices that may be written.
const DEVICES: [&str; 7] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/shm"];

/// Hides the agent from the programs that it starts, which share its user: without dump rights nobody may
/// trace it, read its memory or reach its channel through `/proc/1`.
pub fn hide() -> Result<(), String> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| format!("cannot become undumpable: {error}"))
}

/// Sets limits per process. Those of all processes together are control groups, outside.
pub fn limit() -> Result<(), String> {
    let files = getrlimit(Resource::Nofile).maximum.map_or(FILES, |most| most.min(FILES));
    for (resource, most) in [(Resource::Core, 0), (Resource::Nofile, files), (Resource::Msgqueue, 0)] {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
            .map_err(|error| format!("cannot limit {resource:?}: {error}"))?;
    }
    Ok(())
}

/// Closes the walls for this thread and all that it starts.
pub fn close(spec: &TaskSpec) -> Result<(), String> {
    landlock(spec).map_err(|error| format!("landlock: {error}"))?;
    crate::syscalls::close().map_err(|error| format!("seccomp: {error}"))
}

fn landlock(spec: &TaskSpec) -> Result<(), String> {
    let all = AccessFs::from_all(LANDLOCK);
    let rules = Ruleset::default()
        // The first version of landlock is required, the rest taken as the kernel has it.
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .map_err(|error| error.to_string())?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)
        .and_then(|rules| rules.scope(Scope::from_all(LANDLOCK)))
        .and_then(Ruleset::create)
        .map_err(|error| error.to_string())?;
    let read = AccessFs::from_read(LANDLOCK);
    let mut rules = rules;
    for path in &spec.read_only {
        rules = allow(rules, path, read)?;
    }
    for path in &spec.read_write {
        rules = allow(rules, path, all)?;
    }
    for path in DEVICES {
        rules = allow(rules, path, all)?;
    }
    let status = rules.restrict_self().map_err(|error| error.to_string())?;
    if status.ruleset == RulesetStatus::NotEnforced || !status.no_new_privs {
        return Err("the kernel did not enforce it".to_string());
    }
    Ok(())
}

fn allow(rules: RulesetCreated, path: &str, access: landlock::BitFlags<AccessFs>) -> Result<RulesetCreated, String> {
    let folder = match PathFd::new(path) {
        Ok(folder) => folder,
        // Not every host has `/lib32` or `/dev/tty`: what is not there needs no rule.
        Err(PathFdError::OpenCall { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(rules),
        Err(error) => return Err(error.to_string()),
    };
    let is_folder = std::fs::metadata(path).is_ok_and(|facts| facts.is_dir());
    let access = if is_folder { access } else { access & AccessFs::from_file(LANDLOCK) };
    rules.add_rule(PathBeneath::new(folder, access)).map_err(|error| format!("{path}: {error}"))
}

//! Which units a run is about, and in which order. Executes nothing of the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_engine::{NewTask, NewTaskKind, Prepared};
use portcullis_estate::{AffectedKind, Estate, affected, because};
use portcullis_model::record::{ProgramRun, RunRecord};
use portcullis_model::{ActionKind, Code, Digest, Fault, Place, Selection, TaskId, UnitPath};
use uuid::Uuid;

use super::Worker;
use crate::runner::definition::Definition;

/// Units with the reason why each is part of the run.
type Reasons = BTreeMap<UnitPath, String>;

/// Decides the units of a run.
///
/// # Errors
/// Those of git and of the estate, `PC-0107` for a unit that was named and is none.
pub async fn prepare(worker: &Worker, run: &RunRecord) -> Result<Prepared, Fault> {
    if let Some(program) = &run.program {
        return Ok(one_task(run.action.kind, program));
    }
    let definition = worker.definition(run).await?;
    let head = worker.estate(&definition, &run.commit).await?;
    let applied: BTreeMap<UnitPath, Digest> =
        worker.store.applied_list().await?.into_iter().map(|(unit, record)| (unit, record.input_digest)).collect();
    let deleted: Vec<UnitPath> = applied
        .keys()
        .filter(|unit| unit.is_within(&definition.account.path) && !head.units().contains_key(*unit))
        .cloned()
        .collect();
    let mut unaffected = None;
    let mut reasons = match (&run.action.selection, run.action.kind) {
        (Selection::All, _) => {
            head.units().keys().map(|unit| (unit.clone(), "all units were asked for".to_owned())).collect()
        }
        (_, ActionKind::Apply) => not_applied(&head, &applied),
        _ => {
            let (reasons, why_not) = changed(worker, run, &definition, &head, &applied).await?;
            unaffected = why_not;
            reasons
        }
    };
    if let Selection::Units(wanted) = &run.action.selection {
        if let Some(unit) = wanted.iter().find(|unit| !head.units().contains_key(*unit)) {
            return Err(Fault::new(Code::UNIT_UNKNOWN, format!("there is no unit {unit} at {}", run.commit.short()))
                .remedy("`portcullis units list` shows the units of a revision."));
        }
        reasons.retain(|unit, _| wanted.contains(unit));
    }
    let excluded = leave_out(&head, run.action.kind, &run.action.selection, &mut reasons);
    let mut tasks = tasks(&head, &reasons);
    if !matches!(run.action.selection, Selection::Units(_)) {
        tasks.extend(deleted.into_iter().map(|unit| NewTask {
            id: TaskId::from_uuid(Uuid::now_v7()),
            unit,
            after: Vec::new(),
            why: "its folder is gone, and it was applied: it needs destroy".to_owned(),
            kind: NewTaskKind::NeedsDestroy,
            input_digest: None,
        }));
    }
    let message = match (tasks.is_empty(), run.action.kind) {
        _ if !excluded.is_empty() => Some(left_out(&excluded)),
        (false, _) => None,
        (true, ActionKind::Apply) => {
            Some("nothing to apply: every unit's input digest is the last applied one".to_owned())
        }
        (true, _) => Some(unaffected.unwrap_or_else(|| {
            "nothing is affected: no unit's input digest differs from the protected branch".to_owned()
        })),
    };
    Ok(Prepared { message, tasks })
}

/// A declared action is one task. Its unit is the folder that it starts in: nothing else works on that meanwhile.
fn one_task(kind: ActionKind, program: &ProgramRun) -> Prepared {
    let task = NewTask {
        id: TaskId::from_uuid(Uuid::now_v7()),
        unit: program.folder.clone(),
        after: Vec::new(),
        why: format!("`{kind}` was asked for"),
        kind: NewTaskKind::Work,
        input_digest: None,
    };
    Prepared { message: None, tasks: vec![task] }
}

/// Takes away units that are excluded from the action, with those that an `exclude` block takes along. A unit that
/// was named is run all the same, unless the block keeps it from that: as in Terragrunt.
fn leave_out(
    head: &Estate,
    kind: ActionKind,
    selection: &Selection,
    reasons: &mut Reasons,
) -> BTreeMap<UnitPath, Place> {
    let command = kind.as_str();
    let named = matches!(selection, Selection::Units(_));
    let mut excluded = BTreeMap::new();
    for unit in head.units().values().flatten() {
        let Some(exclude) = unit.exclude.as_ref().filter(|exclude| exclude.covers(command)) else { continue };
        if !named || exclude.prevents(command) {
            excluded.insert(unit.path.clone(), exclude.place.clone());
        }
        if exclude.dependencies && !named {
            let along = unit.dependencies.iter().map(|dependency| dependency.target.clone());
            excluded.extend(along.map(|target| (target, exclude.place.clone())));
        }
    }
    excluded.retain(|unit, _| reasons.remove(unit).is_some());
    excluded
}

/// Says which units are left out, and by what.
fn left_out(excluded: &BTreeMap<UnitPath, Place>) -> String {
    const NAMED: usize = 5;
    let named: Vec<String> =
        excluded.iter().take(NAMED).map(|(unit, place)| format!("{unit} ({}:{})", place.file, place.line)).collect();
    let more = excluded.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("left out, as excluded: {}{more}", named.join(", "))
}

/// What a branch changes: its head against where it left the protected branch. On the protected branch
/// itself, what is not applied yet. Where that is nothing, also why.
async fn changed(
    worker: &Worker,
    run: &RunRecord,
    definition: &Definition,
    head: &Arc<Estate>,
    applied: &BTreeMap<UnitPath, Digest>,
) -> Result<(Reasons, Option<String>), Fault> {
    let protected = worker.mirror.branch(&definition.protected).await?;
    match worker.mirror.merge_base(&protected, &run.commit).await? {
        Some(base) if base == run.commit => Ok((not_applied(head, applied), None)),
        Some(base) => {
            let base = worker.estate(definition, &base).await?;
            let head = Arc::clone(head);
            let compare = move || {
                let mut found = affected(&base, &head);
                found.retain(|found| found.kind != AffectedKind::Deleted);
                if found.is_empty() {
                    return Ok((Reasons::new(), Some(why_nothing(&base, &head)?)));
                }
                let reasons = because(&base, &head, &found)?;
                let reasons = found.into_iter().zip(reasons).map(|(found, reasons)| (found.unit, one_line(&reasons)));
                Ok((reasons.collect(), None))
            };
            tokio::task::spawn_blocking(compare)
                .await
                .map_err(|error| Fault::internal(format!("comparing two estates: {error}")))?
        }
        None => {
            let why = "the branch has no history in common with the protected one";
            Ok((head.units().keys().map(|unit| (unit.clone(), why.to_owned())).collect(), None))
        }
    }
}

/// Why no unit is affected: files that units read and that differ, without a value of any unit being another one.
fn why_nothing(base: &Estate, head: &Estate) -> Result<String, Fault> {
    const NAMED: usize = 3;
    let mut readers: BTreeMap<&str, usize> = BTreeMap::new();
    for unit in head.units().values().flatten() {
        let files = unit.parts.files().map(|(file, _)| file);
        let files: BTreeSet<&str> = unit.reads.iter().map(String::as_str).chain(files).collect();
        files.into_iter().for_each(|file| *readers.entry(file).or_default() += 1);
    }
    let mut differ = Vec::new();
    for (file, units) in readers {
        if base.source().id(file)? != head.source().id(file)? {
            differ.push((file, units));
        }
    }
    if differ.is_empty() {
        return Ok("nothing is affected: no file differs that a unit of this account reads".to_owned());
    }
    let one = |(file, units): &(&str, usize)| {
        let units = if *units == 1 { "1 unit".to_owned() } else { format!("{units} units") };
        format!("{file}, which {units} {}", if units == "1 unit" { "reads" } else { "read" })
    };
    let named: Vec<String> = differ.iter().take(NAMED).map(one).collect();
    let more = differ.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(", and {more} more files") } else { String::new() };
    Ok(format!(
        "nothing is affected: what differs is {}{more}, and no unit's effective configuration changes",
        named.join("; ")
    ))
}

/// The first reason, and how many more there are.
fn one_line(reasons: &[String]) -> String {
    match reasons {
        [] => String::new(),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first}, and {} more", rest.len()),
    }
}

/// Units whose input digest is not the last applied one, and those that depend on them: their outputs may be
/// other ones then.
fn not_applied(head: &Estate, applied: &BTreeMap<UnitPath, Digest>) -> Reasons {
    let mut reasons = Reasons::new();
    for unit in head.order() {
        let own = match head.units().get(unit) {
            Some(Ok(known)) => match applied.get(unit) {
                None => Some("was never applied".to_owned()),
                Some(digest) if *digest != known.input_digest => {
                    Some("its input digest is not the last applied one".to_owned())
                }
                Some(_) => known
                    .dependencies
                    .iter()
                    .find(|dependency| reasons.contains_key(&dependency.target))
                    .map(|dependency| format!("depends on {}", dependency.target)),
            },
            Some(Err(_)) => Some("cannot be evaluated".to_owned()),
            None => None,
        };
        if let Some(why) = own {
            reasons.insert(unit.clone(), why);
        }
    }
    reasons
}

/// Tasks in dependency order. A unit waits for those of the run that it depends on, also through units that
/// are not part of the run.
fn tasks(head: &Estate, reasons: &Reasons) -> Vec<NewTask> {
    let mut tasks = Vec::new();
    for unit in head.order() {
        let Some(why) = reasons.get(unit) else { continue };
        let input_digest = head.units().get(unit).and_then(|known| known.as_ref().ok()).map(|known| known.input_digest);
        tasks.push(NewTask {
            id: TaskId::from_uuid(Uuid::now_v7()),
            unit: unit.clone(),
            after: after(head, reasons, unit),
            why: why.clone(),
            kind: NewTaskKind::Work,
            input_digest,
        });
    }
    tasks
}

fn after(head: &Estate, reasons: &Reasons, unit: &UnitPath) -> Vec<UnitPath> {
    let (mut found, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![unit.clone()]);
    while let Some(next) = open.pop() {
        let Some(Ok(known)) = head.units().get(&next) else { continue };
        for dependency in known.dependencies.iter().filter(|dependency| !dependency.foreign) {
            if reasons.contains_key(&dependency.target) {
                found.insert(dependency.target.clone());
            } else if seen.insert(dependency.target.clone()) {
                open.push(dependency.target.clone());
            }
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portcullis_estate::{DirSource, Settings};

    use super::*;

    #[test]
    fn what_is_excluded_is_left_out_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let put = |unit: &str, text: &str| {
            let at = folder.path().join(unit);
            std::fs::create_dir_all(&at).unwrap();
            std::fs::write(at.join("main.tf"), "").unwrap();
            std::fs::write(at.join("terragrunt.hcl"), text).unwrap();
        };
        let exclude = |rest: &str| format!("exclude {{\n  if = true\n  {rest}\n}}\n");
        put("apply", &exclude("actions = [\"apply\"]"));
        put("all", &exclude("actions = [\"all\"]\n  exclude_dependencies = true"));
        put("never", &exclude("actions = [\"all\"]\n  no_run = true"));
        put("below", "");
        put("free", &exclude("actions = [\"plan\"]").replace("true", "false"));
        let all = std::fs::read_to_string(folder.path().join("all/terragrunt.hcl")).unwrap();
        put("all", &format!("{all}dependencies {{\n  paths = [\"../below\"]\n}}\n"));
        let estate = Estate::load(Arc::new(DirSource::open(folder.path()).unwrap()), &Settings::default()).unwrap();
        let left = |kind, selection: &Selection| {
            let mut reasons: Reasons = estate.units().keys().map(|unit| (unit.clone(), String::new())).collect();
            let excluded = leave_out(&estate, kind, selection, &mut reasons);
            assert_eq!(excluded.len() + reasons.len(), 5);
            (reasons.into_keys().map(|unit| unit.to_string()).collect::<Vec<_>>(), left_out(&excluded))
        };
        assert_eq!(left(ActionKind::Plan, &Selection::All).0, ["apply", "free"]);
        let (units, said) = left(ActionKind::Apply, &Selection::Affected);
        assert_eq!(units, ["free"]);
        assert_eq!(
            said,
            "left out, as excluded: all (all/terragrunt.hcl:1), apply (apply/terragrunt.hcl:1), \
             below (all/terragrunt.hcl:1), never (never/terragrunt.hcl:1)"
        );
        // Named ones run, but for those that say they never do, or that list the action itself.
        let named = Selection::Units(estate.units().keys().cloned().collect());
        assert_eq!(left(ActionKind::Plan, &named).0, ["all", "apply", "below", "free"]);
        assert_eq!(left(ActionKind::Apply, &named).0, ["all", "below", "free"]);
    }
}

//! What a declared action comes to for one request: its values, checked, and its program's arguments.

use std::collections::BTreeMap;

use portcullis_estate::{Entry, GitSource, Source};
use portcullis_fleet::{Declared, ProgramWork, Work};
use portcullis_mirror::Mirror;
use portcullis_model::api::TriggerRequest;
use portcullis_model::parameter::{Type, Value, resolve};
use portcullis_model::record::ProgramRun;
use portcullis_model::run::Phase;
use portcullis_model::{ActionKind, BranchName, Code, CommitId, Fault, UnitPath};

use super::place;
use super::rules::Rules;

/// Values and program of a declared action.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub values: BTreeMap<String, Value>,
    /// The units among the values.
    pub units: Vec<UnitPath>,
    pub program: ProgramRun,
}

/// What an action that is offered comes to. `None` for `plan` and `apply`.
///
/// # Errors
/// `PC-0121` for one that is not offered, `PC-0120` for parameters that it does not take, `PC-0106` for a unit of
/// another account.
pub(super) fn chosen(kind: ActionKind, rules: &Rules, request: &TriggerRequest) -> Result<Option<Chosen>, Fault> {
    let Some(declared) = rules.declared.get(&kind) else { return Ok(None) };
    let values = resolve(&declared.parameters, &request.parameters)?;
    let units = of_type(declared, &values, |kind| *kind == Type::Unit);
    let units = units.iter().map(|(_, text)| UnitPath::parse(text)).collect::<Result<Vec<_>, _>>()?;
    units.iter().try_for_each(|unit| place::inside(unit, rules))?;
    let work = offered(kind, declared)?;
    let arguments = work.argv.arguments(&values)?;
    let program = ProgramRun {
        name: work.program.clone(),
        sha256: work.sha256,
        arguments,
        folder: work.working_directory.clone(),
        memory_mib: work.limits.memory_mib,
        disk_mib: work.limits.disk_mib,
        pids: work.limits.pids,
        cpu_percent: work.limits.cpu_percent,
        timeout_s: work.limits.timeout_s,
    };
    Ok(Some(Chosen { values, units, program }))
}

fn offered(kind: ActionKind, declared: &Declared) -> Result<&ProgramWork, Fault> {
    match (&declared.work, declared.not_offered()) {
        (Work::Program(work), None) => Ok(work),
        (_, why) => {
            let why = why.unwrap_or_else(|| "it has no executor".to_owned());
            Err(Fault::new(Code::ACTION_NOT_OFFERED, format!("`{kind}` is not offered yet: {why}"))
                .remedy("`portcullis describe` lists what can be asked for."))
        }
    }
}

/// Whether an action may only be asked for at a commit of the protected branch.
pub(super) fn needs_protected(kind: ActionKind, rules: &Rules) -> bool {
    kind == ActionKind::Apply
        || rules
            .declared
            .get(&kind)
            .is_some_and(|declared| matches!(&declared.work, Work::Program(work) if work.phase == Phase::Apply))
}

/// The parameters' single texts whose type is such.
fn of_type(
    declared: &Declared,
    values: &BTreeMap<String, Value>,
    wanted: impl Fn(&Type) -> bool,
) -> Vec<(String, String)> {
    let inner = |kind: &Type| match kind {
        Type::List { of, .. } | Type::Map { of, .. } => wanted(of),
        single => wanted(single),
    };
    let singles = |value: &Value| match value {
        Value::Map(map) => map.values().filter_map(Value::single).collect(),
        other => other.texts(),
    };
    let fitting = values.iter().filter(|(name, _)| declared.parameters.get(*name).is_some_and(|it| inner(&it.kind)));
    fitting.flat_map(|(name, value)| singles(value).into_iter().map(move |text| (name.clone(), text))).collect()
}

/// What values name in the repository is there: units and paths at the run's commit, branches and commits in the
/// runner's own clone. Tags are not looked up: the clone has none.
///
/// # Errors
/// `PC-0107`, `PC-0108`, `PC-0111`, `PC-0120`, and those of git.
pub(super) async fn exist(
    kind: ActionKind,
    rules: &Rules,
    values: &BTreeMap<String, Value>,
    mirror: &Mirror,
    commit: &CommitId,
) -> Result<(), Fault> {
    let Some(declared) = rules.declared.get(&kind) else { return Ok(()) };
    for (_, branch) in of_type(declared, values, |kind| *kind == Type::Branch) {
        mirror.branch(&BranchName::parse(&branch)?).await?;
    }
    for (name, text) in of_type(declared, values, |kind| *kind == Type::Commit) {
        if !mirror.has(&CommitId::parse(&text)?).await? {
            let message = format!("parameter `{name}`: \"{text}\" is refused: there is no such commit");
            return Err(Fault::new(Code::BAD_PARAMETER, message).remedy("Give a commit of a branch that is pushed."));
        }
    }
    let units = of_type(declared, values, |kind| *kind == Type::Unit);
    let paths = of_type(declared, values, |kind| matches!(kind, Type::Path { .. }));
    let folder = match &declared.work {
        Work::Program(work) => work.working_directory.clone(),
        Work::BuiltIn(_) => return Ok(()),
    };
    let (git_dir, commit) = (mirror.git_dir().to_owned(), commit.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let source = GitSource::open(&git_dir, &commit)?;
        for (_, unit) in units {
            place::exists(&source, &UnitPath::parse(&unit)?)?;
        }
        for (name, path) in paths {
            is_there(&source, &name, &path)?;
        }
        match kind_of(&source, folder.as_str())? {
            Some(Entry::Dir) => Ok(()),
            _ => Err(Fault::new(
                Code::BAD_REQUEST,
                format!("there is no folder `{folder}`, in which the action starts, at that commit"),
            )
            .remedy("Ask for it at a commit that has the folder, or change `working_directory`.")),
        }
    });
    looked.await.map_err(|_| Fault::internal("looking for what parameters name did not end"))?
}

fn kind_of(source: &dyn Source, path: &str) -> Result<Option<Entry>, Fault> {
    if path == "." { Ok(Some(Entry::Dir)) } else { source.read(path) }
}

/// The path is there, and no part of it is a symbolic link.
fn is_there(source: &dyn Source, name: &str, path: &str) -> Result<(), Fault> {
    let bad = |why: &str| {
        let message = format!("parameter `{name}`: {} is refused: {why}", portcullis_model::id::quoted(path));
        Err(Fault::new(Code::BAD_PARAMETER, message).remedy("Give a file or folder that the commit has."))
    };
    if path == "." {
        return Ok(());
    }
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    for end in ends {
        match source.read(path.get(..end).unwrap_or_default())? {
            Some(Entry::Dir) => {}
            Some(Entry::File { .. }) if end == path.len() => {}
            Some(Entry::Symlink { .. }) => return bad("a part of it is a symbolic link"),
            _ => return bad("it is not there at that commit"),
        }
    }
    Ok(())
}

//! Random estates and random edits: what is evaluated only where something changed is the same as what is evaluated
//! from nothing, and what is affected is what a naive evaluator says.
//!
//! A few seeds here; the ignored test runs many (`cargo xtask bench estate --properties`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use portcullis_estate::{Affected, AffectedKind, Cache, CacheLimits, Estate, GitObjects, Settings, Unit, affected};
use portcullis_model::{Code, CommitId, UnitPath};
use portcullis_testkit::TestRepo;
use portcullis_testkit::estate::{Edit, EditKind, EstateModel, Files, Random, import};
use serde_json::{Value as Json, json};

const UNITS: usize = 16;
const EDITS: usize = 10;

/// An estate and what became of it, edit by edit.
struct History {
    repo: TestRepo,
    states: Vec<Files>,
    edits: Vec<Edit>,
    commits: Vec<CommitId>,
    /// Units that are meant to be broken, by commit.
    broken: Vec<BTreeSet<String>>,
}

impl History {
    fn new(seed: u64, kinds: &[EditKind]) -> Self {
        let mut random = Random::new(seed);
        let mut model = EstateModel::new(seed, UNITS).with_odd_parts();
        let mut states = vec![model.files()];
        let mut broken = vec![model.broken_units()];
        let mut edits = Vec::new();
        for _ in 0..EDITS {
            edits.push(model.edit_as(*random.pick(kinds), &mut random));
            states.push(model.files());
            broken.push(model.broken_units());
        }
        let repo = TestRepo::new();
        let commits = import(&repo.remote(), &states);
        History { repo, states, edits, commits, broken }
    }

    fn objects(&self) -> Arc<GitObjects> {
        GitObjects::open(&self.repo.remote()).unwrap()
    }
}

fn load(objects: &Arc<GitObjects>, commit: &CommitId, cache: &Arc<Cache>) -> Estate {
    Estate::load_with(Arc::new(objects.commit(commit).unwrap()), &Settings::default(), cache).unwrap()
}

/// All that two loads must agree on.
fn assert_same(one: &Estate, other: &Estate, what: &str) {
    assert_eq!(one.order(), other.order(), "{what}");
    assert_eq!(one.faults(), other.faults(), "{what}");
    for (path, unit) in one.units() {
        let (one, other) = (format!("{unit:?}"), format!("{:?}", other.units().get(path).unwrap()));
        assert_eq!(one, other, "{what}: {path}");
    }
}

/// A unit's effective configuration as it is written out, and every file that a run of it has. Knows nothing of
/// digests, traces and caches.
fn naive(estate: &Estate, files: &Files) -> BTreeMap<UnitPath, Json> {
    let outputs = |unit: &UnitPath| json!({ "id": format!("id-of-{unit}") }).as_object().cloned();
    let effective = |path: &UnitPath| {
        if let Err(faults) = &estate.units()[path] {
            return json!({ "broken": format!("{faults:?}") });
        }
        let resolved = match estate.resolve(path, "plan", &outputs) {
            Ok(resolved) => Some(resolved),
            Err(fault) if is_inexact(estate, path) && fault.code() == Code::INEXACT => None,
            Err(fault) => panic!("{path}: {fault}"),
        };
        let inputs = resolved.as_ref().map(super::inputs);
        // Locals are rendered, and are no effect of their own.
        let mut rendered = estate.effective(path).unwrap().to_json();
        rendered.as_object_mut().unwrap().remove("locals");
        let mut run = BTreeSet::from([Path::new(path.as_str()).to_path_buf()]);
        if let Some(source) = resolved.as_ref().and_then(|resolved| resolved.source.as_ref()) {
            let module = Path::new(&source.shown()).to_path_buf();
            let main = files.get(&format!("{}/main.tf", source.shown())).unwrap();
            if main.contains("../naming") {
                run.insert(module.with_file_name("naming"));
            }
            run.insert(module);
        }
        let inside = |file: &str| Path::new(file).parent().is_some_and(|folder| run.contains(folder));
        let mut texts = Vec::new();
        texts_of(&rendered["inputs"], &mut texts);
        // A module may read a file whose path it is given.
        let named = |file: &str| texts.iter().any(|text| names(text, &format!("/repo/{file}")));
        let held: BTreeMap<&String, &String> = files
            .iter()
            .filter(|(file, _)| (inside(file) && !file.ends_with("terragrunt.hcl")) || named(file))
            .collect();
        // A dependency on a stack is one on each of its units, which no value shows.
        let unit = estate.units()[path].as_ref().unwrap();
        let after: Vec<String> = unit.dependencies.iter().map(|found| found.target.to_string()).collect();
        json!({ "rendered": rendered, "inputs": inputs, "files": held, "after": after })
    };
    estate.units().keys().map(|path| (path.clone(), effective(path))).collect()
}

fn is_inexact(estate: &Estate, path: &UnitPath) -> bool {
    estate.units().get(path).is_some_and(|unit| unit.as_ref().is_ok_and(|unit| !unit.is_exact()))
}

/// All texts in a value.
fn texts_of<'j>(json: &'j Json, texts: &mut Vec<&'j str>) {
    match json {
        Json::String(text) => texts.push(text),
        Json::Array(elements) => elements.iter().for_each(|element| texts_of(element, texts)),
        Json::Object(entries) => entries.values().for_each(|value| texts_of(value, texts)),
        _ => {}
    }
}

/// Whether a path occurs in a text, and not as the beginning of a longer one.
fn names(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let after = text[at + path.len()..].chars().next();
        after.is_none_or(|after| !(after.is_alphanumeric() || matches!(after, '/' | '-' | '_' | '.')))
    })
}

fn broken(estate: &Estate) -> Vec<String> {
    estate.units().iter().filter_map(|(path, unit)| Some(format!("{path}: {:?}", unit.as_ref().err()?))).collect()
}

#[test]
fn an_evaluation_of_what_changed_is_an_evaluation_from_nothing() {
    incremental_is_fresh(0..2);
}

#[test]
fn what_units_share_is_what_each_would_find_alone() {
    alone_is_the_same(400..402);
}

#[test]
fn a_unit_is_affected_if_and_only_if_the_naive_evaluator_says_that_it_differs() {
    affected_is_true(100..102);
}

#[test]
fn what_means_nothing_affects_nothing() {
    nothing_is_affected(200..202);
}

#[test]
fn what_is_on_disk_speeds_up_and_decides_nothing() {
    results_on_disk(300..301);
}

/// What a stack generates is in no commit; results rest on it all the same.
#[test]
fn units_of_stacks_are_evaluated_again_where_what_generates_them_differs() {
    let stack = |units: &[(&str, &str)]| {
        let unit = |(name, size): &(&str, &str)| {
            format!(
                "unit \"{name}\" {{\n  source = \"../templates/app\"\n  path = \"{name}\"\n  values = {{ size = \"{size}\" }}\n}}\n"
            )
        };
        units.iter().map(unit).collect::<String>()
    };
    let template = |extra: &str| {
        format!(
            "terraform {{\n  source = \"${{get_repo_root()}}/modules/app\"\n}}\ninputs = {{\n  size = values.size\n{extra}}}\n"
        )
    };
    let state = |stack: String, template: String, waits: &str| {
        Files::from([
            ("live/terragrunt.stack.hcl".to_owned(), stack),
            ("templates/app/terragrunt.hcl".to_owned(), template),
            ("modules/app/main.tf".to_owned(), "variable \"size\" {}\n".to_owned()),
            (
                "after/terragrunt.hcl".to_owned(),
                format!(
                    "terraform {{\n  source = \"../modules/app\"\n}}\ndependencies {{\n  paths = [\"{waits}\"]\n}}\n"
                ),
            ),
        ])
    };
    let states = [
        state(stack(&[("web", "1"), ("api", "1")]), template(""), "../live"),
        state(stack(&[("web", "2"), ("api", "1")]), template(""), "../live"),
        state(stack(&[("web", "2"), ("api", "1"), ("job", "1")]), template(""), "../live"),
        state(stack(&[("web", "2"), ("job", "1")]), template("  more = 1\n"), "../live"),
        state(format!("{}# a comment\n", stack(&[("web", "2"), ("job", "1")])), template("  more = 1\n"), "../live"),
        state(stack(&[("web", "2")]), template("  more = 1\n"), "../live/.terragrunt-stack/web"),
    ];
    let repo = TestRepo::new();
    let commits = import(&repo.remote(), &states);
    let objects = GitObjects::open(&repo.remote()).unwrap();
    let cache = Arc::new(Cache::default());
    let mut generated = BTreeSet::new();
    for at in (0..commits.len()).chain((0..commits.len()).rev()).chain([0, 3, 1, 5, 2]) {
        let incremental = load(&objects, &commits[at], &cache);
        let fresh = load(&objects, &commits[at], &Arc::default());
        assert_same(&incremental, &fresh, &format!("commit {at}"));
        // The template cannot stand for itself.
        assert!(broken(&fresh).iter().all(|fault| fault.starts_with("templates/app: ")), "{:?}", broken(&fresh));
        generated.extend(fresh.units().keys().map(ToString::to_string));
    }
    assert!(generated.contains("live/.terragrunt-stack/job"), "{generated:?}");
}

#[test]
#[ignore = "takes minutes"]
fn many_estates() {
    for seed in 1_000..1_100 {
        incremental_is_fresh(seed..seed + 1);
        alone_is_the_same(seed..seed + 1);
        affected_is_true(seed..seed + 1);
        nothing_is_affected(seed..seed + 1);
        results_on_disk(seed..seed + 1);
    }
}

fn incremental_is_fresh(seeds: Range<u64>) {
    for seed in seeds {
        let history = History::new(seed, &EditKind::ALL);
        let objects = history.objects();
        let cache = Arc::new(Cache::default());
        let mut reused = 0;
        // Forward, back and forth: results of any earlier commit may fit.
        let mut walk: Vec<usize> = (0..history.commits.len()).chain((0..history.commits.len()).rev()).collect();
        let mut random = Random::new(seed);
        walk.extend((0..8).map(|_| random.below(history.commits.len())));
        for at in walk {
            let incremental = load(&objects, &history.commits[at], &cache);
            let fresh =
                Estate::load(Arc::new(objects.commit(&history.commits[at]).unwrap()), &Settings::default()).unwrap();
            let names: BTreeSet<String> =
                fresh.units().iter().filter(|(_, unit)| unit.is_err()).map(|(path, _)| path.to_string()).collect();
            assert_eq!(names, history.broken[at], "seed {seed}, commit {at}: {:?}", broken(&fresh));
            assert_same(&incremental, &fresh, &format!("seed {seed}, commit {at}"));
            reused += incremental.units().len() - incremental.evaluated();
        }
        assert!(reused > UNITS * EDITS, "seed {seed}: only {reused} results were used again");
    }
}

/// Values that units have in common are evaluated once for all of them. A load of one unit has nothing to share.
fn alone_is_the_same(seeds: Range<u64>) {
    for seed in seeds {
        let history = History::new(seed, &EditKind::ALL);
        let objects = history.objects();
        for commit in [history.commits.first().unwrap(), history.commits.last().unwrap()] {
            let all = load(&objects, commit, &Arc::default());
            // What a stack generates is not there without the stack, and neither is what depends on it.
            let alone = |path: &&UnitPath| !path.as_str().contains(".terragrunt-stack") && path.as_str() != "odd/after";
            for path in all.units().keys().filter(alone) {
                let unit = &all.units()[path];
                let settings = Settings { within: path.to_string(), ..Settings::default() };
                let alone = Estate::load(Arc::new(objects.commit(commit).unwrap()), &settings).unwrap();
                let (unit, alone) = match (unit, &alone.units()[path]) {
                    (Ok(unit), Ok(alone)) => (unit, alone),
                    (unit, alone) => {
                        assert_eq!(format!("{unit:?}"), format!("{alone:?}"), "seed {seed}: {path}");
                        continue;
                    }
                };
                // What is not known rests on all files, those that stacks generate among them.
                if unit.is_exact() {
                    assert_eq!(unit.parts, alone.parts, "seed {seed}: {path}");
                }
                assert_eq!(unit.reads, alone.reads, "seed {seed}: {path}");
                assert_eq!(unit.inexact, alone.inexact, "seed {seed}: {path}");
                let targets =
                    |unit: &Unit| unit.dependencies.iter().map(|found| found.target.clone()).collect::<Vec<_>>();
                assert_eq!(targets(unit), targets(alone), "seed {seed}: {path}");
            }
        }
    }
}

fn affected_is_true(seeds: Range<u64>) {
    for seed in seeds {
        let history = History::new(seed, &EditKind::ALL);
        let objects = history.objects();
        let cache = Arc::new(Cache::default());
        let mut before: Option<(Estate, BTreeMap<UnitPath, Json>)> = None;
        for (at, commit) in history.commits.iter().enumerate() {
            let estate = load(&objects, commit, &cache);
            let truth = naive(&estate, &history.states[at]);
            if let Some((base, base_truth)) = before {
                let what = format!("seed {seed}, {:?}", history.edits[at - 1]);
                compare(&affected(&base, &estate), (&base, &base_truth), (&estate, &truth), &what);
            }
            before = Some((estate, truth));
        }
    }
}

fn compare(
    found: &[Affected],
    (base, base_truth): (&Estate, &BTreeMap<UnitPath, Json>),
    (head, truth): (&Estate, &BTreeMap<UnitPath, Json>),
    what: &str,
) {
    let of = |kind: AffectedKind| -> BTreeSet<&UnitPath> {
        found.iter().filter(|found| found.kind == kind).map(|found| &found.unit).collect()
    };
    let keys = |units: &BTreeMap<UnitPath, Json>| units.keys().cloned().collect::<BTreeSet<_>>();
    let (before, after) = (keys(base_truth), keys(truth));
    // A unit that moved is told of once, with where it was.
    let moved = found.iter().filter(|found| found.kind == AffectedKind::Moved).filter_map(|found| found.other.as_ref());
    let gone: BTreeSet<&UnitPath> = of(AffectedKind::Deleted).into_iter().chain(moved).collect();
    assert_eq!(gone, before.difference(&after).collect(), "{what}: deleted");
    let new = of(AffectedKind::Added).union(&of(AffectedKind::Moved)).copied().collect::<BTreeSet<_>>();
    assert_eq!(new, after.difference(&before).collect(), "{what}: added");
    let changed = of(AffectedKind::Changed);
    for (unit, effective) in truth {
        let Some(effective_before) = base_truth.get(unit) else { continue };
        let digest = |estate: &Estate| estate.units()[unit].as_ref().ok().map(|unit| unit.input_digest);
        let differs = effective != effective_before;
        if is_inexact(base, unit) || is_inexact(head, unit) {
            // Whatever it is made of may differ without a trace: only that nothing is missed can be asked for.
            assert!(changed.contains(unit) || !differs, "{what}: {unit} is missed");
            continue;
        }
        if digest(base).is_none() && digest(head).is_none() {
            assert_eq!(changed.contains(unit), differs, "{what}: {unit}, which is broken");
            continue;
        }
        assert_eq!(digest(base) != digest(head), differs, "{what}: the digest of {unit}");
        assert_eq!(changed.contains(unit), differs, "{what}: {unit}");
    }
}

fn nothing_is_affected(seeds: Range<u64>) {
    let kinds: Vec<EditKind> = EditKind::ALL.into_iter().filter(|kind| kind.means_nothing()).collect();
    for seed in seeds {
        let history = History::new(seed, &kinds);
        let objects = history.objects();
        let cache = Arc::new(Cache::default());
        let estates: Vec<Estate> = history.commits.iter().map(|commit| load(&objects, commit, &cache)).collect();
        for (at, pair) in estates.windows(2).enumerate() {
            let found = affected(&pair[0], &pair[1]);
            let exact: Vec<&Affected> = found.iter().filter(|found| !is_inexact(&pair[1], &found.unit)).collect();
            assert_eq!(exact, Vec::<&Affected>::new(), "seed {seed}, {:?}", history.edits[at]);
        }
    }
}

/// Each commit is loaded by another process, as far as the cache is concerned, which finds the file of the last one as
/// it was written, cut off, damaged or replaced.
fn results_on_disk(seeds: Range<u64>) {
    for seed in seeds {
        let history = History::new(seed, &EditKind::ALL);
        let objects = history.objects();
        let folder = tempfile::tempdir().unwrap();
        let mut random = Random::new(seed);
        for (at, commit) in history.commits.iter().enumerate() {
            let what = format!("seed {seed}, commit {at}");
            let fresh = Estate::load(Arc::new(objects.commit(commit).unwrap()), &Settings::default()).unwrap();
            let damage = spoil(folder.path(), &mut random);
            let cache = Arc::new(Cache::on_disk(CacheLimits::default(), folder.path(), "a"));
            let estate = load(&objects, commit, &cache);
            assert_same(&estate, &fresh, &what);
            let all = fresh.evaluated();
            if damage != Damage::None {
                assert_eq!(estate.evaluated(), all, "{what}: {damage:?} was not noticed");
            }
            cache.save(&Settings::default()).unwrap();
            let again = load(&objects, commit, &Arc::new(Cache::on_disk(CacheLimits::default(), folder.path(), "a")));
            assert_same(&again, &fresh, &what);
            assert_eq!(again.evaluated(), 0, "{what}");
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    None,
    Cut,
    Flipped,
    Replaced,
    OtherEvaluator,
}

fn spoil(folder: &Path, random: &mut Random) -> Damage {
    let Some(file) = std::fs::read_dir(folder).unwrap().next().map(|entry| entry.unwrap().path()) else {
        return Damage::None;
    };
    let mut bytes = std::fs::read(&file).unwrap();
    let damage = *random.pick(&[
        Damage::None,
        Damage::None,
        Damage::Cut,
        Damage::Flipped,
        Damage::Flipped,
        Damage::Replaced,
        Damage::OtherEvaluator,
    ]);
    match damage {
        Damage::None => {}
        Damage::Cut => bytes.truncate(random.below(bytes.len())),
        Damage::Flipped => {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        Damage::Replaced => bytes = b"{\"facts\": [], \"results\": []}".to_vec(),
        Damage::OtherEvaluator => bytes.insert(0, b'x'),
    }
    std::fs::write(&file, bytes).unwrap();
    damage
}

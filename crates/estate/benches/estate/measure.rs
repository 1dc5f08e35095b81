//! Loads and comparisons, timed.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use portcullis_estate::{Cache, Estate, GitObjects, Settings, affected};
use portcullis_model::CommitId;
use serde_json::{Value, json};

use crate::floor;

/// Of each the fastest of so many.
const TIMES: usize = 5;
/// Seconds after which a measurement is not repeated.
const PATIENCE_S: f64 = 6.0;

/// Everything, as one object. Times in seconds, memory in bytes.
pub fn all(git_dir: &Path) -> Value {
    let commits: Value =
        serde_json::from_slice(&std::fs::read(git_dir.join("portcullis-commits.json")).unwrap()).unwrap();
    let commit = |name: &str| CommitId::parse(commits[name].as_str().unwrap()).unwrap();
    let base = commit("base");
    let idle = memory("VmRSS");
    // The first cold load is the process's own memory; it is timed as the others are.
    let cold = |cache: &Arc<Cache>| load(&GitObjects::open(git_dir).unwrap(), &base, cache);
    let (first_s, estate) = timed(|| cold(&Arc::default()));
    let one = json!({ "resident": memory("VmRSS").saturating_sub(idle), "peak": memory("VmHWM").saturating_sub(idle) });
    let units = estate.units().len();
    let broken = estate.units().values().filter(|unit| unit.is_err()).count();
    assert_eq!(broken, 0, "{:?}", estate.units().values().find_map(|unit| unit.as_ref().err()));
    drop(estate);
    let cold_s = fastest(|| drop(cold(&Arc::default()))).min(first_s);
    let mut files = 0;
    let floor_s = fastest(|| files = floor::walk_read_parse(git_dir, &base));
    let warm: serde_json::Map<String, Value> = ["leaf", "envcommon", "root", "comment"]
        .map(|name| (name.to_owned(), changed(git_dir, &base, &commit(name))))
        .into_iter()
        .collect();
    json!({
        "units": units, "files": files, "floor_s": floor_s, "cold_s": cold_s, "warm": warm,
        "memory": one, "peak": memory("VmHWM"),
    })
}

/// One thing once, with what it took.
pub fn once(what: &str, git_dir: &Path) {
    let commits: Value =
        serde_json::from_slice(&std::fs::read(git_dir.join("portcullis-commits.json")).unwrap()).unwrap();
    let commit = |name: &str| CommitId::parse(commits[name].as_str().unwrap()).unwrap();
    let objects = GitObjects::open(git_dir).unwrap();
    let cache = Arc::default();
    let cold = || timed(|| load(&objects, &commit("base"), &cache));
    let seconds = match what {
        "cold" => cold().0,
        "floor" => timed(|| floor::walk_read_parse(git_dir, &commit("base"))).0,
        "disk" => {
            let folder = git_dir.with_extension("cache");
            let settings = Settings::default();
            let one = Arc::new(Cache::on_disk(portcullis_estate::CacheLimits::default(), &folder, "a"));
            load(&objects, &commit("base"), &one);
            let (save, ()) = timed(|| one.save(&settings).unwrap());
            let two = Arc::new(Cache::on_disk(portcullis_estate::CacheLimits::default(), &folder, "a"));
            let (again, estate) = timed(|| load(&objects, &commit("base"), &two));
            println!("saved in {:.1} ms, evaluated {} then", save * 1000.0, estate.evaluated());
            again
        }
        "diff" => {
            let before = cold().1;
            let after = load(&objects, &commit("root"), &cache);
            timed(|| portcullis_estate::diff(&before, &after).unwrap()).0
        }
        change => {
            let before = cold().1;
            timed(|| affected(&before, &load(&objects, &commit(change), &cache))).0
        }
    };
    println!("{what}: {:.1} ms", seconds * 1000.0);
}

fn load(objects: &Arc<GitObjects>, commit: &CommitId, cache: &Arc<Cache>) -> Estate {
    Estate::load_with(Arc::new(objects.commit(commit).unwrap()), &Settings::default(), cache).unwrap()
}

/// The units that a change affects, as a runner finds them that holds the estate before it.
fn changed(git_dir: &Path, base: &CommitId, head: &CommitId) -> Value {
    let mut seconds = f64::MAX;
    let (mut found, mut evaluated, mut spent) = (0, 0, 0.0);
    let mut diff_s = f64::MAX;
    for _ in 0..TIMES {
        let objects = GitObjects::open(git_dir).unwrap();
        let cache = Arc::default();
        let before = load(&objects, base, &cache);
        let (took, (after, units)) = timed(|| {
            let after = load(&objects, head, &cache);
            let units = affected(&before, &after);
            (after, units)
        });
        seconds = seconds.min(took);
        found = units.len();
        evaluated = after.evaluated();
        diff_s = diff_s.min(timed(|| portcullis_estate::diff(&before, &after).unwrap()).0);
        spent += took;
        if spent > PATIENCE_S {
            break;
        }
    }
    json!({ "affected": found, "evaluated": evaluated, "seconds": seconds, "effective_s": diff_s })
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let made = work();
    (start.elapsed().as_secs_f64(), made)
}

fn fastest(mut work: impl FnMut()) -> f64 {
    let (mut best, mut spent) = (f64::MAX, 0.0);
    for _ in 0..TIMES {
        let (seconds, ()) = timed(&mut work);
        best = best.min(seconds);
        spent += seconds;
        if spent > PATIENCE_S {
            break;
        }
    }
    best
}

/// A line of the process's status, in bytes.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

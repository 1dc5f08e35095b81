//! How long reads and writes take on a large record. Run by hand: `cargo test -p portcullis-store -- --ignored scale`.

use std::time::{Duration, Instant};

use portcullis_model::record::StepRecord;
use portcullis_model::{RunState, TaskState};

use crate::sample::{Folder, accept, run, run_id, task, task_id};

const RUNS: u128 = 2_000;
const TASKS: u128 = 50;

#[tokio::test]
#[ignore = "takes a minute"]
async fn pages_stay_fast_on_a_large_record() {
    let folder = Folder::new();
    let store = folder.open().await;
    let (mut accepts, mut steps) = (Vec::new(), Vec::new());
    for number in 0..RUNS {
        let start = Instant::now();
        store.run_accept(&accept(number)).await.unwrap();
        accepts.push(start.elapsed());
        let mut ended = run(number);
        ended.state = RunState::Succeeded;
        let tasks = (0..TASKS)
            .map(|index| {
                let mut one = task(number * TASKS + index, &ended, u32::try_from(index).unwrap());
                one.state = TaskState::Cancelled;
                one
            })
            .collect();
        let start = Instant::now();
        store.step_commit(&StepRecord { runs: vec![ended], tasks, ..Default::default() }).await.unwrap();
        steps.push(start.elapsed());
    }
    let (mut lists, mut details) = (Vec::new(), Vec::new());
    for number in (0..RUNS).step_by(7) {
        let start = Instant::now();
        assert_eq!(store.run_list(Some(run_id(number)), 50).await.unwrap().len() as u128, number.min(50));
        lists.push(start.elapsed());
        let start = Instant::now();
        assert_eq!(store.task_list(run_id(number)).await.unwrap().len() as u128, TASKS);
        store.task_get(task_id(number)).await.unwrap().unwrap();
        details.push(start.elapsed());
    }
    assert!(store.runs_unfinished().await.unwrap().is_empty());
    for (what, times) in
        [("accept", &mut accepts), ("step of 50", &mut steps), ("list", &mut lists), ("detail", &mut details)]
    {
        times.sort();
        let at = |part: usize| times[times.len() * part / 100];
        println!("{what}: p50 {:?}, p99 {:?}", at(50), at(99));
    }
    assert!(lists[lists.len() * 99 / 100] < Duration::from_millis(50));
    assert!(details[details.len() * 99 / 100] < Duration::from_millis(50));
}

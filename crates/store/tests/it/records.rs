//! Runs, tasks, events, decisions, tokens, plans.

use std::collections::BTreeMap;

use portcullis_model::api::CallView;
use portcullis_model::record::{AppliedRecord, StepRecord};
use portcullis_model::run::EventKind;
use portcullis_model::{Code, Digest, PlanSummary, RunState};
use portcullis_store::{Accepted, DecisionRecord, ModulePin, PLAN_PART_MAX_BYTES, PlanPurpose, PlanRecord, Store};

use crate::sample::{Folder, accept, at, commit, run, run_id, task, task_id, unit};

async fn decisions(store: &Store) -> usize {
    store.decision_list(None, 1000).await.unwrap().len()
}

#[tokio::test]
async fn a_run_is_accepted_with_all_that_belongs_to_it() {
    let folder = Folder::new();
    let store = folder.open().await;
    let first = accept(1);
    assert_eq!(store.run_accept(&first).await.unwrap(), Accepted::New);
    assert_eq!(store.run_get(run_id(1)).await.unwrap(), Some(first.run.clone()));
    assert_eq!(store.runs_unfinished().await.unwrap(), vec![(first.run.clone(), vec![])]);
    let events = store.event_list(run_id(1), 0, 10).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].id, &events[0].event), (1, &EventKind::Run { state: RunState::Accepted, message: None }));
    assert_eq!(store.decision_list(None, 10).await.unwrap(), vec![(2, first.decision.clone())]);

    let token = first.read_token.unwrap();
    assert!(store.read_token_check(run_id(1), &token.digest, at(0)).await.unwrap());
    assert!(!store.read_token_check(run_id(1), &token.digest, token.expires_at).await.unwrap());
    assert!(!store.read_token_check(run_id(2), &token.digest, at(0)).await.unwrap());
    assert!(!store.read_token_check(run_id(1), &Digest::of(b"guess"), at(0)).await.unwrap());
}

#[tokio::test]
async fn a_token_is_used_once_and_a_repeated_request_is_the_same_run() {
    let folder = Folder::new();
    let store = folder.open().await;
    let first = accept(1);
    store.run_accept(&first).await.unwrap();

    // The very same request again, token and all: the answer was lost on the way.
    assert_eq!(store.run_accept(&first).await.unwrap(), Accepted::Existing(run_id(1)));
    // Again with a new token: the token counts as used.
    let mut again = accept(2);
    again.idempotency = first.idempotency.clone();
    assert_eq!(store.run_accept(&again).await.unwrap(), Accepted::Existing(run_id(1)));
    again.idempotency = None;
    assert_eq!(store.run_accept(&again).await.unwrap(), Accepted::Replayed);
    // The same key for another request.
    let mut other = accept(3);
    other.idempotency = first.idempotency.clone();
    other.idempotency.as_mut().unwrap().request = Digest::of(b"another request");
    assert_eq!(store.run_accept(&other).await.unwrap(), Accepted::Conflict);
    // The same token for another request.
    let mut replay = accept(4);
    replay.token = first.token.clone();
    let before = decisions(&store).await;
    assert_eq!(store.run_accept(&replay).await.unwrap(), Accepted::Replayed);

    assert_eq!(decisions(&store).await, before);
    assert_eq!(store.run_list(None, 10).await.unwrap().len(), 1);
    // What was refused left nothing behind: the token of the conflict is unused, the key of the replay free.
    other.idempotency = replay.idempotency;
    assert_eq!(store.run_accept(&other).await.unwrap(), Accepted::New);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_requests_with_one_token_one_wins() {
    let folder = Folder::new();
    let store = folder.open().await;
    let mut requests = tokio::task::JoinSet::new();
    for number in 0..40 {
        let store = store.clone();
        let mut one = accept(number);
        one.token = accept(0).token;
        requests.spawn(async move { store.run_accept(&one).await.unwrap() });
    }
    let answers = requests.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Accepted::New).count(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == Accepted::Replayed).count(), 39);
    assert_eq!(store.run_list(None, 100).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_transaction_open() {
    let folder = Folder::new();
    let store = folder.open().await;
    for polls in 1..30u128 {
        let one = accept(polls);
        let mut accepting = Box::pin(store.run_accept(&one));
        for _ in 0..polls {
            if futures_poll(accepting.as_mut()).await {
                break;
            }
        }
        drop(accepting);
        // A commit that was under way ends before the next writer's turn.
        store.token_use("another", at(300), at(0)).await.unwrap();
        // Whole or not at all.
        let known = store.run_get(run_id(polls)).await.unwrap().is_some();
        assert_eq!(store.event_list(run_id(polls), 0, 9).await.unwrap().len(), usize::from(known));
        let fresh = store.token_use(&format!("token-{polls}"), at(300), at(0)).await.unwrap();
        assert_eq!(fresh, !known);
    }
}

/// Polls once and lets others run. Whether it is done.
async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
    let done = std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_ready())).await;
    tokio::task::yield_now().await;
    done
}

#[tokio::test]
async fn used_tokens_are_forgotten_long_after_they_expired() {
    let folder = Folder::new();
    let store = folder.open().await;
    assert!(store.token_use("a", at(300), at(0)).await.unwrap());
    assert!(!store.token_use("a", at(300), at(10)).await.unwrap());
    assert!(!store.token_use("a", at(300), at(300 + 3600)).await.unwrap());
    assert!(store.token_use("a", at(300), at(300 + 3601)).await.unwrap());
}

#[tokio::test]
async fn a_step_is_committed_whole_and_its_events_are_numbered_within_their_run() {
    let folder = Folder::new();
    let store = folder.open().await;
    for number in [1, 2] {
        store.run_accept(&accept(number)).await.unwrap();
    }
    let mut first = run(1);
    first.state = RunState::Running;
    let event = |state| EventKind::Run { state, message: None };
    let mut waiting = task(10, &first, 0);
    let step = StepRecord {
        runs: vec![first.clone()],
        tasks: vec![task(11, &first, 1), waiting.clone()],
        events: vec![
            (run_id(1), at(1), event(RunState::Running)),
            (run_id(2), at(1), event(RunState::Running)),
            (run_id(1), at(2), event(RunState::Held)),
        ],
        applied: vec![applied(1)],
    };
    let views = store.step_commit(&step).await.unwrap();
    assert_eq!(
        views.iter().map(|(run, view)| (*run, view.id)).collect::<Vec<_>>(),
        [(run_id(1), 2), (run_id(2), 2), (run_id(1), 3)]
    );
    assert_eq!(store.event_list(run_id(1), 1, 1).await.unwrap(), [views[0].1.clone()]);
    assert_eq!(store.event_list(run_id(1), 2, 10).await.unwrap(), [views[2].1.clone()]);
    assert_eq!(store.event_list(run_id(1), u64::MAX, 10).await.unwrap(), []);
    assert_eq!(store.task_list(run_id(1)).await.unwrap(), [waiting.clone(), task(11, &first, 1)]);
    assert_eq!(store.applied_get(&unit("dev/vpc")).await.unwrap(), Some(applied(1)));

    // A step of which one part is impossible changes nothing.
    waiting.attempt = 2;
    store.step_commit(&StepRecord { tasks: vec![waiting.clone()], ..Default::default() }).await.unwrap();
    let mut ended = first.clone();
    ended.state = RunState::Succeeded;
    let mut stale = waiting.clone();
    stale.attempt = 1;
    let bad = StepRecord {
        runs: vec![ended.clone()],
        tasks: vec![stale],
        events: vec![(run_id(1), at(3), event(RunState::Succeeded))],
        applied: vec![applied(2)],
    };
    assert_eq!(store.step_commit(&bad).await.unwrap_err().code(), Code::INTERNAL);
    let strayed = StepRecord { events: vec![(run_id(99), at(3), event(RunState::Failed))], ..Default::default() };
    assert_eq!(store.step_commit(&strayed).await.unwrap_err().code(), Code::STORE);
    assert_eq!(store.run_get(run_id(1)).await.unwrap(), Some(first));
    assert_eq!(store.task_get(task_id(10)).await.unwrap(), Some(waiting));
    assert_eq!(store.event_list(run_id(1), 3, 10).await.unwrap(), []);
    assert_eq!(store.applied_list().await.unwrap(), BTreeMap::from([(unit("dev/vpc"), applied(1))]));

    store.step_commit(&StepRecord { runs: vec![ended], ..Default::default() }).await.unwrap();
    let left: Vec<_> = store.runs_unfinished().await.unwrap().into_iter().map(|(run, _)| run.id).collect();
    assert_eq!(left, [run_id(2)]);
}

fn applied(number: u128) -> AppliedRecord {
    AppliedRecord {
        unit: unit("dev/vpc"),
        input_digest: Digest::of(&number.to_be_bytes()),
        commit: commit(),
        run: run_id(1),
        at: at(1),
    }
}

#[tokio::test]
async fn lists_go_backwards_in_pages_without_gap_or_overlap() {
    let folder = Folder::new();
    let store = folder.open().await;
    for number in 1..=25 {
        store.run_accept(&accept(number)).await.unwrap();
    }
    let (mut runs, mut before) = (Vec::new(), None);
    loop {
        let page = store.run_list(before, 10).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        runs.extend(page.iter().map(|run| run.id));
    }
    assert_eq!(runs, (1..=25).rev().map(run_id).collect::<Vec<_>>());
    let page = store.decision_list(Some(24), 2).await.unwrap();
    assert_eq!(page.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [23, 22]);
}

#[tokio::test]
async fn a_decision_keeps_no_more_of_a_caller_than_it_needs() {
    let folder = Folder::new();
    let store = folder.open().await;
    let huge = DecisionRecord { reference: Some("ü".repeat(1 << 20)), reason: "x".into(), ..Default::default() };
    let number = store.decision_insert(&huge).await.unwrap();
    let (known, kept) = store.decision_list(None, 1).await.unwrap().remove(0);
    assert_eq!(known, number);
    assert!(kept.reference.unwrap().len() <= 2048 + '…'.len_utf8());
    assert_eq!(kept.reason, "x");
}

fn plan(digest: &[u8], of: &str) -> PlanRecord {
    PlanRecord {
        digest: Digest::of(digest),
        unit: unit(of),
        run: run_id(1),
        task: task_id(1),
        commit: commit(),
        input_digest: Digest::of(b"input"),
        outputs_digest: Digest::of(b"outputs"),
        lock_digest: None,
        module: Some(ModulePin { resolved: "commit 1 of x".into(), digest: Digest::of(b"module") }),
        state_serial: Some(3),
        state_lineage: Some("l-1".into()),
        state_version: Some(2),
        mocked: vec![unit("dev/vpc")],
        summary: PlanSummary { add: 1, ..Default::default() },
        tool: "terraform 1.11.4".into(),
        purpose: PlanPurpose::Plan,
        created_at: at(0),
    }
}

#[tokio::test]
async fn plans_are_found_by_input_newest_first_and_open_by_part() {
    let folder = Folder::new();
    let store = folder.open().await;
    let parts = |text: &str| BTreeMap::from([("plan".to_string(), text.into()), ("lock".to_string(), Vec::new())]);
    store.plan_insert(&plan(b"one", "dev/db"), parts("hunter2")).await.unwrap();
    store.plan_insert(&plan(b"two", "dev/db"), parts("b")).await.unwrap();
    store.plan_insert(&plan(b"three", "dev/app"), parts("c")).await.unwrap();
    // Again: nothing changes.
    store.plan_insert(&plan(b"one", "dev/db"), parts("changed")).await.unwrap();

    let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
    let found = store.plan_find(&unit("dev/db"), &Digest::of(b"input")).await.unwrap();
    assert_eq!(found, [plan(b"two", "dev/db"), plan(b"one", "dev/db")]);
    assert_eq!(store.plan_find(&unit("dev/db"), &Digest::of(b"other")).await.unwrap(), []);
    assert_eq!(store.plan_get(&two).await.unwrap(), Some(plan(b"two", "dev/db")));
    assert_eq!(store.plan_part(&one, "plan").await.unwrap(), Some(b"hunter2".to_vec()));
    assert_eq!(store.plan_part(&one, "lock").await.unwrap(), Some(Vec::new()));
    assert_eq!(store.plan_part(&one, "change").await.unwrap(), None);
    assert_eq!(store.plan_part(&Digest::of(b"none"), "plan").await.unwrap(), None);

    let stolen = store.plan_insert(&plan(b"one", "prod/db"), parts("x")).await.unwrap_err();
    assert_eq!(stolen.code(), Code::INTERNAL);
    let huge = BTreeMap::from([("plan".to_string(), vec![0; PLAN_PART_MAX_BYTES + 1])]);
    let refused = store.plan_insert(&plan(b"four", "dev/db"), huge).await.unwrap_err();
    assert_eq!(refused.code(), Code::STATE_TOO_LARGE);
    assert_eq!(store.plan_get(&Digest::of(b"four")).await.unwrap(), None);
}

#[tokio::test]
async fn the_cache_gives_back_what_it_kept() {
    let folder = Folder::new();
    let store = folder.open().await;
    let key = Digest::of(b"init");
    assert_eq!(store.cache_get(&key).await.unwrap(), None);
    assert!(store.cache_put(&key, b"one".to_vec()).await.unwrap());
    assert!(store.cache_put(&key, b"two".to_vec()).await.unwrap());
    assert_eq!(store.cache_get(&key).await.unwrap(), Some(b"two".to_vec()));
}

#[tokio::test]
async fn the_calls_of_a_run_are_kept_in_order_and_read_by_pages() {
    let folder = Folder::new();
    let store = folder.open().await;
    for run in [1, 2] {
        store.run_accept(&accept(run)).await.unwrap();
    }
    let call = |path: &str| CallView {
        unit: unit("dev/vpc"),
        task: task_id(1),
        at: at(0).to_string(),
        method: "GET".into(),
        host: "git.example".into(),
        path: path.into(),
        operation: Some("s3:GetObject".into()),
        resource: None,
        rule: "state".into(),
        refused: None,
        status: 200,
        sent_bytes: 0,
        received_bytes: 1,
        repeated: 0,
    };
    store.calls_insert(run_id(1), &[call("/a"), call("/b")]).await.unwrap();
    store.calls_insert(run_id(2), &[call("/other")]).await.unwrap();
    store.calls_insert(run_id(1), &[call("/c")]).await.unwrap();
    store.calls_insert(run_id(1), &[]).await.unwrap();
    let first = store.call_list(run_id(1), 0, 2).await.unwrap();
    assert_eq!(first.iter().map(|(_, call)| call.path.as_str()).collect::<Vec<_>>(), ["/a", "/b"]);
    assert_eq!(first[0].1, call("/a"));
    let rest = store.call_list(run_id(1), first[1].0, 2).await.unwrap();
    assert_eq!(rest.iter().map(|(_, call)| call.path.as_str()).collect::<Vec<_>>(), ["/c"]);
}

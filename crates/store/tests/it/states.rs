//! The state store: versions and locks.

use portcullis_model::Code;
use portcullis_model::state::{LockInfo, STATE_MAX_BYTES};
use portcullis_store::{LockOutcome, UnlockOutcome};

use crate::sample::{Folder, at, state, task_id, unit};

fn lock(id: &str) -> LockInfo {
    LockInfo::parse(format!(r#"{{"ID":"{id}","Operation":"OperationTypeApply","Who":"a@b"}}"#).as_bytes()).unwrap()
}

#[tokio::test]
async fn every_version_of_a_state_is_kept() {
    let folder = Folder::new();
    let store = folder.open().await;
    let db = unit("dev/db");
    assert_eq!(store.state_get(&db).await.unwrap(), None);
    for serial in 1..=3 {
        let info = store.state_put(&db, task_id(1), None, &state(serial), at(1)).await.unwrap();
        assert_eq!((info.version, info.serial, info.lineage.as_str()), (serial as i64, serial, "l-1"));
    }
    store.state_put(&unit("dev/vpc"), task_id(2), None, &state(9), at(2)).await.unwrap();

    let newest = store.state_get(&db).await.unwrap().unwrap();
    assert_eq!((newest.bytes, newest.info.version), (state(3), 3));
    assert_eq!(store.state_get_version(&db, 1).await.unwrap().unwrap().bytes, state(1));
    assert_eq!(store.state_get_version(&db, 4).await.unwrap(), None);
    assert_eq!(store.state_info(&db).await.unwrap(), Some(newest.info));
    let versions = store.state_versions(&db, Some(3), 10).await.unwrap();
    assert_eq!(versions.iter().map(|info| info.version).collect::<Vec<_>>(), [2, 1]);
    let list = store.state_list().await.unwrap();
    let list: Vec<_> = list.iter().map(|(unit, info)| (unit.as_str(), info.version, info.serial)).collect();
    assert_eq!(list, [("dev/db", 3, 3), ("dev/vpc", 1, 9)]);
}

#[tokio::test]
async fn what_is_no_state_is_refused_and_the_refusal_quotes_nothing_of_it() {
    let folder = Folder::new();
    let store = folder.open().await;
    let db = unit("dev/db");
    for (bytes, code) in [
        (&b""[..], Code::BAD_REQUEST),
        (b"hunter2", Code::BAD_REQUEST),
        (br#"{"serial":"hunter2","lineage":"x"}"#, Code::BAD_REQUEST),
        (br#"{"serial":-1,"lineage":"x"}"#, Code::BAD_REQUEST),
        (br#"{"serial":1,"lineage":""}"#, Code::BAD_REQUEST),
        (br#"{"serial":99999999999999999999,"lineage":"x"}"#, Code::BAD_REQUEST),
        (&state(1)[..40], Code::BAD_REQUEST),
        (&vec![b' '; STATE_MAX_BYTES + 1], Code::STATE_TOO_LARGE),
    ] {
        let fault = store.state_put(&db, task_id(1), None, bytes, at(0)).await.unwrap_err();
        assert_eq!(fault.code(), code);
        assert!(!fault.to_string().contains("hunter2"), "{fault}");
    }
    assert_eq!(store.state_get(&db).await.unwrap(), None);
}

#[tokio::test]
async fn a_lock_is_held_by_one_task_under_one_id() {
    let folder = Folder::new();
    let store = folder.open().await;
    let (db, one, two) = (unit("dev/db"), task_id(1), task_id(2));
    let taken = |outcome| assert_eq!(outcome, LockOutcome::Taken);
    taken(store.state_lock(&db, one, &lock("a"), at(0)).await.unwrap());
    // The tool asks again because it did not get the answer.
    taken(store.state_lock(&db, one, &lock("a"), at(1)).await.unwrap());
    // Another lock, or the same id named by another task.
    for (task, id) in [(one, "b"), (two, "a"), (two, "b")] {
        let LockOutcome::Held(holder) = store.state_lock(&db, task, &lock(id), at(1)).await.unwrap() else {
            panic!("{task} {id} took it");
        };
        assert_eq!((holder.task, &holder.info, holder.at), (one, &lock("a"), at(0)));
    }
    taken(store.state_lock(&unit("dev/vpc"), two, &lock("a"), at(0)).await.unwrap());

    for (task, id) in [(one, "b"), (two, "a")] {
        assert!(matches!(store.state_unlock(&db, task, id).await.unwrap(), UnlockOutcome::Held(_)));
    }
    assert_eq!(store.state_unlock(&db, one, "a").await.unwrap(), UnlockOutcome::Released);
    assert_eq!(store.state_unlock(&db, one, "a").await.unwrap(), UnlockOutcome::NotLocked);
    taken(store.state_lock(&db, two, &lock("b"), at(2)).await.unwrap());
    assert_eq!(store.state_unlock_task(one).await.unwrap(), []);
    assert_eq!(store.state_lock_list().await.unwrap().len(), 2);
    let mut units = store.state_unlock_task(two).await.unwrap();
    units.sort();
    assert_eq!(units, [db, unit("dev/vpc")]);
    assert_eq!(store.state_lock_list().await.unwrap(), []);
}

#[tokio::test]
async fn a_write_needs_the_lock_that_is_held_and_notices_one_that_was_stolen() {
    let folder = Folder::new();
    let store = folder.open().await;
    let (db, one, two) = (unit("dev/db"), task_id(1), task_id(2));
    store.state_lock(&db, one, &lock("a"), at(0)).await.unwrap();
    store.state_put(&db, one, Some("a"), &state(1), at(1)).await.unwrap();
    for (task, id) in [(one, None), (one, Some("b")), (two, Some("a")), (two, None)] {
        let fault = store.state_put(&db, task, id, &state(2), at(1)).await.unwrap_err();
        assert_eq!(fault.code(), Code::STATE_LOCKED, "{task} {id:?}");
    }
    // Task one's lock is broken, and task two takes it: what one still sends is refused, before and after.
    store.state_unlock_task(one).await.unwrap();
    assert_eq!(store.state_put(&db, one, Some("a"), &state(2), at(2)).await.unwrap_err().code(), Code::STATE_LOCKED);
    store.state_lock(&db, two, &lock("c"), at(2)).await.unwrap();
    assert_eq!(store.state_put(&db, one, Some("a"), &state(2), at(2)).await.unwrap_err().code(), Code::STATE_LOCKED);
    assert_eq!(store.state_put(&db, one, Some("c"), &state(2), at(2)).await.unwrap_err().code(), Code::STATE_LOCKED);
    store.state_put(&db, two, Some("c"), &state(2), at(3)).await.unwrap();
    assert_eq!(store.state_info(&db).await.unwrap().unwrap().version, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_tasks_one_gets_the_lock() {
    let folder = Folder::new();
    let store = folder.open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..30 {
        let store = store.clone();
        tasks.spawn(async move {
            let lock = lock(&number.to_string());
            store.state_lock(&unit("dev/db"), task_id(number), &lock, at(0)).await.unwrap() == LockOutcome::Taken
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|taken| *taken).count(), 1);
}

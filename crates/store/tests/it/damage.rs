//! What a damaged, foreign or shared data folder does: a fault that says so, never a wrong answer.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use portcullis_model::{Code, Digest};
use portcullis_store::Store;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use crate::sample::{Folder, accept, at, run_id, state, task_id, unit};

async fn refused(folder: &Folder) -> Code {
    Store::open(&folder.data(), &folder.key()).await.err().expect("it was opened").code()
}

async fn raw(folder: &Folder) -> SqliteConnection {
    SqliteConnectOptions::new().filename(folder.data().join("portcullis.db")).connect().await.unwrap()
}

async fn execute(folder: &Folder, statement: &'static str) {
    let mut connection = raw(folder).await;
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn one_process_has_the_folder() {
    let folder = Folder::new();
    let store = folder.open().await;
    assert_eq!(refused(&folder).await, Code::DATA_IN_USE);
    // Removing whatever looks like a lock file does not help.
    for entry in fs::read_dir(folder.data()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("lock") {
            fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(refused(&folder).await, Code::DATA_IN_USE);
    store.close().await;
    assert_eq!(store.run_get(run_id(1)).await.unwrap_err().code(), Code::SHUTTING_DOWN);
    folder.open().await;
}

#[tokio::test]
async fn a_newer_or_foreign_database_is_not_touched() {
    let folder = Folder::new();
    folder.open().await.close().await;
    execute(&folder, "PRAGMA user_version = 99").await;
    assert_eq!(refused(&folder).await, Code::DATA_VERSION);
    execute(&folder, "PRAGMA user_version = 1; PRAGMA application_id = 7").await;
    assert_eq!(refused(&folder).await, Code::STORE);

    let folder = Folder::new();
    fs::create_dir(folder.data()).unwrap();
    fs::write(folder.key(), "").unwrap();
    fs::remove_file(folder.key()).unwrap();
    execute_create(&folder).await;
    assert_eq!(refused(&folder).await, Code::SEAL_BROKEN);
}

async fn execute_create(folder: &Folder) {
    let options = SqliteConnectOptions::new().filename(folder.data().join("portcullis.db")).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql("CREATE TABLE other (x)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn the_key_must_be_the_one_that_sealed_the_folder() {
    let folder = Folder::new();
    folder.open().await.close().await;
    let key = fs::read(folder.key()).unwrap();
    fs::remove_file(folder.key()).unwrap();
    assert_eq!(refused(&folder).await, Code::SEAL_BROKEN);
    assert!(!folder.key().exists(), "a new key was made over sealed data");

    let other = Folder::new();
    other.open().await.close().await;
    fs::copy(other.key(), folder.key()).unwrap();
    assert_eq!(refused(&folder).await, Code::SEAL_BROKEN);
    fs::write(folder.key(), key).unwrap();
    folder.open().await;
}

#[tokio::test]
async fn a_sealed_object_that_was_changed_or_moved_does_not_open() {
    let folder = Folder::new();
    let store = folder.open().await;
    for name in ["dev/a", "dev/b", "dev/c"] {
        store.state_put(&unit(name), task_id(1), None, &state(1), at(0)).await.unwrap();
        store.state_put(&unit(name), task_id(1), None, &state(2), at(0)).await.unwrap();
    }
    store.close().await;
    execute(
        &folder,
        "UPDATE state SET sealed = (SELECT sealed FROM state WHERE unit = 'dev/c' AND version = 2) WHERE unit = 'dev/b';
         UPDATE state SET sealed = (SELECT sealed FROM state WHERE unit = 'dev/c' AND version = 1)
             WHERE unit = 'dev/c' AND version = 2;",
    )
    .await;
    let mut connection = raw(&folder).await;
    let mut sealed: Vec<u8> = sqlx::query_scalar("SELECT sealed FROM state WHERE unit = 'dev/a' AND version = 2")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    sealed[40] ^= 1;
    sqlx::query("UPDATE state SET sealed = ? WHERE unit = 'dev/a'")
        .bind(sealed)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let store = folder.open().await;
    for name in ["dev/a", "dev/b", "dev/c"] {
        let fault = store.state_get(&unit(name)).await.unwrap_err();
        assert_eq!(fault.code(), Code::SEAL_BROKEN, "{name}");
        assert!(fault.message().contains(name), "{fault}");
    }
    assert_eq!(store.state_get_version(&unit("dev/c"), 1).await.unwrap().unwrap().bytes, state(1));
}

#[tokio::test]
async fn secrets_are_nowhere_in_the_clear() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.state_put(&unit("dev/a"), task_id(1), None, &state(1), at(0)).await.unwrap();
    store.cache_put(&Digest::of(b"x"), b"hunter2".repeat(9)).await.unwrap();
    store.close().await;
    let mut folders = vec![folder.data()];
    while let Some(dir) = folders.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{}", path.display());
            }
        }
    }
}

#[tokio::test]
async fn a_damaged_database_is_named() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.run_accept(&accept(1)).await.unwrap();
    store.close().await;
    let path = folder.data().join("portcullis.db");
    let whole = fs::read(&path).unwrap();

    fs::write(&path, b"this is no database, and longer than a header of one hundred bytes would be ".repeat(3))
        .unwrap();
    assert_eq!(refused(&folder).await, Code::STORE);
    // Every page but the first is overwritten.
    let mut torn = whole.clone();
    torn[4096..].fill(0xa5);
    fs::write(&path, torn).unwrap();
    assert_eq!(refused(&folder).await, Code::STORE);
    // A record that is no JSON of ours.
    fs::write(&path, &whole).unwrap();
    execute(&folder, "UPDATE run SET body = '{}'").await;
    let store = folder.open().await;
    assert_eq!(store.run_get(run_id(1)).await.unwrap_err().code(), Code::STORE);
    assert_eq!(store.runs_unfinished().await.unwrap_err().code(), Code::STORE);
}

#[tokio::test]
async fn a_damaged_item_of_the_cache_is_only_absent() {
    let folder = Folder::new();
    let store = folder.open().await;
    let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
    store.cache_put(&one, b"content".to_vec()).await.unwrap();
    store.cache_put(&two, b"content".to_vec()).await.unwrap();
    let path = |name: &Digest| folder.data().join("cache").join(name.to_string());
    // One for the other, and one cut short.
    fs::copy(path(&one), path(&two)).unwrap();
    fs::write(path(&one), &fs::read(path(&one)).unwrap()[..20]).unwrap();
    for name in [one, two] {
        assert_eq!(store.cache_get(&name).await.unwrap(), None);
        assert!(!path(&name).exists());
    }
    fs::write(folder.data().join("cache").join("3.draft"), b"left by a crash").unwrap();
    store.close().await;
    folder.open().await;
    assert!(!folder.data().join("cache").join("3.draft").exists());
}

#[tokio::test]
async fn a_folder_that_anybody_may_write_to_is_refused() {
    let folder = Folder::new();
    fs::create_dir(folder.data()).unwrap();
    fs::set_permissions(folder.data(), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(refused(&folder).await, Code::STORE);
    assert!(!folder.key().exists());
    fs::set_permissions(folder.data(), fs::Permissions::from_mode(0o755)).unwrap();
    folder.open().await;
}

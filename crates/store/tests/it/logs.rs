//! Logs: read from any offset while they grow.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use portcullis_model::Code;

use crate::sample::{Folder, accept, at, state, task_id, unit};

#[tokio::test]
async fn a_log_is_read_from_any_offset() {
    let folder = Folder::new();
    let store = folder.open().await;
    let task = task_id(1);
    let none = store.log_read(task, 0, 100).await.unwrap();
    assert_eq!((none.bytes.len(), none.end, none.length), (0, 0, 0));
    store.log_append(task, b"hello ").unwrap();
    store.log_append(task, b"world").unwrap();
    let all = store.log_read(task, 0, 100).await.unwrap();
    assert_eq!((all.bytes.as_slice(), all.end, all.length), (&b"hello world"[..], 11, 11));
    let middle = store.log_read(task, 6, 3).await.unwrap();
    assert_eq!((middle.bytes.as_slice(), middle.end, middle.length), (&b"wor"[..], 9, 11));
    assert_eq!(store.log_read(task, 11, 3).await.unwrap().bytes, b"");
    assert_eq!(store.log_read(task, 12, 3).await.unwrap_err().code(), Code::BAD_CURSOR);
    assert_eq!(store.log_read(task, u64::MAX, 3).await.unwrap_err().code(), Code::BAD_CURSOR);

    store.log_append(task, &vec![b'x'; 3 << 20]).unwrap();
    assert_eq!(store.log_read(task, 0, usize::MAX).await.unwrap().bytes.len(), 1 << 20);
    store.close().await;
    assert_eq!(folder.open().await.log_read(task, 0, 5).await.unwrap().bytes, b"hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_gets_every_byte_as_it_comes() {
    let folder = Folder::new();
    let store = folder.open().await;
    let task = task_id(1);
    let mut writer = store.log_writer(task).unwrap();
    let follower = tokio::spawn({
        let store = store.clone();
        async move {
            let mut read = Vec::new();
            while !read.ends_with(b"end") {
                store.log_wait(task, read.len() as u64).await.unwrap();
                read.extend(store.log_read(task, read.len() as u64, 7).await.unwrap().bytes);
            }
            read
        }
    });
    let mut written = Vec::new();
    for line in 0..500 {
        let line = format!("line {line}\n").into_bytes();
        writer.append(&line).unwrap();
        written.extend(line);
        tokio::task::yield_now().await;
    }
    writer.append(b"end").unwrap();
    written.extend(b"end");
    assert_eq!(follower.await.unwrap(), written);
}

#[tokio::test]
async fn nothing_in_the_data_folder_is_for_others() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.run_accept(&accept(1)).await.unwrap();
    store.state_put(&unit("dev/db"), task_id(1), None, &state(1), at(0)).await.unwrap();
    store.log_append(task_id(1), b"x").unwrap();
    store.cache_put(&portcullis_model::Digest::of(b"x"), b"y".to_vec()).await.unwrap();
    let mut seen = Vec::new();
    walk(&folder.data(), &mut seen);
    assert!(seen.iter().any(|name| name.ends_with("-wal")), "{seen:?}");
    assert!(seen.len() > 6, "{seen:?}");
}

fn walk(path: &Path, seen: &mut Vec<String>) {
    let known = path.symlink_metadata().unwrap();
    assert_eq!(known.permissions().mode() & 0o077, 0, "{} is open to others", path.display());
    seen.push(path.display().to_string());
    if known.is_dir() {
        for entry in path.read_dir().unwrap() {
            walk(&entry.unwrap().path(), seen);
        }
    }
}

//! The floor: what nobody can do without. The same tree is walked, each file of it read, each HCL file parsed, once.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_estate::{Entry, EntryKind, GitObjects, Source as _};
use portcullis_hcl::{File, Limits};
use portcullis_model::CommitId;

/// Walks on one core, reads and parses on all. Returns the number of files.
pub fn walk_read_parse(git_dir: &Path, commit: &CommitId) -> usize {
    let source = GitObjects::open(git_dir).unwrap().commit(commit).unwrap();
    let (mut folders, mut files) = (vec![".".to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in source.list(&folder).unwrap().unwrap() {
            let path = if folder == "." { entry.name } else { format!("{folder}/{}", entry.name) };
            match entry.kind {
                EntryKind::Dir => folders.push(path),
                _ => files.push(path),
            }
        }
    }
    // Neighbours are stored as differences from each other.
    files.sort_unstable();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut parsed = 0usize;
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some(Entry::File { bytes, .. }) = source.read(path).unwrap() else { continue };
            if path.ends_with(".hcl") || path.ends_with(".tf") {
                parsed += File::parse(path, &bytes, &Limits::default()).unwrap().body().len();
            }
        }
        parsed
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        assert!(workers.into_iter().map(|worker| worker.join().unwrap()).sum::<usize>() > 0);
    });
    files.len()
}

//! [`Estates`]: the estates that runs are about, and what they share. A commit's estate is evaluated where it
//! differs from those before it; the protected branch's is kept at hand.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_estate::{Cache, CacheLimits, Elsewhere, Estate, GitObjects, Settings};
use portcullis_mirror::Mirror;
use portcullis_model::{Code, CommitId, Fault};
use portcullis_sources::{Fetched, Order, Sources};

use super::definition::Definition;

/// Estates that are kept whole, so that each task of a run finds its own: a run's base and head, and those of a
/// few runs at the same time. They share their units, so one more costs little.
const KEPT: usize = 6;

/// Deepest chain of stacks that take stacks from other repositories.
const ROUNDS_MAX: usize = 10;
/// Results are saved when one in so many was evaluated anew.
const SAVED_AT: usize = 8;

/// What an estate depends on: the commit, and the definition that it was evaluated with.
type Key = (CommitId, CommitId);

/// The estates of this runner's repository.
pub struct Estates {
    mirror: Arc<Mirror>,
    sources: Arc<Sources>,
    shared: Arc<Shared>,
    /// One evaluation takes all cores; two of the same would do it twice.
    one_at_a_time: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Shared {
    cache: Arc<Cache>,
    objects: Mutex<Option<Arc<GitObjects>>>,
    /// Last used first.
    kept: Mutex<VecDeque<(Key, Arc<Estate>)>>,
    /// Units that were evaluated since it was last saved.
    unsaved: AtomicUsize,
}

impl Estates {
    /// None yet. What an earlier runner found out is in the folder `known`.
    pub fn new(mirror: Arc<Mirror>, sources: Arc<Sources>, known: &Path) -> Self {
        let repository = mirror.git_dir().to_string_lossy().into_owned();
        let cache = Arc::new(Cache::on_disk(CacheLimits::default(), known, &repository));
        let shared = Arc::new(Shared { cache, ..Shared::default() });
        Estates { mirror, sources, shared, one_at_a_time: tokio::sync::Mutex::new(()) }
    }

    /// The estate at a commit.
    ///
    /// # Errors
    /// Those of git objects and limits.
    pub async fn at(&self, definition: &Definition, commit: &CommitId) -> Result<Arc<Estate>, Fault> {
        let key = (commit.clone(), definition.commit.clone());
        if let Some(estate) = self.shared.find(&key) {
            return Ok(estate);
        }
        let _one = self.one_at_a_time.lock().await;
        if let Some(estate) = self.shared.find(&key) {
            return Ok(estate);
        }
        let (estate, complete) = self.load(definition, commit).await?;
        // What could not be fetched now may be there the next time.
        if complete {
            self.shared.keep(key, &estate);
        }
        if self.shared.is_worth_saving(&estate) {
            let (shared, known) = (Arc::clone(&self.shared), Arc::clone(&estate));
            // Nobody waits for it; a runner that ends meanwhile has the file that was there before.
            tokio::task::spawn_blocking(move || shared.save(&known));
        }
        Ok(estate)
    }

    /// Evaluates a commit, with the trees of other repositories that its stacks take units from. Each names a commit, so
    /// the same are found whenever this is asked. Also says whether all were found that may be.
    async fn load(&self, definition: &Definition, commit: &CommitId) -> Result<(Arc<Estate>, bool), Fault> {
        let (mut others, mut complete) = (Elsewhere::default(), true);
        let mut estate = self.load_among(definition, commit, others.clone()).await?;
        for _ in 0..ROUNDS_MAX {
            if estate.wanted().is_empty() {
                break;
            }
            for source in estate.wanted() {
                let order = Order {
                    source,
                    allow: &definition.account.sources,
                    default_registry: definition.default_registry(),
                    scope: "stacks",
                };
                let fetched = self.sources.fetch(order).await;
                // A place that is not allowed stays so for this definition; what else fails may work again.
                complete &= !fetched.as_ref().is_err_and(|fault| fault.code() != Code::SOURCE_REFUSED);
                others.insert(source.kind.clone(), fetched.map(Fetched::into_tree));
            }
            estate = self.load_among(definition, commit, others.clone()).await?;
        }
        Ok((estate, complete))
    }

    async fn load_among(
        &self,
        definition: &Definition,
        commit: &CommitId,
        others: Elsewhere,
    ) -> Result<Arc<Estate>, Fault> {
        let (shared, settings) = (Arc::clone(&self.shared), definition.estate_settings());
        let (git_dir, commit) = (self.mirror.git_dir().to_path_buf(), commit.clone());
        let load = tokio::task::spawn_blocking(move || shared.load(&git_dir, &commit, &settings, &others));
        load.await.map_err(|error| Fault::internal(format!("evaluating the estate: {error}")))?
    }
}

impl Shared {
    /// Whether so much was evaluated that a runner which starts anew should find it: not each commit writes the whole.
    fn is_worth_saving(&self, estate: &Estate) -> bool {
        let unsaved = self.unsaved.fetch_add(estate.evaluated(), Ordering::Relaxed) + estate.evaluated();
        unsaved > 0 && unsaved * SAVED_AT >= estate.units().len()
    }

    fn save(&self, estate: &Estate) {
        self.unsaved.store(0, Ordering::Relaxed);
        if let Err(fault) = self.cache.save(estate.settings()) {
            tracing::warn!(%fault, "what was found out of the repository cannot be kept for the next start");
        }
    }

    fn find(&self, key: &Key) -> Option<Arc<Estate>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| known == key)?;
        let found = kept.remove(at)?;
        let estate = Arc::clone(&found.1);
        kept.push_front(found);
        Some(estate)
    }

    fn keep(&self, key: Key, estate: &Arc<Estate>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_front((key, Arc::clone(estate)));
        kept.truncate(KEPT);
    }

    fn load(
        &self,
        git_dir: &std::path::Path,
        commit: &CommitId,
        settings: &Settings,
        others: &Elsewhere,
    ) -> Result<Arc<Estate>, Fault> {
        let objects = {
            let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
            match &*objects {
                Some(objects) => Arc::clone(objects),
                None => Arc::clone(objects.insert(GitObjects::open(git_dir)?)),
            }
        };
        Ok(Arc::new(Estate::load_among(Arc::new(objects.commit(commit)?), settings, &self.cache, others)?))
    }
}

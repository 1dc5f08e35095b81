//! [`Sources`]: from a source to files.
//!
//! Two steps. A source is *resolved* to what it is now: a commit, or the digest of an archive. That may need the network,
//! and is remembered for the tasks of one run, so that they all see the same. What it was resolved to is then *opened*
//! from the mirrors and archives on disk, where it is found by content.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_estate::{ContentId, DirEntry, Entry, EntryKind, GitObjects, Look, Source};
use portcullis_mirror::{Mirror, MirrorSettings, Refs, RepositoryUrl};
use portcullis_model::id::quoted;
use portcullis_model::source::{ArchiveKind, Checksum, GitRef, SourceKind, address_of};
use portcullis_model::{Code, CommitId, Digest, DigestBuilder, Fault, RemoteSource, SourcePattern};
use sha2::{Digest as _, Sha512};
use tokio::sync::{Mutex, Semaphore};

use crate::SourceCredential;
use crate::archive::{Bounds, unpack};
use crate::cache::Archives;
use crate::credential::{self, Scheme};
use crate::registry::Registry;
use crate::web::{Ask, Permit, Web};
use crate::{page, reach};

/// Most answers that lead from one source to the next: a registry, a page, what it names.
const HOPS_MAX: usize = 4;
/// How long it is remembered what a source was resolved to, for the tasks of one run: longer than a run.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3600);
/// Most sources of which it is remembered. A run with more than that may see another state of one.
const REMEMBERED_MAX: usize = 20_000;
/// Archives that are fetched or unpacked at a time: each is in memory.
const AT_A_TIME: usize = 2;

/// What fetching may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of an archive.
    pub archive_bytes: usize,
    /// Most bytes of all files of an archive.
    pub unpacked_bytes: u64,
    /// Most files, folders and links of an archive.
    pub entries: usize,
    /// Most bytes of one repository's mirror.
    pub repository_bytes: u64,
    /// Most mirrors that are kept.
    pub mirrors: usize,
    /// Most bytes of all mirrors, before another one is made.
    pub mirrors_bytes: u64,
    /// Most bytes of all archives that are kept.
    pub archives_bytes: u64,
    /// Longest time for one download, and for one fetch of a repository.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            archive_bytes: 64 << 20,
            unpacked_bytes: 256 << 20,
            entries: 20_000,
            repository_bytes: 2 << 30,
            mirrors: 64,
            mirrors_bytes: 8 << 30,
            archives_bytes: 2 << 30,
            time: Duration::from_secs(300),
        }
    }
}

/// What modules are fetched with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder for mirrors and archives; made if it is not there. One process uses it.
    pub dir: PathBuf,
    /// The `git` program, as [`MirrorSettings::git`].
    pub git: PathBuf,
    /// Certificate authorities (PEM) that are trusted besides the host's.
    pub ca_file: Option<PathBuf>,
    /// Credentials, each for its places.
    pub credentials: Vec<SourceCredential>,
    /// Limits.
    pub limits: Limits,
}

impl Settings {
    /// With the defaults: `git`, no credentials, the default limits.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Settings {
            dir: dir.into(),
            git: PathBuf::from("git"),
            ca_file: None,
            credentials: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// One source to fetch.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The source.
    pub source: &'a RemoteSource,
    /// The places that the fleet allows.
    pub allow: &'a [SourcePattern],
    /// The registry of a source that names none.
    pub default_registry: &'a str,
    /// Orders of the same scope (a run) see the same.
    pub scope: &'a str,
}

/// A module's files.
pub struct Fetched {
    /// All that was fetched.
    pub files: Arc<dyn Source>,
    /// The folder of it that is the module's root. What follows `//` in the source is below it.
    pub root: String,
    /// What it was resolved to, for people.
    pub resolved: String,
    /// Names the content.
    pub digest: Digest,
    /// Not removed while it is in use.
    _mirror: Option<Arc<Mirror>>,
}

impl std::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetched").field("resolved", &self.resolved).field("root", &self.root).finish_non_exhaustive()
    }
}

impl Fetched {
    /// The files as a tree that keeps them: what they are read from is not removed while the tree is used.
    pub fn into_tree(self) -> Arc<dyn Source> {
        Arc::new(Held(self))
    }
}

struct Held(Fetched);

impl Source for Held {
    fn read(&self, path: &str) -> Result<Option<Entry>, Fault> {
        self.0.files.read(path)
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<DirEntry>>, Fault> {
        self.0.files.list(dir)
    }

    fn look(&self, path: &str) -> Result<Look, Fault> {
        self.0.files.look(path)
    }

    fn id(&self, path: &str) -> Result<Option<ContentId>, Fault> {
        self.0.files.id(path)
    }

    fn names(&self, dir: &str) -> Result<Option<Digest>, Fault> {
        self.0.files.names(dir)
    }

    fn tree(&self, dir: &str) -> Result<Option<ContentId>, Fault> {
        self.0.files.tree(dir)
    }
}

/// What a source is now.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Resolution {
    content: Content,
    /// The folder of it, as registries and pages say it; parts may be `*`.
    root: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Commit { url: String, commit: CommitId },
    Archive { address: String, digest: Digest, kind: ArchiveKind },
}

/// Fetches modules, and keeps what it fetched.
pub struct Sources {
    settings: Settings,
    credentials: Arc<[SourceCredential]>,
    web: Web,
    archives: Archives,
    mirrors: Mutex<HashMap<String, Kept>>,
    remembered: Mutex<HashMap<String, Arc<Slot>>>,
    at_a_time: Semaphore,
}

struct Kept {
    mirror: Arc<Mirror>,
    used: Instant,
}

/// Held by the one that resolves; those that want the same wait for it.
struct Slot {
    made: Instant,
    resolution: Mutex<Option<Resolution>>,
}

impl Sources {
    /// Opens the folder.
    ///
    /// # Errors
    /// Those of the file system, and of an authority that is none.
    pub fn open(mut settings: Settings) -> Result<Self, Fault> {
        // As a mirror names its folder.
        settings.dir = std::path::absolute(&settings.dir).map_err(|error| Fault::io(settings.dir.display(), &error))?;
        let pem = settings.ca_file.as_deref().map(fs::read).transpose();
        let pem = pem.map_err(|error| Fault::io("the file of certificate authorities", &error))?;
        let credentials: Arc<[SourceCredential]> = settings.credentials.clone().into();
        let web = Web::new(Arc::clone(&credentials), pem.as_deref(), settings.limits.time)?;
        let archives = Archives::open(settings.dir.join("archives"), settings.limits.archives_bytes)?;
        let git = settings.dir.join("git");
        let failed = |error: std::io::Error| Fault::io(git.display(), &error);
        fs::create_dir_all(&git).map_err(failed)?;
        remove_gone(&git).map_err(failed)?;
        Ok(Sources {
            settings,
            credentials,
            web,
            archives,
            mirrors: Mutex::default(),
            remembered: Mutex::default(),
            at_a_time: Semaphore::new(AT_A_TIME),
        })
    }

    /// Fetches a module, or finds it where it was fetched before.
    ///
    /// # Errors
    /// `PC-0615` for a place that is not allowed, `PC-0616` for what cannot be fetched, `PC-0617` for a checksum that
    /// does not fit, `PC-0618` for a broken archive, `PC-0111` for a ref that is not there, `PC-08xx` of git.
    pub async fn fetch(&self, order: Order<'_>) -> Result<Fetched, Fault> {
        permit(&order.source.address(order.default_registry), order.allow)?;
        let key = key(&order);
        let slot = self.slot(&key).await;
        let mut resolution = slot.resolution.lock().await;
        if let Some(known) = &*resolution
            && let Some(fetched) = self.open_content(known).await?
        {
            return Ok(fetched);
        }
        let made = self.resolve(&order).await?;
        let fetched = self.open_content(&made).await?;
        let fetched = fetched.ok_or_else(|| Fault::internal("what was fetched is not there"))?;
        *resolution = Some(made);
        Ok(fetched)
    }

    async fn slot(&self, key: &str) -> Arc<Slot> {
        let mut remembered = self.remembered.lock().await;
        if !remembered.contains_key(key) {
            remembered.retain(|_, slot| slot.made.elapsed() < REMEMBERED);
            if remembered.len() >= REMEMBERED_MAX
                && let Some(oldest) = remembered.iter().min_by_key(|(_, slot)| slot.made).map(|(key, _)| key.clone())
            {
                remembered.remove(&oldest);
            }
        }
        let new = || Arc::new(Slot { made: Instant::now(), resolution: Mutex::new(None) });
        Arc::clone(remembered.entry(key.to_owned()).or_insert_with(new))
    }

    /// Follows registries and pages to a commit or an archive.
    async fn resolve(&self, order: &Order<'_>) -> Result<Resolution, Fault> {
        let mut source = order.source.clone();
        // What follows `//` in the source itself is the driver's: the whole is laid out, as go-getter fetches it.
        let mut root = String::new();
        let allowed = |address: &str| permit(address, order.allow);
        let permit: Permit<'_> = &allowed;
        for _ in 0..HOPS_MAX {
            let address = source.address(order.default_registry);
            permit(&address)?;
            let next = match &source.kind {
                SourceKind::Git { url, at } => {
                    let content = Content::Commit { url: url.clone(), commit: self.commit(url, at).await? };
                    return Ok(Resolution { content, root });
                }
                SourceKind::Http { url, archive: Some(kind), checksum } => {
                    let digest = self.archive(url, checksum.as_ref(), permit).await?;
                    return Ok(Resolution { content: Content::Archive { address, digest, kind: *kind }, root });
                }
                SourceKind::Http { url, archive: None, checksum: None } => page::ask(&self.web, url, permit).await?,
                SourceKind::Http { archive: None, .. } => {
                    return Err(Fault::new(Code::SOURCE_SYNTAX, "`checksum` is for an archive, and that is none")
                        .remedy("Say what it is with `?archive=zip`."));
                }
                SourceKind::Registry { host, module, version } => {
                    let host = host.as_deref().unwrap_or(order.default_registry);
                    Registry { web: &self.web, permit, host, module }.locate(version.as_deref()).await?
                }
            };
            root = [next.sub.as_str(), root.as_str()]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join("/");
            source = next;
        }
        Err(Fault::new(Code::SOURCE_FETCH, format!("more than {HOPS_MAX} answers only say where the module is"))
            .remedy("Name the archive or the repository itself."))
    }

    /// The commit that a ref is now. One that is named by its id and is there already needs no network.
    async fn commit(&self, url: &str, at: &GitRef) -> Result<CommitId, Fault> {
        let mirror = self.mirror(url).await?;
        if let GitRef::Commit(commit) = at
            && mirror.has(commit).await?
        {
            return Ok(commit.clone());
        }
        let addresses = match mirror.url().host_and_port() {
            Some((host, port)) => reach::addresses(host, port).await?,
            // The host's key decides.
            None => Vec::new(),
        };
        mirror.fetch_from(&addresses).await?;
        let commit = match at {
            GitRef::Commit(commit) => commit.clone(),
            GitRef::Name(name) => mirror.tag_or_branch(name).await?,
            GitRef::Default => mirror.default_head(&addresses).await?,
        };
        if !mirror.has(&commit).await? {
            let message = format!("{} has no tag and no branch that reaches commit {commit}", address_of(url));
            return Err(Fault::new(Code::REF_UNKNOWN, message)
                .remedy("Tag the commit there, or name another: a forge would hand out commits of anybody's fork."));
        }
        Ok(commit)
    }

    /// The mirror of a repository.
    async fn mirror(&self, url: &str) -> Result<Arc<Mirror>, Fault> {
        let mut mirrors = self.mirrors.lock().await;
        if let Some(kept) = mirrors.get_mut(url) {
            kept.used = Instant::now();
            return Ok(Arc::clone(&kept.mirror));
        }
        let name = format!("{}.git", Digest::of(url.as_bytes()));
        self.make_room(&mut mirrors, &name).await?;
        let repository = RepositoryUrl::parse(url)?;
        let mut settings = MirrorSettings::new(self.settings.dir.join("git").join(name), repository);
        let ssh = url.starts_with("ssh://");
        settings.credential = credential::find(&self.credentials, &address_of(url), ssh).cloned();
        if ssh && settings.credential.is_none() {
            return Err(Fault::new(Code::SOURCE_FETCH, format!("the runner has no SSH key for {}", address_of(url)))
                .remedy("Start it with `--source-ssh-key PLACE=FILE`, or name the repository by `https`."));
        }
        settings.git = self.settings.git.clone();
        settings.ca_file = self.settings.ca_file.clone();
        settings.refs = Refs::BranchesAndTags;
        settings.limits.repository_bytes = self.settings.limits.repository_bytes;
        settings.limits.fetch = self.settings.limits.time;
        let mirror = Arc::new(Mirror::open(settings).await?);
        mirrors.insert(url.to_owned(), Kept { mirror: Arc::clone(&mirror), used: Instant::now() });
        Ok(mirror)
    }

    /// Removes the mirrors that were used longest ago until there is room for another one. What is on disk counts, also
    /// what an earlier runner left there.
    async fn make_room(&self, mirrors: &mut HashMap<String, Kept>, name: &str) -> Result<(), Fault> {
        let limits = self.settings.limits;
        let git = self.settings.dir.join("git");
        let failed = |error: std::io::Error| Fault::io(git.display(), &error);
        let folder = git.clone();
        let sizes = blocking(move || sizes(&folder).map_err(|error| Fault::io(folder.display(), &error))).await?;
        let others = sizes.into_iter().filter(|(path, _)| path.file_name().is_none_or(|found| found != name));
        let mut found: Vec<_> = others
            .map(|(path, bytes)| {
                let known = mirrors.iter().find(|(_, kept)| kept.mirror.git_dir() == path);
                let busy = known.is_some_and(|(_, kept)| Arc::strong_count(&kept.mirror) > 1);
                (known.map(|(_, kept)| kept.used), path, known.map(|(url, _)| url.clone()), busy, bytes)
            })
            .collect();
        // Those that this runner has not used yet come first.
        found.sort();
        let (mut count, mut bytes) = (found.len(), found.iter().map(|(.., bytes)| bytes).sum::<u64>());
        for (_, path, url, _, size) in found.iter().filter(|(.., busy, _)| !busy) {
            if count < limits.mirrors && bytes <= limits.mirrors_bytes {
                break;
            }
            if let Some(url) = url {
                mirrors.remove(url);
            }
            // Under another name first: one that is half there is no mirror.
            let gone = path.with_extension("gone");
            if gone != *path && gone.exists() {
                fs::remove_dir_all(&gone).map_err(failed)?;
            }
            fs::rename(path, &gone).and_then(|()| fs::remove_dir_all(&gone)).map_err(failed)?;
            (count, bytes) = (count - 1, bytes.saturating_sub(*size));
        }
        if count < limits.mirrors && bytes <= limits.mirrors_bytes {
            return Ok(());
        }
        Err(Fault::new(Code::SOURCE_FETCH, "too many repositories of modules are in use at once")
            .remedy("Try again when other tasks have ended."))
    }

    /// The digest of an archive, which is kept then. One that is named by it and is there already needs no network.
    async fn archive(&self, url: &str, checksum: Option<&Checksum>, permit: Permit<'_>) -> Result<Digest, Fault> {
        if let Some(Checksum::Sha256(digest)) = checksum
            && self.archives.get(digest)?.is_some()
        {
            return Ok(*digest);
        }
        let _one = self.at_a_time.acquire().await.map_err(|_| Fault::internal("a closed semaphore"))?;
        let max_bytes = self.settings.limits.archive_bytes;
        let ask = Ask { permit, max_bytes, scheme: Scheme::File, as_address: None };
        let answer = self.web.get(url, ask).await?;
        let digest = Digest::of(&answer.body);
        let (wanted, found) = match checksum {
            None => (None, String::new()),
            Some(Checksum::Sha256(wanted)) => (Some(wanted.to_string()), digest.to_string()),
            Some(Checksum::Sha512(wanted)) => {
                let found = Sha512::digest(&answer.body);
                (Some(wanted.clone()), found.iter().map(|byte| format!("{byte:02x}")).collect())
            }
        };
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            let message = format!("{} has the digest {found}, the source says {wanted}", address_of(url));
            return Err(Fault::new(Code::SOURCE_DIGEST, message)
                .remedy("If the archive was replaced on purpose, review it and correct `checksum`."));
        }
        self.archives.put(&digest, &answer.body)?;
        Ok(digest)
    }

    /// What is there of a resolution; `None` when it has to be fetched again.
    async fn open_content(&self, resolution: &Resolution) -> Result<Option<Fetched>, Fault> {
        let (files, resolved, mirror): (Arc<dyn Source>, String, _) = match &resolution.content {
            Content::Commit { url, commit } => {
                let mirror = self.mirror(url).await?;
                if !mirror.has(commit).await? {
                    return Ok(None);
                }
                let (dir, at) = (mirror.git_dir().to_owned(), commit.clone());
                let files = blocking(move || GitObjects::open(&dir)?.commit(&at)).await?;
                (Arc::new(files), format!("commit {commit} of {}", address_of(url)), Some(mirror))
            }
            Content::Archive { address, digest, kind } => {
                let _one = self.at_a_time.acquire().await.map_err(|_| Fault::internal("a closed semaphore"))?;
                let Some(bytes) = self.archives.get(digest)? else { return Ok(None) };
                let limits = self.settings.limits;
                let bounds = Bounds { bytes: limits.unpacked_bytes, entries: limits.entries };
                let kind = *kind;
                let unpacked = blocking(move || unpack(&bytes, kind, bounds)).await?;
                (Arc::new(unpacked), format!("{address} with sha256 {digest}"), None)
            }
        };
        let root = found_root(&*files, &resolution.root)?;
        let digest = content_digest(&*files, &root)?;
        Ok(Some(Fetched { files, root, resolved, digest, _mirror: mirror }))
    }
}

/// Orders that are answered alike.
fn key(order: &Order<'_>) -> String {
    let mut digest = DigestBuilder::new("portcullis source order v1");
    digest.text(order.scope).text(&format!("{:?}", order.source)).text(order.default_registry);
    for pattern in order.allow {
        digest.text(pattern.as_str());
    }
    digest.finish().to_string()
}

/// `PC-0615` unless the fleet allows the place.
fn permit(address: &str, allow: &[SourcePattern]) -> Result<(), Fault> {
    if allow.iter().any(|pattern| pattern.allows(address)) {
        return Ok(());
    }
    Err(Fault::new(Code::SOURCE_REFUSED, format!("the fleet does not allow modules from {}", quoted(address))).remedy(
        format!(
            "If that place is to be trusted, add it to `portcullis.hcl` on the protected branch: \
             `sources {{ allow = [{address:?}] }}`."
        ),
    ))
}

/// The one folder that a root names: a part `*` stands for the only folder there is.
fn found_root(files: &dyn Source, root: &str) -> Result<String, Fault> {
    let missing = |what: &str| {
        Fault::new(Code::SOURCE_ARCHIVE, format!("what was fetched has {what} {}", quoted(root)))
            .remedy("Ask who keeps that module: it is said to be there.")
    };
    let mut at = ".".to_owned();
    for part in root.split('/').filter(|part| !part.is_empty()) {
        let entries = files.list(&at)?.ok_or_else(|| missing("no folder"))?;
        let fits = |name: &str| part == "*" || part == name;
        let mut folders = entries.iter().filter(|entry| entry.kind == EntryKind::Dir && fits(&entry.name));
        let (Some(only), None) = (folders.next(), folders.next()) else { return Err(missing("not one folder")) };
        at = if at == "." { only.name.clone() } else { format!("{at}/{}", only.name) };
    }
    Ok(at)
}

/// Names a module by all that was fetched with it, and where its root is in that: links may lead out of the root.
fn content_digest(files: &dyn Source, root: &str) -> Result<Digest, Fault> {
    let mut digest = DigestBuilder::new("portcullis module content v1");
    digest.text(root);
    if let Some(tree) = files.tree(".")? {
        // Git's own name for it.
        digest.text("tree").text(&format!("{tree:?}"));
        return Ok(digest.finish());
    }
    let mut left = vec![".".to_owned()];
    while let Some(folder) = left.pop() {
        for entry in files.list(&folder)?.unwrap_or_default() {
            let path = if folder == "." { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
            match files.read(&path)? {
                Some(Entry::File { bytes, executable }) => {
                    digest.text(&path).number(u64::from(executable)).bytes(&bytes);
                }
                Some(Entry::Symlink { target }) => {
                    digest.text(&path).number(2).text(&target);
                }
                Some(Entry::Dir) => left.push(path),
                Some(Entry::Submodule) | None => {}
            }
        }
    }
    Ok(digest.finish())
}

/// The mirrors on disk, and how many bytes each takes.
fn sizes(dir: &Path) -> std::io::Result<Vec<(PathBuf, u64)>> {
    let mut sizes = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let bytes = Mirror::bytes_of(&path)?;
        sizes.push((path, bytes));
    }
    Ok(sizes)
}

/// Removes what was being removed when a runner was killed.
fn remove_gone(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "gone") {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Fault::internal(format!("opening a module: {error}")))?
}

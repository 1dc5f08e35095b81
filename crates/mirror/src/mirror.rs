//! The [`Mirror`]: the runner's own copy of a repository's branches.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis_model::{BranchName, Code, CommitId, Fault, id::quoted};
use tokio::sync::Mutex;

use crate::address::Transport;
use crate::credential::Grant;
use crate::folder;
use crate::git::{Answer, Call, Git, Most};
use crate::{Credential, Limits, RepositoryUrl};

/// More packs than this are made into one.
const PACKS_MAX: usize = 40;
/// Commits of a merge whose authors are looked at.
const PEOPLE_COMMITS_MAX: usize = 200;
/// How often it is looked how large a mirror has become during a fetch.
const MEASURED_EVERY: Duration = Duration::from_secs(1);
/// How long objects are kept that no branch reaches any more (a forced push): longer than a run is held.
const UNREACHABLE_KEPT: &str = "4.weeks.ago";
/// The branches that are fetched: all, and no refs of other kinds (no pull request refs).
const BRANCHES: &str = "+refs/heads/*:refs/heads/*";
const TAGS: &str = "+refs/tags/*:refs/tags/*";

/// Which refs a mirror has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refs {
    /// All branches, and nothing else: what may be planned and applied.
    #[default]
    Branches,
    /// All branches and all tags: what modules are taken from.
    BranchesAndTags,
}

/// What a mirror needs to know.
#[derive(Debug, Clone)]
pub struct MirrorSettings {
    /// The bare repository's folder; made if it is not there. Its parent exists and belongs to the runner.
    pub dir: PathBuf,
    /// Where it is a mirror of.
    pub url: RepositoryUrl,
    /// For a private repository.
    pub credential: Option<Credential>,
    /// The `git` program: an absolute path, or a name that is looked up in `/usr/local/bin:/usr/bin:/bin`.
    pub git: PathBuf,
    /// A file of certificate authorities for `https`, instead of the host's.
    pub ca_file: Option<PathBuf>,
    /// A proxy for `https`.
    pub proxy: Option<String>,
    /// Which refs are fetched.
    pub refs: Refs,
    /// Limits.
    pub limits: Limits,
}

impl MirrorSettings {
    /// With the defaults: `git`, no credential, the default limits.
    pub fn new(dir: impl Into<PathBuf>, url: RepositoryUrl) -> Self {
        MirrorSettings {
            dir: dir.into(),
            url,
            credential: None,
            git: PathBuf::from("git"),
            ca_file: None,
            proxy: None,
            refs: Refs::default(),
            limits: Limits::default(),
        }
    }
}

/// A bare mirror of a repository's branches. Share it in an `Arc`; all methods may run at once.
pub struct Mirror {
    settings: MirrorSettings,
    git: Git,
    /// Callers of [`Mirror::fetch`] so far.
    callers: AtomicU64,
    /// Held by the one that fetches.
    fetched: Mutex<Fetched>,
}

/// The last fetch.
struct Fetched {
    /// It began after this many callers had come.
    callers: u64,
    result: Result<(), Fault>,
}

impl Mirror {
    /// Makes the bare repository if it is not there, and clears away what a killed git left in it. Does not
    /// fetch. Only one process may use a folder (the data folder's lock sees to that).
    ///
    /// # Errors
    /// `PC-0602` without git, `PC-0804` for a credential that does not fit, `PC-09xx` for the disk.
    pub async fn open(mut settings: MirrorSettings) -> Result<Self, Fault> {
        // Git gets the folder as its working directory and as GIT_DIR: both have to be the same place.
        settings.dir = std::path::absolute(&settings.dir)
            .map_err(|error| Fault::io(format!("the mirror {}", settings.dir.display()), &error))?;
        let git = Git::new(&settings.git, &settings.dir, settings.url.transport().protocol())?;
        let mirror = Mirror {
            settings,
            git,
            callers: AtomicU64::new(0),
            fetched: Mutex::new(Fetched { callers: 0, result: Ok(()) }),
        };
        mirror.grant(&[])?;
        folder::prepare(&mirror.settings)?;
        // Says at the start, and not at the first request, that git cannot read its own mirror.
        let answer = mirror.ask(&["rev-parse", "--is-bare-repository"]).await?;
        if !answer.status.success() {
            return Err(answer.fault(Code::GIT_FAILED, "git does not take its mirror"));
        }
        Ok(mirror)
    }

    /// Fetches the refs, forced and pruned. Calls at the same time share a fetch; each returns only after
    /// one that began after its call.
    ///
    /// # Errors
    /// `PC-0800`, `PC-0801`, `PC-0803` (an object is broken), `PC-0804`, `PC-0805`.
    pub async fn fetch(&self) -> Result<(), Fault> {
        self.fetch_from(&[]).await
    }

    /// As [`Mirror::fetch`], with the addresses that the host's name stands for: git looks it up no second time,
    /// so what was checked is what is connected to. None: git looks it up. Over SSH the host's key decides instead.
    ///
    /// # Errors
    /// As [`Mirror::fetch`].
    pub async fn fetch_from(&self, addresses: &[IpAddr]) -> Result<(), Fault> {
        // A push may have come after a running fetch asked for the branches: only one that starts later will do.
        let place = self.callers.fetch_add(1, Ordering::SeqCst);
        let mut fetched = self.fetched.lock().await;
        if fetched.callers > place {
            return fetched.result.clone();
        }
        let callers = self.callers.load(Ordering::SeqCst);
        let result = self.fetch_now(addresses).await;
        *fetched = Fetched { callers, result: result.clone() };
        result
    }

    /// The commit at a branch's head, as of the last fetch.
    ///
    /// # Errors
    /// `PC-0111` when there is no such branch, `PC-0112` when the name is a tag of the remote.
    pub async fn branch(&self, branch: &BranchName) -> Result<CommitId, Fault> {
        // `show-ref --verify` takes the full name as it is. `rev-parse` would go on looking: where there is no
        // `x`, a branch that is itself called `refs/heads/x` would be taken for it.
        let answer = self.ask(&["show-ref", "--verify", "--hash", "--", &branch.full()]).await?;
        if answer.status.success() {
            return commit_id(answer.text.trim());
        }
        if !answer.complains("not a valid ref") {
            return Err(answer.fault(Code::GIT_FAILED, "the branch cannot be read"));
        }
        if self.is_tag(branch).await {
            return Err(Fault::new(
                Code::REF_NOT_A_BRANCH,
                format!("{} is a tag, not a branch", quoted(branch.as_str())),
            )
            .remedy("Name a branch. Only branches are planned and applied."));
        }
        Err(Fault::new(Code::REF_UNKNOWN, format!("there is no branch {}", quoted(branch.as_str())))
            .remedy("Push the branch to the repository that the fleet definition names, then try again."))
    }

    /// The commit that a tag or a branch names, as of the last fetch.
    ///
    /// # Errors
    /// `PC-0111` when there is neither, or both and they differ.
    pub async fn tag_or_branch(&self, name: &BranchName) -> Result<CommitId, Fault> {
        let tag = self.exact(&format!("refs/tags/{name}")).await?;
        let branch = self.exact(&name.full()).await?;
        match (tag, branch) {
            (Some(tag), Some(branch)) if tag != branch => Err(Fault::new(
                Code::REF_UNKNOWN,
                format!("{} is a tag and a branch of {}, of different commits", quoted(name.as_str()), self.url()),
            )
            .remedy("Name the commit, by all 40 digits.")),
            (Some(commit), _) | (None, Some(commit)) => Ok(commit),
            (None, None) => Err(Fault::new(
                Code::REF_UNKNOWN,
                format!("{} has no tag and no branch {}", self.url(), quoted(name.as_str())),
            )
            .remedy("Push it, or name another. A commit is named by all 40 digits.")),
        }
    }

    /// The commit of a ref that is named in full; tags are followed to what they are of.
    async fn exact(&self, full: &str) -> Result<Option<CommitId>, Fault> {
        let found = self.ask(&["show-ref", "--verify", "--hash", "--", full]).await?;
        if !found.status.success() {
            return Ok(None);
        }
        // By id: a name that is not there would be looked for in other places.
        let commit = format!("{}^{{commit}}", found.text.trim());
        let answer = self.ask(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]).await?;
        if !answer.status.success() {
            return Err(answer.fault(Code::GIT_OBJECT, &format!("{full} names no commit")));
        }
        commit_id(answer.text.trim()).map(Some)
    }

    /// The commit at the head of the remote's default branch. Asks the remote.
    ///
    /// # Errors
    /// As [`Mirror::fetch`], and `PC-0111` when it has none.
    pub async fn default_head(&self, addresses: &[IpAddr]) -> Result<CommitId, Fault> {
        let grant = self.grant(addresses)?;
        let arguments = ["ls-remote", "--quiet", "origin", "HEAD"];
        let time = self.settings.limits.query;
        let answer = self.git.run(Call { arguments: &arguments, grant: Some(&grant), time, most: None }).await?;
        if !answer.status.success() {
            return Err(self.why_not_fetched(&answer));
        }
        let head = answer.text.lines().find_map(|line| line.strip_suffix("\tHEAD"));
        let head = head.ok_or_else(|| {
            Fault::new(Code::REF_UNKNOWN, format!("{} has no default branch", self.url()))
                .remedy("Name a tag or a commit with `?ref=…`.")
        })?;
        commit_id(head)
    }

    /// Whether a commit is reached from one of the refs that were fetched last. A forge hands out commits of forks
    /// under the address of the repository that they were forked from: those are not.
    ///
    /// # Errors
    /// As for any local question.
    pub async fn has(&self, commit: &CommitId) -> Result<bool, Fault> {
        let contains = format!("--contains={commit}");
        let answer = self.ask(&["for-each-ref", "--count=1", "--format=%(refname)", &contains]).await?;
        if answer.status.success() {
            return Ok(!answer.text.trim().is_empty());
        }
        let unknown = ["no such commit", "malformed object name", "not a commit", "Not a valid object name"];
        if unknown.iter().any(|phrase| answer.complains(phrase)) {
            return Ok(false);
        }
        Err(answer.fault(Code::GIT_FAILED, "the commit cannot be looked for"))
    }

    /// All branches and their heads, in the order of their names.
    ///
    /// # Errors
    /// As for any local question.
    pub async fn branches(&self) -> Result<Vec<(BranchName, CommitId)>, Fault> {
        let answer = self.ask(&["for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads/"]).await?;
        if !answer.status.success() {
            return Err(answer.fault(Code::GIT_FAILED, "the branches cannot be read"));
        }
        let mut branches = Vec::new();
        for line in answer.text.lines() {
            let (id, name) = line.split_once(' ').unwrap_or((line, ""));
            // Names that nobody can ask for (longer than 255 bytes, not UTF-8) are not there.
            if let Ok(name) = BranchName::parse(name) {
                branches.push((name, commit_id(id)?));
            }
        }
        branches.sort();
        Ok(branches)
    }

    /// Whether `ancestor` is `commit` or one of its ancestors.
    ///
    /// # Errors
    /// `PC-0803` when one of them is not in the mirror.
    pub async fn is_ancestor(&self, ancestor: &CommitId, commit: &CommitId) -> Result<bool, Fault> {
        let answer = self.ask(&["merge-base", "--is-ancestor", ancestor.as_str(), commit.as_str()]).await?;
        match answer.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(answer.fault(Code::GIT_OBJECT, "the commits cannot be compared")),
        }
    }

    /// The addresses of who wrote and who committed a commit and, of a merge, what it brought to its first parent; of
    /// the newest [`PEOPLE_COMMITS_MAX`] commits of that. They are what the commits say, which is whatever their authors
    /// wanted.
    ///
    /// # Errors
    /// `PC-0803` when it is not in the mirror.
    pub async fn people(&self, commit: &CommitId) -> Result<BTreeSet<String>, Fault> {
        let log = async |most: usize, which: &str| {
            let most = format!("--max-count={most}");
            self.ask(&["log", "--no-show-signature", "--format=%ae%n%ce", &most, which, "--"]).await
        };
        // `C^-` is what C has and its first parent has not. A first commit has none.
        let mut answer = log(PEOPLE_COMMITS_MAX, &format!("{commit}^-")).await?;
        if !answer.status.success() {
            answer = log(1, commit.as_str()).await?;
        }
        match answer.status.code() {
            Some(0) => Ok(answer.text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()),
            _ => Err(answer.fault(Code::GIT_OBJECT, "the commit's authors cannot be read")),
        }
    }

    /// The best common ancestor, if there is one.
    ///
    /// # Errors
    /// `PC-0803` when one of them is not in the mirror.
    pub async fn merge_base(&self, a: &CommitId, b: &CommitId) -> Result<Option<CommitId>, Fault> {
        let answer = self.ask(&["merge-base", a.as_str(), b.as_str()]).await?;
        match answer.status.code() {
            Some(0) => commit_id(answer.text.lines().next().unwrap_or_default()).map(Some),
            Some(1) => Ok(None),
            _ => Err(answer.fault(Code::GIT_OBJECT, "the commits cannot be compared")),
        }
    }

    /// How many bytes of the disk the mirror in a folder takes.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn bytes_of(dir: &Path) -> std::io::Result<u64> {
        folder::measure(dir).map(|(bytes, _)| bytes)
    }

    /// The bare repository, for readers of objects.
    pub fn git_dir(&self) -> &Path {
        &self.settings.dir
    }

    /// Where it is a mirror of.
    pub fn url(&self) -> &RepositoryUrl {
        &self.settings.url
    }

    /// Fetches. Only under the lock.
    async fn fetch_now(&self, addresses: &[IpAddr]) -> Result<(), Fault> {
        let limits = self.settings.limits;
        let dir = &self.settings.dir;
        let failed = |error: std::io::Error| Fault::io(format!("the mirror {}", dir.display()), &error);
        folder::clear_leftovers(dir).map_err(failed)?;
        let (bytes, packs) = folder::measure(dir).map_err(failed)?;
        let room = limits.repository_bytes.saturating_sub(bytes);
        if room == 0 {
            return Err(self.too_large());
        }
        let grant = self.grant(addresses)?;
        let mut arguments = vec![
            "fetch",
            "--quiet",
            "--force",
            "--prune",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--refmap=",
            "origin",
            BRANCHES,
        ];
        if self.settings.refs == Refs::BranchesAndTags {
            arguments.push(TAGS);
        }
        let most = Most { file: room, memory: limits.memory_bytes };
        let call = Call { arguments: &arguments, grant: Some(&grant), time: limits.fetch, most: Some(most) };
        let answer = tokio::select! {
            answer = self.git.run(call) => answer?,
            // A limit for one file holds neither many files nor many refs.
            () = grown_to(dir, limits.repository_bytes) => {
                folder::clear_leftovers(dir).map_err(failed)?;
                return Err(self.too_large());
            }
        };
        if !answer.status.success() {
            // Git does not say that a file met its limit, but the file shows it.
            let full = folder::largest_object_file(dir).map_err(failed)? >= room;
            folder::clear_leftovers(dir).map_err(failed)?;
            return Err(if full { self.too_large() } else { self.why_not_fetched(&answer) });
        }
        if folder::measure(dir).map_err(failed)?.0 > limits.repository_bytes {
            return Err(self.too_large());
        }
        if packs >= PACKS_MAX {
            self.repack(limits.fetch).await;
        }
        Ok(())
    }

    /// Makes one pack of many. A mirror that cannot be packed still works, so this does not fail.
    async fn repack(&self, time: Duration) {
        let unpack = format!("--unpack-unreachable={UNREACHABLE_KEPT}");
        let expire = format!("--expire={UNREACHABLE_KEPT}");
        let repack = ["repack", "-A", "-d", "--quiet", unpack.as_str()];
        for arguments in [&repack[..], &["prune", expire.as_str()], &["pack-refs", "--all"]] {
            let ended = self.git.run(Call { arguments, grant: None, time, most: None }).await;
            let fault = match ended {
                Ok(answer) if answer.status.success() => continue,
                Ok(answer) => answer.fault(Code::GIT_FAILED, "the mirror cannot be packed"),
                Err(fault) => fault,
            };
            tracing::warn!(url = %self.settings.url, %fault, "mirror not packed");
        }
    }

    fn why_not_fetched(&self, answer: &Answer) -> Fault {
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| answer.complains(phrase));
        let what = format!("{} cannot be fetched", self.settings.url);
        if says(&["fsck error", "error in object"]) {
            return answer
                .fault(Code::GIT_OBJECT, &what)
                .remedy("An object of the repository is malformed; find and rewrite it (`git fsck` names it).");
        }
        let fault = answer.fault(Code::GIT_FAILED, &what);
        if says(&["ut of memory", "allocate memory", "malloc failed"]) {
            return fault
                .remedy("An object of the repository is too large to be checked: remove it from its branches.");
        }
        if says(&[
            "Authentication failed",
            "terminal prompts disabled",
            "error: 401",
            "error: 403",
            "Permission denied",
        ]) {
            return fault.remedy("Give the runner a credential that may read this repository.");
        }
        if says(&["dubious ownership"]) {
            return fault.remedy("Give the repository on disk to the user that runs `portcullis serve`.");
        }
        fault.remedy("Check the URL and that the runner reaches the repository's host, then try again.")
    }

    fn too_large(&self) -> Fault {
        let bytes = self.settings.limits.repository_bytes;
        Fault::new(Code::REPOSITORY_TOO_LARGE, format!("{} needs more than {bytes} bytes", self.settings.url))
            .remedy("Raise the limit for the mirror, or remove what is large from the repository's branches.")
    }

    /// Whether the remote has a tag of that name. Tags are not fetched; only a request that fails anyway asks.
    async fn is_tag(&self, name: &BranchName) -> bool {
        let wanted = format!("refs/tags/{name}");
        let Ok(grant) = self.grant(&[]) else { return false };
        let arguments = ["ls-remote", "--quiet", "--refs", "origin", &wanted];
        let time = self.settings.limits.query;
        let answer = self.git.run(Call { arguments: &arguments, grant: Some(&grant), time, most: None }).await;
        // The pattern also fits a longer name that ends like it.
        answer.is_ok_and(|answer| {
            answer.text.lines().any(|line| line.split_once('\t').is_some_and(|(_, found)| found == wanted))
        })
    }

    /// What git is told about the remote, with the credential as it is now.
    fn grant(&self, addresses: &[IpAddr]) -> Result<Grant, Fault> {
        let mut grant = Grant::new(&self.settings.url, self.settings.credential.as_ref())?;
        if let Some(pin) = self.settings.url.pinned_to(addresses) {
            grant.config.push(("http.curloptResolve".to_owned(), pin));
        }
        if let Some(proxy) = &self.settings.proxy
            && self.settings.url.transport() == Transport::Https
        {
            grant.add_proxy(proxy);
        }
        Ok(grant)
    }

    /// A question about what is in the mirror.
    async fn ask(&self, arguments: &[&str]) -> Result<Answer, Fault> {
        let time = self.settings.limits.query;
        self.git.run(Call { arguments, grant: None, time, most: None }).await
    }
}

/// Ends when a folder takes more than this on the disk.
async fn grown_to(dir: &Path, bytes: u64) {
    loop {
        tokio::time::sleep(MEASURED_EVERY).await;
        let dir = dir.to_owned();
        let measured = tokio::task::spawn_blocking(move || folder::measure(&dir)).await;
        if matches!(measured, Ok(Ok((found, _))) if found > bytes) {
            return;
        }
    }
}

fn commit_id(text: &str) -> Result<CommitId, Fault> {
    CommitId::parse(text).map_err(|_| Fault::internal(format!("git names a commit {}", quoted(text))))
}

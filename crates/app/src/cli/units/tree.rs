//! Where units are read from: a folder, a revision of it, and what the fleet says of an account.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_estate::{AccountFacts, Cache, CacheLimits, Checkout, Elsewhere, Estate, GitObjects, Settings, Source};
use portcullis_fleet::Fleet;
use portcullis_model::source::{GitRef, SourceKind, address_of};
use portcullis_model::{AccountName, Code, CommitId, Fault, RemoteSource};

use crate::cli::repository::{Repository, files, kept};
use crate::environment::Environment;
use crate::runner::definition;

/// In the place of a folder: nothing is kept.
const CACHE_OFF: &str = "off";
/// The name of an account that is known by its id alone.
const UNNAMED: &str = "unnamed";

/// Where the files are, and what configuration may ask for.
#[derive(Debug, clap::Args)]
struct Tree {
    #[command(flatten)]
    repository: Repository,
    /// Only this account's units, evaluated as its runner would: from portcullis.hcl of the same files
    #[arg(long, value_name = "NAME", value_parser = AccountName::parse)]
    account: Option<AccountName>,
    /// The answer to get_aws_account_id()
    #[arg(long, value_name = "ID", conflicts_with = "account")]
    account_id: Option<String>,
    /// The answer to get_env("NAME"); may be given several times. The environment itself is never read
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = name_and_value)]
    env: Vec<(String, String)>,
    /// Folders of code without Terragrunt that are units as well: a pattern from the repository's root, such as
    /// stacks/*; may be given several times
    #[arg(long, value_name = "GLOB")]
    root_modules: Vec<String>,
    /// Clones of other repositories that stacks take units from, each at its address: DIR/github.com/acme/catalog.git
    #[arg(long, value_name = "DIR")]
    sources: Option<PathBuf>,
    /// The folder for what was found out, so that it is known the next time; `off` for none [default: portcullis in
    /// the user's folder for caches]
    #[arg(long, value_name = "DIR", env = "PORTCULLIS_CACHE")]
    cache: Option<PathBuf>,
}

/// One estate: what most subcommands look at.
#[derive(Debug, clap::Args)]
pub struct Look {
    #[command(flatten)]
    tree: Tree,
    /// A revision of the repository, read from git objects; the working files when not given
    #[arg(long, value_name = "REV")]
    rev: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Two estates that are compared.
#[derive(Debug, clap::Args)]
pub struct Compare {
    /// What to compare
    #[arg(value_name = "A..B", default_value = "HEAD")]
    range: String,
    #[command(flatten)]
    tree: Tree,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Look {
    /// The estate.
    ///
    /// # Errors
    /// Those of the files, `PC-0111` for a revision that names no commit, and those of the fleet definition when
    /// an account was named.
    pub fn estate(&self) -> Result<Estate, Fault> {
        let checkout = self.tree.repository.checkout()?;
        let commit = self.rev.as_deref().map(|revision| checkout.commit(revision)).transpose()?;
        let cache = self.tree.known(&checkout);
        let estate = self.tree.load(&checkout, commit.as_ref(), &cache)?;
        self.tree.remember(&cache, [&estate])?;
        Ok(estate)
    }
}

impl Look {
    /// Every account of the same files' fleet definition with its folder, where an account was named; else none.
    ///
    /// # Errors
    /// As [`Look::estate`].
    pub fn accounts(&self) -> Result<Vec<(String, String)>, Fault> {
        if self.tree.account.is_none() {
            return Ok(Vec::new());
        }
        let checkout = self.tree.repository.checkout()?;
        let commit = self.rev.as_deref().map(|revision| checkout.commit(revision)).transpose()?;
        let fleet = self.tree.fleet(&*files(&checkout, commit.as_ref())?)?;
        let accounts = fleet.accounts().values();
        Ok(accounts.map(|account| (account.name.to_string(), account.path.clone())).collect())
    }
}

impl Compare {
    /// The estates of both ends. What the two have in common is evaluated once.
    ///
    /// # Errors
    /// As [`Look::estate`].
    pub fn estates(&self) -> Result<(Estate, Estate), Fault> {
        let checkout = self.tree.repository.checkout()?;
        let range = checkout.range(&self.range)?;
        let cache = self.tree.known(&checkout);
        let base = self.tree.load(&checkout, Some(&range.base), &cache)?;
        let head = self.tree.load(&checkout, range.head.as_ref(), &cache)?;
        self.tree.remember(&cache, [&base, &head])?;
        Ok((base, head))
    }
}

/// The tree that a source names, from a clone of its repository.
fn clone_of(clones: &Path, wanted: &RemoteSource) -> Result<Arc<dyn Source>, Fault> {
    let SourceKind::Git { url, at: GitRef::Commit(commit) } = &wanted.kind else {
        return Err(Fault::internal("a source without a commit"));
    };
    // Its parts are no `..`: the address is of a source that was understood.
    let at = clones.join(address_of(url));
    let bare = at.with_file_name(format!("{}.git", at.file_name().unwrap_or_default().to_string_lossy()));
    let found = [bare, at.join(".git"), at.clone()].into_iter().find(|dir| dir.join("objects").is_dir());
    let dir = found.ok_or_else(|| {
        Fault::new(Code::SOURCE_FETCH, format!("there is no clone of {} in {}", address_of(url), clones.display()))
            .remedy(format!("Run `git clone --mirror {url} {}.git`.", at.display()))
    })?;
    Ok(Arc::new(GitObjects::open(&dir)?.commit(commit)?))
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it is not NAME=VALUE".to_owned()),
    }
}

impl Tree {
    /// What was found out before of the same folder.
    fn known(&self, checkout: &Checkout) -> Arc<Cache> {
        let limits = CacheLimits::default();
        Arc::new(match self.cache_folder(&Environment::of_process()) {
            Some(folder) => Cache::on_disk(limits, &folder, &checkout.folder().to_string_lossy()),
            None => Cache::new(limits),
        })
    }

    /// Keeps it for the next time. Where it cannot be written the next time takes longer; that is told only to who
    /// named the folder.
    fn remember<'e>(&self, cache: &Cache, estates: impl IntoIterator<Item = &'e Estate>) -> Result<(), Fault> {
        for estate in estates {
            let kept = cache.save(estate.settings());
            if self.cache.is_some() {
                kept?;
            }
        }
        Ok(())
    }

    /// `None`: there is no such folder, or none is wanted.
    fn cache_folder(&self, environment: &Environment) -> Option<PathBuf> {
        match &self.cache {
            Some(folder) if folder.as_os_str() == CACHE_OFF => None,
            Some(folder) => Some(folder.join("estate")),
            None => Some(environment.cache_folder()?.join("estate")),
        }
    }

    fn load(&self, checkout: &Checkout, commit: Option<&CommitId>, cache: &Arc<Cache>) -> Result<Estate, Fault> {
        let source = files(checkout, commit)?;
        let settings = self.settings(&*source)?;
        let Some(clones) = &self.sources else { return Estate::load_with(source, &settings, cache) };
        let mut others = Elsewhere::default();
        loop {
            let estate = Estate::load_among(Arc::clone(&source), &settings, cache, &others)?;
            if estate.wanted().is_empty() {
                return Ok(estate);
            }
            for wanted in estate.wanted() {
                others.insert(wanted.kind.clone(), clone_of(clones, wanted));
            }
        }
    }

    /// The fleet definition of the same files. Nothing is fetched for it: `fleet check` leaves what is imported where it is
    /// found.
    fn fleet(&self, source: &dyn Source) -> Result<Fleet, Fault> {
        let imports = kept(self.cache.as_deref().filter(|folder| folder.as_os_str() != CACHE_OFF));
        imports.fleet(&|path| definition::file(source, path)).map_err(definition::one_fault)
    }

    fn settings(&self, source: &dyn Source) -> Result<Settings, Fault> {
        let mut settings = Settings::default();
        if let Some(name) = &self.account {
            let account = self.fleet(source)?.account(name)?;
            settings.within = account.path;
            settings.account = Some(AccountFacts { name: account.name, id: account.id });
            settings.env = account.env;
            settings.root_modules = account.root_modules;
        }
        if let Some(id) = &self.account_id {
            settings.account = Some(AccountFacts { name: AccountName::parse(UNNAMED)?, id: id.clone() });
        }
        settings.root_modules.extend(self.root_modules.iter().cloned());
        settings.env.extend(self.env.iter().cloned().collect::<BTreeMap<_, _>>());
        Ok(settings)
    }
}

/// The unit that a path on the command line names: relative to the estate's root, a trailing `/` is allowed.
///
/// # Errors
/// `PC-0105` for what cannot be a unit's path.
pub fn unit_path(text: &str) -> Result<portcullis_model::UnitPath, Fault> {
    let trimmed = text.strip_prefix("./").unwrap_or(text).trim_end_matches('/');
    let config = ["/terragrunt.hcl", "/terragrunt.hcl.json"].iter().find_map(|file| trimmed.strip_suffix(file));
    match config.unwrap_or(trimmed) {
        "" | "." | "terragrunt.hcl" | "terragrunt.hcl.json" => portcullis_model::UnitPath::parse("."),
        path => portcullis_model::UnitPath::parse(path),
    }
}

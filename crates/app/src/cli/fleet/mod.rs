//! `portcullis fleet`: looks at the fleet definition of a folder or of a revision, without a runner; and, by `status`, at
//! the one that a runner goes by.
//!
//! One module per subcommand. Nothing is executed, and nothing is written but by `extract`.

mod access;
mod check;
mod diff;
mod extract;
mod pin;
mod report;
mod rewrite;
mod show;
mod status;

use std::sync::Arc;

use portcullis_estate::Source;
use portcullis_fleet::{Fleet, wanted};
use portcullis_model::Fault;

use super::repository::{Repository, fetching, files, kept};
use crate::environment::Environment;
use crate::imports::Imports;
use crate::outcome::Exit;
use crate::runner::definition;

/// Subcommands of `fleet`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Everything that is wrong or odd in the definition, in one pass
    Check(check::Args),
    /// What is in force in an account, after all layers
    Show(show::Args),
    /// What a change means in each account: values, and who gains or loses which right
    Diff(diff::Args),
    /// Who may do what, where, and under which conditions
    Access(access::Args),
    /// What accounts and profiles repeat, and one profile could say
    Report(report::Args),
    /// Moves what is repeated into a profile, and proves that no account changes
    Extract(extract::Args),
    /// Which definition a runner goes by, and which it has refused
    Status(status::Args),
    /// Prints the `import` of a file of another repository, with its digest
    Pin(pin::Args),
}

/// Does it.
///
/// # Errors
/// A folder or revision that is not there, a definition that is not right, an output that cannot be written.
pub fn run(command: Command, environment: &Environment) -> Result<Exit, Fault> {
    match command {
        Command::Check(args) => check::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Access(args) => access::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Extract(args) => extract::run(&args),
        Command::Status(args) => super::on_runtime(status::run(&args, environment)),
        Command::Pin(args) => pin::run(&args),
    }
}

/// Where one definition is.
#[derive(Debug, clap::Args)]
pub struct Tree {
    #[command(flatten)]
    repository: Repository,
    /// A revision; without it, the files as they are
    #[arg(long, value_name = "REV")]
    rev: Option<String>,
    #[command(flatten)]
    network: Network,
}

/// Whether something may be fetched.
#[derive(Debug, clap::Args)]
pub struct Network {
    /// Fetch nothing: what is imported from other repositories must have been fetched before
    #[arg(long)]
    offline: bool,
}

impl Network {
    /// The files of other repositories that a definition imports; those that are not at hand are fetched.
    fn imports(&self, source: &dyn Source) -> Result<Imports, Fault> {
        let imports = kept(None);
        let read = |path: &str| definition::file(source, path);
        if !self.offline && !wanted(&read, &|pinned| imports.get(pinned)).is_empty() {
            fetching(async |sources| imports.fetch_all(sources, &read).await)?;
        }
        Ok(imports)
    }
}

impl Tree {
    /// The definition, or everything that is wrong with it.
    fn load(&self) -> Result<Result<Fleet, Vec<Fault>>, Fault> {
        load(&*self.files()?, &self.network)
    }

    /// The files.
    fn files(&self) -> Result<Arc<dyn Source>, Fault> {
        let checkout = self.repository.checkout()?;
        let commit = self.rev.as_ref().map(|rev| checkout.commit(rev)).transpose()?;
        files(&checkout, commit.as_ref())
    }

    /// The definition.
    fn fleet(&self) -> Result<Fleet, Fault> {
        self.load()?.map_err(definition::one_fault)
    }
}

fn load(source: &dyn Source, network: &Network) -> Result<Result<Fleet, Vec<Fault>>, Fault> {
    Ok(network.imports(source)?.fleet(&|path| definition::file(source, path)))
}

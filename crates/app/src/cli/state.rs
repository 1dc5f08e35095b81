//! `portcullis state`: the states in a runner's data folder, while no runner uses it: bringing one in, taking one out.
//!
//! Works on the folder and asks no runner, so that whoever may read the folder and its key may do this, and nobody
//! who may only trigger runs. The store itself refuses a folder that is in use.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use portcullis_model::state::STATE_MAX_BYTES;
use portcullis_model::{Code, Fault, TaskId, UnitPath};
use portcullis_store::{StateInfo, Store};
use serde_json::json;
use uuid::Uuid;

use super::output;
use crate::outcome::Exit;
use crate::runner::now;

/// Most versions that are listed.
const VERSIONS_MAX: u32 = 1000;

/// Subcommands of `state`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the states in a data folder
    List(List),
    /// List the versions of a unit's state
    Versions(Versions),
    /// Print a unit's state
    Pull(Pull),
    /// Make a state the newest version of a unit's
    Push(Push),
}

/// Where the states are.
#[derive(Debug, clap::Args)]
pub struct Folder {
    /// The runner's data folder; the runner must not run
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

/// Arguments of `state list`.
#[derive(Debug, clap::Args)]
pub struct List {
    #[command(flatten)]
    folder: Folder,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `state versions`.
#[derive(Debug, clap::Args)]
pub struct Versions {
    /// The unit, by its path in the repository
    #[arg(value_name = "UNIT", value_parser = UnitPath::parse)]
    unit: UnitPath,
    #[command(flatten)]
    folder: Folder,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `state pull`.
#[derive(Debug, clap::Args)]
pub struct Pull {
    /// The unit, by its path in the repository
    #[arg(value_name = "UNIT", value_parser = UnitPath::parse)]
    unit: UnitPath,
    /// A version that `state versions` lists; the newest when not given
    #[arg(long, value_name = "NUMBER")]
    number: Option<i64>,
    #[command(flatten)]
    folder: Folder,
}

/// Arguments of `state push`.
#[derive(Debug, clap::Args)]
pub struct Push {
    /// The unit, by its path in the repository
    #[arg(value_name = "UNIT", value_parser = UnitPath::parse)]
    unit: UnitPath,
    /// The file with the state; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    folder: Folder,
    /// Also when the state is of another lineage, or older than what is there
    #[arg(long)]
    force: bool,
}

/// Runs a subcommand.
///
/// # Errors
/// `PC-0905` while a runner uses the folder, `PC-0114` for a state that is not there, `PC-0101` for what is none.
pub async fn run(command: Command) -> Result<Exit, Fault> {
    match command {
        Command::List(args) => list(&args).await?,
        Command::Versions(args) => versions(&args).await?,
        Command::Pull(args) => pull(&args).await?,
        Command::Push(args) => push(&args).await?,
    }
    Ok(Exit::Done)
}

/// Opens the store of a runner that was there before: a folder that is none is not made into one.
async fn open(folder: &Folder) -> Result<Store, Fault> {
    let (store, key) = (folder.data.join("store"), folder.data.join("store.key"));
    if !store.is_dir() || !key.is_file() {
        return Err(Fault::new(Code::BAD_OPTION, format!("{} is no data folder of a runner", folder.data.display()))
            .remedy("Name the folder that `serve` was given with `--data`. A runner makes it when it first starts."));
    }
    Store::open(&store, &key).await
}

fn facts(unit: &UnitPath, info: &StateInfo) -> serde_json::Value {
    json!({
        "unit": unit.as_str(),
        "version": info.version,
        "serial": info.serial,
        "lineage": info.lineage,
        "task": info.task.to_string(),
        "at": info.at.to_string(),
    })
}

async fn list(args: &List) -> Result<(), Fault> {
    let store = open(&args.folder).await?;
    let states = store.state_list().await?;
    store.close().await;
    if args.json {
        let all: Vec<_> = states.iter().map(|(unit, info)| facts(unit, info)).collect();
        return output::print_json(&all);
    }
    let width = states.iter().map(|(unit, _)| unit.as_str().chars().count()).max().unwrap_or(0);
    for (unit, info) in &states {
        let unit = unit.as_str();
        output::print(&format!("{unit:width$}  version {}  serial {}  {}\n", info.version, info.serial, info.at))?;
    }
    Ok(())
}

async fn versions(args: &Versions) -> Result<(), Fault> {
    let store = open(&args.folder).await?;
    let versions = store.state_versions(&args.unit, None, VERSIONS_MAX).await?;
    store.close().await;
    if versions.is_empty() {
        return Err(missing(&args.unit, None));
    }
    if args.json {
        return output::print_json(&versions.iter().map(|info| facts(&args.unit, info)).collect::<Vec<_>>());
    }
    for info in &versions {
        output::print(&format!("version {}  serial {}  {}  task {}\n", info.version, info.serial, info.at, info.task))?;
    }
    Ok(())
}

async fn pull(args: &Pull) -> Result<(), Fault> {
    let store = open(&args.folder).await?;
    let state = match args.number {
        Some(version) => store.state_get_version(&args.unit, version).await?,
        None => store.state_get(&args.unit).await?,
    };
    store.close().await;
    output::print_raw(&state.ok_or_else(|| missing(&args.unit, args.number))?.bytes)
}

async fn push(args: &Push) -> Result<(), Fault> {
    let bytes = read(&args.file)?;
    let store = open(&args.folder).await?;
    let pushed = push_into(&store, &args.unit, &bytes, args.force).await;
    store.close().await;
    let info = pushed?;
    output::print(&format!("{} has version {}, serial {}\n", args.unit, info.version, info.serial))
}

async fn push_into(store: &Store, unit: &UnitPath, bytes: &[u8], force: bool) -> Result<StateInfo, Fault> {
    if let (Some(newest), false) = (store.state_info(unit).await?, force) {
        let state: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
        let refuse = |why: String| {
            Err(Fault::new(Code::BAD_REQUEST, format!("{unit} has a state already, and {why}")).remedy(
                "Look at it with `portcullis state pull`. `--force` puts this one over it; every version is kept.",
            ))
        };
        if state.get("lineage").and_then(serde_json::Value::as_str) != Some(newest.lineage.as_str()) {
            return refuse("this one is of another lineage".into());
        }
        let serial = state.get("serial").and_then(serde_json::Value::as_u64);
        if serial.is_none_or(|serial| serial <= newest.serial) {
            return refuse(format!("this one is not newer than serial {}", newest.serial));
        }
    }
    // No run wrote it: its task is one that is on no record.
    store.state_put(unit, TaskId::from_uuid(Uuid::now_v7()), None, bytes, now()).await
}

fn read(file: &Path) -> Result<Vec<u8>, Fault> {
    let failed = |error: std::io::Error| Fault::io(file.display(), &error);
    let most = STATE_MAX_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        std::fs::File::open(file).map_err(failed)?.take(most).read_to_end(&mut bytes).map_err(failed)?;
    }
    Ok(bytes)
}

fn missing(unit: &UnitPath, version: Option<i64>) -> Fault {
    let what = version.map_or_else(|| "no state".to_owned(), |version| format!("no version {version} of its state"));
    Fault::new(Code::NOT_FOUND, format!("{unit} has {what} here"))
        .remedy("`portcullis state list` shows which units have one.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(lineage: &str, serial: u64) -> Vec<u8> {
        json!({"version": 4, "serial": serial, "lineage": lineage, "outputs": {}, "resources": []}).to_string().into()
    }

    #[tokio::test]
    async fn a_state_is_brought_in_once_and_then_only_moves_on() {
        let folder = tempfile::tempdir().unwrap();
        let data = Folder { data: folder.path().to_path_buf() };
        assert_eq!(open(&data).await.err().unwrap().code(), Code::BAD_OPTION);
        let store = Store::open(&folder.path().join("store"), &folder.path().join("store.key")).await.unwrap();
        let unit = UnitPath::parse("dev/vpc").unwrap();
        assert_eq!(push_into(&store, &unit, b"{}", false).await.unwrap_err().code(), Code::BAD_REQUEST);
        push_into(&store, &unit, &state("a", 7), false).await.unwrap();
        for (lineage, serial) in [("a", 7), ("a", 6), ("b", 8)] {
            let refused = push_into(&store, &unit, &state(lineage, serial), false).await.unwrap_err();
            assert_eq!(refused.code(), Code::BAD_REQUEST, "{lineage} {serial}");
        }
        push_into(&store, &unit, &state("a", 8), false).await.unwrap();
        let forced = push_into(&store, &unit, &state("b", 1), true).await.unwrap();
        assert_eq!((forced.version, forced.serial), (3, 1));
        // A folder in use is refused, so no state changes under a runner.
        assert_eq!(open(&data).await.err().unwrap().code(), Code::DATA_IN_USE);
        store.close().await;
        drop(store);
        assert!(open(&data).await.is_ok());
    }
}

//! `portcullis fleet extract`: moves what is repeated into a profile.

use std::fmt::Write as _;

use portcullis_estate::Checkout;
use portcullis_fleet::{Extraction, FileEdit, Repeated, Wanted, extract};
use portcullis_model::{Code, Fault};
use serde::Serialize;

use super::{Network, rewrite};
use crate::cli::output;
use crate::cli::repository::{Repository, files};
use crate::outcome::Exit;
use crate::render;
use crate::runner::definition;

/// Arguments of `fleet extract`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Every move is proved: the definition is loaded anew, and every account must be what it was, in its values \
                  and in its rights. What cannot be moved so is told, and left as it is. Formatting and comments stay. \
                  Either all files are written, or none."
)]
pub struct Args {
    /// The profile that is to hold it, a new one or one that is there [default: the one that `fleet report` names]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Only this setting, or what is below it: limits, action.apply.approvals; may be given several times
    #[arg(long, value_name = "PATH")]
    only: Vec<String>,
    /// Write nothing, and print the changes
    #[arg(long)]
    dry_run: bool,
    /// Print the changes, as `diff -u` does
    #[arg(long, conflicts_with = "json")]
    diff: bool,
    /// Also change a file with changes that are not committed
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    repository: Repository,
    #[command(flatten)]
    network: Network,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct View {
    moved: Vec<Repeated>,
    refused: Vec<Repeated>,
    files: Vec<Changed>,
    /// How many accounts were compared, and found equal.
    accounts: usize,
    written: bool,
}

#[derive(Serialize)]
struct Changed {
    path: String,
    diff: String,
}

/// Extracts.
///
/// # Errors
/// A definition that is not right, `PC-0520` for a file that cannot be changed.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let checkout = args.repository.checkout()?;
    let source = files(&checkout, None)?;
    let wanted = Wanted { profile: args.profile.clone(), only: args.only.clone() };
    let imports = args.network.imports(&*source)?;
    let done = extract(&|path| definition::file(&*source, path), &|pinned| imports.get(pinned), &wanted);
    let done = done.map_err(definition::one_fault)?;
    if args.profile.is_some() && done.moved.is_empty() && !done.refused.is_empty() {
        return Err(refused(&done));
    }
    let writes = !args.dry_run && !done.files.is_empty();
    if writes {
        if !args.force {
            done.files.iter().try_for_each(|edit| committed(&checkout, edit))?;
        }
        rewrite::all(checkout.folder(), &done.files)?;
    }
    let repeated = |one: &Repeated| one.clone();
    let view = View {
        moved: done.moved.iter().map(|one| repeated(&one.repeated)).collect(),
        refused: done.refused.iter().map(|one| repeated(&one.repeated)).collect(),
        files: done.files.iter().map(|edit| Changed { path: edit.path.clone(), diff: unified(edit) }).collect(),
        accounts: done.accounts,
        written: writes,
    };
    if args.json {
        output::print_json(&view)?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    if args.diff || args.dry_run {
        for file in &view.files {
            text.push_str(&render::fleet::patch(&file.diff));
        }
    }
    text.push_str(&render::fleet::extraction(&view.moved, &view.refused, view.accounts));
    for file in &view.files {
        let word = if writes { "changed" } else { "not changed" };
        let _ = writeln!(text, "{word}: {}", render::terminal::plain(&file.path));
    }
    output::print(&text)?;
    Ok(Exit::Done)
}

/// A profile was named, and nothing can go there.
fn refused(done: &Extraction) -> Fault {
    let why = done.refused.iter().filter_map(|one| {
        let paths = one.repeated.values.keys().cloned().collect::<Vec<_>>().join("`, `");
        Some(format!("`{paths}`: {}", one.repeated.obstacle.as_ref()?))
    });
    let fault = Fault::new(Code::FLEET_EXTRACT, "nothing of what is repeated can go to that profile without a change")
        .remedy("Leave `--profile` out: then each goes to the profile that `fleet report` names.");
    why.fold(fault, Fault::note)
}

/// A file that is as its last commit has it can be had back.
fn committed(checkout: &Checkout, edit: &FileEdit) -> Result<(), Fault> {
    // A folder without a repository has no commit to compare with: whoever keeps it so has another way back.
    let Ok(head) = checkout.commit("HEAD") else { return Ok(()) };
    let kept = definition::file(&checkout.files_at(&head)?, &edit.path)?;
    if kept.as_ref() == Some(&edit.before) {
        return Ok(());
    }
    Err(Fault::new(Code::FLEET_EXTRACT, format!("`{}` has changes that are not committed", edit.path))
        .remedy("Commit them, or use `--force`. `--dry-run` shows what would change."))
}

fn unified(edit: &FileEdit) -> String {
    let (before, after) = (String::from_utf8_lossy(&edit.before), String::from_utf8_lossy(&edit.after));
    let diff = similar::TextDiff::from_lines(before.as_ref(), after.as_ref());
    diff.unified_diff().context_radius(3).header(&format!("a/{}", edit.path), &format!("b/{}", edit.path)).to_string()
}

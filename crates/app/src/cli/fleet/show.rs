//! `portcullis fleet show ACCOUNT [PATH]`: what is in force in an account, and who says so.

use portcullis_model::{AccountName, Code, Fault};

use super::Tree;
use crate::cli::output;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `fleet show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The account
    #[arg(value_parser = AccountName::parse)]
    account: AccountName,
    /// Only this value or what is below it: limits, action.apply.approvals
    path: Option<String>,
    /// Say for each value where it is written, and what it replaced
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    tree: Tree,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows.
///
/// # Errors
/// `PC-0506` for an account that is not in the fleet, `PC-0504` for a path that names nothing.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let fleet = args.tree.fleet()?;
    fleet.account(&args.account)?;
    let mut settings = fleet.settings(&args.account);
    if let Some(path) = &args.path {
        let below = format!("{path}.");
        let all: Vec<String> = settings.iter().map(|setting| setting.path.clone()).collect();
        settings.retain(|setting| setting.path == *path || setting.path.starts_with(&below));
        if settings.is_empty() {
            let mut tops: Vec<&str> = all.iter().filter_map(|path| path.split('.').next()).collect();
            tops.dedup();
            let list = tops.iter().map(|top| format!("`{top}`")).collect::<Vec<_>>().join(", ");
            let message = format!("account `{}` has no value at `{path}`", args.account);
            return Err(Fault::new(Code::FLEET_UNKNOWN_NAME, message).remedy(format!("There are {list}.")));
        }
    }
    if !args.explain {
        // What was taken away is no value.
        settings.retain(|setting| !setting.value.is_null());
    }
    if args.json {
        output::print_json(&settings)?;
    } else {
        output::print(&render::fleet::show(&settings, args.explain))?;
    }
    Ok(Exit::Done)
}

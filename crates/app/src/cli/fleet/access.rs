//! `portcullis fleet access`: who may do what, where.

use portcullis_model::{AccountName, ActionKind, Code, Fault, PrincipalName};

use super::Tree;
use crate::cli::output;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `fleet access`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only in this account
    #[arg(long, value_name = "NAME", value_parser = AccountName::parse)]
    account: Option<AccountName>,
    /// Only of this principal
    #[arg(long, value_name = "NAME", value_parser = PrincipalName::parse)]
    principal: Option<PrincipalName>,
    /// Only this action
    #[arg(long, value_name = "ACTION", value_parser = ActionKind::parse)]
    action: Option<ActionKind>,
    #[command(flatten)]
    tree: Tree,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists.
///
/// # Errors
/// A definition that is not right, or a name that is not in it.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let fleet = args.tree.fleet()?;
    if let Some(account) = &args.account {
        fleet.account(account)?;
    }
    if let Some(principal) = &args.principal
        && !fleet.accounts().values().any(|account| account.principals.contains_key(principal))
    {
        return Err(Fault::new(Code::FLEET_UNKNOWN_NAME, format!("there is no principal `{principal}`"))
            .remedy("`portcullis fleet access` without `--principal` lists those that have a right."));
    }
    let mut access = fleet.access();
    access.retain(|access| {
        args.account.as_ref().is_none_or(|account| access.account == *account)
            && args.principal.as_ref().is_none_or(|principal| access.right.principal == *principal)
            && args.action.is_none_or(|action| access.right.action == action)
    });
    if args.json {
        output::print_json(&access)?;
    } else {
        output::print(&render::fleet::access(&access))?;
    }
    Ok(Exit::Done)
}

//! `portcullis describe`: what the caller may ask for, with parameters and examples.

use portcullis_model::{ActionKind, Code, Fault};

use super::output;
use super::target::Target;
use crate::environment::Environment;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `describe`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this action
    #[arg(value_parser = ActionKind::parse)]
    action: Option<ActionKind>,
    #[command(flatten)]
    target: Target,
}

/// Describes.
pub async fn run(args: Args, environment: &Environment) -> Result<Exit, Fault> {
    let (client, tokens) = args.target.open(environment)?;
    let mut list = client.actions(&tokens.token().await?).await?;
    if let Some(action) = args.action {
        let known = list.actions.iter().map(|one| format!("`{}`", one.name)).collect::<Vec<_>>().join(", ");
        list.actions.retain(|one| one.name == action);
        if list.actions.is_empty() {
            let message = format!("account `{}` has no action `{action}` that you may ask for", list.account);
            let remedy = if known.is_empty() { "There is none.".to_owned() } else { format!("There are {known}.") };
            return Err(Fault::new(Code::UNKNOWN_ACTION, message).remedy(remedy));
        }
    }
    if args.target.json {
        output::print_json(&list)?;
    } else if args.action.is_some() {
        output::print(&render::actions::one(&list, &args.target.place(environment)))?;
    } else {
        output::print(&render::actions::all(&list))?;
    }
    Ok(Exit::Done)
}

//! `portcullis units explain PATH [ATTRIBUTE]`: where a unit's values come from, and what they replaced.

use portcullis_model::{Code, Fault};

use super::tree::{Look, unit_path};
use super::views::ExplainedView;
use crate::cli::output;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `units explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The unit's folder, relative to the repository's root
    #[arg(value_name = "PATH")]
    path: String,
    /// An attribute, such as `inputs.tags` or `remote_state.config.key`, with all below it; every attribute when
    /// not given
    #[arg(value_name = "ATTRIBUTE")]
    attribute: Option<String>,
    #[command(flatten)]
    look: Look,
}

/// Explains.
///
/// # Errors
/// When there is nothing to read, the path names no unit or the attribute is set by nobody, or nothing can be
/// written.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let estate = args.look.estate()?;
    let unit = match estate.effective_with_layers(&unit_path(&args.path)?) {
        Ok(unit) => unit,
        Err(faults) => {
            faults.iter().for_each(|fault| output::complain(&render::fault::text(fault)));
            return Ok(Exit::Failed);
        }
    };
    let wanted = |name: &str| match args.attribute.as_deref() {
        None => true,
        Some(attribute) => {
            name.strip_prefix(attribute).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        }
    };
    let explained = unit.explained();
    let views: Vec<ExplainedView> =
        explained.iter().filter(|found| wanted(&found.attribute)).map(ExplainedView::of).collect();
    if let (true, Some(attribute)) = (views.is_empty(), &args.attribute) {
        let message = format!("{} has no attribute {}", unit.path, portcullis_model::id::quoted(attribute));
        return Err(Fault::new(Code::NOT_FOUND, message)
            .remedy("`portcullis units show` prints what is set; a default that nobody wrote has no place."));
    }
    if args.look.json {
        output::print_json(&views)?;
    } else {
        output::print(&render::units::explained(&views))?;
    }
    Ok(Exit::Done)
}

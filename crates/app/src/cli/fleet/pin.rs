//! `portcullis fleet pin URL COMMIT FILE`: the `import` of a file of another repository, with its digest.

use portcullis_model::{Code, CommitId, Digest, Fault};
use serde::Serialize;

use crate::cli::output;
use crate::cli::repository::fetching;
use crate::imports;
use crate::outcome::Exit;
use crate::render::terminal::plain;

/// Arguments of `fleet pin`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Read the file before you import it: from then on it is what you say it is, and nothing else is taken for it."
)]
pub struct Args {
    /// The repository: https://…, ssh://…
    git: String,
    /// The commit, with all of its 40 digits
    #[arg(value_parser = CommitId::parse)]
    commit: CommitId,
    /// The file in it, from the top
    path: String,
    /// The name of the import [default: the file's name]
    #[arg(long)]
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct View<'a> {
    git: &'a str,
    commit: &'a CommitId,
    sha256: Digest,
    path: &'a str,
}

/// Pins.
///
/// # Errors
/// When the file cannot be fetched.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let quotes = |text: &String| text.contains(['"', '\\', '$', '%']) || text.contains(char::is_control);
    if [Some(&args.git), Some(&args.path), args.name.as_ref()].into_iter().flatten().any(quotes) {
        return Err(Fault::new(Code::FLEET_IMPORT, "a URL, path or name with quotes or signs of templates")
            .remedy("Write the `import` by hand, and take its digest from `sha256sum`."));
    }
    let file = fetching(async |sources| imports::file(sources, &args.git, args.commit.as_str(), &args.path).await)?;
    let sha256 = Digest::of(&file);
    if args.json {
        output::print_json(&View { git: &args.git, commit: &args.commit, sha256, path: &args.path })?;
        return Ok(Exit::Done);
    }
    let stem = args.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".hcl");
    let name = args.name.as_deref().unwrap_or(stem);
    let lines = [
        format!("import \"{name}\" {{"),
        format!("  git    = \"{}\"", args.git),
        format!("  commit = \"{}\"", args.commit),
        format!("  sha256 = \"{sha256}\""),
        format!("  path   = \"{}\"", args.path),
        "}".to_owned(),
    ];
    output::print(&lines.map(|line| plain(&line) + "\n").concat())?;
    Ok(Exit::Done)
}

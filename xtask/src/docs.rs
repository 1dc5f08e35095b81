//! `cargo xtask docs`: writes the documents that are made from the program. Tests compare them with what is committed.

use crate::process;
use crate::workspace::Workspace;

/// Writes them.
pub fn run(workspace: &Workspace) -> Result<(), String> {
    let mut reference = process::command(workspace, &workspace.cargo);
    reference.args(["run", "--quiet", "--package", "portcullis-app", "--bin", "portcullis", "--", "reference"]);
    let text = process::output(&mut reference)?;
    let file = workspace.root.join("docs/cli.md");
    std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut openapi = process::command(workspace, &workspace.cargo);
    openapi.args(["test", "--quiet", "--package", "portcullis-app", "--test", "it", "--"]);
    process::output(openapi.args(["--ignored", "write_the_document"]))?;
    println!("docs/cli.md and docs/openapi.json are written; read what has changed with `git diff docs`.");
    Ok(())
}

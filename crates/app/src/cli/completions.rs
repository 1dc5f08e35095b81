//! `portcullis completions`: a script that completes this command line in a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;
use portcullis_model::Fault;

use super::output;
use crate::outcome::Exit;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Bash: portcullis completions bash > ~/.local/share/bash-completion/completions/portcullis\n\
                        Zsh:  portcullis completions zsh > a folder of $fpath/_portcullis\n\
                        Fish: portcullis completions fish > ~/.config/fish/completions/portcullis.fish")]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "portcullis", &mut script);
    output::print_raw(&script)?;
    Ok(Exit::Done)
}

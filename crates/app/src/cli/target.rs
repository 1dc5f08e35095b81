//! Where a runner is and who asks: the options that all commands to a runner have.

use std::path::PathBuf;

use portcullis_model::Fault;

use crate::client::token::AUDIENCE_VARIABLE;
use crate::client::{Audience, Client, Tokens};
use crate::environment::Environment;
use crate::render::next::Place;
use crate::render::terminal::shell_word;

/// The variable that holds the runner's URL.
pub const RUNNER_VARIABLE: &str = "PORTCULLIS_RUNNER";

/// Where a runner is and who asks.
#[derive(Debug, clap::Args)]
pub struct Target {
    /// The runner's base URL, such as https://portcullis.dev.acme.example
    #[arg(long, value_name = "URL", env = RUNNER_VARIABLE, hide_env_values = true, help_heading = "Runner and caller")]
    pub runner: String,
    /// A file that holds the OIDC token; else PORTCULLIS_TOKEN or the CI system's own place is used
    #[arg(long, value_name = "FILE", help_heading = "Runner and caller")]
    pub token_file: Option<PathBuf>,
    /// Whom the token is for: portcullis:<fleet>/<account>. Needed where the CI system makes it
    #[arg(
        long,
        value_name = "AUDIENCE",
        env = AUDIENCE_VARIABLE,
        hide_env_values = true,
        value_parser = Audience::parse,
        help_heading = "Runner and caller"
    )]
    pub audience: Option<Audience>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Target {
    /// Where commands that are shown for copying are sent.
    pub fn place(&self, environment: &Environment) -> Place {
        let known = environment.get(RUNNER_VARIABLE) == Some(self.runner.as_str());
        let options = if known { String::new() } else { format!(" --runner {}", shell_word(&self.runner)) };
        Place { options }
    }

    /// The runner, and where the caller's tokens come from.
    ///
    /// # Errors
    /// `PC-0001` for what is no URL, `PC-0003` without a token.
    pub fn open(&self, environment: &Environment) -> Result<(Client, Tokens), Fault> {
        let client = Client::new(&self.runner)?;
        Ok((client, Tokens::find(self.token_file.as_deref(), self.audience.clone(), environment)?))
    }
}

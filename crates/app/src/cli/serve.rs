//! `portcullis serve`: starts a runner.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use portcullis_mirror::Credential;
use portcullis_model::{AccountName, BranchName, Code, Fault, SourcePattern};
use portcullis_sources::SourceCredential;
use portcullis_sources::credential::place_and_file;
use tracing_subscriber::EnvFilter;

use crate::environment::Environment;
use crate::options::{RepositoryCredential, ServeOptions, Transport};
use crate::outcome::Exit;

/// The variable that holds the repository's credential.
const CREDENTIAL: &str = "PORTCULLIS_REPOSITORY_CREDENTIAL";
/// The variable by which systemd says where a service's credentials are.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// The variable that says what is logged.
const LOG: &str = "PORTCULLIS_LOG";

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Environment: PORTCULLIS_REPOSITORY_CREDENTIAL (the credential for the fleet's repository), \
                        PORTCULLIS_LOG (what is logged, such as `debug` or `info,portcullis_engine=trace`).")]
pub struct Args {
    /// The account to serve, as portcullis.hcl names it
    #[arg(long, value_name = "NAME", value_parser = AccountName::parse)]
    account: AccountName,
    /// Where the fleet's repository is fetched from
    #[arg(long, value_name = "URL")]
    fleet_url: String,
    /// The branch that portcullis.hcl is read from
    #[arg(long, value_name = "BRANCH", default_value = "main", value_parser = BranchName::parse_ref)]
    protected: BranchName,
    /// The runner's data folder; it is made if it does not exist
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7474")]
    listen: SocketAddr,
    /// A file that holds the credential for the fleet's repository
    #[arg(long, value_name = "FILE")]
    repository_credential_file: Option<PathBuf>,
    /// A credential for modules from that place, such as github.com/acme/*=FILE; the file holds `token` or `user:token`
    #[arg(long, value_name = "PLACE=FILE", value_parser = SourceCredential::parse)]
    source_credential: Vec<SourceCredential>,
    /// An SSH key for modules from that place
    #[arg(long, value_name = "PLACE=FILE", value_parser = place_and_file, requires = "source_known_hosts")]
    source_ssh_key: Vec<(SourcePattern, PathBuf)>,
    /// The host keys that are trusted where modules are fetched over SSH
    #[arg(long, value_name = "FILE")]
    source_known_hosts: Option<PathBuf>,
    /// A folder with the secrets that portcullis.hcl names, a file each; systemd credentials are found as well
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
    /// The certificate chain for TLS (PEM)
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The private key for TLS (PEM)
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// What terminates TLS in front of this runner, in your words
    #[arg(long, value_name = "WHO")]
    tls_terminated_upstream: Option<String>,
    /// The OpenTofu or Terraform program; found on PATH when not given
    #[arg(long, value_name = "PROGRAM")]
    tool: Option<PathBuf>,
    /// The Terragrunt program, for the driver of that name; found on PATH when not given
    #[arg(long, value_name = "PROGRAM")]
    terragrunt: Option<PathBuf>,
    /// The portcullis-agent program; found beside this one when not given
    #[arg(long, value_name = "PROGRAM")]
    agent: Option<PathBuf>,
    /// Tasks at a time; the account's own limit when not given
    #[arg(long, value_name = "COUNT")]
    parallel: Option<NonZeroU32>,
    /// How long running tasks are given at shutdown before they are interrupted
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    shutdown_grace: u64,
    /// A file that is written with the base URL once the API answers
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Runs a runner until it is told to stop.
///
/// # Errors
/// A wrong option, or whatever keeps the runner from starting.
pub fn run(args: Args, environment: &Environment) -> Result<Exit, Fault> {
    start_log(args.log_format, environment.get(LOG))?;
    let options = options(args, environment)?;
    super::on_runtime(crate::runner::serve(options))?;
    Ok(Exit::Done)
}

fn options(args: Args, environment: &Environment) -> Result<ServeOptions, Fault> {
    if args.fleet_url.trim().is_empty() || args.fleet_url.starts_with('-') {
        return Err(Fault::new(Code::BAD_OPTION, "`--fleet-url` is no URL")
            .remedy("Give what `git clone` takes, such as `https://git.example.org/live.git`."));
    }
    let credential = match (args.repository_credential_file, environment.get(CREDENTIAL)) {
        (Some(file), _) => Some(RepositoryCredential::File(file)),
        (None, Some(text)) => Some(RepositoryCredential::Text(text.to_owned())),
        (None, None) => None,
    };
    let mut source_credentials = args.source_credential;
    if let Some(known_hosts) = args.source_known_hosts {
        source_credentials.extend(args.source_ssh_key.into_iter().map(|(place, key)| SourceCredential {
            place,
            credential: Credential::SshKey { key, known_hosts: known_hosts.clone() },
        }));
    }
    let transport = Transport::check(args.listen, args.tls_cert, args.tls_key, args.tls_terminated_upstream)?;
    Ok(ServeOptions {
        account: args.account,
        fleet_url: args.fleet_url,
        protected: args.protected,
        data: args.data,
        listen: args.listen,
        transport,
        credential,
        source_credentials,
        secrets: args.secrets.into_iter().chain(environment.get(CREDENTIALS).map(PathBuf::from)).collect(),
        tool: args.tool,
        terragrunt: args.terragrunt,
        agent: args.agent,
        parallel: args.parallel,
        shutdown_grace: Duration::from_secs(args.shutdown_grace),
        ready_file: args.ready_file,
        search_path: environment.get("PATH").map(str::to_owned),
    })
}

fn start_log(format: LogFormat, wanted: Option<&str>) -> Result<(), Fault> {
    let filter = EnvFilter::try_new(wanted.unwrap_or("info")).map_err(|error| {
        Fault::new(Code::BAD_OPTION, format!("`{LOG}` is not understood: {error}"))
            .remedy("Give a level (`error`, `warn`, `info`, `debug`, `trace`), or levels per part: `info,portcullis_engine=debug`.")
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Fault::internal(format!("the log cannot be started: {error}")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        args: Args,
    }

    const LEAST: [&str; 7] = ["serve", "--account", "dev", "--fleet-url", "/srv/live.git", "--data", "/var/lib/p"];

    fn parse(more: &[&str], environment: &Environment) -> Result<ServeOptions, Code> {
        let only = Only::try_parse_from(LEAST.iter().chain(more)).unwrap();
        options(only.args, environment).map_err(|fault| fault.code())
    }

    #[test]
    fn the_least_is_enough_and_the_defaults_are_safe() {
        let options = parse(&[], &Environment::default()).unwrap();
        assert!(options.listen.ip().is_loopback());
        assert_eq!(options.transport, Transport::Loopback);
        assert_eq!(options.protected.as_str(), "main");
        assert_eq!(options.credential, None);
    }

    #[test]
    fn a_public_address_without_tls_is_refused() {
        let none = Environment::default();
        assert_eq!(parse(&["--listen", "0.0.0.0:1"], &none).unwrap_err(), Code::INSECURE_LISTEN);
        assert!(parse(&["--listen", "0.0.0.0:1", "--tls-terminated-upstream", "the ALB"], &none).is_ok());
    }

    #[test]
    fn a_credential_file_wins_over_the_variable() {
        let environment = Environment::from_iter([(CREDENTIAL, "hunter2")]);
        let text = parse(&[], &environment).unwrap().credential;
        assert_eq!(text, Some(RepositoryCredential::Text("hunter2".into())));
        let file = parse(&["--repository-credential-file", "/run/c"], &environment).unwrap().credential;
        assert_eq!(file, Some(RepositoryCredential::File("/run/c".into())));
    }

    #[test]
    fn a_url_that_git_would_take_for_an_option_is_refused() {
        let only = Only::try_parse_from(["serve", "--account", "dev", "--fleet-url=--upload-pack=x", "--data", "d"]);
        let refused = options(only.unwrap().args, &Environment::default()).unwrap_err();
        assert_eq!(refused.code(), Code::BAD_OPTION);
    }

    #[test]
    fn a_log_filter_that_is_none_is_refused() {
        assert_eq!(start_log(LogFormat::Text, Some("a=b=c")).unwrap_err().code(), Code::BAD_OPTION);
    }
}

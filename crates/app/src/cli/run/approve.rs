//! `portcullis run approve`: lets held plans go on, by their digests.
//!
//! An approval always names digests. Without `--plan`, a person at a terminal is shown what is held and why, and those
//! digests are named; a plan that is held later is not meant by it.

use std::io::{BufRead, IsTerminal, Write as _};

use owo_colors::OwoColorize;
use portcullis_model::api::RunView;
use portcullis_model::run::{PlanSummary, TaskState};
use portcullis_model::{Code, Digest, Fault, RunId};

use crate::cli::follow::{Following, Patience};
use crate::cli::output;
use crate::cli::target::Target;
use crate::client::Access;
use crate::environment::Environment;
use crate::outcome::Exit;
use crate::render::next::{self, count};
use crate::render::terminal::plain;
use crate::render::{self, plan};

/// Arguments of `run approve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run's id
    #[arg(value_name = "RUN")]
    run: RunId,
    /// A held plan's digest, as `run show` prints it; may be given several times. Without it, a person at a terminal is
    /// asked
    #[arg(long = "plan", value_name = "DIGEST")]
    plans: Vec<Digest>,
    /// Then wait until the run has ended or is held; the exit code is the run's
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    target: Target,
}

/// Approves.
pub async fn run(args: Args, environment: &Environment) -> Result<Exit, Fault> {
    let target = &args.target;
    let (client, tokens) = target.open(environment)?;
    let mut token = tokens.token().await?;
    let mut plans: Vec<String> = args.plans.iter().map(ToString::to_string).collect();
    if plans.is_empty() {
        let view = client.run(&token, args.run).await?;
        plans = next::held(&view);
        if plans.is_empty() {
            return Err(Fault::new(Code::RUN_NOT_HELD, "the run is not held: no plan of it waits for an approval"));
        }
        if target.json || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return Err(not_asked(&view, &plans, target, environment));
        }
        if !confirmed(&view, plans.len())? {
            output::complain("Not approved. The run stays held.\n");
            return Ok(Exit::Held);
        }
        if tokens.are_renewed() {
            // A person takes time to read, and tokens live for minutes.
            token = tokens.token().await?;
        }
    }
    let mut view = client.approve(&token, args.run, plans).await?;
    let mut exit = Exit::Done;
    if args.follow {
        let access = Access::by_caller(tokens, Some(token));
        let following = Following { client: &client, access, target, patience: args.patience.time() };
        (view, exit) = following.until_end(args.run, environment).await?;
    }
    if target.json {
        output::print_json(&view)?;
    } else {
        output::print(&render::run::text(&view, &target.place(environment)))?;
    }
    Ok(exit)
}

/// What is held, unit by unit: digest, reason, summary.
fn held(view: &RunView) -> impl Iterator<Item = (&str, String, &str, Option<&PlanSummary>)> {
    view.tasks.iter().filter_map(|task| match &task.state {
        TaskState::Held { plan, why } => {
            Some((task.unit.as_str(), plan.to_string(), why.as_str(), task.summary.as_ref()))
        }
        _ => None,
    })
}

/// Nobody is there to be asked: what could be approved, and with which command.
fn not_asked(view: &RunView, plans: &[String], target: &Target, environment: &Environment) -> Fault {
    let fault = Fault::new(Code::USAGE, "without a terminal, an approval has to name its plans");
    let fault = held(view).fold(fault, |fault, (unit, digest, why, summary)| {
        let summary = summary.map(|summary| format!(" ({summary})")).unwrap_or_default();
        fault.note(format!("{unit} is held with plan {digest}{summary}: {why}"))
    });
    let command = next::approval(view.id, plans.iter().map(String::as_str), &target.place(environment));
    fault.remedy(format!("Once you have seen what they change: `{command}`."))
}

/// Shows what is held and asks. Only `yes` is taken, as Terraform does.
fn confirmed(view: &RunView, plans: usize) -> Result<bool, Fault> {
    let mut text = render::run::title(view);
    for (unit, digest, why, summary) in held(view) {
        text.push_str(&format!(
            "\n{}\n  {} {}\n  Digest: {digest}\n",
            plain(unit).bold(),
            "Held:".yellow().bold(),
            plain(why)
        ));
        text.push_str(&summary.map(|summary| plan::text(summary, "  ")).unwrap_or_default());
    }
    text.push_str(&format!(
        "\nApprove {}? Only `yes` is taken: ",
        if plans == 1 { "this plan".to_owned() } else { format!("these {}", count(plans, "plan")) }
    ));
    output::complain(&text);
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|error| Fault::io("the terminal", &error))?;
    Ok(answer.trim() == "yes")
}

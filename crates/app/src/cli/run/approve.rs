//! `portcullis run approve`: lets held plans go on, by their digests.
//!
//! An approval always names digests. Without `--plan`, a person at a terminal is shown what is held and why, and those
//! digests are named; a plan that is held later is not meant by it.

use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal};

use owo_colors::OwoColorize;
use portcullis_model::api::RunView;
use portcullis_model::run::{PlanSummary, TaskState};
use portcullis_model::{Code, Digest, Fault, RunId};

use crate::cli::follow::{Ended, Following, Patience};
use crate::cli::output;
use crate::cli::target::Target;
use crate::client::Access;
use crate::environment::Environment;
use crate::outcome::Exit;
use crate::render::next::{self, count};
use crate::render::run::Logs;
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
    let (mut exit, mut logs) = (Exit::Done, Logs::new());
    if args.follow {
        let access = Access::by_caller(tokens, Some(token));
        let following = Following { client: &client, access, target, patience: args.patience.time() };
        Ended { run: view, logs, exit } = following.until_end(args.run, environment).await?;
    }
    if target.json {
        output::print_json(&view)?;
    } else {
        output::print(&render::run::text(&view, &logs, &target.place(environment)))?;
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

/// Shows what is held and asks.
fn confirmed(view: &RunView, plans: usize) -> Result<bool, Fault> {
    output::complain(&question(view, plans));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|error| Fault::io("the terminal", &error))?;
    Ok(is_yes(&answer))
}

/// What is held and why, and the question.
fn question(view: &RunView, plans: usize) -> String {
    let mut text = render::run::title(view);
    for (unit, digest, why, summary) in held(view) {
        let _ = writeln!(text, "\n{}\n  {} {}", plain(unit).bold(), "Held:".yellow().bold(), plain(why));
        text.push_str(&summary.map(|summary| plan::text(summary, "  ")).unwrap_or_default());
        let _ = writeln!(text, "  Digest: {digest}");
    }
    let these = if plans == 1 { "this plan".to_owned() } else { format!("these {}", count(plans, "plan")) };
    let _ = write!(text, "\nApprove {these}? Only `yes` is taken: ");
    text
}

/// Nothing else is taken, as by Terraform: an approval is not given by a slip of the hand.
fn is_yes(answer: &str) -> bool {
    answer.trim() == "yes"
}

#[cfg(test)]
mod tests {
    use portcullis_model::run::{ChangeKind, ResourceChange, RunState};

    use super::*;

    #[test]
    fn a_person_sees_what_is_held_and_why_before_the_question() {
        let change = ResourceChange { address: "terraform_data.db".into(), kind: ChangeKind::Replace };
        let summary = PlanSummary { replace: 1, changes: vec![change], ..PlanSummary::default() };
        let task = |number: u8, unit: &str, state, summary| portcullis_model::api::TaskView {
            id: format!("01890000-0000-7000-8000-00000000000{number}").parse().unwrap(),
            unit: portcullis_model::UnitPath::parse(unit).unwrap(),
            after: Vec::new(),
            why: "its inputs have changed".into(),
            state,
            code: None,
            input_digest: None,
            plan: None,
            summary,
            started_at: None,
            ended_at: None,
        };
        let held = |number: u8| TaskState::Held { plan: Digest::of(&[number]), why: "it is another change".into() };
        let view = RunView {
            id: "01890000-0000-7000-8000-000000000000".parse().unwrap(),
            action: portcullis_model::ActionKind::Apply,
            account: "prod".into(),
            repository: "infrastructure-live".into(),
            branch: "main".into(),
            commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
            parameters: std::collections::BTreeMap::new(),
            requested_by: "live-merge".into(),
            state: RunState::Held,
            fault: None,
            message: None,
            created_at: String::new(),
            ended_at: None,
            tasks: vec![
                task(1, "prod/db", held(1), Some(summary)),
                task(2, "prod/dns", TaskState::Waiting, None),
                task(3, "prod/vpc", held(3), None),
            ],
        };
        let text = anstream::adapter::strip_str(&question(&view, 2)).to_string();
        insta::assert_snapshot!(text, @r"
        Run 01890000-0000-7000-8000-000000000000: apply of infrastructure-live, main at 0123456789, in prod

        prod/db
          Held: it is another change
          -/+ # terraform_data.db must be replaced
          Plan: 1 to add, 0 to change, 1 to destroy.
          Digest: 4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a

        prod/vpc
          Held: it is another change
          Digest: 084fed08b978af4d7d196a7446a86b58009e636b611db16211b65a9aadff29c5

        Approve these 2 plans? Only `yes` is taken:
        ");
    }

    #[test]
    fn only_yes_is_yes() {
        assert!(is_yes("yes\n"));
        for no in ["", "y\n", "Yes\n", "yes please\n", "no\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}

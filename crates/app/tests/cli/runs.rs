//! `portcullis run`: what people and programs see.

use portcullis_model::api::{CallPage, CallRefused, CallView, TaskView};
use portcullis_model::run::{ChangeKind, PlanSummary, ResourceChange, RunState, TaskResult, TaskState};
use portcullis_model::{Code, TaskId, UnitPath};

use super::fake::{Fake, RUN, digest, task};
use super::program::{run, run_with_input};

fn summary(changes: &[(&str, ChangeKind)]) -> Option<PlanSummary> {
    let count = |kind| u32::try_from(changes.iter().filter(|(_, of)| *of == kind).count()).unwrap();
    Some(PlanSummary {
        add: count(ChangeKind::Create),
        change: count(ChangeKind::Update),
        replace: count(ChangeKind::Replace),
        destroy: count(ChangeKind::Destroy),
        changes: changes
            .iter()
            .map(|(address, kind)| ResourceChange { address: (*address).into(), kind: *kind })
            .collect(),
        ..PlanSummary::default()
    })
}

fn held() -> Fake {
    let held =
        |number: u8, unit, why: &str| task(number, unit, TaskState::Held { plan: digest(number), why: why.into() });
    let db = TaskView {
        summary: summary(&[("terraform_data.size", ChangeKind::Replace), ("terraform_data.log", ChangeKind::Create)]),
        ..held(1, "prod/us-east-1/db", "the change is not the one that was reviewed")
    };
    let vpc = TaskView {
        summary: summary(&[("terraform_data.vpc", ChangeKind::Update)]),
        ..held(2, "prod/vpc", "nobody reviewed it")
    };
    let done = TaskState::Succeeded { result: TaskResult::AppliedReviewed };
    let dns =
        TaskView { summary: summary(&[("terraform_data.zone", ChangeKind::Create)]), ..task(3, "prod/dns", done) };
    Fake::start("apply", RunState::Held, vec![db, vpc, dns])
}

#[test]
fn a_held_run_says_what_is_held_and_how_it_goes_on() {
    let said = run(&held(), &["run", "show", RUN]);
    insta::assert_snapshot!(said.out, @r"
    Run 01890000-0000-7000-8000-000000000000: apply of infrastructure-live, main at 0123456789, in dev
      State  held
      Asked  2026-11-25 10:00:00 UTC, live-ci (repo:acme/infrastructure-live)

      STATE    UNIT               CHANGE    TIME
      held     prod/us-east-1/db  +2 ~0 -1         the change is not the one that was reviewed
      held     prod/vpc           +0 ~1 -0         nobody reviewed it
      applied  prod/dns           +1 ~0 -0  2.5 s  as reviewed

    prod/us-east-1/db (its inputs have changed)
      -/+ # terraform_data.size must be replaced
        + # terraform_data.log will be created
      Plan: 2 to add, 0 to change, 1 to destroy.
      Held: the change is not the one that was reviewed
      Digest: 4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a

    prod/vpc (its inputs have changed)
        ~ # terraform_data.vpc will be updated in-place
      Plan: 0 to add, 1 to change, 0 to destroy.
      Held: nobody reviewed it
      Digest: dbc1b4c900ffe48d575b5da5c638040125f65db0fe3e24494b76ea986457d986

    prod/dns (its inputs have changed)
        + # terraform_data.zone will be created
      Plan: 1 to add, 0 to change, 0 to destroy.

    Applied: 1 added, 0 changed, 0 destroyed in 1 unit.

    2 plans wait for an approval. An approver lets them go on with:

        portcullis run approve 01890000-0000-7000-8000-000000000000 --plan 4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a --plan dbc1b4c900ffe48d575b5da5c638040125f65db0fe3e24494b76ea986457d986
    ");
}

#[test]
fn a_plan_reads_as_people_know_it() {
    let planned = || TaskState::Succeeded { result: TaskResult::Planned };
    let changes = [("module.a.terraform_data.x[\"k\"]", ChangeKind::Create), ("terraform_data.y", ChangeKind::Destroy)];
    let vpc = TaskView { summary: summary(&changes), ..task(1, "dev/vpc", planned()) };
    let db =
        TaskView { summary: summary(&[("terraform_data.db", ChangeKind::Update)]), ..task(2, "dev/db", planned()) };
    let same =
        TaskView { summary: summary(&[]), ..task(3, "dev/dns", TaskState::Succeeded { result: TaskResult::NoChange }) };
    let gone = task(4, "dev/old", TaskState::NeedsDestroy);
    let fake = Fake::start("plan", RunState::Succeeded, vec![vpc, db, same, gone]);
    fake.change(|state| state.run.message = Some("3 of 11 units are affected".into()));
    insta::assert_snapshot!(run(&fake, &["run", "show", RUN]).out, @r#"
    Run 01890000-0000-7000-8000-000000000000: plan of infrastructure-live, main at 0123456789, in dev
      State  succeeded after 4.0 s
      Asked  2026-11-25 10:00:00 UTC, live-ci (repo:acme/infrastructure-live)
      Units  3 of 11 units are affected

      STATE          UNIT     CHANGE    TIME
      planned        dev/vpc  +1 ~0 -1  2.5 s
      planned        dev/db   +0 ~1 -0  2.5 s
      no change      dev/dns            2.5 s
      needs destroy  dev/old            2.5 s  was deleted and still has state

    dev/vpc (its inputs have changed)
        + # module.a.terraform_data.x["k"] will be created
        - # terraform_data.y will be destroyed
      Plan: 1 to add, 0 to change, 1 to destroy.

    dev/db (its inputs have changed)
        ~ # terraform_data.db will be updated in-place
      Plan: 0 to add, 1 to change, 0 to destroy.

    Plan: 1 to add, 1 to change, 1 to destroy in 2 units.

    Nothing was applied. Merge the branch, and what is shown here is applied.
    1 unit was deleted, and its state is still there. Nothing of it is destroyed.
    "#);
}

#[test]
fn runs_are_a_table_with_a_way_to_older_ones() {
    let fake = held();
    let said = run(&fake, &["run", "list", "--limit", "1"]);
    insta::assert_snapshot!(said.out, @r"
    RUN                                   STATE  ACTION  BRANCH  COMMIT      ACCEPTED                 ASKED BY
    01890000-0000-7000-8000-000000000000  held   apply   main    0123456789  2026-11-25 10:00:00 UTC  live-ci (repo:acme/infrastructure-live)

    Older ones:

        portcullis run list --after 01890000-0000-7000-8000-000000000000
    ");
    let said = run(&fake, &["run", "list", "--after", RUN, "--runner", &fake.url()]);
    assert_eq!(said.out, "No runs.\n");
    let page: serde_json::Value = serde_json::from_str(&run(&fake, &["run", "list", "--json"]).out).unwrap();
    assert_eq!((&page["runs"][0]["id"], &page["next"]), (&RUN.into(), &RUN.into()));
}

#[test]
fn without_a_terminal_an_approval_names_its_plans() {
    let fake = held();
    let said = run_with_input(&fake, &["run", "approve", RUN], "yes\n");
    assert_eq!(said.code, 2);
    insta::assert_snapshot!(said.err, @r"
    error: without a terminal, an approval has to name its plans [PC-0001]
      note: prod/us-east-1/db is held with plan 4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a (2 to add, 0 to change, 1 to destroy): the change is not the one that was reviewed
      note: prod/vpc is held with plan dbc1b4c900ffe48d575b5da5c638040125f65db0fe3e24494b76ea986457d986 (0 to add, 1 to change, 0 to destroy): nobody reviewed it
      help: Once you have seen what they change: `portcullis run approve 01890000-0000-7000-8000-000000000000 --plan 4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a --plan dbc1b4c900ffe48d575b5da5c638040125f65db0fe3e24494b76ea986457d986`.
    ");
    assert!(!fake.asked().iter().any(|asked| asked.starts_with("approve")));
    let said = run(&fake, &["run", "approve", RUN, "--json"]);
    assert_eq!(said.code, 2, "{said:?}");
}

#[test]
fn an_approval_by_digest_sends_those_digests() {
    let fake = held();
    let one = digest(1).to_string();
    assert_eq!(run(&fake, &["run", "approve", RUN, "--plan", &one]).code, 0);
    assert!(fake.asked().contains(&format!("approve {:?}", [one])));
}

#[test]
fn a_run_that_is_not_held_has_nothing_to_approve() {
    let fake = Fake::start("apply", RunState::Running, Vec::new());
    let said = run(&fake, &["run", "approve", RUN]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("PC-0117"), "{said:?}");
}

#[test]
fn logs_are_shown_raw_for_a_unit_and_with_headings_for_a_run() {
    let fake = held();
    let (db, vpc) = (task(1, "x", TaskState::Waiting).id, task(2, "x", TaskState::Waiting).id);
    fake.change(|state| {
        state.logs.insert(db, b"a\xff\n::add-mask::x\n".to_vec());
        state.logs.insert(vpc, vec![b'x'; (1 << 20) + 5]);
    });
    let said = run(&fake, &["run", "logs", RUN, "--unit", "prod/us-east-1/db", "--offset", "3"]);
    assert_eq!(said.out, ": :add-mask::x\n");
    let said = run(&fake, &["run", "logs", RUN, "--unit", "prod/vpc"]);
    assert_eq!(said.out.len(), (1 << 20) + 5, "more than a runner gives at once");
    let said = run(&fake, &["run", "logs", RUN]);
    assert!(said.out.contains("== prod/vpc\nxxx") && said.out.contains("== prod/dns\n"), "{}", &said.out[..200]);
    let facts: serde_json::Value = serde_json::from_str(&run(&fake, &["run", "logs", RUN, "--json"]).out).unwrap();
    assert_eq!(facts[0]["log"], "a\u{fffd}\n::add-mask::x\n");
    assert_eq!((&facts[0]["next"], &facts[0]["complete"]), (&17.into(), &false.into()));
}

/// Everything that a hostile branch or a runner that was taken over can put into an answer.
#[test]
fn nothing_that_a_runner_says_steers_the_terminal_or_the_ci_system() {
    let evil = "\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{202e}\r\n::add-mask::x ##[set-env]y ##vso[z]";
    let changes = [(evil, ChangeKind::Create)];
    let held = TaskState::Held { plan: digest(1), why: evil.into() };
    let fault = portcullis_model::Fault::new(portcullis_model::Code::TOOL_FAILED, evil).note(evil).remedy(evil);
    let failed = TaskView { why: evil.into(), ..task(2, "dev/$(id)", TaskState::Failed { fault }) };
    let log = evil.as_bytes().to_vec();
    let fake = Fake::start(
        "apply",
        RunState::Failed,
        vec![TaskView { summary: summary(&changes), ..task(1, "dev/vpc", held) }, failed.clone()],
    );
    fake.change(|state| {
        state.run.message = Some(evil.into());
        state.run.requested_by = evil.into();
        state.run.branch = evil.into();
        state.run.account = evil.into();
        state.logs.insert(failed.id, log);
    });
    for arguments in [
        &["run", "show", RUN][..],
        &["run", "show", RUN, "--follow"],
        &["run", "show", RUN, "--json"],
        &["run", "list"],
        &["run", "list", "--json"],
        &["run", "logs", RUN],
        &["run", "logs", RUN, "--json"],
        &["run", "logs", RUN, "--follow"],
        &["run", "approve", RUN],
        &["--color", "always", "run", "show", RUN, "--follow"],
        &["--color", "always", "run", "approve", RUN],
    ] {
        let said = run(&fake, arguments);
        for text in [&said.out, &said.err] {
            let text = anstream::adapter::strip_str(text).to_string();
            let text = text.replace("\u{1b}", "");
            assert!(text.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{arguments:?}: {text:?}");
            assert!(!text.lines().any(|line| line.trim_start().starts_with("::")), "{arguments:?}: {text}");
            assert!(!text.contains("##[") && !text.contains("##vso["), "{arguments:?}: {text}");
            assert!(!text.contains("--unit dev/$(id)"), "{arguments:?}: {text}");
        }
    }
}

#[test]
fn the_calls_of_a_run_are_listed_page_by_page_and_narrowed() {
    let fake = held();
    let call = |unit: &str, path: &str, refused: Option<&str>| CallView {
        unit: UnitPath::parse(unit).unwrap(),
        task: TaskId::from_uuid(uuid::Uuid::nil()),
        at: "2026-11-25T10:00:01Z".into(),
        method: "GET".into(),
        host: "git.example".into(),
        path: path.into(),
        operation: None,
        resource: None,
        rule: if refused.is_some() { String::new() } else { "egress \"git\"".into() },
        refused: refused.map(|why| CallRefused { code: Code::DOOR_REFUSED, why: why.into() }),
        status: if refused.is_some() { 403 } else { 200 },
        sent_bytes: 0,
        received_bytes: 9,
        repeated: 0,
    };
    fake.change(|state| {
        state.calls = vec![
            call("prod/vpc", "/a", None),
            call("prod/dns", "/b", Some("it is not allowed")),
            call("prod/vpc", "/c", Some("it is not allowed")),
        ];
    });
    let said = run(&fake, &["run", "calls", RUN]);
    insta::assert_snapshot!(said.out, @r#"
    AT        UNIT      STATUS  CALL               BY                                    BYTES
    10:00:01  prod/vpc  200     GET git.example/a  egress "git"                          0 / 9
    10:00:01  prod/dns  403     GET git.example/b  refused: it is not allowed [PC-0614]  0 / 9
    10:00:01  prod/vpc  403     GET git.example/c  refused: it is not allowed [PC-0614]  0 / 9
    "#);
    let said = run(&fake, &["run", "calls", RUN, "--unit", "prod/vpc", "--refused", "--json"]);
    let page: CallPage = serde_json::from_str(&said.out).unwrap();
    assert_eq!(page.calls.iter().map(|call| call.path.as_str()).collect::<Vec<_>>(), ["/c"]);
    let pages: Vec<String> = fake.asked().into_iter().filter(|asked| asked.starts_with("calls")).collect();
    assert_eq!(pages, ["calls after 0", "calls after 2", "calls after 0", "calls after 2"]);
}

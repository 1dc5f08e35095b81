//! `portcullis describe`, `portcullis explain`, and parameters of `portcullis trigger`.

use portcullis_model::run::RunState;
use portcullis_model::{Code, Fault};

use super::fake::Fake;
use super::program::run;

const ROTATE: [&str; 9] = [
    "rotate-keys",
    "--repository",
    "infrastructure-live",
    "--ref",
    "main",
    "--param",
    "service=web one",
    "--param",
    r#"texts:=["a", "b"]"#,
];

fn fake() -> Fake {
    Fake::start("rotate-keys", RunState::Running, Vec::new())
}

#[test]
fn actions_are_listed_with_what_is_not_offered() {
    let said = run(&fake(), &["describe"]);
    insta::assert_snapshot!(said.out, @r"
    Account dev, asked by live-merge.

    ACTION       AT                  PARAMETERS
    plan         a commit of `main`  units          Does it.
    build-image  a commit of `main`                 not offered yet: this version has no executor for it
    rotate-keys  a commit of `main`  service, size  Does it.
    ");
}

#[test]
fn an_action_is_described_with_a_command_that_asks_for_it() {
    let said = run(&fake(), &["describe", "rotate-keys"]);
    insta::assert_snapshot!(said.out, @r#"
    rotate-keys
      Does it.
      At a commit of `main`.

      region enum (is "eu-west-1", fixed by the account)

      service enum (required)
        Takes one of `web one`, `\u{1b}[31mapi`.
        Such as "web one"

      size enum (may be left out)
        Takes one of `small`.
        Such as "web one"

        portcullis trigger rotate-keys --repository infrastructure-live --ref main --param 'service=web one'
    "#);
    let said = run(&fake(), &["describe", "build-image"]);
    insta::assert_snapshot!(said.out, @r"
    build-image
      Does it.
      At a commit of `main`.
      Not offered yet: this version has no executor for it.
    ");
    let none = run(&fake(), &["describe", "destroy"]);
    assert_eq!(none.code, 2);
    insta::assert_snapshot!(none.err, @r"
    error: account `dev` has no action `destroy` that you may ask for [PC-0100]
      help: There are `plan`, `build-image`, `rotate-keys`.
    ");
}

#[test]
fn explaining_shows_what_would_run_and_ends_as_the_request_would() {
    let fake = fake();
    let said = run(&fake, &[&["explain"], &ROTATE[..]].concat());
    assert_eq!(said.code, 0, "{said:?}");
    insta::assert_snapshot!(said.out, @r"
    rotate-keys would be accepted.
      As     live-merge
      Why    `live-merge` may rotate-keys
      At     0123456789
      Runs   rotate-keys '--service=web one' -- dev/vpc
    Nothing was started.
    ");
    fake.change(|state| {
        let fault = Fault::new(Code::BAD_PARAMETER, "parameter `service`: \"db\" is refused: it is none of the values");
        state.refusal = Some(fault.remedy("Give one of `web`, `api`."));
    });
    let said = run(&fake, &[&["explain"], &ROTATE[..]].concat());
    assert_eq!(said.code, 2, "{said:?}");
    insta::assert_snapshot!(said.out, @r#"
    rotate-keys would be refused.
      As     live-merge
    error: parameter `service`: "db" is refused: it is none of the values [PC-0120]
      help: Give one of `web`, `api`.
    "#);
    fake.change(|state| state.refusal = Some(Fault::new(Code::DENIED, "rotate-keys needs `live-merge`")));
    assert_eq!(run(&fake, &[&["explain"], &ROTATE[..]].concat()).code, 3);
}

#[test]
fn parameters_are_sent_as_text_or_as_json() {
    let fake = fake();
    let said = run(&fake, &[&["trigger"], &ROTATE[..]].concat());
    assert_eq!(said.code, 0, "{said:?}");
    fake.change(|state| {
        assert_eq!(
            state.asked,
            [r#"trigger rotate-keys main None {"service":"web one","texts":["a","b"]}"#],
            "what the runner was asked"
        );
    });
    for bad in ["service", "service=twice", "x:=[1"] {
        let said = run(&fake, &[&["trigger"], &ROTATE[..], &["--param", bad]].concat());
        assert_eq!(said.code, 2, "{said:?}");
    }
}

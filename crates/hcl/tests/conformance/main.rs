//! Our evaluator against Terraform: a corpus of expressions with their values, and expressions that are made
//! up. The corpus holds the expected values, so nothing but this crate is needed; where `terraform` is on the
//! path it is asked again, in a few processes.
//!
//! `cargo xtask conformance` runs this with more expressions, and fills in or renews what the corpus holds. It
//! says so by environment variables, which are read here: `PORTCULLIS_BLESS` (`open` or `all`).

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing)]

mod console;
mod corpus;
mod generate;
mod host;
mod notation;
mod property;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use corpus::{Case, Outcome};

#[test]
fn expressions_are_what_the_corpus_says() {
    let host = host::Host::new();
    let cases = corpus::cases();
    let mut wrong = String::new();
    for case in &cases {
        let found = host.outcome(&case.expression);
        if found != case.expected && case.expected != Outcome::Open {
            report(&mut wrong, case, "ours", &found.line());
        }
    }
    assert!(cases.len() > 1_500, "{}", cases.len());
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_corpus_is_what_terraform_says() {
    if !console::is_there() {
        return;
    }
    let cases = corpus::cases();
    let expressions: Vec<String> = cases.iter().map(|case| case.expression.clone()).collect();
    let said = console::ask(&expressions);
    match bless() {
        Bless::Nothing => {}
        which => corpus::bless(&blessed(&cases, &said, which == Bless::All)),
    }
    let mut wrong = String::new();
    for (case, said) in cases.iter().zip(&said) {
        let same = match &case.meant {
            None => said.agrees(&case.expected),
            Some(meant) => match said {
                Outcome::Fault(_) => meant.terraform == "!",
                said => meant.terraform == said.line(),
            },
        };
        if !same {
            report(&mut wrong, case, "terraform", &said.line());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Every case says what it is, and says it once; and a difference that is meant is one.
#[test]
fn cases_are_complete_and_not_written_twice() {
    let mut seen = BTreeSet::new();
    for case in corpus::cases() {
        assert!(seen.insert(case.expression.clone()), "{}: {} is there twice", case.file, case.expression);
        assert_ne!(case.expected, Outcome::Open, "{}: {}", case.file, case.expression);
        if let Some(meant) = &case.meant {
            assert_ne!(meant.terraform, case.expected.line(), "{} is no difference", case.expression);
            assert!(meant.because.len() > 10, "{}: {}", case.expression, meant.because);
        }
        assert_eq!(case.meant.is_some(), case.file == "differences", "{}: {}", case.file, case.expression);
    }
}

fn report(wrong: &mut String, case: &Case, who: &str, found: &str) {
    let expected = case.expected.line();
    writeln!(wrong, "[{}] {}\n    corpus    {expected}\n    {who:9} {found}", case.file, case.expression).unwrap();
}

#[derive(PartialEq)]
enum Bless {
    Nothing,
    Open,
    All,
}

#[allow(clippy::disallowed_methods, reason = "how `cargo xtask conformance` speaks to this test")]
fn bless() -> Bless {
    match std::env::var("PORTCULLIS_BLESS").as_deref() {
        Ok("open") => Bless::Open,
        Ok("all") => Bless::All,
        _ => Bless::Nothing,
    }
}

/// Terraform's values, and our codes for its errors.
fn blessed(cases: &[Case], said: &[Outcome], all: bool) -> BTreeMap<String, Outcome> {
    let host = host::Host::new();
    let chosen =
        cases.iter().zip(said).filter(|(case, _)| case.meant.is_none() && (all || case.expected == Outcome::Open));
    chosen
        .map(|(case, said)| {
            let outcome = match (said, host.outcome(&case.expression)) {
                (Outcome::Fault(_), ours @ Outcome::Fault(_)) => ours,
                (Outcome::Fault(_), _) => Outcome::Fault("PC-0402".to_owned()),
                (said, _) => said.clone(),
            };
            (case.expression.clone(), outcome)
        })
        .collect()
}

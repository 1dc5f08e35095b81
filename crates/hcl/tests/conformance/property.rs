//! The property: a made-up expression is the same for us and for Terraform.
//!
//! What may differ is let through below, class by class; docs/expressions.md has each class with its reason.
//!
//! All expressions of a run are asked about together. One that differs is made smaller as `proptest` does it,
//! and is printed in the form of the corpus, where it is to be kept.

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::corpus::Outcome;
use crate::host::Host;
use crate::{console, generate};

/// In a plain run of the tests.
const EXPRESSIONS: usize = 300;
/// Expressions that are asked about in one batch.
const BATCH: usize = 500;
/// Characters; what is longer tells nobody anything.
const LONGEST: usize = 400;
/// Differences that are made smaller and shown.
const SHOWN: usize = 12;
/// Questions to Terraform for making one of them smaller.
const STEPS: usize = 60;

#[allow(clippy::disallowed_methods, reason = "how `cargo xtask conformance` speaks to this test")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn runner(seed: u64) -> TestRunner {
    let mut bytes = [7u8; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

#[test]
fn made_up_expressions_are_what_terraform_says() {
    if !console::is_there() {
        return;
    }
    let count = number("PORTCULLIS_EXPRESSIONS").map_or(EXPRESSIONS, |count| usize::try_from(count).unwrap());
    let mut runner = runner(number("PORTCULLIS_SEED").unwrap_or(0));
    let strategy = generate::expression();
    let host = Host::new();
    let mut wrong: Vec<String> = Vec::new();
    let (mut done, mut values) = (0, 0);
    while done < count && wrong.len() < SHOWN {
        let mut trees = Vec::new();
        while trees.len() < BATCH.min(count - done) {
            let tree = strategy.new_tree(&mut runner).unwrap();
            if tree.current().len() <= LONGEST {
                trees.push(tree);
            }
        }
        let expressions: Vec<String> = trees.iter().map(|tree| tree.current()).collect();
        done += expressions.len();
        for (mut tree, said) in trees.into_iter().zip(console::ask(&expressions)) {
            values += usize::from(matches!(said, Outcome::Value(_)));
            if differs(&host, &tree.current(), &said) && wrong.len() < SHOWN {
                wrong.push(smaller(&host, &mut tree));
            }
        }
    }
    println!("{done} expressions, {values} of them with a value");
    // A generator that makes only errors would pass always.
    assert!(values * 3 > done, "only {values} of {done} expressions have a value");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn differs(host: &Host, expression: &str, said: &Outcome) -> bool {
    let ours = host.outcome(expression);
    match (&ours, said) {
        (Outcome::Fault(code), Outcome::Fault(_)) => !code.starts_with("PC-04"),
        // Terraform checks the types of a result that is not chosen, in places where we do not ask for it.
        (Outcome::Value(_), Outcome::Fault(why)) if why == "Inconsistent conditional result types" => false,
        // The same as part of something that goes on after it.
        (Outcome::Value(_), Outcome::Fault(_)) if recovers(expression) && expression.contains(" ? ") => false,
        // HCL 2.24, as Terragrunt has it, does not look at an operand that does not matter; Terraform's 2.23 does.
        (Outcome::Value(_), Outcome::Fault(_)) if has_logic(expression) => false,
        // To Terraform null without a type is unknown, as an argument of most functions.
        (_, Outcome::Value(said)) if said.contains("unknown") && !expression.contains("unknown") => false,
        // Neither is an unknown that is such an operand, and what goes on after an error shows that in its value.
        (_, Outcome::Value(said)) if has_logic(expression) && (recovers(expression) || said.contains("unknown")) => {
            false
        }
        // Null without a type again, as part of something that is not all unknown.
        _ if expression.contains("format(\"%") && expression.contains("null") => false,
        // Terraform's functions on sets panic with elements of which no type is known.
        (Outcome::Value(ours), Outcome::Fault(_)) if ours.contains("unknown") && has_sets(expression) => false,
        // Terraform knows how the JSON of an unknown string begins, and so that what is decoded is a string.
        (Outcome::Value(ours), Outcome::Fault(_))
            if ours.contains("unknown") && expression.contains("jsondecode(jsonencode(") =>
        {
            false
        }
        // What `length` and its like count has only 64 bits in Terraform, and a rest is made with those.
        (Outcome::Value(_), Outcome::Value(_)) if expression.contains(" % ") && expression.contains("length(") => false,
        // One that is false decides, whatever an unknown turns out to be.
        (Outcome::Value(_), Outcome::Value(said)) if said.contains("unknown") && decides(expression) => false,
        // Values that are chosen by keys are known when both are.
        (Outcome::Value(_), Outcome::Value(said)) if said == "unknown" && expression.contains("matchkeys(") => false,
        // What `sort` makes of unknown elements is never null.
        (Outcome::Value(ours), Outcome::Value(said))
            if said == "unknown" && ours.contains("unknown") && expression.contains("sort(") =>
        {
            false
        }
        // A string is a result whatever the type of the other one is; in another conditional its type then matters.
        (Outcome::Fault(code), Outcome::Value(_)) if code == "PC-0406" && expression.matches(" ? ").count() > 1 => {
            false
        }
        // With equal results an unknown condition does not matter to us.
        (_, Outcome::Value(said)) if said.contains("unknown") && expression.contains(" ? ") => false,
        // Terraform knows a bound of some unknown numbers and the beginning of some unknown strings.
        (Outcome::Value(ours), Outcome::Value(_)) if ours.contains("unknown") && refines(expression) => false,
        (Outcome::Value(ours), Outcome::Value(said)) => without_minus_zero(ours) != without_minus_zero(said),
        _ => true,
    }
}

fn decides(expression: &str) -> bool {
    expression.contains("alltrue(") || expression.contains("anytrue(")
}

fn has_sets(expression: &str) -> bool {
    ["setunion(", "setsubtract(", "setintersection("].iter().any(|call| expression.contains(call))
}

fn has_logic(expression: &str) -> bool {
    expression.contains("&&") || expression.contains("||")
}

/// Whether something in it goes on after an error.
fn recovers(expression: &str) -> bool {
    ["try(", "can("].iter().any(|call| expression.contains(call))
}

fn refines(expression: &str) -> bool {
    ["length(", "startswith(", "strcontains("].iter().any(|call| expression.contains(call))
}

/// Zeros below zero are meant to differ, and may be part of a string.
fn without_minus_zero(shown: &str) -> String {
    let mut made = String::with_capacity(shown.len());
    for (index, part) in shown.split("-0").enumerate() {
        let zeros = part.strip_prefix('.').map(|part| part.trim_start_matches('0'));
        let digit = match zeros {
            Some(rest) => rest.starts_with(|c: char| c.is_ascii_digit()),
            None => part.starts_with(|c: char| c.is_ascii_digit()),
        };
        made.push_str(match (index, digit) {
            (0, _) => "",
            (_, true) => "-0",
            (_, false) => "0",
        });
        made.push_str(part);
    }
    made
}

fn smaller(host: &Host, tree: &mut impl proptest::strategy::ValueTree<Value = String>) -> String {
    let mut best = tree.current();
    let mut simplify = true;
    for _ in 0..STEPS {
        if !(if simplify { tree.simplify() } else { tree.complicate() }) {
            break;
        }
        let now = tree.current();
        simplify = match console::ask(std::slice::from_ref(&now)).first() {
            Some(said) => differs(host, &now, said),
            None => false,
        };
        if simplify {
            best = now;
        }
    }
    let said = console::ask(std::slice::from_ref(&best));
    format!("{best}\n{}\n# ours: {}\n", said[0].line(), host.outcome(&best).line())
}

//! Text that nobody would write: bytes, and pieces of HCL in any order. Nothing of it may panic, overflow a stack
//! or run without end; a fault of a text that does not parse has its place.
//!
//! The seed is fixed, so a run that fails fails again. `cargo xtask conformance --texts` runs it with more of them, and
//! says so by environment variables: `PORTCULLIS_TEXTS` and `PORTCULLIS_SEED`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use portcullis_hcl::{Budget, EmptyScope, File, Limits, evaluate, render};
use portcullis_model::Code;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Texts of each kind, unless more are asked for.
const TEXTS: u64 = 1_500;

const PIECES: &[&str] = &[
    "a",
    "b",
    " ",
    "\n",
    "\r\n",
    "\t",
    "=",
    "==",
    "!=",
    "<=",
    "=>",
    "...",
    ".",
    ",",
    ":",
    "?",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "[*]",
    ".*",
    ".0",
    "\"",
    "${",
    "%{",
    "~}",
    "~",
    "}",
    "$${",
    "%%{",
    "\\",
    "\\n",
    "\\u00e9",
    "<<EOT\n",
    "<<-E\n",
    "EOT\n",
    "E\n",
    "if",
    "else",
    "endif",
    "for",
    "in",
    "endfor",
    "true",
    "false",
    "null",
    "1",
    "1e999",
    "0.5",
    "-",
    "+",
    "*",
    "/",
    "%",
    "!",
    "&&",
    "||",
    "#",
    "//",
    "/*",
    "*/",
    "é",
    "\u{feff}",
    "\0",
    "\u{301}",
    "😀",
    "upper(",
    "format(\"%9d\",",
    "regex(",
    "jsondecode(",
    "yamldecode(",
    "try(",
    "range(",
    "cidrsubnet(",
    "<<<<<<< ",
    "=======\n",
    ">>>>>>> ",
    "provider::x::y(",
    "x = ",
    "block \"l\" {\n",
    "}\n",
];

fn attempt(text: &[u8]) {
    let limits = Limits { steps: 20_000, grown_bytes: 1 << 20, ..Limits::default() };
    match File::parse("fuzz.hcl", text, &limits) {
        Ok(file) => {
            for attribute in file.body().attributes() {
                let made = evaluate(&attribute.value, &file, &EmptyScope, &Budget::new(&limits));
                if let Err(fault) = made {
                    assert!(fault.place().is_some(), "{fault:?}");
                }
            }
        }
        Err(fault) => {
            assert!(matches!(fault.code(), Code::HCL_SYNTAX | Code::HCL_TOO_LARGE), "{fault:?}");
            assert!(fault.place().is_some(), "{fault:?}");
            // The grammar that goes before the tree finds what is wrong; the tree is made of the rest.
            assert!(!fault.message().contains("not supported here") || is_known_exception(text), "{fault:?}");
        }
    }
    if let Ok(file) = File::plain("fuzz.tftpl", text, &limits) {
        let _ = render(&file, &EmptyScope, &Budget::new(&limits));
    }
}

/// What HCL takes and the tree cannot be made of: `.1e3` as an index, a name and its `(` on two lines.
fn is_known_exception(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let exponent = |at: usize| text[at..].trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(['e', 'E']);
    text.match_indices('.').any(|(at, _)| exponent(at + 1)) || text.contains('(') && text.contains('\n')
}

#[allow(clippy::disallowed_methods, reason = "how `cargo xtask conformance` speaks to this test")]
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn run(strategy: impl Strategy<Value = Vec<u8>> + Send + 'static) {
    // The stack of a runtime's worker.
    let worker = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let mut seed = [11u8; 32];
        seed[..8].copy_from_slice(&number("PORTCULLIS_SEED", 11).to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        for _ in 0..number("PORTCULLIS_TEXTS", TEXTS) {
            let text = strategy.new_tree(&mut runner).unwrap().current();
            let kept = text.clone();
            if std::panic::catch_unwind(move || attempt(&text)).is_err() {
                panic!("{:?}", String::from_utf8_lossy(&kept));
            }
        }
    });
    worker.unwrap().join().unwrap();
}

#[test]
fn any_bytes() {
    run(prop::collection::vec(any::<u8>(), 0..400));
}

#[test]
fn any_pieces() {
    run(prop::collection::vec(select(PIECES), 0..60).prop_map(|pieces| pieces.concat().into_bytes()));
}

#[test]
fn any_pieces_as_a_value() {
    run(prop::collection::vec(select(PIECES), 1..16)
        .prop_map(|pieces| format!("x = {}\n", pieces.concat()).into_bytes()));
}

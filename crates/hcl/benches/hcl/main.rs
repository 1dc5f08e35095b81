//! What parsing and evaluating cost, typical files and hostile ones: `cargo xtask bench hcl` runs it, and writes the
//! tables.
//!
//! Beside each parse is its floor, the library that makes the tree alone, and a rival, `hcl-rs`; beside each evaluation
//! that it can do (it has no functions of Terraform), `hcl-rs` again. Prints one JSON object. Of hostile expressions the
//! steps are counted, so that one sees what a step may cost.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a benchmark fails loudly")]

mod hostile;
mod typical;

use std::time::{Duration, Instant};

use serde_json::json;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick" || argument == "--test");
    // What `cargo test --benches` does is to see that it works.
    let patience = Duration::from_millis(if quick { 1 } else { 300 });
    let made = json!({
        "locals": typical::LOCALS,
        "parse": typical::parse(patience),
        "evaluate": typical::evaluate(patience),
        "files": hostile::files(),
        "expressions": hostile::expressions(),
    });
    println!("{made}");
}

/// Seconds of the fastest run, of as many as there is patience for.
fn fastest(patience: Duration, mut run: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let mut best = f64::MAX;
    loop {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
        if begin.elapsed() > patience {
            return best;
        }
    }
}

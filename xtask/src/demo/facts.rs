//! What the demo saw: as figures for people, and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

/// What was seen so far.
#[derive(Default)]
pub struct Facts {
    scenes: Vec<(String, Duration)>,
    runs: Vec<Value>,
    thefts: Vec<Value>,
    units: usize,
    accounts: usize,
    total: Duration,
}

impl Facts {
    /// A part that is done.
    pub fn scene(&mut self, name: &str, took: Duration) {
        println!("   done in {:.1} s", took.as_secs_f64());
        self.scenes.push((name.to_owned(), took));
    }

    /// An account that is up.
    pub fn account_up(&mut self, units: usize) {
        self.accounts += 1;
        self.units += units;
    }

    /// A run that ended as it should.
    pub fn run(&mut self, account: &str, action: &str, state: &str, tasks: usize, took: Duration) {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.runs.push(json!({
            "account": account, "action": action, "state": state, "tasks": tasks, "took_ms": took_ms,
        }));
    }

    /// An attempt to steal, and what came of it.
    pub fn theft(&mut self, attempt: &str, got: &str) {
        match got.split_once(": ") {
            // A reason has a line of its own.
            Some((got, reason)) => println!("   {attempt:<65} got {got})\n       {}", reason.trim_end_matches(')')),
            None => println!("   {attempt:<65} got {got}"),
        }
        self.thefts.push(json!({ "attempt": attempt, "got": got }));
    }

    /// How long everything took.
    pub fn total(&mut self, took: Duration) {
        self.total = took;
    }

    /// For people.
    pub fn summary(&self) -> String {
        let mut text = String::from("── figures\n");
        let tasks: u64 = self.runs.iter().filter_map(|run| run["tasks"].as_u64()).sum();
        let _ = writeln!(
            text,
            "   {} units in {} accounts; {} runs with {tasks} tasks, each in a sandbox of its own",
            self.units,
            self.accounts,
            self.runs.len()
        );
        let _ = writeln!(text, "   {} attempts to steal, nothing gained", self.thefts.len());
        for (name, took) in &self.scenes {
            let _ = writeln!(text, "   {:>6.1} s  {name}", took.as_secs_f64());
        }
        let _ = write!(text, "   {:>6.1} s  in all", self.total.as_secs_f64());
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let scenes: Vec<Value> =
            self.scenes.iter().map(|(name, took)| json!({ "name": name, "seconds": took.as_secs_f64() })).collect();
        json!({
            "accounts": self.accounts,
            "units": self.units,
            "seconds": self.total.as_secs_f64(),
            "scenes": scenes,
            "runs": self.runs,
            "thefts": self.thefts,
        })
    }
}

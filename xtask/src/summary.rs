//! The closing summary: what ran, how long it took, what did not run and why.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// What came of a step.
enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Steps, in the order in which they ended.
#[derive(Default)]
pub struct Summary {
    steps: Vec<(String, Outcome, Duration)>,
    notes: Vec<String>,
}

impl Summary {
    /// Runs a step and keeps what came of it.
    pub fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T, String>) -> Option<T> {
        println!("\n── {name}");
        let start = Instant::now();
        let (outcome, value) = match work() {
            Ok(value) => (Outcome::Passed, Some(value)),
            Err(error) => {
                eprintln!("{error}");
                (Outcome::Failed(error), None)
            }
        };
        self.steps.push((name.to_owned(), outcome, start.elapsed()));
        value
    }

    /// A step that does not run.
    pub fn skip(&mut self, name: &str, why: &str) {
        self.steps.push((name.to_owned(), Outcome::Skipped(why.to_owned()), Duration::ZERO));
    }

    /// Something to know that is no step.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Prints it, and says whether nothing failed.
    pub fn finish(&self) -> Result<(), String> {
        print!("\n{}", self.text());
        let failed: Vec<&str> = self
            .steps
            .iter()
            .filter(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_)))
            .map(|(name, _, _)| name.as_str())
            .collect();
        if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
    }

    fn text(&self) -> String {
        let width = self.steps.iter().map(|(name, _, _)| name.chars().count()).max().unwrap_or(0);
        let mut text = String::from("── summary\n");
        for (name, outcome, time) in &self.steps {
            let (word, why) = match outcome {
                Outcome::Passed => ("ok", String::new()),
                Outcome::Failed(why) => ("FAILED", format!("  {}", why.lines().next().unwrap_or(""))),
                Outcome::Skipped(why) => ("skipped", format!("  {why}")),
            };
            let time = if matches!(outcome, Outcome::Skipped(_)) {
                String::new()
            } else {
                format!("{:.1} s", time.as_secs_f64())
            };
            let line = format!("{name:<width$}  {word:<7}  {time:>8}{why}");
            let _ = writeln!(text, "{}", line.trim_end());
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_named_with_its_reason() {
        let mut summary = Summary::default();
        assert_eq!(summary.step("format", || Ok(1)), Some(1));
        assert_eq!(summary.step::<()>("lint", || Err("`cargo clippy` ended with 101\nmore".to_owned())), None);
        summary.skip("tests", "the build failed");
        summary.note("terragrunt is not on PATH");
        let text = summary.text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("format  ok"), "{text}");
        assert!(lines[2].contains("FAILED") && lines[2].ends_with("ended with 101"), "{text}");
        assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>()[..2], ["tests", "skipped"]);
        assert!(lines[3].ends_with("the build failed") && lines[4].starts_with("note: "), "{text}");
        assert_eq!(summary.finish().unwrap_err(), "failed: lint");
    }
}

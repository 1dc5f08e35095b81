//! Medians and tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::estate::{Shape, UNITS};
use super::rivals::Job;
use super::runner::{Ended, Parts};

/// One measurement of one contender.
pub enum Measured {
    /// Of the runner, with where its time went.
    Runner(Duration, Parts),
    /// Of the shell loop.
    Loop(Duration),
    /// Of Terragrunt.
    Terragrunt(Duration),
}

impl Measured {
    /// Of a run.
    pub fn runner(ended: Ended) -> Self {
        Measured::Runner(ended.took, ended.parts)
    }
}

/// All measurements of one job on one estate.
pub struct Row {
    /// The estate.
    pub shape: Shape,
    /// The job.
    pub job: Job,
    runner: Vec<(Duration, Parts)>,
    shell: Vec<Duration>,
    terragrunt: Vec<Duration>,
}

impl Row {
    /// The rows of an estate, empty. Plans of a graph use mocks, and are never applied as they are.
    pub fn all(shape: Shape) -> Vec<Row> {
        let jobs: &[Job] = match shape {
            Shape::Independent => &[Job::ColdPlan, Job::WarmPlan, Job::ColdApply, Job::ApplyPlanned],
            Shape::Graph => &[Job::ColdPlan, Job::WarmPlan, Job::ColdApply],
        };
        let row = |job: &Job| Row { shape, job: *job, runner: Vec::new(), shell: Vec::new(), terragrunt: Vec::new() };
        jobs.iter().map(row).collect()
    }

    /// Adds a measurement.
    pub fn add(&mut self, measured: Measured) {
        match measured {
            Measured::Runner(took, parts) => self.runner.push((took, parts)),
            Measured::Loop(took) => self.shell.push(took),
            Measured::Terragrunt(took) => self.terragrunt.push(took),
        }
    }

    fn took(&self) -> Option<Duration> {
        median(self.runner.iter().map(|(took, _)| *took))
    }

    /// What it is called, and what the aim for it is, as a ratio to the shell loop.
    fn name(&self) -> (&'static str, Option<f64>) {
        match self.job {
            Job::ColdPlan => ("plan, cold", Some(1.10)),
            Job::WarmPlan => ("plan, `init` cached", Some(1.15)),
            Job::ColdApply => ("plan and apply, cold", Some(1.10)),
            Job::ApplyPlanned => ("apply of reviewed plans", None),
        }
    }
}

/// What is measured with one unit, and of the process.
pub struct Single {
    /// From the accepted request to the first step of the sandbox.
    pub ways: Vec<Duration>,
    /// Resident memory of a runner that has done nothing, in KiB.
    pub idle_kib: u64,
    /// Resident memory after all these runs.
    pub after_kib: u64,
    /// Its peak.
    pub peak_kib: u64,
}

/// The section of the page.
pub fn section(rows: &[Row], single: &Single, setting: &str, rounds: u32) -> String {
    let mut text = format!(
        "## `cargo xtask bench run-all`\n\n{setting}. Median of {rounds}. The runner is the release build, with its sandboxes and its \
         state store; the shell loop is `xargs -P` over the bare tool with the same steps (`init`, `plan -out`, `show -json`, \
         `apply`, and `output` where another unit needs it) and state in files; Terragrunt is `run --all` without `show`.\n",
    );
    for shape in super::SHAPES {
        let _ = writeln!(text, "\n{}:\n", capital(shape.title()));
        let _ = writeln!(text, "| | runner | shell loop | ratio | aim | `terragrunt run --all` | ratio |");
        let _ = writeln!(text, "|---|--:|--:|--:|--:|--:|--:|");
        for row in rows.iter().filter(|row| row.shape == shape) {
            let (name, aim) = row.name();
            let (runner, shell) = (row.took(), median(row.shell.iter().copied()));
            let terragrunt = median(row.terragrunt.iter().copied());
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {} | {} | {} | {} |",
                seconds(runner),
                seconds(shell),
                ratio(runner, shell),
                aim.map_or("–".to_owned(), |aim| format!("≤ {aim:.2}")),
                seconds(terragrunt),
                ratio(runner, terragrunt),
            );
        }
    }
    text.push_str(&singles(single));
    text.push_str(&where_time_goes(rows));
    text
}

fn singles(single: &Single) -> String {
    let mut ways = single.ways.clone();
    ways.sort();
    let at = |percent: usize| ways.get((ways.len() * percent / 100).min(ways.len().saturating_sub(1))).copied();
    let ms = |time: Option<Duration>| time.map_or("–".to_owned(), |time| format!("{} ms", time.as_millis()));
    let mib = |kib: u64| format!("{:.0} MiB", kib as f64 / 1024.0);
    format!(
        "\n| | measured | aim |\n|---|--:|--:|\n| accepted request → the sandbox's first step, p50 of {} | {} | < 50 ms |\n\
         | the same, p95 | {} | |\n| resident memory, nothing done yet | {} | < 40 MB |\n| resident memory, idle after these runs | {} | |\n\
         | peak resident memory | {} | |\n",
        ways.len(),
        ms(at(50)),
        ms(at(95)),
        mib(single.idle_kib),
        mib(single.after_kib),
        mib(single.peak_kib),
    )
}

/// Milliseconds per unit of each part, for each job on independent units.
fn where_time_goes(rows: &[Row]) -> String {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.shape == Shape::Independent).collect();
    let mut parts: BTreeMap<&str, Vec<Option<f64>>> = BTreeMap::new();
    for (number, row) in rows.iter().enumerate() {
        let names = row.runner.iter().flat_map(|(_, parts)| parts.keys());
        for name in names {
            let each = row.runner.iter().map(|(_, parts)| parts.get(name).map_or(0, |part| part.0));
            let cells = parts.entry(name).or_insert_with(|| vec![None; rows.len()]);
            if let Some(cell) = cells.get_mut(number) {
                *cell = median(each).map(|us| us as f64 / 1000.0 / UNITS as f64);
            }
        }
    }
    // Waiting for a place is no work.
    parts.remove("from acceptance to the first step");
    let mut parts: Vec<_> = parts.into_iter().collect();
    let weight = |cells: &[Option<f64>]| cells.iter().flatten().sum::<f64>();
    parts.sort_by(|a, b| weight(&b.1).total_cmp(&weight(&a.1)));
    let mut text = String::from(
        "\nWhere the runner's time goes, in milliseconds per unit (two units are worked on at a time):\n\n|",
    );
    for row in &rows {
        let _ = write!(text, " | {}", row.name().0);
    }
    let _ = writeln!(text, " |\n|---|{}", "--:|".repeat(rows.len()));
    for (name, cells) in parts {
        let cells: Vec<String> = cells.iter().map(|cell| cell.map_or(String::new(), |ms| format!("{ms:.1}"))).collect();
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    text
}

fn median<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort();
    values.get(values.len().saturating_sub(1) / 2).copied()
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or("–".to_owned(), |time| format!("{:.2} s", time.as_secs_f64()))
}

fn ratio(one: Option<Duration>, other: Option<Duration>) -> String {
    match (one, other) {
        (Some(one), Some(other)) if !other.is_zero() => format!("{:.2}", one.as_secs_f64() / other.as_secs_f64()),
        _ => "–".to_owned(),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_names_every_job_with_its_ratio() {
        let mut rows = Row::all(Shape::Independent);
        let parts = Parts::from([("plan".to_owned(), (40_000, 20))]);
        rows[0].add(Measured::Runner(Duration::from_secs(3), parts));
        rows[0].add(Measured::Loop(Duration::from_secs(2)));
        let single = Single { ways: vec![Duration::from_millis(20)], idle_kib: 20480, after_kib: 1, peak_kib: 1 };
        let text = section(&rows, &single, "a machine", 1);
        assert!(text.contains("| plan, cold | 3.00 s | 2.00 s | 1.50 | ≤ 1.10 | – | – |"), "{text}");
        assert!(text.contains("| plan | 2.0 |"), "{text}");
        assert!(text.contains("20 MiB") && text.contains("20 ms"), "{text}");
    }

    #[test]
    fn the_median_is_one_that_was_measured() {
        assert_eq!(median([5, 1, 3].into_iter()), Some(3));
        assert_eq!(median([4, 1].into_iter()), Some(1));
        assert_eq!(median(std::iter::empty::<u8>()), None);
    }
}

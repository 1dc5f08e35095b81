//! `errors { retry … }` and `errors { ignore … }`: whether a task that failed is tried again, and whether its failure
//! counts, as Terragrunt decides it: `ignore` blocks are asked first.
//!
//! A try is the whole sandbox again, hooks included, as in Terragrunt. It is only for what has changed nothing: a plan,
//! and an `init`, also the one before an apply. An apply that failed may have changed the world; what is left of it is
//! planned anew and compared, by another run.

use std::time::Duration;

use portcullis_estate::{Errors, Ignore, Retry};
use portcullis_model::id::quoted;
use portcullis_model::run::Phase;
use portcullis_model::{Code, Fault, Place, UnitPath};
use regex::{Regex, RegexBuilder};

use super::sandbox::Ran;

/// Most tries, whatever the configuration says.
const ATTEMPTS_MAX: u64 = 10;
/// Longest wait between two tries.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// Most memory that a compiled expression may take, in bytes.
const EXPRESSION_MAX_BYTES: usize = 1 << 20;
/// Most expressions of a unit.
const EXPRESSIONS_MAX: usize = 200;

/// The rules of a unit.
pub struct Rules {
    retries: Vec<Rule>,
    ignores: Vec<(Patterns, Ignore)>,
}

/// Whether each excepts, and what it looks for. The first that fits decides.
struct Patterns(Vec<(bool, Regex)>);

struct Rule {
    name: String,
    patterns: Patterns,
    attempts: u64,
    wait: Duration,
}

/// Another try.
#[derive(Debug, PartialEq, Eq)]
pub struct Again {
    /// The rule's name.
    pub rule: String,
    /// How many tries there are in all.
    pub attempts: u64,
    /// How long to wait before.
    pub wait: Duration,
}

impl Rules {
    /// Of a unit's `errors` block.
    ///
    /// # Errors
    /// `PC-0607` for an expression that is none, or that is too large.
    pub fn new(unit: &UnitPath, errors: &Errors) -> Result<Self, Fault> {
        let retried = errors.retries.iter().map(|retry| retry.errors.len());
        let all: usize = retried.chain(errors.ignores.iter().map(|ignore| ignore.errors.len())).sum();
        if all > EXPRESSIONS_MAX {
            let message = format!("`errors` of {unit} has more than {EXPRESSIONS_MAX} expressions");
            return Err(Fault::new(Code::DRIVER_REFUSED, message).at(Place::file(unit.as_str())));
        }
        let retries = errors.retries.iter().map(|retry| rule(unit, retry)).collect::<Result<_, _>>()?;
        let ignore = |ignore: &Ignore| Ok((patterns(unit, ("ignore", &ignore.name), &ignore.errors)?, ignore.clone()));
        Ok(Rules { retries, ignores: errors.ignores.iter().map(ignore).collect::<Result<_, Fault>>()? })
    }

    /// What is to be logged of a failure that the unit ignores; `None` for one that counts. What ended a task from outside
    /// (its time, its memory, somebody who stopped it) always counts.
    pub fn ignored(&self, ran: &Ran) -> Option<String> {
        let fault = ran.outcome.fault.as_ref().filter(|_| !ran.outcome.interrupted)?;
        if !matches!(fault.code(), Code::TOOL_FAILED | Code::HOOK_FAILED) {
            return None;
        }
        let text = cleaned(&String::from_utf8_lossy(&ran.failed_output));
        let (_, ignore) = self.ignores.iter().find(|(patterns, _)| patterns.fit(&text))?;
        let step = ran.failed_step.as_deref().unwrap_or("a step");
        let mut lines = format!("» ignore {:?}: that {step} failed does not count\n", ignore.name);
        if !ignore.message.is_empty() {
            lines.push_str(&format!("  {}\n", ignore.message.escape_debug()));
        }
        if !ignore.signals.is_null() {
            lines.push_str(&format!("  signals: {}\n", ignore.signals));
        }
        Some(lines)
    }

    /// Whether there is another try after this one, the first being 1.
    pub fn after(&self, attempt: u64, phase: Phase, ran: &Ran) -> Option<Again> {
        let failed = ran.outcome.fault.as_ref().is_some_and(|fault| fault.code() == Code::TOOL_FAILED);
        let step = ran.failed_step.as_deref().filter(|_| failed && !ran.outcome.interrupted)?;
        let harmless: &[&str] = if phase == Phase::Plan { &["init", "plan"] } else { &["init"] };
        if !harmless.contains(&step) {
            return None;
        }
        let text = cleaned(&String::from_utf8_lossy(&ran.failed_output));
        let rule = self.retries.iter().find(|rule| rule.patterns.fit(&text))?;
        let again = || Again { rule: rule.name.clone(), attempts: rule.attempts, wait: rule.wait };
        (attempt < rule.attempts).then(again)
    }
}

impl Patterns {
    fn fit(&self, text: &str) -> bool {
        let first = self.0.iter().find(|(_, pattern)| pattern.is_match(text));
        first.is_some_and(|(excepts, _)| !excepts)
    }
}

fn patterns(unit: &UnitPath, (kind, name): (&str, &str), errors: &[String]) -> Result<Patterns, Fault> {
    let patterns = errors.iter().map(|text| {
        let (excepts, pattern) = text.strip_prefix('!').map_or((false, text.as_str()), |rest| (true, rest));
        let compiled = RegexBuilder::new(pattern).size_limit(EXPRESSION_MAX_BYTES).build();
        compiled.map(|pattern| (excepts, pattern)).map_err(|error| {
            let why = error.to_string();
            let message = format!(
                "`{kind} {}` of {unit}: {} is no regular expression: {}",
                quoted(name),
                quoted(pattern),
                why.lines().last().unwrap_or_default()
            );
            Fault::new(Code::DRIVER_REFUSED, message)
                .at(Place::file(unit.as_str()))
                .remedy("Correct it; expressions are those of RE2, without look-around.")
        })
    });
    patterns.collect::<Result<_, _>>().map(Patterns)
}

fn rule(unit: &UnitPath, retry: &Retry) -> Result<Rule, Fault> {
    Ok(Rule {
        name: retry.name.clone(),
        patterns: patterns(unit, ("retry", &retry.name), &retry.errors)?,
        attempts: retry.max_attempts.min(ATTEMPTS_MAX),
        wait: Duration::from_secs(retry.sleep_s).min(WAIT_MAX),
    })
}

/// What Terragrunt compares: one line, in which everything but letters, digits and a few signs is a space.
fn cleaned(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        // A colour is no part of what is said.
        if c == '\u{1b}' && characters.peek() == Some(&'[') {
            characters.by_ref().find(char::is_ascii_alphabetic);
            continue;
        }
        kept.push(if c.is_ascii_alphanumeric() || "./'\"():=-".contains(c) { c } else { ' ' });
    }
    kept.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use portcullis_exec::Outcome;

    use super::*;

    fn rules(errors: &[&str], attempts: u64, wait_s: u64) -> Result<Rules, Fault> {
        let retry = Retry {
            name: "r".into(),
            errors: errors.iter().map(|text| (*text).to_owned()).collect(),
            max_attempts: attempts,
            sleep_s: wait_s,
        };
        Rules::new(&UnitPath::parse("dev/vpc").unwrap(), &Errors { retries: vec![retry], ignores: Vec::new() })
    }

    fn ran(code: Code, step: &str, output: &str) -> Ran {
        let outcome = Outcome { fault: Some(Fault::new(code, "it failed")), failed: Some(0), ..Outcome::default() };
        Ran {
            outcome,
            read_own_state: false,
            failed_step: Some(step.to_owned()),
            failed_output: output.as_bytes().to_vec(),
        }
    }

    #[test]
    fn what_fits_is_tried_again_until_there_are_no_tries_left() {
        let rules = rules(&["(?s).*connection reset by peer.*"], 3, 5).unwrap();
        let reset =
            ran(Code::TOOL_FAILED, "plan", "\u{1b}[31mError:\u{1b}[0m read tcp:\n│ connection reset\n│ by peer\n");
        let again = rules.after(1, Phase::Plan, &reset).unwrap();
        assert_eq!((again.attempts, again.wait), (3, Duration::from_secs(5)));
        assert!(rules.after(2, Phase::Plan, &reset).is_some());
        assert_eq!(rules.after(3, Phase::Plan, &reset), None);
        assert_eq!(rules.after(1, Phase::Plan, &ran(Code::TOOL_FAILED, "plan", "no such variable")), None);
    }

    #[test]
    fn nothing_that_may_have_changed_the_world_is_tried_again() {
        let rules = rules(&[".*"], 3, 0).unwrap();
        assert!(rules.after(1, Phase::Plan, &ran(Code::TOOL_FAILED, "init", "x")).is_some());
        assert!(rules.after(1, Phase::Apply, &ran(Code::TOOL_FAILED, "init", "x")).is_some());
        for (phase, code, step) in [
            (Phase::Apply, Code::TOOL_FAILED, "apply"),
            (Phase::Apply, Code::TOOL_FAILED, "before hook plan"),
            (Phase::Plan, Code::HOOK_FAILED, "before hook x"),
            (Phase::Plan, Code::TOOL_KILLED, "plan"),
            (Phase::Plan, Code::TASK_TIMEOUT, "plan"),
            (Phase::Plan, Code::MEMORY_LIMIT, "plan"),
        ] {
            assert_eq!(rules.after(1, phase, &ran(code, step, "x")), None, "{phase:?} {step}");
        }
    }

    fn ignoring(errors: &[&str]) -> Rules {
        let ignore = Ignore {
            name: "known".into(),
            errors: errors.iter().map(|text| (*text).to_owned()).collect(),
            message: "a \u{1b}[31mcolour".into(),
            signals: serde_json::json!({ "alert": true }),
        };
        let errors = Errors { retries: Vec::new(), ignores: vec![ignore] };
        Rules::new(&UnitPath::parse("dev/vpc").unwrap(), &errors).unwrap()
    }

    #[test]
    fn what_is_ignored_is_said_and_only_what_the_tool_or_a_hook_says_can_be() {
        let rules = ignoring(&["!.*quota.*", ".*not found.*"]);
        let said = rules.ignored(&ran(Code::TOOL_FAILED, "plan", "Error: zone\n│ not found")).unwrap();
        assert_eq!(
            said,
            "» ignore \"known\": that plan failed does not count\n  a \\u{1b}[31mcolour\n  signals: {\"alert\":true}\n"
        );
        assert!(rules.ignored(&ran(Code::HOOK_FAILED, "before hook x", "not found")).is_some());
        assert_eq!(rules.ignored(&ran(Code::TOOL_FAILED, "plan", "quota not found")), None);
        assert_eq!(rules.ignored(&ran(Code::TOOL_FAILED, "plan", "denied")), None);
        for code in [Code::TOOL_KILLED, Code::TASK_TIMEOUT, Code::MEMORY_LIMIT, Code::STATE_LOCKED] {
            assert_eq!(rules.ignored(&ran(code, "apply", "not found")), None, "{code}");
        }
        let mut stopped = ran(Code::TOOL_FAILED, "apply", "not found");
        stopped.outcome.interrupted = true;
        assert_eq!(rules.ignored(&stopped), None);
    }

    #[test]
    fn an_exception_comes_first_where_it_is_written_first() {
        let rules = rules(&["!.*quota.*", ".*limit.*"], 2, 0).unwrap();
        assert!(rules.after(1, Phase::Plan, &ran(Code::TOOL_FAILED, "plan", "rate limit")).is_some());
        assert_eq!(rules.after(1, Phase::Plan, &ran(Code::TOOL_FAILED, "plan", "limit of the quota")), None);
    }

    #[test]
    fn what_configuration_asks_for_is_bounded() {
        let most = rules(&[".*"], 1_000_000, 1_000_000).unwrap();
        let again = most.after(9, Phase::Plan, &ran(Code::TOOL_FAILED, "plan", "x")).unwrap();
        assert_eq!((again.attempts, again.wait), (ATTEMPTS_MAX, WAIT_MAX));
        assert_eq!(most.after(10, Phase::Plan, &ran(Code::TOOL_FAILED, "plan", "x")), None);
        for bad in ["(", "(?=x)", "(a{1000}){1000}"] {
            assert_eq!(rules(&[bad], 3, 0).err().map(|fault| fault.code()), Some(Code::DRIVER_REFUSED), "{bad}");
        }
    }
}

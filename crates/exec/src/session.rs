//! What the agent may say, in which order, and how much of it. Pure: frames in, state out.
//!
//! The agent shares the sandbox with a stranger's code, so each frame is checked against the spec that it was
//! given: steps in order, only the artifacts that were asked for, within their sizes.

use std::collections::BTreeMap;

use portcullis_model::agent::{Ended, FrameKind, Report, Stdout, Step, TaskSpec};

use crate::running::{Sink, StepOutcome};

/// Most artifacts of one `CollectTree` step.
const TREE_FILES_MAX: usize = 1000;
/// Longest name of an artifact, in bytes.
const NAME_MAX_BYTES: usize = 4096;

/// What is known of a task that runs.
#[derive(Debug)]
pub(crate) struct Session {
    spec: TaskSpec,
    pub(crate) ready: bool,
    pub(crate) done: bool,
    /// What the agent says could not be done.
    pub(crate) broken: Option<String>,
    pub(crate) interrupted: bool,
    pub(crate) failed: Option<usize>,
    pub(crate) steps: Vec<StepOutcome>,
    pub(crate) artifacts: BTreeMap<String, Vec<u8>>,
    /// The step that runs, by index.
    started: Option<usize>,
    output_left: u64,
    /// The artifact whose bytes are coming, and how many are left.
    coming: Option<(String, u64)>,
    /// Bytes and files of artifacts of the step that runs.
    step_bytes: u64,
    step_files: usize,
}

impl Session {
    pub(crate) fn new(spec: TaskSpec) -> Self {
        Session {
            output_left: spec.output_max_bytes,
            spec,
            ready: false,
            done: false,
            broken: None,
            interrupted: false,
            failed: None,
            steps: Vec::new(),
            artifacts: BTreeMap::new(),
            started: None,
            coming: None,
            step_bytes: 0,
            step_files: 0,
        }
    }

    pub(crate) fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    /// Takes one frame. An error says how the agent broke the protocol.
    pub(crate) fn frame(&mut self, kind: FrameKind, payload: &[u8], sink: &mut dyn Sink) -> Result<(), String> {
        if self.done {
            return Err("it said more after its last word".to_string());
        }
        match kind {
            FrameKind::Report => {
                let report = serde_json::from_slice(payload).map_err(|error| format!("a report: {error}"))?;
                self.report(report, sink)
            }
            FrameKind::Log => self.log(payload, sink),
            FrameKind::Artifact => self.artifact(payload),
            FrameKind::Spec | FrameKind::Interrupt => Err(format!("a frame {kind:?}, which is the runner's")),
        }
    }

    fn log(&mut self, bytes: &[u8], sink: &mut dyn Sink) -> Result<(), String> {
        if self.started.is_none() {
            return Err("log without a step".to_string());
        }
        self.output_left =
            self.output_left.checked_sub(bytes.len() as u64).ok_or("more log than the task's limit".to_string())?;
        sink.log(bytes);
        Ok(())
    }

    fn report(&mut self, report: Report, sink: &mut dyn Sink) -> Result<(), String> {
        if self.coming.is_some() {
            return Err("a report in the middle of an artifact".to_string());
        }
        if !self.ready && !matches!(report, Report::Ready | Report::Broken { .. }) {
            return Err("a report before the sandbox was closed".to_string());
        }
        match report {
            Report::Ready if self.ready => return Err("ready twice".to_string()),
            Report::Ready => {
                self.ready = true;
                sink.step(&report);
            }
            Report::StepStarted { index } => {
                if self.started.is_some() || index != self.steps.len() || index >= self.spec.steps.len() {
                    return Err(format!("step {index} started out of order"));
                }
                self.started = Some(index);
                (self.step_bytes, self.step_files) = (0, 0);
                sink.step(&report);
            }
            Report::StepEnded { index, ref ended, wall_ms, peak_kib } => {
                let skipped = *ended == Ended::Skipped;
                let expected = if skipped { None } else { Some(index) };
                if self.started != expected || index != self.steps.len() || index >= self.spec.steps.len() {
                    return Err(format!("step {index} ended out of order"));
                }
                sink.step(&report);
                self.started = None;
                self.steps.push(StepOutcome { ended: ended.clone(), wall_ms, peak_kib });
            }
            Report::Artifact { name, bytes } => self.announce(name, bytes)?,
            Report::Done { failed, interrupted } => {
                if self.steps.len() != self.spec.steps.len() || failed != self.first_failed() {
                    return Err("a summary that is not of what it reported".to_string());
                }
                (self.done, self.failed, self.interrupted) = (true, failed, interrupted);
            }
            Report::Broken { why } => (self.done, self.broken) = (true, Some(why.chars().take(1000).collect())),
        }
        Ok(())
    }

    /// The first step that did not end as it should. Decided here, whatever the agent says.
    pub(crate) fn first_failed(&self) -> Option<usize> {
        self.steps.iter().zip(&self.spec.steps).position(|(outcome, step)| match (&outcome.ended, step) {
            (Ended::Skipped, _) => false,
            (Ended::Exit(code), Step::Run { accept, .. }) => !accept.contains(code),
            (Ended::Exit(code), _) => *code != 0,
            _ => true,
        })
    }

    fn announce(&mut self, name: String, bytes: u64) -> Result<(), String> {
        let step = self.started.and_then(|index| self.spec.steps.get(index));
        let (expected, max_bytes, max_files) = match step {
            Some(Step::Run { stdout: Stdout::Artifact { name: expected, max_bytes }, .. })
            | Some(Step::Collect { name: expected, max_bytes, .. }) => (name == *expected, *max_bytes, 1),
            Some(Step::CollectTree { name: tree, max_bytes, .. }) => {
                let relative = name.strip_prefix(tree.as_str()).and_then(|rest| rest.strip_prefix('/'));
                (relative.is_some_and(is_plain), *max_bytes, TREE_FILES_MAX)
            }
            _ => (false, 0, 0),
        };
        self.step_bytes = self.step_bytes.saturating_add(bytes);
        self.step_files += 1;
        if !expected || self.step_bytes > max_bytes || self.step_files > max_files {
            return Err("an artifact that was not asked for, or larger".to_string());
        }
        if bytes > 0 {
            self.coming = Some((name.clone(), bytes));
        }
        if self.artifacts.insert(name, Vec::new()).is_some() {
            return Err("an artifact twice".to_string());
        }
        Ok(())
    }

    fn artifact(&mut self, bytes: &[u8]) -> Result<(), String> {
        let (name, left) = self.coming.as_mut().ok_or("bytes of no artifact")?;
        *left = left.checked_sub(bytes.len() as u64).ok_or("more bytes of an artifact than announced")?;
        if let Some(content) = self.artifacts.get_mut(name) {
            content.extend_from_slice(bytes);
        }
        if *left == 0 {
            self.coming = None;
        }
        Ok(())
    }

    /// Artifacts that are whole.
    pub(crate) fn take_artifacts(&mut self) -> BTreeMap<String, Vec<u8>> {
        if let Some((name, _)) = self.coming.take() {
            self.artifacts.remove(&name);
        }
        std::mem::take(&mut self.artifacts)
    }
}

/// A relative path that stays where it is put.
fn is_plain(path: &str) -> bool {
    path.len() <= NAME_MAX_BYTES
        && !path.contains('\0')
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

#[cfg(test)]
mod tests {
    use portcullis_model::agent::{Role, When};

    use super::*;

    #[derive(Default)]
    struct Seen(Vec<u8>, usize);

    impl Sink for Seen {
        fn log(&mut self, bytes: &[u8]) {
            self.0.extend_from_slice(bytes);
        }
        fn step(&mut self, _report: &Report) {
            self.1 += 1;
        }
    }

    fn session() -> Session {
        let run = Step::Run {
            name: "show".into(),
            argv: vec!["x".into()],
            cwd: "/work".into(),
            env: BTreeMap::new(),
            accept: vec![0, 2],
            stdout: Stdout::Artifact { name: "show".into(), max_bytes: 4 },
            when: When::Success,
            timeout_s: 1,
            role: Role::Tool,
        };
        let tree = Step::CollectTree { name: "cache".into(), path: "/work/c".into(), max_bytes: 4 };
        Session::new(TaskSpec {
            steps: vec![run, tree],
            env: BTreeMap::new(),
            door: None,
            read_only: vec![],
            read_write: vec![],
            output_max_bytes: 3,
        })
    }

    fn ended(index: usize, ended: Ended) -> Report {
        Report::StepEnded { index, ended, wall_ms: 1, peak_kib: 1 }
    }

    fn feed(session: &mut Session, frames: &[(FrameKind, Vec<u8>)]) -> Result<Seen, String> {
        let mut seen = Seen::default();
        for (kind, payload) in frames {
            session.frame(*kind, payload, &mut seen)?;
        }
        Ok(seen)
    }

    fn say(report: &Report) -> (FrameKind, Vec<u8>) {
        (FrameKind::Report, serde_json::to_vec(report).unwrap())
    }

    #[test]
    fn a_task_that_goes_well() {
        let mut session = session();
        let frames = [
            say(&Report::Ready),
            say(&Report::StepStarted { index: 0 }),
            (FrameKind::Log, b"abc".to_vec()),
            say(&Report::Artifact { name: "show".into(), bytes: 3 }),
            (FrameKind::Artifact, b"{".to_vec()),
            (FrameKind::Artifact, b" }".to_vec()),
            say(&ended(0, Ended::Exit(2))),
            say(&Report::StepStarted { index: 1 }),
            say(&Report::Artifact { name: "cache/a/b".into(), bytes: 0 }),
            say(&ended(1, Ended::Exit(0))),
            say(&Report::Done { failed: None, interrupted: false }),
        ];
        let seen = feed(&mut session, &frames).unwrap();
        assert_eq!((seen.0.as_slice(), seen.1), (&b"abc"[..], 5));
        assert!(session.done && session.failed.is_none());
        let artifacts = session.take_artifacts();
        assert_eq!(artifacts.get("show").map(Vec::as_slice), Some(&b"{ }"[..]));
        assert!(artifacts.contains_key("cache/a/b"));
    }

    #[test]
    fn an_agent_that_was_taken_over_can_say_nothing_else() {
        let start = |index| say(&Report::StepStarted { index });
        let artifact = |name: &str, bytes| say(&Report::Artifact { name: name.into(), bytes });
        let ready = say(&Report::Ready);
        let skip = say(&ended(0, Ended::Skipped));
        let hostile: Vec<Vec<(FrameKind, Vec<u8>)>> = vec![
            vec![start(0)],
            vec![(FrameKind::Log, b"x".to_vec())],
            vec![ready.clone(), (FrameKind::Log, b"x".to_vec())],
            vec![ready.clone(), ready.clone()],
            vec![ready.clone(), start(1)],
            vec![ready.clone(), start(0), start(0)],
            vec![ready.clone(), start(0), (FrameKind::Log, b"1234".to_vec())],
            vec![ready.clone(), start(0), artifact("plan", 1)],
            vec![ready.clone(), start(0), artifact("show", 5)],
            vec![ready.clone(), start(0), artifact("show", 1), artifact("show", 1)],
            vec![ready.clone(), start(0), artifact("show", 1), (FrameKind::Artifact, b"12".to_vec())],
            vec![ready.clone(), start(0), (FrameKind::Artifact, b"12".to_vec())],
            vec![ready.clone(), skip.clone(), start(1), artifact("cache/../x", 1)],
            vec![ready.clone(), skip.clone(), start(1), artifact("cache//x", 1)],
            vec![ready.clone(), skip.clone(), start(1), artifact("other/x", 1)],
            vec![ready.clone(), skip, start(1), artifact("cache/x", 0), artifact("cache/y", 5)],
            vec![ready.clone(), say(&Report::Done { failed: None, interrupted: false })],
            vec![
                ready.clone(),
                start(0),
                say(&ended(0, Ended::Exit(1))),
                say(&ended(1, Ended::Skipped)),
                say(&Report::Done { failed: None, interrupted: false }),
            ],
            vec![ready.clone(), say(&ended(0, Ended::Exit(0)))],
            vec![(FrameKind::Spec, b"{}".to_vec())],
            vec![(FrameKind::Report, b"{\"report\":\"what\"}".to_vec())],
            vec![say(&Report::Broken { why: "x".into() }), ready],
        ];
        for (index, frames) in hostile.iter().enumerate() {
            assert!(feed(&mut session(), frames).is_err(), "{index}");
        }
    }
}

//! Why a task failed, as a fault: from what the agent reported and what was seen from outside. Pure.

use portcullis_model::agent::{Ended, Role, Step};
use portcullis_model::{Code, Fault};

use crate::session::Session;

/// What was seen from outside.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// How the agent broke the protocol.
    pub(crate) protocol: Option<String>,
    /// The task's time was up.
    pub(crate) out_of_time: bool,
    /// The runner killed the sandbox, as it did not end by itself.
    pub(crate) killed: bool,
    /// Times that the kernel killed a process for want of memory.
    pub(crate) memory_kills: u64,
    /// What the way in (agent, bubblewrap) said on its standard error.
    pub(crate) complaint: String,
    /// The limits, for messages.
    pub(crate) memory_bytes: u64,
    pub(crate) wall_s: u32,
}

/// The fault, if there is one.
pub(crate) fn fault(session: &Session, seen: &Seen) -> Option<Fault> {
    if let Some(why) = &seen.protocol {
        return Some(Fault::new(Code::AGENT_PROTOCOL, format!("the agent broke its protocol: {why}")));
    }
    if seen.out_of_time {
        return Some(
            Fault::new(Code::TASK_TIMEOUT, format!("the task took longer than {} s", seen.wall_s))
                .remedy("Raise the time limit in the fleet definition, or split the unit."),
        );
    }
    let failed = session.first_failed();
    if seen.memory_kills > 0 && (failed.is_some() || !session.done) {
        return Some(memory(session, failed, seen));
    }
    if !session.ready {
        return Some(launch(session, seen));
    }
    if let Some(index) = failed {
        return step(session, index);
    }
    if session.done && session.broken.is_none() {
        return None;
    }
    let fault = match (&session.broken, seen.killed) {
        (Some(why), _) => Fault::new(Code::AGENT_PROTOCOL, format!("the agent gave up: {why}")),
        (None, true) => Fault::new(Code::TOOL_KILLED, "the sandbox was killed, as it did not end by itself"),
        (None, false) => Fault::new(Code::AGENT_PROTOCOL, "the sandbox ended before its task did"),
    };
    Some(fault)
}

fn launch(session: &Session, seen: &Seen) -> Fault {
    let why = match (&session.broken, seen.complaint.trim()) {
        (Some(why), _) => why.clone(),
        (None, "") if seen.killed => "it was killed".to_string(),
        (None, "") => "it ended without a word".to_string(),
        (None, complaint) => complaint.replace('\n', "; "),
    };
    Fault::new(Code::SANDBOX_LAUNCH, format!("the sandbox could not be started: {why}"))
        .remedy("Run `portcullis doctor` on the runner's host: it shows what is missing and how to get it.")
}

fn memory(session: &Session, failed: Option<usize>, seen: &Seen) -> Fault {
    let name = failed.map_or_else(|| "the task".to_string(), |index| name(session, index));
    let limit = seen.memory_bytes / (1024 * 1024);
    Fault::new(Code::MEMORY_LIMIT, format!("{name} needed more memory than its limit of {limit} MiB"))
        .remedy("Raise the memory limit in the fleet definition.")
}

fn name(session: &Session, index: usize) -> String {
    match session.spec().steps.get(index) {
        Some(Step::Run { name, .. } | Step::Collect { name, .. } | Step::CollectTree { name, .. }) => {
            format!("`{name}`")
        }
        None => "a step".to_string(),
    }
}

fn step(session: &Session, index: usize) -> Option<Fault> {
    let (outcome, step) = (session.steps.get(index)?, session.spec().steps.get(index)?);
    let name = name(session, index);
    let (role, program, timeout_s) = match step {
        Step::Run { role, argv, timeout_s, .. } => (Some(*role), argv.first().map_or("", String::as_str), *timeout_s),
        Step::Collect { .. } | Step::CollectTree { .. } => (None, "", 0),
    };
    let failed = if role == Some(Role::Hook) { Code::HOOK_FAILED } else { Code::TOOL_FAILED };
    Some(match &outcome.ended {
        Ended::Exit(code) => Fault::new(failed, format!("{name} ended with exit code {code}")),
        Ended::Signal(signal) => Fault::new(Code::TOOL_KILLED, format!("{name} was killed by signal {signal}")),
        Ended::Timeout => Fault::new(Code::TASK_TIMEOUT, format!("{name} took longer than {timeout_s} s")),
        Ended::OutputLimit => Fault::new(Code::OUTPUT_LIMIT, format!("{name} printed more than its limit")),
        Ended::Error(why) if role == Some(Role::Tool) => {
            Fault::new(Code::TOOL_MISSING, format!("{name} could not start `{program}`: {why}"))
        }
        Ended::Error(why) if role == Some(Role::Hook) => {
            Fault::new(Code::HOOK_FAILED, format!("{name} could not start `{program}`: {why}"))
        }
        Ended::Error(why) => Fault::new(Code::TOOL_FAILED, format!("{name} could not be collected: {why}")),
        Ended::Skipped => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portcullis_model::agent::{FrameKind, Report, Stdout, TaskSpec, When};

    use super::*;
    use crate::running::Sink;

    struct Nothing;

    impl Sink for Nothing {
        fn log(&mut self, _: &[u8]) {}
        fn step(&mut self, _: &Report) {}
    }

    fn session(role: Role, reports: &[Report]) -> Session {
        let step = Step::Run {
            name: "plan".into(),
            argv: vec!["/usr/bin/tool".into()],
            cwd: "/work".into(),
            env: BTreeMap::new(),
            accept: vec![0],
            stdout: Stdout::Log,
            when: When::Success,
            timeout_s: 7,
            role,
        };
        let mut session = Session::new(TaskSpec {
            steps: vec![step],
            env: BTreeMap::new(),
            door: None,
            read_only: vec![],
            read_write: vec![],
            output_max_bytes: 1,
        });
        for report in reports {
            session.frame(FrameKind::Report, &serde_json::to_vec(report).unwrap(), &mut Nothing).unwrap();
        }
        session
    }

    fn ended(role: Role, ended: Ended) -> Session {
        let started = if matches!(ended, Ended::Skipped) { vec![] } else { vec![Report::StepStarted { index: 0 }] };
        let end = Report::StepEnded { index: 0, ended, wall_ms: 1, peak_kib: 1 };
        session(role, &[vec![Report::Ready], started, vec![end]].concat())
    }

    fn verdict(session: &Session, seen: &Seen) -> Option<(Code, String)> {
        fault(session, seen).map(|fault| (fault.code(), fault.message().to_owned()))
    }

    #[test]
    fn each_way_to_end_has_its_code() {
        for (role, how, code, says) in [
            (Role::Tool, Ended::Exit(1), Code::TOOL_FAILED, "exit code 1"),
            (Role::Hook, Ended::Exit(2), Code::HOOK_FAILED, "exit code 2"),
            (Role::Tool, Ended::Signal(9), Code::TOOL_KILLED, "signal 9"),
            (Role::Tool, Ended::Timeout, Code::TASK_TIMEOUT, "longer than 7 s"),
            (Role::Tool, Ended::OutputLimit, Code::OUTPUT_LIMIT, "more than its limit"),
            (Role::Tool, Ended::Error("no such file".into()), Code::TOOL_MISSING, "`/usr/bin/tool`: no such file"),
            (Role::Hook, Ended::Error("no such file".into()), Code::HOOK_FAILED, "could not start"),
        ] {
            let (found, message) = verdict(&ended(role, how.clone()), &Seen::default()).unwrap();
            assert!(found == code && message.contains(says), "{how:?}: {found} {message}");
        }
        let done = [Report::Done { failed: None, interrupted: false }];
        let mut well = ended(Role::Tool, Ended::Exit(0));
        well.frame(FrameKind::Report, &serde_json::to_vec(&done[0]).unwrap(), &mut Nothing).unwrap();
        assert_eq!(verdict(&well, &Seen::default()), None);
    }

    #[test]
    fn what_is_seen_from_outside_has_its_code() {
        let ready = || session(Role::Tool, &[Report::Ready]);
        let code = |session: &Session, seen: &Seen| verdict(session, seen).unwrap().0;
        let seen = Seen { protocol: Some("a frame".into()), out_of_time: true, ..Seen::default() };
        assert_eq!(code(&ready(), &seen), Code::AGENT_PROTOCOL, "what the agent says is not believed any more");
        assert_eq!(code(&ready(), &Seen { out_of_time: true, ..Seen::default() }), Code::TASK_TIMEOUT);
        assert_eq!(code(&ready(), &Seen { memory_kills: 1, ..Seen::default() }), Code::MEMORY_LIMIT);
        assert_eq!(code(&ready(), &Seen { killed: true, ..Seen::default() }), Code::TOOL_KILLED);
        assert_eq!(code(&ready(), &Seen::default()), Code::AGENT_PROTOCOL);
        let broken = session(Role::Tool, &[Report::Ready, Report::Broken { why: "x".into() }]);
        assert_eq!(code(&broken, &Seen::default()), Code::AGENT_PROTOCOL);
        let never = session(Role::Tool, &[]);
        let seen = Seen { complaint: "bwrap: no\nspace\n".into(), ..Seen::default() };
        let (found, message) = verdict(&never, &seen).unwrap();
        assert_eq!(
            (found, message.as_str()),
            (Code::SANDBOX_LAUNCH, "the sandbox could not be started: bwrap: no; space")
        );
    }
}

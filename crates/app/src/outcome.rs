//! Which HTTP status and which exit code a fault becomes. Decided here and nowhere else.

use portcullis_model::api::Problem;
use portcullis_model::{Code, Fault, RunState};

/// How a command ended. The numbers are part of the command line's contract (docs/cli.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything that was asked for was done.
    Done = 0,
    /// Something failed.
    Failed = 1,
    /// The command line or the request was wrong.
    Usage = 2,
    /// The caller may not do this.
    Denied = 3,
    /// A change waits for an approval.
    Held = 4,
    /// The run was cancelled.
    Cancelled = 5,
    /// The runner was not reached.
    Unreachable = 6,
}

impl Exit {
    /// Of a command that was interrupted (Ctrl-C) while it followed a run: what a shell says of SIGINT.
    pub const INTERRUPTED: i32 = 130;

    /// Of a command that ended with this fault.
    pub fn of_fault(fault: &Fault) -> Self {
        match fault.code() {
            Code::RUNNER_UNREACHABLE => Exit::Unreachable,
            Code::HELD => Exit::Held,
            Code::NOT_ON_PROTECTED_BRANCH | Code::UNIT_OUTSIDE_ACCOUNT | Code::REPOSITORY_UNKNOWN => Exit::Denied,
            Code::RUN_ENDED | Code::RUN_NOT_HELD | Code::JWKS_UNREACHABLE => Exit::Failed,
            code => match code.number() {
                0..=199 => Exit::Usage,
                200..=399 => Exit::Denied,
                _ => Exit::Failed,
            },
        }
    }

    /// Of a command that followed a run until it was in this state.
    pub fn of_run(state: RunState) -> Self {
        match state {
            RunState::Accepted | RunState::Running | RunState::Succeeded => Exit::Done,
            RunState::Held => Exit::Held,
            RunState::Failed => Exit::Failed,
            RunState::Cancelled => Exit::Cancelled,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}

/// The HTTP status of a fault.
pub fn status_of(code: Code) -> u16 {
    match code {
        Code::BODY_TOO_LARGE => 413,
        Code::UNKNOWN_ACTION
        | Code::UNIT_UNKNOWN
        | Code::UNIT_PATH_SYMLINK
        | Code::BAD_PARAMETER
        | Code::REF_UNKNOWN
        | Code::REF_NOT_A_BRANCH => 422,
        Code::UNIT_OUTSIDE_ACCOUNT | Code::REPOSITORY_UNKNOWN | Code::NOT_ON_PROTECTED_BRANCH => 403,
        Code::NOT_FOUND | Code::PLAN_UNKNOWN => 404,
        Code::METHOD_NOT_ALLOWED => 405,
        Code::IDEMPOTENCY_CONFLICT
        | Code::ACTION_NOT_OFFERED
        | Code::RUN_NOT_HELD
        | Code::RUN_ENDED
        | Code::APPROVAL_STALE
        | Code::HELD
        | Code::STATE_LOCKED => 409,
        Code::JWKS_UNREACHABLE
        | Code::DISK_FULL
        | Code::SHUTTING_DOWN
        | Code::NOT_READY
        | Code::SANDBOX_LAYER_MISSING => 503,
        Code::BUSY => 429,
        Code::GIT_FAILED | Code::GIT_OBJECT | Code::GIT_CREDENTIAL | Code::GIT_PROTOCOL => 502,
        Code::GIT_TIMEOUT => 504,
        code => match code.number() {
            100..=199 => 400,
            200..=299 => 401,
            300..=399 => 403,
            // Configuration that the runner found at a commit: the request is fine, what it names is not.
            400..=499 => 422,
            500..=599 => 503,
            _ => 500,
        },
    }
}

/// The page of a code.
pub fn page_of(code: Code) -> String {
    format!("{}/blob/main/docs/errors/{code}.md", env!("CARGO_PKG_REPOSITORY"))
}

/// The problem document of a fault (RFC 9457).
///
/// Bugs and broken stores are shown by their code alone: their text can hold what a caller must not see. The
/// full text is in the runner's own log.
pub fn problem_of(fault: &Fault) -> Problem {
    let code = fault.code();
    let inside = matches!(code, Code::INTERNAL | Code::IO | Code::STORE | Code::SEAL_BROKEN);
    Problem {
        kind: page_of(code),
        title: code.title().to_owned(),
        status: status_of(code),
        detail: if inside { "see the runner's log for this code".to_owned() } else { fault.message().to_owned() },
        code: code.to_string(),
        place: if inside { None } else { fault.place().cloned() },
        remedy: fault.remedy_text().map(str::to_owned),
        notes: if inside { Vec::new() } else { fault.notes().to_vec() },
    }
}

/// The fault that a runner's problem document tells of. A code that this version does not know becomes the
/// nearest one that it knows, so that the exit code stays right.
pub fn fault_of(problem: Problem) -> Fault {
    let (code, newer) = match problem.code.parse::<Code>() {
        Ok(code) => (code, None),
        Err(_) => (code_of_status(problem.status), Some(problem.code)),
    };
    let mut fault = Fault::new(code, problem.detail);
    if let Some(place) = problem.place {
        fault = fault.at(place);
    }
    if let Some(remedy) = problem.remedy {
        fault = fault.remedy(remedy);
    }
    for note in problem.notes {
        fault = fault.note(note);
    }
    match newer {
        Some(text) => fault.note(format!(
            "the runner says {}: {}",
            portcullis_model::id::quoted(&text),
            portcullis_model::id::quoted(&problem.title)
        )),
        None => fault,
    }
}

/// The nearest code to a status, for answers that carry none.
pub fn code_of_status(status: u16) -> Code {
    match status {
        401 => Code::UNAUTHENTICATED,
        403 => Code::DENIED,
        404 => Code::NOT_FOUND,
        413 => Code::BODY_TOO_LARGE,
        429 => Code::BUSY,
        400..=499 => Code::BAD_REQUEST,
        502..=504 => Code::NOT_READY,
        _ => Code::INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_status_that_is_an_error() {
        for (code, _) in Code::ALL {
            assert!((400..600).contains(&status_of(*code)), "{code}");
        }
    }

    #[test]
    fn who_you_are_and_what_you_may_are_kept_apart() {
        for (code, _) in Code::ALL {
            match code.number() {
                200..=299 if *code != Code::JWKS_UNREACHABLE => assert_eq!(status_of(*code), 401, "{code}"),
                300..=399 => assert_eq!(status_of(*code), 403, "{code}"),
                _ => assert_ne!(status_of(*code), 401, "{code}"),
            }
        }
    }

    #[test]
    fn a_fault_survives_the_way_to_the_client_and_back() {
        let fault = Fault::new(Code::DENIED, "no principal matches")
            .at(portcullis_model::Place::line("portcullis.hcl", 3, 1, "x"))
            .remedy("Add one.")
            .note("first")
            .note("second");
        assert_eq!(fault_of(problem_of(&fault)), fault);
    }

    #[test]
    fn the_inside_of_a_bug_is_not_shown() {
        let text = serde_json::to_string(&problem_of(&Fault::internal("row 7 of /var/lib/x"))).unwrap();
        assert!(!text.contains("/var/lib"), "{text}");
    }

    #[test]
    fn a_newer_runner_s_code_keeps_its_exit_code() {
        let mut problem = problem_of(&Fault::new(Code::DENIED, "m"));
        problem.code = "PC-0399".into();
        assert_eq!(Exit::of_fault(&fault_of(problem)), Exit::Denied);
    }

    #[test]
    fn exit_codes_are_the_documented_ones() {
        let exit = |code| Exit::of_fault(&Fault::new(code, "m")) as u8;
        assert_eq!(exit(Code::USAGE), 2);
        assert_eq!(exit(Code::RUNNER_UNREACHABLE), 6);
        assert_eq!(exit(Code::DENIED), 3);
        assert_eq!(exit(Code::TOKEN_EXPIRED), 3);
        assert_eq!(exit(Code::NOT_ON_PROTECTED_BRANCH), 3);
        assert_eq!(exit(Code::TOOL_FAILED), 1);
        assert_eq!(exit(Code::HELD), 4);
    }
}

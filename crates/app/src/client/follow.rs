//! Follows a run until it has ended or is held, over a runner's restarts.
//!
//! The event stream is taken up after the last event that was seen. A runner that does not answer is asked again, with
//! longer pauses; when nothing has been heard of it for as long as the caller's patience, the run is left to itself.

use std::time::Duration;

use portcullis_model::api::{EventView, Problem, RunView};
use portcullis_model::run::{EventKind, RunState};
use portcullis_model::{Code, Fault, RunId};
use reqwest::Response;
use tokio::time::Instant;
use uuid::Uuid;

use super::access::Access;
use super::link;
use super::runner::Client;
use super::sse::{Frame, Parser};
use crate::outcome::fault_of;

/// Before the first attempt to reach a lost runner again; twice as long before each further one.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Who watches a run that is followed.
pub trait Watch {
    /// Something happened in the run. Never twice the same event.
    fn event(&mut self, event: &EventView);
    /// The runner does not answer; it will be asked again.
    fn lost(&mut self, why: &Fault);
    /// It answers again.
    fn found(&mut self);
}

/// A run that is followed.
pub struct Follow<'a> {
    client: &'a Client,
    access: &'a Access,
    run: RunId,
    patience: Duration,
    seen: u64,
    alive: Instant,
    pause: Duration,
    lost: bool,
}

impl<'a> Follow<'a> {
    /// From its first event.
    pub fn new(client: &'a Client, access: &'a Access, run: RunId, patience: Duration) -> Self {
        Follow { client, access, run, patience, seen: 0, alive: Instant::now(), pause: PAUSE, lost: false }
    }

    /// Until it has ended or is held. Answers with the run as it is then.
    ///
    /// # Errors
    /// The runner's refusal, or `PC-0002` when patience is at its end.
    pub async fn until_end(mut self, watch: &mut dyn Watch) -> Result<RunView, Fault> {
        loop {
            let fault = match self.listen(watch).await {
                Ok(run) => return Ok(run),
                Err(fault) => fault,
            };
            if self.access.renews_after(&fault).await {
                continue;
            }
            if !is_passing(&fault) {
                return Err(fault);
            }
            let silence = self.alive.elapsed();
            if silence >= self.patience {
                return Err(self.given_up(&fault));
            }
            self.lost = true;
            watch.lost(&fault);
            tokio::time::sleep(jittered(self.pause).min(self.patience - silence)).await;
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
    }

    /// Follows one stream. Ends well only when there is nothing more to follow.
    async fn listen(&mut self, watch: &mut dyn Watch) -> Result<RunView, Fault> {
        let token = self.access.token().await?;
        let mut stream = self.client.events(&token, self.run, self.seen).await?;
        let mut parser = Parser::default();
        while let Some(part) = next(&mut stream).await? {
            let frames = parser.feed(&part).map_err(|_| broken("an event is too large"))?;
            for frame in frames {
                if self.take(&frame, watch)? {
                    let run = self.client.run(&token, self.run).await?;
                    // A run that was held when an event said so can have been approved since.
                    if run.state.is_final() || run.state == RunState::Held {
                        return Ok(run);
                    }
                }
            }
            // Only now: a runner that says nothing but that it has a problem does not try anybody's patience for ever.
            self.alive = Instant::now();
            self.pause = PAUSE;
            if std::mem::take(&mut self.lost) {
                watch.found();
            }
        }
        Err(broken("the event stream broke off"))
    }

    /// Takes one event in. Whether the run may be at its end, or held.
    fn take(&mut self, frame: &Frame, watch: &mut dyn Watch) -> Result<bool, Fault> {
        match frame.name.as_str() {
            "end" => return Ok(true),
            "problem" => {
                let problem = serde_json::from_str::<Problem>(&frame.data);
                return Err(problem.map_or_else(|_| broken("the runner has a problem"), fault_of));
            }
            _ => {}
        }
        if frame.id.is_some_and(|id| id <= self.seen) {
            return Ok(false);
        }
        self.seen = frame.id.unwrap_or(self.seen);
        // An event that this version does not know is passed over: the run itself is read at the end.
        let Ok(event) = serde_json::from_str::<EventView>(&frame.data) else { return Ok(false) };
        watch.event(&event);
        Ok(matches!(event.event, EventKind::Run { state: RunState::Held, .. }))
    }

    fn given_up(&self, last: &Fault) -> Fault {
        let seconds = self.patience.as_secs();
        Fault::new(Code::RUNNER_UNREACHABLE, format!("the runner has not answered for {seconds} s: {}", last.message()))
            .note("the run goes on without this command, if the runner comes back")
            .remedy(format!("Take it up again with `portcullis run show {} --follow`.", self.run))
    }
}

async fn next(stream: &mut Response) -> Result<Option<bytes::Bytes>, Fault> {
    stream.chunk().await.map_err(|error| broken(&link::why(&error)))
}

fn broken(why: &str) -> Fault {
    Fault::new(Code::RUNNER_UNREACHABLE, why)
}

/// Whether the runner may do better when it is asked again.
pub fn is_passing(fault: &Fault) -> bool {
    matches!(
        fault.code(),
        Code::RUNNER_UNREACHABLE
            | Code::BUSY
            | Code::NOT_READY
            | Code::SHUTTING_DOWN
            | Code::JWKS_UNREACHABLE
            | Code::INTERNAL
            | Code::IO
            | Code::STORE
            | Code::DISK_FULL
    )
}

/// Between half of it and all of it: many jobs that lost the same runner do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let share = u32::from(Uuid::new_v4().as_bytes()[0]);
    pause / 2 + pause / 2 * share / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_spread() {
        let pauses: std::collections::BTreeSet<Duration> = (0..64).map(|_| jittered(PAUSE_MAX)).collect();
        assert!(pauses.len() > 8);
        assert!(pauses.iter().all(|pause| (PAUSE_MAX / 2..=PAUSE_MAX).contains(pause)), "{pauses:?}");
    }

    #[test]
    fn a_refusal_is_final_and_a_restart_is_not() {
        assert!(is_passing(&Fault::new(Code::SHUTTING_DOWN, "m")));
        assert!(!is_passing(&Fault::new(Code::DENIED, "m")));
        assert!(!is_passing(&Fault::new(Code::READ_TOKEN_INVALID, "m")));
    }
}

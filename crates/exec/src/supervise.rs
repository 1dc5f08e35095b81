//! Watches one sandbox from its start to its end: the channel, the clock, interrupts, what is left behind.
//!
//! Never trusts what comes over the channel: [`crate::session`] checks every frame.

use std::sync::mpsc as std_mpsc;
use std::time::{Duration, Instant};

use portcullis_model::agent::{FRAME_MAX_BYTES, FrameKind, decode_header, write_frame};
use portcullis_model::{Code, Fault};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin};
use tokio::sync::{mpsc, oneshot};

use crate::cgroup::Group;
use crate::launch::Limits;
use crate::running::{Outcome, Sink};
use crate::session::Session;
use crate::spawn::{Arguments, Order, Started};
use crate::verdict::{self, Seen};
use crate::workdir::Workdir;

/// What the way in may say on its standard error before it is cut, in bytes.
const COMPLAINT_MAX_BYTES: u64 = 8 * 1024;
/// Added to the time that an interrupted task has: the agent keeps the same deadlines and is first, so that
/// its last reports arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// All that a supervisor needs.
pub(crate) struct Task {
    pub(crate) session: Session,
    pub(crate) workdir: Workdir,
    pub(crate) limits: Limits,
    pub(crate) grace: Duration,
    pub(crate) group: String,
    pub(crate) arguments: Arguments,
    pub(crate) orders: std_mpsc::Sender<Order>,
    pub(crate) sink: Box<dyn Sink + Send>,
    pub(crate) interrupts: mpsc::UnboundedReceiver<()>,
}

/// Runs a task to its end.
pub(crate) async fn supervise(task: Task) -> Outcome {
    let begun = Instant::now();
    let Task { mut session, workdir, limits, grace, group, arguments, orders, mut sink, mut interrupts } = task;
    let failed = |fault: Fault| Outcome { fault: Some(fault), ..Outcome::default() };
    let spec = match serde_json::to_vec(session.spec()) {
        Ok(spec) => spec,
        Err(error) => return failed(Fault::internal(format!("a task's spec: {error}"))),
    };
    if let Err(fault) = workdir.seal() {
        return failed(fault);
    }
    let (answer, started) = oneshot::channel();
    let order = Order { group, limits, arguments, runtime: tokio::runtime::Handle::current(), answer };
    if orders.send(order).is_err() {
        return failed(Fault::new(Code::SANDBOX_LAUNCH, "the executor has ended"));
    }
    // The executor's life must not hang on that of its tasks.
    drop(orders);
    let Started { mut child, group } = match started.await {
        Ok(Ok(started)) => started,
        Ok(Err(fault)) => return failed(fault),
        Err(_) => return failed(Fault::new(Code::SANDBOX_LAUNCH, "the executor has ended")),
    };
    let mut seen = Seen { memory_bytes: limits.memory_bytes, wall_s: limits.wall_s, ..Seen::default() };
    let launch_ms = converse(
        &mut child,
        &spec,
        &mut session,
        &mut *sink,
        &mut interrupts,
        (grace, limits.wall_s),
        begun,
        &mut seen,
    )
    .await;
    clean_up(child, group, &mut seen).await;
    drop(workdir);
    let fault = verdict::fault(&session, &seen);
    Outcome {
        fault,
        failed: session.first_failed(),
        interrupted: session.interrupted || seen.out_of_time || seen.killed,
        artifacts: session.take_artifacts(),
        steps: session.steps,
        launch_ms,
    }
}

/// Talks with the agent until it is done or cannot be talked with. Answers the milliseconds until it was ready.
#[allow(clippy::too_many_arguments, reason = "the parts of one conversation, used here only")]
async fn converse(
    child: &mut Child,
    spec: &[u8],
    session: &mut Session,
    sink: &mut (dyn Sink + Send),
    interrupts: &mut mpsc::UnboundedReceiver<()>,
    (grace, wall_s): (Duration, u32),
    begun: Instant,
    seen: &mut Seen,
) -> u64 {
    let mut launch_ms = 0;
    let (Some(mut input), Some(mut output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        seen.protocol = Some("it has no channel".to_string());
        return launch_ms;
    };
    let complaint = tokio::spawn(async move {
        let mut text = Vec::new();
        // What is too much is not read; the pipe's end says when the sandbox is gone.
        let _ = errors.take(COMPLAINT_MAX_BYTES).read_to_end(&mut text).await;
        String::from_utf8_lossy(&text).into_owned()
    });
    // An agent that could not start shows in what it says, not in a broken pipe.
    let _ = send(&mut input, FrameKind::Spec, spec).await;
    let mut frames = Frames::default();
    let wall = tokio::time::sleep(Duration::from_secs(u64::from(wall_s)));
    tokio::pin!(wall);
    let mut kill_at: Option<tokio::time::Instant> = None;
    while !session.done {
        let late = async {
            match kill_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            frame = frames.next(&mut output) => match frame {
                Ok(Some((kind, payload))) => {
                    if let Err(why) = session.frame(kind, &payload, sink) {
                        seen.protocol = Some(why);
                        break;
                    }
                    if session.ready && launch_ms == 0 {
                        launch_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    seen.protocol = Some(error.to_string());
                    break;
                }
            },
            interrupt = interrupts.recv(), if kill_at.is_none() => {
                // `None`: nobody waits for the outcome any more.
                let patience = if interrupt.is_some() { patience(grace) } else { Duration::ZERO };
                kill_at = Some(tokio::time::Instant::now() + patience);
                let _ = send(&mut input, FrameKind::Interrupt, &[]).await;
            },
            () = &mut wall, if !seen.out_of_time => {
                seen.out_of_time = true;
                kill_at.get_or_insert(tokio::time::Instant::now() + patience(grace));
                let _ = send(&mut input, FrameKind::Interrupt, &[]).await;
            },
            () = late => {
                seen.killed = true;
                break;
            },
        }
    }
    drop(input);
    // With the kill, the pipe of the complaint ends.
    let _ = child.start_kill();
    seen.complaint = complaint.await.unwrap_or_default();
    launch_ms
}

/// Time of an interrupted task until it is killed from outside: a grace for the step that runs, and one for
/// what is always run after it.
fn patience(grace: Duration) -> Duration {
    grace * 2 + PATIENCE
}

async fn send(input: &mut ChildStdin, kind: FrameKind, payload: &[u8]) -> std::io::Result<()> {
    let mut frame = Vec::with_capacity(payload.len() + 5);
    write_frame(&mut frame, kind, payload)?;
    input.write_all(&frame).await?;
    input.flush().await
}

/// Bytes of a frame that is not complete yet: kept here, so that waiting for more can be given up at any moment.
#[derive(Default)]
struct Frames {
    pending: Vec<u8>,
}

impl Frames {
    /// The next frame; `None` at a clean end. Safe to cancel.
    async fn next(&mut self, from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<(FrameKind, Vec<u8>)>> {
        loop {
            if let Some(header) = self.pending.first_chunk::<5>() {
                let (kind, length) = decode_header(*header)?;
                if self.pending.len() >= 5 + length {
                    let rest = self.pending.split_off(5 + length);
                    let mut frame = std::mem::replace(&mut self.pending, rest);
                    frame.drain(..5);
                    return Ok(Some((kind, frame)));
                }
            }
            self.pending.reserve(64 * 1024);
            if from.read_buf(&mut self.pending).await? == 0 {
                return if self.pending.is_empty() {
                    Ok(None)
                } else {
                    Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "it ended in the middle of a frame"))
                };
            }
            debug_assert!(self.pending.capacity() < 4 * FRAME_MAX_BYTES);
        }
    }
}

/// Ends all processes of the sandbox and removes its group.
async fn clean_up(mut child: Child, group: Group, seen: &mut Seen) {
    let _ = child.start_kill();
    // It was killed: this only waits for the kernel.
    let _ = child.wait().await;
    let removed = tokio::task::spawn_blocking(move || {
        let kills = group.memory_kills();
        (kills, group.remove())
    });
    match removed.await {
        Ok((kills, Ok(()))) => seen.memory_kills = kills,
        Ok((kills, Err(error))) => {
            seen.memory_kills = kills;
            tracing::warn!(%error, "a control group could not be removed; the next start does it");
        }
        Err(error) => tracing::warn!(%error, "a control group could not be removed; the next start does it"),
    }
}

//! An allowed request, carried out: the protocol of Terraform's `http` backend.
//!
//! <https://developer.hashicorp.com/terraform/language/backend/http>: `GET` answers 200 or 404; `LOCK` 200, or
//! 423 with the holder's lock as JSON; `POST` and `UNLOCK` 200.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use portcullis_model::state::{LOCK_INFO_MAX_BYTES, LockInfo, STATE_MAX_BYTES};
use portcullis_model::{Code, Fault, TaskId, UnitPath};
use tokio::sync::{Mutex, Semaphore};

use crate::body::{Answer, json, kept, text};
use crate::judge::{Operation, Refusal, bad_request, from_fault};
use crate::{LockAnswer, StatePort, UnlockAnswer};

/// Longest time in which a body must have arrived.
const BODY_TIMEOUT: Duration = Duration::from_secs(120);

/// The task's own state is in memory so many times at most, however many ask for it and do not read the answer. More wait.
pub(crate) const ANSWERS_MAX: usize = 2;

/// The states, as one task sees them.
pub(crate) struct States {
    pub(crate) port: Arc<dyn StatePort>,
    pub(crate) task: TaskId,
    pub(crate) unit: UnitPath,
    /// One large body at a time is held in memory for a task.
    pub(crate) body: Mutex<()>,
    /// States that are being answered with; see [`ANSWERS_MAX`].
    pub(crate) answers: Arc<Semaphore>,
}

impl States {
    /// Carries out what the judge has allowed.
    pub(crate) async fn perform(&self, operation: Operation, body: Incoming) -> Result<Answer, Refusal> {
        match operation {
            Operation::Get => {
                let place = self.answers.clone().acquire_owned().await;
                let place = place.map_err(|_| bad_request("the door is closing"))?;
                Ok(match self.port.state_get(&self.unit).await.map_err(|fault| failed(&fault))? {
                    Some(state) => json(StatusCode::OK, kept(state, place)),
                    None => text(StatusCode::NOT_FOUND, "there is no state yet"),
                })
            }
            Operation::Answer(state) => Ok(json(StatusCode::OK, state)),
            Operation::Put { lock } => {
                let _one = self.body.lock().await;
                let state = read(body, STATE_MAX_BYTES).await?;
                let put = self.port.state_put(&self.unit, self.task, lock.as_deref(), state).await;
                put.map_err(|fault| failed(&fault))?;
                Ok(text(StatusCode::OK, ""))
            }
            Operation::Lock => {
                let lock = lock_info(body).await?;
                Ok(match self.port.state_lock(&self.unit, self.task, &lock).await.map_err(|fault| failed(&fault))? {
                    LockAnswer::Taken => text(StatusCode::OK, ""),
                    LockAnswer::Held(holder) => held(&holder),
                })
            }
            Operation::Unlock => {
                let lock = lock_info(body).await?;
                let answer = self.port.state_unlock(&self.unit, self.task, lock.id()).await;
                Ok(match answer.map_err(|fault| failed(&fault))? {
                    UnlockAnswer::Released => text(StatusCode::OK, ""),
                    UnlockAnswer::Held(holder) => held(&holder),
                })
            }
        }
    }
}

async fn lock_info(body: Incoming) -> Result<LockInfo, Refusal> {
    LockInfo::parse(&read(body, LOCK_INFO_MAX_BYTES).await?).map_err(|fault| from_fault(&fault))
}

async fn read(body: Incoming, max: usize) -> Result<Bytes, Refusal> {
    let too_large = || Refusal {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        code: Code::STATE_TOO_LARGE,
        why: format!("the body is larger than {max} bytes"),
    };
    if body.size_hint().lower() > max as u64 {
        return Err(too_large());
    }
    let Ok(collected) = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, max).collect()).await else {
        return Err(Refusal {
            status: StatusCode::REQUEST_TIMEOUT,
            code: Code::BAD_REQUEST,
            why: "the body did not arrive in time".into(),
        });
    };
    match collected {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(bad_request("the body did not arrive whole")),
    }
}

/// What a failing port is for the sandbox. What failed inside the runner is the runner's to know.
fn failed(fault: &Fault) -> Refusal {
    let status = match fault.code() {
        Code::STATE_LOCKED => StatusCode::LOCKED,
        Code::STATE_TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
        Code::STATE_REFUSED => StatusCode::FORBIDDEN,
        Code::BAD_REQUEST => StatusCode::BAD_REQUEST,
        code => {
            tracing::error!(%fault, "the state store failed");
            let status = if code == Code::DISK_FULL {
                StatusCode::INSUFFICIENT_STORAGE
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            };
            return Refusal { status, code, why: format!("the runner's state store failed: {}", code.title()) };
        }
    };
    Refusal { status, code: fault.code(), why: fault.message().into() }
}

fn held(holder: &LockInfo) -> Answer {
    json(StatusCode::LOCKED, Bytes::from(holder.json().to_string()))
}

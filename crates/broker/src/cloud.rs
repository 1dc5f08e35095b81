//! [`Aws`] in a task's [`Egress`](crate::Egress): requests to AWS, judged and signed again by [`crate::aws`] as they pass.
//!
//! This module does what `aws::Call` asks of a proxy: it reads as much of a body as a decision needs, sends what is allowed with
//! the keys that it is given, and answers what is not as AWS would.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use jiff::Timestamp;
use portcullis_model::{Code, Fault, Scheme, Target};
use tokio::sync::Semaphore;

use crate::BoxFuture;
use crate::aws::sigv4::{self, Credentials};
use crate::aws::table::{Endpoints, Wanted};
use crate::aws::{Allowed, BodyRead, BodyWanted, Denied, Identity, judge, role};
use crate::body::{Answer, Body, Failure, kept};
use crate::judge::{Refusal, bad_request};
use crate::record::Pending;
use crate::tunnel::Passed;

/// Largest body that is kept until it is sent, because no header names its digest.
const WHOLE_MAX_BYTES: usize = 8 << 20;
/// Bodies that are kept at a time for one task, in KiB. More wait.
const KEPT_MAX_KIB: usize = 32 << 10;
/// Largest answer of STS that is read.
const ANSWER_MAX_BYTES: usize = 64 << 10;

/// AWS, for one task.
#[derive(Clone)]
pub struct Aws {
    /// The keys that the sandbox has.
    pub placeholder: Credentials,
    /// What it may do.
    pub rights: judge::Rights,
    /// The keys that its requests leave with.
    pub keys: Arc<dyn Keys>,
    /// What time it is.
    pub clock: fn() -> Timestamp,
}

/// Real keys. Whoever gives them renews them before they expire.
pub trait Keys: Send + Sync + 'static {
    /// The keys of this moment.
    fn keys(&self) -> BoxFuture<'_, Result<Credentials, Fault>>;
}

/// A placeholder for a task: looks like a key, and is none.
///
/// # Errors
/// `PC-0900` when this machine gives no random numbers.
pub fn placeholder() -> Result<Credentials, Fault> {
    let mut random = [0; role::RANDOM_BYTES];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| Fault::internal("no random numbers for a placeholder"))?;
    Ok(role::mint(&random))
}

/// The state of [`Aws`] while a task runs.
pub(crate) struct Cloud {
    aws: Aws,
    task: Mutex<crate::aws::Task>,
    kept: Arc<Semaphore>,
}

/// A request that is ready to be sent.
pub(crate) struct Ready {
    pub(crate) request: Request<Body>,
    allowed_role: Option<String>,
}

impl Cloud {
    pub(crate) fn new(aws: Aws, endpoints: Vec<String>) -> Self {
        let task = crate::aws::Task::new(aws.placeholder.clone(), aws.rights.clone(), Endpoints(endpoints));
        Cloud { aws, task: Mutex::new(task), kept: Arc::new(Semaphore::new(KEPT_MAX_KIB)) }
    }

    /// Judges a request and signs it with real keys.
    pub(crate) async fn prepare(
        &self,
        target: &Target,
        head: Parts,
        body: Incoming,
        call: &mut Pending,
    ) -> Result<Ready, Answer> {
        let now = (self.aws.clock)();
        let begun = self.task().begin(&head, &target.authority(), now);
        let begun = begun.map_err(|denied| deny(&denied, call))?;
        let wanted = begun.body();
        let read = self.read(body, wanted).await.map_err(|refusal| call.refuse(&refusal))?;
        let digest = wanted.digest.then(|| sha256(&read.begun));
        let content = content_max(wanted.content);
        let whole = (read.rest.is_none() && read.begun.len() <= content).then_some(read.begun.as_ref());
        let judged = {
            let task = self.task();
            begun.judge(&task, BodyRead { whole, digest })
        };
        let allowed = judged.map_err(|denied| deny(&denied, call))?;
        call.allowed_by(&allowed.rule);
        call.asked(&allowed.asked.action, allowed.asked.resource.as_deref());
        let assumed = allowed.assumes().map(str::to_owned);
        let real = self.real(&allowed).await.map_err(|fault| call.refuse(&no_keys(&fault)))?;
        let signed = allowed.sign(&real, now).map_err(|fault| call.refuse(&bad_request(fault.to_string())))?;
        let request = outgoing(target, head.method, signed, read, call.passed());
        Ok(Ready { request: request.map_err(|refusal| call.refuse(&refusal))?, allowed_role: assumed })
    }

    async fn real(&self, allowed: &Allowed) -> Result<Credentials, Fault> {
        match &allowed.identity {
            Identity::Task => self.aws.keys.keys().await,
            Identity::Role { real, .. } => Ok(real.clone()),
        }
    }

    /// Reads as much of a body as is wanted; the rest stays where it is. What was read has its place until it was sent.
    async fn read(&self, mut body: Incoming, wanted: BodyWanted) -> Result<Read, Refusal> {
        let exact = body.size_hint().exact();
        let max = if wanted.digest { WHOLE_MAX_BYTES } else { content_max(wanted.content) };
        if max == 0 || exact == Some(0) {
            let rest = (!body.is_end_stream()).then_some(body);
            return Ok(Read { begun: Bytes::new(), rest, exact });
        }
        // A body that does not say its length may be as long as any.
        let most = exact.and_then(|length| usize::try_from(length).ok()).unwrap_or(max).min(max);
        let permits = u32::try_from(most.div_ceil(1024)).unwrap_or(u32::MAX);
        let place =
            self.kept.clone().acquire_many_owned(permits).await.map_err(|_| bad_request("the door is closing"))?;
        let mut begun = BytesMut::new();
        while begun.len() <= max {
            match body.frame().await {
                None => return Ok(Read { begun: kept(begun, place), rest: None, exact }),
                Some(Err(_)) => return Err(bad_request("the body did not arrive whole")),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        begun.extend_from_slice(&data);
                    }
                }
            }
        }
        if wanted.digest {
            return Err(Refusal {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                code: Code::DOOR_REFUSED,
                why: format!("a body whose digest no header names can have {WHOLE_MAX_BYTES} bytes"),
            });
        }
        Ok(Read { begun: kept(begun, place), rest: Some(body), exact })
    }

    /// The answer for the sandbox: of `AssumeRole` with placeholders, else as it is.
    pub(crate) async fn answered(
        &self,
        role: String,
        answer: Response<Incoming>,
        call: &mut Pending,
    ) -> Result<Response<Incoming>, Answer> {
        if !answer.status().is_success() {
            return Ok(answer);
        }
        let (mut head, body) = answer.into_parts();
        let refused = |call: &mut Pending, why: String| {
            call.refuse(&Refusal { status: StatusCode::BAD_GATEWAY, code: Code::DOOR_UNREACHABLE, why })
        };
        let Ok(body) = Limited::new(body, ANSWER_MAX_BYTES).collect().await else {
            return Err(refused(call, "the answer of STS did not arrive whole".into()));
        };
        let placeholder = match placeholder() {
            Ok(placeholder) => placeholder,
            Err(fault) => return Err(refused(call, fault.message().to_owned())),
        };
        match role::answer(&body.to_bytes(), &role, placeholder) {
            Ok((text, session)) => {
                self.task().keep(session);
                super::outgoing::strip(&mut head.headers);
                head.headers.remove(header::CONTENT_LENGTH);
                call.answered(head.status);
                let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
                Err(Response::from_parts(head, body))
            }
            Err(fault) => Err(refused(call, fault.to_string())),
        }
    }

    fn task(&self) -> std::sync::MutexGuard<'_, crate::aws::Task> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ready {
    /// The request, and the role that it assumes.
    pub(crate) fn into_parts(self) -> (Request<Body>, Option<String>) {
        (self.request, self.allowed_role)
    }
}

fn content_max(wanted: Wanted) -> usize {
    match wanted {
        Wanted::Nothing => 0,
        Wanted::Helpful(max) | Wanted::Needed(max) => max,
    }
}

fn sha256(bytes: &[u8]) -> sigv4::Digest {
    let mut digest = [0; 32];
    digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    digest
}

fn no_keys(fault: &Fault) -> Refusal {
    tracing::error!(%fault, "there are no keys for AWS");
    let why = format!("the runner has no keys for AWS at the moment: {}", fault.code().title());
    Refusal { status: StatusCode::BAD_GATEWAY, code: fault.code(), why }
}

/// The answer to what is denied, in the form of the service that was asked.
fn deny(denied: &Denied, call: &mut Pending) -> Answer {
    if let Some(asked) = &denied.asked {
        call.asked(&asked.action, asked.resource.as_deref());
    }
    call.refused(Code::DOOR_REFUSED, &format!("{} (rule `{}`)", denied.why, denied.rule));
    call.answered(denied.answer.status);
    let body = Full::new(denied.answer.body.clone()).map_err(|never| match never {}).boxed();
    let mut answer = Response::new(body);
    *answer.status_mut() = denied.answer.status;
    answer.headers_mut().extend(denied.answer.headers.iter().cloned());
    answer
}

fn outgoing(
    target: &Target,
    method: http::Method,
    signed: sigv4::Signed,
    read: Read,
    passed: Arc<Passed>,
) -> Result<Request<Body>, Refusal> {
    let scheme = if target.scheme == Scheme::Https { "https" } else { "http" };
    let uri = Uri::builder().scheme(scheme).authority(target.authority()).path_and_query(signed.target).build();
    let body = Resigned { read, signer: Some(signed.body), passed };
    let mut request = Request::new(body.boxed());
    *request.uri_mut() = uri.map_err(|_| bad_request("the path is not understood"))?;
    *request.method_mut() = method;
    *request.headers_mut() = signed.headers;
    Ok(request)
}

/// A body, as far as it was read.
struct Read {
    begun: Bytes,
    rest: Option<Incoming>,
    /// Its length, if it was said.
    exact: Option<u64>,
}

/// A body on its way to AWS, each piece through its signature.
struct Resigned {
    read: Read,
    signer: Option<sigv4::Body>,
    passed: Arc<Passed>,
}

impl hyper::body::Body for Resigned {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        loop {
            let piece = if !self.read.begun.is_empty() {
                Some(std::mem::take(&mut self.read.begun))
            } else if let Some(rest) = &mut self.read.rest {
                match Pin::new(rest).poll_frame(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                    // Trailers of HTTP are none of AWS's: those are in the body.
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => Some(data),
                        Err(_) => continue,
                    },
                    Poll::Ready(None) => None,
                }
            } else {
                None
            };
            let Some(signer) = &mut self.signer else { return Poll::Ready(None) };
            let out = match piece {
                Some(piece) => {
                    let sent = piece.len() as u64;
                    let out = signer.push(piece);
                    self.passed.sent.fetch_add(sent, Ordering::Relaxed);
                    out
                }
                None => {
                    self.read.rest = None;
                    match self.signer.take().map(sigv4::Body::finish) {
                        Some(Ok(last)) if last.is_empty() => return Poll::Ready(None),
                        Some(last) => last,
                        None => return Poll::Ready(None),
                    }
                }
            };
            match out {
                Ok(out) if out.is_empty() => {}
                Ok(out) => return Poll::Ready(Some(Ok(Frame::data(out)))),
                Err(fault) => {
                    // What was sent is not the whole, and nothing more is.
                    self.signer = None;
                    return Poll::Ready(Some(Err(fault.into())));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.exact == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.read.exact.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

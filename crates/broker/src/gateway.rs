//! [`Gateway`]: requests and connections to hosts outside, as the fleet allows them.
//!
//! Three ways lead through it: a tunnel (`CONNECT` to a host without a credential), a connection that ends here
//! (`CONNECT` to a host with one), and a plain request in absolute form (`http://` hosts). Each request of the last two
//! is judged for itself, on whichever connection it comes.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use portcullis_model::{Code, Fault, Scheme, Target};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::LazyConfigAcceptor;

use crate::authority::Authority;
use crate::aws::sigv4::BodyFault;
use crate::body::{Answer, Body, Counted, text};
use crate::cloud::Cloud;
use crate::dial::dial;
use crate::egress::{Egress, Route, Way};
use crate::judge::{Refusal, bad_request};
use crate::outgoing::{self, Connector, NotConnected, find};
use crate::record::{Pending, Record, shown};
use crate::tunnel;

/// Longest time until a host begins to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);
/// Longest time for a TLS handshake with the sandbox.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
const IDLE_TIMEOUT: Duration = Duration::from_secs(150);
const HEADER_MAX_BYTES: u32 = 64 * 1024;
const HEADERS_MAX: usize = 100;
/// Requests at a time on one HTTP/2 connection.
const STREAMS_MAX: u32 = 64;

/// Requests of one task at a time, on whichever connections. One more is refused, as AWS would: who asks tries again.
const REQUESTS_MAX: usize = 256;

/// What goes on after a connection was let through.
pub(crate) type Passing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The hosts of one task.
pub(crate) struct Gateway {
    egress: Arc<Egress>,
    /// Only if TLS to some host ends here.
    authority: Option<Authority>,
    client: Client<Connector, Body>,
    cloud: Option<Cloud>,
    record: Arc<Record>,
    room: Arc<Semaphore>,
}

impl Gateway {
    pub(crate) fn new(egress: Arc<Egress>, record: Arc<Record>) -> Result<Self, Fault> {
        let authority = if egress.terminates() { Some(Authority::new()?) } else { None };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(8)
            .build(Connector::new(egress.clone()));
        let cloud = egress.aws.clone().map(|aws| Cloud::new(aws, egress.endpoints()));
        let room = Arc::new(Semaphore::new(REQUESTS_MAX));
        Ok(Gateway { egress, authority, client, cloud, record, room })
    }

    /// The certificate of the task's authority.
    pub(crate) fn authority_pem(&self) -> Option<&str> {
        self.authority.as_ref().map(Authority::pem)
    }

    /// `CONNECT`: the answer, and what then goes on.
    pub(crate) async fn connect(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        mut call: Pending,
    ) -> (Answer, Option<Passing>) {
        let opened = self.open(&request).await;
        let (target, opened) = match opened {
            Ok(opened) => opened,
            Err(refusal) => return (call.refuse(&refusal), None),
        };
        let rule = self.egress.route(&target).map(|route| route.rule.clone()).unwrap_or_default();
        call.allowed_by(&rule);
        call.answered(StatusCode::OK);
        let upgrade = hyper::upgrade::on(&mut request);
        let gateway = self.clone();
        let passing: Passing = Box::pin(async move {
            let Ok(upgraded) = upgrade.await else { return };
            let mut sandbox = TokioIo::new(upgraded);
            match opened {
                Opened::Tunnel(host) => {
                    match tunnel::hello(&mut sandbox, &target).await {
                        Ok(first) => {
                            let passed = call.passed();
                            if let Err(error) = tunnel::pass(sandbox, host, &first, &passed).await {
                                tracing::debug!(%error, "a tunnel ended");
                            }
                        }
                        // The sandbox was told 200 already: that the connection ends is all that it can see.
                        Err(why) => call.refused(Code::DOOR_REFUSED, &why),
                    }
                }
                // Each of its requests is a call of its own.
                Opened::Ends => gateway.serve(sandbox, target, call).await,
            }
        });
        (Response::new(empty()), Some(passing))
    }

    async fn open(&self, request: &Request<Incoming>) -> Result<(Target, Opened), Refusal> {
        let authority = request.uri().authority().map(|authority| authority.as_str()).unwrap_or_default();
        // `CONNECT` names its port always (RFC 9110, 9.3.6).
        let target = Target::of_authority(Scheme::Https, authority).map_err(|why| not_understood(authority, &why))?;
        let route = self.route(&target)?;
        match &route.way {
            Way::Credential(_) | Way::Aws => Ok((target, Opened::Ends)),
            Way::Tunnel => match dial(self.egress.names.as_ref(), &target, route).await {
                Ok(host) => Ok((target, Opened::Tunnel(host))),
                Err(why) => Err(unreachable(why)),
            },
        }
    }

    /// A request in absolute form.
    pub(crate) async fn plain(&self, request: Request<Incoming>, mut call: Pending) -> Answer {
        let authority = request.uri().authority().map(|authority| authority.as_str()).unwrap_or_default();
        if request.uri().scheme_str() != Some("http") {
            let why = format!("{} is asked for with `CONNECT` and TLS", shown(authority));
            return call.refuse(&Refusal { status: StatusCode::FORBIDDEN, code: Code::DOOR_REFUSED, why });
        }
        let target = Target::of_authority(Scheme::Http, authority).map_err(|why| not_understood(authority, &why));
        match target {
            Ok(target) => self.forward(&target, request, call).await,
            Err(refusal) => call.refuse(&refusal),
        }
    }

    /// TLS with the sandbox, as the host; then its requests.
    async fn serve(
        self: Arc<Self>,
        sandbox: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
        target: Target,
        mut call: Pending,
    ) {
        let accepted = match self.handshake(sandbox, &target).await {
            Ok(stream) => stream,
            Err(why) => return call.refused(Code::DOOR_REFUSED, &why),
        };
        drop(call);
        let host = Arc::new(target);
        let service = service_fn(move |request: Request<Incoming>| {
            let (gateway, target) = (self.clone(), host.clone());
            async move {
                let call = gateway.record.arrived_at(&target, request.method(), request.uri());
                Ok::<_, std::convert::Infallible>(gateway.forward(&target, request, call).await)
            }
        });
        let mut builder = auto::Builder::new(Scoped::default());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE_TIMEOUT)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEADER_MAX_BYTES as usize);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(60))
            .keep_alive_timeout(IDLE_TIMEOUT)
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEADER_MAX_BYTES);
        if let Err(error) = builder.serve_connection(TokioIo::new(accepted), service).await {
            tracing::debug!(%error, "a connection that ends at a door ended");
        }
    }

    async fn handshake<S>(&self, sandbox: S, target: &Target) -> Result<tokio_rustls::server::TlsStream<S>, String>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let failed = |error: std::io::Error| format!("the TLS handshake failed: {error}");
        let handshake = async {
            let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), sandbox).await.map_err(failed)?;
            tunnel::check_name(start.client_hello().server_name(), target)?;
            let authority = self.authority.as_ref().ok_or("this task has no authority")?;
            let config = authority.host(&target.host).map_err(|fault| fault.message().to_owned())?;
            start.into_stream(config).await.map_err(failed)
        };
        let ended = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await;
        ended.map_err(|_| "the TLS handshake took too long".to_owned())?
    }

    /// One request to a host, if it is allowed.
    async fn forward(&self, target: &Target, request: Request<Incoming>, mut call: Pending) -> Answer {
        let route = match self.route(target).and_then(|route| outgoing::check(target, &request).map(|()| route)) {
            Ok(route) => route,
            Err(refusal) => return call.refuse(&refusal),
        };
        let Ok(place) = self.room.clone().try_acquire_owned() else {
            let why = format!("this task has {REQUESTS_MAX} requests under way already");
            return call.refuse(&Refusal { status: StatusCode::SERVICE_UNAVAILABLE, code: Code::BUSY, why });
        };
        call.takes(place);
        call.allowed_by(&route.rule);
        let passed = call.passed();
        let (head, body) = request.into_parts();
        let (outgoing, role) = match (&route.way, &self.cloud) {
            (Way::Aws, Some(cloud)) => match cloud.prepare(target, head, body, &mut call).await {
                Ok(ready) => ready.into_parts(),
                Err(answer) => return answer,
            },
            _ => match outgoing::request(target, route, head, Counted::sent(body, passed)) {
                Ok(outgoing) => (outgoing, None),
                Err(refusal) => return call.refuse(&refusal),
            },
        };
        let answer = match tokio::time::timeout(ANSWER_TIMEOUT, self.client.request(outgoing)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                if let Some(fault) = find::<BodyFault>(&error) {
                    return call.refuse(&bad_request(fault.to_string()));
                }
                return call.refuse(&unreachable(find(&error).map_or_else(
                    || {
                        tracing::debug!(%error, host = %target, "a request through a door failed");
                        format!("{target} broke the connection off")
                    },
                    |NotConnected(why)| why.clone(),
                )));
            }
            Err(_) => {
                let why = format!("{target} did not answer within {} s", ANSWER_TIMEOUT.as_secs());
                return call.refuse(&Refusal {
                    status: StatusCode::GATEWAY_TIMEOUT,
                    code: Code::DOOR_UNREACHABLE,
                    why,
                });
            }
        };
        let answer = match (role, &self.cloud) {
            (Some(role), Some(cloud)) => match cloud.answered(role, answer, &mut call).await {
                Ok(answer) => answer,
                Err(answer) => return answer,
            },
            _ => answer,
        };
        let (mut head, body) = answer.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return call.refuse(&unreachable(format!("{target} wants to speak another protocol")));
        }
        outgoing::strip(&mut head.headers);
        call.answered(head.status);
        Response::from_parts(head, Counted::received(body, call))
    }

    fn route(&self, target: &Target) -> Result<&Route, Refusal> {
        self.egress.route(target).ok_or_else(|| Refusal {
            status: StatusCode::FORBIDDEN,
            code: Code::DOOR_REFUSED,
            why: format!("the fleet definition does not let this task reach {target}"),
        })
    }
}

/// Runs the requests of one HTTP/2 connection. They end with it: nothing of a task goes on when its door is closed.
#[derive(Clone, Default)]
struct Scoped(Arc<Mutex<JoinSet<()>>>);

impl<F> hyper::rt::Executor<F> for Scoped
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, request: F) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while running.try_join_next().is_some() {}
        running.spawn(request);
    }
}

/// A connection that may go on.
enum Opened {
    Tunnel(tokio::net::TcpStream),
    Ends,
}

fn empty() -> Body {
    Empty::<Bytes>::new().map_err(|never| match never {}).boxed()
}

fn not_understood(authority: &str, why: &str) -> Refusal {
    let why = format!("{} is no host that can be reached: {why}", shown(authority));
    Refusal { status: StatusCode::FORBIDDEN, code: Code::DOOR_REFUSED, why }
}

fn unreachable(why: String) -> Refusal {
    Refusal { status: StatusCode::BAD_GATEWAY, code: Code::DOOR_UNREACHABLE, why }
}

impl Pending {
    /// Refuses, with the answer for the sandbox.
    pub(crate) fn refuse(&mut self, refusal: &Refusal) -> Answer {
        let Refusal { status, code, why } = refusal;
        self.refused(*code, why);
        self.answered(*status);
        text(*status, format!("{why} [{code}]\n"))
    }
}

/// Whether a request is for a host outside.
pub(crate) fn is_outside(request: &Request<Incoming>) -> bool {
    let state = |host: &str| host.eq_ignore_ascii_case(crate::HOST);
    match request.uri().authority() {
        _ if request.method() == Method::CONNECT => true,
        Some(authority) => !state(authority.host()),
        None => false,
    }
}

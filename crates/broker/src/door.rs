//! [`Door`]: the socket, its connections and limits.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use portcullis_model::{Code, Fault, Phase, TaskId, UnitPath};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::body::{Answer, text};
use crate::egress::Egress;
use crate::gateway::{Gateway, Passing, is_outside};
use crate::judge::{Operation, Refusal, Rights, judge};
use crate::record::Record;
use crate::state::{ANSWERS_MAX, States};
use crate::{Call, StatePort};

/// The host that the door answers for itself.
pub const HOST: &str = portcullis_model::state::STATE_HOST;

/// Connections of one task at a time, tunnels not among them. More wait in the socket's queue.
pub const CONNECTIONS_MAX: usize = 32;
/// Tunnels of one task at a time, and connections where TLS ends at the door. One more is refused.
const TUNNELS_MAX: usize = 128;
/// Longer than the 90 seconds after which Go's client gives up an idle connection, so that the client closes
/// first and never writes into a connection that we are just closing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(150);
const HEADER_MAX_BYTES: usize = 64 * 1024;
const HEADERS_MAX: usize = 64;
/// How long calls under way may take to end when the door closes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest path of a Unix socket on Linux (`sun_path`, with its final zero).
const SOCKET_PATH_MAX_BYTES: usize = 107;

/// Whose door it is, and what may go through.
pub struct DoorSettings {
    /// Where the socket is made. A socket that a killed runner left there is replaced; anything else is not.
    /// Nobody but the runner may write to its folder.
    pub socket: PathBuf,
    /// The uid that the sandbox has on this host: owns the socket, and only its connections are taken.
    /// `None`: the runner's own.
    pub owner_uid: Option<u32>,
    /// The task.
    pub task: TaskId,
    /// Its unit.
    pub unit: UnitPath,
    /// What the sandbox is for.
    pub phase: Phase,
    /// States that the task may read besides its own: what to answer for each.
    pub readable: BTreeMap<UnitPath, Bytes>,
    /// The state store.
    pub port: Arc<dyn StatePort>,
    /// The hosts that it may reach. `None`: none.
    pub egress: Option<Arc<Egress>>,
}

/// An open door. Dropped: it closes at once, calls under way are cut.
pub struct Door {
    socket: PathBuf,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

/// What the connections of one door share.
struct Shared {
    rights: Rights,
    states: States,
    record: Arc<Record>,
    gateway: Option<Arc<Gateway>>,
    /// Connections that have left HTTP. They end with the door.
    tunnels: std::sync::Mutex<JoinSet<()>>,
    peer_uid: u32,
    /// Whether the task's own state was asked for.
    own_state: AtomicBool,
}

impl Door {
    /// Opens the door. Needs a tokio runtime.
    ///
    /// # Errors
    /// `PC-0901` when the socket cannot be made.
    pub fn open(settings: DoorSettings) -> Result<Door, Fault> {
        let DoorSettings { socket, owner_uid, task, unit, phase, readable, port, egress } = settings;
        let record = Arc::new(Record::new());
        let gateway = egress.map(|egress| Gateway::new(egress, record.clone()).map(Arc::new)).transpose()?;
        let (listener, peer_uid) = listen(&socket, owner_uid)?;
        let shared = Arc::new(Shared {
            states: States {
                port,
                task,
                unit: unit.clone(),
                body: Mutex::new(()),
                answers: Arc::new(Semaphore::new(ANSWERS_MAX)),
            },
            rights: Rights { unit, phase, readable },
            record,
            gateway,
            tunnels: std::sync::Mutex::default(),
            peer_uid,
            own_state: AtomicBool::new(false),
        });
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, shared.clone(), stopped));
        Ok(Door { socket, shared, stop, accepting })
    }

    /// Whether the task has asked for its own state so far.
    pub fn read_own_state(&self) -> bool {
        self.shared.own_state.load(Ordering::Relaxed)
    }

    /// The certificate that the sandbox has to trust, in PEM, if TLS to some host ends at this door.
    pub fn authority(&self) -> Option<&str> {
        self.shared.gateway.as_ref().and_then(|gateway| gateway.authority_pem())
    }

    /// The socket's path on the host.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Closes the door: no new call, those under way are let end (at most two seconds), then nothing of this
    /// task can reach a state any more. Gives what went through, in order.
    pub async fn close(mut self) -> Vec<Call> {
        self.stop.send_replace(true);
        // It ends by itself: each of its connections has a time limit now.
        if let Err(error) = (&mut self.accepting).await {
            tracing::error!(%error, "a door ended early");
        }
        self.shared.end_tunnels().await;
        self.shared.record.take()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.accepting.abort();
        if let Err(error) = std::fs::remove_file(&self.socket)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "a door's socket is left behind");
        }
    }
}

/// Makes the socket. Gives the uid that may connect.
fn listen(socket: &Path, owner_uid: Option<u32>) -> Result<(UnixListener, u32), Fault> {
    let failed = |error: std::io::Error| Fault::io(format!("making the door {}", socket.display()), &error);
    if socket.as_os_str().len() > SOCKET_PATH_MAX_BYTES {
        return Err(Fault::new(Code::IO, format!("the path {} is too long for a socket", socket.display()))
            .remedy("Give a data folder with a shorter path."));
    }
    match std::fs::symlink_metadata(socket) {
        Ok(left) if left.file_type().is_socket() => std::fs::remove_file(socket).map_err(failed)?,
        // Binding fails then, and says why.
        Ok(_) | Err(_) => {}
    }
    let listener = UnixListener::bind(socket).map_err(failed)?;
    // Whoever connects before this is looked at just the same: by uid, at `accept`.
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    if let Some(uid) = owner_uid {
        std::os::unix::fs::chown(socket, Some(uid), None).map_err(failed)?;
    }
    let uid = std::fs::symlink_metadata(socket).map_err(failed)?.uid();
    Ok((listener, uid))
}

/// Takes connections until the door closes, then waits for the last ones.
async fn accept(listener: UnixListener, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => { connections.spawn(serve(stream, shared.clone(), stop.clone())); }
                Err(error) => {
                    // Out of file descriptors, most likely: others will be closed.
                    tracing::warn!(%error, "a door cannot take a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(CLOSE_TIMEOUT, ended).await.is_err() {
        connections.shutdown().await;
    }
}

async fn serve(stream: UnixStream, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == shared.peer_uid => {}
        Ok(peer) => {
            tracing::warn!(uid = peer.uid(), "a stranger at a task's door");
            return;
        }
        Err(error) => {
            tracing::warn!(%error, "a peer at a task's door has no uid");
            return;
        }
    }
    // Each request is judged for itself: the service keeps nothing between two of them.
    let service = service_fn(|request| answer(&shared, request));
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE_TIMEOUT)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEADER_MAX_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
    );
    let served = tokio::select! {
        served = connection.as_mut() => served,
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection through a door ended");
    }
}

async fn answer(shared: &Shared, request: http::Request<hyper::body::Incoming>) -> Result<Answer, Infallible> {
    let mut call = shared.record.arrived(request.method(), request.uri());
    if let Some(gateway) = shared.gateway.as_ref().filter(|_| is_outside(&request)) {
        if request.method() != http::Method::CONNECT {
            return Ok(gateway.plain(request, call).await);
        }
        if !shared.has_room() {
            let why = format!("this task has {TUNNELS_MAX} connections open already");
            call.refused(Code::BUSY, &why);
            call.answered(http::StatusCode::SERVICE_UNAVAILABLE);
            return Ok(text(http::StatusCode::SERVICE_UNAVAILABLE, format!("{why} [{}]\n", Code::BUSY)));
        }
        let (answer, passing) = gateway.connect(request, call).await;
        shared.pass(passing);
        return Ok(answer);
    }
    let (head, body) = request.into_parts();
    let result = match judge(&shared.rights, &head.method, &head.uri) {
        Ok(operation) => {
            shared.own_state.fetch_or(operation == Operation::Get, Ordering::Relaxed);
            call.allowed_by("state");
            shared.states.perform(operation, body).await
        }
        Err(refusal) => Err(refusal),
    };
    let answer = result.unwrap_or_else(|Refusal { status, code, why }| {
        call.refused(code, &why);
        text(status, format!("{why} [{code}]\n"))
    });
    call.answered(answer.status());
    Ok(answer)
}

impl Shared {
    /// Whether one more connection may leave HTTP. Forgets those that have ended.
    fn has_room(&self) -> bool {
        let mut tunnels = self.tunnels.lock().unwrap_or_else(PoisonError::into_inner);
        while tunnels.try_join_next().is_some() {}
        tunnels.len() < TUNNELS_MAX
    }

    fn pass(&self, passing: Option<Passing>) {
        if let Some(passing) = passing {
            self.tunnels.lock().unwrap_or_else(PoisonError::into_inner).spawn(passing);
        }
    }

    async fn end_tunnels(&self) {
        let mut tunnels = std::mem::take(&mut *self.tunnels.lock().unwrap_or_else(PoisonError::into_inner));
        tunnels.shutdown().await;
    }
}

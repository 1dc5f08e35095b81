//! A state store in memory, with the rules of the real one, and doors to it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use portcullis_broker::{BoxFuture, Door, DoorSettings, LockAnswer, StatePort, UnlockAnswer};
use portcullis_model::state::LockInfo;
use portcullis_model::{Code, Fault, Phase, TaskId, UnitPath};
use tempfile::TempDir;
use tokio::sync::Semaphore;

#[derive(Default)]
pub struct Inner {
    pub states: BTreeMap<UnitPath, Vec<Bytes>>,
    pub locks: BTreeMap<UnitPath, (TaskId, LockInfo)>,
    pub broken: Option<Code>,
}

#[derive(Clone)]
pub struct Memory {
    pub inner: Arc<Mutex<Inner>>,
    /// Writes wait for a permit.
    pub gate: Arc<Semaphore>,
    /// Gets a permit when a write has arrived.
    pub arrived: Arc<Semaphore>,
    /// What a state is answered with, instead of what was written.
    pub answers: Arc<Mutex<Option<Answers>>>,
}

type Answers = Box<dyn Fn() -> Bytes + Send>;

impl Memory {
    pub fn new() -> Self {
        Memory {
            inner: Arc::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            arrived: Arc::new(Semaphore::new(0)),
            answers: Arc::default(),
        }
    }

    pub fn versions(&self, unit: &str) -> usize {
        self.inner.lock().unwrap().states.get(&UnitPath::parse(unit).unwrap()).map_or(0, Vec::len)
    }

    pub fn locks(&self) -> usize {
        self.inner.lock().unwrap().locks.len()
    }

    fn check(&self) -> Result<(), Fault> {
        match self.inner.lock().unwrap().broken {
            Some(code) => Err(Fault::new(code, "/var/lib/portcullis/data is broken: secret detail")),
            None => Ok(()),
        }
    }
}

impl StatePort for Memory {
    fn state_get<'a>(&'a self, unit: &'a UnitPath) -> BoxFuture<'a, Result<Option<Bytes>, Fault>> {
        Box::pin(async move {
            self.check()?;
            if let Some(answers) = &*self.answers.lock().unwrap() {
                return Ok(Some(answers()));
            }
            Ok(self.inner.lock().unwrap().states.get(unit).and_then(|versions| versions.last().cloned()))
        })
    }

    fn state_put<'a>(
        &'a self,
        unit: &'a UnitPath,
        task: TaskId,
        lock: Option<&'a str>,
        state: Bytes,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            self.check()?;
            self.arrived.add_permits(1);
            self.gate.acquire().await.unwrap().forget();
            let mut inner = self.inner.lock().unwrap();
            let held = inner.locks.get(unit).map(|(holder, info)| (*holder, info.id().to_string()));
            if held != lock.map(|lock| (task, lock.to_string())) {
                return Err(Fault::new(Code::STATE_LOCKED, "the state is locked by another"));
            }
            inner.states.entry(unit.clone()).or_default().push(state);
            Ok(())
        })
    }

    fn state_lock<'a>(
        &'a self,
        unit: &'a UnitPath,
        task: TaskId,
        lock: &'a LockInfo,
    ) -> BoxFuture<'a, Result<LockAnswer, Fault>> {
        Box::pin(async move {
            self.check()?;
            let mut inner = self.inner.lock().unwrap();
            match inner.locks.get(unit) {
                Some((_, holder)) => Ok(LockAnswer::Held(holder.clone())),
                None => {
                    inner.locks.insert(unit.clone(), (task, lock.clone()));
                    Ok(LockAnswer::Taken)
                }
            }
        })
    }

    fn state_unlock<'a>(
        &'a self,
        unit: &'a UnitPath,
        task: TaskId,
        lock: &'a str,
    ) -> BoxFuture<'a, Result<UnlockAnswer, Fault>> {
        Box::pin(async move {
            self.check()?;
            let mut inner = self.inner.lock().unwrap();
            match inner.locks.get(unit) {
                Some((holder, info)) if (*holder, info.id()) != (task, lock) => Ok(UnlockAnswer::Held(info.clone())),
                _ => {
                    inner.locks.remove(unit);
                    Ok(UnlockAnswer::Released)
                }
            }
        })
    }
}

/// A folder for sockets, and the store behind them.
pub struct House {
    pub dir: TempDir,
    pub memory: Memory,
}

impl House {
    pub fn new() -> Self {
        House { dir: tempfile::tempdir().unwrap(), memory: Memory::new() }
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("door.sock")
    }

    pub fn settings(&self, unit: &str, phase: Phase) -> DoorSettings {
        let readable = BTreeMap::from([(UnitPath::parse("dev/vpc").unwrap(), Bytes::from_static(b"{\"serial\":1}"))]);
        DoorSettings {
            socket: self.socket(),
            owner_uid: None,
            task: TaskId::from_uuid(uuid::Uuid::from_u128(1)),
            unit: UnitPath::parse(unit).unwrap(),
            phase,
            readable,
            port: Arc::new(self.memory.clone()),
            egress: None,
        }
    }

    pub fn open(&self, unit: &str, phase: Phase) -> Door {
        Door::open(self.settings(unit, phase)).unwrap()
    }
}

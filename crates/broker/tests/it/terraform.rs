//! The real tool against the door, as in a sandbox: `HTTP_PROXY` at a forwarder to the socket.

use std::path::{Path, PathBuf};
use std::process::Output;

use portcullis_broker::Decision;
use portcullis_model::state::LockInfo;
use portcullis_model::{Code, Phase, TaskId, UnitPath};
use tokio::net::{TcpListener, UnixStream};
use tokio::process::Command;

use crate::memory::House;

const CONFIG: &str = r#"
terraform {
  backend "http" {
    address        = "http://state.portcullis/dev/a b/db"
    lock_address   = "http://state.portcullis/dev/a b/db"
    unlock_address = "http://state.portcullis/dev/a b/db"
    retry_max      = 0
  }
}
variable "input" { default = "one" }
resource "terraform_data" "x" { input = var.input }
output "x" { value = terraform_data.x.output }
"#;
const UNIT: &str = "dev/a b/db";

struct Tool {
    program: PathBuf,
    proxy: String,
    dir: PathBuf,
}

impl Tool {
    /// `None`, said loudly, where no tool is on PATH.
    #[allow(clippy::disallowed_methods, reason = "a test finds the tool on PATH")]
    async fn new(house: &House) -> Option<Tool> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = ["terraform", "tofu"]
            .iter()
            .find_map(|name| std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file()));
        let Some(program) = found else {
            eprintln!("SKIPPED: neither terraform nor tofu is on PATH");
            return None;
        };
        let dir = house.dir.path().join("unit");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("main.tf"), CONFIG).unwrap();
        Some(Tool { program, proxy: forward(house.socket()).await, dir })
    }

    #[allow(clippy::disallowed_methods, reason = "the real tool")]
    async fn run(&self, arguments: &[&str]) -> Output {
        Command::new(&self.program)
            .args(arguments)
            .current_dir(&self.dir)
            .env_clear()
            .envs([("HTTP_PROXY", self.proxy.as_str()), ("TF_IN_AUTOMATION", "1"), ("CHECKPOINT_DISABLE", "1")])
            .env("HOME", &self.dir)
            .output()
            .await
            .unwrap()
    }

    async fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    async fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(!output.status.success(), "{arguments:?} succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

/// What the agent does in a sandbox: a port on 127.0.0.1 that leads to the socket.
async fn forward(socket: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let socket = socket.clone();
            tokio::spawn(async move { pass(&mut tcp, &socket).await });
        }
    });
    format!("http://{address}")
}

async fn pass(tcp: &mut tokio::net::TcpStream, socket: &Path) {
    if let Ok(mut door) = UnixStream::connect(socket).await {
        let _ = tokio::io::copy_bidirectional(tcp, &mut door).await;
    }
}

#[tokio::test]
async fn the_real_tool_plans_and_applies_through_the_door() {
    let house = House::new();
    let Some(tool) = Tool::new(&house).await else { return };
    tool_initialised(&house, &tool).await;

    // A plan locks, reads, and writes nothing.
    let door = house.open(UNIT, Phase::Plan);
    tool.succeeds(&["plan", "-input=false", "-out=tfplan"]).await;
    let methods: Vec<_> = door.close().await.into_iter().map(|call| call.method).collect();
    assert!(methods.contains(&"LOCK".into()) && methods.contains(&"UNLOCK".into()), "{methods:?}");
    assert!(!methods.contains(&"POST".into()), "{methods:?}");
    assert_eq!((house.memory.versions(UNIT), house.memory.locks()), (0, 0));

    let door = house.open(UNIT, Phase::Apply);
    tool.succeeds(&["apply", "-input=false", "tfplan"]).await;
    let calls = door.close().await;
    assert!(
        calls.iter().all(|call| call.decision == Decision::Allowed && matches!(call.status, 200 | 404)),
        "{calls:?}"
    );
    assert!(house.memory.versions(UNIT) > 0);
    assert_eq!(house.memory.locks(), 0);

    let door = house.open(UNIT, Phase::Outputs);
    assert_eq!(tool.succeeds(&["output", "-raw", "x"]).await, "one");
    door.close().await;
}

#[tokio::test]
async fn the_real_tool_shows_who_holds_the_lock_and_cannot_apply_in_a_plan() {
    let house = House::new();
    let Some(tool) = Tool::new(&house).await else { return };
    tool_initialised(&house, &tool).await;

    let unit = UnitPath::parse(UNIT).unwrap();
    let holder = r#"{"ID":"11111111-1111-1111-1111-111111111111","Operation":"OperationTypeApply","Who":"somebody@else","Version":"1.11.4","Created":"2026-01-01T00:00:00Z","Path":""}"#;
    let other = TaskId::from_uuid(uuid::Uuid::from_u128(2));
    house.memory.inner.lock().unwrap().locks.insert(unit.clone(), (other, LockInfo::parse(holder.as_bytes()).unwrap()));
    let door = house.open(UNIT, Phase::Plan);
    let said = tool.fails(&["plan", "-input=false", "-no-color"]).await;
    // It names the holder by id only, and prints its own lock below that.
    assert!(said.contains("already locked") && said.contains("11111111-1111"), "{said}");
    house.memory.inner.lock().unwrap().locks.clear();

    // The plan process of a hostile branch applies: what it does cannot reach the state.
    let said = tool.fails(&["apply", "-input=false", "-auto-approve", "-no-color"]).await;
    assert!(said.contains("403") || said.to_lowercase().contains("forbidden"), "{said}");
    assert_eq!(house.memory.versions(UNIT), 0);
    let calls = door.close().await;
    assert!(calls.iter().any(|call| {
        call.method == "POST" && matches!(call.decision, Decision::Refused { code: Code::STATE_REFUSED, .. })
    }));

    // A state of another unit.
    let door = house.open("dev/other", Phase::Apply);
    tool.fails(&["plan", "-input=false", "-no-color"]).await;
    assert!(door.close().await.iter().all(|call| call.status == 403));
}

async fn tool_initialised(house: &House, tool: &Tool) {
    let door = house.open(UNIT, Phase::Plan);
    tool.succeeds(&["init", "-input=false"]).await;
    door.close().await;
}

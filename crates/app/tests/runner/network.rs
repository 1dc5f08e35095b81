//! What leaves a sandbox: real git in a hook, to a host that the fleet definition allows, with a credential that the
//! sandbox never sees; and to one that it does not.
//!
//! The host is git's own server behind TLS on loopback, with a certificate of an authority that the runner's machine
//! trusts. That it stands at `git.example` is the definition's word.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use portcullis_model::{Code, TaskState};
use portcullis_testkit::{GitServer, LiveRepo, TestRepo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::world::{World, task};

const UNIT: &str = "security/_global/mgmt/asks";
const SECRET: &str = "canary-5ee8-of-the-runner";

/// TLS in front of a server, for `git.example`. Gives its address and its authority's certificate.
fn with_tls(server: SocketAddr) -> (SocketAddr, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["git.example".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    // Ends with the process of the tests.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut inside = acceptor.accept(stream).await?;
                    let mut outside = tokio::net::TcpStream::connect(server).await?;
                    tokio::io::copy_bidirectional(&mut inside, &mut outside).await
                });
            }
        });
    });
    (address, root.pem())
}

/// A unit whose plan asks git for a repository's branches.
fn unit(live: &LiveRepo, url: &str) -> Result<(), String> {
    let config = format!(
        r#"include "root" {{
  path = find_in_parent_folders("root.hcl")
}}

terraform {{
  before_hook "ask" {{
    commands = ["plan"]
    execute  = ["git", "ls-remote", "{url}"]
  }}
  before_hook "look" {{
    commands = ["plan"]
    execute  = ["env"]
  }}
}}
"#
    );
    live.write(&format!("{UNIT}/terragrunt.hcl"), &config)?;
    live.write(&format!("{UNIT}/main.tf"), "resource \"terraform_data\" \"it\" {}\n")
}

fn secret(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    let file = folder.join("git-token");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_host_is_reached_as_the_definition_says_with_a_credential_that_stays_outside() {
    let code = TestRepo::new();
    code.write("main.tf", "# code\n");
    let commit = code.commit("first");
    code.push();
    let server = GitServer::start(code.remote().parent().unwrap(), Some(("x-access-token", SECRET)));
    let plain: SocketAddr = server.url("").trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let (address, authority) = with_tls(plain);
    let url = "https://git.example/remote.git";

    let Some(mut world) = World::new("security", |live| unit(live, url).unwrap()) else { return };
    let trusted = world.folder().join("trusted.pem");
    std::fs::write(&trusted, authority).unwrap();
    world.variables.push(("SSL_CERT_FILE".into(), trusted.into()));
    let secrets = world.folder().join("secrets");
    world.serve.more.extend(["--secrets".into(), secrets.clone().into()]);
    let runner = world.start();
    let refused = |runner: &crate::world::Runner, wanted: &str| {
        let run = world.apply(runner, &[UNIT]);
        let view = runner.finish(&run);
        let TaskState::Failed { fault } = task(&view, UNIT).state else { panic!("it went through: {view:#?}") };
        let log = runner.task_log(&run, UNIT);
        assert!(format!("{fault} {log}").contains(wanted), "{fault}\n{log}");
        fault.code()
    };

    // By itself there is no way out.
    assert_eq!(refused(&runner, "calls were refused at the sandbox's door"), Code::HOOK_FAILED);
    assert_eq!(server.authorizations().len(), 0);

    // A host without a credential is a tunnel: the server wants a password, and git has none.
    let allow = |more: &str| {
        format!(
            "account \"security\" {{\n  egress \"git\" {{\n    hosts = [\"git.example\"]\n    address = \
             \"{address}\"\n  }}\n{more}"
        )
    };
    world.live.edit("portcullis.hcl", "account \"security\" {\n", &allow("")).unwrap();
    world.live.commit("allow the host").unwrap();
    refused(&runner, "could not read Username");
    assert_eq!(server.authorizations(), [None]);

    // A secret that is not there is said before anything runs.
    let credential = "  credential \"git\" {\n    host = \"git.example\"\n    username = \"x-access-token\"\n    value = \
                      secret(\"git-token\")\n  }\n";
    world.live.edit("portcullis.hcl", &allow(""), &allow(credential)).unwrap();
    world.live.commit("give it a credential").unwrap();
    assert_eq!(refused(&runner, "the secret `git-token` is not on the runner"), Code::SECRET);

    secret(&secrets);
    let run = world.apply(&runner, &[UNIT]);
    let view = runner.finish(&run);
    let log = runner.task_log(&run, UNIT);
    assert!(matches!(task(&view, UNIT).state, TaskState::Succeeded { .. }), "{view:#?}\n{log}\n{}", world.log());
    assert!(log.contains(commit.as_str()), "{log}");
    assert!(log.contains("SSL_CERT_FILE="), "{log}");
    assert!(server.authorizations().iter().skip(1).all(Option::is_some));
    assert!(!log.contains(SECRET) && !world.log().contains(SECRET));
    // It is on record.
    let page = runner.calls(&run);
    let asked = page.calls.iter().find(|call| call.path == "/remote.git/info/refs").expect("git's request");
    assert_eq!((asked.host.as_str(), asked.status, asked.rule.as_str()), ("git.example", 200, "credential \"git\""));
    assert!(page.calls.iter().any(|call| call.rule == "state" && call.unit.as_str() == UNIT));
    assert!(runner.stop().success());
}

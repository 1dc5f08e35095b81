//! What tests, the demo and benchmarks need around the runner: an OIDC issuer, repositories, a git server that wants a
//! password, programs and processes, and the way to start and ask a real runner.
//!
//! | module | holds |
//! |---|---|
//! | [`estate`] | random estates and random edits of them, by seed |
//! | [`issuer`] | [`FakeIssuer`]: discovery, keys, tokens; also as the program `fake-issuer` |
//! | [`actions`] | GitHub's request URL, at the same issuer: a job asks for its token there |
//! | [`hostile`] | tokens that must be refused, each with the code that it must be refused with |
//! | [`repo`] | [`TestRepo`]: a work tree and a bare remote, with real git |
//! | [`server`] | [`GitServer`]: git over HTTP with a password |
//! | [`files`] | [`FileServer`]: answers over HTTP that a test writes down |
//! | [`live`] | [`LiveRepo`]: a runner's repository, made from an estate's folder |
//! | [`caller`] | [`Caller`]: who asks a runner of the example's fleet |
//! | [`runner`] | [`Serve`]: how a real runner is started |
//! | [`loopback`] | a plain HTTP client for this machine |
//! | [`programs`] | where terraform, git and this workspace's binaries are |
//! | [`process`] | [`ProcessGuard`]: a child that does not outlive its guard |
//!
//! Without the feature `servers` only what starts in a moment is built: `cargo xtask` uses it so.
//!
//! Must never be a dependency of the product: it signs whatever it is asked to.

#[cfg(feature = "servers")]
pub mod actions;
#[cfg(feature = "servers")]
mod background;
pub mod caller;
pub mod estate;
#[cfg(feature = "servers")]
pub mod files;
#[cfg(feature = "servers")]
pub mod hostile;
#[cfg(feature = "servers")]
pub mod issuer;
pub mod live;
pub mod loopback;
pub mod process;
pub mod programs;
#[cfg(feature = "servers")]
pub mod repo;
pub mod runner;
#[cfg(feature = "servers")]
pub mod server;

pub use caller::Caller;
#[cfg(feature = "servers")]
pub use files::FileServer;
#[cfg(feature = "servers")]
pub use issuer::{Algorithm, FakeIssuer};
pub use live::LiveRepo;
pub use process::ProcessGuard;
#[cfg(feature = "servers")]
pub use repo::TestRepo;
pub use runner::Serve;
#[cfg(feature = "servers")]
pub use server::GitServer;

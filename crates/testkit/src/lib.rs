//! What tests and the demo need around the runner: an OIDC issuer, repositories, a git server that wants a
//! password, programs and processes.
//!
//! | module | holds |
//! |---|---|
//! | [`issuer`] | [`FakeIssuer`]: discovery, keys, tokens; also as the program `fake-issuer` |
//! | [`actions`] | GitHub's request URL, at the same issuer: a job asks for its token there |
//! | [`hostile`] | tokens that must be refused, each with the code that it must be refused with |
//! | [`repo`] | [`TestRepo`]: a work tree and a bare remote, with real git |
//! | [`server`] | [`GitServer`]: git over HTTP with a password |
//! | [`programs`] | where terraform, git and this workspace's binaries are |
//! | [`process`] | [`ProcessGuard`]: a child that does not outlive its guard |
//!
//! Must never be a dependency of the product: it signs whatever it is asked to.

pub mod actions;
pub mod hostile;
pub mod issuer;
pub mod process;
pub mod programs;
pub mod repo;
pub mod server;

pub use issuer::{Algorithm, FakeIssuer};
pub use process::ProcessGuard;
pub use repo::TestRepo;
pub use server::GitServer;

//! How the command line talks to a runner.
//!
//! | module | holds |
//! |---|---|
//! | [`runner`] | requests to a runner and their answers |
//! | [`follow`], [`sse`] | following a run by its event stream, over restarts |
//! | [`access`] | what a run is read with over a long time |
//! | [`token`] | where the caller's token comes from |
//! | [`github`], [`buildkite`] | asking a CI system for one |
//! | [`claims`] | what a token says of itself, before it is sent anywhere |
//! | [`link`] | what all outgoing connections have in common |
//!
//! Never follows a redirect, never sends a token over plain HTTP but to this machine, never uses a proxy of the
//! environment, and never takes the token's audience from the runner: a runner that was taken over could ask
//! for another one's.

pub mod access;
pub mod buildkite;
pub mod claims;
pub mod follow;
pub mod github;
pub mod link;
pub mod runner;
pub mod sse;
pub mod token;

pub use access::Access;
pub use follow::{Follow, Watch};
pub use runner::Client;
pub use token::{Audience, Tokens};

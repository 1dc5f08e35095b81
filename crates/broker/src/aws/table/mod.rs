//! Which operation a request asks for.
//!
//! | module | job |
//! |---|---|
//! | `data` | the table itself: services, operations, hosts, levels; made by `cargo xtask aws-table` |
//! | `host` | a host and a scope: which service and region, if the two agree |
//! | `recognise` | by which protocol a request speaks, and the operation in it |
//! | `form` | the parameters of the query protocols |
//! | `rest` | method, path and query against the operations' patterns |
//! | `s3` | buckets and keys, and what else a request to S3 needs |
//! | `resource` | secrets, tables, roles … where they are in a request |
//!
//! What is not recognised, or could be more than one thing, is not allowed.

mod data;
mod form;
mod host;
mod recognise;
mod resource;
mod rest;
mod s3;

#[cfg(test)]
pub(crate) use data::has_operation;
pub use data::{Level, Protocol, sources};
pub use host::{Endpoints, Region, is_aws};
pub use recognise::{Body, Need, Recognised, Unrecognised, Wanted, recognise, wanted};
pub use resource::Resource;

//! The grammar of HCL, gone through before the syntax tree is made.
//!
//! The library that makes the tree says little about what is wrong, takes time that grows with the square of an
//! object's keys, and refuses some of what HCL takes. So each text goes through here first, in one pass: [`body`] and
//! [`template`] follow HCL's own scanner and parser (`hclsyntax`), say what was found, what was expected and what to
//! do, count what is limited, and note what the library has to be shown in another way ([`Rewrites`]).
//!
//! | module | holds |
//! |---|---|
//! | `scan`, `token` | from text to tokens |
//! | `grammar` | bodies, blocks, attributes |
//! | `expression`, `template` | what values are made of |
//! | `keys` | objects that name a key twice |
//! | `diagnosis` | an error: where, what, and what to do |
//! | `encoding` | bytes that are no text |
//! | `rewrites` | what is put in the place of what the library refuses |
//!
//! Never makes a tree, and never evaluates anything.

mod diagnosis;
mod encoding;
mod expression;
mod grammar;
mod keys;
mod rewrites;
mod scan;
mod template;
mod token;

/// Where the comments of a body are, in their order.
pub(crate) fn comments(text: &str) -> Vec<std::ops::Range<usize>> {
    scan::body(text).comments
}

pub(crate) use diagnosis::Diagnosis;
pub(crate) use encoding::{Decode, decode, decode_body};
pub(crate) use grammar::{body, template};
pub(crate) use rewrites::{Renamed, Rewrites, parse};

//! Parameters of declared actions: what a caller may choose, and how little that is.
//!
//! | module | holds |
//! |---|---|
//! | [`given`] | what a caller sent, as it was sent |
//! | [`text`] | what no text may hold, whatever its type |
//! | [`characters`] | sets of characters, as a definition writes them |
//! | [`kind`] | the types, and what each takes |
//! | [`declared`] | a declared parameter; from what was given to the values of a run |
//! | [`command`] | arguments made of literals and values, with no shell in between |
//!
//! A definition bounds every parameter. There is no type that takes anything, no pattern language, and no default
//! for a bound that decides what is let in: what is left out of a definition is refused when it is loaded.
//!
//! Architecture invariant: a value of [`Value`] that came from a caller was made by [`Type::check`].

pub mod characters;
pub mod command;
pub mod declared;
pub mod given;
pub mod kind;
pub mod text;

pub use characters::Characters;
pub use command::{Argument, Command, Part};
pub use declared::{Parameter, Presence, resolve};
pub use given::Given;
pub use kind::{Refused, Type, Value};

/// Most parameters that an action may have.
pub const PARAMETERS_MAX: usize = 64;
/// Longest name of a parameter, in bytes.
pub const PARAMETER_NAME_MAX_BYTES: usize = 40;
/// Longest text of one value, in bytes, whatever its type allows.
pub const TEXT_MAX_BYTES: usize = 4096;
/// Most elements of a list, and keys of a map.
pub const ELEMENTS_MAX: usize = 100;

/// Whether a text can be the name of a parameter: a-z, then a-z 0-9 `_`.
pub fn is_name(text: &str) -> bool {
    text.len() <= PARAMETER_NAME_MAX_BYTES
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

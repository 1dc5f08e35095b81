//! The fleet: all accounts, as `portcullis.hcl` and the files that it imports define them.
//!
//! How the parts fit: `read` parses and evaluates the files into blocks with typed places; `layer` merges
//! what profiles and the account say, in a stated order; `decode` makes a checked [`Account`] of the result;
//! [`Fleet::load`] does it for every account, so that a definition is taken whole or not at all.
//!
//! The order of layers: imported profiles, local profiles (each in the order in which the account names
//! them, a profile's own profiles before it), the account. Maps merge deep, lists are replaced, `null`
//! removes.
//!
//! Architecture invariant: this crate reads no file (the caller's function does), knows nothing of HTTP, git
//! or the store, and never guesses: what it does not know is refused with its place.

mod account;
mod decode;
mod fleet;
mod layer;
mod principals;
mod profiles;
mod read;
mod schema;
mod spelling;

pub use account::{
    Account, Driver, Grant, Identity, Limits, Pin, Principal, Program, Repository, ToolPin, Tools, audience_for,
};
pub use fleet::{FLEET_FILE, Fleet, Read};

//! The fleet: all accounts, as `portcullis.hcl` and the files that it imports define them.
//!
//! How the parts fit: `read` parses and evaluates the files into blocks with typed places; `layer` merges
//! what profiles and the account say, in a stated order; `decode` makes a checked [`Account`] of the result;
//! [`Fleet::load`] does it for every account, so that a definition is taken whole or not at all. `check` and `asserts`
//! refuse what would let in whom nobody meant; `policies` has rights compiled to Cedar; `rights` and `diff` say what a
//! definition means; `repeats` finds what is said twice, and says it once.
//!
//! The order of layers: imported profiles, local profiles (each in the order in which the account names
//! them, a profile's own profiles before it), the account. Maps merge deep, lists are replaced unless `append(…)` says
//! otherwise, `null` removes.
//!
//! Architecture invariant: this crate reads no file (the caller's function does), knows nothing of HTTP, git
//! or the store, and never guesses: what it does not know is refused with its place.

mod account;
mod argv;
mod asserts;
mod check;
mod declared;
mod decode;
mod diff;
mod fleet;
mod layer;
mod network;
mod policies;
mod presets;
mod principals;
mod profiles;
mod read;
mod repeats;
mod rights;
mod schema;
mod settings;
mod spelling;

pub use account::{
    Account, Declared, Driver, Grant, Identity, Limits, Pin, Program, ProgramWork, Repository, ToolPin, Tools, Work,
    audience_for,
};
pub use check::Finding;
pub use diff::{AccountDiff, AssertChange, Change, FleetDiff, RightChange, ValueChange, diff};
pub use fleet::{FLEET_FILE, Fleet, Read};
pub use network::{CredentialForm, CredentialRule, EgressRule, NetworkPhase};
pub use portcullis_policy::{Freeze, Policies, Principal, Role, Unless};
pub use presets::Preset;
pub use read::{Elsewhere, Pinned, wanted};
pub use repeats::{Extraction, FileEdit, Kind, Moved, Refused, Repeated, Wanted, extract, report};
pub use rights::{Access, Conditions, Right};
pub use settings::{LayerName, Setting, Written};

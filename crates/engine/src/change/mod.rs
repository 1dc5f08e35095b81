//! What a plan changes, and whether two plans are the same change.
//!
//! [`Change`] is read from `show -json` of a saved plan. It holds values, also sensitive ones: it is kept
//! sealed, and neither its `Debug` nor a [`Difference`] shows any. [`PlanSummary`] is the part to show.
//!
//! *Same change* (design §4, "Outputs"): same resource addresses, same actions, same new values, except where
//! the reviewed plan had a mock or an unknown.
//!
//! | module | holds |
//! |---|---|
//! | `delta` | the types, and the summary |
//! | `show` | reading `show -json`, distrustfully: it comes out of a sandbox |
//! | `compare` | the same change; a part of a change |
//! | `value` | comparing one new value with another |
//!
//! Architecture invariant: pure. What is not understood is a fault, never skipped: what the comparison does
//! not see could be applied without a review.
//!
//! [`PlanSummary`]: portcullis_model::PlanSummary

mod compare;
mod delta;
mod show;
mod value;

pub use compare::{Difference, is_subset, same_change};
pub use delta::{Action, Change, OutputDelta, ResourceDelta};
pub use show::SHOW_MAX_BYTES;

//! Reads `show -json` of a saved plan, distrustfully: it comes out of a sandbox.
//!
//! Format: <https://developer.hashicorp.com/terraform/internals/json-format#plan-representation>, version 1.

use portcullis_model::{Fault, PlanSummary};

use super::delta::Change;

/// Largest output of `show -json` that is read, in bytes.
pub const SHOW_MAX_BYTES: usize = 64 * 1024 * 1024;

impl Change {
    /// Reads the output of `show -json PLAN`.
    ///
    /// # Errors
    /// `PC-0603` for what is no plan, a plan that ended with an error, or one that holds what is not
    /// understood.
    pub fn from_show_json(bytes: &[u8]) -> Result<(Change, PlanSummary), Fault> {
        let _ = bytes;
        Err(Fault::internal("not built yet"))
    }
}

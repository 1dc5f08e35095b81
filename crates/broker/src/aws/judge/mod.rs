//! Whether a request to AWS may be made: by the task's phase and by what the fleet grants.
//!
//! | module | job |
//! |---|---|
//! | `rights` | what a task may do: states, grants, roles |
//! | `sensitive` | operations whose answer is a secret, or a credential of AWS |
//! | `decide` | the decision, with the name of its rule |
//! | `denial` | the answer to what is denied, as AWS would give it in that protocol |

mod decide;
mod denial;
mod rights;
mod sensitive;

pub use decide::{Decision, decide};
pub use denial::{Denial, Form, denial};
pub use rights::{Actions, Grant, Phase, Rights, State};

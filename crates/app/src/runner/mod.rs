//! `portcullis serve`: the parts of a runner, wired.

use portcullis_model::{Code, Fault};

use crate::options::ServeOptions;

/// Runs a runner until it is told to stop.
///
/// # Errors
/// Whatever keeps it from starting.
pub async fn serve(options: ServeOptions) -> Result<(), Fault> {
    Err(Fault::new(Code::NOT_READY, format!("the runner of {} is not wired yet", options.account)))
}

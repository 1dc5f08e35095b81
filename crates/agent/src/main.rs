//! agent.
fn main() {}

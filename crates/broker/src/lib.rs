//! The one door out of a sandbox.

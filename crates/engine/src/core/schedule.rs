//! Which waiting tasks may start now.

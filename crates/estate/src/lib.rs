//! estate.

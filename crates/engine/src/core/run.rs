//! A run and its tasks in memory.

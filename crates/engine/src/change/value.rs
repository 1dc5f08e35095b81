//! Compares one new value with another.

//! How long it takes to know an estate: `cargo xtask bench estate` runs it, sets others beside it, and writes the table.
//!
//! Two steps, each a process of its own, so that memory is that of the estate alone:
//! `make DIR UNITS` makes a bare repository with a commit of a generated estate and one for each kind of change;
//! `measure DIR` loads and compares, and prints one JSON object.
//!
//! `once cold|floor|leaf|envcommon|root|comment|diff DIR` does one thing, for a profiler.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark fails loudly"
)]

mod floor;
mod make;
mod measure;

use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["make", folder, units] => make::generated(Path::new(folder), units.parse().expect("a number of units")),
        ["make-from", folder, source] => make::copied(Path::new(folder), Path::new(source)),
        ["measure", folder] => println!("{}", measure::all(Path::new(folder))),
        ["once", what, folder] => measure::once(what, Path::new(folder)),
        // What `cargo bench` alone and `cargo test --benches` do: see that it works.
        _ => {
            let folder = tempfile::tempdir().unwrap();
            make::generated(folder.path(), 100);
            println!("{}", measure::all(folder.path()));
        }
    }
}

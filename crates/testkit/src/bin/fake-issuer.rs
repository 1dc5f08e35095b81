//! `fake-issuer --listen 127.0.0.1:0 --ready-file F`: the fake OIDC issuer as a program, for the demo.
//!
//! Writes its issuer URL to the ready file, then to standard output, once it serves. `POST /mint` with claims as JSON answers with a
//! token (`?alg=ES256` and `?alg=EdDSA` too), `POST /rotate` makes new keys. Runs until it is killed.

use std::path::PathBuf;
use std::process::ExitCode;

use portcullis_testkit::FakeIssuer;

fn main() -> ExitCode {
    let mut listen = "127.0.0.1:0".to_owned();
    let mut ready_file = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        match (name.as_str(), arguments.next()) {
            ("--listen", Some(value)) => listen = value,
            ("--ready-file", Some(value)) => ready_file = Some(PathBuf::from(value)),
            _ => {
                eprintln!("usage: fake-issuer [--listen ADDRESS] [--ready-file FILE]");
                return ExitCode::from(2);
            }
        }
    }
    let issuer = FakeIssuer::listen(&listen);
    if let Some(file) = ready_file {
        // Renamed into place, so that who waits for the file never reads half of it.
        let partial = file.with_extension("partial");
        let written = std::fs::write(&partial, issuer.url()).and_then(|()| std::fs::rename(&partial, &file));
        if let Err(error) = written {
            eprintln!("{}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    println!("{}", issuer.url());
    loop {
        std::thread::park();
    }
}

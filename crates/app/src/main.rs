//! The `portcullis` program: a thin shell over the library of the same package.

fn main() -> std::process::ExitCode {
    portcullis_app::main()
}

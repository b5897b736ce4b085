//! The `writ` program: everything is in the library, so that tests and the demo reach the same code.

fn main() -> std::process::ExitCode {
    writ::cli::run()
}

//! The `genhost` command.

fn main() -> std::process::ExitCode {
    genhost::cli::main()
}

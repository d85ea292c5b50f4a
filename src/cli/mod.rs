//! The command line: the one part that reads files, writes files and knows of a terminal.

mod apt;
mod arguments;
mod build;
mod check;
mod compare;
mod diff;
mod fleet;
mod gpg;
mod graph;
mod image;
mod init;
mod lock;
mod mirror;
mod output;
mod registry;
mod report;
mod secrets;
mod session;
mod show;
mod store;
mod target;
mod terraform;
mod vagrant;
mod verify;

use std::process::ExitCode;

use crate::diagnostic::Diagnostic;
use arguments::{Arguments, Command};
use session::Session;

/// Exit code: the input is wrong, or something was found.
const WRONG: u8 = 1;
/// Exit code: nothing could be compared.
const TROUBLE: u8 = 2;

/// Runs the command that the process was started with.
///
/// Exit code 0: fine; 1: the input is wrong, or `diff` found differences; 2: the command line is wrong, or `diff` could not
/// compare, as diff(1) has it.
pub fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let mut session = Session::new();
    let outcome = match &arguments.command {
        None => show::host(&mut session, &arguments.render),
        Some(Command::Init(init)) => init::run(&mut session, init),
        Some(Command::Check(check)) => check::run(&mut session, check),
        Some(Command::Lock(lock)) => lock::run(&mut session, lock),
        Some(Command::Build(build)) => build::run(&mut session, build),
        Some(Command::Diff(diff)) => diff::run(&mut session, diff),
        Some(Command::Verify(verify)) => verify::run(&mut session, verify),
        Some(Command::Show(show)) => show::tree(&mut session, show),
        Some(Command::Mirror(mirror)) => mirror::run(&mut session, mirror),
        Some(Command::Graph(graph)) => graph::run(&mut session, graph),
        Some(Command::Image(image)) => image::run(&mut session, image),
        Some(Command::Terraform(terraform)) => terraform::run(&mut session, terraform),
        Some(Command::Vagrant(vagrant)) => vagrant::run(&mut session, vagrant),
        Some(Command::Schema) => show::schema(),
        Some(Command::Secrets(secrets)) => secrets::run(&mut session, secrets),
    };
    let notes = session.take_notes(outcome.is_err());
    report::to_stderr(&session.sources, &notes);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(faults) => {
            report::to_stderr(&session.sources, &faults);
            let could_not_compare = matches!(arguments.command, Some(Command::Diff(_))) && !faults.is_empty();
            ExitCode::from(if could_not_compare { TROUBLE } else { WRONG })
        }
    }
}

/// What a command ends with: nothing more to say, or what is wrong.
type Outcome = Result<(), Vec<Diagnostic>>;

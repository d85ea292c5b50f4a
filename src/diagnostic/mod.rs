//! What is wrong, where, and the way out.
//!
//! Every fault that genhost can find is a [`Problem`]; a [`Diagnostic`] is a problem at a [`Place`] in one of the
//! [`Sources`] that were read. How it is shown to a person or a program is `cli::report`'s business.

mod problem;
mod source;

pub use problem::{Problem, Severity};
pub use source::{Place, Position, SourceId, Sources};

/// A [`Problem`] and, where there is one, the place in the input that caused it.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// What is wrong.
    pub problem: Problem,
    /// Where; `None` for what is in no file, such as a full disk.
    pub place: Option<Place>,
    /// The other place, where two do not go together.
    pub other: Option<Place>,
}

impl Diagnostic {
    /// A problem that belongs to no line of any input.
    pub fn nowhere(problem: Problem) -> Self {
        Self { problem, place: None, other: None }
    }

    /// A problem at `place`.
    pub fn at(place: Place, problem: Problem) -> Self {
        Self { problem, place: Some(place), other: None }
    }

    /// The same, which does not go together with what is at `other`.
    pub fn against(self, other: Place) -> Self {
        Self { other: Some(other), ..self }
    }

    /// Keeps the place it has, or takes `place`: an inner place is always the more exact one.
    pub fn or_at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    /// Whether this stops a run.
    pub fn is_error(&self) -> bool {
        self.problem.severity() == Severity::Error
    }
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for Diagnostic {}

impl From<Problem> for Diagnostic {
    fn from(problem: Problem) -> Self {
        Self::nowhere(problem)
    }
}

/// What a step of the way returns: its result, or all that is wrong with its input.
pub type Result<T, E = Diagnostic> = std::result::Result<T, E>;

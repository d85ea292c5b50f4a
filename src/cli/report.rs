//! Diagnostics for people and for programs.

use std::io::{IsTerminal, Write};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::diagnostic::{Diagnostic, Place, Severity, Sources};

/// A diagnostic as data.
#[derive(Debug, Serialize)]
pub struct Record {
    severity: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<Spot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

/// The other place of two that do not go together.
#[derive(Debug, Serialize)]
struct Spot {
    file: String,
    line: usize,
    column: usize,
}

impl Record {
    /// Tells a diagnostic in plain fields.
    pub fn new(sources: &Sources, diagnostic: &Diagnostic) -> Self {
        let position = diagnostic.place.map(|place| sources.position(place));
        Self {
            severity: match diagnostic.problem.severity() {
                Severity::Error => "error",
                Severity::Note => "note",
            },
            message: diagnostic.problem.to_string(),
            file: diagnostic.place.map(|place| sources.name(place.source).to_owned()),
            line: position.map(|position| position.line),
            column: position.map(|position| position.column),
            other: diagnostic.other.map(|place| {
                let position = sources.position(place);
                Spot { file: sources.name(place.source).to_owned(), line: position.line, column: position.column }
            }),
            help: diagnostic.problem.help(),
        }
    }
}

/// Nobody reads more of them at a time.
const MOST: usize = 50;

/// Prints diagnostics with an excerpt each, in colour where a person looks on and did not ask for none (`NO_COLOR`).
pub fn to_stderr(sources: &Sources, diagnostics: &[Diagnostic]) {
    let stderr = std::io::stderr();
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || !stderr.is_terminal();
    let renderer = if plain { Renderer::plain() } else { Renderer::styled() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut stderr = stderr.lock();
    // Nobody is left to tell when stderr is closed, so errors of writing are none.
    for diagnostic in diagnostics.iter().take(MOST) {
        let _ = writeln!(stderr, "{}", text(sources, diagnostic, &renderer));
    }
    if let Some(more @ 1..) = diagnostics.len().checked_sub(MOST) {
        let _ = writeln!(stderr, "and {more} more");
    }
}

/// Tells people what is going on.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", visible(text));
}

/// A text for people, with signs in the place of characters that steer a terminal or turn the direction of the text: names of files
/// and what servers say come from anywhere.
pub fn visible(text: &str) -> String {
    let sign = |c: char| match c {
        '\n' | '\t' => c,
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(sign).collect()
}

fn text(sources: &Sources, diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.problem.severity() {
        Severity::Error => Level::ERROR,
        Severity::Note => Level::NOTE,
    };
    let message = visible(&diagnostic.problem.to_string());
    let help = diagnostic.problem.help().map(|help| visible(&help));
    let places = [(diagnostic.place, AnnotationKind::Primary), (diagnostic.other, AnnotationKind::Context)];
    let places = places.into_iter().filter_map(|(place, kind)| {
        let place = place?;
        Some((place, kind, visible(sources.name(place.source)).replace('\n', "\u{240a}")))
    });
    let places: Vec<(Place, AnnotationKind, String)> = places.collect();
    let mut group =
        level.primary_title(message.as_str()).elements(Vec::<Snippet<'_, annotate_snippets::Annotation>>::new());
    for (place, kind, name) in &places {
        if sources.is_secret(place.source) {
            let position = sources.position(*place);
            group = group.element(Origin::path(name.as_str()).line(position.line).char_column(position.column));
            continue;
        }
        let excerpt = Excerpt::new(sources.text(place.source), place.start as usize, place.end as usize);
        group = group.element(
            Snippet::source(excerpt.text)
                .line_start(excerpt.line)
                .path(name.as_str())
                .annotation(kind.span(excerpt.start..excerpt.end)),
        );
    }
    if let Some(help) = &help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    // In an excerpt the renderer itself has signs for all of these but C1's.
    renderer.render(&[group]).replace(|c| matches!(c, '\u{80}'..='\u{9f}'), "\u{fffd}")
}

/// The one line that a place begins in. A fault may span a whole file, and its first line is enough to find it.
struct Excerpt<'a> {
    text: &'a str,
    line: usize,
    start: usize,
    end: usize,
}

impl<'a> Excerpt<'a> {
    fn new(source: &'a str, start: usize, end: usize) -> Self {
        let mut start = start.min(source.len());
        while !source.is_char_boundary(start) {
            start -= 1;
        }
        let line_start = source[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let text = source[line_start..].lines().next().unwrap_or_default();
        let last = line_start + text.len();
        let mut end = end.clamp(start, last.max(start));
        while !source.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            text,
            line: source[..start].matches('\n').count() + 1,
            start: start.min(last) - line_start,
            end: end.min(last).max(start.min(last)) - line_start,
        }
    }
}

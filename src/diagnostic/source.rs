//! The texts that were read, and places in them.

/// Number of a text in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceId(u32);

/// A stretch of one source, in bytes. Small and `Copy`, so that every value can carry one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which source.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Place {
    /// A place in `source`; a text longer than 4 GiB is never loaded, so the numbers fit.
    pub fn new(source: SourceId, start: usize, end: usize) -> Self {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { source, start: narrow(start), end: narrow(end.max(start)) }
    }

    pub(crate) fn to_parts(self) -> [u32; 3] {
        [self.source.0, self.start, self.end]
    }

    pub(crate) fn from_parts([source, start, end]: [u32; 3]) -> Self {
        Self { source: SourceId(source), start, end }
    }
}

/// Line and column as an editor counts them: both from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

#[derive(Debug)]
struct Source {
    name: String,
    text: String,
    is_secret: bool,
}

/// Every text that was read in one run: files by the name the user gave, `--set` arguments, built-in data.
#[derive(Debug, Default)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// Keeps a text under the name that diagnostics will show.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        self.push(Source { name: name.into(), text: text.into(), is_secret: false })
    }

    /// Keeps a text of which no diagnostic may show a line.
    pub fn add_secret(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        self.push(Source { name: name.into(), text: text.into(), is_secret: true })
    }

    fn push(&mut self, source: Source) -> SourceId {
        let id = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.push(source);
        SourceId(id)
    }

    /// Whether no line of it may be shown.
    pub fn is_secret(&self, id: SourceId) -> bool {
        self.get(id).is_some_and(|source| source.is_secret)
    }

    /// Name of a source, as shown to people.
    pub fn name(&self, id: SourceId) -> &str {
        self.get(id).map_or("", |source| &source.name)
    }

    /// The whole text.
    pub fn text(&self, id: SourceId) -> &str {
        self.get(id).map_or("", |source| &source.text)
    }

    /// Where a place begins, for people.
    pub fn position(&self, place: Place) -> Position {
        let text = self.text(place.source);
        let before = text.get(..place.start as usize).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    /// The place of a whole line, counted from 1: for readers that report lines only.
    pub fn line(&self, source: SourceId, line: usize) -> Place {
        let text = self.text(source);
        let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let length = text[start..].lines().next().map_or(0, str::len);
        Place::new(source, start, start + length)
    }

    fn get(&self, id: SourceId) -> Option<&Source> {
        self.0.get(id.0 as usize)
    }
}

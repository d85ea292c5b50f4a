//! Filters that carry a text through a syntax unharmed: each reader gets back what was put in.

use std::borrow::Cow;
use std::fmt::Write as _;

use minijinja::{Environment, Error, ErrorKind, Value};

use super::value::is_secret;

pub(super) fn add_to(environment: &mut Environment) {
    environment.add_filter("sh", |value: &Value| sh(&text(value)?));
    environment.add_filter("systemd", |value: &Value| systemd(&text(value)?));
    environment.add_filter("softether", |value: &Value| softether(&text(value)?));
}

/// A text or a secret, and nothing that would have to be made into a text first.
fn text(value: &Value) -> Result<Cow<'_, str>, Error> {
    match value.as_str() {
        Some(text) => Ok(Cow::Borrowed(text)),
        None if is_secret(value) => Ok(Cow::Owned(value.to_string())),
        None => Err(refuse("value is not a string")),
    }
}

fn refuse(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

/// One word of POSIX shell.
fn sh(text: &str) -> Result<String, Error> {
    if text.contains('\0') {
        return Err(refuse("a shell word cannot hold a NUL"));
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// One double-quoted word of a unit's command line: systemd.syntax(7) "Quoting", systemd.service(5) "COMMAND LINES", where
/// `%` and `$` stand for themselves when doubled.
fn systemd(text: &str) -> Result<String, Error> {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '%' => out.push_str("%%"),
            '$' => out.push_str("$$"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => return Err(refuse("a unit file cannot hold this control character")),
            // systemd takes Unicode's noncharacters for broken UTF-8, and the whole line for nothing.
            '\u{fdd0}'..='\u{fdef}' => return Err(refuse("a unit file cannot hold this character")),
            c if u32::from(c) & 0xfffe == 0xfffe => return Err(refuse("a unit file cannot hold this character")),
            c => out.push(c),
        }
    }
    out.push('"');
    Ok(out)
}

/// A string of SoftEther's configuration files: `$` and what would end or blur a value as `$XX`, an empty one as `$`.
fn softether(text: &str) -> Result<String, Error> {
    if text.is_empty() {
        return Ok("$".to_owned());
    }
    if text.trim_matches([' ', '\t']) != text {
        return Err(refuse("SoftEther cuts blanks off the ends of a string"));
    }
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'$' | b' ' | b'\t' | b'\n' | b'\r' | 0x01..=0x1f | 0x7f => {
                // Writing to a String cannot fail.
                let _ = write!(out, "${byte:02X}");
            }
            0 => return Err(refuse("a SoftEther configuration cannot hold a NUL")),
            _ if byte.is_ascii() => out.push(char::from(byte)),
            _ => return Err(refuse("only ASCII is read back unharmed from a SoftEther configuration here")),
        }
    }
    Ok(out)
}

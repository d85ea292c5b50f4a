use serde::Serialize;

/// Why a value has no form in YAML.
pub type WriteError = serde_saphyr::ser::Error;

/// Writes a value as YAML that YAML 1.1 readers (cloud-init's PyYAML) and 1.2 readers take to mean the same: whatever a
/// 1.1 reader would take for something else is put in quotes.
pub fn write<T: Serialize>(value: &T) -> Result<String, WriteError> {
    let mut options = serde_saphyr::SerializerOptions::default();
    options.yaml_12 = false;
    options.prefer_block_scalars = false;
    options.folded_wrap_chars = usize::MAX;
    serde_saphyr::to_string_with_options(value, options)
}

/// Writes a value of lists and texts on one line.
pub fn write_flow<T: Serialize>(value: &T) -> Result<String, WriteError> {
    let text = write(&serde_saphyr::FlowSeq(value))?;
    Ok(text.trim_end().to_owned())
}

/// Writes a text as one scalar on one line.
pub fn write_text(text: &str) -> Result<String, WriteError> {
    // As a key of a flow sequence a scalar is quoted for both of YAML's contexts.
    let flow = write_flow(&[text])?;
    Ok(flow.trim_start_matches('[').trim_end_matches(']').to_owned())
}

/// Writes a text of lines as a literal block below a key at `indent` columns, when that block means just this text to
/// every reader; `None` when only quotes can carry it.
pub fn write_block(text: &str, indent: usize) -> Option<String> {
    let one_end = text.ends_with('\n') && !text.ends_with("\n\n");
    let clear_start = text.starts_with(|c: char| !c.is_whitespace());
    if !one_end || !clear_start || !text.chars().all(is_printable) {
        return None;
    }
    let margin = " ".repeat(indent + 1);
    let mut block = String::from("|\n");
    for line in text.lines() {
        if !line.is_empty() {
            block.push_str(&margin);
            block.push_str(line);
        }
        block.push('\n');
    }
    Some(block)
}

/// What PyYAML's `Reader.NON_PRINTABLE` and YAML 1.2's `c-printable` both let through, without the characters that only
/// YAML 1.1 takes for a line break.
pub fn is_printable(c: char) -> bool {
    matches!(c, '\n' | '\t' | ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}'
        | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}

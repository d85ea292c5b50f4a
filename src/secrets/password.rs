//! Whether a password that is set by hand can be guessed. The answer depends on the password and its label alone: estimators that know
//! dates ask the clock for the year.

use std::collections::BTreeSet;

/// Characters that nobody guesses from the others. So many letters, drawn at random, are 56 bits.
const CHARACTERS: usize = 12;
/// The same where there is no letter: so many digits are 56 bits too.
const DIGITS: usize = 17;

/// Words that are tried before anything else. Each counts as one character.
const COMMON: &str = "password passwort passwd secret geheim admin root login welcome letmein changeme default master \
    monkey dragon football baseball iloveyou sunshine princess shadow superman trustno hello test guest user server \
    docker swarm consul genhost softether vpn cluster sharedkey spring summer autumn winter january february march \
    april june july august september october november december monday tuesday wednesday thursday friday saturday \
    sunday correct horse battery staple";

/// Neighbours on a keyboard.
const ROWS: [&str; 6] = ["qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm"];

/// Why somebody would guess a password; what its label says is tried first.
pub(super) fn weakness(label: &str, value: &str) -> Option<String> {
    let length = value.chars().count();
    if length < CHARACTERS {
        return Some(format!("it has {length} characters, and at least {CHARACTERS} are needed"));
    }
    let counted = unguessed(value, label.split('/'));
    if counted < CHARACTERS {
        return Some(format!(
            "repetitions, sequences, common words and its label leave {counted} of its {length} characters, and at least \
             {CHARACTERS} are needed"
        ));
    }
    let has_letter = value.chars().any(char::is_alphabetic);
    (counted < DIGITS && !has_letter)
        .then(|| format!("it has no letter, and at least {DIGITS} characters are needed then"))
}

/// How many characters do not follow from the others: neither in a common word, nor in a sequence or a repetition.
fn unguessed<'n>(value: &str, names: impl Iterator<Item = &'n str>) -> usize {
    let lower: Vec<char> = value.chars().map(|c| c.to_lowercase().next().unwrap_or(c)).collect();
    let plain: Vec<char> = lower.iter().map(|c| letter_meant(*c)).collect();
    let mut is_guessed = vec![false; lower.len()];
    for word in names.chain(COMMON.split_whitespace()).filter(|word| word.len() > 2) {
        let word: Vec<char> = word.to_lowercase().chars().collect();
        for text in [&lower, &plain] {
            let found = text.windows(word.len()).enumerate().filter(|(_, window)| **window == word);
            found.for_each(|(start, _)| is_guessed[start + 1..start + word.len()].fill(true));
        }
    }
    let mut seen = BTreeSet::new();
    for (three, guessed) in lower.windows(3).zip(&mut is_guessed[2..]) {
        *guessed |= !seen.insert(three) || is_sequence(three);
    }
    is_guessed.iter().filter(|guessed| !**guessed).count()
}

/// `p4$$w0rd` is as common as `password`.
fn letter_meant(c: char) -> char {
    match c {
        '0' => 'o',
        '1' => 'l',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

fn is_sequence(three: &[char]) -> bool {
    let step = |from: char, to: char| i64::from(u32::from(to)) - i64::from(u32::from(from));
    let steps: Vec<i64> = three.windows(2).map(|two| step(two[0], two[1])).collect();
    let forwards: String = three.iter().collect();
    let backwards: String = three.iter().rev().collect();
    let is_steady = steps.iter().all(|step| *step == steps[0] && step.abs() <= 1);
    is_steady || ROWS.iter().any(|row| row.contains(&forwards) || row.contains(&backwards))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(password: &str) -> String {
        weakness("vpn/user/marjorie", password).unwrap_or_default()
    }

    #[test]
    fn what_is_guessed_first_is_refused() {
        for weak in [
            "a",
            "something",
            "hunter2hunter2hunter2",
            "aaaaaaaaaaaaaaaaaaaa",
            "abababababababababab",
            "abcdefghijklmnopqrst",
            "qwertyuiopasdfghjkl",
            "Passwort12345!",
            "P4$$w0rd-P4$$w0rd",
            "Summer2026!!",
            "marjorie-marjorie1",
            "correct horse battery staple",
            "1234567890123456",
            "2718281828459045",
            "+49 30 901820",
        ] {
            assert_ne!(verdict(weak), "", "{weak}");
        }
    }

    #[test]
    fn what_is_drawn_at_random_is_taken() {
        for strong in [
            "lantern-orbit-velvet-canoe",
            "Tr0ub4dor&3x",
            "aK3$9vQp2!xZ",
            "qmzkfwxhtrvb",
            "mvh4xq6ozt2ydkcw5n7rbplj",
            "31415926535897932384",
            "größter Öltanker 7",
            "it's $24 and %n",
        ] {
            assert_eq!(verdict(strong), "", "{strong}");
        }
    }
}

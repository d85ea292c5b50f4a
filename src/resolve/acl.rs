//! Consul's policies: what the holder of a token may.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::values::PolicyValues;
use crate::cluster::{HostName, ProfileName};
use crate::load::KeyRules;

/// Of every host: it sees who else there is.
const EVERY: &str = "genhost-host";
/// Of hosts rendered by role, whose names and addresses nobody knows yet.
const BY_ROLE: &str = "genhost-by-role";

fn of_role(role: &ProfileName) -> String {
    format!("genhost-{role}")
}

/// Every policy.
pub(super) fn policies(rules: &BTreeMap<ProfileName, KeyRules>) -> Vec<PolicyValues> {
    let every = PolicyValues { name: EVERY.to_owned(), rules: rule("node_prefix", "", "read") };
    let by_role = rule("node_prefix", "", "write") + &keys(["genhost/address/"].into_iter(), "write");
    let by_role = PolicyValues { name: BY_ROLE.to_owned(), rules: by_role };
    let of_roles = rules.iter().map(|(role, rules)| PolicyValues {
        name: of_role(role),
        rules: keys(rules.read.iter().map(String::as_str), "read")
            + &keys(rules.write.iter().map(String::as_str), "write"),
    });
    [every, by_role].into_iter().chain(of_roles).collect()
}

/// Names of the policies of a host with these roles.
pub(super) fn policies_of(
    rules: &BTreeMap<ProfileName, KeyRules>,
    roles: &[ProfileName],
    node: Option<&HostName>,
) -> Vec<String> {
    let everybody = [EVERY].into_iter().chain(node.is_none().then_some(BY_ROLE)).map(str::to_owned);
    everybody.chain(roles.iter().filter(|role| rules.contains_key(*role)).map(of_role)).collect()
}

fn keys<'a>(keys: impl Iterator<Item = &'a str>, policy: &str) -> String {
    keys.map(|key| rule(if key.ends_with('/') { "key_prefix" } else { "key" }, key, policy)).collect()
}

/// Consul's language for rules is HCL, whose strings are JSON's but for `${`.
fn rule(kind: &str, name: &str, policy: &str) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "{kind} {} {{ policy = \"{policy}\" }} ", serde_json::Value::from(name));
    text
}

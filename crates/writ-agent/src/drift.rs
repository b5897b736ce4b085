//! Looks for rights that no order gave: sudoers rules made by hand, and windows that end when the user likes.
//! It reports; it never deletes or changes anybody's file.

use crate::accounts::{Passwd, UID_MIN};
use crate::install;
use crate::places::{GROUP, PASSWD, SUDOERS, SUDOERS_DIR};
use crate::tree::{Member, Tree};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use writ_core::directory::Drift;
use writ_core::order::told_max;

/// The most files that are followed, and the most findings that are reported.
const FILES_MAX: usize = 200;
const FINDINGS_MAX: usize = 100;

/// What somebody gave by hand. `orders` are the uids that have a drop-in of ours.
pub fn drift(orders: &[u32]) -> Vec<Drift> {
    let mut found = BTreeSet::new();
    let passwd = Passwd::parse(&fs::read_to_string(PASSWD).unwrap_or_default());
    let groups = fs::read_to_string(GROUP).unwrap_or_default();
    for path in files() {
        let Ok(text) = text_of(&path) else { continue };
        let place = path.display().to_string();
        if let Some(uid) = our_uid(&path) {
            if !orders.contains(&uid) {
                let text = format!("#{uid}: no order wants this file; it is taken away at the next round");
                found.insert(Drift { place, text });
            }
            continue;
        }
        for (number, word) in zoneless(&text) {
            let text = format!("{word} has no Z: it is local time, and the user picks the zone");
            found.insert(Drift { place: format!("{place}:{number}"), text });
        }
        match Tree::of(&without_includes(&text)) {
            Ok(tree) => {
                for spec in &tree.specs {
                    let given: Vec<String> =
                        spec.users.iter().filter(|m| matters(m, &passwd, &groups)).map(Member::shown).collect();
                    if !given.is_empty() {
                        let text = told_max(&format!("{}: {}", given.join(", "), spec.told()));
                        found.insert(Drift { place: place.clone(), text });
                    }
                }
            }
            Err(why) => {
                found.insert(Drift { place, text: told_max(&why) });
            }
        }
    }
    found.into_iter().take(FINDINGS_MAX).collect()
}

/// The files that sudo reads, as far as their includes can be followed.
fn files() -> Vec<PathBuf> {
    let (mut files, mut next) = (Vec::new(), vec![PathBuf::from(SUDOERS)]);
    if let Ok(entries) = fs::read_dir(SUDOERS_DIR) {
        next.extend(entries.flatten().map(|entry| entry.path()).filter(|path| sudo_reads(path)));
    }
    while let Some(path) = next.pop() {
        if files.len() >= FILES_MAX || files.contains(&path) {
            continue;
        }
        if let Ok(text) = text_of(&path) {
            for (dir, named) in includes(&text) {
                let named = if named.is_absolute() { named } else { Path::new("/etc").join(named) };
                match (dir, fs::read_dir(&named)) {
                    (true, Ok(entries)) => {
                        next.extend(entries.flatten().map(|entry| entry.path()).filter(|path| sudo_reads(path)));
                    }
                    (true, Err(_)) => {}
                    (false, _) => next.push(named),
                }
            }
            files.push(path);
        }
    }
    files.sort();
    files
}

/// A name with a dot, or with a tilde at its end, is ignored by sudo; so is what is no file.
fn sudo_reads(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.is_file() && !name.contains('.') && !name.ends_with('~')
}

fn our_uid(path: &Path) -> Option<u32> {
    (path.parent() == Some(Path::new(SUDOERS_DIR))).then(|| install::uid_of(path.file_name()?.to_str()?)).flatten()
}

/// A file's text. A byte that is no UTF-8 is nothing to sudo, and must not hide a file from us.
fn text_of(path: &Path) -> std::io::Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())
}

fn include(line: &str) -> Option<(bool, PathBuf)> {
    let line = line.trim();
    let rest = line.strip_prefix(['@', '#'])?.strip_prefix("include")?;
    let (dir, rest) = rest.strip_prefix("dir").map_or((false, rest), |rest| (true, rest));
    let named = rest.strip_prefix([' ', '\t'])?.trim().trim_matches('"');
    (!named.is_empty()).then(|| (dir, PathBuf::from(named)))
}

fn includes(text: &str) -> Vec<(bool, PathBuf)> {
    text.lines().filter_map(include).collect()
}

fn without_includes(text: &str) -> String {
    let mut kept: String = text.lines().filter(|line| include(line).is_none()).flat_map(|line| [line, "\n"]).collect();
    kept.push('\n');
    kept
}

/// Windows without a zone. `cvtsudoers` shows them converted already, so they are found in the text.
fn zoneless(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in
        text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#') || is_rule(line))
    {
        for word in line.split([' ', '\t', ',', '(', ')']) {
            let Some(time) = ["NOTBEFORE=", "NOTAFTER="].iter().find_map(|name| word.strip_prefix(name)) else {
                continue;
            };
            let time = time.trim_matches('"');
            let zoned = time.ends_with('Z') || time.len() > 5 && matches!(time.as_bytes()[time.len() - 5], b'+' | b'-');
            if !zoned {
                found.push((number + 1, told_max(word)));
            }
        }
    }
    found
}

/// `#1001 ALL=…` is a rule and not a comment.
fn is_rule(line: &str) -> bool {
    line.trim_start().strip_prefix('#').and_then(|rest| rest.chars().next()).is_some_and(|c| c.is_ascii_digit())
}

/// Whether a rule for this member gives anybody but root and system accounts something.
fn matters(member: &Member, passwd: &Passwd, groups: &str) -> bool {
    let person = |name: &str| passwd.uid_of(name).is_none_or(|uid| uid >= UID_MIN);
    match member {
        Member { negated: true, .. } => false,
        Member { username: Some(name), .. } => person(name),
        Member { userid: Some(uid), .. } => *uid >= UID_MIN,
        Member { usergroup: Some(group), .. } => {
            groups.lines().filter_map(|line| line.strip_prefix(group.as_str())?.strip_prefix(':')).any(|rest| {
                rest.rsplit(':').next().unwrap_or_default().split(',').any(|name| !name.is_empty() && person(name))
            })
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_without_a_zone_are_found() {
        let text = "ana ALL=(root) NOTAFTER=20261121100000 ALL\n# NOTAFTER=2026 in a comment\n\
                    #1002 ALL=(root) NOTBEFORE=20261121100000Z NOTAFTER=20261121100000+0100 ALL\n\
                    #1003 ALL=(root) NOTBEFORE=20261121100000 ALL\n";
        let lines: Vec<usize> = zoneless(text).into_iter().map(|(number, _)| number).collect();
        assert_eq!(lines, [1, 4]);
    }

    #[test]
    fn includes_are_followed_in_every_form() {
        let text = "@includedir /etc/sudoers.d\n#include /etc/a\n@include \"b c\"\n#includes nothing\n#include\nroot ALL=ALL\n";
        let found: Vec<(bool, String)> =
            includes(text).into_iter().map(|(dir, path)| (dir, path.display().to_string())).collect();
        assert_eq!(found, [(true, "/etc/sudoers.d".into()), (false, "/etc/a".into()), (false, "b c".into())]);
        assert!(without_includes(text).contains("root ALL=ALL") && !without_includes(text).contains("/etc/a"));
    }

    #[test]
    fn a_group_without_members_gives_nobody_anything() {
        let passwd = Passwd::parse("root:x:0:0::/:/bin/sh\nana:x:1001:1001::/:/bin/sh\n");
        let group = |name: &str| Member { usergroup: Some(name.into()), ..Member::default() };
        let groups = "sudo:x:27:\nwheel:x:10:root\nadmin:x:11:root,ana\n";
        assert!(!matters(&group("sudo"), &passwd, groups));
        assert!(!matters(&group("wheel"), &passwd, groups));
        assert!(matters(&group("admin"), &passwd, groups));
        assert!(matters(&Member { username: Some("ALL".into()), ..Member::default() }, &passwd, groups));
    }
}

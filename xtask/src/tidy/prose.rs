//! Rules for documents, and words that may stand in no file at all.
//! It never judges style; people do that.

use super::{File, Findings};

const ARCHITECTURE_LINES_MAX: usize = 300;
const DECISION_LINES_MAX: usize = 60;
const DECISIONS: &str = "docs/decisions/";
const DECISION_PARTS: &[&str] = &["\n## Context\n", "\n## Decision\n", "\n## Given up\n"];

/// Written in halves, so that this file does not break its own rule.
const NOWHERE: &[(&str, &str, &str)] = &[
    ("/wo", "rk/", "a path of one machine; say it from the repository's root"),
    ("/tmp", "/h/", "a path of one machine"),
    ("index.crates", ".io", "name no registry's host: cargo, pip, apt-get and npm know theirs"),
    ("static.crates", ".io", "name no registry's host"),
    ("pypi", ".org", "name no registry's host"),
    ("files.python", "hosted.org", "name no registry's host"),
    ("deb.deb", "ian.org", "name no registry's host"),
    ("registry.npm", "js.org", "name no registry's host"),
];

pub(super) fn judge(file: &File, findings: &mut Findings) {
    for (number, line) in file.text.lines().enumerate() {
        for (head, tail, reason) in NOWHERE {
            if stands(line, &format!("{head}{tail}")) {
                findings.wrong(file, number + 1, reason);
            }
        }
    }
    let lines = file.text.lines().count();
    if file.path == "ARCHITECTURE.md" && lines > ARCHITECTURE_LINES_MAX {
        findings.wrong(file, lines, "ARCHITECTURE.md holds at most 300 lines");
    }
    if let Some(name) = decision(&file.path) {
        judge_decision(file, name, findings);
    }
}

/// A path counts from its root only: a folder of that name below another one is somebody's own.
fn stands(line: &str, word: &str) -> bool {
    let below = |at: usize| line[..at].ends_with(|before: char| before.is_alphanumeric() || "_-}.".contains(before));
    line.match_indices(word).any(|(at, _)| !word.starts_with('/') || !below(at))
}

/// The rules that need to see more than one file.
pub(super) fn judge_together(files: &[File], findings: &mut Findings) {
    let mut numbered: Vec<(&str, &File)> =
        files.iter().filter_map(|file| Some((decision(&file.path)?, file))).collect();
    numbered.sort_by_key(|(name, _)| *name);
    for (index, (name, file)) in numbered.iter().enumerate() {
        let number = index + 1;
        if !name.starts_with(&format!("{number:04}-")) {
            findings.wrong(file, 1, &format!("decision records are numbered without gaps; {number:04} was due here"));
        }
    }
    for file in files.iter().filter(|file| is_document(&file.path)) {
        judge_paths(file, files, findings);
    }
}

fn decision(path: &str) -> Option<&str> {
    path.strip_prefix(DECISIONS).filter(|name| name.ends_with(".md"))
}

fn is_document(path: &str) -> bool {
    let at_root = !path.contains('/') && path.ends_with(".md") && path != "CHANGELOG.md";
    at_root || (path.starts_with("docs/") && path.ends_with(".md") && decision(path).is_none())
}

fn judge_decision(file: &File, name: &str, findings: &mut Findings) {
    let number = name.split('-').next().unwrap_or_default().trim_start_matches('0');
    if !file.text.starts_with(&format!("# {number}. ")) {
        findings.wrong(file, 1, &format!("a decision record opens with `# {number}. What was decided`"));
    }
    for part in DECISION_PARTS.iter().filter(|part| !file.text.contains(**part)) {
        findings.wrong(file, 1, &format!("a decision record has a part `{}`", part.trim()));
    }
    let lines = file.text.lines().count();
    if lines > DECISION_LINES_MAX {
        findings.wrong(file, lines, "a decision record is half a page: at most 60 lines");
    }
}

/// A path that a document names exists: `crates/…`, `docs/…`, `xtask/…` in backticks, and every link to a file of ours.
fn judge_paths(file: &File, files: &[File], findings: &mut Findings) {
    for (number, line) in file.text.lines().enumerate() {
        let quoted = line.split('`').skip(1).step_by(2).filter(|named| is_path(named)).map(str::to_owned);
        let linked = line.split("](").skip(1).filter_map(|rest| linked(file, rest.split(')').next()?));
        for named in quoted.chain(linked) {
            let folder = format!("{}/", named.trim_end_matches('/'));
            if !files.iter().any(|known| known.path == named || known.path.starts_with(&folder)) {
                findings.wrong(file, number + 1, &format!("names `{named}`, which does not exist"));
            }
        }
    }
}

/// The path from the root that a link from this file leads to; none for a link to elsewhere or within the page.
fn linked(file: &File, link: &str) -> Option<String> {
    let target = link.split('#').next().filter(|target| !target.is_empty() && !target.contains(':'))?;
    let mut path: Vec<&str> = file.path.split('/').collect();
    path.pop();
    for part in target.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            path.pop();
        } else {
            path.push(part);
        }
    }
    Some(path.join("/"))
}

fn is_path(named: &str) -> bool {
    let rooted = ["crates/", "docs/", "xtask/", ".ci/", "conformance/"].iter().any(|root| named.starts_with(root));
    rooted && !named.contains([' ', '*', '{', '<', '…', ':'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    fn together(files: &[File]) -> Vec<String> {
        let mut findings = Findings::default();
        judge_together(files, &mut findings);
        findings.wrong
    }

    #[test]
    fn words_of_one_machine_stand_nowhere() {
        assert_eq!(crate::tidy::findings("notes.txt", concat!("see /wo", "rk/main\n")).len(), 1);
        assert_eq!(crate::tidy::findings("notes.txt", concat!("mount $root/wo", "rk/upper\n")).len(), 0);
        assert_eq!(crate::tidy::findings("notes.txt", "see the networks/main\n").len(), 0);
    }

    #[test]
    fn decision_records_have_a_form_and_no_gaps() {
        let good = "# 1. A title\n\n## Context\n\n## Decision\n\n## Given up\n";
        assert!(crate::tidy::findings("docs/decisions/0001-a.md", good).is_empty());
        assert_eq!(crate::tidy::findings("docs/decisions/0001-a.md", "# 1. A title\n\n## Context\n").len(), 2);
        assert_eq!(crate::tidy::findings("docs/decisions/0002-a.md", good).len(), 1);
        let gap = [file("docs/decisions/0001-a.md", ""), file("docs/decisions/0003-b.md", "")];
        assert_eq!(together(&gap).len(), 1);
    }

    #[test]
    fn a_document_names_only_paths_that_exist() {
        let readme = "See `crates/writ/src/engine.rs`, `docs/` and `crates/writ/src/{a,b}.rs`.\n";
        let all = [file("README.md", readme), file("docs/a.txt", "")];
        assert_eq!(together(&all), ["README.md:1: names `crates/writ/src/engine.rs`, which does not exist"]);
    }

    #[test]
    fn a_link_leads_to_a_file_that_exists() {
        let page = "[a](../README.md#see) [b](b.md) [c](https://example.org/c) [d](#here) [e](../docs)\n";
        let all = [file("docs/a.md", page), file("README.md", "")];
        assert_eq!(together(&all), ["docs/a.md:1: names `docs/b.md`, which does not exist"]);
    }

    #[test]
    fn the_architecture_is_short() {
        assert_eq!(crate::tidy::findings("ARCHITECTURE.md", &"line\n".repeat(301)).len(), 1);
    }
}

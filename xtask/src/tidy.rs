//! The house rules that no compiler holds: who may import whom, what a file opens with, where a word may stand.
//! It never changes a file and knows no exception that is not written here with its reason.
//!
//! Always: a finding names the file, the line and the rule.

mod prose;
mod source;

use crate::program;
use std::path::Path;
use std::process::Command;

/// One tracked text file: its path from the root, with `/`, and what it holds.
pub(crate) struct File {
    path: String,
    text: String,
}

/// What broke a rule, as it is shown: `path:line: rule`.
#[derive(Default)]
pub(crate) struct Findings {
    wrong: Vec<String>,
    advice: Vec<String>,
}

impl Findings {
    fn wrong(&mut self, file: &File, line: usize, rule: &str) {
        self.wrong.push(format!("{}:{line}: {rule}", file.path));
    }
    fn advice(&mut self, file: &File, what: &str) {
        self.advice.push(format!("{}: {what}", file.path));
    }
}

/// Reads every file that git knows of or would take, and applies every rule.
pub(crate) fn run() -> Result<(), String> {
    let files = files()?;
    let mut findings = Findings::default();
    for file in &files {
        prose::judge(file, &mut findings);
        if file.path.ends_with(".rs") {
            source::judge(file, &mut findings);
        }
    }
    prose::judge_together(&files, &mut findings);
    for advice in &findings.advice {
        println!("advice: {advice}");
    }
    if findings.wrong.is_empty() {
        println!("tidy: {} files, all good", files.len());
        return Ok(());
    }
    Err(format!("{}\ntidy: {} findings", findings.wrong.join("\n"), findings.wrong.len()))
}

fn files() -> Result<Vec<File>, String> {
    let root = program::root();
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root)
        .output()
        .map_err(|error| format!("git could not be started: {error}; apt-get install git"))?;
    if !listed.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr)));
    }
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    let texts = names.split('\0').filter(|name| !name.is_empty()).filter_map(|name| read(&root, name));
    Ok(texts.collect())
}

/// None for a file that is not text (an image, a font) and for one deleted but still in the index.
fn read(root: &Path, name: &str) -> Option<File> {
    let text = std::fs::read_to_string(root.join(name)).ok()?;
    Some(File { path: name.to_owned(), text })
}

#[cfg(test)]
fn findings(path: &str, text: &str) -> Vec<String> {
    let file = File { path: path.to_owned(), text: text.to_owned() };
    let mut findings = Findings::default();
    prose::judge(&file, &mut findings);
    if path.ends_with(".rs") {
        source::judge(&file, &mut findings);
    }
    findings.wrong
}

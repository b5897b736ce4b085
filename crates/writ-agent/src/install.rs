//! Puts drop-ins into sudo's directory and takes them out. It touches only files of its own name, `writ-<uid>`.
//!
//! Always: what sudo reads was checked by visudo before it got its name and after; a file that does not pass is
//! taken back, and what was there before is there again.

use crate::files;
use crate::places::{DROP_IN, SUDOERS_DIR};
use crate::program::{program, run};
use std::fs;
use std::path::{Path, PathBuf};

/// The mode sudo wants.
const MODE: u32 = 0o440;

/// The drop-in of one uid.
pub fn drop_in(uid: u32) -> PathBuf {
    Path::new(SUDOERS_DIR).join(format!("{DROP_IN}{uid}"))
}

/// The uid whose drop-in has this name. One spelling only: `writ-01001` and `writ-+1001` are somebody else's files, and a
/// file that passed for ours would be one that nobody looks at.
pub fn uid_of(name: &str) -> Option<u32> {
    let uid: u32 = name.strip_prefix(DROP_IN)?.parse().ok()?;
    (format!("{DROP_IN}{uid}") == name).then_some(uid)
}

/// Makes this text the drop-in of this uid, unless it is already. Returns whether anything changed.
pub fn put(uid: u32, text: &str) -> Result<bool, String> {
    let path = drop_in(uid);
    let before = fs::read(&path).ok();
    if before.as_deref() == Some(text.as_bytes()) && is_ours(&path) {
        return Ok(false);
    }
    // A leading dot: sudo ignores it, whatever happens to us half-way.
    let beside = Path::new(SUDOERS_DIR).join(format!(".{DROP_IN}{uid}.new"));
    files::write_new(&beside, text.as_bytes(), MODE)?;
    let judged = run(program("visudo"), &["-cqf".as_ref(), beside.as_os_str()], None);
    if let Some(why) = complaint(judged) {
        files::remove(&beside)?;
        return Err(format!("visudo refuses the rule: {why}"));
    }
    let sound = whole_tree();
    files::rename(&beside, &path)?;
    if let (Ok(()), Err(why)) = (sound, whole_tree()) {
        match before {
            Some(bytes) => files::replace(&path, &bytes, MODE)?,
            None => {
                files::remove(&path)?;
            }
        }
        return Err(format!("with the rule in place visudo refuses the whole: {why}; it was taken back"));
    }
    Ok(true)
}

/// Takes the drop-in of this uid out. Returns whether there was one.
pub fn take(uid: u32) -> Result<bool, String> {
    files::remove(&drop_in(uid))
}

/// The uids that have a drop-in of ours now, and leftovers of an interrupted change.
pub fn present() -> Result<(Vec<u32>, Vec<PathBuf>), String> {
    let (mut uids, mut leftovers) = (Vec::new(), Vec::new());
    let entries = match fs::read_dir(SUDOERS_DIR) {
        Ok(entries) => entries,
        Err(e) => return Err(format!("cannot read {SUDOERS_DIR}: {e}; install sudo, or make the directory")),
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(uid) = uid_of(&name) {
            uids.push(uid);
        } else if is_leftover(&name) {
            leftovers.push(entry.path());
        }
    }
    uids.sort_unstable();
    Ok((uids, leftovers))
}

/// Whether this is the name of a drop-in of ours that was not finished.
pub fn is_leftover(name: &str) -> bool {
    name.strip_prefix('.').and_then(|name| uid_of(name.strip_suffix(".new")?)).is_some()
}

/// Whether visudo passes everything that sudo reads.
pub fn whole_tree() -> Result<(), String> {
    complaint(run(program("visudo"), &["-cq"], None)).map_or(Ok(()), Err)
}

fn complaint(judged: Result<crate::program::Said, String>) -> Option<String> {
    match judged {
        Ok(said) if said.well() => None,
        Ok(said) => Some(said.complaint()),
        Err(why) => Some(why),
    }
}

fn is_ours(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::symlink_metadata(path).is_ok_and(|facts| facts.is_file() && facts.uid() == 0 && facts.mode() & 0o7777 == MODE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_as_we_write_them_are_ours() {
        assert_eq!(uid_of("writ-1001"), Some(1001));
        assert!(is_leftover(".writ-1001.new"));
        for name in
            ["writ-01001", "writ-+1001", "writ- 1001", "writ-", "writ-x", "writ-1001~", "WRIT-1001", "writ-4294967296"]
        {
            assert_eq!(uid_of(name), None, "{name}");
        }
        for name in [".writ-01.new", ".writ-.new", "writ-1001.new", ".writ-1001", ".writ-1001.new.new"] {
            assert!(!is_leftover(name), "{name}");
        }
    }
}

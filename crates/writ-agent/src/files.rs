//! Writing a file so that a reader, a crash or a power cut sees the old one or the new one, never half of one.
//! It never follows a link that somebody put in the way.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Writes a temporary file with these bytes and this mode, durable, ready to be renamed.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), String> {
    let fault = |e: std::io::Error| format!("cannot write {}: {e}", path.display());
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(fault(e)),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(fault)?;
    // The process's umask may have taken bits away.
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(fault)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(fault)
}

/// Renames over `to`, durably.
pub fn rename(from: &Path, to: &Path) -> Result<(), String> {
    fs::rename(from, to).map_err(|e| format!("cannot rename {} to {}: {e}", from.display(), to.display()))?;
    sync_dir(to)
}

/// Removes a file if it is there, durably. Returns whether it was.
pub fn remove(path: &Path) -> Result<bool, String> {
    match fs::remove_file(path) {
        Ok(()) => sync_dir(path).map(|()| true),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(format!("cannot remove {}: {e}", path.display())),
    }
}

/// Replaces a file: written beside it under a name with a leading dot, then renamed.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), String> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = path.with_file_name(format!(".{name}.new"));
    write_new(&beside, bytes, mode)?;
    rename(&beside, path)
}

fn sync_dir(path: &Path) -> Result<(), String> {
    let Some(dir) = path.parent() else { return Ok(()) };
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| format!("cannot sync {}: {e}", dir.display()))
}

/// Makes a directory that only root reads.
pub fn private_dir(path: &str) -> Result<(), String> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| format!("cannot make {path}: {e}"))
}

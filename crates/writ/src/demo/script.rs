//! What conformance scripts take: addresses, ids and tokens, in a file of `NAME=value` lines.
//!
//! Always: the file is 0600 and appears whole; its tokens come from the token endpoint like anybody's.

use super::setting::Setting;
use super::stage::Stage;
use super::story::sign_in;
use crate::cli::stop::{Stop, fault};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes the file.
///
/// # Errors
/// When somebody cannot sign in, or the file cannot be written.
pub(super) fn write(file: &Path, setting: &mut Setting, stage: &mut Stage) -> Result<(), Stop> {
    let url = setting.serving.url.clone();
    let made = setting.made()?;
    let ca = setting.ca.clone();
    let mut token = |word: &str| -> Result<String, Stop> {
        sign_in(&mut setting.cast, word, &url, ca.as_deref(), stage)?.0.access_token()
    };
    let (admin, user, approver) = (token("dana")?, token("ana")?, token("ben")?);
    let [ana, ben, ..] = made.northwind.people[..] else {
        return Err(Stop::Fault("the demo has too few people".into()));
    };
    let lines = [
        ("BASE_URL", url.clone()),
        ("ADMIN_TOKEN", admin),
        ("USER_TOKEN", user),
        ("APPROVER_TOKEN", approver),
        ("USER_ID", ana.to_string()),
        ("APPROVER_ID", ben.to_string()),
        ("GROUP_ID", made.northwind.operators.to_string()),
        ("ROLE_ID", made.northwind.script_role.to_string()),
    ];
    let text: String = lines.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let failed = || format!("{} cannot be written", file.display());
    let fresh = file.with_extension(format!("new{}", std::process::id()));
    let _ = fs::remove_file(&fresh);
    let mut made =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(fault(failed()))?;
    made.write_all(text.as_bytes()).and_then(|()| fs::rename(&fresh, file)).map_err(fault(failed()))
}

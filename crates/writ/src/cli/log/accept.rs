//! Accepts that a server's log is not the one that was seen: `writ log accept`.
//!
//! Always: only after the server has put on record that its data were restored; what was seen before is kept aside, as
//! evidence of what is missing now.

use super::super::continuity::{self, Standing};
use super::super::remembered::{Memory, Remembered};
use super::super::stop::{Problem, Stop};
use super::super::table::Accent;
use super::super::terminal::Terminal;
use super::super::{Common, open_whatever_its_log, ticked};

pub(super) fn run(common: &Common, terminal: &Terminal) -> Result<(), Stop> {
    let mut client = open_whatever_its_log(common, terminal)?;
    let remembered = Remembered::at(&terminal.env.state_dir()?);
    let tenant = continuity::tenant(&mut client)?;
    let seen = remembered.of(tenant)?;
    let shown = continuity::ask(&mut client, tenant, seen.as_ref())?;
    let standing = shown.standing(seen.as_ref());
    let (size, epoch) = (shown.head.size, shown.newest.epoch);
    if matches!(standing, Standing::Continues | Standing::NotProvedYet) {
        if terminal.json {
            terminal.value(&serde_json::json!({"accepted": false, "entries": size, "epoch": epoch}));
        } else {
            terminal.say("There is nothing to accept: the server's log continues what you have seen of it.");
        }
        return Ok(());
    }
    let known = seen.as_ref().and_then(|seen| seen.epoch).unwrap_or(0);
    if epoch <= known {
        return Err(Stop::Refused(Problem {
            code: "NotOnRecord".into(),
            message: format!(
                "The server has no record of a restore (its epoch is {epoch}, as you have seen it), so there is nothing \
                 that explains this log. If its data were restored, root on its machine puts that on record with the server \
                 stopped: writ recover epoch"
            ),
            ..Problem::default()
        }));
    }
    let aside = remembered.replace(&shown.key, &shown.newest.checkpoint, epoch, terminal.clock.now())?;
    if terminal.json {
        terminal.value(&serde_json::json!({"accepted": true, "entries": size, "epoch": epoch, "aside": aside}));
        return Ok(());
    }
    let had = seen.as_ref().map_or(0, Memory::size);
    let told = format!("the log of {size} entries, restored on record as epoch {epoch}; you had seen {had}");
    terminal.say(ticked(terminal, Accent::Good, "✓", "accepted", &told));
    for path in aside {
        terminal.say(format!("  What you had seen is kept in {}", path.display()));
    }
    Ok(())
}

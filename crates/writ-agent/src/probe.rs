//! Finds out whether a rule is really in force, by reading what sudo reads and by trying. It does not trust
//! `sudo -l`, which lists rules whose time has passed.
//!
//! Always: "in force" is said only when sudo's files hold exactly one rule for exactly this uid, and somebody else
//! is still refused.

use crate::accounts::{Local, groups_of};
use crate::places;
use crate::program::{program_as, run};
use crate::sudoers::{Commands, Rule};
use crate::tree::Tree;
use std::fs;

/// An account that no rule of ours is ever for: the overflow uid.
const NOBODY: u32 = 65_534;

/// Says how the rule was seen to be in force, or why it is not.
pub fn probe(rule: &Rule, local: &Local) -> Result<String, String> {
    let text = rule.render();
    judge_text(&Tree::of(&text)?, rule)?;
    let group_file = fs::read_to_string(places::GROUP).unwrap_or_default();
    let tree = Tree::read()?;
    judge_tree(&tree, rule, local, &groups_of(&group_file, local))?;
    let everybody = tree.specs.iter().any(|spec| spec.covers("nobody", NOBODY, &[]));
    if !everybody && sudo_works(NOBODY, NOBODY)? {
        return Err("with the rule in place, an account that has no right may use sudo as well".into());
    }
    let aside = if everybody { "; a rule made by hand gives everybody something" } else { "" };
    match (&rule.commands, rule.password) {
        (Commands::All, false) if sudo_works(local.uid, local.gid)? => Ok(format!("sudo was tried and works{aside}")),
        (Commands::All, false) => Err("the rule is in place, and sudo still refuses".into()),
        (Commands::Only(_), false) => Ok(format!("in sudo's files; for the commands this host allows{aside}")),
        (_, true) => Ok(format!("in sudo's files; sudo asks for the account's own password each time{aside}")),
    }
}

/// Whether this account can run something as root without a password, tried for real.
pub fn sudo_works(uid: u32, gid: u32) -> Result<bool, String> {
    Ok(run(program_as("sudo", uid, gid), &["-n", "-u", "root", "/bin/true"], None)?.well())
}

/// The drop-in by itself: one rule, for this uid.
fn judge_text(own: &Tree, rule: &Rule) -> Result<(), String> {
    match own.specs.as_slice() {
        [spec] if spec.is_of(rule.uid) => Ok(()),
        specs => Err(format!("the drop-in says {} things instead of one rule for uid {}", specs.len(), rule.uid)),
    }
}

/// Everything that sudo reads: the rule stands in it once, with its window, and no later one takes it away.
fn judge_tree(tree: &Tree, rule: &Rule, local: &Local, groups: &[String]) -> Result<(), String> {
    let mut ours = tree.specs.iter().enumerate().filter(|(_, spec)| spec.is_of(rule.uid));
    let (Some((at, spec)), None) = (ours.next(), ours.next()) else {
        let count = tree.specs.iter().filter(|spec| spec.is_of(rule.uid)).count();
        return Err(format!(
            "sudo's files hold {count} rules for uid {} instead of one; does {} include {}?",
            rule.uid,
            places::SUDOERS,
            places::SUDOERS_DIR
        ));
    };
    for (name, wanted) in [("notbefore", rule.not_before.sudoers()), ("notafter", rule.not_after.sudoers())] {
        let found = spec.commands.iter().flat_map(|c| &c.options).find_map(|option| option.get(name)?.as_str());
        if found != Some(wanted.as_str()) {
            return Err(format!("sudo reads {name} as {} instead of {wanted}", found.unwrap_or("nothing")));
        }
    }
    let overruled = |spec: &&crate::tree::Spec| spec.covers(&local.name, local.uid, groups) && spec.takes_away();
    if let Some(later) = tree.specs.iter().skip(at + 1).find(overruled) {
        return Err(format!("a later rule made by hand takes it away again: {}", later.told()));
    }
    Ok(())
}

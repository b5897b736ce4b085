//! Which local account an order's grant means, if it means one that may be elevated at all.
//! It never makes, changes or removes an account.
//!
//! Always: what comes out is one existing local account of a person, with a uid of 1000 or more that no other
//! name has; and one uid belongs to one person for good, from its first use on.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use writ_core::directory::Account;
use writ_core::ids::PersonId;

/// The first uid of people's accounts.
pub const UID_MIN: u32 = 1000;

/// Uids that are nobody's: the overflow ids, and those that systemd hands out to services.
const UIDS_OF_NOBODY: [std::ops::RangeInclusive<u32>; 3] = [61_184..=65_519, 65_534..=65_535, u32::MAX..=u32::MAX];

/// A local account that may be elevated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Its name; for looking things up, never for writing a rule.
    pub name: String,
    /// Its uid; rules name this.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
}

/// Why there is no account to elevate. The text goes to the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoLocal {
    /// The name has characters or a form that a person's account never has here.
    Name,
    /// There is no such local account.
    Missing(String),
    /// Another account's name differs in nothing but upper and lower case.
    Case(String, String),
    /// The uid has a second name.
    SharedUid(u32, String),
    /// A system account.
    System(String, u32),
    /// Nobody can log in to it.
    NoLogin(String),
    /// The host's file says never.
    Never(String),
    /// Another person has used this account under Writ before.
    PinnedToAnother(String),
    /// This person has used another account, or the name meant another uid then.
    PinnedElsewhere {
        /// The account at first use.
        account: String,
        /// Its uid at first use.
        uid: u32,
    },
}

impl fmt::Display for NoLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoLocal::Name => f.write_str(
                "the account's name is not 1 to 32 of a-z, 0-9, _ and -, beginning with a letter or _; map another one",
            ),
            NoLocal::Missing(name) => write!(f, "there is no local account {name}; make it, or map another one"),
            NoLocal::Case(name, other) => {
                write!(f, "{name} and {other} differ in case only; rename one, so that nobody is taken for another")
            }
            NoLocal::SharedUid(uid, other) => write!(f, "uid {uid} is also {other}'s; give each account its own uid"),
            NoLocal::System(name, uid) => {
                write!(f, "{name} (uid {uid}) is a system account; map an account of a person, uid {UID_MIN} or more")
            }
            NoLocal::NoLogin(name) => write!(f, "{name} cannot log in; map an account with a login shell"),
            NoLocal::Never(name) => write!(f, "this host's file says that {name} is never elevated"),
            NoLocal::PinnedToAnother(name) => write!(
                f,
                "{name} was used by another person before; if it changed hands, run `writ-agent unpin {name}` on the host"
            ),
            NoLocal::PinnedElsewhere { account, uid } => write!(
                f,
                "this person used {account} (uid {uid}) before; if that has changed, run `writ-agent unpin {account}` on \
                 the host"
            ),
        }
    }
}

/// One line of `/etc/passwd`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    name: String,
    uid: u32,
    gid: u32,
    shell: String,
}

/// The local accounts.
#[derive(Clone, Debug, Default)]
pub struct Passwd {
    lines: Vec<Line>,
}

impl Passwd {
    /// Reads the file's text. Lines that are not accounts are left out.
    pub fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            let &[name, _, uid, gid, _, _, shell] = fields.as_slice() else { return None };
            Some(Line { name: name.into(), uid: uid.parse().ok()?, gid: gid.parse().ok()?, shell: shell.into() })
        };
        Self { lines: text.lines().filter_map(line).collect() }
    }

    /// The account that `name` means.
    pub fn resolve(&self, name: &str) -> Result<Local, NoLocal> {
        if !is_plain(name) {
            return Err(NoLocal::Name);
        }
        let mut alike = self.lines.iter().filter(|line| line.name.eq_ignore_ascii_case(name));
        let Some(line) = self.lines.iter().find(|line| line.name == name) else {
            return Err(NoLocal::Missing(name.into()));
        };
        if let Some(other) = alike.find(|other| other.name != name) {
            return Err(NoLocal::Case(name.into(), other.name.clone()));
        }
        if line.uid < UID_MIN || UIDS_OF_NOBODY.iter().any(|range| range.contains(&line.uid)) {
            return Err(NoLocal::System(name.into(), line.uid));
        }
        let same_uid = |other: &&Line| other.uid == line.uid && *other != line;
        if let Some(other) = self.lines.iter().find(same_uid) {
            return Err(NoLocal::SharedUid(line.uid, other.name.clone()));
        }
        if self.lines.iter().filter(|other| *other == line).count() > 1 {
            return Err(NoLocal::SharedUid(line.uid, line.name.clone()));
        }
        let shell = line.shell.rsplit('/').next().unwrap_or_default();
        if matches!(shell, "nologin" | "false" | "sync" | "halt" | "shutdown") {
            return Err(NoLocal::NoLogin(name.into()));
        }
        Ok(Local { name: line.name.clone(), uid: line.uid, gid: line.gid })
    }

    /// The uid that a name has, whoever it is.
    pub fn uid_of(&self, name: &str) -> Option<u32> {
        self.lines.iter().find(|line| line.name == name).map(|line| line.uid)
    }

    /// Every account that a grant could mean.
    pub fn of_people(&self) -> Vec<Account> {
        let able = |line: &Line| self.resolve(&line.name).ok();
        self.lines.iter().filter_map(able).map(|local| Account { name: local.name, uid: local.uid }).collect()
    }
}

/// Lower-case letters, digits, `_` and `-`, not beginning with a digit or `-`. Nothing that sudoers could read as an
/// alias, a group, a uid, a netgroup, a negation or everybody.
fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    let head = bytes.next().is_some_and(|c| c.is_ascii_lowercase() || c == b'_');
    let rest = bytes.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'_' | b'-'));
    head && rest && name.len() <= 32 && !matches!(name, "all" | "root" | "nobody")
}

/// The groups an account is in, by name; for judging whether somebody else's rule covers it.
pub fn groups_of(group_file: &str, local: &Local) -> Vec<String> {
    let member = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let &[name, _, gid, members] = fields.as_slice() else { return None };
        let in_it = gid.parse() == Ok(local.gid) || members.split(',').any(|member| member == local.name);
        in_it.then(|| name.to_owned())
    };
    group_file.lines().filter_map(member).collect()
}

/// Whether the account has no usable password: a locked or impossible hash. An empty field is *not* that: there,
/// anybody can log in, and sudo asks PAM as always.
pub fn has_no_password(shadow_file: &str, name: &str) -> bool {
    let field = shadow_file.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.split(':').next());
    field.is_some_and(|hash| hash.starts_with(['!', '*']))
}

/// Who used which account first. Written down; only somebody who is root on the host takes a pin out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pins(BTreeMap<PersonId, Pin>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    account: String,
    uid: u32,
}

impl Pins {
    /// Whether this person may use this account, as far as earlier use goes.
    pub fn judge(&self, person: PersonId, local: &Local) -> Result<(), NoLocal> {
        match self.0.get(&person) {
            Some(pin) if pin.uid == local.uid && pin.account == local.name => {}
            Some(pin) => return Err(NoLocal::PinnedElsewhere { account: pin.account.clone(), uid: pin.uid }),
            None => {}
        }
        let other =
            self.0.iter().any(|(who, pin)| *who != person && (pin.uid == local.uid || pin.account == local.name));
        if other { Err(NoLocal::PinnedToAnother(local.name.clone())) } else { Ok(()) }
    }

    /// Remembers the first use. Returns whether that was news.
    pub fn pin(&mut self, person: PersonId, local: &Local) -> bool {
        let news = !self.0.contains_key(&person);
        self.0.entry(person).or_insert_with(|| Pin { account: local.name.clone(), uid: local.uid });
        news
    }

    /// Forgets who used this account. Returns whether anybody had.
    pub fn unpin(&mut self, account: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|_, pin| pin.account != account);
        self.0.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
ana:x:1001:1001:Ana Silva,,,:/home/ana:/bin/bash
ben:x:1002:1002::/home/ben:/bin/bash
Ben:x:1003:1003::/home/ben3:/bin/bash
eve:x:1004:1004::/home/eve:/bin/bash
eve2:x:1004:1004::/home/eve:/bin/bash
ci:x:1005:1005::/home/ci:/usr/sbin/nologin
toor:x:0:0::/root:/bin/bash
svc:x:61200:61200::/:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/sh
dup:x:1010:1010::/home/dup:/bin/bash
dup:x:1010:1010::/home/dup:/bin/bash
broken:x:abc:1::/:/bin/sh
";

    fn resolve(name: &str) -> Result<Local, NoLocal> {
        Passwd::parse(FILE).resolve(name)
    }

    #[test]
    fn a_persons_account_is_found() {
        assert_eq!(resolve("ana"), Ok(Local { name: "ana".into(), uid: 1001, gid: 1001 }));
    }

    #[test]
    fn names_that_sudoers_could_misread_are_refused() {
        for name in [
            "ALL",
            "all",
            "ALL@contoso.com",
            "#1001",
            "%ana",
            "%#1001",
            "!ana",
            "+ana",
            "-ana",
            "1001",
            "ana.silva",
            "Ana",
            "ANA",
            "ana ALL",
            "ana\nALL",
            "ana,ben",
            "ana=",
            "ana:",
            "ana\\",
            "ana\"",
            "",
            "ana\0",
            "аna",
            "a*",
            "root",
            "nobody",
            "abcdefghijklmnopqrstuvwxyzabcdefg",
            "User_Alias",
            "Defaults",
            "@include",
            "a\u{300}",
            " ana",
            "ana ",
        ] {
            assert_eq!(resolve(name), Err(NoLocal::Name), "{name:?}");
        }
    }

    #[test]
    fn accounts_that_are_not_one_persons_are_refused() {
        assert_eq!(resolve("carol"), Err(NoLocal::Missing("carol".into())));
        assert_eq!(resolve("ben"), Err(NoLocal::Case("ben".into(), "Ben".into())));
        assert_eq!(resolve("eve"), Err(NoLocal::SharedUid(1004, "eve2".into())));
        assert_eq!(resolve("ci"), Err(NoLocal::NoLogin("ci".into())));
        assert_eq!(resolve("dup"), Err(NoLocal::SharedUid(1010, "dup".into())));
        assert_eq!(resolve("toor"), Err(NoLocal::System("toor".into(), 0)));
        assert_eq!(resolve("daemon"), Err(NoLocal::System("daemon".into(), 1)));
        assert_eq!(resolve("svc"), Err(NoLocal::System("svc".into(), 61_200)));
        assert_eq!(resolve("broken"), Err(NoLocal::Missing("broken".into())));
    }

    #[test]
    fn only_accounts_of_people_are_reported() {
        let names: Vec<String> = Passwd::parse(FILE).of_people().into_iter().map(|a| a.name).collect();
        assert_eq!(names, ["ana"]);
    }

    #[test]
    fn an_account_belongs_to_the_person_who_used_it_first() {
        let (ana, ben) = (PersonId::from_u128(1), PersonId::from_u128(2));
        let local = |name: &str, uid| Local { name: name.into(), uid, gid: uid };
        let mut pins = Pins::default();
        assert_eq!(pins.judge(ana, &local("ana", 1001)), Ok(()));
        assert!(pins.pin(ana, &local("ana", 1001)));
        assert_eq!(pins.judge(ana, &local("ana", 1001)), Ok(()));
        assert!(matches!(pins.judge(ben, &local("ana", 1001)), Err(NoLocal::PinnedToAnother(_))));
        assert!(matches!(pins.judge(ben, &local("renamed", 1001)), Err(NoLocal::PinnedToAnother(_))));
        assert!(matches!(pins.judge(ana, &local("ben", 1002)), Err(NoLocal::PinnedElsewhere { .. })));
        assert!(matches!(pins.judge(ana, &local("ana", 1009)), Err(NoLocal::PinnedElsewhere { .. })), "a reused name");
        assert!(pins.unpin("ana"));
        assert_eq!(pins.judge(ben, &local("ana", 1001)), Ok(()));
    }

    #[test]
    fn only_a_locked_password_counts_as_none() {
        let shadow = "ana:!:19000::::::\nben:$y$j9T$x:19000::::::\neve::19000::::::\nanabel:*:1::::::\n";
        assert!(has_no_password(shadow, "ana"));
        assert!(has_no_password(shadow, "anabel"));
        assert!(!has_no_password(shadow, "ben"));
        assert!(!has_no_password(shadow, "eve"));
        assert!(!has_no_password(shadow, "carol"));
    }

    proptest! {
        #[test]
        fn whatever_comes_out_is_a_plain_name_of_a_person(name in "\\PC{0,40}", uid in any::<u32>()) {
            let file = format!("{name}:x:{uid}:100::/home/x:/bin/sh\n");
            if let Ok(local) = Passwd::parse(&file).resolve(&name) {
                prop_assert!(local.uid >= UID_MIN && local.uid != 65_534);
                prop_assert!(local.name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-'));
            }
        }
    }
}

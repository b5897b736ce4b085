//! What sudo's files really say, as `cvtsudoers` reads them. It never reads a rule with a parser of our own.

use crate::program::{program, run};
use serde::Deserialize;

/// Everything that gives somebody something, in sudo's order: the last match wins.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Tree {
    /// The rules.
    #[serde(rename = "User_Specs", default)]
    pub specs: Vec<Spec>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Spec {
    /// Whom it is about.
    #[serde(rename = "User_List")]
    pub users: Vec<Member>,
    /// What it gives.
    #[serde(rename = "Cmnd_Specs", default)]
    pub commands: Vec<CommandSpec>,
}

/// Somebody in a list: one of many kinds, possibly negated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Member {
    /// A name, or `ALL`.
    pub username: Option<String>,
    /// A uid.
    pub userid: Option<u32>,
    /// A group's name.
    pub usergroup: Option<String>,
    /// A group's id.
    pub usergid: Option<u32>,
    /// A netgroup.
    pub netgroup: Option<String>,
    /// An alias.
    pub useralias: Option<String>,
    /// A group of another system.
    pub nonunixgroup: Option<String>,
    /// Everybody but.
    #[serde(default)]
    pub negated: bool,
}

/// What one rule gives.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct CommandSpec {
    /// As whom.
    #[serde(default)]
    pub runasusers: Vec<serde_json::Value>,
    /// Tags and windows.
    #[serde(rename = "Options", default)]
    pub options: Vec<serde_json::Map<String, serde_json::Value>>,
    /// Which commands.
    #[serde(rename = "Commands", default)]
    pub commands: Vec<serde_json::Map<String, serde_json::Value>>,
}

impl Tree {
    /// Everything that sudo reads, includes and all, with aliases written out.
    pub fn read() -> Result<Self, String> {
        Self::told(run(program("cvtsudoers"), &["-e", "-f", "json", crate::places::SUDOERS], None))
    }

    /// One text by itself.
    pub fn of(text: &str) -> Result<Self, String> {
        Self::told(run(program("cvtsudoers"), &["-f", "json", "-"], Some(text)))
    }

    fn told(said: Result<crate::program::Said, String>) -> Result<Self, String> {
        let said = said?;
        if !said.well() {
            return Err(format!("cvtsudoers cannot read sudo's files: {}", said.complaint()));
        }
        if said.out.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(&said.out).map_err(|e| format!("cvtsudoers wrote something unexpected: {e}"))
    }
}

impl Member {
    /// In sudoers' words.
    pub fn shown(&self) -> String {
        let not = if self.negated { "!" } else { "" };
        let who = match self {
            Member { username: Some(name), .. } | Member { useralias: Some(name), .. } => name.clone(),
            Member { userid: Some(uid), .. } => format!("#{uid}"),
            Member { usergroup: Some(group), .. } => format!("%{group}"),
            Member { usergid: Some(gid), .. } => format!("%#{gid}"),
            Member { netgroup: Some(group), .. } => format!("+{group}"),
            Member { nonunixgroup: Some(group), .. } => format!("%:{group}"),
            _ => "somebody".into(),
        };
        format!("{not}{who}")
    }

    /// Whether it is about this account.
    pub fn covers(&self, name: &str, uid: u32, groups: &[String]) -> bool {
        let by_name = self.username.as_deref().is_some_and(|n| n == name || n == "ALL");
        let by_group = self.usergroup.as_ref().is_some_and(|group| groups.contains(group));
        by_name || by_group || self.userid == Some(uid)
    }
}

impl Spec {
    /// Whether it is about exactly this uid and nobody else.
    pub fn is_of(&self, uid: u32) -> bool {
        matches!(self.users.as_slice(), [Member { userid: Some(found), negated: false, .. }] if *found == uid)
    }

    /// Whether it is about this account, among others perhaps.
    pub fn covers(&self, name: &str, uid: u32, groups: &[String]) -> bool {
        self.users.iter().any(|member| !member.negated && member.covers(name, uid, groups))
    }

    /// Whether it takes a command away.
    pub fn takes_away(&self) -> bool {
        self.commands.iter().flat_map(|c| &c.commands).any(|c| c.get("negated") == Some(&true.into()))
    }

    /// What it gives, for people.
    pub fn told(&self) -> String {
        let text = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut words = Vec::new();
        for given in &self.commands {
            if given.options.iter().any(|option| option.get("authenticate") == Some(&false.into())) {
                words.push("NOPASSWD:".to_owned());
            }
            for command in &given.commands {
                let not = if command.get("negated") == Some(&true.into()) { "!" } else { "" };
                let what = command.iter().find(|(key, _)| *key != "negated").map(|(_, value)| text(value));
                words.push(format!("{not}{}", what.unwrap_or_default()));
            }
        }
        words.join(" ")
    }
}

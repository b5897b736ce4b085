//! The flags that say what an ask is for: the same for every verb that asks for power.

use serde_json::{Value, json};

#[derive(clap::Args, Debug)]
pub(super) struct Grounds {
    /// Why
    #[arg(long, short, value_name = "TEXT")]
    pub(super) because: Option<String>,
    /// The ticket's number
    #[arg(long, value_name = "NUMBER")]
    pub(super) ticket: Option<String>,
    /// The ticketing system
    #[arg(long, value_name = "NAME", requires = "ticket")]
    ticket_system: Option<String>,
}

impl Grounds {
    /// The ticket as a request names it.
    pub(super) fn ticket_info(&self) -> Value {
        json!({"ticketNumber": self.ticket, "ticketSystem": self.ticket_system})
    }
}

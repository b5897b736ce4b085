//! A commit in the making: commands decided one after the other, each on the state that the ones before it lead to.
//! It is in force for nobody: a draft that does not become durable is dropped, and its commands decided anew.
//!
//! Always: its state is what its entries make of the state it was begun on.

use super::entropy::Entropy;
use super::writer::Carry;
use super::{Shared, Together};
use crate::store::Fault;
use writ_core::command::{Caller, Command};
use writ_core::decide::{Answer, Context, Decision, decide, decide_together};
use writ_core::event::Event;
use writ_core::ids::{PrincipalId, Seq};
use writ_core::log::{Actor, Cause, Entry, Envelope, Frontier, Head, Sealer};
use writ_core::personal::Personal;
use writ_core::refusal::Refusal;
use writ_core::state::{Meta, State};
use writ_core::time::Time;

/// The version of every kind of event so far.
const EVENT_FORM: u16 = 1;

pub(super) struct Draft {
    /// The head that it continues.
    pub(super) base: Head,
    pub(super) state: State,
    pub(super) frontier: Frontier,
    pub(super) entries: Vec<Entry>,
    sealer: Sealer,
    /// The commands in it that somebody waits for.
    pub(super) pending: Vec<Pending>,
    pub(super) erased: Vec<(PrincipalId, Seq)>,
    /// Time brought some of it about.
    pub(super) due: bool,
    /// It puts on record that the wall clock is right.
    pub(super) recovers: bool,
}

/// What somebody asked for in a draft, and what it will be answered once the draft is durable.
pub(super) struct Pending {
    pub(super) carry: Carry,
    pub(super) answers: Vec<Result<Answer, Refusal>>,
    pub(super) seq: Seq,
    /// It put an erasure on record, and is answered when that was carried out.
    pub(super) erases: bool,
}

impl Draft {
    /// An empty one on this state, which may itself still be on its way to the disk.
    pub(super) fn on(state: &State, frontier: &Frontier) -> Draft {
        Draft {
            base: frontier.head(),
            state: state.clone(),
            frontier: frontier.clone(),
            entries: Vec::new(),
            sealer: Sealer::default(),
            pending: Vec::new(),
            erased: Vec::new(),
            due: false,
            recovers: false,
        }
    }

    /// Whether nothing would come of it.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.pending.is_empty()
    }

    /// Decides what somebody waits for: one command, or several that happen together or not at all.
    pub(super) fn carry(&mut self, carry: Carry, at: Option<Time>, entropy: &mut Entropy, shared: &Shared) {
        let Carry { commands, caller, reply } = carry;
        let erasures = self.erased.len();
        let (answers, caller) = match commands.as_slice() {
            [command] => {
                let (answer, caller) = self.decide(command, caller, at, entropy, shared);
                (vec![answer], caller)
            }
            several => (self.decide_together(several, &caller, entropy, shared), caller),
        };
        let erases = self.erased.len() > erasures;
        let carry = Carry { commands, caller, reply };
        self.pending.push(Pending { carry, answers, seq: self.frontier.size(), erases });
    }

    /// Decides several commands, all at one time and each with an id of its own, and adds what follows from them.
    fn decide_together(
        &mut self,
        commands: &[Command],
        caller: &Caller,
        entropy: &mut Entropy,
        shared: &Shared,
    ) -> Vec<Result<Answer, Refusal>> {
        let first = shared.context(caller.clone(), |now| entropy.ids(now));
        let another = |_: &Command| Context {
            ids: entropy.ids(first.now),
            caller: Caller { command: entropy.id(), ..caller.clone() },
            ..first.clone()
        };
        let contexts: Vec<Context> = commands.iter().map(another).collect();
        let decisions = decide_together(&self.state, commands, &contexts);
        decisions.into_iter().zip(contexts).map(|(decision, context)| self.add(decision, context, entropy).0).collect()
    }

    /// Decides a command, adds what follows from it, and gives the caller back.
    pub(super) fn decide(
        &mut self,
        command: &Command,
        caller: Caller,
        at: Option<Time>,
        entropy: &mut Entropy,
        shared: &Shared,
    ) -> (Result<Answer, Refusal>, Caller) {
        let mut context = shared.context(caller, |now| entropy.ids(now));
        context.now = at.unwrap_or(context.now);
        let decision = decide(&self.state, command, &context);
        self.add(decision, context, entropy)
    }

    /// Adds what a decision says, and gives the caller back.
    fn add(
        &mut self,
        decision: Decision,
        context: Context,
        entropy: &mut Entropy,
    ) -> (Result<Answer, Refusal>, Caller) {
        let Caller { principal, via, session, ref address, command, correlation, .. } = context.caller;
        let mut parent = None;
        for event in decision.events {
            let seq = self.frontier.size() + 1;
            let address = principal.zip(address.as_ref()).map(|(about, text)| Personal::new(about, text.as_str()));
            let envelope = Envelope {
                v: EVENT_FORM,
                kind: event.kind().to_owned(),
                seq,
                at: context.now,
                actor: Actor { principal, via, session, address },
                cause: Cause { command, correlation, parent },
                event: &event,
            };
            let entry = self.sealer.seal(envelope, &mut || entropy.salt());
            self.state.apply(&Meta { seq, at: context.now, actor: principal }, &event);
            self.frontier.append(entry.leaf());
            self.entries.push(entry);
            if let Event::Erased { principal } = event {
                self.erased.push((principal, seq));
            }
            // What else one command brings about follows from its first event.
            parent = parent.or(Some(seq));
        }
        (decision.answer, context.caller)
    }
}

impl Pending {
    /// Whoever no longer waits for the answer finds it in the log.
    pub(super) fn answer(self) {
        let _ = self.carry.reply.send(Ok(Together { answers: self.answers, seq: self.seq }));
    }

    pub(super) fn fail(self, why: &Fault) {
        let _ = self.carry.reply.send(Err(why.clone()));
    }
}

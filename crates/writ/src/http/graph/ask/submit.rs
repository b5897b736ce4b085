//! What a request does: its commands carried out or rehearsed, and the moment after them.
//! It judges nothing: a refusal is the core's, told in the words of the part of Graph that was asked.

use super::super::dispatch::again;
use super::{Ask, Moment};
use crate::engine::Wrong;
use crate::http::problem::Problem;
use crate::http::refused::{Part, problem};
use crate::store::Fault;
use std::sync::Arc;
use writ_core::command::Command;
use writ_core::decide::Answer as Decided;
use writ_core::refusal::Refusal;

impl Ask {
    /// Does what a command says, and gives the moment after it.
    pub async fn submit(&self, command: Command) -> Result<Moment, Problem> {
        self.submit_as(command, Part::Directory).await.map(|(moment, _)| moment)
    }

    /// The same, in another part of Graph, with the core's answer.
    pub async fn submit_as(&self, command: Command, part: Part) -> Result<(Moment, Decided), Problem> {
        self.attempt(command).await?.map_err(|refusal| problem(&refusal, part))
    }

    /// The same, with the core's own refusal.
    pub async fn attempt(&self, command: Command) -> Result<Result<(Moment, Decided), Refusal>, Problem> {
        match self.app.engine.submit(command, again(&self.caller)).await {
            Ok(done) => Ok(Ok((Moment::of(&self.app, &self.caller), done.answer))),
            Err(Wrong::Refused(refusal)) => Ok(Err(*refusal)),
            Err(Wrong::Fault(fault)) => Err(unstored(&fault)),
        }
    }

    /// Does what several commands say, together or not at all, or only rehearses it; and gives the moment after it.
    pub async fn together(
        &self,
        commands: Vec<Command>,
        rehearse: bool,
    ) -> Result<(Moment, Vec<Result<Decided, Refusal>>), Problem> {
        if rehearse {
            let (decisions, state) = self.app.engine.rehearse_together(&commands, &self.caller);
            let moment = Moment { state: Arc::new(state), ..self.moment.clone() };
            return Ok((moment, decisions.into_iter().map(|d| d.answer).collect()));
        }
        let done = self.app.engine.submit_together(commands, again(&self.caller)).await;
        let done = done.map_err(|fault| unstored(&fault))?;
        Ok((Moment::of(&self.app, &self.caller), done.answers))
    }

    /// What a command would do: the same judgement, nothing kept.
    pub fn rehearse(&self, command: &Command, part: Part) -> Result<(Moment, Decided), Problem> {
        let decision = self.app.engine.rehearse(command, &self.caller);
        let answer = decision.answer.map_err(|refusal| problem(&refusal, part))?;
        // A later moment than the one it was decided in: nothing that begins at once is still ahead.
        let moment = Moment::of(&self.app, &self.caller);
        let state = writ_core::decide::after(&moment.state, &decision.events, &moment.context);
        Ok((Moment { state: Arc::new(state), ..moment }, answer))
    }
}

fn unstored(fault: &Fault) -> Problem {
    tracing::error!(%fault, "a command was not carried out");
    Problem::unavailable("The server cannot store changes right now; ask again.", 5)
}

//! Requests and their lives.

use super::*;

impl State {
    /// A request waits for somebody's yes.
    pub(super) fn waits(&mut self, ask: &Ask, sort: Sort, of: Option<Uuid>, stages: &[Stage], until: Time) {
        let stages = stages.iter().map(|s| StageState { stage: s.clone(), decided: Vec::new() }).collect();
        let (status, until) = (Status::PendingApproval, Some(until));
        self.put_request(Request { status, stages, until, schedule: of, ..self.asked(ask, sort) });
    }

    /// A request as it is made now, before anything has come of it.
    fn asked(&self, ask: &Ask, sort: Sort) -> Request {
        Request {
            ask: ask.clone(),
            sort,
            made: self.at,
            status: Status::Granted,
            stages: Vec::new(),
            until: None,
            starts: None,
            completed: None,
            schedule: None,
        }
    }

    pub(super) fn activation_scheduled(&mut self, ask: Option<&Ask>, request: RequestId, starts: Time) {
        if let Some(ask) = ask {
            self.put_request(self.asked(ask, Sort::Assignment));
        }
        self.with_request(request, |r| {
            r.status = Status::Granted;
            r.starts = Some(starts);
        });
    }

    /// The request of an activation that begins. It is the commonest event by far, so the request is written once, as
    /// it ends up.
    pub(super) fn request_began(&self, ask: Option<&Ask>, request: RequestId) -> Option<Request> {
        let asked = match ask {
            Some(ask) => self.asked(ask, Sort::Assignment),
            None => Request::clone(self.requests.get(&request)?),
        };
        let (now, schedule) = (Some(self.at), Some(request.0));
        Some(Request { status: Status::Provisioned, starts: now, completed: now, schedule, ..asked })
    }

    pub(super) fn decided(
        &mut self,
        request: RequestId,
        stage: u8,
        approve: bool,
        by: PrincipalId,
        reason: Option<&Personal>,
    ) {
        let verdict = Verdict { by, approve, reason: reason.cloned(), at: self.at };
        self.with_request(request, |r| {
            if let Some(s) = r.stages.get_mut(usize::from(stage)) {
                s.decided.push(verdict);
            }
        });
        if !approve {
            self.request_closed(request, Status::Denied);
        }
    }

    pub(super) fn request_closed(&mut self, request: RequestId, status: Status) {
        let at = self.at;
        self.with_request(request, |r| {
            r.status = status;
            r.completed = Some(at);
        });
    }

    /// What is done as it is asked, or was waited for and is done now.
    pub(super) fn done(&mut self, ask: &Ask, sort: Sort, status: Status, starts: Option<Time>, schedule: Option<Uuid>) {
        // What waited for a decision keeps who gave it.
        let open = self.requests.get(&ask.request);
        let (made, stages) = open.map_or((self.at, Vec::new()), |open| (open.made, open.stages.clone()));
        let completed = Some(self.at);
        self.put_request(Request { made, stages, status, starts, completed, schedule, ..self.asked(ask, sort) });
    }

    pub(super) fn requests_forgotten(&mut self, before: Time) {
        let old: Vec<RequestId> = self.closed.iter().take_while(|(t, _)| *t < before).map(|(_, id)| *id).collect();
        for id in old {
            self.forget_request(id);
        }
        self.forget_expired(|_, ended| ended < before);
    }

    pub(super) fn ask_refused(&mut self, by: PrincipalId) {
        let at = self.at;
        let (since, count) = self.refused.get(&by).copied().unwrap_or((at, 0));
        let fresh = at.since(since) >= crate::decide::REFUSALS_WINDOW;
        self.refused.insert(by, if fresh { (at, 1) } else { (since, count + 1) });
    }
}

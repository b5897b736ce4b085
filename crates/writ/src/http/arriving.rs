//! A request's body on its way in: how long it may take, and what is told when it does not come whole.
//! It reads nothing of what it says.
//!
//! Known attack and the defence: a body that drips in until the answer itself would be late (it is given up sooner, as
//! the caller's fault, so nobody fills the operator's log with failures of the server).

use super::problem::Problem;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use http::StatusCode;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// How long a body may take: 256 KiB over a line of 100 kbit/s.
pub(super) const ARRIVAL_MAX: Duration = Duration::from_secs(25);

const LATE: u8 = 1;
const BROKEN_OFF: u8 = 2;

/// What became of a body.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrival(Arc<AtomicU8>);

impl Arrival {
    /// What the caller is told when the body did not come whole: whoever read it could only say that it cannot be read.
    pub(super) fn problem(&self) -> Option<Problem> {
        let bad = |status, code, why| Some(Problem::new(status, code, why));
        match self.0.load(Ordering::Relaxed) {
            LATE => bad(StatusCode::REQUEST_TIMEOUT, "RequestTimeout", "The request's body took too long to arrive."),
            BROKEN_OFF => bad(StatusCode::BAD_REQUEST, "BadRequest", "The request's body broke off before its end."),
            _ => None,
        }
    }
}

/// The same request, whose body is given up when it is not here within this time.
pub(super) fn within(max: Duration, request: Request) -> (Request, Arrival) {
    let arrival = Arrival::default();
    if request.body().is_end_stream() {
        return (request, arrival);
    }
    let deadline = Box::pin(tokio::time::sleep(max));
    let watched = arrival.clone();
    (request.map(|body| Body::new(Arriving { body, deadline, arrival: watched })), arrival)
}

struct Arriving {
    body: Body,
    deadline: Pin<Box<Sleep>>,
    arrival: Arrival,
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.deadline.as_mut().poll(cx).is_ready() {
            self.arrival.0.store(LATE, Ordering::Relaxed);
            return Poll::Ready(Some(Err(axum::Error::new("the body is late"))));
        }
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Err(_))) = frame {
            self.arrival.0.store(BROKEN_OFF, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use axum::body::to_bytes;

    /// A body that says a little, again and again or once; and then goes on without end, or breaks off.
    pub(in crate::http) struct Dripping {
        pub(in crate::http) breaks: bool,
        pub(in crate::http) said: bool,
    }

    impl HttpBody for Dripping {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            if self.breaks && self.said {
                return Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into())));
            }
            self.said = !self.said;
            if self.said {
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"{")))));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_body_that_drips_without_end_is_given_up_and_one_that_is_whole_is_left_alone() {
        let dripping = Request::new(Body::new(Dripping { breaks: false, said: false }));
        let (request, arrival) = within(Duration::from_millis(50), dripping);
        let read = to_bytes(request.into_body(), usize::MAX);
        assert!(tokio::time::timeout(Duration::from_secs(20), read).await.expect("given up").is_err());
        assert_eq!(arrival.problem().expect("told").status(), 408);
        for whole in ["", "{}"] {
            let (request, arrival) = within(Duration::from_secs(20), Request::new(Body::from(whole)));
            assert_eq!(to_bytes(request.into_body(), 10).await.expect("read"), whole);
            assert!(arrival.problem().is_none());
        }
    }
}

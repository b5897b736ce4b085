//! The people of the demo: who they are, and the authenticators they would have on their telephones.
//! These exist for the demo's own organisation only; nothing here can make a code for anybody else.
//!
//! Always: a code is never handed out twice, and never so late that it is over before it can be typed.

use crate::identity::totp::{STEP, Totp, WINDOW};
use serde::{Deserialize, Serialize};
use writ_core::time::Time;
use zeroize::Zeroizing;

/// How long a code must still count when somebody is going to read and type it, in seconds.
pub(super) const TO_TYPE: i64 = STEP;
/// How long a code must still count when the demo itself uses it at once, in seconds.
pub(super) const AT_ONCE: i64 = 5;
/// How far the server's clock may be behind the one a code is made by, in seconds. The newest code of the window is
/// kept back for so long, or it would be one that the server does not take yet.
const BEHIND: i64 = 2;

/// Somebody in the demo.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Person {
    /// The word the demo calls them by: `ana`.
    pub(super) word: String,
    /// Their name.
    pub(super) name: String,
    /// Their account.
    pub(super) account: String,
    /// Their principal's id.
    pub(super) id: String,
    /// Their password.
    pub(super) password: String,
    /// Their authenticator.
    pub(super) totp: Totp,
    /// The last step a code was handed out for.
    pub(super) used: i64,
}

impl Person {
    /// The earliest code that was not handed out yet and counts for `lasts` more seconds, and for how many seconds it
    /// does; `Err` says in how many seconds there is one.
    pub(super) fn code(&mut self, now: Time, lasts: i64) -> Result<(Zeroizing<String>, i64), i64> {
        let now = now.seconds();
        // A step's code is taken until the window has left it behind.
        let over = |step: i64| (step + WINDOW + 1) * STEP;
        let oldest = (now + lasts).div_euclid(STEP) - WINDOW - 1;
        let oldest = if over(oldest) < now + lasts { oldest + 1 } else { oldest };
        let step = oldest.max(self.used + 1);
        let begins = (step - WINDOW) * STEP + BEHIND;
        if now < begins {
            return Err(begins - now);
        }
        let code = self.totp.code(Time::from_millis(step * STEP * 1000)).ok_or(STEP)?;
        self.used = step;
        Ok((code, over(step) - now))
    }

    /// Whether this is meant by what somebody typed.
    pub(super) fn is_called(&self, typed: &str) -> bool {
        let typed = typed.to_lowercase();
        self.word == typed || self.account == typed || self.name.to_lowercase() == typed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use writ_core::time::Span;

    fn ana() -> Person {
        let totp = Totp::fresh().unwrap();
        Person {
            word: "ana".into(),
            name: "Ana".into(),
            account: "ana@x".into(),
            id: "1".into(),
            password: "p".into(),
            totp,
            used: 0,
        }
    }

    #[test]
    fn no_code_is_handed_out_twice_and_each_is_one_that_the_server_takes() {
        let mut ana = ana();
        let mut server = ana.totp.clone();
        let mut now = Time::from_millis(1_800_000_015_000);
        let mut waited = 0;
        for _ in 0..20 {
            match ana.code(now, AT_ONCE) {
                Ok((code, _)) => server = server.consume(&code, now).expect("the server takes it"),
                Err(seconds) => {
                    assert!((1..=STEP).contains(&seconds), "{seconds}");
                    waited += seconds;
                    now = now + Span::from_seconds(u32::try_from(seconds).unwrap());
                }
            }
        }
        assert!(waited > 8 * STEP, "twenty codes need most of twenty steps ({waited} s)");
    }

    #[test]
    fn a_code_that_is_read_and_typed_is_still_taken_whenever_it_was_shown() {
        // Once in four tries a code was shown that was over before it could be typed.
        for second in 0..STEP {
            let mut ana = ana();
            let shown = Time::from_millis((1_800_000_000 + second) * 1000);
            let (code, lasts) = ana.code(shown, TO_TYPE).unwrap();
            assert!(lasts >= TO_TYPE, "shown at second {second} for {lasts} s");
            for typing in [0, 10, 29, lasts - 1] {
                let typed = shown + Span::from_seconds(u32::try_from(typing).unwrap());
                assert!(ana.totp.consume(&code, typed).is_some(), "shown at second {second}, typed {typing} s later");
            }
        }
    }

    #[test]
    fn a_server_whose_clock_is_a_little_behind_takes_every_code_as_well() {
        for millis in (0..STEP * 1000).step_by(250) {
            let (mut ana, shown) = (ana(), Time::from_millis(1_800_000_000_000 + millis));
            let mut server = ana.totp.clone();
            while let Ok((code, _)) = ana.code(shown, AT_ONCE) {
                let behind = Time::from_millis(shown.millis() - 900);
                server = server.consume(&code, behind).unwrap_or_else(|| panic!("refused at {millis} ms"));
            }
        }
    }
}

//! Orders: what is obeyed, and everything that is not.

use super::*;
use alloc::vec;
use proptest::prelude::*;

const TENANT: TenantId = TenantId::from_u128(7);
const HOST: DeviceId = DeviceId::from_u128(9);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn grant(n: u128) -> OrderGrant {
    OrderGrant {
        activation: AssignmentId::from_u128(n),
        principal: PrincipalId::from_u128(n),
        person: PersonId::from_u128(n),
        account: "ana".into(),
        not_before: Time::from_millis(1_000_000),
        not_after: Time::from_millis(2_000_000),
        end: End::Kill,
        grace: Span::from_seconds(30),
        extend: "writ activate \"Device Administrators\" --extend".into(),
    }
}

fn order(epoch: u64, seq: u64) -> Order {
    let log = Head { size: 10 * seq, root: [1; 32] };
    let made_at = Time::from_millis(5);
    Order { v: VERSION, tenant: TENANT, host: HOST, epoch, seq, made_at, log, grants: vec![grant(1)] }
}

fn held(signed: &SignedOrder, order: &Order) -> Held {
    Held { epoch: order.epoch, seq: order.seq, digest: signed.digest(), log: order.log }
}

fn accept(signed: &SignedOrder, held: Option<&Held>) -> Result<Order, NotObeyed> {
    signed.accept(&key(1).verifying_key(), &[], TENANT, HOST, held)
}

#[test]
fn an_order_is_obeyed_as_it_was_made() {
    let signed = SignedOrder::sign(&order(1, 1), &key(1)).unwrap();
    let wire = serde_json::to_string(&signed).unwrap();
    let read: SignedOrder = serde_json::from_str(&wire).unwrap();
    assert_eq!(accept(&read, None), Ok(order(1, 1)));
}

#[test]
fn the_same_order_again_is_obeyed_and_a_fork_of_it_is_not() {
    let signed = SignedOrder::sign(&order(1, 4), &key(1)).unwrap();
    let held = held(&signed, &order(1, 4));
    assert!(accept(&signed, Some(&held)).is_ok());
    let mut other = order(1, 4);
    other.grants.clear();
    let fork = SignedOrder::sign(&other, &key(1)).unwrap();
    assert_eq!(accept(&fork, Some(&held)), Err(NotObeyed::Forked { number: (1, 4) }));
}

#[test]
fn a_newer_number_over_an_older_log_is_not_obeyed_until_that_is_on_record() {
    let last = order(1, 4);
    let held = held(&SignedOrder::sign(&last, &key(1)).unwrap(), &last);
    let offered = |epoch, seq, size, root| {
        let order = Order { log: Head { size, root: [root; 32] }, ..order(epoch, seq) };
        accept(&SignedOrder::sign(&order, &key(1)).unwrap(), Some(&held)).map(|_| ())
    };
    assert_eq!(offered(1, 5, 41, 1), Ok(()));
    assert_eq!(offered(1, 5, 40, 1), Ok(()), "nothing was logged in between");
    assert_eq!(offered(1, 5, 39, 1), Err(NotObeyed::LogWentBack { offered: 39, held: 40 }));
    assert_eq!(offered(1, 5, 40, 2), Err(NotObeyed::LogWentBack { offered: 40, held: 40 }), "another log");
    assert_eq!(offered(2, 1, 12, 2), Ok(()), "restored, and on record");
}

#[test]
fn foreign_orders_are_not_obeyed() {
    let mut foreign = order(1, 1);
    foreign.tenant = TenantId::from_u128(8);
    let signed = SignedOrder::sign(&foreign, &key(1)).unwrap();
    assert_eq!(accept(&signed, None), Err(NotObeyed::Tenant(TenantId::from_u128(8))));
    let mut foreign = order(1, 1);
    foreign.host = DeviceId::from_u128(10);
    let signed = SignedOrder::sign(&foreign, &key(1)).unwrap();
    assert_eq!(accept(&signed, None), Err(NotObeyed::Host(DeviceId::from_u128(10))));
    let signed = SignedOrder::sign(&order(1, 1), &key(2)).unwrap();
    assert_eq!(accept(&signed, None), Err(NotObeyed::Signature));
}

#[test]
fn a_host_that_wants_two_signatures_gets_two() {
    let (second, stranger) = (key(3), key(4));
    let seconds = [second.verifying_key()];
    let accept = |signed: &SignedOrder| signed.accept(&key(1).verifying_key(), &seconds, TENANT, HOST, None);
    let mut signed = SignedOrder::sign(&order(1, 1), &key(1)).unwrap();
    assert_eq!(accept(&signed), Err(NotObeyed::SecondSignature));
    signed.sign_second(&stranger);
    assert_eq!(accept(&signed), Err(NotObeyed::SecondSignature));
    let mut posing = signed.clone();
    posing.seconds[0].key = Hex(second.verifying_key().to_bytes());
    assert_eq!(accept(&posing), Err(NotObeyed::SecondSignature), "a name under somebody else's signature");
    signed.sign_second(&second);
    assert!(accept(&signed).is_ok());
}

#[test]
fn nobody_signs_an_order_that_makes_no_sense() {
    let mut twice = order(1, 1);
    twice.grants.push(grant(1));
    let mut backwards = order(1, 1);
    backwards.grants[0].not_after = backwards.grants[0].not_before;
    let mut loud = order(1, 1);
    loud.grants[0].extend = "x".repeat(EXTEND_MAX + 1);
    let mut newer = order(1, 1);
    newer.v = VERSION + 1;
    for wrong in [twice, backwards, loud, newer] {
        assert!(SignedOrder::sign(&wrong, &key(1)).is_err());
        // And a host does not obey one that somebody signed all the same.
        let body = serde_json::to_vec(&wrong).unwrap();
        let signature = Hex(key(1).sign(&signed_bytes(&body)).to_bytes());
        let signed = SignedOrder { body: Bytes(body), signature, seconds: vec![] };
        assert!(matches!(accept(&signed, None), Err(NotObeyed::Form(_))));
    }
}

#[test]
fn a_signature_made_for_something_else_does_not_fit_an_order() {
    let body = serde_json::to_vec(&order(1, 1)).unwrap();
    let signature = Hex(key(1).sign(&body).to_bytes());
    let signed = SignedOrder { body: Bytes(body), signature, seconds: vec![] };
    assert_eq!(accept(&signed, None), Err(NotObeyed::Signature));
}

#[test]
fn an_enrolment_answer_counts_only_from_the_server_that_the_code_names() {
    let (server, thief, device) = (key(1), key(2), key(5));
    let code = Code { secret: Hex([3; 16]), order_key: fingerprint(&server.verifying_key()) };
    assert_eq!(code.reveal().parse::<Code>(), Ok(code.clone()));
    let answer = |by: &SigningKey, to: &SigningKey| EnrolAnswer {
        tenant: TENANT,
        host: HOST,
        order_key: Hex(by.verifying_key().to_bytes()),
        device_key: Hex(to.verifying_key().to_bytes()),
    };
    let open = |signed: SignedEnrolment| signed.open(&code, &device.verifying_key());
    assert!(open(SignedEnrolment::sign(&answer(&server, &device), &server).unwrap()).is_ok());
    assert!(open(SignedEnrolment::sign(&answer(&thief, &device), &thief).unwrap()).is_err());
    assert!(open(SignedEnrolment::sign(&answer(&server, &device), &thief).unwrap()).is_err());
    assert!(open(SignedEnrolment::sign(&answer(&server, &thief), &server).unwrap()).is_err());
}

#[test]
fn a_code_with_a_slip_of_the_hand_is_not_a_code() {
    let code = Code { secret: Hex([0xab; 16]), order_key: Hex([0xcd; 16]) }.reveal();
    assert!(code.to_uppercase().parse::<Code>().is_err());
    for at in 10..code.len() {
        let mut bytes = code.clone().into_bytes();
        if bytes[at] != b'-' {
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            assert!(String::from_utf8(bytes).unwrap().parse::<Code>().is_err());
        }
        assert!(code[..at].parse::<Code>().is_err());
    }
}

proptest! {
    #[test]
    fn no_altered_byte_is_obeyed(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut signed = SignedOrder::sign(&order(3, 3), &key(1)).unwrap();
        let place = at.index(signed.body.0.len() + 64);
        if place < signed.body.0.len() {
            signed.body.0[place] ^= 1 << bit;
        } else {
            let place = place - signed.body.0.len();
            signed.signature.0[place] ^= 1 << bit;
        }
        prop_assert_eq!(accept(&signed, None), Err(NotObeyed::Signature));
    }

    /// Whatever order the orders arrive in, and however often: the number held never falls, and what is held is
    /// one order per number.
    #[test]
    fn numbers_only_rise(arrivals in prop::collection::vec((0u64..3, 0u64..4, any::<bool>()), 1..40)) {
        let mut now: Option<(Held, Order)> = None;
        for (epoch, seq, empty) in arrivals {
            let mut offered = order(epoch, seq);
            if empty {
                offered.grants.clear();
            }
            let signed = SignedOrder::sign(&offered, &key(1)).unwrap();
            let verdict = accept(&signed, now.as_ref().map(|(held, _)| held));
            match (&now, verdict) {
                (Some((_, last)), Ok(read)) => {
                    prop_assert!(read.number() >= last.number());
                    prop_assert!(read.number() > last.number() || read == *last);
                    now = Some((held(&signed, &read), read));
                }
                (Some((_, last)), Err(_)) => {
                    prop_assert!(offered.number() < last.number()
                        || (offered.number() == last.number() && offered != *last));
                }
                (None, verdict) => {
                    let read = verdict.unwrap();
                    now = Some((held(&signed, &read), read));
                }
            }
        }
    }

    #[test]
    fn a_request_is_signed_as_a_whole(path in "/[a-z]{1,9}", body in prop::collection::vec(any::<u8>(), 0..40)) {
        let facts = RequestFacts {
            host: HOST, method: "POST", path: &path, body: &body, at: Time::from_millis(77), nonce: Hex([1; 16]),
        };
        let signature = facts.sign(&key(5));
        let device = key(5).verifying_key();
        prop_assert!(facts.is_signed_by(&device, &signature));
        let longer = [body.as_slice(), b"x"].concat();
        for other in [
            RequestFacts { method: "GET", ..facts },
            RequestFacts { path: "/agent/v1/orders", ..facts },
            RequestFacts { body: &longer, ..facts },
            RequestFacts { at: Time::from_millis(78), ..facts },
            RequestFacts { nonce: Hex([2; 16]), ..facts },
            RequestFacts { host: DeviceId::from_u128(1), ..facts },
        ] {
            prop_assert!(!other.is_signed_by(&device, &signature));
        }
        prop_assert!(!facts.is_signed_by(&key(6).verifying_key(), &signature));
    }
}

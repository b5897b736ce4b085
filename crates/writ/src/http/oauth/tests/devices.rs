//! Device codes: a program that shows one, the person who types it, and those who would like to be that program.

use super::*;
use crate::identity::handover::{Collect, DevicePolicy};
use crate::identity::scopes::wish;
use crate::identity::sign_in::{For, SignedIn};
use crate::identity::tests::House;
use crate::identity::{Denied, Origin};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use writ_core::command::Via;
use zeroize::Zeroizing;

const HERE: (&str, &str) = ("peer", "192.0.2.7");
const ELSEWHERE: (&str, &str) = ("peer", "198.51.100.9");
const OURS: [(&str, &str); 2] = [("sec-fetch-site", "same-origin"), ("origin", "https://writ.example")];

impl Door {
    async fn begins(&self, from: (&str, &str), fields: &[(&str, &str)]) -> Reply {
        self.send("POST", &format!("/{TENANT}/oauth2/v2.0/devicecode"), &[from], form(fields)).await
    }

    async fn types(&self, from: (&str, &str), fields: &[(&str, &str)]) -> Reply {
        self.send("POST", "/device", &[&OURS[..], &[from]].concat(), form(fields)).await
    }

    async fn polls(&self, code: &str, client: &str) -> Reply {
        let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
        self.token(&[grant, ("client_id", client), ("device_code", code), ("code", code)]).await
    }

    async fn signs_in_for(&self, from: (&str, &str), user_code: &str, otp: &str) -> Reply {
        let fields = [("user_code", user_code), ("username", "ana"), ("password", PASSWORD), ("code", otp)];
        self.types(from, &fields).await
    }
}

pub(super) fn from(address: impl Into<IpAddr>) -> Origin {
    Origin { address: Some(address.into()), agent: "test".into(), via: Via::Page, correlation: None }
}

fn text<'a>(json: &'a Json, name: &str) -> &'a str {
    json[name].as_str().unwrap()
}

#[tokio::test]
async fn somebody_signs_in_for_a_program_that_shows_a_code() {
    let (door, phone) = with_ana().await;
    let begun = door.begins(HERE, &[("client_id", TOOLS), ("scope", GRAPH)]).await;
    assert_eq!(begun.status, StatusCode::OK, "{}", begun.text);
    let begun = begun.json();
    let (user_code, device_code) = (text(&begun, "user_code"), text(&begun, "device_code"));
    assert!(
        text(&begun, "message").contains(user_code) && text(&begun, "message").contains("https://writ.example/device")
    );
    assert_eq!((&begun["expires_in"], &begun["interval"]), (&json!(900), &json!(5)));
    assert_eq!(error(&door.polls(device_code, TOOLS).await), "authorization_pending");
    assert_eq!(error(&door.polls(device_code, TOOLS).await), "slow_down");
    // It was told to wait five seconds more from then on, and may be a little early.
    door.clock.advance(Span::from_seconds(5));
    assert_eq!(error(&door.polls(device_code, TOOLS).await), "slow_down");
    for early in [1, 0] {
        door.clock.advance(Span::from_seconds(15 - early));
        assert_eq!(error(&door.polls(device_code, TOOLS).await), "authorization_pending");
    }

    assert!(door.get("/device", "").await.text.contains("stop here"));
    let typed = format!(" {} ", user_code.to_lowercase().replace('-', " "));
    let page = door.types(HERE, &[("user_code", &typed)]).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    for told in ["Microsoft Graph Command Line Tools", "192.0.2.7", "only if you started it there yourself"] {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
    let wrong = door.signs_in_for(HERE, user_code, "000000").await;
    assert!(
        wrong.status == StatusCode::UNAUTHORIZED
            && wrong.field("user_code") == user_code
            && !wrong.text.contains(PASSWORD)
    );
    let done = door.signs_in_for(HERE, user_code, &door.fresh_code(&phone)).await;
    assert!(done.status.is_success() && done.text.contains("You are signed in for"), "{}", done.text);
    assert!(done.headers.get("set-cookie").is_none());

    let answer = door.polls(device_code, TOOLS).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let answer = answer.json();
    assert_eq!(door.me(&answer["access_token"]).await.json()["id"], ANA.to_string());
    assert_eq!(claims(&answer["id_token"])["aud"], TOOLS);
    assert!(answer["refresh_token"].is_string());
    assert_eq!(error(&door.polls(device_code, TOOLS).await), "invalid_grant", "it is given once");
    assert_eq!(door.types(HERE, &[("user_code", user_code)]).await.status.as_u16(), 422, "and typed once");
}

#[tokio::test]
async fn one_client_writes_the_grant_in_short() {
    let (door, phone) = with_ana().await;
    let begun = door.begins(HERE, &[("client_id", TOOLS), ("scope", GRAPH)]).await.json();
    door.signs_in_for(HERE, text(&begun, "user_code"), &door.fresh_code(&phone)).await;
    let fields = [("grant_type", "device_code"), ("client_id", TOOLS), ("device_code", text(&begun, "device_code"))];
    assert_eq!(door.token(&fields).await.status, StatusCode::OK);
}

#[tokio::test]
async fn whoever_is_sent_a_code_from_elsewhere_signs_nobody_in() {
    let (door, phone) = with_ana().await;
    let begun = door.begins(ELSEWHERE, &[("client_id", TOOLS), ("scope", GRAPH)]).await.json();
    let user_code = text(&begun, "user_code");
    for fields in [&[("user_code", user_code)][..], &[("user_code", user_code), ("username", "ana")]] {
        let page = door.types(HERE, fields).await;
        assert_eq!(page.status.as_u16(), 422);
        assert!(
            page.text.contains("they would be signed in as you") && page.text.contains("198.51.100.9"),
            "{}",
            page.text
        );
        assert!(!page.text.contains("name=\"password\""));
    }
    let page = door.signs_in_for(HERE, user_code, &door.fresh_code(&phone)).await;
    assert_eq!(page.status.as_u16(), 422);
    assert_eq!(error(&door.polls(text(&begun, "device_code"), TOOLS).await), "authorization_pending");
    assert_eq!(door.house.identity.sessions_of(ANA).await.unwrap().len(), 0);
    // Saying no is open to whoever was sent it.
    let no = door.types(HERE, &[("user_code", user_code), ("decline", "1")]).await;
    assert!(no.status.is_success() && no.text.contains("Nothing was given"));
    assert_eq!(error(&door.polls(text(&begun, "device_code"), TOOLS).await), "access_denied");
    // A neighbour in the same IPv6 network is the same network; both loopback addresses are the same machine.
    for (device, browser) in
        [("2001:db8:1:2::7", "2001:db8:1:2::8"), ("127.0.0.1", "::1"), ("::ffff:192.0.2.7", "192.0.2.7")]
    {
        let begun = door.begins(("peer", device), &[("client_id", TOOLS)]).await.json();
        let page = door.types(("peer", browser), &[("user_code", text(&begun, "user_code"))]).await;
        assert_eq!(page.status, StatusCode::OK, "{device} {browser}");
    }
}

#[tokio::test]
async fn codes_are_bound_bounded_and_over_in_time() {
    let (door, phone) = with_ana().await;
    let begun = door.begins(HERE, &[("client_id", TOOLS)]).await.json();
    let (user_code, device_code) = (text(&begun, "user_code"), text(&begun, "device_code"));
    assert_eq!(error(&door.polls(device_code, STRANGER).await), "invalid_grant", "another program's");
    assert_eq!(error(&door.polls(user_code, TOOLS).await), "invalid_grant", "the typed one is no secret");
    assert_eq!(error(&door.polls("", TOOLS).await), "invalid_request");
    door.clock.advance(Span::from_minutes(15));
    assert_eq!(error(&door.polls(device_code, TOOLS).await), "expired_token");
    assert_eq!(door.types(HERE, &[("user_code", user_code)]).await.status.as_u16(), 422);

    // Confirmed, and never fetched.
    let begun = door.begins(HERE, &[("client_id", TOOLS)]).await.json();
    assert!(door.signs_in_for(HERE, text(&begun, "user_code"), &door.fresh_code(&phone)).await.status.is_success());
    assert_eq!(door.house.identity.sessions_of(ANA).await.unwrap().len(), 1);
    door.clock.advance(Span::from_minutes(15));
    door.house.identity.tend().await.unwrap();
    assert_eq!(door.house.identity.sessions_of(ANA).await.unwrap().len(), 0);

    // It is known for five minutes more, and keeps its place for as long.
    door.clock.advance(Span::from_minutes(5));
    door.house.identity.tend().await.unwrap();
    for n in 0..50 {
        assert_eq!(door.begins(HERE, &[("client_id", TOOLS)]).await.status, StatusCode::OK, "{n}");
    }
    assert_eq!(door.begins(HERE, &[("client_id", TOOLS)]).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(door.begins(ELSEWHERE, &[("client_id", TOOLS)]).await.status, StatusCode::OK, "others are not kept out");
    door.clock.advance(Span::from_minutes(20));
    door.house.identity.tend().await.unwrap();
    assert_eq!(door.begins(HERE, &[("client_id", TOOLS)]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn odd_requests_are_told_and_guesses_slowed_down() {
    let (door, _phone) = with_ana().await;
    for (fields, wanted) in [
        (&[][..], "invalid_request"),
        (&[("client_id", "me")], "invalid_request"),
        (&[("client_id", TOOLS), ("scope", "https://a.example/x https://b.example/y")], "invalid_scope"),
        (&[("client_id", TOOLS), ("scope", "https://vault.azure.net/.default")], "invalid_target"),
        (&[("client_id", TOOLS), ("claims", "{")], "invalid_request"),
    ] {
        assert_eq!(error(&door.begins(HERE, fields).await), wanted, "{fields:?}");
    }
    let long = "B".repeat(5000);
    for odd in ["", "AAAA-AAAA", "BBBB-BBBB", "bbbb", "<script>", &long] {
        let page = door.types(HERE, &[("user_code", odd)]).await;
        assert_eq!(page.status.as_u16(), 422, "{odd}");
        assert!(!page.text.contains("<script") && page.text.contains("No program waits"));
    }
    let foreign = [("origin", "https://evil.example"), HERE];
    assert_eq!(door.send("POST", "/device", &foreign, "user_code=BBBBBBBB".into()).await.status, StatusCode::FORBIDDEN);
    // Guesses are counted, whatever they are for; one's own code in between makes up for none.
    let begun = door.begins(HERE, &[("client_id", TOOLS)]).await.json();
    for (there, decline) in [("192.0.2.7", ""), ("192.0.2.8", "1")] {
        let there = ("peer", there);
        for _ in 0..40 {
            door.types(there, &[("user_code", "BBBB-BBBB"), ("decline", decline)]).await;
            door.types(there, &[("user_code", text(&begun, "user_code"))]).await;
        }
        let wait = door.types(there, &[("user_code", "BBBB-BBBB"), ("decline", decline)]).await;
        assert_eq!(wait.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(!wait.header("retry-after").is_empty());
    }
}

#[tokio::test]
async fn the_operator_says_where_codes_are_confirmed_or_that_there_are_none() {
    let (house, _phone) = House::with_ana().await;
    let door = Door::with(house, DevicePolicy::Off, false).await;
    assert_eq!(error(&door.begins(HERE, &[("client_id", TOOLS)]).await), "unauthorized_client");

    let (house, phone) = House::with_ana().await;
    let door = Door::with(house, DevicePolicy::Anywhere, false).await;
    let begun = door.begins(ELSEWHERE, &[("client_id", TOOLS)]).await.json();
    let page = door.types(HERE, &[("user_code", text(&begun, "user_code"))]).await;
    assert!(page.text.contains("198.51.100.9") && page.text.contains("only if you started it there yourself"));
    let done = door.signs_in_for(HERE, text(&begun, "user_code"), &door.fresh_code(&phone)).await;
    assert!(done.status.is_success(), "{}", done.text);
    assert_eq!(door.polls(text(&begun, "device_code"), TOOLS).await.status, StatusCode::OK);
}

#[tokio::test]
async fn where_nobody_can_tell_the_network_nobody_confirms() {
    const NOWHERE: (&str, &str) = ("x-nothing", "1");
    const PROXY: (&str, &str) = ("peer", "10.0.0.2");
    const MINE: (&str, &str) = ("x-forwarded-for", "198.51.100.9");
    const OTHERS: (&str, &str) = ("x-forwarded-for", "192.0.2.7");
    for (behind_proxy, device, browser, same) in [
        (false, [NOWHERE, NOWHERE], [NOWHERE, NOWHERE], false),
        // A proxy that the server was not told of: everybody comes from its address.
        (false, [PROXY, OTHERS], [PROXY, MINE], false),
        (false, [PROXY, ("forwarded", "for=192.0.2.7")], [PROXY, ("forwarded", "for=198.51.100.9")], false),
        // One that it was told of and that does not say who asks, or says it in another language.
        (true, [PROXY, NOWHERE], [PROXY, NOWHERE], false),
        (true, [PROXY, ("x-forwarded-for", "unknown")], [PROXY, ("x-forwarded-for", "unknown")], false),
        (true, [PROXY, OTHERS], [PROXY, MINE], false),
        (true, [PROXY, MINE], [PROXY, MINE], true),
    ] {
        let (house, _phone) = House::with_ana().await;
        let door = Door::with(house, DevicePolicy::SameNetwork, behind_proxy).await;
        let path = format!("/{TENANT}/oauth2/v2.0/devicecode");
        let begun = door.send("POST", &path, &device, form(&[("client_id", TOOLS)])).await.json();
        let typed = form(&[("user_code", text(&begun, "user_code"))]);
        let page = door.send("POST", "/device", &[&OURS[..], &browser].concat(), typed).await;
        assert_eq!(page.status.as_u16(), if same { 200 } else { 422 }, "{behind_proxy} {device:?} {}", page.text);
        assert_eq!(page.text.contains("name=\"password\""), same);
    }
}

#[tokio::test]
async fn of_two_who_confirm_one_device_the_second_is_not_signed_in_nor_is_anybody_elsewhere() {
    let (door, phone) = with_ana().await;
    let (here, there) = (from(Ipv4Addr::new(192, 0, 2, 7)), from(Ipv4Addr::new(198, 51, 100, 9)));
    let begun = door.begins(HERE, &[("client_id", TOOLS), ("scope", GRAPH)]).await.json();
    let confirms = |origin: Origin, otp: String| {
        let user_code = text(&begun, "user_code").to_owned();
        let how = Collect::WithDevice { user_code, policy: DevicePolicy::SameNetwork };
        let (purpose, identity) = (For::Later(wish("").unwrap(), how), door.house.identity.clone());
        let password = Zeroizing::new(PASSWORD.to_owned());
        async move { identity.with_password("ana", password, &otp, purpose, &origin).await }
    };
    let sessions = || async { door.house.identity.sessions_of(ANA).await.unwrap() };
    let elsewhere: Result<SignedIn, Denied> = confirms(there, door.fresh_code(&phone)).await;
    assert!(matches!(elsewhere, Err(Denied::Elsewhere(Some(_)))) && sessions().await.is_empty());
    let first = confirms(here.clone(), door.fresh_code(&phone)).await.unwrap();
    let second = confirms(here, door.fresh_code(&phone)).await;
    assert!(matches!(second, Err(Denied::NoDevice)), "{second:?}");
    assert_eq!(sessions().await.iter().map(|s| s.id).collect::<Vec<_>>(), [first.session.id]);
}

#[tokio::test]
async fn strangers_with_many_addresses_fill_it_slowly_and_not_for_long() {
    let (door, _phone) = with_ana().await;
    let identity = &door.house.identity;
    let client = Uuid::parse_str(TOOLS).ok();
    let begin = |address: IpAddr| {
        let wish = crate::identity::scopes::Wish { client, ..wish("User.Read").unwrap() };
        identity.begin_device(wish, DevicePolicy::SameNetwork, &from(address))
    };
    // All the networks of one customer are one site.
    let v6 = |site: u16, net: u16| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, site, net, 0, 0, 0, 1));
    assert_eq!((0..1000).filter(|net| begin(v6(1, *net)).is_ok()).count(), 50);
    assert!(begin(v6(2, 1)).is_ok());
    // What was fetched or is over makes room.
    for n in 0..9949u32 {
        begin(IpAddr::from(Ipv4Addr::from(0x0a00_0000 + n))).unwrap();
    }
    let late = IpAddr::from(Ipv4Addr::new(203, 0, 113, 1));
    assert!(matches!(begin(late), Err(Denied::Busy)));
    door.clock.advance(Span::from_minutes(20));
    identity.tend().await.unwrap();
    assert!((0..50).all(|_| begin(late).is_ok()) && begin(v6(1, 1)).is_ok());
    assert!(begin(late).is_err());
}

#[tokio::test]
async fn a_device_that_was_given_its_tokens_makes_room_for_the_next() {
    let (door, phone) = with_ana().await;
    for _ in 0..2 {
        let mut begun = Json::Null;
        for _ in 0..50 {
            let reply = door.begins(HERE, &[("client_id", TOOLS)]).await;
            if reply.status.is_success() {
                begun = reply.json();
            }
        }
        assert_eq!(door.begins(HERE, &[("client_id", TOOLS)]).await.status, StatusCode::SERVICE_UNAVAILABLE);
        door.signs_in_for(HERE, text(&begun, "user_code"), &door.fresh_code(&phone)).await;
        assert_eq!(door.polls(text(&begun, "device_code"), TOOLS).await.status, StatusCode::OK);
    }
}

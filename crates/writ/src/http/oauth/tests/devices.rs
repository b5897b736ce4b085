//! Device codes: a program that shows one, the person who types it, and those who would like to be that program.

use super::*;

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
    for early in [1, 0] {
        door.clock.advance(Span::from_seconds(10 - early));
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
    for _ in 0..40 {
        door.types(HERE, &[("user_code", "BBBB-BBBB")]).await;
    }
    assert_eq!(door.types(HERE, &[("user_code", "BBBB-BBBB")]).await.status, StatusCode::TOO_MANY_REQUESTS);
}

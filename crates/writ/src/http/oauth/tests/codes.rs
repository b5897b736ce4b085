//! The authorization code: from the program's request to its tokens, and everything that must not get there.

use super::*;
use crate::http::graph::throttle::{Cost, Kind, Limits};
use crate::identity::{scopes, session};
use crate::vault;

const BACK: &str = "http://localhost:43123";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn challenge(verifier: &str) -> String {
    B64.encode(Sha256::digest(verifier))
}

/// A request for a code, as the command line tools send it, with some of it changed.
fn request(changes: &[(&str, &str)]) -> String {
    let challenge = challenge(VERIFIER);
    let mut fields = vec![
        ("client_id", TOOLS),
        ("response_type", "code"),
        ("redirect_uri", BACK),
        ("scope", GRAPH),
        ("state", "s&t=<\"te'>"),
        ("nonce", "n-0S6"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("prompt", "select_account"),
        ("client_info", "1"),
        ("x-client-SKU", "MSAL.Python"),
    ];
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    fields.retain(|(_, value)| *value != "-");
    format!("/{TENANT}/oauth2/v2.0/authorize?{}", form(&fields))
}

/// What came back in an address.
fn came_back(reply: &Reply) -> Vec<(String, String)> {
    let at = reply.header("location");
    let rest = at.strip_prefix(BACK).unwrap_or_else(|| panic!("not to the program: {at} {}", reply.text));
    read(&rest[1..])
}

fn read(query: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    query.split('&').map(|pair| pair.split_once('=').unwrap()).map(|(n, v)| (decoded(n), decoded(v))).collect()
}

fn value<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

impl Door {
    /// Ana signs in on the page of this request.
    async fn authorizes(&self, phone: &crate::identity::tests::App, request: &str) -> Reply {
        let code = self.fresh_code(phone);
        self.post(request, "", &[("username", "ana"), ("password", PASSWORD), ("code", &code)]).await
    }

    async fn code(&self, phone: &crate::identity::tests::App, request: &str) -> String {
        let reply = self.authorizes(phone, request).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.text);
        let code = value(&came_back(&reply), "code").to_owned();
        assert!(code.len() >= 43);
        code
    }

    /// The program fetches its tokens, with some of it changed.
    async fn fetches(&self, code: &str, changes: &[(&str, &str)]) -> Reply {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("client_id", TOOLS),
            ("code", code),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
            ("scope", GRAPH),
            ("client_info", "1"),
        ];
        for (name, value) in changes {
            fields.retain(|(known, _)| known != name);
            fields.push((name, value));
        }
        fields.retain(|(_, value)| *value != "-");
        self.token(&fields).await
    }

    /// How many programs Ana is signed in to.
    async fn programs(&self) -> usize {
        let sessions = self.house.identity.sessions_of(ANA).await.unwrap();
        sessions.iter().filter(|session| session.door == session::Door::Token).count()
    }

    async fn sessions(&self) -> usize {
        self.house.identity.sessions_of(ANA).await.unwrap().len()
    }
}

#[tokio::test]
async fn a_program_gets_tokens_for_whoever_signs_in_on_its_page() {
    let (door, phone) = with_ana().await;
    let asked = request(&[("login_hint", "ana@northwind.example")]);
    let page = door.get(&asked, "").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("Microsoft Graph Command Line Tools") && page.text.contains(BACK));
    assert_eq!(page.field("username"), "ana@northwind.example");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; ") && policy.contains(&format!("form-action 'self' {BACK};")));
    assert!(!policy.contains("script") && !page.text.contains("<script") && policy.contains("frame-ancestors 'none'"));
    // The form leads to the page's own address, so that the request is read again when it is sent.
    let (_, query) = asked.split_once('?').unwrap();
    assert!(page.text.contains(&format!("action=\"?{}\"", query.replace('&', "&#38;"))), "{}", page.text);

    let reply = door.authorizes(&phone, &asked).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER);
    assert_eq!((reply.header("cache-control"), reply.header("referrer-policy")), ("no-store", "no-referrer"));
    let back = came_back(&reply);
    assert_eq!(value(&back, "state"), "s&t=<\"te'>");
    assert_eq!(value(&back, "iss"), door.house.identity.issuer());

    let answer = door.fetches(value(&back, "code"), &[]).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"), "{}", answer.text);
    let answer = answer.json();
    for scope in GRAPH.split(' ') {
        assert!(answer["scope"].as_str().unwrap().split(' ').any(|told| told == scope), "{scope}: {}", answer["scope"]);
    }
    assert_eq!(door.me(&answer["access_token"]).await.json()["id"], ANA.to_string());
    let access = claims(&answer["access_token"]);
    assert_eq!((&access["appid"], &access["amr"]), (&json!(TOOLS), &json!(["pwd", "otp", "mfa"])));
    let id = claims(&answer["id_token"]);
    assert_eq!((&id["aud"], &id["nonce"]), (&json!(TOOLS), &json!("n-0S6")));
    assert_eq!((&id["oid"], &id["preferred_username"]), (&json!(ANA), &json!("Ana@Northwind.example")));
    assert_eq!((&id["iss"], &id["tid"]), (&json!(door.house.identity.issuer()), &json!(TENANT)));
    assert!(id["exp"].is_i64() && id["iat"] == id["nbf"] && id["ver"] == "2.0");
    assert_eq!(door.me(&answer["id_token"]).await.status, StatusCode::UNAUTHORIZED, "who somebody is opens nothing");

    let next = door.refreshes(&answer["refresh_token"], &[("client_id", TOOLS), ("scope", GRAPH)]).await.json();
    assert_eq!(door.me(&next["access_token"]).await.status, StatusCode::OK);
    assert_eq!(claims(&next["id_token"])["aud"], TOOLS);
    let sessions = door.house.identity.sessions_of(ANA).await.unwrap();
    assert!(sessions.iter().any(|session| session.app == Uuid::parse_str(TOOLS).ok()));
    assert_eq!(door.noted().await.last(), Some(&(SignIn::Succeeded, Uuid::parse_str(TOOLS).ok())));
    let cookie = door.signs_in(&phone).await.cookie();
    assert!(door.get("/account", &cookie).await.text.contains("Microsoft Graph Command Line Tools"));
    let unknown = door.code(&phone, &request(&[("client_id", STRANGER)])).await;
    assert_eq!(door.fetches(&unknown, &[("client_id", STRANGER)]).await.status, StatusCode::OK);
    assert!(door.get("/account", &cookie).await.text.contains(&format!("A program ({STRANGER})")));
}

#[tokio::test]
async fn an_answer_can_be_posted_or_put_behind_the_fragment() {
    let (door, phone) = with_ana().await;
    let page = door.authorizes(&phone, &request(&[("response_mode", "form_post")])).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains(&format!("<form method=\"post\" action=\"{BACK}\">")), "{}", page.text);
    assert_eq!(page.field("state"), "s&#38;t=&#60;&#34;te&#39;&#62;");
    // The one script there is, and the policy allows it and no other.
    let script = page.text.split("<script>").nth(1).unwrap().split("</script>").next().unwrap();
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(script));
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains(&format!("script-src 'sha256-{hash}'")) && policy.contains("default-src 'none'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe") && page.text.matches("<script").count() == 1);
    assert_eq!(door.fetches(&page.field("code"), &[]).await.status, StatusCode::OK);

    let reply = door.authorizes(&phone, &request(&[("response_mode", "fragment")])).await;
    assert!(reply.header("location").starts_with(&format!("{BACK}#code=")));
}

#[tokio::test]
async fn a_code_is_worth_nothing_to_anybody_else_or_a_second_time() {
    let (door, phone) = with_ana().await;
    let other = "a".repeat(43);
    for changes in [
        &[("code_verifier", other.as_str())][..],
        &[("code_verifier", "short")],
        &[("client_id", STRANGER)],
        &[("redirect_uri", "http://localhost:43124")],
        &[("redirect_uri", "http://localhost:43123/")],
    ] {
        let code = door.code(&phone, &request(&[])).await;
        assert_eq!(error(&door.fetches(&code, changes).await), "invalid_grant", "{changes:?}");
        assert_eq!(
            error(&door.fetches(&code, &[]).await),
            "invalid_grant",
            "used up by the first attempt: {changes:?}"
        );
        assert_eq!(door.programs().await, 0, "and what it had begun is over");
    }
    // One that could be guessed, though it is what the program had promised.
    for weak in ["short", &"a".repeat(42), &"a".repeat(129), &"ä".repeat(43)] {
        let code = door.code(&phone, &request(&[("code_challenge", &challenge(weak))])).await;
        assert_eq!(error(&door.fetches(&code, &[("code_verifier", weak)]).await), "invalid_grant", "{weak}");
    }
    for missing in ["code", "client_id", "redirect_uri", "code_verifier"] {
        assert_eq!(error(&door.fetches("x", &[(missing, "-")]).await), "invalid_request", "{missing}");
    }
    assert_eq!(error(&door.fetches(&"A".repeat(43), &[]).await), "invalid_grant");

    // A used one that comes back: one of the two who have it is a thief, so both lose.
    let code = door.code(&phone, &request(&[])).await;
    let answer = door.fetches(&code, &[]).await.json();
    assert_eq!(door.me(&answer["access_token"]).await.status, StatusCode::OK);
    assert_eq!(
        error(&door.fetches(&code, &[("code_verifier", &other), ("client_id", STRANGER)]).await),
        "invalid_grant"
    );
    assert_eq!(door.me(&answer["access_token"]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(error(&door.refreshes(&answer["refresh_token"], &[("client_id", TOOLS)]).await), "invalid_grant");
    let noted = door.noted().await;
    assert_eq!(noted.last(), Some(&(SignIn::CodeReused, Uuid::parse_str(TOOLS).ok())), "whoever brought it back");
    assert_eq!(error(&door.fetches(&code, &[]).await), "invalid_grant");
    assert_eq!(door.noted().await.iter().filter(|(told, _)| *told == SignIn::CodeReused).count(), 1, "told once");
}

#[tokio::test]
async fn two_who_fetch_with_one_code_at_once_do_not_both_get_tokens() {
    let (door, phone) = with_ana().await;
    let code = door.code(&phone, &request(&[])).await;
    let (one, two) = tokio::join!(door.fetches(&code, &[]), door.fetches(&code, &[]));
    let got = [&one, &two].into_iter().filter(|reply| reply.status.is_success()).count();
    assert!(got <= 1);
    assert_eq!(door.programs().await, 0, "and the session is over for whoever got them");
}

#[tokio::test]
async fn a_code_lasts_a_minute_and_what_nobody_fetched_is_ended() {
    let (door, phone) = with_ana().await;
    let code = door.code(&phone, &request(&[])).await;
    assert_eq!(door.programs().await, 1);
    door.clock.advance(Span::from_seconds(60));
    assert_eq!(error(&door.fetches(&code, &[]).await), "invalid_grant");
    assert_eq!(door.programs().await, 0);

    door.code(&phone, &request(&[])).await;
    door.house.identity.tend().await.unwrap();
    assert_eq!(door.programs().await, 1);
    door.clock.advance(Span::from_seconds(60));
    door.house.identity.tend().await.unwrap();
    assert_eq!(door.programs().await, 0, "nobody fetched it");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_goes_to_the_program_or_to_nobody() {
    let (door, phone) = with_ana().await;
    for changes in [
        ("redirect_uri", "https://evil.example/"),
        ("redirect_uri", "http://localhost.evil.example/"),
        ("redirect_uri", "http://localhost/?next=https://evil.example"),
        ("redirect_uri", "-"),
        ("client_id", "-"),
        ("client_id", "me"),
        ("client_id", "00000000-0000-0000-0000-000000000000"),
    ] {
        let code = door.fresh_code(&phone);
        let typed = [("username", "ana"), ("password", PASSWORD), ("code", &*code)];
        for reply in [door.get(&request(&[changes]), "").await, door.post(&request(&[changes]), "", &typed).await] {
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{changes:?}");
            assert!(reply.headers.get("location").is_none() && !reply.text.contains("<form"), "{}", reply.text);
            assert!(reply.text.contains("Nobody was signed in"), "{}", reply.text);
        }
    }
    let twice = format!("{}&redirect_uri=https%3A%2F%2Fevil.example", request(&[]));
    assert_eq!(door.get(&twice, "").await.status, StatusCode::BAD_REQUEST);
    let elsewhere = request(&[]).replace(&TENANT.to_string(), "00000000-0000-0000-0000-000000000001");
    assert_eq!(door.get(&elsewhere, "").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(door.get(&request(&[]).replace(&TENANT.to_string(), "organizations"), "").await.status, StatusCode::OK);

    for (changes, wanted) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", "code id_token"), "unsupported_response_type"),
        (("code_challenge", "-"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", "-"), "invalid_request"),
        (("code_challenge", "c2hvcnQ"), "invalid_request"),
        (("prompt", "none"), "login_required"),
        (("scope", "https://a.example/User.Read https://b.example/User.Read"), "invalid_scope"),
        (("scope", "https://vault.azure.net/.default"), "invalid_target"),
        (("claims", "{"), "invalid_request"),
        (("request", "eyJhbGciOiJub25lIn0.e30."), "request_not_supported"),
        (("request_uri", "https://evil.example/"), "request_uri_not_supported"),
        (("nonce", &"a".repeat(5000)), "invalid_request"),
    ] {
        let reply = door.get(&request(&[changes]), "").await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{changes:?} {}", reply.text);
        let back = came_back(&reply);
        assert_eq!((value(&back, "error"), value(&back, "state")), (wanted, "s&t=<\"te'>"), "{changes:?}");
        assert!(value(&back, "error_description").len() > 20);
        // Also for whoever has filled the form in: nobody is signed in for it.
        let reply = door.authorizes(&phone, &request(&[changes])).await;
        assert_eq!(value(&came_back(&reply), "error"), wanted);
    }
    let long = "a".repeat(5000);
    let back = came_back(&door.get(&request(&[("state", &long)]), "").await);
    assert_eq!((value(&back, "error"), value(&back, "state")), ("invalid_request", ""));
    let long = "a".repeat(9000);
    assert_eq!(door.get(&request(&[("x-more", &long)]), "").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(door.sessions().await, 0);
}

#[tokio::test]
async fn nobody_is_signed_in_by_another_sites_form_or_a_wrong_proof() {
    let (door, phone) = with_ana().await;
    let asked = request(&[]);
    let code = door.fresh_code(&phone);
    let typed = form(&[("username", "ana"), ("password", PASSWORD), ("code", &code)]);
    for foreign in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("origin", "null")] {
        let reply = door.send("POST", &asked, &[foreign], typed.clone()).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{foreign:?}");
    }
    let wrong = door.post(&asked, "", &[("username", "<ana>"), ("password", "wrong one"), ("code", "123456")]).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.text.contains("is not right") && wrong.text.contains("&#60;ana&#62;"));
    assert!(
        !wrong.text.contains("wrong one") && !wrong.text.contains("123456") && wrong.headers.get("location").is_none()
    );
    for _ in 0..10 {
        door.post(&asked, "", &[("username", "ana"), ("password", "x"), ("code", "1")]).await;
    }
    let wait = door.post(&asked, "", &[("username", "ana"), ("password", "x"), ("code", "1")]).await;
    assert_eq!(wait.status, StatusCode::TOO_MANY_REQUESTS, "the same counters as everywhere");
    assert_eq!(door.sessions().await, 0);
}

#[tokio::test]
async fn a_program_gets_what_it_asked_for_and_no_more_later() {
    let (door, phone) = with_ana().await;
    let few = "https://graph.microsoft.com/User.Read openid";
    let page = door.get(&request(&[("scope", few), ("client_id", STRANGER)]), "").await;
    assert!(page.text.contains("is not known here") && page.text.contains("User.Read"), "{}", page.text);

    let code = door.code(&phone, &request(&[("scope", few)])).await;
    let answer = door.fetches(&code, &[]).await.json();
    assert!(answer.get("refresh_token").is_none(), "it did not ask for offline_access");
    assert_eq!(claims(&answer["access_token"])["scp"], "User.Read openid");

    let some = "https://graph.microsoft.com/User.Read https://graph.microsoft.com/Group.Read.All offline_access";
    let code = door.code(&phone, &request(&[("scope", some)])).await;
    let answer = door.fetches(&code, &[]).await.json();
    assert!(answer.get("id_token").is_none(), "it did not ask for openid");
    let refresh = &answer["refresh_token"];
    let more = [("client_id", TOOLS), ("scope", "https://graph.microsoft.com/User.ReadWrite.All")];
    assert_eq!(error(&door.refreshes(refresh, &more).await), "interaction_required");
    for other in [&[("client_id", STRANGER)][..], &[]] {
        assert_eq!(error(&door.refreshes(refresh, other).await), "invalid_grant", "another program's: {other:?}");
    }
    let other = [("client_id", TOOLS), ("scope", "https://vault.azure.net/.default")];
    assert_eq!(error(&door.refreshes(refresh, &other).await), "invalid_target");
    // None of these used the token up.
    let fewer = [("client_id", TOOLS), ("scope", "User.Read")];
    let next = door.refreshes(refresh, &fewer).await.json();
    assert_eq!(claims(&next["access_token"])["scp"], "User.Read");
    let narrow = next["access_token"].clone();
    let all = [("client_id", TOOLS), ("scope", "https://graph.microsoft.com/.default")];
    let next = door.refreshes(&next["refresh_token"], &all).await.json();
    assert_eq!(claims(&next["access_token"])["scp"], "User.Read Group.Read.All offline_access");
    // Another process of the same program may bring it at the same time.
    assert!(door.refreshes(refresh, &fewer).await.status.is_success());
    assert_eq!(error(&door.refreshes(refresh, &[("client_id", STRANGER)]).await), "invalid_grant");
    assert!(door.me(&next["access_token"]).await.status.is_success());
    let code = door.fresh_code(&phone);
    let fields = [("access_token", narrow.as_str().unwrap()), ("otp", &*code)];
    let raised = door.token(&[&[("grant_type", "urn:writ:params:grant:step-up")][..], &fields].concat()).await.json();
    assert_eq!(claims(&raised["access_token"])["scp"], "User.Read", "a proof gives no permission back");
    // Half a minute later, a used one ends everything, whoever brings it.
    assert_eq!(error(&door.refreshes(refresh, &[("client_id", STRANGER)]).await), "invalid_grant");
    assert_eq!(door.me(&next["access_token"]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn whoever_is_signed_in_with_the_browser_goes_on_with_one_press() {
    let (door, phone) = with_ana().await;
    let first = door.authorizes(&phone, &request(&[])).await;
    let cookie = first.cookie();
    assert!(first.header("set-cookie").ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"));
    let proved = door.house.now();
    door.clock.advance(Span::from_hours(2));
    // Clients ask twice in a row; a one-time code works once.
    let asked = request(&[("client_id", STRANGER)]);
    let page = door.get(&asked, &cookie).await;
    assert!(page.text.contains("Go on as Ana"), "{}", page.text);
    let reply = door.post(&asked, &cookie, &[("key", &page.field("key"))]).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.text);
    assert!(reply.headers.get("set-cookie").is_none());
    let code = value(&came_back(&reply), "code").to_owned();
    let answer = door.fetches(&code, &[("client_id", STRANGER)]).await.json();
    let access = claims(&answer["access_token"]);
    // The proof is as old as it is, for the program too, and it ends with what it came from.
    assert_eq!((&access["mfa_time"], &access["auth_time"]), (&json!(proved.seconds()), &json!(proved.seconds())));
    let sessions = door.house.identity.sessions_of(ANA).await.unwrap();
    assert!(sessions.iter().all(|session| session.ends == sessions[0].ends));
    assert_eq!(access["amr"], json!(["pwd", "otp", "mfa"]));
    assert_eq!(door.noted().await.last(), Some(&(SignIn::Succeeded, Uuid::parse_str(STRANGER).ok())));
    // Whoever asks past the page for a context gets none: nothing was proved.
    let browser = sessions.iter().find(|session| session.door == session::Door::Page).unwrap();
    let wish = scopes::Wish { contexts: vec!["c1".into()], client: Some(Uuid::nil()), ..scopes::wish("").unwrap() };
    let challenge = Sha256::digest(VERIFIER).into();
    let how = crate::identity::handover::Collect::WithCode { redirect: BACK.into(), challenge };
    let (identity, from) = (&door.house.identity, super::devices::from(std::net::Ipv4Addr::LOCALHOST));
    let code = identity.for_program(browser, wish, how, &from).await.unwrap().unwrap();
    let issued = identity.with_code(code.value(), Uuid::nil(), BACK, VERIFIER, &from).await.unwrap();
    assert_eq!(claims(&json!(issued.access.as_str()))["acrs"], Json::Null);

    // Not by another site's page, not by somebody else's form, not without the cookie, not after signing out.
    let (key, none) = (page.field("key"), String::new());
    let foreign = [("cookie", &*cookie), ("sec-fetch-site", "cross-site")];
    assert_eq!(door.send("POST", &asked, &foreign, form(&[("key", &key)])).await.status, StatusCode::FORBIDDEN);
    for (cookie, key) in [(&cookie, "another"), (&none, &*key)] {
        let reply = door.post(&asked, cookie, &[("key", key)]).await;
        assert!(reply.status == StatusCode::UNAUTHORIZED && reply.headers.get("location").is_none(), "{}", reply.text);
    }
    // Not where a proof of this moment is wanted, nor for somebody else: then nobody is offered it, and it does not work.
    let claim = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    for change in [("claims", claim), ("prompt", "login"), ("max_age", "0"), ("login_hint", "dana@northwind.example")] {
        let asked = request(&[change]);
        assert!(!door.get(&asked, &cookie).await.text.contains("Go on as"), "{change:?}");
        let reply = door.post(&asked, &cookie, &[("key", &key)]).await;
        assert!(reply.status == StatusCode::UNAUTHORIZED && reply.headers.get("location").is_none(), "{change:?}");
    }
    let account = door.get("/account", &cookie).await;
    door.post("/signout", &cookie, &[("key", &account.field("key"))]).await;
    let reply = door.post(&asked, &cookie, &[("key", &key)]).await;
    assert!(reply.status == StatusCode::UNAUTHORIZED && reply.text.contains("any more"), "{}", reply.text);
    assert!(!door.get(&asked, &cookie).await.text.contains("Go on as"));
}

#[tokio::test]
async fn somebody_who_presses_without_end_keeps_nobody_else_out() {
    let (door, phone) = with_ana().await;
    let cookie = door.authorizes(&phone, &request(&[])).await.cookie();
    let key = door.get(&request(&[]), &cookie).await.field("key");
    let presses = || async { door.post(&request(&[]), &cookie, &[("key", &key)]).await };
    let mut pressed = 1;
    while presses().await.status == StatusCode::SEE_OTHER {
        pressed += 1;
        assert!(pressed <= 50, "as many as she can have sessions");
    }
    let busy = presses().await;
    assert!(busy.status == StatusCode::SERVICE_UNAVAILABLE && !busy.text.contains("any more"), "{}", busy.text);
    door.clock.advance(Span::from_seconds(60));
    door.house.identity.tend().await.unwrap();
    assert_eq!(presses().await.status, StatusCode::SEE_OTHER);

    // What she may change by the API is spent, and each press is on record too.
    let (limits, one) = (Limits::graph(10), Cost { units: 1, changes: 1 });
    while door.throttle.charge(ANA, Kind::Write, one, limits, false, door.house.now()).wait.is_none() {}
    let before = door.noted().await.len();
    let wait = presses().await;
    assert_eq!(wait.status, StatusCode::TOO_MANY_REQUESTS, "{}", wait.text);
    assert!(!wait.header("retry-after").is_empty() && wait.text.contains("very many programs"));
    assert_eq!(door.noted().await.len(), before);
}

#[tokio::test]
async fn what_is_not_here_is_left_out_and_named() {
    let (door, phone) = with_ana().await;
    let asked = request(&[("scope", "User.Read Mail.Send openid")]);
    assert!(door.get(&asked, "").await.text.contains("does not get it: Mail.Send"));
    let code = door.code(&phone, &asked).await;
    let answer = door.fetches(&code, &[]).await.json();
    assert_eq!(answer["scope"], "User.Read openid");
    // Unknown ones alone give nothing; they never stand for all.
    let alone = request(&[("scope", "Mail.Send openid offline_access")]);
    let page = door.get(&alone, "").await.text;
    assert!(page.contains("may do nothing here") && !page.contains("whatever you may"), "{page}");
    assert!(door.get(&request(&[]), "").await.text.contains("whatever you may"));
    let code = door.code(&phone, &alone).await;
    let answer = door.fetches(&code, &[]).await.json();
    assert_eq!(claims(&answer["access_token"])["scp"], "openid offline_access");
    assert_eq!(door.me(&answer["access_token"]).await.status, StatusCode::FORBIDDEN);
    let wider = [("client_id", TOOLS), ("scope", "https://graph.microsoft.com/.default")];
    let next = door.refreshes(&answer["refresh_token"], &wider).await.json();
    assert_eq!(claims(&next["access_token"])["scp"], "openid offline_access");
}

#[tokio::test]
async fn a_claims_challenge_is_met_by_signing_in_again() {
    let (door, phone) = with_ana().await;
    let claim = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"},"xms_cc":{"values":["CP1"]}}}"#;
    let code = door.code(&phone, &request(&[("claims", claim)])).await;
    let answer = door.fetches(&code, &[("claims", claim)]).await.json();
    assert_eq!(claims(&answer["access_token"])["acrs"], json!(["c1"]));
    let silent = [("client_id", TOOLS), ("claims", claim)];
    assert_eq!(error(&door.refreshes(&answer["refresh_token"], &silent).await), "interaction_required");
    let next = door.refreshes(&answer["refresh_token"], &[("client_id", TOOLS)]).await.json();
    assert_eq!(claims(&next["access_token"])["acrs"], Json::Null);
    // The program cannot add one by itself.
    let code = door.code(&phone, &request(&[])).await;
    let answer = door.fetches(&code, &[("claims", claim)]).await.json();
    assert_eq!(claims(&answer["access_token"])["acrs"], Json::Null);
}

#[tokio::test]
async fn somebody_goes_back_without_signing_in_and_an_emergency_account_signs_in() {
    let (door, _phone) = with_ana().await;
    let page = door.get(&request(&[]), "").await;
    let link = page.text.split("href=\"http").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    let back = read(link.split_once('?').unwrap().1);
    assert_eq!(value(&back, "error"), "access_denied");
    let page = door.get(&request(&[("response_mode", "form_post")]), "").await;
    assert_eq!(page.field("error"), "access_denied");

    let glass = &door.house.founded.emergency[0];
    let asked = format!("{}&emergency", request(&[]));
    let reply = door.post(&asked, "", &[("username", &*glass.upn), ("secret", glass.secret.shown())]).await;
    let answer = door.fetches(value(&came_back(&reply), "code"), &[]).await.json();
    assert_eq!(door.me(&answer["access_token"]).await.json()["id"], glass.principal.to_string());
    assert!(answer.get("refresh_token").is_none(), "an emergency account's session is not renewed");
    let typed = [("username", "ana"), ("secret", glass.secret.shown())];
    assert_eq!(door.post(&asked, "", &typed).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_disabled_account_gets_nothing_for_a_code_it_had_before() {
    let (door, phone) = with_ana().await;
    let code = door.code(&phone, &request(&[])).await;
    door.house.disable(ANA).await;
    assert_eq!(error(&door.fetches(&code, &[]).await), "invalid_grant");
    // Nor does a session wait for the day the account is enabled again, but the browser's own.
    assert_eq!(door.house.vault.list(vault::Kind::Session, None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn whoever_ends_the_session_before_its_tokens_are_fetched_has_ended_it() {
    let (door, phone) = with_ana().await;
    let reply = door.authorizes(&phone, &request(&[])).await;
    let (cookie, back) = (reply.cookie(), came_back(&reply));
    let sessions = door.house.identity.sessions_of(ANA).await.unwrap();
    let programs = sessions.iter().find(|session| session.app.is_some()).unwrap().id.to_string();
    let key = door.get("/account", &cookie).await.field("key");
    let ended = door.post("/account/sessions", &cookie, &[("key", &key), ("session", &programs)]).await;
    assert!(ended.status.is_redirection(), "{}", ended.text);
    assert_eq!(error(&door.fetches(value(&back, "code"), &[]).await), "invalid_grant");
    assert_eq!((door.sessions().await, door.programs().await), (1, 0));
}

#[test]
fn every_scope_that_is_known_can_be_asked_for_here() {
    for scope in scopes::ALL {
        assert!(scopes::wish(scope).is_ok());
    }
}

/// Any text in any parameter; the same texts in each run.
#[tokio::test]
async fn no_request_makes_it_fail_or_leads_elsewhere() {
    use proptest::strategy::{Strategy, ValueTree};
    let (door, _phone) = with_ana().await;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let names = ["redirect_uri", "state", "scope", "claims", "response_mode", "client_id", "login_hint", "nonce"];
    for _ in 0..300 {
        let texts = ("[a-z_=&%0-9:/.<>\"' ]{0,200}", 0..names.len(), "(http://localhost)?.{0,60}");
        let (query, name, value) = texts.new_tree(&mut runner).unwrap().current();
        let odd = format!("/{TENANT}/oauth2/v2.0/authorize?{}", query.replace(['<', '>', '"', ' ', '\''], "+"));
        for asked in [request(&[(names[name], &value)]), odd] {
            let reply = door.get(&asked, "").await;
            assert!(!reply.status.is_server_error(), "{asked}");
            let at = reply.header("location");
            let here = at.is_empty()
                || at.starts_with("http://localhost")
                    && super::super::authorize::request::loopback(at.split(['?', '#']).next().unwrap()).is_some();
            assert!(here, "{asked} {at}");
        }
    }
}

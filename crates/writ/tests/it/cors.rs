//! Pages of other sites, as a browser lets them call: Graph's routes answer them as they answer any other stranger, and no
//! other route says anything to them.

use crate::elevation::activation;
use crate::house::{ANA, Client, DANA, House, Reply, TENANT};
use serde_json::json;

const PAGE: &str = "https://tools.example.net";
const REQUESTS: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";

/// What Microsoft's SDKs, and tools around them, send beside what a page may always send.
const SENT: &str = "authorization,client-request-id,consistencylevel,content-type,if-match,prefer,\
    return-client-request-id,sdkversion,x-ms-command-name,cache-control,x-made-up-by-this-page";

/// The headers by which a browser is told what pages of other sites may do.
fn told(reply: &Reply) -> Vec<String> {
    let cors = reply.headers.iter().filter(|(name, _)| name.as_str().starts_with("access-control-"));
    let mut told: Vec<String> =
        cors.map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII"))).collect();
    told.sort();
    told
}

async fn preflight(client: &Client, method: &str, path: &str, headers: &str) -> Reply {
    let sent = [
        ("origin", PAGE),
        ("access-control-request-method", method),
        ("access-control-request-headers", headers),
        ("access-control-request-private-network", "true"),
    ];
    client.send_with(&sent, "OPTIONS", path, "").await
}

#[tokio::test]
async fn a_page_of_any_site_is_told_that_it_may_call_graph_and_not_what_is_there() {
    let house = House::new().await;
    let nobody = house.client(None);
    for path in ["/v1.0", "/v1.0/me", REQUESTS, "/beta/nothing/there", "/v1.0/$batch", "/v1.0/%FF", "/writ/v1/changes"]
    {
        for method in ["GET", "POST", "PATCH", "DELETE"] {
            let reply = preflight(&nobody, method, path, SENT).await;
            let wanted = [
                format!("access-control-allow-headers: {SENT}"),
                "access-control-allow-methods: GET,POST,PATCH,PUT,DELETE".to_owned(),
                "access-control-allow-origin: *".to_owned(),
                "access-control-max-age: 7200".to_owned(),
            ];
            assert_eq!((reply.status.as_u16(), told(&reply)), (200, wanted.to_vec()), "{}", reply.asked);
            assert!(reply.text.is_empty() && reply.headers.contains_key("request-id"), "{}", reply.asked);
        }
    }
}

#[tokio::test]
async fn preflights_cost_no_budget_and_repeat_no_more_than_was_sent() {
    let house = House::new().await;
    let (ana, nobody) = (house.signed_in(ANA).await, house.client(None));
    for _ in 0..10_000 {
        assert_eq!(preflight(&ana, "GET", "/v1.0/me", "authorization").await.status, 200);
    }
    ana.get("/v1.0/me").await.is(200);
    let long = "x".repeat(8_000);
    let reply = preflight(&nobody, "GET", "/v1.0/me", &long).await;
    let size: usize = reply.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    assert!(size < long.len() + 1_000, "{size}");
    assert!(!format!("{:?}", house.engine.state().open).contains("xxx"));
}

#[tokio::test]
async fn the_page_that_asked_can_read_every_answer_and_what_it_says_beside_its_body() {
    let house = House::new().await;
    let (ana, dana, nobody) = (house.signed_in(ANA).await, house.signed_in(DANA).await, house.client(None));
    let narrow = house.signed_in_with(ANA, &["User.Read"], true).await;
    let page: &[(&str, &str)] = &[("origin", PAGE), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")];
    let long = "9".repeat(12);
    let mut too_long = page.to_vec();
    too_long.push(("content-length", &long));
    let mut xml = page.to_vec();
    xml.push(("accept", "application/xml"));
    let id = ana.post(REQUESTS, activation("PT1H")).await.is(201)["id"].as_str().expect("an id").to_owned();
    let cancel = format!("{REQUESTS}/{id}/cancel");
    let batch = json!({"requests": [{"id": "1", "method": "GET", "url": "/me"}]}).to_string();
    let user = json!({"accountEnabled": true, "displayName": "Flo", "userPrincipalName": "flo@northwind.example"});
    let answers = [
        (200, &ana, page, "GET", "/v1.0/me", ""),
        (200, &ana, page, "POST", "/v1.0/$batch", batch.as_str()),
        (201, &dana, page, "POST", "/v1.0/users", &user.to_string()),
        (204, &ana, page, "POST", &cancel, ""),
        (400, &ana, page, "GET", "/v1.0/users?$filter=)", ""),
        (401, &nobody, page, "GET", "/v1.0/me", ""),
        (401, &nobody, page, "GET", "/beta/nothing/there", ""),
        (401, &nobody, page, "GET", "/writ/v1/changes", ""),
        (403, &narrow, page, "GET", REQUESTS, ""),
        (403, &narrow, page, "GET", "/writ/v1/changes", ""),
        (404, &ana, page, "GET", "/v1.0/users/00000000-0000-0000-0000-00000000dead", ""),
        (405, &ana, page, "PUT", "/v1.0/users", "{}"),
        (405, &ana, page, "POST", "/writ/v1/changes", "{}"),
        (413, &ana, &too_long, "POST", REQUESTS, ""),
    ];
    let may_read = |reply: &Reply| {
        let told = told(reply);
        assert_eq!(told.len(), 2, "{}: {told:?}", reply.asked);
        assert_eq!(told[0], "access-control-allow-origin: *", "{}", reply.asked);
        for name in ["request-id", "client-request-id", "retry-after", "www-authenticate", "x-ms-throttle-information"]
        {
            assert!(told[1].split([' ', ',']).any(|n| n == name), "{name}: {}", told[1]);
        }
    };
    for (status, who, headers, method, path, body) in answers {
        let reply = who.send_with(headers, method, path, body).await;
        assert_eq!(reply.status.as_u16(), status, "{}: {}", reply.asked, reply.text);
        may_read(&reply);
    }
    let not_json = ana.send_with(&xml, "GET", "/v1.0/me", "").await;
    assert!(not_json.status.is_client_error(), "{}", not_json.status);
    may_read(&not_json);
    let spent = loop {
        let reply = ana.send_with(page, "GET", "/v1.0/organization", "").await;
        if reply.status != 200 {
            break reply;
        }
    };
    assert_eq!((spent.status.as_u16(), spent.headers.contains_key("retry-after")), (429, true));
    may_read(&spent);
    let stream = dana.open(page, "/writ/v1/changes").await;
    assert_eq!(stream.headers()["access-control-allow-origin"], "*", "the stream of changes too");
    assert!(!stream.headers().contains_key("access-control-allow-credentials"));
}

#[tokio::test]
async fn no_other_route_says_anything_to_pages_of_other_sites() {
    let house = House::new().await;
    let (dana, nobody) = (house.signed_in(DANA).await, house.client(None));
    let token = format!("/{TENANT}/oauth2/v2.0/token");
    let keys = format!("/{TENANT}/discovery/v2.0/keys");
    let configuration = format!("/{TENANT}/v2.0/.well-known/openid-configuration");
    let own: Vec<&str> = include_str!("callers_own.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().last())
        .collect();
    assert!(own.len() > 15, "{own:?}");
    let pages = ["/", "/signin", "/signout", "/account", "/account/sessions", "/enrol", "/static/writ.css"];
    let agents = ["/agent/v1/enrol", "/agent/v1/orders", "/agent/v1/reports"];
    let nowhere = ["/nowhere", "/v1.0x", "/v2.0/me", "//v2.0/me", "/writ/v1/changes/x", "/writ/v1", "/signin/v1.0/me"];
    let described = [token.as_str(), keys.as_str(), configuration.as_str()];
    for path in own.into_iter().chain(pages).chain(agents).chain(nowhere).chain(described) {
        for client in [&nobody, &dana] {
            let asked = preflight(client, "POST", path, "authorization,content-type").await;
            assert!(!asked.status.is_success(), "{}: {}", asked.asked, asked.status);
            let mut replies = vec![asked];
            for method in ["GET", "POST", "DELETE"] {
                replies.push(client.send_with(&[("origin", PAGE)], method, path, "{}").await);
            }
            for reply in replies {
                assert_eq!(told(&reply), Vec::<String>::new(), "{}", reply.asked);
            }
        }
    }
}

/// Somebody signed in at a page of Writ's own visits a page of an attacker's, in a browser that sends cookies along.
#[tokio::test]
async fn a_cookie_opens_nothing_that_a_page_of_another_site_may_call() {
    let house = House::new().await;
    let cookie = house.cookie(DANA).await;
    let nobody = house.client(None);
    let own = nobody.send_with(&[("cookie", &cookie)], "GET", "/account", "").await;
    assert_eq!(own.status, 200, "the cookie is good: {}", own.text);
    let (before, head) = (house.rights(), house.engine.head());
    let attack = json!({"accountEnabled": true, "displayName": "Mallory", "userPrincipalName": "m@northwind.example"});
    for origin in [PAGE, "http://localhost", "null"] {
        let sent = [("cookie", cookie.as_str()), ("origin", origin)];
        for (method, path) in [
            ("GET", "/v1.0/me"),
            ("POST", "/v1.0/users"),
            ("POST", "/v1.0/$batch"),
            ("POST", REQUESTS),
            ("GET", "/writ/v1/changes"),
        ] {
            let reply = nobody.send_with(&sent, method, path, attack.to_string()).await;
            assert!(reply.refused().starts_with("401 InvalidAuthenticationToken: "), "{}", reply.text);
            assert!(!reply.headers.contains_key("access-control-allow-credentials"), "{}", reply.asked);
            assert!(!reply.headers.contains_key("set-cookie"), "{}", reply.asked);
        }
    }
    assert!(house.rights() == before && house.engine.head() == head);
}

//! Policies over Graph's API: what a role's rules are from the start, and everything a PATCH may and may not say.

use crate::elevation::activation;
use crate::errors::with;
use crate::house::{ANA, BEN, CARLA, Client, DANA, EVE, House, ROOT, SECURITY, TENANT};
use serde_json::{Value as Json, json};
use writ_core::role;

pub(crate) const POLICIES: &str = "/v1.0/policies/roleManagementPolicies";
const NOBODY: &str = "00000000-0000-0000-0000-00000000dead";
const REQUESTS: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
/// Reports Reader: a role with everyday rules.
pub(crate) const READER: &str = "4a5d8f65-41da-4de4-8968-e035b65339cf";
/// Exchange Administrator: not privileged in Entra, and it administers mail.
pub(crate) const EXCHANGE: &str = "29232cdf-9323-42fd-ade2-1d097af3e4de";

pub(crate) fn policy(role: &str) -> String {
    format!("DirectoryRole_{TENANT}_{role}")
}

async fn rules(who: &Client, role: &str) -> Vec<Json> {
    who.get(&format!("{POLICIES}/{}/rules", policy(role))).await.list()
}

pub(crate) fn named<'a>(rules: &'a [Json], id: &str) -> &'a Json {
    rules.iter().find(|rule| rule["id"] == id).unwrap_or_else(|| panic!("no rule {id}"))
}

/// A rule without what all rules have.
fn bare(rule: &Json) -> Json {
    let mut bare = rule.clone();
    bare.as_object_mut()
        .expect("an object")
        .retain(|name, _| !["@odata.type", "id", "target"].contains(&name.as_str()));
    bare
}

/// Entra's rules of a role that is not privileged, as the live service has them: id, caller, level, and what it says.
fn entras(mfa: bool) -> Vec<(&'static str, &'static str, &'static str, Json)> {
    let note = |recipient: &str| {
        json!({"notificationType": "Email", "recipientType": recipient, "notificationLevel": "All",
               "isDefaultRecipientsEnabled": true, "notificationRecipients": []})
    };
    let stage = json!({
        "approvalStageTimeOutInDays": 1, "isApproverJustificationRequired": true, "escalationTimeInMinutes": 0,
        "isEscalationEnabled": false, "primaryApprovers": [], "escalationApprovers": [],
    });
    let enabled = if mfa { json!(["MultiFactorAuthentication", "Justification"]) } else { json!(["Justification"]) };
    let (a, e, s, u) = ("Admin", "Eligibility", "Assignment", "EndUser");
    vec![
        ("Expiration_Admin_Eligibility", a, e, json!({"isExpirationRequired": false, "maximumDuration": "P365D"})),
        ("Enablement_Admin_Eligibility", a, e, json!({"enabledRules": []})),
        ("Notification_Admin_Admin_Eligibility", a, e, note("Admin")),
        ("Notification_Requestor_Admin_Eligibility", a, e, note("Requestor")),
        ("Notification_Approver_Admin_Eligibility", a, e, note("Approver")),
        ("Expiration_Admin_Assignment", a, s, json!({"isExpirationRequired": false, "maximumDuration": "P180D"})),
        ("Enablement_Admin_Assignment", a, s, json!({"enabledRules": ["Justification"]})),
        ("Notification_Admin_Admin_Assignment", a, s, note("Admin")),
        ("Notification_Requestor_Admin_Assignment", a, s, note("Requestor")),
        ("Notification_Approver_Admin_Assignment", a, s, note("Approver")),
        ("Expiration_EndUser_Assignment", u, s, json!({"isExpirationRequired": true, "maximumDuration": "PT8H"})),
        ("Enablement_EndUser_Assignment", u, s, json!({"enabledRules": enabled})),
        (
            "Approval_EndUser_Assignment",
            u,
            s,
            json!({"setting": {
                "isApprovalRequired": false, "isApprovalRequiredForExtension": false,
                "isRequestorJustificationRequired": true, "approvalMode": "SingleStage", "approvalStages": [stage],
            }}),
        ),
        ("AuthenticationContext_EndUser_Assignment", u, s, json!({"isEnabled": false, "claimValue": null})),
        ("Notification_Admin_EndUser_Assignment", u, s, note("Admin")),
        ("Notification_Requestor_EndUser_Assignment", u, s, note("Requestor")),
        ("Notification_Approver_EndUser_Assignment", u, s, note("Approver")),
    ]
}

#[tokio::test]
async fn with_entras_rules_every_role_has_entras_seventeen_in_entras_order() {
    let house = House::with_entras_rules().await;
    let dana = house.signed_in(DANA).await;
    for role in role::built_in().iter().filter(|role| role.id != ROOT) {
        let told = rules(&dana, &role.id.to_string()).await;
        let wanted = entras(role.privileged());
        assert_eq!(told.len(), 17);
        for (rule, (id, caller, level, says)) in told.iter().zip(wanted) {
            assert_eq!((&rule["id"], &bare(rule)), (&json!(id), &says), "{}", role.name);
            let target = json!({
                "caller": caller, "level": level, "operations": ["all"], "inheritableSettings": [], "enforcedSettings": [],
            });
            assert_eq!(rule["target"], target);
            let kind = id.split('_').next().expect("a kind");
            assert_eq!(rule["@odata.type"], format!("#microsoft.graph.unifiedRoleManagementPolicy{kind}Rule"));
        }
    }
}

#[tokio::test]
async fn the_three_tiers_differ_in_four_rules_and_no_policy_says_it_was_edited() {
    let house = House::unmetered().await;
    let dana = house.signed_in(DANA).await;
    let list =
        format!("{POLICIES}?$filter=scopeId eq '/' and scopeType eq 'DirectoryRole'&$expand=rules,effectiveRules");
    let all = dana.get(&list).await.list();
    assert_eq!(all.len(), 145, "one for every role");
    let mut seen = std::collections::BTreeMap::new();
    for one in &all {
        let edited = one["id"] == policy(&ROOT.to_string());
        assert_eq!(one["lastModifiedDateTime"].is_null(), !edited, "{one}");
        assert_eq!(one["lastModifiedBy"].is_null(), !edited);
        assert_eq!(one["isOrganizationDefault"], false);
        assert_eq!((&one["displayName"], &one["description"]), (&json!("DirectoryRole"), &json!("DirectoryRole")));
        assert_eq!(one["rules"], one["effectiveRules"]);
        let told = one["rules"].as_array().expect("rules");
        for (rule, (id, _, _, says)) in told.iter().zip(entras(true)) {
            assert_eq!(rule["id"], id);
            let differs =
                ["Expiration_EndUser_Assignment", "Enablement_EndUser_Assignment", "Approval_EndUser_Assignment"];
            if !differs.contains(&id) {
                assert_eq!(bare(rule), says);
            }
        }
        let span = named(told, "Expiration_EndUser_Assignment")["maximumDuration"].to_string();
        let asks = named(told, "Enablement_EndUser_Assignment")["enabledRules"].to_string();
        let approval = named(told, "Approval_EndUser_Assignment")["setting"]["isApprovalRequired"].to_string();
        *seen.entry(format!("{span} {asks} {approval}")).or_insert(0) += 1;
    }
    let told: Vec<String> = seen.into_keys().collect();
    assert_eq!(
        told,
        [
            r#""PT2H" ["MultiFactorAuthentication","Justification","Ticketing"] true"#,
            r#""PT4H" ["MultiFactorAuthentication","Justification"] true"#,
            r#""PT8H" ["MultiFactorAuthentication","Justification"] false"#,
        ]
    );
    let fresh = dana.get(&format!("{POLICIES}/{}/writ.rules", policy(READER))).await.is(200);
    assert_eq!((&fresh["tier"], &fresh["mfaMaximumAge"]), (&json!("routine"), &json!("PT5M")));
    let custom = json!({"displayName": "Readers of names", "rolePermissions": [{"allowedResourceActions": ["microsoft.directory/users/standard/read"]}]});
    let custom = dana.post("/v1.0/roleManagement/directory/roleDefinitions", custom).await.is(201);
    let custom = custom["id"].as_str().expect("an id");
    assert_eq!(rules(&dana, custom).await.len(), 17, "custom ones too");
    dana.delete(&format!("/v1.0/roleManagement/directory/roleDefinitions/{custom}")).await.is(204);
    assert!(
        dana.get(&format!("{POLICIES}/{}", policy(custom))).await.refused().starts_with("404 "),
        "gone with the role"
    );
}

/// The body of a rule that says this.
pub(crate) fn body(rule: &str, says: Json) -> Json {
    let kind = rule.split('_').next().expect("a kind");
    with(json!({"@odata.type": format!("#microsoft.graph.unifiedRoleManagementPolicy{kind}Rule")}), says)
}

#[tokio::test]
async fn what_one_rule_can_be_changed_to_and_what_not() {
    let house = House::unmetered().await;
    let dana = house.signed_in(DANA).await;
    let (span, asks, context) =
        ("Expiration_EndUser_Assignment", "Enablement_EndUser_Assignment", "AuthenticationContext_EndUser_Assignment");
    let note = "Notification_Approver_EndUser_Assignment";
    let many = |n: usize| (0..n).map(|n| format!("soc{n}@northwind.example")).collect::<Vec<_>>();
    let target = |caller: &str, level: &str, operation: &str| json!({"target": {"caller": caller, "level": level, "operations": [operation]}});
    for (rule, says, wanted) in [
        (span, json!({"maximumDuration": "PT5M"}), 204),
        (span, json!({"maximumDuration": "PT1H45M"}), 204),
        (span, json!({"maximumDuration": "P1D"}), 204),
        (span, json!({"maximumDuration": "PT24H1S"}), 400),
        (span, json!({"maximumDuration": "PT4M59S"}), 400),
        (span, json!({"maximumDuration": "P1Y"}), 400),
        (span, json!({"maximumDuration": "PT0S"}), 400),
        (span, json!({"maximumDuration": 8}), 400),
        (span, json!({"isExpirationRequired": true}), 204),
        (span, json!({"isExpirationRequired": false}), 400),
        (span, json!({"enabledRules": []}), 400),
        (span, json!({"id": span}), 204),
        (span, json!({"id": asks}), 400),
        (span, target("EndUser", "Assignment", "All"), 204),
        (span, target("enduser", "assignment", "all"), 204),
        (span, target("Admin", "Assignment", "all"), 400),
        (span, target("EndUser", "Eligibility", "all"), 400),
        (span, target("EndUser", "Assignment", "renew"), 400),
        ("Expiration_Admin_Eligibility", json!({"isExpirationRequired": true, "maximumDuration": "P1000D"}), 204),
        ("Expiration_Admin_Eligibility", json!({"maximumDuration": "PT1M"}), 400),
        (asks, json!({"enabledRules": ["multifactorauthentication", "JUSTIFICATION", "Ticketing"]}), 204),
        (asks, json!({"enabledRules": ["Justification", "Justification"]}), 204),
        (asks, json!({"enabledRules": []}), 204),
        (asks, json!({"enabledRules": ["Coffee"]}), 400),
        (asks, json!({"enabledRules": "Justification"}), 400),
        (context, json!({"isEnabled": true, "claimValue": "c1"}), 204),
        (context, json!({"isEnabled": true, "claimValue": "c99"}), 204),
        (context, json!({"isEnabled": true, "claimValue": "c0"}), 400),
        (context, json!({"isEnabled": true, "claimValue": "c01"}), 400),
        (context, json!({"isEnabled": true, "claimValue": "c100"}), 400),
        (context, json!({"isEnabled": true, "claimValue": ""}), 400),
        (context, json!({"isEnabled": false, "claimValue": null}), 400),
        (note, json!({"notificationLevel": "critical", "isDefaultRecipientsEnabled": false}), 204),
        (note, json!({"notificationLevel": "Loud"}), 400),
        (note, json!({"notificationType": "Email", "recipientType": "Approver"}), 204),
        (note, json!({"notificationType": "Pigeon"}), 400),
        (note, json!({"recipientType": "Admin"}), 400),
        (note, json!({"notificationRecipients": many(1000)}), 204),
        (note, json!({"notificationRecipients": many(1001)}), 400),
        (note, json!({"notificationRecipients": ["soc"]}), 400),
        (note, json!({"notificationRecipients": [""]}), 400),
        (note, json!({"notificationRecipients": [format!("{}@northwind.example", "x".repeat(254))]}), 400),
        (note, json!({"notificationRecipients": []}), 204),
        ("Expiration_Nobody_Assignment", json!({}), 404),
    ] {
        // `with` takes nulls out; what is sent as null must arrive as null.
        let mut sent = body(rule, json!({}));
        sent.as_object_mut().expect("an object").extend(says.as_object().expect("an object").clone());
        let reply = dana.patch(&format!("{POLICIES}/{}/rules/{rule}", policy(READER)), sent).await;
        let wanted = if says == json!({"isEnabled": false, "claimValue": null}) { 204 } else { wanted };
        assert_eq!(reply.status.as_u16(), wanted, "{rule} {says}: {}", reply.text);
    }
    let now = rules(&dana, READER).await;
    let says = |id: &str| bare(named(&now, id));
    assert_eq!(says(span), json!({"isExpirationRequired": true, "maximumDuration": "P1D"}));
    assert_eq!(says(asks), json!({"enabledRules": []}));
    assert_eq!(says(context), json!({"isEnabled": false, "claimValue": null}));
    assert_eq!(
        (&says(note)["notificationLevel"], &says(note)["isDefaultRecipientsEnabled"]),
        (&json!("Critical"), &json!(false))
    );

    let path = format!("{POLICIES}/{}/rules/{span}", policy(READER));
    let untyped = dana.patch(&path, json!({"maximumDuration": "PT1H"})).await.refused();
    assert_eq!(untyped, "400 BadRequest: A value is required for property '@odata.type'.");
    let other = dana.patch(&path, body("Enablement_X", json!({}))).await.refused();
    assert!(other.starts_with("400 BadRequest: The rule 'Expiration_EndUser_Assignment' is of type"), "{other}");
    let older = path.replace("DirectoryRole_", "Directory_");
    dana.patch(&older, body(span, json!({"maximumDuration": "PT3H"}))).await.is(204);
    let one = dana.get(&path).await.is(200);
    assert_eq!(one["maximumDuration"], "PT3H", "both prefixes name the same policy");
    let context = one["@odata.context"].as_str().expect("a context");
    assert!(
        context.ends_with(&format!("#policies/roleManagementPolicies('{}')/rules/$entity", policy(READER))),
        "{context}"
    );
    let list = dana.get(&format!("{POLICIES}/{}/rules", policy(READER))).await.is(200);
    let context = list["@odata.context"].as_str().expect("a context");
    assert!(context.ends_with(&format!("#policies/roleManagementPolicies('{}')/rules", policy(READER))), "{context}");
    for odd in ["x", READER, "Group_x_y"] {
        let said = dana.patch(&format!("{POLICIES}/{odd}/rules/{span}"), body(span, json!({}))).await.refused();
        assert!(said.starts_with(r#"400 UnknownError: {"errorCode":"MissingProvider""#), "{said}");
    }
}

#[tokio::test]
async fn approvers_are_users_and_groups_that_are_there() {
    let house = House::unmetered().await;
    let dana = house.signed_in(DANA).await;
    let path = format!("{POLICIES}/{}/rules/Approval_EndUser_Assignment", policy(EXCHANGE));
    let user =
        |id: String| json!({"@odata.type": "#microsoft.graph.singleUser", "userId": id, "description": "ignored"});
    let group = |id: String| json!({"@odata.type": "microsoft.graph.groupMembers", "id": id});
    let stages = |approvers: Vec<Json>| json!({"setting": {"isApprovalRequired": true, "approvalStages": [{"primaryApprovers": approvers}]}});
    for (approvers, wanted) in [
        (vec![user(BEN.to_string()), group(SECURITY.to_string()), user(BEN.to_string())], "204"),
        (vec![user(NOBODY.into())], "400 BadRequest: There is no principal 00000000-0000-0000-0000-00000000dead."),
        (vec![user(SECURITY.to_string())], "400 BadRequest: There is no principal"),
        (vec![group(BEN.to_string())], "400 BadRequest: There is no principal"),
        (
            vec![json!({"userId": BEN})],
            "400 BadRequest: A value is required for property 'setting/approvalStages[0]/primaryApprovers[0]/@odata.type'.",
        ),
        (
            vec![json!({"@odata.type": "#microsoft.graph.requestorManager", "managerLevel": 1})],
            "400 BadRequest: 'microsoft.graph.requestormanager' cannot be an approver",
        ),
        (vec![json!({"@odata.type": "#microsoft.graph.singleUser"})], "400 BadRequest: A value is required"),
    ] {
        let reply = dana.patch(&path, body("Approval_", stages(approvers))).await;
        let said = if reply.status == 204 { "204".to_owned() } else { reply.refused() };
        assert!(said.starts_with(wanted), "wanted {wanted}\n   got {said}");
    }
    let now = dana.get(&path).await.is(200)["setting"].clone();
    assert_eq!(
        now["approvalStages"][0]["primaryApprovers"],
        json!([
            {"@odata.type": "#microsoft.graph.singleUser", "userId": BEN, "description": "Ben Okafor"},
            {"@odata.type": "#microsoft.graph.groupMembers", "groupId": SECURITY, "description": "Security"},
        ]),
        "each once, under the names that the server knows"
    );
    for (setting, status) in [
        (json!({"approvalMode": "Serial", "approvalStages": [{}, {}, {}, {}, {}]}), 204),
        (json!({"approvalMode": "Serial", "approvalStages": [{}, {}, {}, {}, {}, {}]}), 400),
        (json!({"approvalMode": "ByLot"}), 400),
        (json!({"approvalStages": [{"approvalStageTimeOutInDays": -1}]}), 400),
        (json!({"approvalMode": "NoApproval", "isApprovalRequired": false, "approvalStages": []}), 204),
        (json!({"isApprovalRequired": true}), 204),
    ] {
        let reply = dana.patch(&path, body("Approval_", json!({"setting": setting}))).await;
        assert_eq!(reply.status.as_u16(), status, "{setting}: {}", reply.text);
    }
    let now = dana.get(&path).await.is(200)["setting"].clone();
    assert_eq!((&now["isApprovalRequired"], &now["approvalStages"][0]["primaryApprovers"]), (&json!(true), &json!([])));
}

#[tokio::test]
async fn several_rules_in_one_patch_change_together_or_not_at_all() {
    let house = House::unmetered().await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    let path = format!("{POLICIES}/{}", policy(READER));
    let span = |to: &str| {
        with(body("Expiration_", json!({"maximumDuration": to})), json!({"id": "Expiration_EndUser_Assignment"}))
    };
    let asks = |what: &str| {
        with(body("Enablement_", json!({"enabledRules": [what]})), json!({"id": "Enablement_EndUser_Assignment"}))
    };
    let before = house.rights();
    for bad in [
        json!({}),
        json!({"rules": []}),
        json!({"rules": [7]}),
        json!({"displayName": "Mine"}),
        json!({"rules": [{"id": "Expiration_EndUser_Assignment", "maximumDuration": "PT1H"}]}),
        json!({"rules": [span("PT1H"), asks("Coffee")]}),
        json!({"rules": [span("PT1H"), span("PT48H")]}),
        json!({"rules": [body("Expiration_", json!({"maximumDuration": "PT1H"}))]}),
    ] {
        assert!(dana.patch(&path, bad.clone()).await.refused().starts_with("400 BadRequest: "), "{bad}");
    }
    let unknown = json!({"rules": [span("PT1H"), with(span("PT1H"), json!({"id": "Expiration_Nobody"}))]});
    assert!(dana.patch(&path, unknown).await.refused().starts_with("404 "));
    assert!(ana.patch(&path, json!({"rules": [span("PT1H")]})).await.refused().starts_with("403 "));
    assert!(house.rights() == before, "nothing of it");
    let changed = dana.patch(&path, json!({"rules": [span("PT2H"), asks("Ticketing")]})).await.is(200);
    assert_eq!(
        (&changed["lastModifiedDateTime"], &changed["lastModifiedBy"]),
        (&json!("2026-11-21T09:00:00.000Z"), &json!({"displayName": "Dana Weiss", "id": null}))
    );
    let now = rules(&dana, READER).await;
    assert_eq!(bare(named(&now, "Enablement_EndUser_Assignment")), json!({"enabledRules": ["Ticketing"]}));
    assert_eq!(named(&now, "Expiration_EndUser_Assignment")["maximumDuration"], "PT2H");
    assert_eq!(dana.post(POLICIES, json!({})).await.status, 405);
    assert_eq!(dana.delete(&path).await.status, 405);
}

#[tokio::test]
async fn the_rules_that_graph_has_no_word_for_are_set_and_kept() {
    let house = House::unmetered().await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    let path = format!("{POLICIES}/{}/writ.rules", policy(&ROOT.to_string()));
    let told = ana.get(&path).await.is(200);
    assert_eq!(
        told,
        json!({
            "@odata.context": "http://localhost/v1.0/$metadata#writ.rules", "tier": "critical", "mfaMaximumAge": "PT5M",
            "approvalsNeeded": [1], "pendingDuration": "P1D", "endsSessions": true, "endingGrace": "PT30S",
        })
    );
    let before = house.rights();
    for bad in [
        json!({}),
        json!({"tier": "routine"}),
        json!({"mfaMaximumAge": "PT5S"}),
        json!({"mfaMaximumAge": "P2D"}),
        json!({"pendingDuration": "P31D"}),
        json!({"endingGrace": "PT16M"}),
        json!({"endsSessions": "yes"}),
        json!({"approvalsNeeded": []}),
        json!({"approvalsNeeded": [0]}),
        json!({"approvalsNeeded": [1, 1]}),
        json!({"approvalsNeeded": [256]}),
        json!({"pendingDuration": "PT1H", "mfaMaximumAge": "soon"}),
    ] {
        let said = dana.patch(&path, bad.clone()).await.refused();
        let names_it = bad.as_object().expect("an object").keys().any(|name| said.contains(name.as_str()));
        assert!(said.starts_with("400 ") && (names_it || bad == json!({})), "{bad}: {said}");
    }
    let nine = dana.patch(&path, json!({"approvalsNeeded": [9]})).await.refused();
    assert!(nine.starts_with("400 Request_BadRequest: ") && nine.contains("could approve"), "{nine}");
    assert!(ana.patch(&path, json!({"mfaMaximumAge": "PT1H"})).await.refused().starts_with("403 "));
    let narrow = house.signed_in_with(DANA, &["RoleManagementPolicy.Read.Directory"], true).await;
    assert!(narrow.patch(&path, json!({"mfaMaximumAge": "PT1H"})).await.refused().starts_with("403 UnknownError: "));
    // Whoever could use it loosens none of it, as with any other rule.
    house.eligible(DANA, ROOT).await;
    for looser in [
        json!({"mfaMaximumAge": "PT1H"}),
        json!({"mfaMaximumAge": "PT1M", "endsSessions": false}),
        json!({"endsSessions": false}),
        json!({"endingGrace": "PT1M"}),
    ] {
        let said = dana.patch(&path, looser).await.refused();
        assert!(said.starts_with("403 ") && said.contains("another administrator must allow"), "{said}");
    }
    dana.patch(&path, json!({"mfaMaximumAge": "PT1M"})).await.is(204);
    assert!(house.rights() != before);

    // Two people must approve from now on, and the proof of a minute ago is enough only for a minute.
    dana.patch(&path, json!({"approvalsNeeded": [2], "pendingDuration": "PT2H"})).await.is(204);
    house.clock.advance(writ_core::time::Span::from_seconds(61));
    let said = ana.post(REQUESTS, activation("PT1H")).await.refused();
    assert!(said.contains("MfaRule - "), "{said}");
    let ana = house.signed_in(ANA).await;
    let id = ana.post(REQUESTS, activation("PT1H")).await.is(201)["id"].as_str().expect("an id").to_owned();
    let step = format!("/beta/roleManagement/directory/roleAssignmentApprovals/{id}/steps/{id}");
    let yes = json!({"reviewResult": "Approve", "justification": "go on"});
    for (who, status) in [(BEN, "PendingApproval"), (CARLA, "Provisioned")] {
        house.signed_in(who).await.patch(&step, yes.clone()).await.is(204);
        assert_eq!(ana.get(&format!("{REQUESTS}/{id}")).await.is(200)["status"], status);
    }
    // A PATCH of Graph's own rule leaves what Graph has no word for alone.
    let rule = format!("{POLICIES}/{}/rules/Approval_EndUser_Assignment", policy(&ROOT.to_string()));
    let again = json!({"setting": {"approvalStages": [{"primaryApprovers": [
        {"@odata.type": "#microsoft.graph.groupMembers", "groupId": SECURITY}, {"@odata.type": "#microsoft.graph.singleUser", "userId": EVE},
    ]}]}});
    house.signed_in(crate::house::GLASS).await.patch(&rule, body("Approval_", again)).await.is(204);
    let told = dana.get(&path).await.is(200);
    assert_eq!((&told["approvalsNeeded"], &told["mfaMaximumAge"]), (&json!([2]), &json!("PT1M")));
}

#[tokio::test]
async fn changes_of_one_rule_at_once_all_stand() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let path = |rule: &str| format!("{POLICIES}/{}/rules/{rule}", policy(READER));
    let (approval, context) = (path("Approval_EndUser_Assignment"), path("AuthenticationContext_EndUser_Assignment"));
    let part = |setting: Json| dana.patch(&approval, body("Approval_", json!({"setting": setting})));
    let claim = |says: Json| dana.patch(&context, body("AuthenticationContext_", says));
    let approvers = json!([{"primaryApprovers": [{"@odata.type": "#microsoft.graph.singleUser", "userId": BEN}]}]);
    // All six have read the rules before the first of them is stored.
    let (a, b, c, d, e, f) = tokio::join!(
        part(json!({"isApprovalRequired": true})),
        part(json!({"isApprovalRequiredForExtension": true})),
        part(json!({"approvalStages": approvers})),
        part(json!({"isRequestorJustificationRequired": false})),
        claim(json!({"claimValue": "c3"})),
        claim(json!({"isEnabled": false})),
    );
    for reply in [a, b, c, d, e, f] {
        reply.is(204);
    }
    let now = rules(&dana, READER).await;
    let setting = &named(&now, "Approval_EndUser_Assignment")["setting"];
    let said = ["isApprovalRequired", "isApprovalRequiredForExtension", "isRequestorJustificationRequired"];
    assert_eq!(said.map(|name| setting[name].as_bool()), [Some(true), Some(true), Some(false)], "{setting}");
    assert_eq!(setting["approvalStages"][0]["primaryApprovers"][0]["userId"], json!(BEN), "{setting}");
    assert_eq!(named(&now, "AuthenticationContext_EndUser_Assignment")["claimValue"], "c3");

    // The same rule twice in one body: the second goes on from the first.
    let part_of = |setting: Json| body("Approval_", json!({"id": "Approval_EndUser_Assignment", "setting": setting}));
    let twice = json!({"rules": [
        part_of(json!({"isApprovalRequired": false})),
        part_of(json!({"isRequestorJustificationRequired": true})),
    ]});
    dana.patch(&format!("{POLICIES}/{}", policy(READER)), twice).await.is(200);
    let now = rules(&dana, READER).await;
    let setting = &named(&now, "Approval_EndUser_Assignment")["setting"];
    assert_eq!(said.map(|name| setting[name].as_bool()), [Some(false), Some(true), Some(true)], "{setting}");
}

#[tokio::test]
async fn a_policy_is_not_changed_when_its_answer_cannot_be_given_as_asked() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let head = house.engine.head();
    let rule = json!({
        "@odata.type": "#microsoft.graph.unifiedRoleManagementPolicyExpirationRule",
        "id": "Expiration_EndUser_Assignment", "maximumDuration": "PT1H",
    });
    for query in ["$select=nothing", "$expand=principal", "$bogus=1"] {
        let path = format!("{POLICIES}/{}?{query}", policy(READER));
        let said = dana.patch(&path, json!({"rules": [rule]})).await.refused();
        assert!(said.starts_with("400 "), "{said}");
    }
    assert_eq!(house.engine.head(), head, "what is refused is not done");
    let path = format!("{POLICIES}/{}?$select=id", policy(READER));
    assert_eq!(dana.patch(&path, json!({"rules": [rule]})).await.is(200)["id"], policy(READER));
}

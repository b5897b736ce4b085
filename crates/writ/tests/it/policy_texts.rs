//! Policies as they are written: the same to the byte from one version to the next, and however they are asked for.

use crate::errors::with;
use crate::house::{ANA, BEN, DANA, House, SECURITY};
use crate::policies::{EXCHANGE, POLICIES, READER, body, named, policy};
use serde_json::{Value as Json, json};

/// What is answered, to the byte: clients compare what they read with what they have kept.
#[tokio::test]
async fn a_policy_is_written_the_same_to_the_byte_and_its_rules_are_those_of_the_moment() {
    let house = House::unmetered().await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    let path = format!("{POLICIES}/{}", policy(READER));
    let approval = format!("{path}/rules/Approval_EndUser_Assignment");
    let people = json!([
        {"@odata.type": "#microsoft.graph.singleUser", "userId": BEN},
        {"@odata.type": "#microsoft.graph.groupMembers", "groupId": SECURITY},
    ]);
    let setting = json!({"isApprovalRequired": true, "approvalMode": "Serial", "approvalStages": [
        {"primaryApprovers": people, "approvalStageTimeOutInDays": 3, "isEscalationEnabled": true},
        {"escalationTimeInMinutes": 30, "isApproverJustificationRequired": false},
    ]});
    let text = async |query: &str| dana.get(&format!("{path}?{query}")).await.text;
    let whole = text("$expand=rules").await;
    let first = text("$select=id&$expand=rules($filter=id eq 'Expiration_EndUser_Assignment')").await;
    assert_eq!(dana.patch(&approval, body("Approval_", json!({"setting": setting}))).await.status, 204);
    let span = body("Expiration_", json!({"maximumDuration": "PT90M"}));
    assert_eq!(dana.patch(&format!("{path}/rules/Expiration_EndUser_Assignment"), span).await.status, 204);
    insta::assert_snapshot!([
        whole.clone(),
        first,
        text("$select=id&$expand=rules($filter=id eq 'Expiration_EndUser_Assignment')").await,
        text("$select=id&$expand=rules($filter=id eq 'Approval_EndUser_Assignment';$select=setting)").await,
        text("$select=scopeId&$expand=effectiveRules($select=id;$orderby=id desc;$top=2;$skip=1;$count=true)").await,
    ].join("\n").replace(",{\"@odata.type\"", ",\n{\"@odata.type\""), @r##"
    {"@odata.context":"http://localhost/v1.0/$metadata#policies/roleManagementPolicies/$entity","id":"DirectoryRole_00000000-0000-0000-0000-00007e7a0001_4a5d8f65-41da-4de4-8968-e035b65339cf","description":"DirectoryRole","displayName":"DirectoryRole","isOrganizationDefault":false,"lastModifiedDateTime":null,"scopeId":"/","scopeType":"DirectoryRole","lastModifiedBy":null,"rules":[{"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyExpirationRule","id":"Expiration_Admin_Eligibility","isExpirationRequired":false,"maximumDuration":"P365D","target":{"caller":"Admin","operations":["all"],"level":"Eligibility","inheritableSettings":[],"enforcedSettings":[]}},
    {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyEnablementRule","id":"Enablement_Admin_Eligibility","enabledRules":[],"target":{"caller":"Admin","operations":["all"],"level":"Eligibility","inheritableSettings":[],"enforcedSettings":[]}},
    {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyNotificationRule","id":"Notification_Admin_Admin_Eligibility","notificationType":"Email","recipientType":"Admin","notificationLevel":"All","isDefaultRecipientsEnabled":true,"notificationRecipients":[],"target":{"caller":"Admin","operations":["all"],"level":"Eligibility","inheritableSettings":[],"enforcedSettings":[]}},
    {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyNotificationRule","id":"Notification_Requestor_Admin_Eligibility","notificationType":"Email","recipientType":"Requestor","notificationLevel":"All","isDefaultRecipientsEnabled":true,"notificationRecipients":[],"target":{"caller":"Admin","operations":["all"],"level":"Eligibility","inheritableSettings":[],"enforcedSettings":[]}},
    {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyNotificationRule","id":"Notification_Approver_Admin_Eligibility","notificationType":"Email","recipientType":"Approver","notificationLevel":"All","isDefaultRecipientsEnabled":true,"notificationRecipients":[],"target":{"caller":"Admin","operations":["all"],"level":"Eligibility","inheritableSettings":[],"enforcedSettings":[]}},
    {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyExpirationRule","id":"Expiration_Admin_Assignment","isExpirationRequired":false,"maximumDuration":"P180D","target":{"caller":"Admin","operations":["all"],"level":"Assignment","inheritableSettings":[],"enforcedSettings":[]}},
    {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyEnablementRule","id":"Enablement_Admin_Assignment","enabledRules":["Justification"],"target":{"caller":"Admin","operations":["all"],"level":"Assignment","inheritableSettings":[],"enforcedSettings":[]}},
    {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyNotificationRule","id":"Notification_Admin_Admin_Assignment","notificationType":"Email","recipientType":"Admin","notificationLevel":"All","isDefaultRecipientsEnabled":true,"notificationRecipients":[],"target":{"caller":"Admin","operations":["all"],"level":"Assignment","inheritableSettings":[],"enforcedSettings":[]}},
    {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyNotificationRule","id":"Notification_Requestor_Admin_Assignment","notificationType":"Email","recipientType":"Requestor","notificationLevel":"All","isDefaultRecipientsEnabled":true,"notificationRecipients":[],"target":{"caller":"Admin","operations":["all"],"level":"Assignment","inheritableSettings":[],"enforcedSettings":[]}},
    {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyNotificationRule","id":"Notification_Approver_Admin_Assignment","notificationType":"Email","recipientType":"Approver","notificationLevel":"All","isDefaultRecipientsEnabled":true,"notificationRecipients":[],"target":{"caller":"Admin","operations":["all"],"level":"Assignment","inheritableSettings":[],"enforcedSettings":[]}},
    {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyExpirationRule","id":"Expiration_EndUser_Assignment","isExpirationRequired":true,"maximumDuration":"PT8H","target":{"caller":"EndUser","operations":["all"],"level":"Assignment","inheritableSettings":[],"enforcedSettings":[]}},
    {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyEnablementRule","id":"Enablement_EndUser_Assignment","enabledRules":["MultiFactorAuthentication","Justification"],"target":{"caller":"EndUser","operations":["all"],"level":"Assignment","inheritableSettings":[],"enforcedSettings":[]}},
    {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyApprovalRule","id":"Approval_EndUser_Assignment","target":{"caller":"EndUser","operations":["all"],"level":"Assignment","inheritableSettings":[],"enforcedSettings":[]},"setting":{"approvalMode":"SingleStage","approvalStages":[{"approvalStageTimeOutInDays":1,"escalationApprovers":[],"escalationTimeInMinutes":0,"isApproverJustificationRequired":true,"isEscalationEnabled":false,"primaryApprovers":[]}],"isApprovalRequired":false,"isApprovalRequiredForExtension":false,"isRequestorJustificationRequired":true}},
    {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyAuthenticationContextRule","id":"AuthenticationContext_EndUser_Assignment","isEnabled":false,"claimValue":null,"target":{"caller":"EndUser","operations":["all"],"level":"Assignment","inheritableSettings":[],"enforcedSettings":[]}},
    {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyNotificationRule","id":"Notification_Admin_EndUser_Assignment","notificationType":"Email","recipientType":"Admin","notificationLevel":"All","isDefaultRecipientsEnabled":true,"notificationRecipients":[],"target":{"caller":"EndUser","operations":["all"],"level":"Assignment","inheritableSettings":[],"enforcedSettings":[]}},
    {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyNotificationRule","id":"Notification_Requestor_EndUser_Assignment","notificationType":"Email","recipientType":"Requestor","notificationLevel":"All","isDefaultRecipientsEnabled":true,"notificationRecipients":[],"target":{"caller":"EndUser","operations":["all"],"level":"Assignment","inheritableSettings":[],"enforcedSettings":[]}},
    {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyNotificationRule","id":"Notification_Approver_EndUser_Assignment","notificationType":"Email","recipientType":"Approver","notificationLevel":"All","isDefaultRecipientsEnabled":true,"notificationRecipients":[],"target":{"caller":"EndUser","operations":["all"],"level":"Assignment","inheritableSettings":[],"enforcedSettings":[]}}]}
    {"@odata.context":"http://localhost/v1.0/$metadata#policies/roleManagementPolicies/$entity","id":"DirectoryRole_00000000-0000-0000-0000-00007e7a0001_4a5d8f65-41da-4de4-8968-e035b65339cf","rules":[{"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyExpirationRule","id":"Expiration_EndUser_Assignment","isExpirationRequired":true,"maximumDuration":"PT8H","target":{"caller":"EndUser","operations":["all"],"level":"Assignment","inheritableSettings":[],"enforcedSettings":[]}}]}
    {"@odata.context":"http://localhost/v1.0/$metadata#policies/roleManagementPolicies/$entity","id":"DirectoryRole_00000000-0000-0000-0000-00007e7a0001_4a5d8f65-41da-4de4-8968-e035b65339cf","rules":[{"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyExpirationRule","id":"Expiration_EndUser_Assignment","isExpirationRequired":true,"maximumDuration":"PT1H30M","target":{"caller":"EndUser","operations":["all"],"level":"Assignment","inheritableSettings":[],"enforcedSettings":[]}}]}
    {"@odata.context":"http://localhost/v1.0/$metadata#policies/roleManagementPolicies/$entity","id":"DirectoryRole_00000000-0000-0000-0000-00007e7a0001_4a5d8f65-41da-4de4-8968-e035b65339cf","rules":[{"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyApprovalRule","setting":{"approvalMode":"Serial","approvalStages":[{"approvalStageTimeOutInDays":3,"escalationApprovers":[],"escalationTimeInMinutes":0,"isApproverJustificationRequired":true,"isEscalationEnabled":true,"primaryApprovers":[{"@odata.type":"#microsoft.graph.singleUser","description":"Ben Okafor","userId":"00000000-0000-0000-0000-00000000000b"},
    {"@odata.type":"#microsoft.graph.groupMembers","description":"Security","groupId":"00000000-0000-0000-0000-000000000050"}]},{"approvalStageTimeOutInDays":1,"escalationApprovers":[],"escalationTimeInMinutes":30,"isApproverJustificationRequired":false,"isEscalationEnabled":false,"primaryApprovers":[]}],"isApprovalRequired":true,"isApprovalRequiredForExtension":false,"isRequestorJustificationRequired":true}}]}
    {"@odata.context":"http://localhost/v1.0/$metadata#policies/roleManagementPolicies/$entity","scopeId":"/","effectiveRules@odata.count":17,"effectiveRules":[{"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyNotificationRule","id":"Notification_Requestor_Admin_Eligibility"},
    {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyNotificationRule","id":"Notification_Requestor_Admin_Assignment"}]}
    "##);
    // What was changed is all that became another text.
    let now = text("$expand=rules").await;
    let beginning = |text: &str| text.find("\"rules\":").expect("rules");
    let (was, is) = (&whole[beginning(&whole)..], &now[beginning(&now)..]);
    let is = is.replace(
        r#""maximumDuration":"PT1H30M","target":{"caller":"EndUser""#,
        r#""maximumDuration":"PT8H","target":{"caller":"EndUser""#,
    );
    let cut = |text: &str| {
        let (from, to) = (
            text.find(r#","setting":"#).expect("a setting"),
            text.find(r##"{"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyAuth"##).expect("the next"),
        );
        format!("{}{}", &text[..from], &text[to..])
    };
    assert_eq!(cut(was), cut(&is));
    // Everybody's name is the one of the moment, and so is who may read.
    let named = json!({"displayName": "Ben \"Boss\" Okafor"});
    assert_eq!(dana.patch(&format!("/v1.0/users/{BEN}"), named).await.status, 204);
    assert!(text("$expand=rules").await.contains(r#""description":"Ben \"Boss\" Okafor""#));
    let narrow = house.signed_in_with(ANA, &["User.Read"], true).await;
    for _ in 0..2 {
        assert_eq!(ana.get(&format!("{path}?$expand=rules")).await.status, 200);
        assert_eq!(narrow.get(&format!("{path}?$expand=rules")).await.status, 403);
    }
}

/// Rules that say the same are written once; one whose properties are chosen is put together from them.
#[tokio::test]
async fn a_rule_reads_the_same_whether_its_properties_are_chosen_or_not() {
    const ALL: &str = "id,isExpirationRequired,maximumDuration,enabledRules,setting,isEnabled,claimValue,notificationType,\
        recipientType,notificationLevel,isDefaultRecipientsEnabled,notificationRecipients,target";
    let house = House::unmetered().await;
    let dana = house.signed_in(DANA).await;
    let texts = async |role: &str| {
        let path = format!("{POLICIES}/{}", policy(role));
        let plain = dana.get(&format!("{path}?$select=id&$expand=rules")).await.text;
        let chosen = dana.get(&format!("{path}?$select=id&$expand=rules($select={ALL})")).await.text;
        assert_eq!(plain, chosen);
        plain
    };
    let untouched = texts(EXCHANGE).await;
    for round in 0..8usize {
        let demands = |bits: usize| -> Vec<&str> {
            let names = ["MultiFactorAuthentication", "Justification", "Ticketing"];
            names.into_iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1).map(|(_, name)| name).collect()
        };
        let enablements = [
            ("Enablement_EndUser_Assignment", demands(round)),
            ("Enablement_Admin_Eligibility", demands((round + 3) % 8)),
            ("Enablement_Admin_Assignment", demands((round + 5) % 8)),
        ];
        let rule = |id: &str, kind: &str, says: Json| with(body(kind, says), json!({"id": id}));
        let mut parts: Vec<Json> =
            enablements.iter().map(|(id, demands)| rule(id, "Enablement_", json!({"enabledRules": demands}))).collect();
        let (level, claim) = if round % 2 == 1 { ("Critical", "c1") } else { ("All", "") };
        let note = json!({"notificationLevel": level, "notificationRecipients": ["\"a\"@b.example"]});
        parts.push(rule("Notification_Admin_EndUser_Assignment", "Notification_", note));
        let context = json!({"isEnabled": false, "claimValue": claim});
        parts.push(rule("AuthenticationContext_EndUser_Assignment", "AuthenticationContext_", context));
        dana.patch(&format!("{POLICIES}/{}", policy(READER)), json!({"rules": parts})).await.is(200);
        let text = texts(READER).await;
        let read: Json = serde_json::from_str(&text).expect("JSON");
        let now = read["rules"].as_array().expect("rules");
        for (id, demands) in enablements {
            assert_eq!(named(now, id)["enabledRules"], json!(demands), "{id} in round {round}");
        }
        assert_eq!(named(now, "Notification_Admin_EndUser_Assignment")["notificationLevel"], level);
        let claimed = &named(now, "AuthenticationContext_EndUser_Assignment")["claimValue"];
        assert_eq!(claimed, &if claim.is_empty() { Json::Null } else { json!(claim) });
    }
    assert_eq!(texts(EXCHANGE).await, untouched, "the rules of another role");
}

"""Microsoft's own, unmodified Graph SDKs walk one story on a running Writ: eligible, asked, approved, active, given up.

It takes what `writ demo --env-file` writes: BASE_URL, ADMIN_TOKEN, USER_TOKEN, APPROVER_TOKEN, USER_ID, APPROVER_ID,
ROLE_ID. It changes the rules of that role and leaves them so; it ends what it began. It closes with `N passed, N failed`
and exits with 0 only when nothing failed.
"""

import asyncio
import datetime as dt
import os
import sys

import httpx
import msgraph.graph_request_adapter as v1_adapter
import msgraph_beta.graph_request_adapter as beta_adapter
from kiota_abstractions.authentication import (
    AccessTokenProvider,
    AllowedHostsValidator,
    AnonymousAuthenticationProvider,
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.approval_settings import ApprovalSettings
from msgraph.generated.models.expiration_pattern import ExpirationPattern
from msgraph.generated.models.expiration_pattern_type import ExpirationPatternType
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.request_schedule import RequestSchedule
from msgraph.generated.models.single_user import SingleUser
from msgraph.generated.models.ticket_info import TicketInfo
from msgraph.generated.models.unified_approval_stage import UnifiedApprovalStage
from msgraph.generated.models.unified_role_assignment_schedule_request import UnifiedRoleAssignmentScheduleRequest
from msgraph.generated.models.unified_role_eligibility_schedule_request import UnifiedRoleEligibilityScheduleRequest
from msgraph.generated.models.unified_role_management_policy_approval_rule import (
    UnifiedRoleManagementPolicyApprovalRule,
)
from msgraph.generated.models.unified_role_management_policy_enablement_rule import (
    UnifiedRoleManagementPolicyEnablementRule,
)
from msgraph.generated.models.unified_role_management_policy_expiration_rule import (
    UnifiedRoleManagementPolicyExpirationRule,
)
from msgraph.generated.models.unified_role_schedule_request_actions import UnifiedRoleScheduleRequestActions
from msgraph_beta import GraphRequestAdapter as BetaRequestAdapter
from msgraph_beta import GraphServiceClient as BetaServiceClient
from msgraph_beta.generated.models.approval_step import ApprovalStep
from msgraph_beta.generated.models.o_data_errors.o_data_error import ODataError as BetaODataError
from msgraph_core import GraphClientFactory
from msgraph_core.tasks.page_iterator import PageIterator

BASE_URL = os.environ["BASE_URL"].rstrip("/")
USER, APPROVER, ROLE = (os.environ[name] for name in ("USER_ID", "APPROVER_ID", "ROLE_ID"))
POLICY_FAILED = "RoleAssignmentRequestPolicyValidationFailed"
UNKNOWN_ID = "00000000-0000-0000-0000-00000000dead"


class Held(AccessTokenProvider):
    """A token that was given to us."""

    def __init__(self, token):
        self.token = token

    async def get_authorization_token(self, uri, additional_authentication_context=None):
        return self.token

    def get_allowed_hosts_validator(self):
        return AllowedHostsValidator([])


def connect(client, adapter, options, token, version):
    """The SDK with its own pipeline (it rewrites /users/me-token-to-replace to /me), pointed at BASE_URL."""
    plain = httpx.AsyncClient(timeout=30, trust_env=False)
    pipeline = GraphClientFactory.create_with_default_middleware(client=plain, options=options)
    proof = BaseBearerTokenAuthenticationProvider(Held(token)) if token else AnonymousAuthenticationProvider()
    made = adapter(proof, client=pipeline)
    made.base_url = f"{BASE_URL}/{version}"
    return client(request_adapter=made)


def v1(token):
    return connect(GraphServiceClient, GraphRequestAdapter, v1_adapter.options, token, "v1.0")


def beta(token):
    return connect(BetaServiceClient, BetaRequestAdapter, beta_adapter.options, token, "beta")


class Checks:
    """Counts what held and what did not."""

    def __init__(self):
        self.passed = self.failed = 0

    def that(self, claim, holds, seen=""):
        if holds:
            self.passed += 1
            print(f"ok    {claim}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL  {claim}  [{seen}]", flush=True)

    async def refused(self, claim, call, status, code=None, word=""):
        """The call must answer with Graph's error body, this status, and the code and word where given."""
        try:
            self.that(claim, False, f"accepted: {await call}")
        except (ODataError, BetaODataError) as error:
            told = error.error
            whole = told is not None and told.code and told.message
            right = error.response_status_code in status and (code is None or whole and told.code == code)
            seen = f"HTTP {error.response_status_code} {told.code if told else None}: {told.message if told else None}"
            self.that(claim, whole and right and word in told.message, seen)


def query(builder, **options):
    """Query options of a request builder, in the SDK's own typed form."""
    options_of = getattr(type(builder), type(builder).__name__ + "GetQueryParameters")
    return RequestConfiguration(query_parameters=options_of(**options))


def schedule(duration):
    """From now on, for so long. The SDK writes a timedelta as `1:00:00`, so the duration is an ISO 8601 text."""
    lasting = ExpirationPattern(type=ExpirationPatternType.AfterDuration, duration=duration)
    return RequestSchedule(start_date_time=dt.datetime.now(dt.timezone.utc), expiration=lasting)


def ask(kind, action, **more):
    named = getattr(UnifiedRoleScheduleRequestActions, action)
    return kind(action=named, principal_id=USER, role_definition_id=ROLE, directory_scope_id="/", **more)


def eligibility(action, **more):
    return ask(UnifiedRoleEligibilityScheduleRequest, action, **more)


def activation(**more):
    complete = {"justification": "INC-42 restore service", "schedule_info": schedule("PT1H")}
    complete["ticket_info"] = TicketInfo(ticket_number="CHG-1", ticket_system="test")
    return ask(UnifiedRoleAssignmentScheduleRequest, "SelfActivate", **(complete | more))


class Story:
    def __init__(self, checks):
        self.checks = checks
        self.admin, self.user, self.approver = (
            v1(os.environ[name]) for name in ("ADMIN_TOKEN", "USER_TOKEN", "APPROVER_TOKEN")
        )
        self.beta_user, self.beta_approver = (beta(os.environ[name]) for name in ("USER_TOKEN", "APPROVER_TOKEN"))

    def eligibilities(self, client):
        return client.role_management.directory.role_eligibility_schedule_requests

    def activations(self, client):
        return client.role_management.directory.role_assignment_schedule_requests

    async def held(self, client, kind):
        """The instances of ROLE that the caller has: `eligibility` or `assignment`."""
        instances = getattr(client.role_management.directory, f"role_{kind}_schedule_instances")
        mine = await instances.filter_by_current_user_with_on("principal").get()
        return [one for one in mine.value or [] if one.role_definition_id == ROLE]

    async def ready(self):
        """Ends what an earlier run or the demo left."""
        for undo in (
            self.activations(self.user).post(ask(UnifiedRoleAssignmentScheduleRequest, "SelfDeactivate")),
            self.eligibilities(self.admin).post(eligibility("AdminRemove", justification="before the run")),
        ):
            try:
                await undo
            except ODataError:
                pass  # there was none

    async def reading(self):
        that, roles = self.checks.that, self.admin.role_management.directory.role_definitions
        first = await roles.get(query(roles, top=2))
        seen = []
        await PageIterator(first, self.admin.request_adapter).iterate(lambda role: seen.append(role.id) or True)
        that("the SDK's page iterator visits every role once", len(seen) == len(set(seen)) >= 145, len(seen))
        whole = await roles.get()
        name = whole.value[0].display_name
        found = await roles.get(query(roles, filter=f"displayName eq '{name}'"))
        that("$filter finds a role by its name", [role.display_name for role in found.value] == [name], found.value)
        me = await self.user.me.get()
        that("/me is the caller", me.id == USER, me.id)
        refused = self.checks.refused
        await refused("an unknown role is not found", roles.by_unified_role_definition_id(UNKNOWN_ID).get(), {404})
        await refused("a filter that means nothing is refused", roles.get(query(roles, filter="displayName eqq 1")), {400})
        stranger = v1(None).role_management.directory.role_definitions
        await refused("no token, no answer", stranger.get(), {401}, "InvalidAuthenticationToken")

    async def rules(self):
        """An administrator sets the rules; somebody else may not."""
        that, assignments = self.checks.that, self.admin.policies.role_management_policy_assignments
        chosen = f"scopeId eq '/' and scopeType eq 'DirectoryRole' and roleDefinitionId eq '{ROLE}'"
        found = (await assignments.get(query(assignments, filter=chosen, expand=["policy($expand=rules)"]))).value
        that("a role has one policy, and its rules can be expanded", len(found) == 1 and found[0].policy.rules, found)
        policy = found[0].policy_id

        def rule(client, name):
            rules = client.policies.role_management_policies.by_unified_role_management_policy_id(policy).rules
            return rules.by_unified_role_management_policy_rule_id(name)

        stage = UnifiedApprovalStage(
            approval_stage_time_out_in_days=1,
            is_approver_justification_required=True,
            primary_approvers=[SingleUser(user_id=APPROVER, odata_type="#microsoft.graph.singleUser")],
        )
        wanted = [
            UnifiedRoleManagementPolicyExpirationRule(
                id="Expiration_EndUser_Assignment",
                odata_type="#microsoft.graph.unifiedRoleManagementPolicyExpirationRule",
                is_expiration_required=True,
                maximum_duration="PT2H",
            ),
            UnifiedRoleManagementPolicyEnablementRule(
                id="Enablement_EndUser_Assignment",
                odata_type="#microsoft.graph.unifiedRoleManagementPolicyEnablementRule",
                enabled_rules=["Justification", "Ticketing"],
            ),
            UnifiedRoleManagementPolicyApprovalRule(
                id="Approval_EndUser_Assignment",
                odata_type="#microsoft.graph.unifiedRoleManagementPolicyApprovalRule",
                setting=ApprovalSettings(
                    is_approval_required=True, approval_mode="SingleStage", approval_stages=[stage]
                ),
            ),
        ]
        for one in wanted:
            await rule(self.admin, one.id).patch(one)
            stored = await rule(self.admin, one.id).get()
            that(f"{one.id} reads back as its own type", type(stored) is type(one), type(stored).__name__)
        longest = await rule(self.admin, "Expiration_EndUser_Assignment").get()
        that("the longest span was stored", longest.maximum_duration == dt.timedelta(hours=2), longest.maximum_duration)
        enabled = await rule(self.admin, "Enablement_EndUser_Assignment").get()
        that("what is needed was stored", sorted(enabled.enabled_rules) == ["Justification", "Ticketing"], enabled)
        approval = await rule(self.admin, "Approval_EndUser_Assignment").get()
        approvers = [one.user_id for one in approval.setting.approval_stages[0].primary_approvers]
        that("who approves was stored", approval.setting.is_approval_required and approvers == [APPROVER], approvers)
        loosened = rule(self.user, wanted[1].id).patch(wanted[1])
        await self.checks.refused("somebody eligible may not change the rules", loosened, {401, 403})

    async def eligible(self):
        that, refused = self.checks.that, self.checks.refused
        early = self.activations(self.user).post(activation())
        await refused("nobody activates without being eligible", early, {400, 403, 404})
        given = eligibility("AdminAssign", justification="conformance", schedule_info=schedule("P30D"))
        own = self.eligibilities(self.user).post(given)
        await refused("nobody makes themselves eligible", own, {401, 403})
        made = await self.eligibilities(self.admin).post(given)
        that("an administrator makes somebody eligible", made.status == "Provisioned" and made.id, made.status)
        one = self.eligibilities(self.admin).by_unified_role_eligibility_schedule_request_id(made.id)
        back = await one.get()
        that("the request reads back", back.principal_id == USER and back.justification == "conformance", back)
        twice = self.eligibilities(self.admin).post(given)
        await refused("being eligible twice is refused", twice, {400}, "RoleAssignmentExists")
        that("the person sees the eligibility", len(await self.held(self.user, "eligibility")) == 1)
        that("somebody else does not", not await self.held(self.approver, "eligibility"))

    async def rules_bite(self):
        asks, refused = self.activations(self.user), self.checks.refused
        for claim, less, rule in (
            ("no reason", {"justification": None}, "JustificationRule"),
            ("no ticket", {"ticket_info": None}, "TicketingRule"),
            ("longer than the rules allow", {"schedule_info": schedule("PT20H")}, "ExpirationRule"),
        ):
            await refused(f"{claim}: {rule}", asks.post(activation(**less)), {400}, POLICY_FAILED, rule)
        tried = await asks.post(activation(is_validation_only=True))
        that = self.checks.that
        that("a dry run changes nothing", tried is not None and not await self.held(self.user, "assignment"))

    async def pending(self):
        that, asked = self.checks.that, await self.activations(self.user).post(activation())
        that("the ask waits for approval", asked.status == "PendingApproval" and asked.approval_id, asked.status)
        return asked

    async def decide(self, asked, result):
        """The approver decides; nobody else can, and nobody twice. Approvals of roles are in Graph's beta only."""
        that, refused = self.checks.that, self.checks.refused
        approvals = self.beta_approver.role_management.directory.role_assignment_approvals
        shown = (await approvals.filter_by_current_user_with_on("approver").get()).value or []
        that(f"the approver sees what waits ({result})", asked.approval_id in [one.id for one in shown])
        steps = approvals.by_approval_id(asked.approval_id).steps
        open_steps = (await steps.get()).value
        first = open_steps[0]
        unread = first.assigned_to_me and first.status == "InProgress" and first.review_result == "NotReviewed"
        that("one step is open, and theirs", len(open_steps) == 1 and unread, open_steps)
        verdict = ApprovalStep(review_result=result, justification="reviewed")
        foreign = self.beta_user.role_management.directory.role_assignment_approvals
        own = foreign.by_approval_id(asked.approval_id).steps.by_approval_step_id(first.id)
        await refused("nobody approves their own ask", own.patch(verdict), {400, 401, 403, 404})
        await steps.by_approval_step_id(first.id).patch(verdict)
        again = steps.by_approval_step_id(first.id).patch(verdict)
        await refused("nobody decides twice", again, {400, 403, 404, 409})

    async def status_of(self, asked):
        return (await self.activations(self.user).by_unified_role_assignment_schedule_request_id(asked.id).get()).status

    async def approved(self):
        that, refused, asked = self.checks.that, self.checks.refused, await self.pending()
        that("nothing is active while it waits", not await self.held(self.user, "assignment"))
        second = self.activations(self.user).post(activation())
        await refused("a second ask while one waits is refused", second, {400})
        await self.decide(asked, "Approve")
        that("the approved ask is provisioned", (status := await self.status_of(asked)) == "Provisioned", status)
        active = await self.held(self.user, "assignment")
        kind = getattr(active[0].assignment_type, "value", active[0].assignment_type) if active else None
        that("it is one activation", len(active) == 1 and str(kind).lower() == "activated", active)
        left = active[0].end_date_time - dt.datetime.now(dt.timezone.utc)
        that("it ends in an hour", dt.timedelta(minutes=55) < left <= dt.timedelta(minutes=60, seconds=5), left)
        again = self.activations(self.user).post(activation())
        await refused("active is active: another ask is refused", again, {400}, "RoleAssignmentExists")
        given_up = await self.activations(self.user).post(ask(UnifiedRoleAssignmentScheduleRequest, "SelfDeactivate"))
        that("it is given up at once", given_up.status == "Revoked", given_up.status)
        that("and is gone", not await self.held(self.user, "assignment"))

    async def denied_and_cancelled(self):
        that = self.checks.that
        denied = await self.pending()
        await self.decide(denied, "Deny")
        that("a denied ask is denied", (status := await self.status_of(denied)) == "Denied", status)
        cancelled = await self.pending()
        await self.activations(self.user).by_unified_role_assignment_schedule_request_id(cancelled.id).cancel.post()
        that("a cancelled ask is cancelled", (status := await self.status_of(cancelled)) == "Canceled", status)
        that("neither gave anything", not await self.held(self.user, "assignment"))

    async def removed(self):
        that = self.checks.that
        gone = await self.eligibilities(self.admin).post(eligibility("AdminRemove", justification="end of the run"))
        that("the eligibility is taken away", gone.status == "Revoked", gone.status)
        that("and is gone", not await self.held(self.user, "eligibility"))
        audits = self.admin.audit_logs.directory_audits
        told = (await audits.get(query(audits, top=5))).value
        complete = all(one.id and one.activity_date_time and one.activity_display_name for one in told)
        that("all of it is in the audit log", len(told) == 5 and complete, told)


async def main():
    checks = Checks()
    story = Story(checks)
    await story.ready()
    for chapter in (
        story.reading,
        story.rules,
        story.eligible,
        story.rules_bite,
        story.approved,
        story.denied_and_cancelled,
        story.removed,
    ):
        try:
            await chapter()
        except Exception as error:  # one chapter that breaks is one failure; the next may still tell something
            told = getattr(error, "error", None)
            checks.that(f"{chapter.__name__} ran to its end", False, f"{type(error).__name__}: {told or error}")
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed or not checks.passed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

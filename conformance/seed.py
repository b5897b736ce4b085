#!/usr/bin/env python3
"""Makes one of everything that a demo does not have by itself, through ordinary API calls, and then sees to it that no
collection that schema_conformance.py looks at is empty: an empty list proves nothing.

env  BASE_URL (no /v1.0)  ADMIN_TOKEN  USER_TOKEN  APPROVER_TOKEN  USER_ID  APPROVER_ID  ENDPOINTS (files with paths, joined by ':')
     TLS_CA
Made: a host, enrolled as a host agent would; a request of APPROVER_ID that waits for USER_ID's decision; an assignment
in the administrative unit; a group in a group, both in the unit. Each step and each collection is one check. Last line: 'N passed, M failed'."""
import datetime, hashlib, os, secrets, sys
import urllib.parse as U
import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

E = os.environ
BASE = E['BASE_URL'].rstrip('/')
ADMIN, USER, APPROVER = E['ADMIN_TOKEN'], E['USER_TOKEN'], E['APPROVER_TOKEN']
ROLES = '/v1.0/roleManagement/directory'
http = httpx.Client(verify=E.get('TLS_CA') or True, timeout=30, trust_env=False)
passed = failed = 0


def check(what, held, why=''):
    global passed, failed
    passed, failed = passed + held, failed + (not held)
    print(f"{'ok  ' if held else 'FAIL'} {what}" + (f'\n       {why}' if not held else ''))
    return held


def call(what, token, method, path, body=None, wanted=(200, 201, 204)):
    headers = {'Authorization': f'Bearer {token}', 'ConsistencyLevel': 'eventual'}
    answer = http.request(method, BASE + path, json=body, headers=headers)
    check(what, answer.status_code in wanted, f'{method} {path}: {answer.status_code} {answer.text[:300]}')
    return answer.json() if answer.content and answer.status_code < 300 else {}


def listed(what, token, path):
    return call(what, token, 'GET', path).get('value', [])


def enrol_a_host(unit):
    """As a host agent does it: a single-use code, a key of its own, a signed request."""
    code = call('a code that enrols a host', ADMIN, 'POST', '/writ/v1/hosts/codes', {'unit': unit}).get('code', '')
    digits = code.removeprefix('writ-host-').replace('-', '')
    key = Ed25519PrivateKey.generate()
    path, host = '/agent/v1/enrol', '00000000-0000-0000-0000-000000000000'
    body = ('{"secret":"%s","device_key":"%s","name":"seed-01","system":"Debian GNU/Linux 12"}'
            % (digits[:32], key.public_key().public_bytes_raw().hex()))
    now = datetime.datetime.now(datetime.timezone.utc)
    at = now.strftime('%Y-%m-%dT%H:%M:%S.') + f'{now.microsecond // 1000:03d}Z'
    nonce = secrets.token_hex(16)
    digest = hashlib.sha256(body.encode()).hexdigest()
    signed = f'writ request 1\n{host}\nPOST\n{path}\n{digest}\n{at}\n{nonce}\n'
    headers = {'writ-host': host, 'writ-time': at, 'writ-nonce': nonce,
               'writ-signature': key.sign(signed.encode()).hex(), 'content-type': 'application/json'}
    answer = http.post(BASE + path, content=body, headers=headers)
    check('a host enrols', answer.status_code == 200, f'{answer.status_code} {answer.text[:300]}')


def role_named(name):
    found = listed(f'the role {name}', ADMIN, f"{ROLES}/roleDefinitions?$filter=" + U.quote(f"displayName eq '{name}'"))
    return found[0]['id'] if found else ''


def ask_for(principal, role, action, scope, token, kind, **more):
    body = {'action': action, 'principalId': principal, 'roleDefinitionId': role, 'directoryScopeId': scope,
            'justification': 'conformance', 'scheduleInfo': {'expiration': {'type': 'afterDuration', 'duration': 'PT1H'}}, **more}
    return call(f'{action} {kind} at {scope}', token, 'POST', f'{ROLES}/role{kind}ScheduleRequests', body)


def wait_for_approval(role):
    """A request of the approver that waits for the user: both sides of an approval can be looked at."""
    filtered = U.quote(f"scopeId eq '/' and scopeType eq 'DirectoryRole' and roleDefinitionId eq '{role}'")
    policy = listed('its policy', ADMIN, f'/v1.0/policies/roleManagementPolicyAssignments?$filter={filtered}')
    policy = policy[0]['policyId'] if policy else ''
    rules = f'/v1.0/policies/roleManagementPolicies/{policy}/rules'
    of = '#microsoft.graph.unifiedRoleManagementPolicy'
    call('the role asks for a reason only', ADMIN, 'PATCH', f'{rules}/Enablement_EndUser_Assignment',
         {'@odata.type': f'{of}EnablementRule', 'enabledRules': ['Justification']})
    stage = {'approvalStageTimeOutInDays': 1, 'isApproverJustificationRequired': True, 'escalationTimeInMinutes': 0,
             'isEscalationEnabled': False, 'escalationApprovers': [],
             'primaryApprovers': [{'@odata.type': '#microsoft.graph.singleUser', 'userId': E['USER_ID']}]}
    call('the user approves it', ADMIN, 'PATCH', f'{rules}/Approval_EndUser_Assignment', {
        '@odata.type': f'{of}ApprovalRule',
        'setting': {'isApprovalRequired': True, 'isApprovalRequiredForExtension': False, 'approvalMode': 'SingleStage',
                    'isRequestorJustificationRequired': True, 'approvalStages': [stage]}})
    ask_for(E['APPROVER_ID'], role, 'adminAssign', '/', ADMIN, 'Eligibility')
    made = ask_for(E['APPROVER_ID'], role, 'selfActivate', '/', APPROVER, 'Assignment')
    check('and waits', made.get('status') == 'PendingApproval', str(made.get('status')))


def groups_in_groups(unit):
    """One with people and an owner, in another one, which is in the unit."""
    user = lambda id: f'{BASE}/v1.0/users/{id}'
    group = lambda name, owner, members: call(f'the group {name}', ADMIN, 'POST', '/v1.0/groups', {
        'displayName': name, 'mailEnabled': False, 'mailNickname': name, 'securityEnabled': True,
        'owners@odata.bind': [user(owner)], 'members@odata.bind': members}).get('id', '')
    inner = group('Inner', E['USER_ID'], [user(E['USER_ID']), user(E['APPROVER_ID'])])
    outer = group('Outer', E['APPROVER_ID'], [f'{BASE}/v1.0/groups/{inner}'])
    for member in (inner, outer):
        call('it is in the unit', ADMIN, 'POST', f'/v1.0/directory/administrativeUnits/{unit}/members/$ref',
             {'@odata.id': f'{BASE}/v1.0/groups/{member}'})


def no_collection_is_empty():
    for line in (line for file in E['ENDPOINTS'].split(':') for line in open(file)):
        line = line.strip().removeprefix('GET ')
        if not line or line.startswith('#'):
            continue
        token = USER if '/me' in line or 'filterByCurrentUser' in line else ADMIN
        path, _, query = line.partition('?')
        pairs = [pair.partition('=') for pair in query.split('&') if pair]
        url = path + ('?' + '&'.join(f'{n}={U.quote(v, safe="")}' for n, _, v in pairs) if pairs else '')
        answer = http.get(BASE + url, headers={'Authorization': f'Bearer {token}', 'ConsistencyLevel': 'eventual'})
        told = answer.json() if answer.status_code == 200 else {}
        rows = told.get('value')
        held = answer.status_code == 200 and (not isinstance(rows, list) or len(rows) > 0)
        check(f'not empty: {line}', held, f'{answer.status_code} {answer.text[:200]}')


units = listed('the administrative units', ADMIN, '/v1.0/directory/administrativeUnits')
unit = units[0]['id'] if units else ''
enrol_a_host(unit)
wait_for_approval(role_named('Security Reader'))
ask_for(E['USER_ID'], role_named('Helpdesk Administrator'), 'adminAssign', f'/administrativeUnits/{unit}', ADMIN, 'Assignment')
groups_in_groups(unit)
no_collection_is_empty()
print(f'{passed} passed, {failed} failed')
sys.exit(1 if failed else 0)

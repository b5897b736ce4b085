#!/usr/bin/env python3
"""Validate live GET responses of a Graph-compatible server against Microsoft's own description of Graph.

env  BASE_URL (no /v1.0)  ADMIN_TOKEN  USER_TOKEN (for /me and filterByCurrentUser; default ADMIN_TOKEN)
     SPEC (graph-pim-subset.openapi.json beside this file)  SPEC_BETA (graph-pim-beta-subset.openapi.json)
     TLS_CA / INSECURE=1   STRICT=0 reports undeclared properties as notes rather than failures
     ENDPOINTS=<file> one 'GET path' a line replaces the built-in list; BETA=0 skips beta
     ALLOW_404=1 counts 404/501 as skipped
Each endpoint is one check: status 200, JSON content type, @odata.context, every property of the declared Edm type
(enum member - case ignored unless STRICT_ENUM_CASE=1 -, date-time, duration, guid forms), @odata.type known and right for polymorphic values, no undeclared property.
For every list the first item is fetched again by its id, where the description has such a path.
Last line: 'N passed, M failed'."""
import json, os, re, sys, urllib.parse as U
import httpx
from jsonschema import Draft202012Validator
E = os.environ
HERE = os.path.dirname(os.path.abspath(__file__))
BASE = E['BASE_URL'].rstrip('/')
ADMIN = E['ADMIN_TOKEN']; USER = E.get('USER_TOKEN', ADMIN)
STRICT = E.get('STRICT', '1') != '0'
SPECS = {'v1.0': E.get('SPEC', os.path.join(HERE, 'graph-pim-subset.openapi.json')), 'beta': E.get('SPEC_BETA', os.path.join(HERE, 'graph-pim-beta-subset.openapi.json'))}
SPECS = {k: json.load(open(v)) for k, v in SPECS.items() if os.path.exists(v)}
ME = ('/me', 'filterByCurrentUser')
DIR = ('roleEligibilityScheduleRequests', 'roleEligibilitySchedules', 'roleEligibilityScheduleInstances', 'roleAssignmentScheduleRequests', 'roleAssignmentSchedules', 'roleAssignmentScheduleInstances')
GRP = ('eligibilityScheduleRequests', 'eligibilitySchedules', 'eligibilityScheduleInstances', 'assignmentScheduleRequests', 'assignmentSchedules', 'assignmentScheduleInstances')
G = E.get('GROUP_ID'); gf = f"?$filter=groupId eq '{G}'" if G else ''
LIST = ['/roleManagement/directory/roleDefinitions', '/roleManagement/directory/roleDefinitions?$top=1&$select=id,displayName', '/roleManagement/directory/roleAssignments']
LIST += [f'/roleManagement/directory/{x}' for x in DIR] + [f'/roleManagement/directory/{x}?$expand=principal,roleDefinition' for x in DIR]
LIST += [f"/roleManagement/directory/{x}/filterByCurrentUser(on='principal')" for x in DIR] + ["/roleManagement/directory/roleAssignmentScheduleRequests/filterByCurrentUser(on='createdBy')"]
LIST += ["/policies/roleManagementPolicies?$filter=scopeId eq '/' and scopeType eq 'DirectoryRole'", "/policies/roleManagementPolicyAssignments?$filter=scopeId eq '/' and scopeType eq 'DirectoryRole'&$expand=policy($expand=rules)",
         "/policies/roleManagementPolicies?$filter=scopeId eq '/' and scopeType eq 'DirectoryRole'&$expand=rules,effectiveRules"]
LIST += [f'/identityGovernance/privilegedAccess/group/{x}{gf}' for x in GRP] + [f"/identityGovernance/privilegedAccess/group/{x}/filterByCurrentUser(on='principal')" for x in GRP]
LIST += ["/identityGovernance/privilegedAccess/group/assignmentApprovals/filterByCurrentUser(on='approver')", '/identityGovernance/accessReviews/definitions', '/identity/conditionalAccess/policies', '/identity/conditionalAccess/namedLocations',
         '/identity/conditionalAccess/authenticationContextClassReferences', '/identity/conditionalAccess/authenticationStrength/policies', '/directory/administrativeUnits', '/auditLogs/directoryAudits?$top=20', '/users', '/users/$count', '/groups', '/devices', '/organization', '/me']
AF = "?$filter=scopeId eq '/' and scopeType eq 'DirectoryRole'"
BLIST = [f'/identityGovernance/roleManagementAlerts/{x}{AF}' for x in ('alerts', 'alertDefinitions', 'alertConfigurations')] + [
         "/roleManagement/directory/roleAssignmentApprovals/filterByCurrentUser(on='approver')"]
todo = [('v1.0', p) for p in LIST] + ([('beta', p) for p in BLIST] if E.get('BETA', '1') != '0' and 'beta' in SPECS else [])
if E.get('ENDPOINTS'):
    todo = []
    for l in open(E['ENDPOINTS']):
        l = l.strip()
        if l and not l.startswith('#'):
            l = l.split(None, 1)[1] if l.startswith('GET ') else l
            todo.append(('beta', l[5:]) if l.startswith('/beta/') else ('v1.0', l[5:] if l.startswith('/v1.0/') else l))

def rx(path):
    out, i = '', 0
    for m in re.finditer(r'\{[^}]+\}', path):
        out += re.escape(path[i:m.start()]) + r"[^/()]+"; i = m.end()
    return re.compile('^' + out + re.escape(path[i:]) + '$')
PATHS = {v: [(rx(p), p, it['get']) for p, it in d['paths'].items() if 'get' in it] for v, d in SPECS.items()}
def op(ver, path):
    hits = [(p.count('{'), p, o) for r, p, o in PATHS[ver] if r.match(path)]
    return min(hits)[1:] if hits else (None, None)
class Spec:
    def __init__(s, ver):
        s.d = SPECS[ver]; s.S = s.d['components']['schemas']; s.props_cache = {}
        if E.get('STRICT_ENUM_CASE') != '1':     # Graph itself answers e.g. operations:["All"] where the CSDL says 'all'
            for t in s.S.values():
                if 'enum' in t: t['pattern'] = '(?i)^(' + '|'.join(map(re.escape, t['enum'])) + ')$'; t['x-enum'] = t.pop('enum')
    def validator(s, schema): return Draft202012Validator({**schema, 'components': s.d['components']})
    def props(s, name):
        """declared properties of a type, base types included -> {prop: schema}, and whether it is open"""
        if name not in s.props_cache:
            sch = s.S[name]; P, op_ = {}, bool(sch.get('x-open'))
            for part in sch.get('allOf', [sch]):
                if '$ref' in part:
                    b, o = s.props(part['$ref'].rsplit('/', 1)[1]); P.update(b); op_ |= o
                elif 'if' not in part: P.update(part.get('properties', {})); op_ |= bool(part.get('x-open'))
            s.props_cache[name] = (P, op_)
        return s.props_cache[name]
    def walk(s, value, schema, at, bad):
        if schema is None or value is None: return
        if 'anyOf' in schema: schema = schema['anyOf'][0]
        if isinstance(value, list):
            for i, v in enumerate(value): s.walk(v, schema.get('items'), f'{at}[{i}]', bad)
            return
        ref = schema.get('$ref'); name = ref.rsplit('/', 1)[1].removesuffix('.poly') if ref else None
        if not isinstance(value, dict): return
        if name:
            t = value.get('@odata.type')
            if t:
                n = t.lstrip('#')
                if n not in s.S: bad.append(f'{at}: @odata.type {t} is not a Graph type of this area'); return
                name = n
            if name not in s.S or s.S[name].get('type') == 'string': return
            P, open_ = s.props(name)
        elif 'properties' in schema: P, open_ = schema['properties'], False
        else: return
        for k, v in value.items():
            if k.startswith('@') or '@' in k: continue
            if k not in P:
                if not open_ : bad.append(f'{at}.{k}: not a property of {name or "the response"}')
                continue
            s.walk(v, P[k], f'{at}.{k}', bad)
SPEC = {v: Spec(v) for v in SPECS}
def errs(v, inst):
    out = []
    for e in sorted(v.iter_errors(inst), key=lambda e: str(e.absolute_path)):
        leaf = e
        while leaf.context: leaf = max(leaf.context, key=lambda c: len(c.absolute_path))
        out.append('/'.join(map(str, leaf.absolute_path)) + ': ' + leaf.message[:160])
    return list(dict.fromkeys(out))
passed = failed = skipped = 0
def report(name, problems, skip=None):
    global passed, failed, skipped
    if skip: skipped += 1; print(f'skip {name}  [{skip}]'); return
    if problems: failed += 1; print(f'FAIL {name}'); [print('       ' + p) for p in problems[:8]]; len(problems) > 8 and print(f'       ... {len(problems) - 8} more')
    else: passed += 1; print(f'ok   {name}')
http = httpx.Client(verify=False if E.get('INSECURE') else (E.get('TLS_CA') or True), timeout=30, trust_env=False)
def get(ver, p):
    tok = USER if any(x in p for x in ME) else ADMIN
    path, _, qs = p.partition('?')
    url = f'{BASE}/{ver}{path}' + ('?' + '&'.join(U.quote(k, safe='$') + '=' + U.quote(v, safe='') for k, v in U.parse_qsl(qs, keep_blank_values=True)) if qs else '')
    h = {'Authorization': f'Bearer {tok}', 'Accept': 'application/json'}
    if '$count' in path: h['ConsistencyLevel'] = 'eventual'; h['Accept'] = 'text/plain'
    return http.get(url, headers=h)
def check(ver, p, deref=True):
    name = f'GET /{ver}{p}'
    path = p.split('?')[0]; tmpl, o = op(ver, path)
    if not o: return report(name, [f'path is not in Microsoft\'s description'])
    try: r = get(ver, p)
    except Exception as e: return report(name, [f'{type(e).__name__}: {e}'])
    if r.status_code in (404, 501) and E.get('ALLOW_404'): return report(name, [], skip=f'HTTP {r.status_code}')
    bad = []
    if r.status_code != 200:
        bad.append(f'HTTP {r.status_code}')
        try:
            ev = SPEC[ver].validator({'$ref': '#/components/schemas/ODataError'}); bad += ['error body ' + x for x in errs(ev, r.json())]
            bad[0] += f" {r.json()['error']['code']}: {r.json()['error']['message'][:120]}"
        except Exception: bad.append('body is not a Graph error object: ' + r.text[:80])
        return report(name, bad)
    ct = r.headers.get('content-type', '')
    body_spec = o['responses']['2XX'].get('content', {})
    if 'text/plain' in body_spec:
        if not ct.startswith('text/plain'): bad.append(f'content-type {ct}')
        if not re.fullmatch(r'\ufeff?\d+', r.text): bad.append(f'not an integer: {r.text[:40]!r}')
        return report(name, bad)
    if not ct.startswith('application/json'): bad.append(f'content-type {ct}')
    try: j = r.json()
    except ValueError: return report(name, bad + ['not JSON'])
    sch = body_spec['application/json']['schema']
    sel = dict(U.parse_qsl(p.partition('?')[2])).get('$select')
    bad += errs(SPEC[ver].validator(sch), j)
    if not j.get('@odata.context'): bad.append('@odata.context missing')
    elif not re.match(rf'https?://[^/]+(/.*)?/{re.escape(ver)}/\$metadata#', j['@odata.context']): bad.append(f"@odata.context {j['@odata.context']}")
    extra = []; SPEC[ver].walk(j, sch, '', extra)
    if extra and STRICT: bad += extra
    elif extra: print('note ' + name + ': ' + '; '.join(extra[:4]))
    items = j.get('value') if isinstance(j.get('value'), list) else None
    if items is not None and dict(U.parse_qsl(p.partition('?')[2])).get('$top') and len(items) > int(dict(U.parse_qsl(p.partition('?')[2]))['$top']): bad.append('more items than $top')
    if sel and items:
        odd = {k for i in items for k in i if not k.startswith('@')} - set(sel.split(',')) - {'id'}
        if odd: bad.append(f'$select let through {sorted(odd)}')
    n = len(items) if items is not None else 1
    report(f'{name}  ({n} item{"s" * (n != 1)})', bad)
    if deref and items and 'filterByCurrentUser' not in path and items[0].get('id') and not sel:
        q = f"{path}/{items[0]['id']}"
        if op(ver, q)[0]: check(ver, q, deref=False)
        if path == '/policies/roleManagementPolicies' and '$expand' not in p:
            check(ver, q + '/rules', deref=True)
for ver, p in todo: check(ver, p)
if skipped: print(f'{skipped} skipped')
print(f'{passed} passed, {failed} failed')
sys.exit(1 if failed else 0)

#!/usr/bin/env python3
"""Asks every path that Microsoft's description of Graph has for what is offered here, with every option it declares, and
works out from the plain rows what each answer must be. Nothing may be answered wrongly, ignored or refused in words
other than Graph's; what is not offered at all stands in NOT_OFFERED with its reason, and must be refused as it says.

env  BASE_URL (no /v1.0)  ADMIN_TOKEN  USER_TOKEN (for /me and filterByCurrentUser)  USER_ID  TLS_CA
     NOT_OFFERED (not-offered.txt beside this file)   ONLY=<text> looks at paths that hold it   SAY=1 tells each option
One line for each path: how many rows, how many options were answered and how many refused. Where a path needs an id
of something that is not there, 404 is right. Last line: 'N passed, M failed'."""
import json, os, re, sys, time
import urllib.parse as U
import httpx

E = os.environ
HERE = os.path.dirname(os.path.abspath(__file__))
BASE = E['BASE_URL'].rstrip('/')
SPECS = {'v1.0': 'graph-pim-subset.openapi.json', 'beta': 'graph-pim-beta-subset.openapi.json'}
SPECS = {version: json.load(open(os.path.join(HERE, file))) for version, file in SPECS.items()}
AREAS = ('/roleManagement/directory', '/policies/roleManagement', '/directoryRoles', '/directoryRoleTemplates', '/users', '/groups',
         '/servicePrincipals', '/applications', '/devices', '/directory/', '/directoryObjects', '/me', '/organization', '/auditLogs')
# What a list cannot be asked for without.
NEEDED = {'policies/roleManagementPolicies': "scopeId eq '/' and scopeType eq 'DirectoryRole'",
          'policies/roleManagementPolicyAssignments': "scopeId eq '/' and scopeType eq 'DirectoryRole'",
          'roleManagement/directory/transitiveRoleAssignments': f"principalId eq '{E['USER_ID']}'"}
NOBODY = '00000000-0000-0000-0000-000000000001'
http = httpx.Client(verify=E.get('TLS_CA') or True, timeout=60, trust_env=False)
passed = failed = 0


class Wrong(Exception):
    """What an answer should not have been."""


def not_offered():
    """[(pattern, status, what its error says)]; a `*` stands for anything."""
    found = []
    for line in open(E.get('NOT_OFFERED', os.path.join(HERE, 'not-offered.txt'))):
        line = line.split('#')[0].strip()
        if line:
            status, says, pattern = [part.strip() for part in line.split('|')]
            found.append((re.compile('^' + re.escape(pattern).replace(r'\*', '.*') + '$'), int(status), says))
    return found


def get(version, path, options=()):
    token = E['USER_TOKEN'] if path.startswith('/me') or 'filterByCurrentUser' in path else E['ADMIN_TOKEN']
    url = f'{BASE}/{version}{path}'
    if options:
        url += '?' + '&'.join(f'{name}={U.quote(str(value), safe="")}' for name, value in options)
    while True:
        answer = http.get(url, headers={'Authorization': f'Bearer {token}', 'ConsistencyLevel': 'eventual'})
        if answer.status_code != 429:
            break
        time.sleep(int(answer.headers['Retry-After']))
    if answer.status_code >= 500:
        raise Wrong(f'{url}: {answer.status_code} {answer.text[:200]}')
    return answer


def error(answer):
    told = answer.json()['error']
    return f"{told['code']}: {told['message']}"


def declared(version, name):
    """{property: schema} of a type, with those it inherits; and of every type it may turn out to be."""
    schemas, found = SPECS[version]['components']['schemas'], {}
    def of(schema):
        for part in schema.get('allOf', [schema]):
            if '$ref' in part:
                of(schemas[part['$ref'].rsplit('/', 1)[1]])
            elif 'if' not in part:
                found.update({k: v for k, v in part.get('properties', {}).items() if not k.startswith('@')})
    of(schemas[name.removesuffix('.poly')])
    return found


def kind_of(version, schema):
    schema = schema['anyOf'][0] if 'anyOf' in schema else schema
    if '$ref' in schema:
        named = SPECS[version]['components']['schemas'][schema['$ref'].rsplit('/', 1)[1]]
        return 'enum' if named.get('type') == 'string' else 'other'
    types = schema.get('type') or []
    if 'array' in types:
        return 'texts' if 'string' in (schema.get('items', {}).get('type') or []) else 'other'
    if schema.get('format') == 'date-time':
        return 'time'
    for kind in ('boolean', 'string', 'integer', 'number'):
        if kind in types:
            return kind
    return 'other'


class List:
    """A list and what its plain rows are."""

    def __init__(self, version, path, operation):
        self.version, self.path = version, path
        bare = path.removesuffix('/$count').strip('/')
        self.needed = NEEDED.get(bare)
        self.always = [('$count', 'true')] if 'transitiveRoleAssignments' in path else []
        self.item = operation['responses']['2XX']['content']['application/json']['schema']['properties']['value']['items']
        self.of = self.item.get('$ref', '').rsplit('/', 1)[-1]
        self.options = operation['x-query']
        self.rows = self.all([])
        self.answered = self.refused = 0

    def options_with(self, options):
        options = dict(options)
        filters = [f for f in (self.needed, options.pop('$filter', None)) if f]
        if filters:
            options['$filter'] = ' and '.join(f'({f})' if len(filters) > 1 else f for f in filters)
        return [*self.always, *options.items()]

    def ask(self, options):
        return get(self.version, self.path, self.options_with(options))

    def all(self, options):
        """Every row, page by page; a refusal is an exception with its sentence."""
        answer, rows = self.ask(options), []
        while True:
            if answer.status_code != 200:
                raise Wrong(f'{options}: {answer.status_code} {error(answer)}')
            told = answer.json()
            rows += told['value']
            if '@odata.nextLink' not in told:
                return rows
            path = told['@odata.nextLink'].removeprefix(f'{BASE}/{self.version}')
            path, _, query = path.partition('?')
            answer = get(self.version, path, U.parse_qsl(query))

    def or_refused(self, options, *words):
        """Every row, or nothing if it was refused in one of these sentences."""
        answer = self.ask([*options, ('$top', 1)])
        if answer.status_code == 200:
            self.answered += 1
            if E.get('SAY'):
                print(f'     answered {options}')
            return self.all(options)
        said = error(answer)
        if answer.status_code != 400 or not any(word in said for word in words):
            raise Wrong(f'{options}: {answer.status_code} {said}')
        self.refused += 1
        return None

    def check(self):
        self.pages()
        for name, schema in declared(self.version, self.of).items() if self.of else []:
            link = schema.get('x-navigation')
            if '$select' in self.options:
                self.selected(name, link)
            if link and '$expand' in self.options:
                self.expanded(name)
            elif not link:
                self.filtered(name, kind_of(self.version, schema))
                if '$orderby' in self.options:
                    self.ordered(name)
        if '$search' in self.options:
            self.searched()

    def pages(self):
        ids = [row.get('id') for row in self.rows]
        # A page of one row each is walked only where it is not long.
        size = 1 if len(ids) < 20 else 7
        if '$top' in self.options:
            first = self.ask([('$top', size)]).json()
            if len(first['value']) != min(size, len(ids)) or ('@odata.nextLink' in first) != (len(ids) > size):
                raise Wrong(f'$top={size}: {len(first["value"])} rows of {len(ids)}')
            if [row.get('id') for row in self.all([('$top', size)])] != ids:
                raise Wrong(f'pages of {size} are not the list')
            self.answered += 1
        if '$skip' in self.options:
            if [row.get('id') for row in self.all([('$skip', 1)])] != ids[1:]:
                raise Wrong('$skip=1 is not the list without its first row')
            self.answered += 1
        if '$count' in self.options:
            for told, wanted in (('true', len(ids)), ('false', None)):
                if self.always and told == 'false':
                    continue
                counted = get(self.version, self.path, [*self.options_with([]), ('$top', 1)] if self.always
                              else [*self.options_with([]), ('$count', told), ('$top', 1)]).json()
                if counted.get('@odata.count') != wanted:
                    raise Wrong(f'$count={told}: {counted.get("@odata.count")} of {len(ids)}')
            self.answered += 1

    def selected(self, name, link):
        rows = self.all([('$select', name)])
        if len(rows) != len(self.rows):
            raise Wrong(f'$select={name}: {len(rows)} rows of {len(self.rows)}')
        for row, plain in zip(rows, self.rows):
            kept = {key for key in row if not key.startswith('@')}
            if kept - {name} or (not link and not self.mixed() and name not in kept):
                raise Wrong(f'$select={name}: {sorted(kept)}')
            if name in plain and name in row and row[name] != plain[name]:
                raise Wrong(f'$select={name}: {row[name]} is not {plain[name]}')
        self.answered += 1

    def mixed(self):
        return any('@odata.type' in row for row in self.rows)

    def values(self, name):
        """[(id, value)] of every row, as $select tells them."""
        rows = self.all([('$select', f'id,{name}')])
        return [(row.get('id'), row.get(name)) for row in rows]

    def filtered(self, name, kind):
        words = ('Unsupported or invalid query filter clause specified for property', 'Or operator not supported')
        values = self.values(name)
        fold = lambda value: value.lower() if isinstance(value, str) else value
        if kind == 'texts':
            some = next((value[0] for _, value in values if value), 'nothing')
            quoted = some.replace("'", "''")
            asked = [(f"{name}/any(x:x eq '{quoted}')", lambda v: any(fold(x) == fold(some) for x in v or []))]
        elif kind == 'other':
            asked = [(f'{name} eq null', lambda v: v is None)]
            words += ('must be compared with any(…)', 'Could not find a property named')
        else:
            some = next((value for _, value in values if value is not None), None)
            some = {'boolean': True, 'time': '2026-11-21T00:00:00Z', 'integer': 7, 'number': 7}.get(kind, 'nothing') if some is None else some
            literal = json.dumps(some)
            if kind in ('string', 'enum'):
                literal = "'" + str(some).replace("'", "''") + "'"
            elif kind == 'time':
                literal = some
            asked = [(f'{name} eq {literal}', lambda v: fold(v) == fold(some)), (f'{name} ne {literal}', lambda v: fold(v) != fold(some)),
                     (f'not({name} eq {literal})', lambda v: fold(v) != fold(some)), (f'{name} eq null', lambda v: v is None)]
            if kind == 'string' and len(str(some)) > 1:
                half = str(some)[:2].replace("'", "''")
                asked.append((f"startswith({name},'{half}')", lambda v: v is not None and fold(v).startswith(fold(str(some)[:2]))))
            if kind == 'time':
                asked.append((f'{name} ge {literal}', lambda v: v is not None and v >= some))
                asked.append((f'{name} lt {literal}', lambda v: v is not None and v < some))
        for text, right in asked:
            rows = self.or_refused([('$filter', text)], *words)
            if rows is None:
                continue
            # The one list whose filter asks about another than the row names.
            if 'transitiveRoleAssignments' in self.path and name == 'principalId':
                continue
            wanted = sorted(str(id) for id, value in values if right(value))
            if sorted(str(row.get('id')) for row in rows) != wanted:
                raise Wrong(f'$filter={text}: {len(rows)} rows, not {len(wanted)}')

    def ordered(self, name):
        for way in ('', ' desc'):
            if self.or_refused([('$orderby', name + way)], 'Unsupported sort property') is None:
                return
            rows = self.all([('$orderby', name + way), ('$select', f'id,{name}')])
            # Ids are compared as they are, texts without case.
            fold = lambda value: value.lower() if isinstance(value, str) and not name.lower().endswith('id') else value
            key = lambda value: (value is not None, fold(value) if value is not None else 0)
            values = [key(row.get(name)) for row in rows]
            if values != sorted(values, reverse=bool(way)) or len(values) != len(self.rows):
                raise Wrong(f'$orderby={name}{way}: not in order')

    def expanded(self, name):
        rows = self.or_refused([('$expand', name)], f"Expanding '{name}' is not supported")
        if rows is not None and not self.mixed() and not all(name in row for row in rows):
            raise Wrong(f'$expand={name}: not in every row')

    def searched(self):
        values = self.values('displayName') if 'displayName' in declared(self.version, self.of) else []
        some = next((value.split()[0] for _, value in values if value), 'nothing').replace('"', '')
        rows = self.or_refused([('$search', f'"displayName:{some}"')], 'Searching', 'Could not find a property named', 'Query option')
        if rows is None or not values:
            return
        wanted = {id for id, value in values if value and re.search(r'(^|\W)' + re.escape(some), value, re.I)}
        if {row.get('id') for row in rows} != wanted:
            raise Wrong(f'$search={some}: {len(rows)} rows, not {len(wanted)}')


def filled(version, path):
    """The path with an id of something that is there for every parameter, and whether all of it is there."""
    at, there, parts = '', True, path.strip('/').split('/')
    for n, part in enumerate(parts):
        part = part.replace("{on}", 'approver' if 'Approvals' in at else 'principal')
        if not re.fullmatch(r'\{.+\}', part):
            at += '/' + part
            continue
        found = {'/directoryObjects': E['USER_ID']}.get(at)
        if found is None:
            needed = NEEDED.get(at.strip('/'))
            options = [('$filter', needed), ('$count', 'true')] if needed else []
            answer = get(version, at, options)
            rows = answer.json().get('value') if answer.status_code == 200 else None
            cast = parts[n + 1] if n + 1 < len(parts) else ''
            if cast.startswith('graph.'):
                rows = [row for row in rows or [] if row.get('@odata.type', '').endswith('.' + cast[6:])]
            there, found = there and bool(rows), chosen(version, at, rows or [], cast)
        at += '/' + found
    return at, there


def chosen(version, at, rows, link):
    """The id of the first row that has something behind the link that the path goes on with; else of the first."""
    if rows and link and not link.startswith(('graph.', '$')) and '(' not in link and not link.startswith('{'):
        # The user of the tests is in most things.
        rows = sorted(rows, key=lambda row: row['id'] != E['USER_ID'])
        for row in rows[:200]:
            answer = get(version, f"{at}/{row['id']}/{link}")
            if answer.status_code == 200 and answer.json().get('value', True):
                return row['id']
    return rows[0]['id'] if rows else NOBODY


def look(version, pattern, operation, absent):
    path, there = filled(version, pattern)
    refusal = next((entry for entry in absent if entry[0].match(f'/{version}{pattern}')), None)
    needed = NEEDED.get(path.removesuffix('/$count').strip('/'))
    options = [('$filter', needed)] if needed else []
    answer = get(version, path, options + ([('$count', 'true')] if 'transitive' in path and needed else []))
    if refusal:
        said = error(answer) if answer.status_code >= 400 else 'answered'
        if answer.status_code != refusal[1] or refusal[2] not in said:
            raise Wrong(f'not offered, and yet: {answer.status_code} {said}')
        return 'not offered'
    if answer.status_code == 404 and (not there or not pattern.endswith('}') and 'does not exist' in error(answer) and single(operation)):
        return 'nothing is there'
    if answer.status_code != 200:
        raise Wrong(f'{answer.status_code} {error(answer)}')
    if not there:
        raise Wrong('answered for something that is not there')
    content = operation['responses']['2XX'].get('content', {})
    if 'text/plain' in content:
        rows = get(version, path.removesuffix('/$count'), options + ([('$count', 'true')] if 'transitive' in path and needed else []))
        told = rows.json()
        if '@odata.nextLink' not in told and int(answer.text) != len(told['value']):
            raise Wrong(f'{answer.text} of {len(told["value"])} rows')
        return f'{answer.text} rows'
    if 'properties' not in content['application/json']['schema'] or path.endswith('/$ref') or 'delta()' in path:
        return one(version, path, operation, answer.json())
    # The same list under another name has been looked at.
    if path.startswith('/me/') or '/graph.' in path:
        return f'{len(answer.json()["value"])} rows'
    found = List(version, path, operation)
    found.check()
    return f'{len(found.rows)} rows, {found.answered} options answered, {found.refused} refused'


def single(operation):
    content = operation['responses']['2XX'].get('content', {}).get('application/json', {})
    return 'properties' not in content.get('schema', {})


def one(version, path, operation, plain):
    if '$select' in operation['x-query'] and single(operation) and 'id' in plain:
        told = get(version, path, [('$select', 'id')]).json()
        if {key for key in told if not key.startswith('@')} != {'id'}:
            raise Wrong(f'$select=id: {sorted(told)}')
    for option in ('$filter', '$top', '$orderby'):
        if single(operation) and get(version, path, [(option, '1')]).status_code != 400:
            raise Wrong(f'{option} of one resource is ignored')
    return 'one'


absent = not_offered()
used = set()
for version, spec in SPECS.items():
    for pattern, item in spec['paths'].items():
        if 'get' not in item or not pattern.startswith(AREAS) or E.get('ONLY', '') not in pattern:
            continue
        used |= {entry[0] for entry in absent if entry[0].match(f'/{version}{pattern}')}
        try:
            told = look(version, pattern, item['get'], absent)
            passed += 1
            print(f'ok   /{version}{pattern}: {told}')
        except Wrong as wrong:
            failed += 1
            print(f'FAIL /{version}{pattern}\n       {wrong}')
for entry in absent if not E.get('ONLY') else []:
    if entry[0] not in used:
        failed += 1
        print(f'FAIL {entry[0].pattern} is said not to be offered and is no path of Graph')
print(f'{passed} passed, {failed} failed')
sys.exit(1 if failed else 0)

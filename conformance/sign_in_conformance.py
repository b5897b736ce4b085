"""Microsoft's own, unmodified sign-in libraries sign people in to a running Writ: MSAL and azure-identity for Python.

It takes what `writ demo --env-file` writes (BASE_URL, which must be https), TLS_CA (the demo's certificate) and WRIT (the
program, for `writ demo code`). In place of a browser, a few lines fetch the page, fill its form in and go where they are
led. Then what must be refused is tried, request by request. It closes with `N passed, N failed` and exits with 0 only
when nothing failed.
"""

import base64
import hashlib
import html.parser
import http.server
import json
import os
import re
import secrets
import subprocess
import sys
import threading
import urllib.parse
import warnings
import webbrowser

import msal
import requests
from azure.identity import AuthenticationRecord, DeviceCodeCredential, InteractiveBrowserCredential

BASE = os.environ["BASE_URL"].rstrip("/")
CA = os.environ["TLS_CA"]
WRIT = os.environ["WRIT"]
# MSAL warns of answers in the address; other programs still ask for them.
warnings.filterwarnings("ignore", message="response_mode='form_post' is recommended")
# MSAL and azure-identity take the certificate from here, and nothing here goes through a proxy.
os.environ["REQUESTS_CA_BUNDLE"] = CA
for proxy in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
    os.environ.pop(proxy, None)

# The program that signs people in; Microsoft Graph Command Line Tools' own id.
CLIENT = "14d82eec-204b-4c2f-b7e8-296a70dab67e"
OTHER_CLIENT = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
EVERYTHING = [BASE + "/.default"]
CHALLENGE = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'
PEOPLE = ("ana", "ben", "carla", "dana")


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
            # Tokens and codes are left out, and pages are put on one line.
            told = re.sub(r"[\w.-]{40,}", "…", " ".join(str(seen).split()))
            print(f"FAIL  {claim}  [{told[:400]}]", flush=True)


class People:
    """The demo's people in turn, since each of their one-time codes works once."""

    def __init__(self):
        self.turn = 0

    def next(self):
        name = PEOPLE[self.turn % len(PEOPLE)]
        self.turn += 1
        return self.named(name)

    def named(self, name):
        said = subprocess.run(
            [WRIT, "demo", "code", name, "--json", "--server", BASE], capture_output=True, text=True, check=True
        )
        told = json.loads(said.stdout)
        return {"username": told["account"], "password": told["password"], "code": told["code"]}


class Forms(html.parser.HTMLParser):
    """The forms of a page, with what stands in their fields."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.found.append((attributes.get("action") or "", {}))
        elif tag == "input" and self.found and attributes.get("name"):
            self.found[-1][1][attributes["name"]] = attributes.get("value") or ""

    def with_field(self, name):
        return next(((action, fields) for action, fields in self.found if name in fields), None)


class Browser:
    """What a browser does with a sign-in, and no more: forms, and the way back to the program."""

    def __init__(self):
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = CA

    def get(self, url):
        return self.session.get(url, allow_redirects=False, timeout=30)

    def send(self, page, form, origin=None, **typed):
        """Sends a form of a page, from that page."""
        action, fields = form
        at = urllib.parse.urlsplit(page.url)
        own = f"{at.scheme}://{at.netloc}"
        return self.session.post(
            urllib.parse.urljoin(page.url, action),
            data=fields | typed,
            headers={"origin": origin or own, "sec-fetch-site": "same-origin" if origin is None else "cross-site"},
            allow_redirects=False,
            timeout=30,
        )

    def sign_in(self, url, person, **more):
        """Signs in on the page at this address; the answer to the form."""
        page = self.get(url)
        form = Forms(page.text).with_field("password")
        if form is None:
            raise AssertionError(f"no form to sign in with: {page.status_code} {page.text[:300]}")
        return self.send(page, form, **(person | more))

    def deliver(self, answer):
        """Takes the answer to the program, as its response_mode has it."""
        if answer.is_redirect:
            self.session.get(answer.headers["location"], timeout=30)
            return
        form = Forms(answer.text).with_field("state")
        if form is None or not form[0].startswith("http://"):
            raise AssertionError(f"no answer for the program: {answer.status_code} {answer.text[:300]}")
        self.session.post(form[0], data=form[1], timeout=30)

    def confirm(self, page, user_code, person=None):
        """Types a user code on the page for devices, and signs in there or says that it is not ours."""
        first = self.get(page)
        second = self.send(first, Forms(first.text).with_field("user_code"), user_code=user_code)
        forms = Forms(second.text)
        if person is None:
            return self.send(second, forms.with_field("decline"))
        return self.send(second, forms.with_field("password"), **person)


class Opened(webbrowser.BaseBrowser):
    """What MSAL opens in place of a browser: it signs one person in, on a thread of its own."""

    person = None

    def open(self, url, new=0, autoraise=True):
        def go():
            browser = Browser()
            browser.deliver(browser.sign_in(url, Opened.person))

        threading.Thread(target=go, daemon=True).start()
        return True


webbrowser.register("in place of a browser", None, Opened("in place of a browser"), preferred=True)


class Listening:
    """A program's own address on this machine, and what arrives there."""

    def __init__(self):
        self.arrived, come = {}, threading.Event()

        class Answered(http.server.BaseHTTPRequestHandler):
            def do_GET(handler):
                self.arrived.update(urllib.parse.parse_qsl(urllib.parse.urlsplit(handler.path).query))
                handler.thanks()

            def do_POST(handler):
                length = int(handler.headers["content-length"])
                self.arrived.update(urllib.parse.parse_qsl(handler.rfile.read(length).decode()))
                handler.thanks()

            def thanks(handler):
                handler.send_response(200)
                handler.send_header("content-length", "0")
                handler.end_headers()
                come.set()

            def log_message(handler, *told):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Answered)
        self.address = f"http://localhost:{self.server.server_port}/back"
        self.come = come
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self):
        self.come.wait(30)
        self.server.shutdown()
        self.server.server_close()
        return self.arrived


def msal_app(**more):
    return msal.PublicClientApplication(CLIENT, authority=f"{BASE}/organizations", instance_discovery=False, **more)


def read(token):
    """What stands in a token."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def graph(token, path="/v1.0/me", method="GET"):
    return requests.request(method, BASE + path, headers={"authorization": f"Bearer {token}"}, verify=CA, timeout=30)


def challenge_of(verifier):
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class Raw:
    """A request at the authorization endpoint, written by hand."""

    def __init__(self, endpoints, **changed):
        self.endpoints, self.verifier = endpoints, secrets.token_urlsafe(32)
        asked = {
            "client_id": CLIENT,
            "response_type": "code",
            "redirect_uri": "http://localhost:8400",
            "scope": "openid profile offline_access User.Read",
            "state": "as it was",
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
        }
        self.asked = {name: value for name, value in (asked | changed).items() if value is not None}

    @property
    def url(self):
        return self.endpoints["authorization_endpoint"] + "?" + urllib.parse.urlencode(self.asked)

    def told(self):
        """What the program is told without anybody signing in."""
        answer = Browser().get(self.url)
        back = urllib.parse.urlsplit(answer.headers.get("location", ""))
        return answer, dict(urllib.parse.parse_qsl(back.query))

    def code(self, person):
        return code_in(Browser().sign_in(self.url, person))

    def fetch(self, code, **changed):
        form = {
            "grant_type": "authorization_code",
            "client_id": CLIENT,
            "code": code,
            "redirect_uri": self.asked["redirect_uri"],
            "code_verifier": self.verifier,
        }
        form = {name: value for name, value in (form | changed).items() if value is not None}
        return requests.post(self.endpoints["token_endpoint"], data=form, verify=CA, timeout=30)


def code_in(answer):
    """The code that an answer takes to the program, or nothing."""
    back = urllib.parse.urlsplit(answer.headers.get("location", ""))
    return dict(urllib.parse.parse_qsl(back.query)).get("code", "")


def refused(answer, error, status=400):
    return answer.status_code == status and answer.json().get("error") == error


class Story:
    def __init__(self, checks):
        self.checks, self.people = checks, People()
        self.endpoints = requests.get(
            f"{BASE}/organizations/v2.0/.well-known/openid-configuration", verify=CA, timeout=30
        ).json()

    def described(self):
        that, told = self.checks.that, self.endpoints
        at = told["issuer"].removesuffix("/v2.0")
        for name, path in (
            ("authorization_endpoint", "/oauth2/v2.0/authorize"),
            ("token_endpoint", "/oauth2/v2.0/token"),
            ("device_authorization_endpoint", "/oauth2/v2.0/devicecode"),
            ("jwks_uri", "/discovery/v2.0/keys"),
        ):
            that(f"{name} is described", told.get(name) == at + path, told.get(name))
        that("with PKCE by S256 alone", told.get("code_challenge_methods_supported") == ["S256"], told)
        modes = told.get("response_modes_supported")
        that("in all three response modes", {"query", "fragment", "form_post"} == set(modes or []), modes)

    def interactive(self):
        """MSAL opens a browser, which posts the answer; then it gets tokens without one."""
        that, person = self.checks.that, self.people.named("ana")
        app, Opened.person = msal_app(), person
        got = app.acquire_token_interactive(EVERYTHING, timeout=60)
        that("MSAL signs somebody in through a browser", "access_token" in got, got)
        claims = got.get("id_token_claims", {})
        right = claims.get("aud") == CLIENT and claims.get("iss") == self.endpoints["issuer"] and claims.get("nonce")
        that("the id token is for the program that asked, with its nonce", right, claims)
        that("and says who", claims.get("preferred_username") == person["username"] and claims.get("name"), claims)
        me = graph(got["access_token"])
        that("the access token opens Graph", me.status_code == 200, me.text)
        that("as the same person", me.json().get("id") == claims.get("oid"), me.json())
        accounts = app.get_accounts()
        home = f"{claims.get('oid')}.{claims.get('tid')}"
        that("MSAL knows one account", [one["home_account_id"] for one in accounts] == [home], accounts)
        again = app.acquire_token_silent(EVERYTHING, accounts[0])
        that("and finds its token in its cache", again["access_token"] == got["access_token"], again["token_source"])
        fresh = app.acquire_token_silent_with_error(EVERYTHING, accounts[0], force_refresh=True)
        renewed = "access_token" in fresh and fresh["access_token"] != got["access_token"]
        that("a refresh gives a new token", renewed and graph(fresh["access_token"]).status_code == 200, fresh)
        more = app.acquire_token_silent_with_error(EVERYTHING, accounts[0], force_refresh=True)
        that("and the next one another", "access_token" in more, more)
        spent = app.acquire_token_silent_with_error(EVERYTHING, accounts[0], claims_challenge=CHALLENGE)
        that("a claims challenge is not met by a refresh", spent.get("error") == "interaction_required", spent)
        ended = graph(more["access_token"], "/v1.0/me/revokeSignInSessions", "POST")
        that("its sign-ins are ended", ended.status_code in (200, 204), ended.text)
        that("then its access token is worth nothing", graph(more["access_token"]).status_code == 401)
        gone = app.acquire_token_silent_with_error(EVERYTHING, accounts[0], force_refresh=True)
        that("and neither is its refresh token", gone is None or gone.get("error") == "invalid_grant", gone)

    def by_code(self):
        """The program opens the browser itself; the answer comes in the address; fewer permissions are asked for."""
        that = self.checks.that
        for mode in ("query", "form_post"):
            app, listening = msal_app(client_capabilities=["CP1"]), Listening()
            flow = app.initiate_auth_code_flow(["User.Read"], listening.address, response_mode=mode)
            browser = Browser()
            browser.deliver(browser.sign_in(flow["auth_uri"], self.people.next()))
            got = app.acquire_token_by_auth_code_flow(flow, listening.wait())
            that(f"MSAL exchanges a code that came by {mode}", "access_token" in got, got)
            that("for the permission it asked for", read(got["access_token"])["scp"].count("User.Read") == 1, got["scope"])
            that("which opens what it says", graph(got["access_token"]).status_code == 200)
            asked = {"openid", "profile", "offline_access", "User.Read"}
            that("and says so", asked <= set(got["scope"].split()), got["scope"])
            rest = graph(got["access_token"], "/v1.0/roleManagement/directory/roleDefinitions")
            that("and nothing else", rest.status_code == 403, rest.status_code)
            again = app.acquire_token_silent(["User.Read"], app.get_accounts()[0])
            that("and is found in the cache", again["token_source"] == "cache", again)

    def made_for_graph(self):
        """A program that asks for more than is here gets the rest, and is told."""
        app, Opened.person = msal_app(), self.people.next()
        unknown = "Mail.Read"
        got = app.acquire_token_interactive(["User.Read", unknown], timeout=60)
        held = "access_token" in got and read(got["access_token"])["scp"]
        self.checks.that("a permission that is not here ends no sign-in", held and "User.Read" in held, got)
        self.checks.that("and is not given", held and unknown not in held and unknown not in got["scope"], got)

    def challenged(self):
        """A claims challenge is met by signing in again."""
        app, Opened.person = msal_app(), self.people.next()
        got = app.acquire_token_interactive(EVERYTHING, claims_challenge=CHALLENGE, timeout=60)
        claims = read(got["access_token"]) if "access_token" in got else got
        self.checks.that("signing in with a claims challenge meets it", claims.get("acrs") == ["c1"], claims)
        flow = app.initiate_device_flow(EVERYTHING, claims_challenge=CHALLENGE)
        Browser().confirm(flow["verification_uri"], flow["user_code"], self.people.next())
        got = app.acquire_token_by_device_flow(flow, claims_challenge=CHALLENGE)
        claims = read(got["access_token"]) if "access_token" in got else got
        self.checks.that("and so does signing in by device code", claims.get("acrs") == ["c1"], claims)

    def device(self):
        """MSAL shows a code; somebody signs in elsewhere."""
        that, app = self.checks.that, msal_app()
        flow = app.initiate_device_flow(EVERYTHING)
        whole = all(flow.get(name) for name in ("user_code", "device_code", "verification_uri", "expires_in", "interval"))
        that("MSAL begins to wait for a device", whole, flow)
        told = flow["message"]
        that("and has what to tell", flow["user_code"] in told and flow["verification_uri"] in told, told)
        form = {"grant_type": "device_code", "client_id": CLIENT, "device_code": flow["device_code"]}
        early = requests.post(self.endpoints["token_endpoint"], data=form, verify=CA, timeout=30)
        that("it gets nothing before", refused(early, "authorization_pending"), early.text)
        other = requests.post(
            self.endpoints["token_endpoint"], data=form | {"client_id": OTHER_CLIENT}, verify=CA, timeout=30
        )
        that("and another program with its code neither", refused(other, "invalid_grant"), other.text)
        Browser().confirm(flow["verification_uri"], flow["user_code"], self.people.next())
        got = app.acquire_token_by_device_flow(flow)
        that("MSAL is signed in", "access_token" in got and graph(got["access_token"]).status_code == 200, got)
        fresh = app.acquire_token_silent_with_error(EVERYTHING, app.get_accounts()[0], force_refresh=True)
        that("and refreshes", "access_token" in fresh, fresh)
        twice = requests.post(self.endpoints["token_endpoint"], data=form, verify=CA, timeout=30)
        that("the device code works once", refused(twice, "invalid_grant"), twice.text)
        declined = app.initiate_device_flow(EVERYTHING)
        Browser().confirm(declined["verification_uri"], declined["user_code"])
        got = app.acquire_token_by_device_flow(declined)
        that("a device that is not ours is told so", got.get("error") == "access_denied", got)

    def azure_identity(self):
        that, kept = self.checks.that, {"authority": BASE, "tenant_id": "organizations", "disable_instance_discovery": True}
        Opened.person = self.people.next()
        credential = InteractiveBrowserCredential(client_id=CLIENT, timeout=60, **kept)
        record = credential.authenticate(scopes=EVERYTHING)
        known = AuthenticationRecord.deserialize(record.serialize()).username == Opened.person["username"]
        that("azure-identity signs somebody in through a browser", known, record.serialize())
        token = credential.get_token(*EVERYTHING)
        that("and has a token for Graph", graph(token.token).status_code == 200)
        that("which it keeps", credential.get_token(*EVERYTHING).token == token.token)

        def shown(page, user_code, expires):
            Browser().confirm(page, user_code, self.people.next())

        waiting = DeviceCodeCredential(client_id=CLIENT, timeout=60, prompt_callback=shown, **kept)
        token = waiting.get_token(*EVERYTHING, enable_cae=True)
        that("azure-identity signs somebody in by device code", graph(token.token).status_code == 200)

    def one_sign_in_after_another(self):
        """Programs made for Graph ask twice in a row; the browser goes on with one press, unless a fresh proof is wanted."""
        that, browser, person = self.checks.that, Browser(), self.people.next()
        first = Raw(self.endpoints)
        answer = browser.sign_in(first.url, person)
        before = first.fetch(code_in(answer)).json()
        second = Raw(self.endpoints)
        page = browser.get(second.url)
        form = Forms(page.text).with_field("key")
        that("whoever is signed in with the browser can go on", form is not None, page.text)
        got = second.fetch(code_in(browser.send(page, form)))
        that("and the program gets tokens", got.status_code == 200, got.text)
        old, new = read(before["access_token"]), read(got.json()["access_token"])
        that("for the same person", old["oid"] == new["oid"] and old["sid"] != new["sid"], new)
        that("whose proof is no newer", old["mfa_time"] == new["mfa_time"], (old["mfa_time"], new["mfa_time"]))
        for claim, changed in (("a fresh sign-in", {"prompt": "login"}), ("a claims challenge", {"claims": CHALLENGE})):
            raw = Raw(self.endpoints, **changed)
            page = browser.get(raw.url)
            that(f"{claim} is not met so", Forms(page.text).with_field("key") is None, page.text)
            forced = browser.session.post(raw.url, data=form[1], headers={"origin": BASE}, allow_redirects=False)
            that("not even by sending the form", forced.status_code >= 400 and not code_in(forced), forced.status_code)

    def processes_share_tokens(self):
        """Two processes of one program bring the same refresh token at once, as those that share a file of tokens do."""
        that, app = self.checks.that, msal_app()
        Opened.person = self.people.next()
        held = app.acquire_token_interactive(["User.Read", "Group.Read.All"], timeout=60)["refresh_token"]
        one, other = (msal_app().acquire_token_by_refresh_token(held, [scope]) for scope in ("User.Read", "Group.Read.All"))
        that("both get their tokens", "access_token" in one and "access_token" in other, (one, other))
        that("and can go on with either", one.get("refresh_token") == other.get("refresh_token"))
        more = msal_app().acquire_token_by_refresh_token(other["refresh_token"], ["User.Read"])
        that("which is good", "access_token" in more and graph(more["access_token"]).status_code == 200, more)

    def codes_are_good_once(self):
        that, raw = self.checks.that, Raw(self.endpoints)
        code = raw.code(self.people.next())
        first = raw.fetch(code)
        that("a code is exchanged", first.status_code == 200, first.text)
        tokens = first.json()
        that("a used code is refused", refused(raw.fetch(code), "invalid_grant"))
        that("and ends the session it began", graph(tokens["access_token"]).status_code == 401)
        spent = {"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": tokens["refresh_token"]}
        spent = requests.post(self.endpoints["token_endpoint"], data=spent, verify=CA, timeout=30)
        that("with its refresh token", refused(spent, "invalid_grant"), spent.text)

    def codes_are_bound(self):
        that = self.checks.that
        for claim, changed in (
            ("without the right verifier", {"code_verifier": secrets.token_urlsafe(32)}),
            ("by another program", {"client_id": OTHER_CLIENT}),
            ("for another address", {"redirect_uri": "http://localhost:8401"}),
        ):
            raw = Raw(self.endpoints)
            code = raw.code(self.people.next())
            that(f"a code is not exchanged {claim}", refused(raw.fetch(code, **changed), "invalid_grant"))
            that("and not afterwards either", refused(raw.fetch(code), "invalid_grant"))
        nothing = Raw(self.endpoints).fetch(secrets.token_urlsafe(32))
        that("a code that was never given is refused", refused(nothing, "invalid_grant"), nothing.text)
        without = Raw(self.endpoints).fetch("x", code_verifier=None)
        that("a verifier must be sent", refused(without, "invalid_request"), without.text)

    def requests_are_judged(self):
        that = self.checks.that
        for claim, changed in (
            ("another site", {"redirect_uri": "https://evil.example/"}),
            ("a name that only looks local", {"redirect_uri": "http://localhost.evil.example/"}),
            ("a name before an at sign", {"redirect_uri": "http://localhost@evil.example/"}),
            ("no address", {"redirect_uri": None}),
            ("no program", {"client_id": None}),
        ):
            answer, _ = Raw(self.endpoints, **changed).told()
            held = answer.status_code == 400 and "location" not in answer.headers and "<form" not in answer.text
            that(f"nothing is sent to {claim}", held, f"{answer.status_code} {answer.headers.get('location')}")
        for claim, error, changed in (
            ("a token in place of a code", "unsupported_response_type", {"response_type": "token"}),
            ("a code without PKCE", "invalid_request", {"code_challenge": None, "code_challenge_method": None}),
            ("a plain challenge", "invalid_request", {"code_challenge_method": "plain"}),
            ("a sign-in without asking", "login_required", {"prompt": "none"}),
            ("an API of somebody else", "invalid_target", {"scope": "https://evil.example/.default"}),
            ("two APIs at once", "invalid_scope", {"scope": f"{BASE}/User.Read https://evil.example/User.Read"}),
        ):
            answer, told = Raw(self.endpoints, **changed).told()
            right = told.get("error") == error and told.get("state") == "as it was" and "code" not in told
            that(f"{claim} is refused to the program", right, f"{answer.status_code} {told}")

    def the_page_guards(self):
        that, raw, person = self.checks.that, Raw(self.endpoints), self.people.next()
        wrong = Browser().sign_in(raw.url, person, password="not this one")
        held = wrong.status_code >= 400 and "location" not in wrong.headers and person["username"] in wrong.text
        that("a wrong password gives no code", held, wrong.status_code)
        browser = Browser()
        page = browser.get(raw.url)
        policy = page.headers.get("content-security-policy", "")
        that("the page cannot be framed", "frame-ancestors 'none'" in policy, policy)
        lead = "form-action 'self' http://localhost:8400;"
        that("its form leads to the program and nowhere else", lead in policy, policy)
        form = Forms(page.text).with_field("password")
        foreign = browser.send(page, form, origin="https://evil.example", **person)
        that("a form from another site is not taken", foreign.status_code == 403, foreign.status_code)


def main():
    checks = Checks()
    story = Story(checks)
    for chapter in (
        story.described,
        story.interactive,
        story.by_code,
        story.made_for_graph,
        story.challenged,
        story.device,
        story.azure_identity,
        story.one_sign_in_after_another,
        story.processes_share_tokens,
        story.codes_are_good_once,
        story.codes_are_bound,
        story.requests_are_judged,
        story.the_page_guards,
    ):
        try:
            chapter()
        except Exception as error:  # one chapter that breaks is one failure; the next may still tell something
            checks.that(f"{chapter.__name__} ran to its end", False, f"{type(error).__name__}: {error}")
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed or not checks.passed else 0


if __name__ == "__main__":
    sys.exit(main())

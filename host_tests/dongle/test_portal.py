"""The first set-up without a computer: a phone's checks for the internet, a real browser that
tries a wrong password first, and the telegrams that come in all the while."""

import json
import random
import re
import shutil
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from dnslib import DNSQuestion, DNSRecord
from playwright.sync_api import Page, sync_playwright

import pages
import rig
from household import PATIENCE_S, Household, needs_micropython, told_at_once, wait_for

pytestmark = [pytest.mark.slow, needs_micropython, pytest.mark.timeout(300)]

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no chromium: apt install chromium")
CHROMIUM_OPTIONS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

AP_ADDRESS = "127.0.0.2"  # where the dongle's 192.168.4.1 is on this laptop
STRANGER = "127.0.0.9"  # on the laptop, whoever chooses an address is no guest
SSID, PASSWORD = "Zoë's huis ", "correct horse"
SHOWN_MS = 4_000

# A neighbourhood, with an access point that refuses a wrong password as most do.
KNOBS = f"""
import world
world.radio.change(denial=15, denial_ms=500, scan_ms=500, neighbours=[
    (b"", -40, 3), ({SSID!r}.encode(), -50, 3), (b"caf\\xe9", -70, 3), (b"<b>open</b>", -85, 0)])
from dongle.setup import portal
portal._SHOWN_MS = {SHOWN_MS}
portal.TEMPORARY = False
"""

PROBES = [
    ("connectivitycheck.gstatic.com", "/generate_204"),  # Android
    ("clients3.google.com", "/generate_204"),
    ("captive.apple.com", "/hotspot-detect.html"),
    ("www.msftconnecttest.com", "/connecttest.txt"),
    ("www.msftncsi.com", "/ncsi.txt"),
    ("detectportal.firefox.com", "/canonical.html"),
    ("detectportal.firefox.com", "/success.txt?ipv4"),
    ("192.168.4.1", "/favicon.ico"),
    ("192.168.4.1", "/reading"),
    ("p1meter-00002a.local", "/"),
]


# --- A dongle with its portal ---


class Recorder(threading.Thread):
    """Keeps the stamps of all telegrams, as a program on the TCP port gets them."""

    def __init__(self, connection: socket.socket):
        super().__init__(daemon=True)
        self._connection = connection
        self.stamps: list[datetime] = []
        self.start()

    def run(self):
        text = b""
        while piece := self._connection.recv(4096):
            text += piece
            *whole, text = text.split(b"!")
            for telegram in whole:
                stamp = re.search(rb"0-0:1\.0\.0\((\d{12})", telegram)
                assert stamp
                self.stamps.append(datetime.strptime(stamp[1].decode(), "%y%m%d%H%M%S"))

    def stop(self):
        self._connection.shutdown(socket.SHUT_RDWR)
        self.join()


class Portal:
    """The dongle of a household, with nothing but ports configured, as its guests see it."""

    def __init__(self, folder, **options):
        self.http_port, self.dns_port = rig.free_port(), rig.free_port()
        self.folder = folder
        options.setdefault("broker", 1)  # none
        config = {"wifi": {"ssid": "", "password": ""}, "mqtt": {"host": ""}}
        self.home = Household(
            folder,
            config=config,
            before=KNOBS,
            environment={
                "P1_WIFI": json.dumps({SSID: PASSWORD}),
                "P1_AP_ADDRESS": AP_ADDRESS,
                "P1_AP_HTTP_PORT": str(self.http_port),
                "P1_AP_DNS_PORT": str(self.dns_port),
            },
            **options,
        )
        self.heard: list[str] = []  # all that HTTP ever answered
        self.client = httpx.Client(
            base_url=f"http://{AP_ADDRESS}:{self.http_port}",
            headers={"Host": "192.168.4.1"},
            timeout=PATIENCE_S,
            trust_env=False,
            event_hooks={"response": [self._hear]},
        )
        self.home.client.event_hooks = {"response": [self._hear]}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()
        self.home.__exit__()

    def _hear(self, response: httpx.Response):
        self.heard.append(f"{response.headers} {response.read().decode()}")

    def said(self, pattern: str) -> re.Match | None:
        """On the console."""
        return re.search(pattern, "\n".join(self.home.said))

    def wait_until_open(self) -> re.Match:
        what = r"portal: open: Wi-Fi (\S+), password (\S+), (\S+)"
        opened = wait_for(lambda: self.said(what), "the portal opens")
        wait_for(lambda: self.client.get("/status").is_success, "its page is there")
        return opened

    def status(self) -> dict:
        return self.client.get("/status").json()

    def ask(self, packet: bytes, within_s: float = PATIENCE_S) -> bytes | None:
        """The name server's answer."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(within_s)
            client.sendto(packet, (AP_ADDRESS, self.dns_port))
            try:
                return client.recv(2048)
            except TimeoutError:
                return None

    def config(self) -> dict:
        return json.loads((self.folder / "config.json").read_text())

    def is_open(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex((AP_ADDRESS, self.http_port)) == 0


# --- The stories ---


@dataclass
class Visit:
    """A page in a phone's browser, and what it complains about."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    responses: list = field(default_factory=list)
    violations: dict[str, str] = field(default_factory=dict)  # axe's, by when it looked

    def hear(self, line):
        # What the browser says of the network, as when the access point is gone, is no fault of
        # the page's.
        is_the_networks = line.text.startswith("Failed to load resource:")
        if line.type in ("error", "warning") and not is_the_networks:
            self.complaints.append(line.text)

    def look(self, moment: str):
        results = Axe().run(self.page)
        if results.violations_count:
            self.violations[moment] = results.generate_report()

    def outcome(self) -> str:
        return self.page.locator("#outcome").inner_text()

    def choose(self, password: str):
        self.page.get_by_label(re.compile("^Zoë's huis␣")).check()
        self.page.get_by_label("Its password").fill(password)
        self.page.get_by_role("button", name="Try it").click()

    def wait_for(self, text: str):
        self.page.get_by_text(text).wait_for(timeout=1000 * PATIENCE_S)


@contextmanager
def phone(portal: Portal):
    """Its browser's network is the dongle's access point: every name leads there."""
    everything = f"--host-resolver-rules=MAP * {AP_ADDRESS}:{portal.http_port}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*CHROMIUM_OPTIONS, everything]
        )
        context = browser.new_context(viewport={"width": 360, "height": 720}, locale="en-GB")
        visit = Visit(context.new_page())
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.on("console", visit.hear)
        visit.page.on("response", lambda response: visit.responses.append(response))
        yield visit
        browser.close()


def with_a_browser(folder) -> SimpleNamespace:
    facts = SimpleNamespace()
    with Portal(folder) as portal:
        facts.opened = portal.wait_until_open()
        recorder = Recorder(portal.home.connect(portal.home.tcp_port))
        wait_for(lambda: recorder.stamps, "a telegram")
        facts.device = json.loads((folder / "device.json").read_text())
        with phone(portal) as visit:
            facts.visit, page = visit, visit.page
            page.goto("http://connectivitycheck.gstatic.com/generate_204")
            facts.url = page.url
            page.get_by_label(re.compile("^Zoë's huis␣")).wait_for()
            facts.networks = page.locator("#networks .network").all_inner_texts()
            visit.look("at first")

            visit.choose("short")
            facts.too_short = visit.outcome()
            visit.choose("wrong horse")
            page.locator("#progress").wait_for()
            facts.trying = visit.outcome()
            visit.look("while it tries")
            visit.wait_for("is not the password")
            facts.wrong = {}
            for language in ("nl", "fr", "de", "en"):
                page.get_by_role("combobox").select_option(language)
                facts.wrong[language] = visit.outcome()
            visit.look("after the wrong password")
            facts.saved_too_early = portal.config()["wifi"]

            facts.kinds = [page.locator("#password").get_attribute("type")]
            page.get_by_label("Show it").check()
            facts.kinds.append(page.locator("#password").get_attribute("type"))
            visit.choose(PASSWORD)
            visit.wait_for("Connected to")
            facts.connected = visit.outcome()
            facts.links = [each.get_attribute("href") for each in page.locator("a").all()]
            visit.look("once it is connected")
            portal.heard += [each.text() for each in visit.responses if each.status == 200]

        facts.wifi = portal.home.health()["wifi"]
        facts.through_the_network = [
            portal.home.client.request(method, path).status_code
            for method, path in (("GET", "/scan"), ("GET", "/status"), ("POST", "/try"))
        ]
        wait_for(lambda: portal.said("portal: closed"), "the portal closes")
        closed = datetime.now()
        facts.is_open = portal.is_open()
        wait_for(lambda: datetime.now() > closed + timedelta(seconds=1), "a telegram more")
        recorder.stop()
        facts.stamps = recorder.stamps
        facts.telegrams = portal.home.health()["telegrams"]
        facts.failures = portal.home.health()["task_failures"]
        facts.config, facts.resets = portal.config(), portal.home.dongle.resets
        facts.heard = portal.heard
    return facts


def with_a_broker(folder) -> SimpleNamespace:
    """Without a browser: what a phone's system asks, what a stranger tries, and a broker too."""
    facts = SimpleNamespace()
    with Portal(folder, meter=None, broker=None) as portal:
        path = folder / "config.json"
        config = portal.config()
        config["mqtt"]["prefix"] = "kept"
        path.write_text(json.dumps(config))
        portal.wait_until_open()
        facts.probes = {
            (host, path): portal.client.get(path, headers={"Host": host}) for host, path in PROBES
        }
        facts.page = portal.client.get("/")
        facts.scan = wait_for(
            lambda: (scan := portal.client.get("/scan").json())["networks"] and scan, "a scan"
        )
        facts.again = portal.client.post("/scan", json={}).json()
        facts.names = asked_names(portal)
        facts.foreign = foreign_requests(portal)
        facts.bad = bad_wishes(portal)
        facts.odd = odd_requests(portal)
        facts.before = portal.status()

        wish = {"ssid": SSID.strip(), "password": PASSWORD}
        facts.accepted = portal.client.post("/try", json=wish)
        facts.busy = portal.client.post("/try", json=wish)
        facts.out_of_reach = wait_for(lambda: ended(portal.status()), "it ends")
        broker = {"mqtt_host": "127.0.0.1", "mqtt_user": "user", "mqtt_password": "broker secret"}
        portal.client.post("/try", json={"ssid": SSID, "password": PASSWORD, **broker})
        facts.connected = wait_for(lambda: ended(portal.status()), "it ends")
        facts.too_late = portal.client.post("/try", json=wish)
        wait_for(lambda: portal.home.dongle.resets, "it starts anew")
        portal.home.wait_until_connected()
        facts.wifi, facts.config = portal.home.health()["wifi"], portal.config()
        facts.why = portal.home.health()["starts"]["before"]["why"]
        facts.is_open = portal.is_open()
        facts.heard = portal.heard
        facts.label = json.loads((folder / "device.json").read_text())["ap_password"]
    return facts


def ended(status: dict) -> dict | None:
    return None if status["state"] == "trying" else status


def asked_names(portal: Portal) -> dict:
    """What the name server says, with garbage in between."""
    answers = {}
    for kind in ("A", "AAAA", "HTTPS", "TXT", "ANY"):
        query = DNSRecord.question("Connectivitycheck.GStatic.com", kind)
        answers[kind] = query, portal.ask(bytes(query.pack()))
    plain = DNSRecord.question("apple.com").pack()
    two = DNSRecord.question("apple.com")
    two.add_question(DNSQuestion("apple.org"))
    chance = random.Random(1)
    garbage = [
        b"",
        b"\0",
        plain[:11],
        plain[:-1],
        plain[:12] + b"\xc0\x0c\0\1\0\1",  # a name that points to itself
        plain[:2] + b"\x84\0" + plain[4:],  # an answer
        plain[:5] + b"\0" + plain[6:],  # no question
        two.pack(),
        plain[:12] + b"\x3fx" * 300,
        *(chance.randbytes(chance.randrange(1, 600)) for _ in range(50)),
    ]
    query = DNSRecord.question("still.there")
    packet = bytes(query.pack())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE_S)
        for each in garbage:
            client.sendto(each, (AP_ADDRESS, portal.dns_port))
        # The first that comes back is the answer to what is asked last.
        client.sendto(packet, (AP_ADDRESS, portal.dns_port))
        answers["still.there"] = query, client.recv(2048)
    # A second packet in a datagram, an EDNS record for instance, is no harm.
    answers["longer"] = query, portal.ask(packet[:11] + b"\1" + packet[12:] + b"junk")
    return answers


def foreign_requests(portal: Portal) -> dict[str, int]:
    """The status of what does not come from the dongle's own page."""
    wish = json.dumps({"ssid": SSID, "password": PASSWORD})

    def post(**headers):
        return portal.client.post("/try", content=wish, headers=headers).status_code

    statuses = {
        "another page": post(Origin="http://evil.example"),
        "a sandbox": post(Origin="null"),
        "another port": post(Origin="http://192.168.4.1:8080"),
        "another name": post(Host="evil.example", Origin="http://evil.example"),
        "its reading": portal.client.get("/status", headers={"Host": "evil.example"}).status_code,
    }
    with socket.create_connection(
        (AP_ADDRESS, portal.http_port), PATIENCE_S, source_address=(STRANGER, 0)
    ) as stranger:
        stranger.sendall(b"GET /status HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n")
        try:
            statuses["a stranger"] = len(stranger.recv(100))
        except ConnectionResetError:
            statuses["a stranger"] = 0
    return statuses


METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")
OTHER_PATHS = ("/config", "/config.json", "/../config.json", "/device.json", "/update", "/health")


def odd_requests(portal: Portal) -> dict[tuple[str, str], int]:
    """The status of every method for every path, and of what is too large or ambiguous."""
    statuses = {
        (method, path): portal.client.request(method, path).status_code
        for path in ("/", "/status", "/scan", "/try", *OTHER_PATHS)
        for method in METHODS
    }
    large = portal.client.post("/try", content=b"x" * 2049)
    for name, lines in {
        "two lengths": "Content-Length: 2\r\nContent-Length: 9",
        "chunks": "Transfer-Encoding: chunked",
    }.items():
        with socket.create_connection((AP_ADDRESS, portal.http_port), PATIENCE_S) as client:
            client.sendall(
                f"POST /try HTTP/1.1\r\nHost: 192.168.4.1\r\n{lines}\r\n\r\n{{}}".encode()
            )
            statuses["POST", name] = int(client.recv(100).split()[1])
    return statuses | {("POST", "too large"): large.status_code}


def bad_wishes(portal: Portal) -> dict[str, httpx.Response]:
    wishes = {
        "no JSON": "{",
        "a list": "[]",
        "nothing": "{}",
        "no password": json.dumps({"ssid": SSID}),
        "no name": json.dumps({"ssid": "", "password": PASSWORD}),
        "a number": json.dumps({"ssid": 5, "password": PASSWORD}),
        "33 bytes": json.dumps({"ssid": "é" * 16 + "x", "password": PASSWORD}),
        "too long": json.dumps({"ssid": SSID, "password": PASSWORD * 5}),
    }
    return {name: portal.client.post("/try", content=wish) for name, wish in wishes.items()}


STORIES = [with_a_broker, *([with_a_browser] if CHROMIUM else [])]


@pytest.fixture(scope="module")
def told(request, tmp_path_factory):
    yield from told_at_once(STORIES, request, tmp_path_factory)


# --- What a phone and a browser see ---


@needs_chromium
def test_a_phone_that_checks_for_the_internet_lands_on_the_page(told):
    facts = told(with_a_browser)
    name, password, url = facts.opened.groups()
    assert name == "p1meter-00002a"
    assert facts.url == url == "http://192.168.4.1/"
    assert re.fullmatch("[a-km-np-z2-9]{12}", password)
    assert facts.device == {"ap_password": password}


@needs_chromium
def test_the_page_lists_networks_with_their_blanks_and_without_their_markup(told):
    rows = [row.splitlines() for row in told(with_a_browser).networks]
    assert rows == [
        ["Zoë's huis␣", "good"],  # once, as strong as its stronger access point
        ["<b>open</b>", "weak, open"],
    ]


@needs_chromium
def test_a_wrong_password_is_told_in_plain_words_and_not_kept(told):
    facts = told(with_a_browser)
    assert facts.too_short == "A Wi-Fi password has at least 8 characters."
    assert facts.trying.startswith("Connecting to “Zoë's huis␣” …")
    assert facts.wrong == {
        "en": "That is not the password of “Zoë's huis␣”. Capitals count.",
        "nl": "Dat is niet het wachtwoord van “Zoë's huis␣”. Hoofdletters tellen mee.",
        "fr": "Ce n'est pas le mot de passe de « Zoë's huis␣ ». Les majuscules comptent.",
        "de": "Das ist nicht das Passwort von „Zoë's huis␣“. Großbuchstaben zählen.",
    }
    assert facts.saved_too_early["ssid"] == facts.saved_too_early["password"] == ""


@needs_chromium
def test_the_right_password_is_kept_and_the_page_tells_where_the_dongle_is(told):
    facts = told(with_a_browser)
    assert facts.kinds == ["password", "text"]
    assert facts.connected.startswith("Connected to “Zoë's huis␣”.")
    port = facts.config["http"]["port"]
    assert facts.links == [f"http://127.0.0.1:{port}/", f"http://p1meter-00002a.local:{port}/"]
    assert facts.config["wifi"] == facts.saved_too_early | {"ssid": SSID, "password": PASSWORD}
    assert facts.config["mqtt"]["host"] == "" and facts.config["tcp"]["port"]
    assert facts.wifi["connected"] and facts.wifi["address"] == "127.0.0.1"
    assert facts.resets == 0, "nothing but Wi-Fi has changed"


@needs_chromium
def test_the_portal_is_not_there_for_the_network_and_closes(told):
    facts = told(with_a_browser)
    assert facts.through_the_network == [404, 404, 404]
    assert not facts.is_open


@needs_chromium
def test_the_meter_is_read_all_the_while(told):
    facts = told(with_a_browser)
    seconds = [(later - earlier).seconds for earlier, later in pairwise(facts.stamps)]
    assert len(seconds) > 8 and set(seconds) == {1}
    assert facts.telegrams["good"] >= len(facts.stamps)
    assert {facts.telegrams[kind] for kind in ("crc", "framing", "overflow")} == {0}
    assert facts.failures == {}


@needs_chromium
def test_the_page_is_for_everybody(told):
    visit = told(with_a_browser).visit
    assert not visit.violations, "\n".join(visit.violations.values())
    assert visit.complaints == []


def test_no_answer_has_a_secret(told):
    for story in STORIES:
        facts = told(story)
        label = facts.label if story == with_a_broker else facts.opened[2]
        for text in facts.heard:
            assert not [secret for secret in (PASSWORD, "broker secret", label) if secret in text]


def test_the_page_is_small():
    assert len(pages.packed(pages.page(pages.WEB / "setup.html"))) < 8_000


# --- What a phone's system and a stranger see ---


def test_every_check_for_the_internet_is_sent_to_the_page(told):
    facts = told(with_a_broker)
    for probe, answer in facts.probes.items():
        assert answer.status_code == 302, probe
        assert answer.headers["location"] == "http://192.168.4.1/", probe
    assert facts.page.is_success and "</html>" in facts.page.text


def test_every_name_is_the_dongles(told):
    names = told(with_a_broker).names
    for kind, (query, packet) in names.items():
        answer = DNSRecord.parse(packet)
        assert answer.header.id == query.header.id and answer.header.rcode == 0
        assert answer.header.qr == 1 and str(answer.q.qname) == str(query.q.qname)
        addresses = [(str(each.rname), str(each.rdata)) for each in answer.rr]
        if kind in ("AAAA", "HTTPS", "TXT"):
            assert addresses == []
        else:
            assert addresses == [(str(query.q.qname), "192.168.4.1")]
            assert answer.rr[0].ttl <= 10


def test_what_is_not_the_dongles_own_page_changes_nothing(told):
    facts = told(with_a_broker)
    assert facts.foreign == {
        "another page": 403,
        "a sandbox": 403,
        "another port": 403,
        "another name": 403,
        "its reading": 302,
        "a stranger": 0,
    }
    assert facts.before["state"] == "ready"


def test_every_method_of_every_path(told):
    """Nothing of what the network has, and no file; whoever asks for it is sent to the page."""
    expected = {("POST", "too large"): 413, ("POST", "two lengths"): 400, ("POST", "chunks"): 400}
    there = {
        "/": {"GET": 200},
        "/status": {"GET": 200},
        "/scan": {"GET": 200, "POST": 200},
        "/try": {"POST": 400},  # without a network
    }
    for method in METHODS:
        is_read = method in ("GET", "HEAD")
        for path, statuses in there.items():
            expected[method, path] = statuses.get("GET" if is_read else method, 405)
        for path in OTHER_PATHS:
            expected[method, path] = 302 if is_read else 403
    assert told(with_a_broker).odd == expected


def test_what_makes_no_config_is_refused_with_the_reason(told):
    facts = told(with_a_broker)
    assert {name: answer.status_code for name, answer in facts.bad.items()} == dict.fromkeys(
        facts.bad, 400
    )
    too_long = facts.bad["33 bytes"].json()["error"]
    assert too_long.startswith("wifi.ssid: expected text of 0 to 32 bytes, got ")
    assert facts.bad["no name"].json()["error"] == "wifi.ssid: a network needs a name"


def test_a_name_without_its_blank_is_another_network(told):
    facts = told(with_a_broker)
    assert facts.accepted.json()["state"] == "trying" and facts.busy.status_code == 503
    assert facts.out_of_reach["state"] == "failed"
    assert facts.out_of_reach["reason"] == "network not found"
    assert facts.out_of_reach["code"] == "network_not_found"


def test_a_broker_takes_a_new_start(told):
    facts = told(with_a_broker)
    assert facts.connected["state"] == "connected" and facts.connected["restarts"]
    assert facts.too_late.status_code == 503
    assert facts.wifi["connected"] and not facts.is_open and facts.why == "new settings"
    mqtt = facts.config["mqtt"]
    assert mqtt["user"] == "user" and mqtt["password"] == "broker secret"
    assert mqtt["prefix"] == "kept" and mqtt["port"], "the rest stays as it is"


def test_a_scan_can_be_repeated(told):
    facts = told(with_a_broker)
    assert not facts.scan["searching"] and facts.again["searching"]
    assert [each["ssid"] for each in facts.scan["networks"]] == [SSID, "<b>open</b>"]
    assert facts.scan["networks"][0] == {"ssid": SSID, "rssi_dbm": -50, "secured": True}

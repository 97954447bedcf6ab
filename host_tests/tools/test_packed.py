"""The packed firmware is the firmware: two dongles, one of them packed, take the same telegrams
and say the same to all who ask, byte for byte, but for what tells the time or the memory."""

import ast
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from urllib.parse import parse_qs

import httpx
import pytest

import build
import bundles
import debian
import rig
from bench.sink import Sink
from conftest import FIXTURE_NAMES, MICROPYTHON, Receiver, fixture
from household import PATIENCE_S, needs_micropython, wait_for
from http_grammar import READ
from meter import telegrams
from pack import Sources, pack
from pack.back import Back

pytestmark = [pytest.mark.slow, needs_micropython]

PASSWORD, SALT = "owner's own", bytes(8)
KEY = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), SALT, 100)
ID = "02000000002a"
SIM = build.ROOT / "tools" / "sim"

# On either side of a quarter hour and of midnight, so that both close and new ones begin.
EVENING = list(telegrams(datetime(2026, 11, 16, 23, 59, 48), count=24, version=50217))
FIXTURES = [fixture(name) for name in FIXTURE_NAMES]
GOOD = [each for each in FIXTURES if Receiver().feed(each)]

# What two dongles answer alike. /metrics and /health are compared below.
PATHS = [path for path in READ if path not in ("/", "/metrics", "/health")]
PATHS += ["/api/v1/system", "/nothing"]


class Broker(Sink):
    """Keeps what is published, by topic."""

    def __init__(self):
        super().__init__()
        self.published: dict[bytes, list[bytes]] = {}
        self.readings = Queue()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        self._listener.settimeout(None)
        with suppress(ConnectionError):  # it is switched off
            self.accept()
            while True:
                with suppress(TimeoutError):
                    self.readings.put(self.reading())

    def _packet(self):
        kind, body = super()._packet()
        if kind & 0xF0 == 0x30:
            end = 2 + int.from_bytes(body[:2], "big")
            self.published.setdefault(body[2:end], []).append(body[end:])
        return kind, body


class Pushed(BaseHTTPRequestHandler):
    """InfluxDB and dsmr-reader."""

    def do_POST(self):
        assert isinstance(self.server, Ends)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append((self.path, self.headers["Authorization"], body))
        self.send_response(204 if "write" in self.path else 201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object):
        pass


class Ends(ThreadingHTTPServer):
    """Keeps what comes: (path, authorization, body) of each."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Pushed)
        self.bodies: list[tuple[str, str | None, bytes]] = []


class Home:
    """A dongle with its meter, its broker, and who else hears of it."""

    def __init__(self, folder: Path, is_debug: bool, discovery: str = "off"):
        self._parts = ExitStack()
        with self._parts:  # if one of them does not start, the others end
            self._start(folder, is_debug, discovery)
            self._parts = self._parts.pop_all()

    def _start(self, folder: Path, is_debug: bool, discovery: str):
        built = folder / "flash"
        firmware = build.ROOT / "firmware"
        build.build(bundles.board(), firmware, built, "0.1.0", is_debug=is_debug)
        bundles.flash(built)
        self.broker = self._parts.enter_context(Broker())
        self._meter = self._parts.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.server = Ends()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self._parts.callback(self.server.shutdown)
        port = rig.free_port()
        url = f"http://127.0.0.1:{self.server.server_port}"
        config = {
            "wifi": {"ssid": "home", "password": "secret", "delay_s": 0},
            "mqtt": {
                "host": "127.0.0.1",
                "port": self.broker.port,
                "telegram": True,
                "dsmr_reader_topics": True,
            },
            "http": {
                "port": port,
                "password_hash": f"pbkdf2-sha256$100${SALT.hex()}${KEY.hex()}",
            },
            "tcp": {"port": 0},
            "homeassistant": {"discovery": discovery},
            "homewizard": {"enabled": True},
            "influx": {"url": url + "/write?db=p1", "interval_s": 1, "user": "u", "password": "p"},
            "dsmr_reader": {"url": url + "/api", "token": "secret", "interval_s": 1},
            "quarter": {"rate_ct_per_kw_year": 4500},
        }
        # The flash and nothing else has the firmware.
        frozen, stand_ins, _, library = rig.micropython_path().split(":")
        path = f"{frozen}:{built}:{stand_ins}:{library}"
        self.said: list[str] = []
        self.dongle = rig.Dongle(
            built,
            config,
            f"tcp:127.0.0.1:{self._meter.getsockname()[1]}",
            say=self.said.append,
            environment={"MICROPYPATH": path, "P1_ID": ID},
        )
        self._parts.callback(self.dongle.stop)
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S, trust_env=False
        )
        self._parts.callback(self.client.close)
        self._meter.settimeout(PATIENCE_S)
        self._line = self._meter.accept()[0]
        self._parts.callback(self._line.close)
        wait_for(lambda: self.client.get("/health").json()["mqtt"]["connected"], "MQTT")

    def close(self):
        self._parts.close()

    def take(self, telegram: bytes):
        """Returns when it has been published."""
        self._line.sendall(telegram)
        try:
            self.broker.readings.get(timeout=PATIENCE_S)
        except Empty:
            raise AssertionError(f"no reading: {self.said[-5:]}") from None

    def send(self, data: bytes):
        self._line.sendall(data)

    def get(self, path: str) -> tuple:
        answer = self.client.get(path)
        headers = {name: answer.headers.get(name) for name in ("content-type", "x-reason")}
        return answer.status_code, headers, answer.content

    def post(self, path: str, data: bytes, **options) -> tuple:
        answer = self.client.post(path, content=data, **options)
        return answer.status_code, answer.content


@contextmanager
def pair(folders, **options) -> Iterator[list[Home]]:
    """As the sources are, and packed."""
    made = []
    try:
        for is_debug in (True, False):
            made.append(Home(folders.mktemp("home"), is_debug, **options))
        yield made
    finally:
        for home in made:
            home.close()


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    with pair(tmp_path_factory) as made:
        yield made


def both(homes, ask):
    plain, packed = (ask(home) for home in homes)
    assert packed == plain
    return plain


def test_every_document_is_the_same(homes):
    seen = {path: set() for path in PATHS}
    for path in PATHS:  # before the first telegram
        both(homes, lambda home, path=path: home.get(path))
    for number, telegram in enumerate(GOOD + EVENING):
        for home in homes:
            home.take(telegram)
        for path in PATHS if number % 3 == 0 else ("/reading", "/quarter", "/history", "/live"):
            _, _, body = both(homes, lambda home, path=path: home.get(path))
            seen[path].add(body)
    assert min(len(seen[path]) for path in ("/reading", "/live", "/api/v1/data")) > 20
    assert len(seen["/quarter"]) > 20 and len(seen["/history"]) > 10
    about_readings = (b"/reading", b"/telegram", b"/quarter", b"/delivered", b"/status", b"/meter")
    topics = [topic for topic in homes[0].broker.published if topic.endswith(about_readings)]
    assert len(topics) > 5
    for topic in topics:
        both(homes, lambda home, topic=topic: home.broker.published[topic])
    assert len(both(homes, lambda home: home.broker.published[f"p1/{ID}/reading".encode()])) > 60


@pytest.mark.parametrize("form", ["device", "entity"])
def test_home_assistant_hears_the_same(tmp_path_factory, form):
    def announced(home):
        """By topic; it comes some seconds after the first telegram."""
        home.take(EVENING[0])
        port = f":{home.client.base_url.port}/".encode()
        return {
            topic.decode(): json.loads(texts[-1].replace(port, b":80/"))
            for topic, texts in dict(home.broker.published).items()
            if topic.startswith(b"homeassistant/") and texts[-1]
        }

    def same():
        plain, packed = map(announced, homes)
        return plain == packed and len(json.dumps(plain)) > 8000 and plain

    with pair(tmp_path_factory, discovery=form) as homes:
        plain = wait_for(same, "the same announcement")
    assert len(plain) == 1 if form == "device" else len(plain) > 40


def test_pushed_is_the_same(homes):
    """Now and then a line of InfluxDB, which has its time, and a telegram."""
    sent = {telegram.decode("latin-1") for telegram in GOOD + EVENING}
    lines = []
    for home in homes:
        wait_for(lambda home=home: len(home.server.bodies) > 4, "what is pushed")
        assert {path for path, *_ in home.server.bodies} == {"/write?db=p1&precision=s", "/api"}
        found = {}
        for path, authorization, body in list(home.server.bodies):
            if path == "/api":
                fields = parse_qs(body.decode(), encoding="latin-1")
                assert authorization == "Token secret" and fields["telegram"][0] in sent
                continue
            for line in body.splitlines():
                *_, time = line.rsplit(b" ", 1)
                if time.isdigit():  # a line that has none may be of any telegram without a clock
                    found[time] = authorization, line
        lines.append(found)
    common = lines[0].keys() & lines[1].keys()
    assert common
    assert {time: lines[1][time] for time in common} == {time: lines[0][time] for time in common}


def test_a_bad_telegram_is_told_in_the_same_words(homes):
    for home in homes:
        home.send(GOOD[0].replace(b"1", b"2", 3))
    for home in homes:
        wait_for(lambda home=home: home.get("/telegram/bad")[0] == 200, "the bad telegram")
    both(homes, lambda home: home.get("/telegram/bad"))


def test_metrics_are_the_same(homes):
    for home in homes:
        home.take(EVENING[-1])

    def lines(home):
        status, headers, body = home.get("/metrics")
        text = body.decode()
        readings, _, rest = text.partition("# HELP p1_telegrams_total")
        return status, headers["content-type"], readings, re.sub(r" [-\d.]+\n", "\n", rest)

    _, _, readings, rest = both(homes, lines)
    assert "p1_energy_import_watthours_total" in readings and "p1_uptime_seconds" in rest


def shape(value):
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return type(value)


def test_health_has_the_same_shape(homes):
    both(homes, lambda home: shape(json.loads(home.get("/health")[2])))
    assert json.loads(homes[1].get("/health")[2])["task_failures"] == {}


def test_the_owner_gets_the_same_answers(homes):
    owner = ("owner", PASSWORD)
    both(homes, lambda home: home.post("/config", b"{}"))
    both(homes, lambda home: home.post("/config", b"{", auth=owner))
    both(homes, lambda home: home.post("/config", b'{"mqtt": {"port": "x"}}', auth=owner))
    both(homes, lambda home: home.post("/identify", b"", auth=owner))
    both(homes, lambda home: home.post("/update", b"P1UP" + bytes(200), auth=owner))
    both(homes, lambda home: home.post("/update/pull", b"", auth=owner))
    changed = both(homes, lambda home: home.post("/config", b'{"tcp": {"port": 9}}', auth=owner))
    assert changed[0] == 200

    def config(home):
        answer = home.client.get("/config", auth=owner).json()
        for section, key in (("mqtt", "port"), ("http", "port")):
            answer[section].pop(key)
        return answer

    assert both(homes, config)["tcp"] == {"port": 9}


def test_it_said_the_same(homes):
    def said(home):
        lines = [re.sub(r"^ *\d+ s  ", "", line) for line in home.said]
        return {re.sub(r"\d+", "", line) for line in lines}

    both(homes, said)


# --- Every file ---


@pytest.fixture(scope="module")
def made():
    return pack(Sources.of(build.ROOT / "firmware"))


def test_no_name_is_unknown(made, tmp_path):
    for path, text in made.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        # What is deleted at the end is there before.
        (tmp_path / path).write_text(re.sub(r"^del .*\n", "", text, flags=re.MULTILINE))
    types = ["ptr8", "ptr16", "ptr32", "uint", "micropython"]
    command = [
        Path(sys.executable).with_name("ruff"),
        "check",
        "--isolated",
        "--select",
        "F82,F811",
    ]
    ended = subprocess.run(
        [*command, "--config", f"builtins={json.dumps(types)}", tmp_path],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("bits", [32, 64])
def test_every_file_can_be_imported(made, tmp_path, bits):
    try:
        command = debian.micropython() if bits == 32 else MICROPYTHON
    except rig.Missing as missing:
        pytest.skip(str(missing))
    build.compile_firmware(tmp_path, build.arch_of(command))
    modules = [path[:-3].replace("/", ".").removesuffix(".__init__") for path in made.files]
    program = "\n".join(["import machine", *(f"import {name}" for name in modules), "print(1)"])
    frozen, stand_ins, _, library = rig.micropython_path().split(":")
    ended = subprocess.run(
        [command, "-X", "heapsize=2m", "-c", program],
        env={**os.environ, "MICROPYPATH": f"{frozen}:{tmp_path}:{stand_ins}:{library}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    lacking = re.search(r"no module named '(\w+)'", ended.stdout + ended.stderr)
    if lacking and lacking[1] == "tls":
        pytest.skip("this MicroPython has no TLS: name another in the variable MICROPYTHON")
    assert ended.stdout == "1\n", ended.stdout + ended.stderr


_STARTED = """
import gc
from dongle.app import App
app = App()
gc.collect()
print("used", gc.mem_alloc())
"""


def test_it_takes_less_memory(tmp_path):
    """Some 29 kB on a chip; here less, for this MicroPython lacks half of the chip's names."""
    try:
        command = debian.micropython()
    except rig.Missing as missing:
        pytest.skip(str(missing))
    arch = build.arch_of(command)
    plain, packed, flash = (tmp_path / name for name in ("plain", "packed", "flash"))
    for part in ("p1", "dongle"):
        build.compile_into(plain, build.ROOT / "firmware", part, arch)
    build.compile_firmware(packed, arch, {"App"})
    shutil.copy(packed / "slots.mpy", plain)
    flash.mkdir()
    shutil.copy(build.ROOT / "boards/esp32_generic/board.json", flash)
    (flash / "config.json").write_text('{"wifi": {"ssid": "home"}, "mqtt": {"host": "broker"}}')

    def used(folder):
        frozen, stand_ins, _, library = rig.micropython_path().split(":")
        path = f"{frozen}:{folder}:{stand_ins}:{library}"
        said = subprocess.check_output(
            [command, "-X", "heapsize=2m", "-c", _STARTED],
            env={**os.environ, "MICROPYPATH": path},
            cwd=flash,
            text=True,
        )
        return int(said.split()[-1])

    assert used(plain) - used(packed) > 20_000


def test_the_stand_ins_have_no_name_that_is_not_known():
    """What they have, MicroPython has on the chip: were a name of it not in the list, packing
    would give another to what firmware/ calls so."""
    ours = pack(Sources.of(build.ROOT / "firmware")).map["names"].values()
    renamed = {name for names in ours for name in names}
    for file in [*SIM.glob("[a-z]*.py"), *(build.ROOT / "build/lib/umqtt").glob("*.py")]:
        if file.stem in ("machine", "network", "esp32", "socket", "simple"):
            for node in ast.walk(ast.parse(file.read_text())):
                if not isinstance(node, ast.ClassDef) or node.name[0] == "_":
                    continue
                kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
                methods = [each.name for each in node.body if isinstance(each, kinds)]
                assert not {name for name in methods if name[0] != "_"} & renamed, file


# --- Tracebacks ---


def test_a_traceback_is_turned_back(tmp_path):
    """Of a packed firmware that fails, as MicroPython prints it."""
    firmware = tmp_path / "firmware"
    shutil.copytree(build.ROOT / "firmware", firmware)
    chip = firmware / "dongle" / "chip.py"
    chip.write_text(
        chip.read_text() + "\n\ndef fails_here(app):\n    app.server.nothing_there()\n"
    )
    app = firmware / "dongle" / "app.py"
    app.write_text(app.read_text() + "\n\ndef breaks():\n    from .chip import fails_here\n\n")
    app.write_text(app.read_text() + "    fails_here(App)\n\n\n_BROKEN = breaks()\n")
    build.build(bundles.board(), firmware, tmp_path / "built", "0.1.0")
    names = json.loads((tmp_path / "built" / build.NAMES).read_text())
    frozen, stand_ins, _, library = rig.micropython_path().split(":")
    ended = subprocess.run(
        [MICROPYTHON, "-c", "import dongle.app"],
        env={
            **os.environ,
            "MICROPYPATH": f"{frozen}:{tmp_path}/built/slot_a:{stand_ins}:{library}",
        },
        capture_output=True,
    )
    line = len(app.read_text().splitlines()) - 6
    turned = Back(names).hear(ended.stdout + ended.stderr).decode().splitlines()
    last = len(chip.read_text().splitlines()) - 1
    assert turned[-4:] == [
        '  File "app", line 1, in <module>',
        f'  File "app", in breaks (dongle/app.py:{line})',
        # Which is in one file with it.
        f'  File "uplink", in fails_here (dongle/chip.py:{last})',
        "AttributeError: type object 'App' has no attribute 'server'",
    ]


NAMES = {
    "functions": {"app": {"uart": ["exchange (dongle/http.py:195)", "send (dongle/link.py:3)"]}},
    "names": {"wiper": ["exchange"], "pin": ["_a", "_b"]},
}
HEARD = (
    b"wifi: connected\r\n"
    b"Traceback (most recent call last):\r\n"
    b'  File "app", line 1, in uart\r\n'
    b'  File "app", line 1, in other\r\n'
    b'  File "main.py", line 3, in <module>\r\n'
    b"AttributeError: 'App' object has no attribute 'pin'\r\n"
    b"it's 'pin' and 'wiper'\r\n"
    b'>>> x = "  File "\r\n'
    b"  two blanks\r\n"
    b"the end"
)
TOLD = HEARD.replace(
    b", line 1, in uart", b", in exchange (dongle/http.py:195) or send (dongle/link.py:3)"
).replace(b"attribute 'pin'", b"attribute '_a|_b'")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, 1000])
def test_bytes_may_come_in_whatever_pieces(size):
    back = Back(NAMES)
    pieces = [HEARD[at : at + size] for at in range(0, len(HEARD), size)]
    assert b"".join(map(back.hear, pieces)) + back.rest() == TOLD


def test_what_is_no_traceback_is_shown_at_once():
    back = Back(NAMES)
    for piece in (b">", b">> ", b"a", b" ", b" ", b"\xff\x00", b"\r\n", b"b"):
        assert back.hear(piece) == piece
    assert back.rest() == b""


def test_what_is_held_back_comes_when_it_is_no_traceback():
    back = Back(NAMES)
    assert back.hear(b'  File "') == b""
    assert back.hear(b'app"\n') == b'  File "app"\n'
    assert back.hear(b"  Fi") == b""
    assert back.rest() == b"  Fi"

"""The whole dongle updates itself: a good firmware stays, a bad one goes."""

import dataclasses
import hashlib
import json
import re
import shutil
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

import build
import bundles
import owner
import rig
from household import PATIENCE_S, needs_micropython, run_on_device, wait_for
from pack import names_in

pytestmark = [pytest.mark.slow, needs_micropython]

PASSWORD, WRONG = "owner's own", "somebody's"
SALT = bytes(8)
KEY = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), SALT, 100)

_STARTED = "import boot, main"
# As the board: where main.py ends with an error there is the REPL, in which nothing happens. It
# also tells which modules are in memory before and after an update.
_STARTED_HERE = """
import boot, sys, time
try:
    from dongle import updating
    updating.TEMPORARY = False
    take_update = updating._update
    async def update(app, take):
        print("modules", sorted(sys.modules))
        answer = await take_update(app, take)
        print("modules", sorted(sys.modules))
        return answer
    updating._update = update
    import main
except Exception as error:
    sys.print_exception(error)
    time.sleep(60)
"""


class Dongle(rig.Dongle):
    """With a slot on its flash and an owner. url: where it pulls from; without one it has a
    watchdog."""

    def __init__(self, folder: Path, cable: str, url: str = ""):
        self.said = []
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{rig.free_port()}", timeout=PATIENCE_S, trust_env=False
        )
        config = {
            "wifi": {"ssid": "home", "password": "secret"},
            "http": {
                "port": self.http.base_url.port,
                "password_hash": f"pbkdf2-sha256$100${SALT.hex()}${KEY.hex()}",
            },
            "tcp": {"port": 0},
            "update": {"url": url},
            "system": {"watchdog": not url},
        }
        super().__init__(folder, config, cable, say=self.said.append)

    def _start(self):
        self._command[-1] = self._command[-1].replace(_STARTED, _STARTED_HERE)
        super()._start()

    def cut_power(self):
        """For a moment."""
        self.process.kill()
        self._keeper.join()
        self._start()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def health(self):
        return self.http.get("/health").json()

    def wait_for(self, **expected):
        """Until /health says this of the firmware."""

        def look():
            return expected.items() <= self.health().get("firmware", {}).items()

        wait_for(look, f"firmware {expected}")

    def post(self, path: str, data: bytes = b"", password: str | None = PASSWORD, **headers: str):
        """(status, JSON) of what comes of it."""
        more: dict[str, Any] = {} if password is None else {"auth": ("owner", password)}

        def look():
            answer = self.http.post(path, content=data, headers=headers, **more)
            return answer if answer.status_code != 503 else None  # it hears others out

        answer = wait_for(look, "its answer")
        return answer.status_code, answer.json()

    def send(self, data: bytes, **options):
        return self.post("/update", data, **options)

    def flash(self) -> dict[str, bytes]:
        """All that is on it, but for the RTC's memory, which is none of it."""
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and path.name != "rtc.bin"
        }


@dataclass
class Versions:
    """The real firmware as it was deployed, and others of it as bundles."""

    flash: Path
    bundles: dict[str, bytes]


# The story's own program looks inside.
KEPT = names_in(_STARTED_HERE) | {"forget", "VERSION"}


def another(target: Path, version: str, arch: str = "x64", start: str = "") -> bytes:
    """The bundle of the real firmware in another version; start: with what its app begins."""
    sources = target / "sources"
    shutil.copytree(bundles.FIRMWARE, sources)
    package, app = sources / "dongle" / "__init__.py", sources / "dongle" / "app.py"
    package.write_text(package.read_text().replace('"0.1.0"', f'"{version}"'))
    app.write_text(start + app.read_text())
    (sources / "web" / "index.html").write_text(f"the page of {version}\n")
    board = dataclasses.replace(bundles.board(), arch=arch)
    build.build(board, sources, target / "built", version, KEPT)
    return bundles.pack(target / "built")


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("versions")
    built = folder / "0.1.0"
    build.build(bundles.board(), bundles.FIRMWARE, built, "0.1.0", KEPT)
    made = {
        "0.1.0": bundles.pack(built),
        "0.2.0": another(folder / "0.2.0", "0.2.0"),
        "0.3.0": another(folder / "0.3.0", "0.3.0"),
        "other key": bundles.pack(built, owner.ec.generate_private_key(owner.ec.SECP256R1())),
        "other chip": another(folder / "chip", "0.2.0", arch="xtensawin"),
        "broken": another(folder / "broken", "0.2.0", start="import nothing_of_the_kind\n"),
    }
    bundles.flash(built)
    return Versions(built, made)


def start(versions, folder, cable, **options):
    """A dongle after `make deploy`."""
    shutil.copytree(versions.flash, folder, dirs_exist_ok=True)
    return Dongle(folder, cable, **options)


class Host:
    """Serves raw answers by path, to each request one."""

    def __init__(self, answers: dict[str, bytes]):
        self.requests = []
        self._answers = answers  # None: it stays silent
        self._silent = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection = self._listener.accept()[0]
            request = connection.recv(4096)
            self.requests.append(request)
            answer = self._answers[request.split()[1][1:].decode()]
            if answer is None:
                self._silent.append(connection)
                continue
            connection.sendall(answer)
            connection.close()


def document(body: bytes, head: str = "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n") -> bytes:
    return head.format(len(body)).encode() + body


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def refusals(dongle, made):
    """Each leaves the flash as it is, and nothing in memory."""
    good, flash = made["0.2.0"], dongle.flash()

    def check(answer, status, text):
        assert answer[0] == status and text in answer[1]["error"], answer
        assert dongle.flash() == flash

    check(dongle.send(good, password=None), 401, "needs the owner's password")
    check(dongle.send(good, password=WRONG), 401, "not the owner's password")
    check(dongle.send(b""), 429, "try again in 1 s")
    check(dongle.send(good, Origin="http://evil.com"), 403, "a page of another site")
    check(dongle.send(good, Host="evil.com"), 421, "unknown host name")
    wait_for(lambda: dongle.post("/config", b"{}")[0] == 200, "the pause is over")
    assert not modules(dongle), "no update has begun yet"
    # It leaves memory then.
    wait_for(lambda: dongle.health()["mdns"]["responder"] == "built-in", "mDNS gives way")
    reasons = [
        (flip(good, 30), 403, "the signature is not the owner's"),
        (flip(good, 300), 403, "the signature is not the owner's"),
        (flip(good, len(good) - 1), 400, "is damaged"),
        (good[: len(good) // 2], 400, "shorter or longer than its files"),
        (good + b"more", 400, "shorter or longer than its files"),
        (b"<html></html>" * 99, 400, "not a bundle"),
        (made["other key"], 403, "the signature is not the owner's"),
        (made["other chip"], 409, "this bundle is for xtensawin"),
        (made["0.1.0"], 409, "this build of 0.1.0 is already running"),
    ]
    for data, status, text in reasons:
        check(dongle.send(data), status, text)
        assert text in dongle.health()["firmware"]["result"]
    assert len(set(modules(dongle))) == 1, "something of an update stays in memory"


def modules(dongle) -> list[str]:
    """What was in memory each time, without asyncio's own parts, which come when they are needed
    and stay."""
    lines = [line for line in dongle.said if line.startswith("modules ")]
    # Whoever has looked up a name once keeps the thread that did.
    lines = [line.replace("'dongle.net.dns', ", "") for line in lines]
    return [re.sub(r"'asyncio\.\w+', ", "", line) for line in lines]


def good_story(versions, folder):
    host = Host({"new.bundle": document(versions.bundles["0.3.0"])})
    meter = rig.Meter("--speed", "10")
    dongle = start(versions, folder, meter.cable, url=host.url + "new.bundle")
    try:
        dongle.wait_for(version="0.1.0", slot="slot_a", state="confirmed", result="")
        refusals(dongle, versions.bundles)
        answer = dongle.send(versions.bundles["0.2.0"])
        assert answer == (200, {"result": "0.2.0 is in place; it is tried at the next start"})
        proved = {"result": "0.2.0 has passed its trial"}
        dongle.wait_for(version="0.2.0", slot="slot_b", state="confirmed", **proved)
        # Once to try it, and once to be rid of the watchdog that only a trial has.
        wait_for(lambda: dongle.resets == 2, "it starts anew")
        dongle.wait_for(version="0.2.0", slot="slot_b", state="confirmed", **proved)
        assert dongle.http.get("/").text == "the page of 0.2.0\n"
        dongle.cut_power()
        dongle.wait_for(version="0.2.0", slot="slot_b", state="confirmed", **proved)
        flash = dongle.flash()
        older = dongle.send(versions.bundles["0.1.0"])
        assert older == (
            409,
            {"error": "0.1.0 is older than 0.2.0, which is running", "code": "older_version"},
        )
        assert dongle.flash() == flash
        wait_for(lambda: dongle.health()["wifi"]["connected"], "Wi-Fi")
        assert dongle.post("/update/pull", password=None)[0] == 401
        assert dongle.post("/update/pull", Origin="http://evil.com")[0] == 403
        assert host.requests == []
        assert dongle.post("/update/pull") == (
            200,
            {"result": "0.3.0 is in place; it is tried at the next start"},
        )
        dongle.wait_for(version="0.3.0", slot="slot_a", state="confirmed")
        return dongle.said, host.requests
    finally:
        dongle.stop()
        meter.stop()


def bad_story(versions, folder):
    """A firmware that does not even start."""
    meter = rig.Meter("--speed", "10")
    dongle = start(versions, folder, meter.cable)
    try:
        dongle.wait_for(version="0.1.0", slot="slot_a", state="confirmed")
        boot = folder / "boot.py"
        boot.write_text(boot.read_text().replace("60_000", "1_000"))
        assert dongle.send(versions.bundles["broken"])[0] == 200
        why = "0.2.0 rolled back: did not pass its trial in 3 starts"
        dongle.wait_for(version="0.1.0", slot="slot_a", state="confirmed", result=why)
        assert dongle.http.get("/reading").is_success
        return dongle.said, dongle.resets
    finally:
        dongle.stop()
        meter.stop()


def silent_story(versions, folder):
    """A firmware that starts, but no telegram comes: it stays on trial, and takes no other."""
    dongle = start(versions, folder, "")
    try:
        dongle.wait_for(version="0.1.0", slot="slot_a")
        assert dongle.send(versions.bundles["0.2.0"])[0] == 200
        running = {"error": "an update is in progress", "code": "update_running"}
        assert dongle.send(versions.bundles["0.3.0"]) == (409, running)
        dongle.wait_for(version="0.2.0", slot="slot_b", state="trial")
        busy = {
            "error": "another update is still on trial; see /health",
            "code": "update_on_trial",
        }
        assert dongle.send(versions.bundles["0.3.0"]) == (409, busy)
        assert dongle.post("/update/pull") == (
            400,
            {"error": "update.url is not set", "code": "no_update_url"},
        )
    finally:
        dongle.stop()


@pytest.fixture(scope="module")
def told(versions, tmp_path_factory):
    stories = good_story, bad_story, silent_story
    with ThreadPoolExecutor(len(stories)) as pool:
        futures = {
            story: pool.submit(story, versions, tmp_path_factory.mktemp(story.__name__))
            for story in stories
        }
        yield lambda story: futures[story].result()


def test_a_good_firmware_stays_and_nothing_older_comes_after_it(told):
    said, requests = told(good_story)
    assert not any("Traceback" in line for line in said)
    assert requests[0].startswith(b"GET /new.bundle HTTP/1.0\r\nHost: 127.0.0.1:")


def test_a_firmware_that_does_not_start_goes(told):
    said, resets = told(bad_story)
    assert sum("nothing_of_the_kind" in line for line in said) == 3
    assert resets == 4  # for the update, and by the watchdog after each start


def test_without_telegrams_nothing_is_proved(told):
    told(silent_story)


def test_what_cannot_be_pulled_says_why(versions, tmp_path):
    flash = tmp_path / "flash"
    shutil.copytree(versions.flash, flash)
    new = versions.bundles["0.2.0"]
    head = "HTTP/1.1 200 OK\r\n"
    answers = {
        "missing": (document(b"", "HTTP/1.1 404 Not Found\r\n\r\n"), 502, "expected 200, got 404"),
        "moved": (document(b"", "HTTP/1.1 301 x\r\nLocation: /\r\n\r\n"), 502, "got 301"),
        "endless": (document(b"", head + "\r\n"), 502, "has no Content-Length"),
        "ssh": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 502, "not an HTTP server"),
        "nothing": (b"", 502, "the connection was closed"),
        "silence": (None, 502, "no answer within"),
        "head": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 999, 502, "longer than 1024 bytes"),
        "half": (document(new)[: len(new) // 2], 400, "ended too early"),
        "page": (document(b"<html></html>" * 99), 400, "not a bundle"),
        "empty": (document(b""), 400, "ended too early"),
        "good": (document(new), 200, ""),
    }
    host = Host({name: answer for name, (answer, *_) in answers.items()})
    gone = f"http://127.0.0.1:{rig.free_port()}/x"
    urls = ["ftp://x/y", "https://x/y", "http://", gone, *(host.url + name for name in answers)]
    result = run_on_device("update_pull.py", *urls, folder=flash)
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    for status, answer, noted in said[:3]:
        assert status == 502 and answer["error"] == "expected http://host:port/path"
        assert noted == "nothing was fetched: " + answer["error"]
    assert said[3][:2] == [502, {"error": "no answer: ECONNREFUSED", "code": "not_fetched"}]
    for (status, answer, _), (_, expected, text) in zip(said[4:], answers.values(), strict=True):
        assert status == expected and text in answer.get("error", ""), answer
    state = json.loads((flash / "slots.json").read_text())
    assert state["slot"] == "slot_b" and state["trial"] == {"version": "0.2.0", "starts": 0}

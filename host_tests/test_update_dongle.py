"""The whole dongle updates itself: a good firmware stays, a bad one goes."""

import json
import shutil
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

import build
import bundles
import rig
from household import DEVICE, PATIENCE_S, needs_micropython, run_on_device, wait_for

pytestmark = needs_micropython

_STARTED = "import boot, main"
# As the board: where main.py ends with an error there is the REPL, in which nothing happens.
_STARTED_HERE = """
import boot, sys, time
try:
    import update_server, main
except Exception as error:
    sys.print_exception(error)
    time.sleep(60)
"""


class Dongle(rig.Dongle):
    """With a slot on its flash. It is reached as update_server.py says. url: where it pulls from;
    without one it has a watchdog."""

    def __init__(self, folder: Path, cable: str, url: str = ""):
        self.port, self.said = rig.free_port(), []
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{rig.free_port()}", timeout=PATIENCE_S, trust_env=False
        )
        config = {
            "wifi": {"ssid": "home", "password": "secret"},
            "http": {"port": self.http.base_url.port},
            "tcp": {"port": 0},
            "update": {"url": url},
            "system": {"watchdog": not url},
        }
        environment = {
            "MICROPYPATH": f"{rig.micropython_path()}:{DEVICE}",
            "P1_UPDATE_PORT": str(self.port),
        }
        super().__init__(folder, config, cable, say=self.said.append, environment=environment)

    def _start(self):
        self._command[-1] = self._command[-1].replace(_STARTED, _STARTED_HERE)
        super()._start()

    def health(self):
        return self.http.get("/health").json()

    def wait_for(self, **expected):
        """Until /health says this of the firmware."""

        def look():
            return expected.items() <= self.health().get("firmware", {}).items()

        wait_for(look, f"firmware {expected}")

    def ask(self, wanted: str, data: bytes = b""):
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as connection:
            connection.sendall(wanted.encode() + b"\n" + data)
            connection.shutdown(socket.SHUT_WR)
            return json.loads(connection.makefile("rb").read())

    def send(self, data: bytes):
        return self.ask(f"receive {len(data)}", data)


@dataclass
class Versions:
    """The real firmware as it was deployed, and others of it as bundles."""

    flash: Path
    bundles: dict[str, bytes]


def another(built: Path, target: Path, version: str, **changes: str) -> bytes:
    """The bundle of `built` in another version; changes: source of modules, by name."""
    shutil.copytree(built, target)
    sources = {"dongle/__init__": f"VERSION = {version!r}\n"} | {
        f"dongle/{name}": source for name, source in changes.items()
    }
    for name, source in sources.items():
        path = target / "source.py"
        path.write_text(source)
        compiled = build.compile_mpy(path, f"{name}.py", "x64")
        (target / build.SLOT / f"{name}.mpy").write_bytes(compiled)
    page = target / build.SLOT / "web/index.html.gz"
    page.write_bytes(build._gzip(f"the page of {version}".encode()))
    slot = target / build.SLOT
    files = {
        path.relative_to(slot).as_posix(): path.read_bytes()
        for path in slot.rglob("*")
        if path.is_file()
    }
    (target / f"{build.SLOT}.json").write_bytes(build.slot_manifest(files, version, "x64"))
    return bundles.pack(target)


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("versions")
    built = folder / "0.1.0"
    build.build(bundles.board(), bundles.FIRMWARE, built, "0.1.0")
    made = {
        "0.1.0": bundles.pack(built),
        "0.2.0": another(built, folder / "0.2.0", "0.2.0"),
        "0.3.0": another(built, folder / "0.3.0", "0.3.0"),
        "broken": another(built, folder / "broken", "0.2.0", app="import nothing_of_the_kind\n"),
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


def good_story(versions, folder):
    host = Host({"new.bundle": document(versions.bundles["0.3.0"])})
    meter = rig.Meter("--speed", "10")
    dongle = start(versions, folder, meter.cable, url=host.url + "new.bundle")
    try:
        dongle.wait_for(version="0.1.0", slot="slot_a", state="confirmed", result="")
        before = dongle.ask("modules")
        same = dongle.send(versions.bundles["0.1.0"])
        assert same == [409, {"error": "this very build of 0.1.0 is what runs"}]
        dongle.wait_for(version="0.1.0", result="refused: " + same[1]["error"])
        assert dongle.ask("modules") == before  # nothing of it stays in memory
        answer = dongle.send(versions.bundles["0.2.0"])
        assert answer == [200, {"result": "0.2.0 is in place, to be tried at the next start"}]
        proved = {"result": "0.2.0 has proved itself"}
        dongle.wait_for(version="0.2.0", slot="slot_b", state="confirmed", **proved)
        # Once to try it, and once to be rid of the watchdog that only a trial has.
        wait_for(lambda: dongle.resets == 2, "it starts anew")
        dongle.wait_for(version="0.2.0", slot="slot_b", state="confirmed", **proved)
        assert dongle.http.get("/").text == "the page of 0.2.0"
        assert sorted(before) == sorted(dongle.ask("modules"))
        dongle.process.kill()  # the power is cut
        wait_for(lambda: dongle.said[-1].startswith("ended with"), "it ends")
        dongle._start()
        dongle.wait_for(version="0.2.0", slot="slot_b", state="confirmed", **proved)
        older = dongle.send(versions.bundles["0.1.0"])
        assert older == [409, {"error": "0.1.0 is older than 0.2.0, which runs"}]
        wait_for(lambda: dongle.health()["wifi"]["connected"], "Wi-Fi")
        assert dongle.ask("pull") == [
            200,
            {"result": "0.3.0 is in place, to be tried at the next start"},
        ]
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
        why = "0.2.0 rolled back: did not prove itself in 3 starts"
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
        assert dongle.send(versions.bundles["0.3.0"]) == [409, {"error": "an update is under way"}]
        dongle.wait_for(version="0.2.0", slot="slot_b", state="trial")
        busy = {"error": "another update has still to prove itself, see /health"}
        assert dongle.send(versions.bundles["0.3.0"]) == [409, busy]
        assert dongle.ask("pull") == [400, {"error": "the config has no update.url to pull from"}]
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
        "endless": (document(b"", head + "\r\n"), 502, "does not say the size"),
        "ssh": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 502, "no HTTP server"),
        "nothing": (b"", 502, "the connection was closed"),
        "silence": (None, 502, "no answer within"),
        "head": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 999, 502, "head is over 1024 bytes"),
        "half": (document(new)[: len(new) // 2], 400, "ended too early"),
        "page": (document(b"<html></html>" * 99), 400, "this is no bundle"),
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
        assert status == 502 and answer == {"error": "expected http://host:port/path"}
        assert noted == "nothing fetched: " + answer["error"]
    assert said[3][:2] == [502, {"error": "no answer: ECONNREFUSED"}]
    for (status, answer, _), (_, expected, text) in zip(said[4:], answers.values(), strict=True):
        assert status == expected and text in answer.get("error", ""), answer
    state = json.loads((flash / "slots.json").read_text())
    assert state["slot"] == "slot_b" and state["trial"] == {"version": "0.2.0", "starts": 0}

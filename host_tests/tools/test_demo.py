"""`make demo`, as somebody starts and stops it. The demo's session is its own, so that whatever
it started can be found, and is gone when it has ended."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fastcrc
import httpx
import pytest

import rig
from household import PATIENCE_S, Listener, needs_micropython, wait_for

pytestmark = pytest.mark.timeout(300)

DEMO = rig.ROOT / "tools" / "demo.py"
ANY_PORTS = ("--http-port", "0", "--mqtt-port", "0", "--tcp-port", "0")
READY = re.compile(
    r"dongle ready: http://127\.0\.0\.1:(\d+)/ mqtt://127\.0\.0\.1:(\d+)/p1/# "
    r"tcp://127\.0\.0\.1:(\d+)\n"
)


# How it may be told to end: signal -> whom.
ENDINGS = {
    "Ctrl-C in the terminal": lambda pid: os.killpg(pid, signal.SIGINT),
    "SIGINT for it alone": lambda pid: os.kill(pid, signal.SIGINT),
    "SIGTERM": lambda pid: os.kill(pid, signal.SIGTERM),
    "the terminal is closed": lambda pid: os.killpg(pid, signal.SIGHUP),
    "Ctrl-C twice": lambda pid: [os.killpg(pid, signal.SIGINT) for _ in range(2)],
}


def recorded(watts: int, lower: bool) -> bytes:
    """A telegram with letters in its CRC, so that upper and lower case differ."""
    body = b"/FLU5\\253769484_A\r\n\r\n1-0:1.7.0(%06.3f*kW)\r\n!" % (watts / 1000)
    crc = b"%04X" % fastcrc.crc16.arc(body)
    if crc.isdigit():
        return recorded(watts + 1, lower)
    return body + (crc.lower() if lower else crc) + b"\r\n"


RECORDED = [recorded(100, lower=False), recorded(2000, lower=True)]


def session_members(session: int) -> list[str]:
    """The command lines of the processes of a session that are alive."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # just gone
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(command)
    return found


class Demo:
    def __init__(self, *arguments: str, **environment: str):
        self.process = subprocess.Popen(
            [sys.executable, DEMO, *ANY_PORTS, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        assert self.process.stdout and self.process.stderr
        self._output, self.errors = self.process.stdout, self.process.stderr
        self.lines: list[str] = []  # of its standard output
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.left_over():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.end()
        self._output.close()
        self.errors.close()

    def _read(self):
        for line in self._output:
            self.lines.append(line)

    def wait_until_ready(self) -> "Demo":
        def look():
            assert self.process.poll() is None, self.errors.read()
            return next((line for line in self.lines if line.startswith("dongle ready")), None)

        line = wait_for(look, "the demo is ready", 2 * PATIENCE_S)
        ports = READY.fullmatch(line)
        assert ports, line
        self.http_port, self.mqtt_port, self.tcp_port = ports.groups()
        return self

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.http_port}{path}", trust_env=False)

    def telegram(self) -> bytes:
        return self.get("/telegram").content

    def end(self) -> int:
        """Its exit code."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code

    def left_over(self) -> list[str]:
        return session_members(self.process.pid)


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    """demos(name): one that is ready. They all start at once."""
    file = tmp_path_factory.mktemp("replay") / "telegrams of mine.txt"
    file.write_bytes(b"".join(RECORDED))
    commands = {
        "default": (),
        "two seconds": ("--seconds", "2"),
        "replay": ("--telegrams", str(file)),
        **dict.fromkeys(ENDINGS, ()),
    }
    with ThreadPoolExecutor(3) as pool:
        started = {name: Demo(*arguments) for name, arguments in commands.items()}
        try:
            ready = {name: pool.submit(demo.wait_until_ready) for name, demo in started.items()}
            yield lambda name: ready[name].result()
        finally:
            for demo in started.values():
                demo.__exit__()


# --- Running ---


@pytest.mark.slow
@needs_micropython
def test_its_three_addresses_answer(demos):
    demo = demos("default")
    assert demo.get("/reading").json()["power_import_w"] >= 0
    telegram = demo.telegram()
    end = telegram.rindex(b"!") + 1
    assert telegram[end:] == b"%04X\r\n" % fastcrc.crc16.arc(telegram[:end])
    with socket.create_connection(("127.0.0.1", int(demo.tcp_port)), PATIENCE_S) as client:
        assert client.recv(65536).startswith(b"/FLU5")
    listener = Listener(int(demo.mqtt_port))
    try:
        wait_for(lambda: len(listener.heard("/reading")) >= 2, "two readings")
        assert listener.last("/status") == b"online"
    finally:
        listener.stop()


@pytest.mark.slow
@needs_micropython
def test_the_ready_line_comes_once(demos):
    demo = demos("default")
    assert sum("dongle ready" in line for line in demo.lines) == 1
    assert demo.process.poll() is None
    assert len(demo.left_over()) >= 4, "itself, broker, meter, firmware"


@pytest.mark.slow
@needs_micropython
def test_its_page_in_a_browser(demos):
    pytest.importorskip("playwright", reason="no playwright: `make test` installs it")
    from page_browser import CHROMIUM, Visit, chromium

    if not CHROMIUM:
        pytest.skip("no chromium: apt install chromium")
    demo = demos("default")
    with chromium() as browser:
        visit = Visit(browser, f"http://127.0.0.1:{demo.http_port}")

        def watts():
            found = re.match(r"([\d,]+)\sW (import|export)", visit.text("#flow"))
            return found and int(found[1].replace(",", ""))

        def is_of_now():
            return abs(demo.get("/reading").json()["power_w"]) == watts()

        wait_for(is_of_now, "it shows the reading of now")
        before = visit.text("#clock")
        wait_for(
            lambda: visit.text("#clock") > before and is_of_now(), "and that of the next second"
        )
        visit.close()
        visit.check()


# --- Ending ---


@pytest.mark.slow
@needs_micropython
def test_it_ends_by_itself_after_so_many_seconds(demos):
    demo = demos("two seconds")
    assert demo.end() == 0
    assert demo.left_over() == []
    assert "Traceback" not in "".join(demo.lines) + demo.errors.read()


@pytest.mark.slow
@needs_micropython
@pytest.mark.parametrize("how", ENDINGS)
def test_it_leaves_no_process_behind(demos, how):
    demo = demos(how)
    assert demo.left_over()
    ENDINGS[how](demo.process.pid)
    assert demo.end() == 0
    assert demo.left_over() == []
    assert "Traceback" not in demo.errors.read()


@needs_micropython
@pytest.mark.parametrize("how", ["Ctrl-C in the terminal", "SIGTERM"])
def test_it_may_be_ended_before_it_is_ready(how):
    with Demo() as demo:
        wait_for(lambda: len(demo.left_over()) >= 3, "the meter is starting")
        ENDINGS[how](demo.process.pid)
        assert demo.end() == 0
        assert demo.left_over() == []
        assert "dongle ready" not in "".join(demo.lines)


# --- Replaying ---


@pytest.mark.slow
@needs_micropython
def test_a_file_is_replayed_byte_for_byte(demos):
    demo = demos("replay")
    seen = set()
    wait_for(lambda: seen.add(demo.telegram()) or len(seen) >= 2, "both telegrams")
    wait_for(lambda: demo.telegram() == RECORDED[0], "the first one again")
    assert seen == set(RECORDED)


# --- What it cannot do ---


def refusal(*arguments: str, **environment: str) -> str:
    """The one line with which it refuses."""
    with Demo(*arguments, **environment) as demo:
        assert demo.end() == 1
        assert demo.left_over() == []
        said = demo.errors.read()
        assert "".join(demo.lines) == ""
    assert said.startswith("make demo: ") and said.count("\n") == 1
    return said


@needs_micropython
@pytest.mark.parametrize(
    "variable, address",
    [
        ("HTTP_PORT", "127.0.0.1"),
        ("HTTP_PORT", "0.0.0.0"),
        ("MQTT_PORT", "127.0.0.1"),
        ("TCP_PORT", "127.0.0.1"),
    ],
)
def test_a_port_that_is_taken(variable, address):
    option = "--" + variable.lower().replace("_", "-")
    with socket.create_server((address, 0)) as other:
        port = str(other.getsockname()[1])
        said = refusal(option, port)  # the last one counts
    assert f"port {port} is taken" in said and f"{variable}=0" in said


def test_no_micropython():
    said = refusal(MICROPYTHON="/nonexistent/micropython")
    assert "MICROPYTHON" in said and "/nonexistent/micropython" in said


@needs_micropython
def test_a_file_that_is_not_there(tmp_path):
    with Demo("--telegrams", str(tmp_path / "none.txt")) as demo:
        assert demo.end() == 1
        assert demo.left_over() == []
        said = demo.errors.read()
    assert "none.txt" in said and "Traceback" not in said

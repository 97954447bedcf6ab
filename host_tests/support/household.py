"""The whole dongle at work, for the end-to-end tests: a broker, a meter and the firmware, each a
process of its own as tools/rig.py starts them, and clients that look at it from outside."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

import rig

DEVICE = Path(__file__).resolve().parents[1] / "device"
PATIENCE_S = 60  # before a test gives up on something; a busy CI machine may be that slow


def _missing() -> str:
    try:
        rig.micropython()
    except rig.Missing as missing:
        return str(missing)
    return ""


needs_micropython = pytest.mark.skipif(bool(_missing()), reason=_missing())


def wait_for(look: Callable, what: str, within_s: float = PATIENCE_S) -> Any:
    """Looks again and again until there is something to see, and returns it."""
    deadline = time.monotonic() + within_s
    pause_s = 0.02
    while True:
        try:
            seen = look()
        except httpx.TransportError as error:  # not up yet
            seen, what_happened = None, error
        else:
            what_happened = seen
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {within_s} s; at last {what_happened!r}")
        # At first soon, then less often: who waits for long should not take the dongle's time.
        time.sleep(pause_s)
        pause_s = min(1.3 * pause_s, 0.15)


def told_at_once(
    stories: Sequence[Callable],
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable]:
    """Lets stories, functions of a folder, happen all at once: those that the chosen tests of this
    module name. Yields told(story), which waits for its end and gives what it returned. request:
    of the module's fixture."""
    futures: dict[Callable, Future] = {}

    def begin(story):
        if story not in futures:
            folder = tmp_path_factory.mktemp(story.__name__)
            futures[story] = pool.submit(story, folder)
        return futures[story]

    with ThreadPoolExecutor(len(stories)) as pool:
        for item in request.session.items:
            if getattr(item, "module", None) is request.module:
                for story in _named_by(item, stories):
                    begin(story)
        yield lambda story: begin(story).result()


def _named_by(test, stories: Sequence[Callable]) -> list[Callable]:
    """The stories that a test has as a parameter or names in its text."""
    parameters = test.callspec.params.values() if hasattr(test, "callspec") else ()
    names = test.function.__code__.co_names
    return [each for each in stories if each in parameters or each.__name__ in names]


def run_on_device(
    script: str, *args: str, folder: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs a script of host_tests/device among the firmware and its stand-ins; `folder` is the
    flash."""
    path = rig.micropython_path()
    return subprocess.run(
        [rig.micropython(), "-X", "heapsize=512k", DEVICE / script, *args],
        env={"PATH": os.environ["PATH"], "MICROPYPATH": path, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


class _Dongle(rig.Dongle):
    """before: MicroPython that runs before the firmware does. files: what its flash has instead
    of what the rig put there; None: not at all."""

    def __init__(self, *args, before: str = "", files: dict[str, str | None], **options):
        self._before, self._files = before, files
        super().__init__(*args, **options)

    def _start(self):
        for name, text in self._files.items():
            path = self.folder / name
            path.unlink() if text is None else path.write_text(text)
        self._files = {}
        self._command[-1], self._before = self._before + "\n" + self._command[-1], ""
        super()._start()


class Listener:
    """A foreign MQTT client, which keeps what it hears."""

    def __init__(self, port: int, topic: str = "p1/#"):
        self.messages: list[paho.MQTTMessage] = []
        self._topic = topic
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._hear
        self._client.reconnect_delay_set(1, 1)
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S), "the broker takes no subscription"

    def _subscribe(self, client: paho.Client, *_: object):
        client.subscribe(self._topic)

    def _hear(self, _client, _data, message: paho.MQTTMessage):
        # amqtt gives a newcomer what is retained for the others' subscriptions too.
        if paho.topic_matches_sub(self._topic, message.topic):
            self.messages.append(message)

    def heard(self, end: str) -> list[paho.MQTTMessage]:
        """The messages whose topic ends so."""
        return [message for message in self.messages if message.topic.endswith(end)]

    def last(self, end: str) -> bytes | None:
        heard = self.heard(end)
        return bytes(heard[-1].payload) if heard else None

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Household:
    """A dongle and what it is connected to; `with` ends all of it.

    meter     options of the simulated meter; None: nothing is plugged in, or what cable says
    broker    the port where somebody plays the broker; None: one is started
    config    what differs from a good one: {section: {key: value}}
    dongle    see _Dongle
    """

    def __init__(
        self,
        folder: Path,
        meter: tuple[str, ...] | None = (),
        broker: int | None = None,
        config: dict[str, dict] | None = None,
        dongle_id: str = "02000000002a",
        http_port: int = 0,
        files: dict[str, str | None] | None = None,
        cable: str = "",
        environment: dict[str, str] | None = None,
        **dongle,
    ):
        self.id = dongle_id
        self.said: list[str] = []  # by the firmware, on its console
        self.http_port, self.tcp_port = http_port or rig.free_port(), rig.free_port()
        self.mqtt_port = broker or rig.free_port()
        self._parts = ExitStack()
        with self._parts:  # if one of them does not start, the others end
            self.broker = self._add(rig.Broker(folder, self.mqtt_port)) if not broker else None
            self.meter = self._add(rig.Meter(*meter)) if meter is not None else None
            self.dongle = self._add(
                _Dongle(
                    folder,
                    self._config(config or {}),
                    cable=self.meter.cable if self.meter else cable,
                    say=self._hear,
                    environment={"P1_ID": dongle_id, **(environment or {})},
                    files=files or {},
                    **dongle,
                )
            )
            self.client = httpx.Client(
                base_url=f"http://127.0.0.1:{self.http_port}", timeout=PATIENCE_S, trust_env=False
            )
            self._parts.callback(self.client.close)
            self._parts = self._parts.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._parts.close()

    def _add(self, part):
        self._parts.callback(part.stop)
        return part

    def _hear(self, line: str):
        self.said.append(line)
        print(line)

    def _config(self, changes: dict[str, dict]) -> dict[str, dict]:
        config = {
            "wifi": {"ssid": "home", "password": "wifi secret", "delay_s": 0},
            "mqtt": {"host": "127.0.0.1", "port": self.mqtt_port},
            "http": {"port": self.http_port},
            "tcp": {"port": self.tcp_port},
        }
        for section, values in changes.items():
            config[section] = {**config.get(section, {}), **values}
        return config

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def health(self) -> dict:
        def look():
            answer = self.get("/health").json()
            return answer if "status" in answer else None  # else: too many clients

        return wait_for(look, "its health")

    def mqtt(self) -> dict:
        return self.health()["mqtt"]

    def wait_until_connected(self) -> bool:
        return wait_for(lambda: self.mqtt()["connected"], "MQTT connects")

    def wait_until_reading(self) -> bool:
        return wait_for(lambda: self.get("/reading").is_success, "a reading")

    def connect(self, port: int = 0) -> socket.socket:
        """A raw connection to the HTTP server, or to another port."""
        return socket.create_connection(("127.0.0.1", port or self.http_port), PATIENCE_S)

    def wait_until_taken(self, client: socket.socket):
        """Until the firmware has read all that this client has sent so far."""
        wait_for(lambda: self._unread(client) == 0, "it reads what was sent")

    def _unread(self, client) -> int | None:
        """Bytes that wait for the firmware, as the kernel counts them; None: it does not know the
        connection."""
        ours, theirs = client.getsockname()[1], client.getpeername()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            local, remote, _, queues = line.split()[1:5]
            ports = int(local.rpartition(":")[2], 16), int(remote.rpartition(":")[2], 16)
            if ports == (theirs, ours):
                return int(queues.rpartition(":")[2], 16)
        return None

    def descriptors(self) -> int:
        """How many files and sockets the firmware has open."""
        return len(os.listdir(f"/proc/{self.dongle.process.pid}/fd"))

    def descriptors_at_rest(self) -> int:
        """The same, once nobody is connected by HTTP."""

        def look():
            count = self.descriptors()
            return count if self._visitors() == 0 and count == self.descriptors() else None

        return wait_for(look, "nobody is connected")

    def _visitors(self) -> int:
        """How many connections to its HTTP server the firmware has not closed, and the kernel has
        not taken for it yet."""
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ends = [(int(row[1].rpartition(":")[2], 16), row[3], row[9]) for row in rows]
        # An inode is 0 once the process has closed it, and before it has accepted it.
        waiting = ("01", "08")  # established, or closed by the client alone
        return sum(port == self.http_port and state in waiting for port, state, _ in ends)

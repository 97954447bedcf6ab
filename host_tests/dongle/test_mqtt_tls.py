"""MQTT with a password and over TLS, at a real mosquitto: who may read and who is believed."""

import getpass
import hashlib
import ipaddress
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import paho.mqtt.client as paho
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

import rig
from dongle.meter import clock
from household import PATIENCE_S, Household, needs_micropython, run_on_device, wait_for

MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
PASSWD = shutil.which("mosquitto_passwd")

needs_mosquitto = pytest.mark.skipif(
    not (MOSQUITTO and PASSWD), reason="no mosquitto with mosquitto_passwd: apt install mosquitto"
)
USER, PASSWORD = "dongle", "correct horse"
NAME = "broker.lan"

# --- Certificates ---


class Authority:
    """A CA, which makes certificates; each with its key in one PEM file."""

    def __init__(self, folder, name):
        self._folder = folder
        self._key = rsa.generate_private_key(65537, 2048)  # what most people's openssl makes
        self._name = name
        self.certificate = self._certificate(name, self._key.public_key(), is_ca=True)
        self.pem = self._file(name, self.certificate.public_bytes(Encoding.PEM))
        self.der = self.certificate.public_bytes(Encoding.DER)

    def server(self, name, *names, days=(-1, 30)):
        """Path of a certificate for these names, with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certificate(name, key.public_key(), names, days)
        text = certificate.public_bytes(Encoding.PEM) + key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        return self._file(name, text)

    def _file(self, name, data):
        path = self._folder / f"{name}.pem"
        path.write_bytes(data)
        return path

    def _certificate(self, name, key, names=(), days=(-1, 30), is_ca=False):
        def common(name):
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder(common(self._name), common(name), key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days[0]))
            .not_valid_after(now + timedelta(days[1]))
            .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())


class Mosquitto:
    """One broker for people with a password, at many ports: `plain`, and over TLS with one
    certificate each."""

    def __init__(self, folder, authority, certificates):
        passwords = folder / "passwords"
        assert PASSWD
        subprocess.run([PASSWD, "-b", "-c", passwords, USER, PASSWORD], check=True)
        self.ports = {name: rig.free_port() for name in ("plain", "with ours", *certificates)}
        lines = [
            f"user {getpass.getuser()}",
            "allow_anonymous false",
            f"password_file {passwords}",
            f"listener {self.ports['plain']} 127.0.0.1",
        ]
        for name, path in {"with ours": certificates["good"], **certificates}.items():
            lines += [
                f"listener {self.ports[name]} 127.0.0.1",
                f"certfile {path}",
                f"keyfile {path}",
            ]
            if name == "with ours":
                lines += [f"cafile {authority.pem}", "require_certificate true"]
        settings = folder / "mosquitto.conf"
        settings.write_text("\n".join(lines) + "\n")
        self._command = [MOSQUITTO, "-c", settings]
        self.start()

    def start(self):
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, stdin=quiet, stdout=quiet, stderr=quiet)
        wait_for(lambda: all(map(_listens, self.ports.values())), "mosquitto listens")

    def kill(self):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self):
        self._process.terminate()
        self._process.wait()


def _listens(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    ours, other = Authority(folder, "ours"), Authority(folder, "other")
    name = x509.DNSName(NAME)
    here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    return SimpleNamespace(
        ours=ours,
        other=other,
        certificates={
            "good": ours.server("good", name, here),
            "expired": ours.server("expired", name, days=(-30, -1)),
            "future": ours.server("future", name, days=(2, 30)),
            "elsewhere": ours.server("elsewhere", x509.DNSName("elsewhere.lan")),
            "address": ours.server("address", here),
            "unknown": other.server("unknown", name),
        },
    )


@pytest.fixture(scope="module")
def broker(authorities, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mosquitto")
    mosquitto = Mosquitto(folder, authorities.ours, authorities.certificates)
    yield mosquitto
    mosquitto.stop()


# --- Who is believed, and who may come in ---

WRONG_USER = "are mqtt.user and mqtt.password right?"

# What is free of the chip's own memory in some of the cases, region by region.
FREE = {"no memory": [12_000], "no memory in one piece": [10_000] * 4}

# name -> (port, what differs from good settings, what is to be read in /health)
CASES = {
    "by name": ("good", {}, "connected"),
    "by address": ("good", {"host": "127.0.0.1"}, "connected"),
    "CA in DER": ("good", {"ca": "ours.der"}, "connected"),
    "several CAs": ("good", {"ca": "both.pem"}, "connected"),
    "other CA": ("good", {"ca": "other.pem"}, "is not signed by the CA in other.pem"),
    "of another CA": ("unknown", {}, "is not signed by the CA in ca.pem"),
    "other name": ("elsewhere", {}, "is for another name than broker.lan"),
    "its address only": ("address", {}, "is for another name than broker.lan"),
    "other address": ("expired", {"host": "127.0.0.1"}, "is for another name than 127.0.0.1"),
    "expired": ("expired", {}, "it has expired"),
    "not yet valid": ("future", {}, "it is not valid yet"),
    "no CA": ("good", {"ca": "nothing.pem"}, "no nothing.pem on the flash: TLS needs"),
    "a key for a CA": ("good", {"ca": "key.pem"}, "key.pem is not a certificate"),
    "text for a CA": ("good", {"ca": "cases.json"}, "cases.json is not a certificate"),
    "spoilt CA": ("good", {"ca": "spoilt.pem"}, "spoilt.pem is not a certificate"),
    "half a CA": ("good", {"ca": "half.pem"}, "half.pem is not a certificate"),
    "long CA": ("good", {"ca": "long.pem"}, "long.pem is too long"),
    "TLS at a plain port": ("plain", {}, "is mqtt.port its port for TLS?"),
    "plain at a TLS port": ("good", {"tls": False}, "connection"),  # reset, or closed
    "nobody there": ("nobody", {}, "no connection: ECONNREFUSED"),
    "silence": ("silent", {}, "no answer from the broker"),
    "another protocol": ("talkative", {}, "does not speak TLS"),
    "wants a certificate": ("with ours", {}, "does it ask for a client certificate?"),
    "no clock": ("good", {}, "waiting for the meter's clock"),
    # 12 kB are free, of 27 that a connection takes and 8 that are to stay for the network.
    "no memory": ("good", {}, "TLS needs 23 kB more than this board has: freeze the firmware in"),
    "no memory in one piece": ("good", {}, "TLS needs 7 kB more than this board has"),
    "wrong password over TLS": (
        "good",
        {"password": "horse"},
        "are mqtt.user and mqtt.password right?",
    ),
    "password": ("plain", {"tls": False}, "connected"),
    "wrong password": (
        "plain",
        {"tls": False, "password": "horse"},
        "are mqtt.user and mqtt.password right?",
    ),
    "wrong user": (
        "plain",
        {"tls": False, "user": "me"},
        "are mqtt.user and mqtt.password right?",
    ),
    "no user": (
        "plain",
        {"tls": False, "user": "", "password": ""},
        "are mqtt.user and mqtt.password right?",
    ),
}


def other_servers(stack):
    """Ports where there is no broker: one that never says anything, one that says what it likes,
    and one where nobody is."""

    def talk():
        while True:
            try:
                connection = talkative.accept()[0]
            except OSError:
                return
            with connection:
                connection.sendall(b"220 mail.example ESMTP\r\n")
                connection.recv(1000)

    silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    talkative = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    stack.callback(talkative.shutdown, socket.SHUT_RDWR)
    threading.Thread(target=talk, daemon=True).start()
    return {
        "silent": silent.getsockname()[1],
        "talkative": talkative.getsockname()[1],
        "nobody": rig.free_port(),
    }


def write_authorities(folder, authorities):
    ours, other = authorities.ours.pem.read_bytes(), authorities.other.pem.read_bytes()
    lines = ours.splitlines(keepends=True)
    contents = {
        "ca.pem": b"# the CA of our broker\n" + ours,
        "ours.der": authorities.ours.der,
        "other.pem": other,
        "both.pem": other + b"\r\n" + ours.replace(b"\n", b"\r\n"),
        "key.pem": authorities.certificates["good"].read_bytes().partition(b"-----BEGIN PR")[2],
        "spoilt.pem": lines[0] + lines[2] + lines[1] + b"".join(lines[3:]),
        "half.pem": ours[: len(ours) // 2],
        "long.pem": b"#" * 9000 + ours,
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)


@pytest.fixture(scope="module")
def outcomes(dongles, broker, authorities, tmp_path_factory):  # they need time to come up
    """{case: (reason, what was done with a socket that would block, turns of another task,
    sockets left open)}."""
    folder = tmp_path_factory.mktemp("clients")
    write_authorities(folder, authorities)
    good = {
        "host": NAME,
        "user": USER,
        "password": PASSWORD,
        "prefix": "p1",
        "telegram": False,
        "tls": True,
        "ca": "ca.pem",
    }
    with ExitStack() as stack:
        ports = broker.ports | other_servers(stack)
        cases = {
            name: {
                "settings": {**good, "port": ports[port], **changes},
                "clock": name != "no clock",
                "free": FREE.get(name, [100_000]),
            }
            for name, (port, changes, _) in CASES.items()
        }
        (folder / "cases.json").write_text(json.dumps(cases))
        result = run_on_device("dongle_tls.py", "cases.json", folder=folder)
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout)


@needs_micropython
@needs_mosquitto
@pytest.mark.parametrize("case", CASES)
def test_why_it_is_connected_or_not(outcomes, case):
    reason, blocking, turns, sockets = outcomes[case]
    expected = CASES[case][2]
    assert reason == expected if expected == "connected" else expected in reason
    assert sockets == 0
    # Whatever the broker does or leaves undone, others have their turn all the while. MicroPython
    # with the clock that waits for nobody has no TLS, so this looks at what could hold them up.
    assert blocking == []
    if CASES[case][0] == "silent":
        assert turns > 10


@needs_micropython
def test_more_than_a_slow_reader_takes_arrives_as_it_was_sent(authorities, tmp_path):
    pieces = 40
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authorities.certificates["good"])
    received = hashlib.sha256()

    def serve():
        with context.wrap_socket(server.accept()[0], server_side=True) as connection:
            assert connection.recv(5) == b"first"
            wait_for((tmp_path / "full").exists, "there is no room left anywhere on the way")
            left = pieces * 20_000
            while left:
                data = connection.recv(left)
                received.update(data)
                left -= len(data)
            connection.sendall(b"done")

    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        server.bind(("127.0.0.1", 0))
        server.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        (tmp_path / "ca.pem").write_bytes(authorities.ours.pem.read_bytes())
        port = server.getsockname()[1]
        result = run_on_device(
            "dongle_tls_stream.py", str(port), "ca.pem", str(pieces), folder=tmp_path
        )
        thread.join(PATIENCE_S)
    assert result.stdout == "ok\n", result.stdout + result.stderr
    sent = b"".join(bytes([number]) * 20_000 for number in range(pieces))
    assert received.hexdigest() == hashlib.sha256(sent).hexdigest()


# --- The whole dongle ---

# The chip's clock begins in 2000 and follows what it is set to, the laptop's is right all along.
POWERED_UP = """
import time, world
from dongle.meter import clock
class Powered(clock.Clock):
    def __init__(self, latest, health, set_utc):
        start = time.mktime((2000, 1, 1, 0, 0, 0, 0, 0))
        super().__init__(latest, health, set_utc, lambda: time.time() if world.rtc_set else start)
clock.Clock = Powered
world.names["broker.lan"] = "127.0.0.1"
"""


@pytest.fixture(scope="module")
def dongles(broker, authorities, tmp_path_factory):
    def dongle(name, dongle_id, meter, ca):
        mqtt = {"host": NAME, "tls": True, "user": USER, "password": PASSWORD, "telegram": True}
        folder = tmp_path_factory.mktemp(name)
        return stack.enter_context(
            Household(
                folder,
                meter=meter,
                broker=broker.ports["good"],
                config={"mqtt": mqtt},
                dongle_id=dongle_id,
                before=POWERED_UP,
                files={"ca.pem": ca.pem.read_text()},
            )
        )

    with ExitStack() as stack:
        yield SimpleNamespace(
            home=dongle("home", "020000007150", (), authorities.ours),
            duped=dongle("duped", "020000007151", (), authorities.other),
            unplugged=dongle("unplugged", "020000007152", None, authorities.ours),
        )


class Subscriber:
    """A foreign client over TLS, with a password."""

    def __init__(self, broker, authority, protocol, topic):
        self.messages = {}
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
        self._client.tls_set(authority.pem)
        self._client.username_pw_set(USER, PASSWORD)
        self._topic = topic
        self._client.on_connect = self._subscribe
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", broker.ports["good"])
        self._client.loop_start()

    def _subscribe(self, client: paho.Client, *_: object):
        client.subscribe(self._topic)

    def _hear(self, _client, _data, message):
        self.messages.setdefault(message.topic.rpartition("/")[2], []).append(message)

    def stop(self):
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture(scope="module")
def subscribers(dongles, broker, authorities):
    """Clients of MQTT 5 and 3.1.1, when each has heard a few readings."""
    dongles.home.wait_until_connected()
    topic = f"p1/{dongles.home.id}/#"
    clients = [
        Subscriber(broker, authorities.ours, protocol, topic)
        for protocol in (paho.MQTTv5, paho.MQTTv311)
    ]
    for client in clients:
        wait_for(lambda client=client: len(client.messages.get("reading", ())) >= 3, "readings")
    yield clients
    for client in clients:
        client.stop()


@needs_micropython
@needs_mosquitto
@pytest.mark.parametrize("version", [0, 1], ids=["5", "3.1.1"])
def test_readings_arrive_over_tls(dongles, subscribers, version):
    home, heard = dongles.home, subscribers[version].messages
    wait_for(lambda: home.get("/reading").content == heard["reading"][-1].payload, "the same")
    assert heard["status"][0].payload == b"online" and heard["status"][0].retain
    assert heard["telegram"][-1].payload.startswith(b"/FLU5")
    assert not any(message.retain for message in heard["reading"])


@needs_micropython
@needs_mosquitto
def test_nobody_is_told_the_password(dongles):
    dongles.home.wait_until_connected()
    assert dongles.home.mqtt()["tls"] is True
    assert PASSWORD not in dongles.home.get("/health").text
    assert PASSWORD not in "\n".join(dongles.home.said)


@needs_micropython
@needs_mosquitto
def test_a_broker_of_another_ca_is_told_in_health(dongles):
    def look():
        mqtt = dongles.duped.mqtt()
        return mqtt if "CA" in mqtt["reason"] else None

    mqtt = wait_for(look, "the reason")
    assert mqtt["reason"] == (
        "the broker's certificate is refused: it is not signed by the CA in ca.pem"
    )
    assert mqtt["code"] == "certificate_refused"
    assert not mqtt["connected"] and mqtt["connects"] == 0
    assert dongles.duped.health()["task_failures"] == {}


@needs_micropython
@needs_mosquitto
def test_without_a_meter_there_is_no_clock(dongles):
    def look():
        return "waiting for the meter's clock" in dongles.unplugged.mqtt()["reason"]

    wait_for(look, "the reason")
    assert dongles.unplugged.mqtt()["connects"] == 0


@needs_micropython
@needs_mosquitto
def test_it_comes_back_when_the_broker_does(dongles, broker):
    home = dongles.home
    home.wait_until_connected()
    before = home.descriptors_at_rest()
    connects = home.mqtt()["connects"]
    broker.kill()
    try:
        wait_for(lambda: not home.mqtt()["connected"], "it has noticed")
        wait_for(lambda: any("closed the connection" in line for line in home.said), "it says so")
    finally:
        broker.start()
    wait_for(lambda: home.mqtt()["connected"], "it is back")
    assert home.mqtt()["connects"] > connects
    wait_for(lambda: home.descriptors_at_rest() <= before, "nothing is left open")


# --- The chip's clock ---


class Told:
    """What a clock is told, and what it is asked."""

    def __init__(self):
        self.listeners, self.set_to, self.now_ms = [], [], 0
        self.reading = SimpleNamespace(
            telegram=b"", stamp_at=None, profile=SimpleNamespace(winter_h=1)
        )

    def uptime_ms(self):
        return self.now_ms

    def hear(self, stamp):
        self.reading.telegram, self.reading.stamp_at = stamp, 0 if stamp else None
        for listener in self.listeners:
            listener()


MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2099, 12, 30))


@given(MOMENTS, st.sampled_from([1, 2]))
def test_the_chip_is_set_to_utc(moment, ahead_h):
    told = Told()
    chip = clock.Clock(told, told, told.set_to.append, lambda: 946_684_800)
    assert not chip.is_set()
    local = moment + timedelta(hours=ahead_h)
    told.hear(local.strftime("%y%m%d%H%M%S").encode() + (b"S" if ahead_h == 2 else b"W"))
    assert told.set_to == [
        (
            *(moment.year, moment.month, moment.day, moment.weekday()),
            *(moment.hour, moment.minute, moment.second, 0),
        )
    ]


def test_it_is_set_anew_only_when_it_is_wrong():
    told = Told()
    right_s = datetime(2026, 3, 30, 15, 46, 29, tzinfo=UTC).timestamp()
    chip_s = [right_s]
    chip = clock.Clock(told, told, told.set_to.append, lambda: chip_s[0])
    assert chip.is_set()
    for off_s, now_ms, times in [
        (2, 0, 0),  # near enough
        (3, 30_000, 0),  # nobody looks
        (3, 60_000, 1),
        (-3, 119_000, 1),
        (-3, 120_000, 2),
        (0, 180_000, 2),
    ]:
        chip_s[0], told.now_ms = right_s + off_s, now_ms
        told.hear(b"260330174629S")
        assert len(told.set_to) == times
    told.now_ms = 240_000
    told.hear(b"")  # a telegram that does not say the time
    assert len(told.set_to) == 2

"""The whole dongle on this laptop: `make demo`.

Starts a broker, a simulated meter and the firmware, and says when all of it answers.
"""

import argparse
import http.client
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from rich.console import Console

import rig
from model import interpreter
from model.dongle import Dongle

_READY_WITHIN_S = 60
_console = Console(highlight=False, soft_wrap=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    add = parser.add_argument
    add("--http-port", type=int, default=8080, help="HTTP_PORT, 0 = any free one (8080)")
    add("--mqtt-port", type=int, default=1883, help="MQTT_PORT, 0 = any free one (1883)")
    add("--tcp-port", type=int, default=1502, help="TCP_PORT, 0 = any free one (1502)")
    add("--telegrams", type=Path, help="TELEGRAMS: replay this file instead of a household's day")
    add("--seconds", type=float, help="SECONDS: stop so long after it is ready")
    add("--speed", type=float, default=1, help="SPEED: meter seconds per second (1)")
    return parser.parse_args()


def _port(wanted: int, variable: str) -> int:
    if wanted == 0:
        return rig.free_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            raise rig.Missing(
                f"port {wanted} is taken: choose another, as in `make demo {variable}=0`"
            ) from None
    return wanted


def _http_answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/reading", timeout=2) as answer:
            return answer.status == 200
    except (OSError, http.client.HTTPException):
        return False


def _tcp_answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as client:
            return client.recv(1) == b"/"
    except OSError:
        return False


class _Listener:
    """A foreign MQTT client that notes whether a reading has come."""

    def __init__(self, port: int):
        self.heard = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = self._subscribe
        self._client.on_message = lambda *_: self.heard.set()
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()

    def _subscribe(self, client: paho.Client, *_: object):
        client.subscribe("p1/+/reading")

    def stop(self):
        self._client.disconnect()
        self._client.loop_stop()


def _wait_until_ready(http_port: int, mqtt_port: int, tcp_port: int, parts: list):
    deadline = time.monotonic() + _READY_WITHIN_S
    listener = _Listener(mqtt_port)
    try:
        with _console.status("starting: broker, meter, firmware ..."):
            while not (
                _http_answers(http_port) and _tcp_answers(tcp_port) and listener.heard.wait(0.2)
            ):
                for name, process in parts:
                    if process().poll() not in (None, *rig.RESETS):
                        raise rig.Missing(f"the {name} ended; what it said is above")
                if time.monotonic() > deadline:
                    raise rig.Missing(f"not ready after {_READY_WITHIN_S} s; see above")
                time.sleep(0.1)
    finally:
        listener.stop()


def _kind() -> type[rig.Dongle]:
    """The dongle in the memory of an ESP32, or, where that is not to be had, in the laptop's."""
    if "MICROPYTHON" not in os.environ:
        try:
            with _console.status(
                "building MicroPython with the chip's memory: half a minute, once"
            ):
                interpreter.micropython()
            return Dongle
        except rig.Missing as missing:
            print(f"note: in the laptop's memory, not the chip's ({missing})", flush=True)
    rig.micropython()
    return rig.Dongle


def _run(args: argparse.Namespace, stack: ExitStack):
    http_port = _port(args.http_port, "HTTP_PORT")
    mqtt_port = _port(args.mqtt_port, "MQTT_PORT")
    tcp_port = _port(args.tcp_port, "TCP_PORT")
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="p1-dongle-")))
    options = ["--speed", str(args.speed)]
    if args.telegrams:
        options += ["--replay", str(args.telegrams)]
    config = {
        "wifi": {"ssid": "laptop", "password": "not needed", "delay_s": 0},
        "mqtt": {"host": "127.0.0.1", "port": mqtt_port},
        "http": {"port": http_port},
        "tcp": {"port": tcp_port},
    }
    make_dongle = _kind()  # says what is missing before anything is started
    broker = rig.Broker(folder, mqtt_port)
    stack.callback(broker.stop)
    meter = rig.Meter(*options)
    stack.callback(meter.stop)
    dongle = make_dongle(
        folder,
        config,
        meter.cable,
        say=lambda line: _console.print(line),
        # Official MicroPython answers multicast DNS itself; a laptop's does not.
        environment={} if make_dongle is Dongle else {"P1_MDNS": "own"},
    )
    stack.callback(dongle.stop)
    parts = [
        ("broker", lambda: broker.process),
        ("meter", lambda: meter.process),
        ("firmware", lambda: dongle.process),
    ]
    _wait_until_ready(http_port, mqtt_port, tcp_port, parts)
    print(
        f"dongle ready: http://127.0.0.1:{http_port}/ mqtt://127.0.0.1:{mqtt_port}/p1/# "
        f"tcp://127.0.0.1:{tcp_port}",
        flush=True,
    )
    threading.Event().wait(args.seconds)  # None: until it is told to end


_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _end(*_):
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)  # an impatient second one must not stop the first
    raise KeyboardInterrupt


def main() -> int:
    args = _arguments()
    # `make` and the terminal send the signal to everybody; who started it cleans up.
    for number in _ENDINGS:
        signal.signal(number, _end)
    try:
        with ExitStack() as stack:
            _run(args, stack)
    except KeyboardInterrupt:
        return 0
    except rig.Missing as missing:
        print(f"make demo: {missing}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The whole firmware under MicroPython, in a folder that is its flash, for a program of device/
that starts it."""

import json
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import rig
from bench import unix

_BOARD = rig.ROOT / "boards" / "esp32_generic" / "board.json"


class Dongle:
    """Serves HTTP and TCP on http_port and tcp_port, publishes to the broker on mqtt_port.
    config: more sections. Home Assistant's discovery is off unless it says otherwise: what is
    announced now and then is not what a telegram costs. micropython: as unix.command()."""

    def __init__(
        self,
        mqtt_port: int,
        program: str,
        *arguments: str,
        heap: str,
        config: dict[str, dict] | None = None,
        micropython: Path | None = None,
        **environment,
    ):
        self._folder = TemporaryDirectory(prefix="p1-bench-")
        self.http_port, self.tcp_port = rig.free_port(), rig.free_port()
        config = dict(config or {})
        mqtt = {"host": "127.0.0.1", "port": mqtt_port, **config.pop("mqtt", {})}
        config = {
            "mqtt": mqtt,
            "homeassistant": {"discovery": "off"},
            "tcp": {"port": self.tcp_port},
            "system": {"watchdog": False},
            **config,
            "wifi": {"ssid": "laptop", "password": "not needed", "delay_s": 0},
            "http": {"port": self.http_port},
        }
        shutil.copy(_BOARD, self._folder.name)
        Path(self._folder.name, "config.json").write_text(json.dumps(config))
        self._errors = open(Path(self._folder.name, "errors"), "w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            unix.command(program, *arguments, heap=heap, micropython=micropython),
            cwd=self._folder.name,
            env=unix.environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        assert self.process.stdout
        self._output = self.process.stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self._output.close()
        self._errors.close()
        self._folder.cleanup()

    def numbers(self) -> list[int]:
        """The next line that a program of device/ means for us: "bench" and numbers."""
        for line in self._output:
            if line.startswith("bench "):
                return [int(word) for word in line.split()[1:]]
        self.process.wait()
        self._errors.seek(0)
        raise RuntimeError(f"the dongle ended: {self._errors.read()}")

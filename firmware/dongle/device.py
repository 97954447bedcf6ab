# The dongle as a set of parts, for the code that serves it: documents, tasks, the portal. app.py
# keeps it running.

import gc

import machine

from . import forget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from p1.cipher import Cipher
    from p1.framer import Framer

    from .health import Health
    from .http.auth import Auth
    from .http.documents import Web
    from .http.server import Server
    from .latest import Latest
    from .logbook import Logbook
    from .meter.capacity import Capacity
    from .meter.history import History
    from .meter.port import Port
    from .meter.relay import Relay
    from .mqtt.session import Mqtt
    from .net.dns import Resolver
    from .net.lan import Lan
    from .net.mdns import Mdns
    from .net.wifi import Wifi
    from .push.pusher import Push
    from .report import Report
    from .setup.provision import Provision
    from .stream import Stream


class Device:
    """assembly.py creates the parts that every dongle has, options.py the others. A part that is
    None is switched off or cannot be used."""

    id: str
    hostname: str
    reset_cause: str
    firmware: dict  # what /health says of the running firmware
    has_watchdog: bool
    health: "Health"
    latest: "Latest"
    framer: "Framer"
    wifi: "Wifi | Lan"
    server: "Server"
    web: "Web"
    cipher: "Cipher | None"
    port: "Port | None"
    provision: "Provision | None"
    http_port: int
    tcp_port: int
    has_metrics: bool
    update_url: str
    password_hash: str

    capacity: "Capacity | None"
    history: "History"  # exists only if its document does
    mqtt: "Mqtt | None"
    pushes: "dict[str, Push]"
    relay: "Relay | None"
    resolver: "Resolver | None"
    stream: "Stream | None"
    mdns: "Mdns | None" = None
    mdns_state = {"responder": "none", "code": "off"}  # reported while mdns is None

    auth: "Auth | None" = None  # until a request needs more than reading
    is_outdated = False  # config.json has changed since the start
    is_updating = False  # an update is being received, or the restart after it is near
    longest_turn_ms = 0

    def __init__(self, logbook: "Logbook"):
        self.logbook = logbook
        self.guesses = []  # shared by all Auth objects, one after the other

    def listener_failed(self, error: Exception) -> None:
        """Latest calls this when a listener raises an exception."""
        self.health.failed("listener", error)

    def report(self) -> "Report":
        from .report import Report

        forget()
        return Report(self)

    def why(self) -> tuple | None:
        """Returns why there is no reading, as a code and in words, or None if there is one."""
        return self.report().problem

    def spare_auth(self, idle_ms: int) -> None:
        """Drops the Auth object if it has been idle for that long. rest.py creates a new one when
        a request needs it."""
        if self.auth and self.auth.is_idle(idle_ms):
            self.auth = None
            gc.collect()

    def renew(self, why: str) -> None:
        """Resets the chip on purpose: this does not count as a fast start."""
        self.logbook.lasted()
        self.reset(why)

    def reset(self, why: str) -> None:
        """Resets the chip and keeps the reason in the logbook for the next run."""
        try:
            self.health.say("reset: " + why)
            self.logbook.ends(why)
        finally:  # also if there is no memory for the message
            machine.reset()

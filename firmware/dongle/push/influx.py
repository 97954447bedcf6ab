# Sends readings to InfluxDB (1, 2 and 3) or to another server that takes its line protocol, for
# example VictoriaMetrics or Telegraf. Lines that cannot be sent wait in RAM; if there is no room
# for a new one, the oldest are dropped.

from micropython import const

from p1.render.influx_line import write_line
from p1.render.page import Full, Page

from .backlog import Backlog
from .client import Client, basic
from .pusher import Push

_LINE_BYTES = const(640)
_KEPT_BYTES = 6144  # about 18 lines
_BATCH_BYTES = const(4096)


class Influx(Push):
    taken = 204
    useless = (400, 413, 422)
    codes = {
        400: "lines_refused",
        401: "wrong_login",
        403: "not_allowed",
        404: "no_bucket",
        413: "lines_refused",
        422: "lines_refused",
        429: "server_busy",
        500: "server_error",
        503: "server_busy",
    }

    def __init__(self, settings, resolver, latest, wifi, health):
        """settings: the section "influx" of the config."""
        url = settings["url"]
        if "precision=" not in url:
            url += ("&" if "?" in url else "?") + "precision=s"
        authorization = ""
        if settings["token"]:
            authorization = "Token " + settings["token"]
        elif settings["user"]:
            authorization = basic(settings["user"], settings["password"])
        password = settings["password"]
        client = Client(url, "text/plain; charset=utf-8", authorization, resolver, password)
        super().__init__("influx", settings["interval_s"], client, latest, wifi, health)
        self._line = Page(_LINE_BYTES)
        self._backlog = Backlog(_KEPT_BYTES)

    def note(self) -> None:
        line, reading, backlog = self._line, self._latest.reading, self._backlog
        line.size = 0
        try:
            write_line(line, reading)
        except Full:
            backlog.dropped += 1
            return
        if reading.stamp_at is None:
            backlog.clear()  # the server sets the time on arrival: right only for the newest line
        if line.size:
            backlog.append(line.bytes, line.size)

    def is_waiting(self) -> bool:
        return self._backlog.lines > 0

    def body(self) -> tuple:
        batch = self._backlog.batch(_BATCH_BYTES)
        return len(batch), (batch,)

    def arrived(self) -> int:
        return self._backlog.sent()

    def failed(self, is_useless: bool) -> None:
        if is_useless:
            self._backlog.drop()

    def state(self) -> dict:
        state = super().state()
        state["kept"] = self._backlog.lines
        state["dropped"] = self._backlog.dropped
        return state

# Sends telegrams to dsmr-reader's API, as its own remote datalogger does. Nothing is kept while
# the server cannot be reached: the next telegram has all registers again, and an old one would
# only delay it.

from p1.render.form import Form

from .client import Client, Failed
from .pusher import Push


class DsmrReader(Push):
    taken = 201
    codes = {
        400: "telegram_refused",
        401: "wrong_token",
        403: "wrong_token",
        404: "no_api",
        405: "api_off",
        500: "server_error",
        503: "server_busy",
    }

    def __init__(self, settings, resolver, latest, wifi, health):
        """settings: the section "dsmr_reader" of the config."""
        authorization = "Token " + settings["token"] if settings["token"] else ""
        client = Client(
            settings["url"], "application/x-www-form-urlencoded", authorization, resolver
        )
        super().__init__("dsmr_reader", settings["interval_s"], client, latest, wifi, health)
        self._form = Form(b"telegram")
        self._is_due = False
        self._dropped = 0  # telegrams that were due and did not arrive

    def note(self) -> None:
        self._dropped += self._is_due  # the one before was not sent
        self._is_due = True

    def is_waiting(self) -> bool:
        return self._is_due

    def body(self) -> tuple:
        telegram = self._latest.telegram()
        if telegram is None:
            raise Failed("no_telegram", "no telegram in the last 30 s")
        size = len(telegram)
        return self._form.size(telegram, size), self._form.pieces(telegram, size)

    def arrived(self) -> int:
        self._is_due = False
        return 1

    def failed(self, is_useless: bool) -> None:
        self._dropped += 1
        self._is_due = False

    def state(self) -> dict:
        state = super().state()
        state["dropped"] = self._dropped
        return state

# An API for programs that support HomeWizard's P1 meter (HWE-P1). It is compatible with its local
# API v1, but not made by HomeWizard, and the device document says so.

import json

from micropython import const

from p1.render.homewizard_json import HomeWizard

from .. import forget
from .resource import Resource
from .response import Response, words

# The HomeWizard firmware whose API this copies, because clients compare versions.
_FIRMWARE = "5.18"

# HomeWizard's error ids.
_NO_JSON = const(2)
_METHOD = const(7)
_VALUE = const(8)
_FIELD = const(201)
_INTERNAL = const(901)


def _error(status, number, text, headers=b""):
    body = {"error": {"id": number, "description": text}}
    return Response(json.dumps(body).encode(), status=status, headers=headers)


def _refuse(status, code, text=None, headers=b""):
    number = _METHOD if status == 405 else _INTERNAL
    return _error(status, number, text or words(code), headers)


class Api:
    """routes: path -> Resource, for the HTTP server."""

    def __init__(self, latest, dongle_id, ssid, rssi_dbm, led):
        """dongle_id: 12 hexadecimal digits; ssid: the network's name, "" if none is configured;
        rssi_dbm(): the signal strength, None if not connected; led: with on() and off(), or
        None."""
        self._latest = latest
        self._rssi_dbm = rssi_dbm
        self._led = led
        self._ssid = json.dumps(ssid or None).encode()
        self._device = json.dumps(
            {
                "product_type": "HWE-P1",
                "product_name": "P1 Meter",
                "serial": dongle_id,
                "firmware_version": _FIRMWARE,
                "api_version": "v1",
                "note": "compatible with HomeWizard's API v1, not made by HomeWizard",
            }
        ).encode()
        self._data = HomeWizard()
        self._rendered = None  # the number (latest.taken) of the telegram on the page
        self.routes = {
            b"/api": Resource({b"GET": self._get_device}, _refuse),
            b"/api/v1/data": Resource({b"GET": self._get_data}, _refuse),
            b"/api/v1/telegram": Resource({b"GET": self._get_telegram}, _refuse),
            # No password: these PUT requests change nothing, and the programs do not send one.
            b"/api/v1/system": Resource(
                {b"GET": self._get_system, b"PUT": self._put_system}, _refuse, False
            ),
            b"/api/v1/identify": Resource({b"PUT": self._put_identify}, _refuse, False),
        }

    def _get_device(self):
        return Response(self._device)

    def _get_data(self):
        # Without a reading, the document still has the Wi-Fi, like HomeWizard's.
        has_reading = self._latest.age_ms() is not None
        if not has_reading or self._rendered != self._latest.taken:
            reading = self._latest.reading if has_reading else None
            self._data.render(reading, self._ssid, self._strength())
            self._rendered = self._latest.taken if has_reading else None
        page = self._data.page
        return Response(memoryview(page.bytes)[: page.size])

    def _strength(self):
        """Returns the signal strength in %: 0 at -100 dBm, 100 at -50 dBm."""
        rssi_dbm = self._rssi_dbm()
        return None if rssi_dbm is None else min(max(2 * (rssi_dbm + 100), 0), 100)

    def _get_telegram(self):
        telegram = self._latest.telegram()
        if telegram is None:
            return _error(503, _INTERNAL, "no telegram in the last 30 seconds; see /health")
        return Response(telegram, "text/plain")

    def _get_system(self):
        return Response(b'{"cloud_enabled":false}')

    def _put_system(self, body):
        try:
            wanted = json.load(body)
        except ValueError:
            return _error(400, _NO_JSON, "Body contains invalid json")
        if not isinstance(wanted, dict) or list(wanted) != ["cloud_enabled"]:
            return _error(400, _FIELD, "expected an object with cloud_enabled")
        if not isinstance(wanted["cloud_enabled"], bool):
            return _error(400, _VALUE, "cloud_enabled: expected true or false")
        return self._get_system()  # there is no cloud, so the value changes nothing

    def _put_identify(self, _):
        if self._led:
            from ..led import blink

            blink(self._led)
            forget()
        return Response(b'{"identify":"ok"}')

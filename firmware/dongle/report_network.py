# The report's part on the network. report.py loads it only while it is needed.

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .device import Device

TEMPORARY = True  # see forget()

_OFF = '{"connected":false,"reason":"off"}'


def texts(app: "Device"):
    """Yields the text in pieces."""
    is_wifi = app.wifi.NAME == "wifi"
    yield ',"wifi":' + (json.dumps(app.wifi.state()) if is_wifi else _OFF)
    yield ',"mqtt":' + (_mqtt(app.mqtt) if app.mqtt else _OFF)
    yield ',"mdns":' + json.dumps(app.mdns.state() if app.mdns else app.mdns_state)
    server, guesses = app.server, app.guesses  # guesses[0]: the number of wrong passwords
    stream = app.stream.counts() if app.stream else (0, 0)
    yield (
        ',"http":{"requests":%d,"refused":%d,"wrong_passwords":%d},'
        '"tcp":{"clients":%d,"dropped":%d}'
        % ((server.requests, server.refused, guesses[0] if guesses else 0) + stream)
    )
    if not is_wifi:
        yield ',"%s":%s' % (app.wifi.NAME, json.dumps(app.wifi.state()))


def _mqtt(mqtt):
    text = (
        '{"connected":%s,"reason":%s,"tls":%s,"connects":%d,"published":%d,"dropped":%d,'
        '"announced":%d'
    ) % (
        "true" if mqtt.connected else "false",
        json.dumps(mqtt.reason),
        "true" if mqtt.tls else "false",
        mqtt.connects,
        mqtt.published,
        mqtt.dropped,
        mqtt.discovery.announced,
    )
    if mqtt.discovery.is_refused:
        text += ',"discovery_problem":' + json.dumps(_refusal(mqtt.discovery))
    return text + "}"


def _refusal(discovery):
    return (
        "the broker refuses subscriptions: what is announced is not announced again when Home "
        "Assistant starts; allow this user to read homeassistant/status and %s/+/p1_%s/+/config"
    ) % (discovery.prefix, discovery.id)

# What differs from country to country, as data. The objects do not: the registry knows them all.

from micropython import const

AUTO = "auto"

# Winter time ahead of UTC, in hours.
_CENTRAL_EUROPE = const(1)
_EASTERN_EUROPE = const(2)

_DAY_NIGHT = {1: "day", 2: "night"}
_NIGHT_DAY = {1: "night", 2: "day"}


class Profile:
    def __init__(
        self, tariff_names=None, winter_h=_CENTRAL_EUROPE, line=(115200, 8, None), has_crc=True
    ):
        self.tariff_names = tariff_names or {}  # of 0-0:96.14.0, where everybody there agrees
        self.winter_h = winter_h
        self.line = line  # baud, data bits, parity (None; 0 is even), as machine.UART takes them
        self.has_crc = has_crc


_PLAIN = Profile()

PROFILES = {
    AUTO: _PLAIN,  # see of_telegram()
    # Belgium's tariff 1 is the dear one, the Netherlands' the cheap one (e-MUCS-P1 1.7.1 table 4
    # and its note that the Dutch rule does not hold).
    "BE": Profile(_DAY_NIGHT),
    "NL": Profile(_NIGHT_DAY),
    # DSMR 2.2 and 3.0.
    "NL3": Profile(_NIGHT_DAY, line=(9600, 7, 0), has_crc=False),
    # Telegrams come encrypted in LU and AT, see cipher.py.
    "LU": _PLAIN,
    "AT": _PLAIN,
    "SE": _PLAIN,
    "DK": _PLAIN,
    "HU": _PLAIN,
    "CH": _PLAIN,
    "LT": Profile(winter_h=_EASTERN_EUROPE),
}

# How a header begins, behind its "/", that only one country's meters send. What makers sell
# everywhere, such as Kamstrup's and Landis+Gyr's, says nothing.
_HEADERS = b"""
BE FLU5
BE ISk5\\2MIE5
LU Lux5
AT EST5
CH GRE5
LT ESO
HU SAG5SAG-METER
NL NWA-WARMTELINK
NL XMX5
NL KFM5KAIFA
NL ISK5\\2M5
NL ISk5\\2MT382
NL KMP5
NL Ene5
"""


def of_telegram(telegram, has_dutch_version):
    """The profile of an AUTO reading's telegram (bytes-like from its "/"). has_dutch_version: it
    has a line that Belgian meters do not send, so that without a telling header it stays open
    which country this is."""
    for line in _HEADERS.strip().split(b"\n"):
        code, header = line.split()
        if telegram[1 : 1 + len(header)] == header:
            return PROFILES[code.decode()]
    return PROFILES[AUTO if has_dutch_version else "BE"]

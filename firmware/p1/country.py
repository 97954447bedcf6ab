# The differences between countries, as data. OBIS objects do not differ: obis.py has all of them.
#
# This module is loaded when a profile is needed, and unloaded afterwards. So Profile has no
# methods: a method would keep the whole module in memory.

from micropython import const

TEMPORARY = True  # see forget()

AUTO = "auto"  # see of_telegram()
# In LU and AT telegrams are encrypted, see cipher.py. The codes are one text because MicroPython
# makes a name of each short text in the source, and names stay in memory for ever.
CODES = "auto BE NL NL3 LU AT SE DK HU CH LT".split()  # noqa: SIM905

# How many hours winter time is ahead of UTC.
_CENTRAL_EUROPE = const(1)
_EASTERN_EUROPE = const(2)


class Profile:
    code: str
    tariff_names: dict  # number in 0-0:96.14.0 -> name; empty if a country has no common rule
    winter_h: int  # how many hours winter time is ahead of UTC
    line: tuple  # baud, data bits, parity for machine.UART; parity is None or 0 (even)
    has_crc: bool


def profile(code: str) -> Profile:
    """Returns a new Profile for one of the CODES."""
    made = Profile()
    made.code = code
    # Tariff 1 is the expensive one in Belgium and the cheap one in the Netherlands (e-MUCS-P1
    # 1.7.1 table 4, with its note that the Dutch rule does not apply).
    made.tariff_names = {}
    if code == "BE":
        made.tariff_names = {1: "day", 2: "night"}
    elif code[:2] == "NL":
        made.tariff_names = {1: "night", 2: "day"}
    made.winter_h = _EASTERN_EUROPE if code == "LT" else _CENTRAL_EUROPE
    # NL3 means DSMR 2.2 and 3.0.
    made.line = (9600, 7, 0) if code == "NL3" else (115200, 8, None)
    made.has_crc = code != "NL3"
    return made


# Starts of headers, after the "/", that only meters of one country send. Headers of makers that
# sell in many countries, such as Kamstrup and Landis+Gyr, do not show the country.
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


def of_telegram(telegram: bytes | bytearray, has_dutch_version: bool) -> str:
    """Returns the country code for a telegram (bytes-like, from its "/") of an AUTO reading.
    has_dutch_version: the telegram has a line that Belgian meters do not send. If the header is
    not in the table either, the country is unknown and the code is AUTO."""
    for line in _HEADERS.strip().split(b"\n"):
        code, header = line.split()
        if telegram[1 : 1 + len(header)] == header:
            return code.decode()
    return AUTO if has_dutch_version else "BE"

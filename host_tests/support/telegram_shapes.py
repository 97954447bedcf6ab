"""Telegrams of every shape that meters on the P1 port have, by chance and without end.

    meter = Meter(random.Random(7))         or Meter(random.Random(7), "SE")
    meter.telegram(), meter.telegram() ...  one second after the other

Shapes are those of protocol.md §5, §8 and §9. Every serial is invented. With hypothesis: meters().
"""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from make_fixtures import seal

BRUSSELS, VILNIUS = ZoneInfo("Europe/Brussels"), ZoneInfo("Europe/Vilnius")
NEVER = ("632525252525W", "632525252525S", "700101010000W")

# No stamp beyond 2068: dsmr-parser takes 69 for 1969. test_times.py has the whole century.
FIRST, LAST = datetime(2010, 1, 1, tzinfo=UTC), datetime(2068, 12, 1, tzinfo=UTC)

WORDS = (
    "Uw meter wordt vervangen. ",
    "Panne de courant ",
    "½ € of 3 ‰? ",
    'Zie "fluvius" \\ ',
    "",
)


def hexed(text: str, encoding: str = "utf-8") -> str:
    return text.encode(encoding).hex().upper()


class Meter:
    """A meter of one kind: which lines it has, in which order and with how many digits, is chosen
    once; what they say changes from telegram to telegram."""

    def __init__(self, chance: random.Random, kind: str | None = None):
        self.chance = chance
        self.kind = kind or chance.choice(list(KINDS))
        self.header, self.has_crc, make = KINDS[self.kind]
        if not isinstance(self.header, str):
            self.header = chance.choice(self.header)
        self.zone = VILNIUS if self.kind == "LT" else BRUSSELS
        self.letters = True
        self.always_winter = self.kind in ("SE", "DK")
        self.phases = chance.choice((1, 3, 3))
        span = int((LAST - FIRST).total_seconds())
        self.now = FIRST + timedelta(seconds=chance.randrange(span))
        self.lines = []  # functions that return a line's text
        self.numbers = []  # what the meter printed last, by line
        make(self)
        for _ in range(chance.choice((0, 0, 0, 1, 3))):
            self._unknown()
        if chance.random() < 0.3:
            chance.shuffle(self.lines)
        self.line_end = "\r\n"
        self.crc_form = chance.choice(("%04X",) * 8 + ("%04x", "%X"))

    def telegram(self) -> bytes:
        """The next telegram (bytes), sealed, or with a bare "!" where the kind has no CRC."""
        self.now += timedelta(seconds=self.chance.choice((1, 1, 1, 1, 10, 900, 86400)))
        text = f"/{self.header}\r\n\r\n" + "".join(f"{line()}\r\n" for line in self.lines)
        text = text.encode("latin-1")
        return seal(text, self.crc_form) if self.has_crc else text + b"!\r\n"

    # --- What lines say ---

    def add(self, code: str, *parts) -> None:
        """A line; its parts are texts or functions."""
        self.lines.append(
            lambda: f"{code}" + "".join(str(part()) if callable(part) else part for part in parts)
        )

    def register(
        self,
        code: str,
        whole: int,
        places: int,
        unit: str,
        most: int | None = None,
        changes: float = 0.5,
    ) -> None:
        """A number with this many digits, which changes now and then."""
        digits = whole + places
        limit = min(10 ** min(digits, 9), most or 10**9)
        value = self.chance.randrange(limit) if self.chance.random() < 0.9 else 0
        if self.chance.random() < 0.05:
            value = limit - 1
        held = [value]

        def printed():
            if self.chance.random() < changes:
                step = self.chance.choice((0, 1, 9, 500))
                held[0] = (held[0] + step) % limit
            text = str(held[0]).zfill(digits)
            text = f"{text[:-places]}.{text[-places:]}" if places else text
            return f"({text}*{unit})" if unit else f"({text})"

        self.add(code, printed)

    def stamp(self, when: datetime | None = None) -> str:
        """(YYMMDDhhmmssX) of a moment, as this meter prints it."""
        when = when or self.now
        local = when.astimezone(self.zone)
        if self.always_winter:
            local = when.astimezone(timezone(timedelta(hours=1)))
        summer = local.dst() if local.dst() is not None else timedelta(0)
        letter = ("S" if summer else "W") if self.letters else ""
        return f"({local:%y%m%d%H%M%S}{letter})"

    def clock(self) -> None:
        self.add("0-0:1.0.0", self.stamp)

    def serial(self, form: str = "1SAG3{:09}") -> str:
        return f"({hexed(form.format(self.chance.randrange(10**9)))})"

    def ean(self) -> str:
        real = f"({hexed(f'5414488{self.chance.randrange(10**11):011}')})"
        return self.chance.choice((real, real, "()", f"({'0' * 18})"))

    def tariff(self, most: int = 2) -> None:
        self.add("0-0:96.14.0", lambda: f"(000{1 + self.now.hour * most // 24})")

    def count(self, code: str) -> None:
        self.register(code, 5, 0, "", most=300, changes=0.05)

    def switch(self, code: str) -> None:
        self.add(code, lambda: f"({self.chance.choice('1111111102')})")

    def message(self, code: str, digits_only: bool = False) -> None:
        longest = self.chance.choice((0, 0, 20, 200, 1024))
        text = (self.chance.choice(WORDS) * (longest + 1))[:longest]
        encoding = "latin-1" if "€" not in text and "‰" not in text else "utf-8"
        text = hexed(text, self.chance.choice((encoding, "utf-8")))[:2048]
        if digits_only:
            text = self.chance.choice(("", "3132", "303132"))
        self.add(code, lambda: f"({text if self.now.minute % 3 else ''})")

    def three(self, code: int, *form: Any) -> None:
        """A number for each phase; code is a function of L1's group C."""
        for phase in range(self.phases):
            self.register(f"1-0:{code + 20 * phase}.7.0", *form)

    def powers(self, whole: int = 2, places: int = 3, unit: str = "kW") -> None:
        self.register("1-0:1.7.0", whole, places, unit)
        self.register("1-0:2.7.0", whole, places, unit)

    def phases_lines(self, whole: int = 2, places: int = 3) -> None:
        self.three(21, whole, places, "kW")
        self.three(22, whole, places, "kW")

    def volts_and_amperes(self, places: int = 1, ampere_places: int = 2) -> None:
        self.three(32, 3, places, "V")
        self.three(31, 3, ampere_places, "A", None)

    # --- Lists ---

    def a_moment_before(self, days: int = 400) -> datetime:
        return self.now - timedelta(seconds=self.chance.randrange(days * 86400))

    def peak(self, value_first: bool = False) -> None:
        held = [f"({self.chance.randrange(26000) / 1000:06.3f}*kW)"]
        at = self.a_moment_before(28)

        def printed():
            if self.chance.random() < 0.1:
                held[0] = f"({self.chance.randrange(26000) / 1000:06.3f}*kW)"
            parts = [self.stamp(at), held[0]]
            return "".join(reversed(parts) if value_first else parts)

        self.add("1-0:1.6.0", printed)

    def history(self, months: int | None = None) -> None:
        months = self.chance.randrange(14) if months is None else months
        entries = []
        month = self.now.astimezone(self.zone).replace(day=1, hour=0, minute=0, second=0)
        for _ in range(months):
            closing = self.stamp(month)
            peak_at = month.astimezone(UTC) - timedelta(
                seconds=self.chance.randrange(1, 27 * 86400)
            )
            power = f"({self.chance.randrange(26000) / 1000:06.3f}*kW)"
            if self.chance.random() < 0.15:
                entries.append(f"{closing}(632525252525W)(00.000*kW)")
            else:
                entries.append(closing + self.stamp(peak_at) + power)
            for _ in range(self.chance.choice((1, 1, 1, 1, 2, 7))):  # gaps
                month = (month - timedelta(days=1)).replace(day=1)
        if self.chance.random() < 0.7:
            entries.reverse()
        said = "".join(entries) or "()"
        self.add("0-0:98.1.0", f"({len(entries)})(1-0:1.6.0)(1-0:1.6.0){said}")

    def failures(self, most: int = 10) -> None:
        entries = [
            f"{self.stamp(self.a_moment_before())}({self.chance.randrange(10**6):010}*s)"
            for _ in range(self.chance.randrange(most + 1))
        ]
        if entries and self.chance.random() < 0.2:
            entries[0] = "(000101000024W)(2147483647*s)"
        said = f"({len(entries)})(0-0:96.7.19)" + "".join(entries)
        self.add("1-0:99.97.0", said if entries else self.chance.choice(("()", said)))

    # --- Sub-meters ---

    MEDIA = (
        (3, "m3", "7FLO2{:09}"),
        (3, "m3", "7SAG2{:09}"),
        (7, "m3", "8SET0{:09}"),
        (6, "m3", "9ITW0{:09}"),
        (4, "GJ", "6KAM0{:09}"),
        (12, "GJ", "6KAM0{:09}"),
        (4, "kWh", "6KAM0{:09}"),
        (10, "MWh", "5KAM0{:09}"),
        (13, "GJ", "5KAM0{:09}"),
        (2, "kWh", "1ISK0{:09}"),
        (15, "m3", "0XXX0{:09}"),
    )

    def submeters(
        self,
        id_code: str = "96.1.1",
        codes: Sequence[str] = ("24.2.1", "24.2.3"),
        most: int = 4,
        eans: bool = False,
    ) -> None:
        channels = self.chance.sample(range(1, 5), self.chance.randrange(most + 1))
        same = self.chance.choice(self.MEDIA)
        for channel in sorted(channels):
            medium, unit, form = self.chance.choice((same, self.chance.choice(self.MEDIA)))
            width = self.chance.choice(("{}", "{:02}", "{:03}")).format(medium)
            self.add(f"0-{channel}:24.1.0", f"({width})")
            self.add(f"0-{channel}:{id_code}", self.chance.choice((self.serial(form), "()")))
            if eans:
                self.add(f"0-{channel}:96.1.2", self.ean())
            if medium == 3 or self.chance.random() < 0.2:
                self.switch(f"0-{channel}:24.4.0")
            self._capture(channel, self.chance.choice(codes), unit)

    def _capture(self, channel, code, unit):
        whole, places = self.chance.choice(((5, 3), (6, 2), (8, 0), (3, 3), (6, 3)))
        kind = self.chance.choice(("live",) * 6 + ("never", "stale", "unstamped"))
        if kind == "never":
            value = self.chance.choice(("(00000.000)", "(00000000)"))
            self.add(f"0-{channel}:{code}", f"({self.chance.choice(NEVER)}){value}")
            return
        at = [self.a_moment_before(400 if kind == "stale" else 1)]
        held = [self.chance.randrange(10 ** min(9, whole + places))]

        def captured():
            if kind == "live" and self.chance.random() < 0.2:
                at[0] = self.now - timedelta(seconds=self.chance.randrange(300))
                held[0] = (held[0] + self.chance.randrange(30)) % 10 ** min(9, whole + places)
            text = str(held[0]).zfill(whole + places)
            text = f"{text[:-places]}.{text[-places:]}" if places else text
            if code == "24.3.0":
                return f"{self.stamp(at[0])}(08)(60)(1)(0-{channel}:24.2.1)({unit})\r\n({text})"
            return ("" if kind == "unstamped" else self.stamp(at[0])) + f"({text}*{unit})"

        self.add(f"0-{channel}:{code}", captured)

    def _unknown(self):
        code = f"{self.chance.choice('01')}-{self.chance.choice('0059')}:"
        code += f"{self.chance.randrange(100, 256)}.{self.chance.randrange(60)}.9"
        said = self.chance.choice(
            ("()", "(00000000)", "(1)(2)(3*kW)", "(OFF)", "(a b*c)", "(\xe9)")
        )
        self.add(code, said)


# --- The kinds ---


def belgian(version: int) -> Callable[[Meter], None]:
    def make(meter: Meter) -> None:
        meter.add("0-0:96.1.4", f"(502{version})")
        if version == 21 and meter.phases == 3:
            meter.add("1-0:94.32.1", meter.chance.choice(("(230)", "(400)")))
        meter.add("0-0:96.1.1", meter.serial())
        if version == 21:
            meter.add("0-0:96.1.2", meter.ean())
        meter.clock()
        for code in ("1-0:1.8.1", "1-0:1.8.2", "1-0:2.8.1", "1-0:2.8.2"):
            meter.register(code, 6, 3, "kWh")
        meter.tariff()
        if version >= 17:
            meter.register("1-0:1.4.0", 2, 3, "kW")
            meter.peak()
            meter.history()
        meter.powers()
        if version >= 15:
            meter.phases_lines()
        meter.volts_and_amperes(ampere_places=0 if version == 13 else 2)
        meter.switch("0-0:96.3.10")
        meter.add("0-0:17.0.0", "(99.999*kW)" if version == 21 else "(999.9*kW)")
        meter.add("1-0:31.4.0", "(999.99*A)" if version == 21 else "(999*A)")
        if version == 21:
            for relay in range(1, 5):
                meter.switch(f"0-{relay}:96.3.10")
        meter.message("0-0:96.13.0")
        meter.submeters(eans=version == 21)

    return make


def walloon_first(meter: Meter) -> None:
    meter.letters = False
    meter.phases = 1
    meter.add("1-0:0.0.0", "(00000000)")
    meter.add("0-0:96.1.0", f"({meter.chance.randrange(10**8):08})")
    meter.clock()
    for code in ("1-0:1.8.1", "1-0:1.8.2", "1-0:2.8.1", "1-0:2.8.2"):
        meter.register(code, 6, 3, "kWh")
    meter.tariff()
    meter.powers()
    meter.phases_lines()
    meter.three(32, 3, 1, "V")
    meter.three(31, 3, 0, "A")
    meter.switch("0-0:96.3.10")
    meter.message("0-0:96.13.0")
    meter.add("0-1:96.1.1", "()")


def walloon_five(meter: Meter) -> None:
    meter.add("0-0:96.1.4", "(3231313130)")
    meter.add("0-0:96.1.0", f"({meter.chance.randrange(10**8):08})")
    meter.letters = False
    meter.clock()
    for way in (1, 2):
        for rate in range(1, 6):
            meter.register(f"1-0:{way}.8.{rate}", 6, 3, "kWh", most=429496729)
    meter.tariff(most=5)
    meter.register("1-0:1.4.0", 2, 3, "kW")
    meter.peak(value_first=True)
    meter.powers()
    meter.phases_lines()
    meter.volts_and_amperes()
    meter.switch("0-0:96.3.10")


def brussels(meter: Meter) -> None:
    meter.add("0-0:96.1.4", "(" + "20" * 48 + ")")
    meter.add("0-0:96.1.1", meter.serial())
    meter.clock()
    for code in ("1-0:1.8.1", "1-0:1.8.2"):
        meter.register(code, 6, 3, "kWh")
    meter.tariff()
    meter.powers()
    meter.volts_and_amperes()


def dutch(version: int) -> Callable[[Meter], None]:
    def make(meter: Meter) -> None:
        meter.add("1-3:0.2.8", f"({version})")
        meter.clock()
        meter.add("0-0:96.1.1", meter.serial("E00{:012}"))
        for code in ("1-0:1.8.1", "1-0:1.8.2", "1-0:2.8.1", "1-0:2.8.2"):
            meter.register(code, 6, 3, "kWh")
        meter.tariff()
        meter.powers()
        meter.count("0-0:96.7.21")
        meter.count("0-0:96.7.9")
        meter.failures()
        for phase in range(meter.phases):
            meter.count(f"1-0:{32 + 20 * phase}.32.0")
            meter.count(f"1-0:{32 + 20 * phase}.36.0")
        if version == 42:
            meter.message("0-0:96.13.1", digits_only=True)
        meter.message("0-0:96.13.0")
        if version == 50:
            meter.three(32, 3, 1, "V")
        meter.three(31, 3, 0, "A")
        meter.phases_lines()
        meter.submeters(id_code="96.1.0", codes=("24.2.1",))

    return make


def dutch_old(meter: Meter) -> None:
    meter.letters = False
    meter.add("0-0:96.1.1", meter.serial("KMP-{:06}"))
    for code in ("1-0:1.8.1", "1-0:1.8.2", "1-0:2.8.1", "1-0:2.8.2"):
        meter.register(code, 5, 3, "kWh")
    meter.tariff()
    meter.powers(4, 2)
    meter.add("0-0:17.0.0", meter.chance.choice(("(999*A)", "(0016.00*kW)")))
    meter.switch("0-0:96.3.10")
    meter.message("0-0:96.13.1", digits_only=True)
    meter.message("0-0:96.13.0")
    if meter.chance.random() < 0.7:
        meter.add("0-1:24.1.0", "(3)")
        meter.add("0-1:96.1.0", meter.serial("KMG-{:06}"))
        meter._capture(1, "24.3.0", "m3")
        meter.switch("0-1:24.4.0")


def warmtelink(meter: Meter) -> None:
    meter.add("1-3:0.2.8", "(50)")
    meter.clock()
    meter.add("0-0:96.1.1", meter.serial("ADC{:012}"))
    meter.add("0-0:96.13.0", "()")
    meter.add("0-1:24.1.0", "(004)")
    meter.add("0-1:96.1.0", f"({meter.chance.getrandbits(64):016X})")
    meter._capture(1, "24.2.1", "GJ")


def luxembourgish(meter: Meter) -> None:
    meter.add("1-3:0.2.8", "(42)")
    meter.clock()
    meter.add("0-0:42.0.0", meter.serial("SAG10{:011}"))
    for code in (1, 2):
        meter.register(f"1-0:{code}.8.0", 6, 3, "kWh")
    for code in (3, 4):
        meter.register(f"1-0:{code}.8.0", 6, 3, "kvarh")
    meter.powers()
    for code in (3, 4):
        meter.register(f"1-0:{code}.7.0", 2, 3, "kvar")
    meter.register("0-0:17.0.0", 3, 1, "kVA")
    for code in (9, 10):
        meter.register(f"1-0:{code}.7.0", 2, 3, "kVA")
    meter.add("1-1:31.4.0", "(100*A)(-063*A)")
    for channel in range(3):
        meter.switch(f"0-{channel}:96.3.10")
    meter.count("0-0:96.7.21")
    for phase in range(meter.phases):
        meter.count(f"1-0:{32 + 20 * phase}.32.0")
        meter.count(f"1-0:{32 + 20 * phase}.36.0")
    for code in (0, 2, 3, 4, 5):
        meter.message(f"0-0:96.13.{code}") if not code else meter.add(f"0-0:96.13.{code}", "()")
    meter.volts_and_amperes(ampere_places=0)
    meter.phases_lines()
    meter.three(23, 2, 3, "kvar")
    meter.three(24, 2, 3, "kvar")
    meter.submeters(id_code="96.1.0", codes=("24.2.1",))


def austrian(meter: Meter) -> None:
    meter.add("1-3:0.2.8", "(50)")
    meter.clock()
    for way in (1, 2):
        for rate in range(3):
            meter.register(f"1-0:{way}.8.{rate}", 9, 0, "Wh")
        meter.register(f"1-0:{way}.7.0", 9, 0, "W")
    for way in (3, 4):
        for rate in range(3):
            meter.register(f"1-0:{way}.8.{rate}", 9, 0, "varh")
        meter.register(f"1-0:{way}.7.0", 9, 0, "var")


def nordic(meter: Meter) -> None:
    reactive = meter.chance.choice(("kVAr", "kvar"))
    meter.clock()
    for code in (1, 2):
        meter.register(f"1-0:{code}.8.0", 8, 3, "kWh")
    for code in (3, 4):
        meter.register(f"1-0:{code}.8.0", 8, 3, f"{reactive}h")
    meter.powers(4, 3)
    for code in (3, 4):
        meter.register(f"1-0:{code}.7.0", 4, 3, reactive)
    meter.phases_lines(4, 3)
    meter.three(23, 4, 3, reactive)
    meter.three(24, 4, 3, reactive)
    meter.volts_and_amperes(ampere_places=1)


def hungarian(meter: Meter) -> None:
    meter.clock()
    meter.add("0-0:42.0.0", meter.serial("SAG53{:08}"))
    meter.add("0-0:96.1.0", meter.serial("53{:010}"))
    if meter.chance.random() < 0.3:
        meter.add("0-0:96.14.0", "(TARIFF 1)")
        meter.add("0-0:96.3.10", "(ON)")
    else:
        meter.tariff(most=4)
        meter.switch("0-0:96.3.10")
    meter.register("0-0:17.0.0", 2, 3, "kW")
    for way in (1, 2):
        for rate in range(5):
            meter.register(f"1-0:{way}.8.{rate}", 6, 3, "kWh")
    for code in range(3, 9):
        meter.register(f"1-0:{code}.8.0", 6, 3, "kvarh")
    meter.register("1-0:15.8.0", 6, 3, "kWh")
    meter.volts_and_amperes(ampere_places=0)
    for code in (13, 33, 53, 73):
        meter.register(f"1-0:{code}.7.0", 1, 3, "")
    meter.register("1-0:14.7.0", 2, 2, "Hz")
    meter.powers()
    for code in range(5, 9):
        meter.register(f"1-0:{code}.7.0", 2, 3, "kvar")
    for code in (31, 51, 71):
        meter.register(f"1-0:{code}.4.0", 3, 2, "A")
    said = "".join(f"({meter.chance.randrange(10**9):010}*kWh)" for _ in range(6))
    meter.add("0-0:98.1.0", f"{meter.stamp()}{said}(00.503*kW)")
    meter.message("0-0:96.13.0")


def lithuanian(meter: Meter) -> None:
    meter.clock()
    meter.add("0-0:96.1.1", meter.serial("ESO{:010}"))
    for way in (1, 2):
        for rate in range(5):
            meter.register(f"1-0:{way}.8.{rate}", 6, 3, "kWh")
    meter.tariff(most=4)
    meter.powers()
    meter.three(32, 1, 4, "kV")
    meter.three(31, 1, 4, "kA")
    meter.register("1-0:14.7.0", 1, 5, "kHz")
    for code in (13, 33, 53, 73):
        meter.register(f"1-0:{code}.7.0", 3, 0, "")
    for c in range(9):
        for d in range(5):
            meter.add(f"1-0:{101 + c}.{d}.{c}", f"({meter.chance.randrange(10**8):08})")


def swiss(meter: Meter) -> None:
    meter.add("1-3:0.2.8", "(50)")
    meter.clock()
    meter.add("0-0:96.1.1", meter.serial("GRE{:011}"))
    meter.add("0-0:96.1.2", "(" + " " * 18 + ")")
    for way in (1, 2):
        for rate in (1, 2):
            meter.register(f"1-1:{way}.8.{rate}", 6, 3, "kWh")
        meter.register(f"1-1:{way}.7.0", 2, 3, "kW")
    meter.tariff()
    meter.add("0-0:98.1.0", "(12)")
    for phase in range(3):
        meter.register(f"1-1:{32 + 20 * phase}.7.0", 3, 1, "V")
        meter.register(f"1-1:{31 + 20 * phase}.7.0", 3, 2, "A")
        meter.register(f"1-1:{21 + 20 * phase}.7.0", 2, 3, "kW")


# Kind: header, whether it has a CRC, what makes its lines.
FLUVIUS = (
    "FLU5\\253770234_A",
    "FLU5\\253769484_A",
    "FLU5\\253967035_D",
    "FLU5\\253972606_B",
)
KINDS = {
    **{f"BE{version}": (FLUVIUS, True, belgian(version)) for version in (13, 14, 15, 16, 17, 21)},
    "BE-walloon": (("ISk5\\2MIE5E-200", "ISk5\\2MIE5T-200"), True, walloon_first),
    "BE-walloon-5": ("ISk5\\2MIE5T-200", True, walloon_five),
    "BE-brussels": (FLUVIUS, True, brussels),
    "NL4": (("KFM5KAIFA-METER", "XMX5LGBBFFB231314239"), True, dutch(42)),
    "NL5": (("ISK5\\2M550T-1012", "Ene5\\T210-D ESMR5.0", "KFM5KAIFA-METER"), True, dutch(50)),
    "NL2": (("KMP5 ZABF000000000042", "ISk5\\2MT382-1003"), False, dutch_old),
    "NL-warmtelink": ("NWA-WARMTELINK", True, warmtelink),
    "LU": ("Lux5\\253694471_M", True, luxembourgish),
    "AT": ("EST5\\253710000_A", True, austrian),
    "SE": (("KAM5", "ADN9 7534", "ELL5\\253833635_A"), True, nordic),
    "DK": ("LGF5E360", True, nordic),
    "HU": ("SAG5SAG-METER", True, hungarian),
    "LT": ("ESO5", True, lithuanian),
    "CH": ("GRE5\\253967035_A", True, swiss),
}


def sequence(
    seed: int, meters: int, each: int, kinds: Sequence[str] = tuple(KINDS)
) -> Iterator[tuple[str, bytes]]:
    """(kind, telegram) of many meters of all kinds, `each` seconds of every one."""
    chance = random.Random(seed)
    for number in range(meters):
        meter = Meter(chance, kinds[number % len(kinds)])
        for _ in range(each):
            yield meter.kind, meter.telegram()


def meters(kinds: Sequence[str] = tuple(KINDS)) -> st.SearchStrategy[Meter]:
    """A strategy of meters."""
    return st.builds(Meter, st.randoms(use_true_random=False), st.sampled_from(kinds))

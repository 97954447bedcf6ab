# The meter on its cable: a telegram a second, and what may happen to it on the way. What was sent
# whole is remembered, so that nothing else can be passed off as its word.

import time

import micropython
from micropython import const

_RING = const(4096)  # as the port's: what comes on top of so many bytes is lost
_KEPT = const(420)  # seconds for which a telegram may still be on its way, see socket.py

# What a meter with three phases, gas and water says after a year: the peaks of thirteen months are
# half of it.
_TEXT = (
    b"/FLU5\\253769484_A\r\n\r\n"
    b"0-0:96.1.4(50217)\r\n"
    b"0-0:96.1.1(3153414733313030303030303432)\r\n"
    b"0-0:1.0.0(YYMMDDhhmmssX)\r\n"
    b"1-0:1.8.1(EEEEEE.EEE*kWh)\r\n"
    b"1-0:1.8.2(005566.860*kWh)\r\n"
    b"1-0:2.8.1(002560.956*kWh)\r\n"
    b"1-0:2.8.2(001261.416*kWh)\r\n"
    b"0-0:96.14.0(0001)\r\n"
    b"1-0:1.4.0(00.410*kW)\r\n"
    b"1-0:1.6.0(261020101500S)(04.151*kW)\r\n"
    b"0-0:98.1.0(13)(1-0:1.6.0)(1-0:1.6.0)"
    b"(251001000000S)(250914181500S)(03.800*kW)"
    b"(251101000000W)(251003184500S)(04.215*kW)"
    b"(251201000000W)(251121180000W)(05.102*kW)"
    b"(260101000000W)(251224173000W)(06.448*kW)"
    b"(260201000000W)(260115190000W)(05.910*kW)"
    b"(260301000000W)(260208181500W)(05.377*kW)"
    b"(260401000000S)(260302184500W)(04.861*kW)"
    b"(260501000000S)(260419200000S)(03.956*kW)"
    b"(260601000000S)(260511121500S)(03.402*kW)"
    b"(260701000000S)(260630213000S)(03.118*kW)"
    b"(260801000000S)(260722204500S)(02.987*kW)"
    b"(260901000000S)(260805193000S)(03.350*kW)"
    b"(261001000000S)(260914181500S)(03.800*kW)\r\n"
    b"1-0:1.7.0(PP.PPP*kW)\r\n"
    b"1-0:2.7.0(00.000*kW)\r\n"
    b"1-0:21.7.0(PP.PPP*kW)\r\n"
    b"1-0:41.7.0(00.000*kW)\r\n"
    b"1-0:61.7.0(00.000*kW)\r\n"
    b"1-0:22.7.0(00.000*kW)\r\n"
    b"1-0:42.7.0(00.000*kW)\r\n"
    b"1-0:62.7.0(00.000*kW)\r\n"
    b"1-0:32.7.0(230.1*V)\r\n"
    b"1-0:52.7.0(229.4*V)\r\n"
    b"1-0:72.7.0(231.8*V)\r\n"
    b"1-0:31.7.0(001.50*A)\r\n"
    b"1-0:51.7.0(000.62*A)\r\n"
    b"1-0:71.7.0(002.07*A)\r\n"
    b"0-0:96.3.10(1)\r\n"
    b"0-0:17.0.0(99.999*kW)\r\n"
    b"1-0:31.4.0(999.99*A)\r\n"
    b"0-0:96.13.0()\r\n"
    b"0-1:24.1.0(003)\r\n"
    b"0-1:96.1.1(37534147303030303030303432)\r\n"
    b"0-1:24.4.0(1)\r\n"
    b"0-1:24.2.3(261020000000S)(02118.124*m3)\r\n"
    b"0-2:24.1.0(007)\r\n"
    b"0-2:96.1.1(3753574130303030303030303433)\r\n"
    b"0-2:24.2.1(261020000000S)(00872.234*m3)\r\n"
    b"!"
)
_SUMMER_ENDS_S = const(1_792_890_000)  # 2026-10-25 01:00 UTC


# CRC-16/ARC by the definition, bit by bit: not the firmware's way.
@micropython.viper
def _crc(text: ptr8, size: int) -> int:
    register = 0
    at = 0
    while at < size:
        register ^= text[at]
        bit = 0
        while bit < 8:
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
            bit += 1
        at += 1
    return register


class Line:
    """What world.cable has to be. on_telegram(stamp, power) hears what was sent whole."""

    def __init__(self):
        self.plugged = True
        self.sent = {}  # stamp as the reading has it -> (power in W, digits of the CRC)
        self.good = 0  # telegrams that were sent whole
        self.spoil = None  # function(bytes) -> bytes: what becomes of a telegram on its way
        self.skew_s = 0  # of the meter's clock
        self.requested = True
        self._text = bytearray(_TEXT)
        self._clock_at = _TEXT.find(b"YYMM")
        self._energy_at = _TEXT.find(b"EEEEEE")
        self._power_at = [_TEXT.find(b"PP.PPP"), _TEXT.rfind(b"PP.PPP")]
        self._energy_wh = 3_427_320
        self._out = b""
        self._order = []
        time.later(1000, self._second)

    def request(self, asserted):
        self.requested = asserted

    def fileno(self):
        return -1

    def readinto(self, buffer):
        if not self._out:
            return 0
        count = min(len(buffer), len(self._out))
        buffer[:count] = self._out[:count]
        self._out = self._out[count:]
        return count

    def bring(self, data):
        """Bytes on the line, from wherever."""
        if self.plugged and self.requested:
            self._out += data[: _RING - len(self._out)]

    def telegram(self):
        """The telegram of this second, and (stamp as the reading has it, power in W)."""
        now_s = time.time() + self.skew_s
        is_summer = now_s < _SUMMER_ENDS_S
        year, month, day, hour, minute, second = time.gmtime(now_s + 3600 * (1 + is_summer))[:6]
        civil = (year - 2000, month, day, hour, minute, second)
        power_w = (now_s * 7919) % 9000
        self._energy_wh += power_w // 3600 + (now_s % 3 == 0)
        text = self._text
        at = self._clock_at
        text[at : at + 13] = b"%02d%02d%02d%02d%02d%02d" % civil + (b"S" if is_summer else b"W")
        at = self._energy_at
        kwh, wh = divmod(self._energy_wh, 1000)
        text[at : at + 10] = b"%06d.%03d" % (kwh, wh)
        printed = b"%02d.%03d" % (power_w // 1000, power_w % 1000)
        for at in self._power_at:
            text[at : at + 6] = printed
        telegram = bytes(text) + b"%04X\r\n" % _crc(text, len(text))
        stamp = "20%02d-%02d-%02dT%02d:%02d:%02d" % civil + "+0%d:00" % (1 + is_summer)
        return telegram, stamp, power_w

    def is_word(self, telegram):
        """Whether the meter has sent this telegram."""
        at = self._clock_at
        stamp = "20%s-%s-%sT%s:%s:%s" % tuple(
            [telegram[at + pair : at + pair + 2].decode() for pair in range(0, 12, 2)]
        )
        stamp += "+02:00" if telegram[at + 12 : at + 13] == b"S" else "+01:00"
        body = telegram.find(b"!") + 1
        digits = b"%04X" % _crc(telegram, body)
        # A bit may have made a small letter of a capital one, which is the same number.
        printed = telegram[body : body + 4].upper()
        return printed == digits == self.sent.get(stamp, (0, b""))[1]

    def _second(self):
        time.later(1000, self._second)
        telegram, stamp, power_w = self.telegram()
        data = telegram if self.spoil is None else self.spoil(telegram)
        if data is telegram and self.plugged and self.requested:
            self.good += 1
        # Also what is spoiled may get through whole: it is the meter's word all the same.
        self.sent[stamp] = (power_w, telegram[-6:-2])
        self._order.append(stamp)
        if len(self._order) > _KEPT:
            self.sent.pop(self._order.pop(0), None)
        half = len(data) // 2
        self.bring(data[:half])
        time.later(60, lambda: self.bring(data[half:]))

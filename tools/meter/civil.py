"""Belgian civil time: the meter's clock, its time stamps and the calendar of the tariffs."""

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

BRUSSELS = ZoneInfo("Europe/Brussels")

# What a meter prints for a moment that never was: an all-0xFF date cut to two digits a field.
_NEVER = "632525252525W"


def local(epoch_s: int) -> datetime:
    return datetime.fromtimestamp(epoch_s, BRUSSELS)


@lru_cache(maxsize=64)  # a telegram repeats its history of 26 stamps every second
def stamp(epoch_s: int | None) -> str:
    """TST of DSMR 5.0.2 table 6-2, `YYMMDDhhmmssX`; the letter is that of the moment itself."""
    if epoch_s is None:
        return _NEVER
    moment = local(epoch_s)
    return f"{moment:%y%m%d%H%M%S}{'S' if moment.dst() else 'W'}"


def tariff(moment: datetime) -> int:
    """1 = day, Monday to Friday from 07:00 to 22:00; 2 = night and weekend (Belgium)."""
    return 1 if moment.weekday() < 5 and 7 <= moment.hour < 22 else 2


def month_start_s(moment: datetime, months_back: int = 0) -> int:
    """The epoch of the first midnight of the month, or of an earlier month."""
    year, month = divmod(moment.year * 12 + moment.month - 1 - months_back, 12)
    return int(datetime(year, month + 1, 1, tzinfo=BRUSSELS).timestamp())

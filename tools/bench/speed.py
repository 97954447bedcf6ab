"""How long a telegram takes, against dsmr-parser in the same minute on the same machine.

Rounds are interleaved, and ratios are taken within a round, because other work on the machine
slows everybody; the median of the ratios counts.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser

from bench import household
from bench.figures import Figure, exact, fraction
from bench.unix import Rounds

sys.path.append(str(Path(__file__).parent / "device"))
from paths import Paths, load

_SECONDS = 420  # two captures of gas, two of water
_ROUNDS = 15
_OF_PEER = 25  # telegrams that dsmr-parser gets in a round: it needs 100 times as long
_TIMES = 5  # how often MicroPython takes all telegrams in a round

_HOW = f"median of {_ROUNDS} interleaved rounds, {_SECONDS} consecutive seconds of a household"


def _us(run, telegrams: int, before=lambda: None) -> float:
    before()
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e6 / telegrams


def _peer(sequence: list[bytes], number: int):
    parser = TelegramParser(telegram_specifications.BELGIUM_FLUVIUS)
    first = number * _OF_PEER % (len(sequence) - _OF_PEER)
    texts = [telegram.decode() for telegram in sequence[first : first + _OF_PEER]]
    return lambda: [parser.parse(text) for text in texts]


def _measure() -> dict[str, list[float]]:
    sequence = household.seconds(_SECONDS)
    found: dict[str, list[float]] = {}
    still = household.seconds(_SECONDS, submeters=())
    with (
        household.File(sequence) as file,
        Rounds(file) as rounds,
        household.File(still) as still_file,
        Rounds(still_file) as still_rounds,
    ):
        cpython = Paths(load(file))
        for number in range(_ROUNDS + 1):
            now = {
                "peer": _us(_peer(sequence, number), _OF_PEER),
                "cpython": _us(cpython.whole, _SECONDS, cpython.prime),
                **{path: rounds.us(path, _TIMES) for path in ("whole", "fed", "framed")},
                "still": still_rounds.us("whole", _TIMES),
                "anew": rounds.us("anew"),
            }
            if number:  # the first one warms up
                for path, us in now.items():
                    found.setdefault(path, []).append(us)
    return found


def figures() -> Iterator[Figure]:
    found = _measure()

    def ratio(path: str) -> float:
        return median(own / peer for own, peer in zip(found[path], found["peer"], strict=True))

    against = "of dsmr-parser's time for CRC and parse; "
    yield Figure(
        "micropython_crc_decode_json_per_dsmr_parser",
        ratio("whole"),
        against + _HOW,
        1 / 150,
        fraction,
    )
    yield Figure(
        "micropython_without_submeters_per_dsmr_parser",
        ratio("still"),
        "the same household without gas and water meters, whose captures change texts; against "
        "dsmr-parser on the telegram with them",
        show=fraction,
    )
    yield Figure(
        "micropython_from_chunks_per_dsmr_parser",
        ratio("fed"),
        "the same with the framer, fed chunks of 120 bytes",
        show=fraction,
    )
    yield Figure(
        "micropython_all_lines_new_per_dsmr_parser",
        ratio("anew"),
        "the same where nothing of the telegram before is of use: the worst case",
        show=fraction,
    )
    yield Figure(
        "cpython_crc_decode_json_per_dsmr_parser",
        ratio("cpython"),
        "the same functions in CPython, with the stand-in of `make decode`",
        1 / 10,
        fraction,
    )
    for path, name in (
        ("peer", "dsmr_parser_us"),
        ("whole", "micropython_crc_decode_json_us"),
        ("fed", "micropython_from_chunks_us"),
        ("anew", "micropython_all_lines_new_us"),
        ("cpython", "cpython_crc_decode_json_us"),
    ):
        yield Figure(name, median(found[path]), "µs per telegram on this machine", show=exact)
    yield Figure(
        "share_after_the_last_crc_digit",
        median(
            1 - begun / all_ for begun, all_ in zip(found["framed"], found["fed"], strict=True)
        ),
        "decode and JSON, of the whole way from chunks; the rest is done as bytes arrive",
        0.5,
        lambda value: f"{100 * value:.0f} %",
    )

"""The command line of the meter."""

import argparse
import asyncio
import os
import sys
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import track

from meter import transmitter
from meter.civil import BRUSSELS
from meter.faults import FAULTS, Schedule
from meter.household import HISTORY_MONTHS, Household
from meter.line import Line, open_line
from meter.replay import Recording
from meter.telegram import SUBMETERS, VERSIONS, Meter, Model

_STATUS_S = 0.25
_stderr = Console(stderr=True, highlight=False)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _parser() -> argparse.ArgumentParser:
    faults = "\n".join(f"  {name:14} {fault.__doc__}" for name, fault in FAULTS.items())
    parser = argparse.ArgumentParser(
        prog="meter",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="A Belgian smart meter: a telegram a second at 115200 baud, when asked.\n"
        "Over tcp and pty the reader sends the byte 1 to raise the request line and 0 to\n"
        "release it; over serial the request line is CTS.",
        epilog=f"faults, NAME[=AMOUNT][:PROBABILITY|@NUMBER]:\n{faults}\n\n"
        "e.g. meter tcp:127.0.0.1:0 --speed 10 --fault bit-flip:0.01 --fault silence=30@60",
    )
    add = parser.add_argument
    add("line", nargs="?", help="tcp:HOST:PORT (0 = any free), pty or serial:DEVICE[,inverted]")
    add("--print", action="store_true", help="write telegrams to stdout instead of a line")
    add("-n", type=int, metavar="COUNT", help="how many telegrams --print writes (1)")
    add("--seconds", type=_positive, metavar="N", help="stop after so many real seconds")
    add("--speed", type=_positive, default=1.0, metavar="X", help="meter seconds per second (1)")
    add("--tied", action="store_true", help="the request is tied to 5 V: send without being asked")
    add("--no-pacing", action="store_true", help="send each telegram at once, not at 115200 baud")
    add(
        "--fault",
        action="append",
        default=[],
        metavar="RULE",
        help="each telegram, with a probability or the one of that number; may be repeated",
    )
    add(
        "--replay",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="send these telegrams, in a loop; name the line before this option",
    )

    house = parser.add_argument_group("the household")
    add = house.add_argument
    add("--start", type=_moment, metavar="ISO", help="its clock at the start (now)")
    add("--seed", type=int, default=1, help="another seed is another family (1)")
    add("--phases", type=int, choices=(1, 3), default=3, help="(3)")
    add("--solar", type=int, default=4600, metavar="W", help="peak power of the panels (4600)")
    add("--months", type=int, default=HISTORY_MONTHS, metavar="N", help="monthly peaks (13)")
    add("--emucs", type=int, choices=VERSIONS, default=50221, help="(50221)")
    add("--grid", type=int, choices=(400, 230), default=400, help="230 is 3x230 V (400)")
    add(
        "--submeters",
        default="gas,water",
        metavar="LIST",
        help=f"on channels 1, 2 …: {', '.join(SUBMETERS)} or none (gas,water)",
    )
    add("--ean", default="", help="of the connection, 18 digits (none, as most meters)")
    add("--message", default="", metavar="TEXT", help="text message, up to 1024 bytes")
    add("--extra-line", action="append", default=[], metavar="LINE", help="may be repeated")
    return parser


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.print == bool(args.line):
        parser.error("say either a line or --print")
    if args.print and args.seconds:
        parser.error("--seconds goes with a line")
    if args.n is not None and not args.print:
        parser.error("-n goes with --print")
    try:
        faults = Schedule(args.fault, args.seed)
        line = None if args.print else open_line(args.line, args.tied)
        source = _source(args)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    try:
        if line:
            asyncio.run(_serve(args, line, source, faults))
        else:
            _print(source, faults, 1 if args.n is None else args.n)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        parser.exit(1, f"meter: {error}\n")
    return 0


def _source(args) -> transmitter.Source:
    if args.replay:
        return Recording.read(args.replay, lambda text: print("meter:", text, file=sys.stderr))
    model = Model(
        version=args.emucs,
        grid=args.grid,
        submeters=() if args.submeters == "none" else tuple(args.submeters.split(",")),
        ean=args.ean,
        message=args.message,
        extra_lines=tuple(args.extra_line),
    )
    start = args.start or datetime.now(BRUSSELS)
    return Meter(Household(start, args.seed, args.phases, args.months, args.solar), model)


def _print(source: transmitter.Source, faults: Schedule, count: int):
    """Printing knows no time: of a fault's pauses nothing is seen."""
    quiet = not sys.stderr.isatty()
    for _ in track(range(count), "telegrams", console=_stderr, transient=True, disable=quiet):
        sys.stdout.buffer.write(b"".join(data for _, data in faults(source.telegram())))
        source.step()
    sys.stdout.buffer.flush()


async def _serve(args, line: Line, source: transmitter.Source, faults: Schedule):
    async with line:
        print(line.address, flush=True)
        meter = transmitter.Transmitter(source, line, faults, args.speed, not args.no_pacing)
        status = asyncio.create_task(_show(meter, line, source, faults))
        try:
            await asyncio.wait_for(meter.run(), args.seconds)
        except TimeoutError:
            pass
        finally:
            status.cancel()


async def _show(meter, line: Line, source: transmitter.Source, faults: Schedule):
    """The status line, for a person."""
    if not sys.stderr.isatty():
        return
    with _stderr.status("") as status:
        while True:
            request = "requested" if line.requested else "not requested"
            status.update(
                f"{source}, {request}, {meter.telegrams} sent, "
                f"{faults.struck} with a fault, {meter.lost_bytes} bytes lost"
            )
            await asyncio.sleep(_STATUS_S)

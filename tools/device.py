"""A dongle on a serial port.

    python tools/device.py install   --board esp32c3 --port PORT    all of it, from a bare board
    python tools/device.py flash     --board esp32c3 --port PORT    MicroPython itself
    python tools/device.py deploy    --board esp32c3 --port PORT    the firmware, compiled
    python tools/device.py configure --port PORT                    Wi-Fi and MQTT
    python tools/device.py wait      --port PORT                    until it reads its meter
    python tools/device.py selftest  --port PORT                    is it well, and its wiring?
    python tools/device.py monitor   --port PORT                    what it prints

install is flash, deploy, configure and wait. Each takes --dry-run: it prints what it would do, in
order, and needs no board for that.
"""

import argparse
import json
import shlex
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport
from rich.console import Console
from rich.progress import Progress

import boards
import owner
from boards import BoardError
from build import ROOT, BuildError, build_board
from install import InstallError, arrival, configure, deploy, flash, monitor, password, port
from owner import OwnerError
from selftest import diagnose, measure, report
from selftest.finding import FAULT

_DOWNLOADS = ROOT / "build" / "micropython"
_console = Console(highlight=False)


def say(line: str) -> None:
    _console.print(line, markup=False, soft_wrap=True)


def run_install(args: argparse.Namespace) -> None:
    configure.check(configure.changes(vars(args)))  # before the board is erased for it
    steps = (run_flash, run_deploy, run_configure, run_wait)
    for number, step in enumerate(steps, 1):
        say(f"--- {number} of {len(steps)}: {step.__name__.removeprefix('run_')}")
        if number > 1 and not args.dry_run:
            port.wait_for(args.port)
        step(args)


def run_flash(args: argparse.Namespace) -> None:
    board = boards.load(args.board)
    image = args.firmware or flash.downloaded(board, args.micropython, _DOWNLOADS)
    if args.dry_run:
        if not args.firmware:
            say(shlex.join(flash.download_command(board, args.micropython, _DOWNLOADS)))
        say(shlex.join(flash.write_command(board, args.port or "PORT", image, args.baud)))
        return
    port.check(args.port)
    if not args.firmware:
        flash.download(board, args.micropython, _DOWNLOADS)
    flash.flash(board, args.port, image, args.baud)
    say(f"MicroPython is on the {board.title}. Next: deploy")


def run_deploy(args: argparse.Namespace) -> None:
    target, manifest = build_board(args.board, is_debug=args.debug)
    say(f"firmware {manifest['version']} for {manifest['board']} ({manifest['arch']})")
    key = _public_key(args.owner_key)
    if args.dry_run:
        say("on an empty board; on any other only what differs, and what is stale goes:")
        for step in deploy.plan(deploy.wanted_files(target, key), {}):
            size = manifest["files"].get(step.path, {}).get("size")
            say(f"{step}  {size} bytes" if size is not None else f"{step}")
        say("reset")
        return

    def work(board: SerialTransport) -> list[deploy.Step]:
        with Progress(console=_console) as progress:
            return deploy.deploy(board, target, progress, key)

    steps = port.session(args.port, work, say)
    copied = sum(step.verb == "copy" for step in steps)
    say(f"{copied} of {len(manifest['files']) + len(key)} files copied. The board starts anew")


def _public_key(path: Path) -> dict[str, bytes]:
    """The file by which the board knows its owner's updates. Without a key, what the board has
    stays."""
    try:
        return {owner.PUBLIC_KEY: owner.public_pem(owner.load(path))}
    except FileNotFoundError:
        say("updates over the air: not without your key, which the first `make bundle` makes")
        return {}


def run_configure(args: argparse.Namespace) -> None:
    changed = configure.changes(vars(args))
    owners, is_made = args.owner_password, False
    if owners == "":
        owners = password.ask() if sys.stdin.isatty() and not args.dry_run else ""
        is_made = not owners
        owners = owners or password.generated()
    if owners is not None:
        changed = configure.merge(changed, {"http": {"password_hash": password.hashed(owners)}})
    if args.dry_run:
        configure.check(changed)
        say(f"read     {configure.CONFIG}" + (", to replace it" if args.new else ""))
        say(f"merge    {json.dumps(configure.redacted(changed))}")
        say("ask      for what is missing\ncheck    as the firmware would")
        say(f"write    {configure.CONFIG}")
        say("read     the password of its own access point, or make it, for a label\nreset")
        return

    def work(board: SerialTransport) -> tuple[dict, str, str]:
        nonlocal changed
        config = configure.merge({} if args.new else configure.read(board), changed)
        if sys.stdin.isatty():
            asked = configure.ask(config, configure.is_wired(board))
            config = configure.merge(config, asked)
            changed = configure.merge(changed, asked)  # not to be asked for a second time
        configure.check(config)
        configure.write(board, config)
        return config, *configure.label(board, config)

    config, name, label = port.session(args.port, work, say)
    say(json.dumps(configure.redacted(config), indent=1))
    if is_made:
        say(f"the owner's password, which is nowhere else: {owners}")
    say(f"for a label, should its network ever be another: Wi-Fi {name}, password {label}")
    say("written. The board starts anew")


def run_wait(args: argparse.Namespace) -> None:
    if args.dry_run:
        return say(f"listen   {args.within} s for its address and its first telegram")
    port.check(args.port)
    address, reads = arrival.wait(args.port, args.within, lambda line: say(f"  {line}"))
    say(f"The dongle is at http://{address}/ (or the port that its config names)")
    if reads:
        say("and reads the meter.")
    else:
        say("No telegram yet: plug it into the meter. That page then shows it, or what is wrong")


def run_selftest(args: argparse.Namespace) -> bool:
    """Whether something is wrong."""
    given = boards.load(args.board) if args.board else None
    if args.dry_run:
        say("\n".join(("stop     the firmware", *(f"measure  {step}" for step in measure.STEPS))))
        say("reset")
        return False

    def work(board: SerialTransport) -> measure.Evidence:
        with _console.status("") as status:
            return measure.measure(board, given, args.wait, status.update)

    evidence = port.session(args.port, work, say)
    findings = diagnose(evidence)
    report.show(_console, findings)
    say(f"For a bug report: {report.save(args.reports, evidence, findings, datetime.now())}")
    return any(finding.verdict == FAULT for finding in findings)


def run_monitor(args: argparse.Namespace) -> None:
    mpremote = [sys.executable, "-m", "mpremote", "connect", args.port or "PORT", "resume", "repl"]
    if args.dry_run:
        return say(shlex.join(mpremote))
    port.check(args.port)
    say("Ctrl-] leaves and lets the dongle run; Ctrl-C stops it, Ctrl-D starts it again")
    names = monitor.names(ROOT / "build", args.board)
    if names is None:
        subprocess.run(mpremote)
    else:
        monitor.run(mpremote, names)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, run, about, takes_board=True):
        sub = commands.add_parser(name, help=about)
        sub.set_defaults(run=run)
        sub.add_argument("--port", default="", help="serial port of the board")
        sub.add_argument("--dry-run", action="store_true", help="only print what would be done")
        if takes_board:
            sub.add_argument("--board", default="", help=", ".join(boards.names()))
        return sub

    _flash_options(command("flash", run_flash, "erase the board, put MicroPython on it"))
    _deploy_options(
        command("deploy", run_deploy, "compile the firmware and bring the board up to it")
    )
    _configure_options(
        command("configure", run_configure, "set Wi-Fi and MQTT; asks for what is missing", False)
    )
    _wait_options(command("wait", run_wait, "wait until it reads its meter; print its URL", False))
    _selftest_options(
        command("selftest", run_selftest, "test the board, its wiring and the meter's port")
    )
    command("monitor", run_monitor, "show what the board prints")
    sub = command("install", run_install, "flash, deploy, configure, wait")
    for options in (_flash_options, _deploy_options, _configure_options, _wait_options):
        options(sub)
    return parser


def _flash_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--firmware", type=Path, help="MicroPython's .bin; else it is downloaded")
    sub.add_argument("--micropython", default=flash.matching_version(), help="version to download")
    sub.add_argument(
        "--baud", type=int, default=flash.BAUD, help="while writing; less on a bad cable"
    )


def _deploy_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--owner-key", type=Path, default=owner.KEY, help="of updates over the air")
    sub.add_argument(
        "--debug", action="store_true", help="as the sources are, with lines in tracebacks; larger"
    )


def _configure_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--new", action="store_true", help="forget the board's present config")
    sub.add_argument(
        "--owner-password",
        nargs="?",
        const="",
        metavar="TEXT",
        help="password for changes over the network; asked for, or made, where none follows",
    )
    for setting in configure.SETTINGS:
        sub.add_argument(
            setting.option, dest=setting.option, type=setting.type, help=setting.about, metavar=""
        )


def _wait_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--within", type=int, default=60, help="seconds (60)")


def _selftest_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--wait", type=float, default=12, help="seconds for the first telegram (12)")
    sub.add_argument("--reports", type=Path, default=ROOT / "build", help="folder of the report")


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    try:
        failed = args.run(args)
    except (BoardError, BuildError, InstallError, OwnerError) as error:
        print(error, file=sys.stderr)
    except (TransportError, OSError) as error:  # a serial port's errors are OSErrors
        print(f"stopped half-way: {error}\nRunning it again completes it.", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
    else:
        return int(bool(failed))
    return 1


if __name__ == "__main__":
    sys.exit(main())

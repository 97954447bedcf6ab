# Bundles, wrong in every way, and right ones. Arguments: a folder with what is on the flash, and a
# JSON file with the cases: a list of
#
#   file      the bundle, or
#   flip      [file, bit]: that one with one bit the other way round
#   size      what the sender says it has, if not what it has
#   piece     how many bytes come at a time
#   before    Python that is run on the flash before
#   blocks    of the flash
#   again     if it was refused, this file is sent afterwards and has to be taken
#
# Prints, as JSON, for each: the status, the answer, whether the slot that does not run was written
# to, whether all of the flash is as it was, and the version that starts then.

import asyncio
import json
import sys

from flash import Flash
from update_flash import Quiet, copy_tree, start, tree, version_of

import dongle
import slots
from dongle.update import receive as update


class NoCollector:
    """A write that fails leaves its file open, and the collector closes it: by C on the chip, but
    the flash here is Python, which must not run then."""

    @staticmethod
    def collect():
        pass


dongle.gc = update.gc = NoCollector
root, cases = sys.argv[1:]


class Wire:
    """What sends a bundle; fault: what it does instead when it has sent all of it."""

    def __init__(self, data, piece=1024, fault=None):
        self.data, self.piece, self.fault = data, piece, fault
        self.sent = 0
        self.is_turn = False

    async def readinto(self, view):
        self.is_turn = not self.is_turn
        if self.is_turn:
            return None  # as a stream sometimes does
        part = self.data[self.sent : self.sent + min(self.piece, len(view))]
        if not part and self.fault == "lost":
            raise OSError(104)
        if not part and self.fault == "stalled":
            await asyncio.sleep(3600)
        view[: len(part)] = part
        self.sent += len(part)
        return len(part)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def send(case):
    data = read(case["flip"][0] if "flip" in case else case["file"])
    if "flip" in case:
        bit = case["flip"][1]
        data = bytearray(data)
        data[bit // 8] ^= 1 << bit % 8
    wire = Wire(bytes(data), case.get("piece", 1024), case.get("fault"))
    state = slots.read()
    firmware = {"version": "", "slot": state["slot"] or None, "result": ""}
    firmware["state"] = "trial" if state["trial"] else "confirmed"
    asyncio.new_event_loop()
    taking = update.Update(firmware, Quiet(), None)
    status, answer = asyncio.run(taking.receive(wire.readinto, case.get("size", len(data))))
    if status != 200:
        assert firmware["result"] == "refused: " + answer["error"]
    assert taking.state() is firmware
    return status, answer


def try_case(case):
    flash = Flash(case.get("blocks", 64))
    flash.format()
    flash.mount()
    copy_tree(root, "")
    exec(case.get("before", ""), {"flash": flash, "update": update})
    before = tree(".")
    wiped = []
    wipe = update._wipe

    async def note(slot, manifest):
        wiped.append(slot)
        await wipe(slot, manifest)

    update._wipe = note
    status, answer = send(case)
    update._wipe = wipe
    is_same = tree(".") == before
    state = start()
    version = version_of(state["slot"]) if state["slot"] else None
    if "again" in case and status != 200:
        assert send({"file": case["again"]})[0] == 200
    flash.unmount()
    return status, answer, bool(wiped), is_same, version


update._STALLED_MS = 50
with open(cases) as file:
    print(json.dumps([try_case(case) for case in json.load(file)]))

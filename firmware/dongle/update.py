# Taking an update: a signed bundle (bundle.py) goes into the slot that does not run. When all of
# it is right, that slot is the one to be tried at the next start; until then, and wherever the
# power is cut, the one that runs is as it was.

import asyncio
import errno
import os
import struct
from hashlib import sha256

from micropython import const

import slots

from . import VERSION, bundle
from .bundle import Refused
from .ecdsa import load_public_key, verify

_PUBLIC_KEY = "update.pub"
_PART = "update.part"  # the manifest, before its place is ready
_PIECE = const(1024)
_STALLED_MS = 15_000
_ANSWER_MS = 2_000  # for the answer to arrive before the dongle starts anew
_SPARE_BLOCKS = const(4)  # for what is written later: the starts of the trial, config.json
_FULL = const(28)  # ENOSPC, which the module errno lacks
_FOLDER = const(0x4000)  # what ilistdir() calls one


class Update:
    def __init__(self, firmware, resolver, health, reset):
        """firmware: what runs, as /health shows it: a dict, in which the result is noted.
        reset(why): starts it."""
        self._firmware = firmware
        self._resolver = resolver
        self._health = health
        self._reset = reset

    def state(self):
        """For /health: {"version", "slot", "state": "confirmed" or "trial", "result"}."""
        return self._firmware

    async def receive(self, readinto, size):
        """Takes a bundle of size bytes. readinto(view), a coroutine, puts the bytes that come
        next into a memoryview and returns how many, 0 at the end.

        Returns (HTTP status, dict). 200: in two seconds the dongle is reset, to try the new
        firmware. Any other, with {"error": why}: what runs stays."""
        self._health.say(f"update: a bundle of {size} bytes")
        is_staged = False
        try:
            if self._firmware["state"] == "trial" or slots.read()["trial"]:
                raise Refused(409, "another update has still to prove itself, see /health")
            version = await _stage(_Source(readinto, size), self._firmware["slot"])
            is_staged = True
            status, result = 200, f"{version} is in place, to be tried at the next start"
        except Refused as refused:
            status, result = refused.status, refused.reason
        except OSError as error:
            status, result = 500, f"the flash cannot be written: error {error.errno}"
            if error.errno == _FULL:
                status, result = 507, "there is no room for it on the flash"
        finally:
            slots.discard(_PART)
        self._health.say("update: " + result)
        if not is_staged:
            self._firmware["result"] = "refused: " + result
            return status, {"error": result}
        self._firmware["result"] = result
        asyncio.create_task(self._restart())
        return status, {"result": result}

    async def _restart(self):
        await asyncio.sleep_ms(_ANSWER_MS)
        self._reset("a new firmware")

    async def pull(self, url):
        """Fetches a bundle from http://...; returns as receive()."""
        from .fetch import Document, Failed

        if not url:
            return 400, {"error": "the config has no update.url to pull from"}
        document = Document(url, self._resolver)
        try:
            await document.open()
            return await self.receive(document.readinto, document.size)
        except Failed as failed:
            self._firmware["result"] = f"nothing fetched: {failed}"
            return 502, {"error": str(failed)}
        finally:
            document.close()


class _Source:
    """A bundle as it comes, in pieces that share one buffer. left: how many bytes of it are still
    to come."""

    def __init__(self, readinto, size):
        self._readinto = readinto
        self._buffer = memoryview(bytearray(_PIECE))
        self.left = size

    async def some(self, most):
        """The next bytes, one to `most`, as a view that holds until the next call."""
        view = self._buffer[: min(most, _PIECE, self.left)]
        count = None if len(view) else 0
        try:
            while count is None:
                count = await asyncio.wait_for_ms(self._readinto(view), _STALLED_MS)
        except asyncio.TimeoutError:
            raise Refused(400, f"nothing came for {_STALLED_MS // 1000} s") from None
        except OSError:
            raise Refused(400, "the connection was lost") from None
        if count == 0:
            raise Refused(400, "the bundle has ended too early")
        self.left -= count
        return view[:count]

    async def exactly(self, size):
        data = b""
        while len(data) < size:
            data += await self.some(size - len(data))
        return data


async def _stage(source, running):
    """Puts the firmware into the other slot than running, to be tried at the next start; returns
    its version. Raises Refused, OSError."""
    key = _read_key()
    size = bundle.manifest_size(await source.exactly(struct.calcsize(bundle.HEAD)))
    signature = await source.exactly(bundle.SIGNATURE_BYTES)
    digest = await _write(_PART, source, size)
    verdict = verify(key, digest, signature)
    while (is_right := next(verdict)) is None:
        await asyncio.sleep_ms(0)
    if not is_right:
        raise Refused(403, "the signature is not the owner's: another key, or damaged")
    # From here on the manifest is what the owner says.
    with open(_PART) as manifest:
        needs = bundle.read_needs(manifest.readline())
        bundle.check_runs_here(needs)
        _check_is_new(needs["version"], digest, running)
        total = 0
        for _, size, _ in bundle.read_files(manifest):
            total += size
        if total != source.left:
            raise Refused(400, "the bundle is shorter or longer than its files")
    slot = slots.SLOTS[running == slots.SLOTS[0]]
    await _wipe(slot)
    is_filled = False
    try:
        await _fill(slot, source)
        _, _, blocks, free = os.statvfs(".")[:4]
        # littlefs counts folders twice, and what is less than 0 becomes a huge number.
        if not _SPARE_BLOCKS <= free < blocks:
            raise OSError(_FULL)
        # In one folder: from one to another, littlefs renames in two steps, and a power cut in
        # between hides the name that follows, until something is written.
        os.rename(_PART, slots.manifest(slot))
        # The switch.
        slots.write(
            {
                "slot": slot,
                "previous": running or "",
                "trial": {"version": needs["version"], "starts": 0},
                "result": f"{needs['version']} has still to prove itself",
            }
        )
        is_filled = True
    finally:
        if not is_filled:
            await _wipe(slot)
    return needs["version"]


async def _fill(slot, source):
    """Writes the files of the manifest."""
    folder = ""
    with open(_PART) as manifest:
        manifest.readline()
        for path, size, digest in bundle.read_files(manifest):
            path = slot + "/" + path
            if path.rpartition("/")[0] != folder:
                folder = path.rpartition("/")[0]
                _make_folders(folder)
            if await _write(path, source, size) != digest:
                raise Refused(400, f"{path} is damaged")


def _read_key():
    try:
        with open(_PUBLIC_KEY) as file:
            return load_public_key(file.read())
    except OSError:
        reason = "this dongle knows no owner's key"
    except ValueError:
        reason = f"{_PUBLIC_KEY} on this dongle is no public key of P-256"
    raise Refused(403, reason + ": `make deploy` brings the one that `make bundle` makes")


def _check_is_new(version, digest, running):
    new, here = bundle.version(version), bundle.version(VERSION)
    if new < here:
        raise Refused(409, f"{version} is older than {VERSION}, which runs")
    # The same version may be built anew while it is worked on.
    if new == here and running and digest == _digest(slots.manifest(running)):
        raise Refused(409, f"this very build of {version} is what runs")


def _digest(path):
    hashed = sha256()
    piece = bytearray(_PIECE // 2)
    with open(path, "rb") as file:
        while True:
            size = file.readinto(piece)
            if not size:
                return hashed.digest()
            hashed.update(memoryview(piece)[:size])


async def _write(path, source, size):
    """The next size bytes of source into a file; returns their SHA-256."""
    hashed = sha256()
    with open(path, "wb") as file:
        while size:
            piece = await source.some(size)
            size -= len(piece)
            hashed.update(piece)
            file.write(piece)
    return hashed.digest()


def _make_folders(path):
    end = 0
    while end < len(path):
        end = path.find("/", end + 1)
        end = len(path) if end < 0 else end
        try:
            os.mkdir(path[:end])
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise


async def _wipe(slot):
    """Removes a slot, its manifest first: without it, it is no firmware."""
    try:
        os.remove(slots.manifest(slot))
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
    await _remove(slot)


async def _remove(folder):
    try:
        entries = list(os.ilistdir(folder))
    except OSError:
        return
    for entry in entries:
        path = folder + "/" + entry[0]
        if entry[1] == _FOLDER:
            await _remove(path)
        else:
            os.remove(path)
        await asyncio.sleep_ms(0)
    os.rmdir(folder)

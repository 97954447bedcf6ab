# Receives an update: writes a signed bundle (bundle.py) into the slot that does not run. If all of
# it is right, that slot is tried at the next start. Until then, even after a power cut at any
# moment, the running firmware stays as it is.
#
# The modules that read the manifest, verify the signature and know the slots are in memory only
# for the step that needs them.

import asyncio
import errno
import gc
import os
import struct
from hashlib import sha256

from micropython import const

from .. import forget, scratch
from ..refused import Refused

TEMPORARY = True  # see forget()

_PUBLIC_KEY = "update.pub"
_PART = "update.part"  # the manifest, until it gets its final name
_STALLED_MS = 15_000
_ANSWER_MS = 2_000  # for the answer to reach the client before the dongle restarts
_SPARE_BLOCKS = const(4)  # for files that are written later: the state of the trial, config.json
_FULL = const(28)  # ENOSPC, which the module errno does not have
_FOLDER = const(0x4000)  # the type of a folder in ilistdir()


class Update:
    def __init__(self, firmware, health, reset):
        """firmware: the dict about the running firmware that /health shows; the result is written
        into it. reset(why): restarts the dongle."""
        self._firmware = firmware
        self._health = health
        self._reset = reset

    def state(self) -> dict:
        """Returns what /health shows: {"version", "slot", "state": "confirmed" or "trial",
        "result"}."""
        return self._firmware

    async def receive(self, readinto, size: int) -> tuple:
        """Receives a bundle of size bytes. readinto(view) is a coroutine that puts the next bytes
        into a memoryview and returns how many, 0 at the end.

        Returns (HTTP status, dict). With 200, the dongle is reset after two seconds to try the
        new firmware. With any other status, and {"error": why, "code": code}, the running
        firmware stays."""
        self._health.say(f"update: a bundle of {size} bytes")
        status, code, result = await self._take(readinto, size)
        self._health.say("update: " + result)
        if status != 200:
            self._firmware["result"] = "refused: " + result
            return status, {"error": result, "code": code}
        self._firmware["result"] = result
        asyncio.create_task(self._restart())
        return status, {"result": result}

    async def _take(self, readinto, size):
        """Returns (HTTP status, a code, the result in words)."""
        try:
            if self._firmware["state"] == "trial" or _slots().read()["trial"]:
                raise Refused(
                    409, "update_on_trial", "another update is still on trial; see /health"
                )
            version = await _stage(_Source(readinto, size), self._firmware["slot"])
        except Refused as refused:
            return refused.args
        except OSError as error:
            if error.errno == _FULL:
                return 507, "flash_full", "the flash has not enough space for it"
            return 500, "flash_error", f"the flash cannot be written: error {error.errno}"
        finally:
            _slots().discard(_PART)
        return 200, "ok", f"{version} is in place; it is tried at the next start"

    async def _restart(self):
        await asyncio.sleep_ms(_ANSWER_MS)
        self._reset("a new firmware")


class _Source:
    """A bundle that is read in pieces, which share one buffer. left: how many bytes have still to
    come."""

    def __init__(self, readinto, size):
        self._readinto = readinto
        self._buffer = memoryview(scratch)
        self.left = size

    async def some(self, most: int) -> memoryview:
        """Returns the next bytes, from one to `most`, as a view that is valid until the next
        call."""
        view = self._buffer[: min(most, len(self._buffer), self.left)]
        count = None if len(view) else 0
        try:
            while count is None:
                count = await asyncio.wait_for_ms(self._readinto(view), _STALLED_MS)
        except asyncio.TimeoutError:
            raise Refused(
                400, "incomplete", f"nothing was received for {_STALLED_MS // 1000} s"
            ) from None
        except OSError:
            raise Refused(400, "incomplete", "the connection was lost") from None
        if count == 0:
            raise Refused(400, "incomplete", "the bundle has ended too early")
        self.left -= count
        return view[:count]

    async def exactly(self, size: int) -> bytes:
        """Returns the next size bytes."""
        data = b""
        while len(data) < size:
            data += await self.some(size - len(data))
        return data

    async def write(self, path: str, size: int) -> bytes:
        """Writes the next size bytes into a file; returns their SHA-256."""
        hashed = sha256()
        with open(path, "wb") as file:
            while size:
                piece = await self.some(size)
                size -= len(piece)
                hashed.update(piece)
                file.write(piece)
        return hashed.digest()


async def _stage(source, running):
    """Writes the firmware into the slot that does not run, to be tried at the next start; returns
    its version. running: the slot that runs. Raises Refused, OSError."""
    digest = await _signed_manifest(source)
    await _forgotten()
    # From here on the manifest can be trusted.
    here = running and _slots().manifest(running)
    version = _contents().check(_PART, source.left, digest, here)
    await _forgotten()
    slot, manifest = _other(running)
    await _forgotten()
    await _wipe(slot, manifest)
    is_filled = False
    try:
        await _contents().fill(_PART, slot, source)
        _, _, blocks, free = os.statvfs(".")[:4]
        # littlefs counts folders twice, and a negative number of free blocks appears as a huge
        # number.
        if not _SPARE_BLOCKS <= free < blocks:
            raise OSError(_FULL)
        # Both names are in the same folder. Between two folders littlefs renames in two steps, and
        # a power cut in between hides the next name until something is written.
        os.rename(_PART, manifest)
        await _forgotten()
        _switch(slot, running, version)
        is_filled = True
    finally:
        if not is_filled:
            await _wipe(slot, manifest)
    return version


async def _signed_manifest(source):
    """Writes the manifest to the flash and verifies it; returns its digest. Raises Refused,
    OSError."""
    await _forgotten()
    key = _read_key()
    await _forgotten()
    digest, signature = await _manifest(source)
    await _forgotten()
    if not await _is_signed(key, digest, signature):
        raise Refused(
            403, "wrong_signature", "the signature is not the owner's: another key, or damaged"
        )
    return digest


def _switch(slot, running, version):
    _slots().write(
        {
            "slot": slot,
            "previous": running or "",
            "trial": {"version": version, "starts": 0},
            "result": f"{version} is on trial",
        }
    )


def _slots():
    import slots

    forget("slots")
    return slots


def _contents():
    from . import contents

    forget()
    return contents


def _bundle():
    from . import bundle

    forget()
    return bundle


async def _forgotten():
    """Frees the memory of the step before. The garbage collector treats everything on the stack as
    in use, so this task first gives up its stack with sleep_ms()."""
    await asyncio.sleep_ms(0)
    gc.collect()


async def _manifest(source):
    """Writes the manifest to the flash; returns (its digest, its signature). Raises Refused."""
    bundle = _bundle()
    size = bundle.manifest_size(await source.exactly(struct.calcsize(bundle.HEAD)))
    signature = await source.exactly(bundle.SIGNATURE_BYTES)
    return await source.write(_PART, size), signature


async def _is_signed(key, digest, signature):
    from .ecdsa import verify

    forget()
    verdict = verify(key, digest, signature)
    while (is_right := next(verdict)) is None:
        await asyncio.sleep_ms(0)
    return is_right


def _other(running):
    """Returns the slot that does not run, and the path of its manifest."""
    slots = _slots()
    slot = slots.SLOTS[running == slots.SLOTS[0]]
    return slot, slots.manifest(slot)


def _read_key():
    from .ecdsa import load_public_key

    forget()
    try:
        with open(_PUBLIC_KEY, "rb") as file:
            # Not read(), which would allocate 256 bytes in one piece.
            count = file.readinto(scratch)
        return load_public_key(bytes(scratch[:count]).decode())
    except OSError:
        reason = "the owner's key is not on this dongle"
    except ValueError:
        reason = f"{_PUBLIC_KEY} on this dongle is not a public key of P-256"
    raise Refused(403, "no_owner_key", reason + ": `make deploy` copies the one of `make bundle`")


async def _wipe(slot, manifest):
    """Removes a slot. The manifest goes first: a slot without a manifest is never started."""
    try:
        os.remove(manifest)
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

# What the scripts about updates on a flash chip share.

import asyncio
import json
import os
import sys
from hashlib import sha256

import slots
from dongle.health import Health
from dongle.update.receive import Update

FOLDER = 0x4000


def copy_tree(source, target):
    """From the laptop's file system to the flash."""
    for name, kind, *_ in os.ilistdir(source):
        if kind == FOLDER:
            os.mkdir(target + name)
            copy_tree(source + "/" + name, target + name + "/")
        else:
            with open(source + "/" + name, "rb") as old, open(target + name, "wb") as new:
                new.write(old.read())


def tree(folder):
    """{path: bytes} of a folder."""
    found = {}
    for name, kind, *_ in os.ilistdir(folder):
        path = folder + "/" + name
        if kind == FOLDER:
            found.update(tree(path))
        else:
            with open(path, "rb") as file:
                found[path] = file.read()
    return found


def version_of(slot):
    """Of the firmware in a slot, of which every byte has to be right."""
    files = tree(slot)
    with open(slots.manifest(slot)) as file:
        manifest = json.load(file)
    for file in manifest["files"]:
        data = files.pop(slot + "/" + file["path"])
        assert len(data) == file["size"], file
        assert "".join(["%02x" % byte for byte in sha256(data).digest()]) == file["sha256"], file
    assert not files, files.keys()
    return manifest["version"]


def start():
    """Starts the dongle; the state that boot.py has found."""
    path = list(sys.path)
    slots.start()
    found = sys.path[0]
    sys.path[:] = path
    assert found == slots.state["slot"], (found, slots.state)
    return slots.state


class Quiet(Health):
    def say(self, text):
        pass


def receive(path, state="confirmed", piece=1024):
    """Takes the bundle in this file; (status, answer)."""
    firmware = {"version": "", "slot": slots.read()["slot"] or None, "state": state, "result": ""}
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(0)

        async def readinto(view):
            return file.readinto(view[:piece])

        update = Update(firmware, Quiet(), None)
        asyncio.new_event_loop()
        return asyncio.run(update.receive(readinto, size))

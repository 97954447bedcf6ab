# The power is cut at every write and erase of config.save(), of an update, of the starts of its
# trial, of its confirmation and of its end. Arguments: a folder with what is on the flash; two
# bundles, of versions 0.2.0 and 0.3.0; the flash's size in blocks; how many writes of an update
# lie between two cuts: with more than 1 there is only one update.

import asyncio
import json
import sys

from flash import Flash, power_cuts
from update_flash import Quiet, copy_tree, receive, start, version_of

import slots
from dongle import config
from dongle.update import trial

STARTS = 3
OLD_CONFIG = config.validate({"wifi": {"ssid": "home", "password": "secret"}})[0]
NEW_CONFIG = config.validate({"wifi": {"ssid": "éé" * 8, "password": "s" * 60}})[0]

root, second, third = sys.argv[1:4]
every = int(sys.argv[5])

flash = Flash(int(sys.argv[4]))
figures = {}


def take(bundle):
    status, answer = receive(bundle)
    assert status == 200, answer


class Meter:
    good = 10


class Wifi:
    here: str | None = "192.0.2.1"

    @staticmethod
    def address():
        return Wifi.here


def prove(good=10, address: str | None = "192.0.2.1"):
    """As when the firmware that runs has had so many good telegrams and this address all the
    time that it has."""

    def reset(why):
        raise SystemExit

    Meter.good, Wifi.here = good, address
    trial._WITHIN_MS = -1
    asyncio.new_event_loop()
    result = "0.2.0 has passed its trial"
    try:
        asyncio.run(trial.prove({"version": "0.2.0"}, Meter, Wifi, Quiet(), reset))
        assert good == 10 and address
    except SystemExit:
        result = "0.3.0 rolled back: %d good telegrams in -1 minutes" % good
        if not address:
            result += ", and no network"
    assert slots.read()["result"] == result


def settle():
    """Starts the dongle until it is certain what runs, and no longer than that may take. Returns
    the versions that were run."""
    versions = []
    for _ in range(STARTS + 1):
        state = start()
        versions.append(version_of(state["slot"]))
        if not state["trial"]:
            return versions
    raise AssertionError("it is on trial for ever")


def cut(name, act, old, new, every=1):
    """Does act, before which settle() gives `old`, and after it `new`. Then the same with the
    power cut at every write; and now and then once more, which has to succeed."""
    flash.log = []
    before = bytearray(flash.image)
    flash.mount()
    act()
    flash.unmount()
    after = bytearray(flash.image)
    log = flash.log
    seen = []
    cuts = 0
    for done, is_between in power_cuts(flash, before):
        if done % every and done < len(log) - 10:
            continue
        cuts += 1
        flash.log = []
        flash.mount()  # it is bootable
        found = settle()
        assert found in (old, new), (name, done, len(log), found)
        if is_between and found not in seen[-1:]:
            seen.append(found)
        settings, problems = config.load()
        assert settings == OLD_CONFIG and not problems
        if done % 8 == 0 and is_between and name.startswith("update"):
            act()
            assert settle() == new
        flash.unmount()
    # Up to one point it is the old, from there on the new.
    assert seen == ([old, new] if old != new else [old]), (name, seen)
    flash.image[:] = after
    figures[name] = (len(log), cuts)


def cut_config():
    flash.log = []
    before = bytearray(flash.image)
    flash.mount()
    config.save(NEW_CONFIG)
    flash.unmount()
    log = flash.log
    seen = []
    cuts = 0
    for _ in power_cuts(flash, before):
        cuts += 1
        flash.log = []
        flash.mount()
        settings, problems = config.load()
        assert not problems and settings in (OLD_CONFIG, NEW_CONFIG)
        if settings not in seen:
            seen.append(settings)
        config.save(OLD_CONFIG)  # the cut is no obstacle
        assert config.load() == (OLD_CONFIG, [])
        flash.unmount()
    assert seen == [OLD_CONFIG, NEW_CONFIG]
    flash.image[:] = before
    figures["config.save()"] = (len(log), cuts)


flash.format()
flash.mount()
copy_tree(root, "")
config.save(OLD_CONFIG)
first = version_of("slot_a")
flash.unmount()

cut_config()
once, on_trial = [first], ["0.2.0"] * STARTS + [first]
cut("update", lambda: take(second), once, on_trial, every)
if every > 1:
    print(json.dumps(figures))
    sys.exit()
for number in range(STARTS):
    left = ["0.2.0"] * (STARTS - number)
    cut("start %d of its trial" % (number + 1), start, left + once, left[1:] + once)
cut("start that ends it", start, once, once)
assert "0.2.0 rolled back" in slots.state["result"]
cut("update over the one that failed", lambda: take(second), once, on_trial)
cut("start", start, on_trial, on_trial[1:])
cut("confirmation", prove, on_trial[1:], ["0.2.0"])
once, on_trial = ["0.2.0"], ["0.3.0"] * STARTS + ["0.2.0"]
cut("update back into the first slot", lambda: take(third), once, on_trial)
cut("start", start, on_trial, on_trial[1:])
cut("end without telegrams", lambda: prove(9), on_trial[1:], once)
flash.mount()
take(third)
flash.unmount()
cut("end without Wi-Fi", lambda: prove(10, None), on_trial, once)
print(json.dumps(figures))

# A config that finds no room on the flash leaves the old one, and nothing else.

import os

from flash import Flash

from dongle import config

old = config.validate({"wifi": {"ssid": "home"}})[0]
new = config.validate({"wifi": {"ssid": "another"}})[0]
flash = Flash(16)
flash.format()
flash.mount()
config.save(old)
names = ["config.json"]
for letter in "abcdefghijklmnop":
    try:
        with open(letter, "wb") as file:
            file.write(bytes(4096))
        names.append(letter)
    except OSError:
        os.remove(letter)
for _ in range(3):
    try:
        config.save(new)
        raise AssertionError("there is room after all")
    except OSError as error:
        assert error.errno == 28, error
    assert config.load() == (old, [])
    assert sorted(os.listdir()) == sorted(names)
os.remove(names[-1])
config.save(new)
assert config.load() == (new, [])
print("ok")

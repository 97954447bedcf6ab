# Why there is no reading. Loaded only when there is none.

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .device import Device

TEMPORARY = True  # see forget()


def why(device: "Device") -> tuple:
    """Returns the likely reason: a code, and words that help the owner."""
    if device.cipher and device.cipher.bad and not device.cipher.good:
        return "wrong_key", "encrypted telegrams arrive, but meter.key does not decrypt them"
    if device.port.is_damaged() and device.framer.bad_reason == "overflow":
        return "no_end", (
            "a telegram is longer than %d bytes: the data line may not be inverted as board.json "
            "says; if /telegram/bad shows the beginning of a telegram, this board has too little "
            "memory for such long telegrams: freeze the firmware in"
        ) % len(device.framer.bad)
    if device.port.is_damaged():
        return "damaged", (
            "telegrams arrive damaged: check the pull-up on the data line and the cable; "
            "/telegram/bad shows the last one"
        )
    return "no_telegram", (
        "no telegram: is the port open at the grid operator, the cable plugged in and the "
        "data request wired as in board.json?"
    )

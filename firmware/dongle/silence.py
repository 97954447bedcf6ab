# Why there is no reading. Loaded only when there is none.

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .device import Device

TEMPORARY = True  # see forget()


def why(app: "Device") -> str:
    """Returns the likely reason, in words that help the owner."""
    if app.cipher and app.cipher.bad and not app.cipher.good:
        return "encrypted telegrams arrive, but meter.key does not open them"
    if app.port.is_damaged() and app.framer.bad_reason == "overflow":
        return (
            "telegrams have no end within %d bytes: check in which sense the data line arrives; "
            "where /telegram/bad shows the beginning of a telegram, this board has no memory for "
            "so long ones: freeze the firmware in"
        ) % len(app.framer.bad)
    if app.port.is_damaged():
        return (
            "telegrams arrive damaged: check the pull-up on the data line and the cable; "
            "/telegram/bad shows the last one"
        )
    return (
        "no telegram: is the port open at the grid operator, the cable plugged in and the "
        "data request wired as in board.json?"
    )

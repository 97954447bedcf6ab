# What connects the dongle to the network: the cable where the board has Ethernet, else Wi-Fi.


def make(board, settings, hostname, health):
    """board: the profile; settings: the section "wifi" of the config. Raises OSError, ValueError,
    KeyError, TypeError or AttributeError where the board's "ethernet" is not to be had."""
    # Either takes kilobytes, and no dongle needs both.
    if board.get("ethernet"):
        from .lan import Lan

        return Lan(board["ethernet"], hostname, health)
    from .wifi import Wifi

    return Wifi(settings, hostname, health)

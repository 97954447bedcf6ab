# Chooses the dongle's network: Ethernet if the board has it, otherwise Wi-Fi.

TEMPORARY = True  # see forget()


def make(board: dict, settings, hostname: str, health):
    """Returns a Lan or a Wifi. board: the profile; settings: the section "wifi" of the config.
    Raises OSError, ValueError, KeyError, TypeError or AttributeError if the board's "ethernet"
    cannot be used."""
    # Each takes kilobytes of memory, and no dongle needs both.
    if board.get("ethernet"):
        from .lan import Lan

        return Lan(board["ethernet"], hostname, health)
    from .wifi import Wifi

    return Wifi(settings, hostname, health)

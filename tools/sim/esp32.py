# esp32: heap figures, NVS and partitions, as far as a P1 dongle uses them.

import memory as _memory

HEAP_EXEC = 1
HEAP_DATA = 4

_NOT_FOUND = -0x1102
_KEY_TOO_LONG = -0x1109
_INVALID_LENGTH = -0x110C

_nvs = {}  # (namespace, key) -> committed value


def idf_heap_info(capabilities):
    return _memory.regions()


def raw_temperature():
    return 128  # degrees Fahrenheit


class NVS:
    """Values live as long as the process. What is not committed is lost with the object."""

    def __init__(self, namespace):
        self._namespace = namespace
        self._pending = {}

    def set_i32(self, key, value):
        self._set(key, value)

    def get_i32(self, key):
        return self._get(key, int)

    def set_blob(self, key, value):
        self._set(key, bytes(value))

    def get_blob(self, key, buffer):
        value = self._get(key, bytes)
        if len(value) > len(buffer):
            raise OSError(_INVALID_LENGTH, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(value)] = value
        return len(value)

    def erase_key(self, key):
        self._find(key)
        self._pending[key] = None

    def commit(self):
        for key, value in self._pending.items():
            _nvs[self._namespace, key] = value
        self._pending = {}

    def _set(self, key, value):
        if len(key) > 15:
            raise OSError(_KEY_TOO_LONG, "ESP_ERR_NVS_KEY_TOO_LONG")
        self._pending[key] = value

    def _find(self, key):
        value = self._pending[key] if key in self._pending else _nvs.get((self._namespace, key))
        if value is None:
            raise OSError(_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        return value

    def _get(self, key, kind):
        value = self._find(key)
        if not isinstance(value, kind):
            raise OSError(_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        return value


class Partition:
    """The one application partition of the stock firmware: there is no second to update."""

    BOOT = 0
    RUNNING = 1
    TYPE_APP = 0
    TYPE_DATA = 1

    def __init__(self, id):
        if id not in (Partition.BOOT, Partition.RUNNING, "factory"):
            raise OSError(2)

    def info(self):
        return (0, 0, 0x10000, 0x1F0000, "factory", False)

    def get_next_update(self):
        raise OSError(-0x105, "ESP_ERR_NOT_FOUND")

    @staticmethod
    def mark_app_valid_cancel_rollback():
        raise OSError(-261, "ESP_ERR_NOT_FOUND")

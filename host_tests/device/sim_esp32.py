# NVS, partition, heap figures, clock and identity.

import esp32
import machine
import world


def refused(function, *args):
    try:
        function(*args)
    except OSError as error:
        return error.errno
    raise AssertionError(function)


nvs = esp32.NVS("p1")
nvs.set_i32("boots", 3)
nvs.set_blob("wifi", b"secret")
assert refused(esp32.NVS("p1").get_i32, "boots") == -0x1102, "nothing is kept before commit()"
nvs.commit()
other = esp32.NVS("p1")
assert other.get_i32("boots") == 3
buf = bytearray(10)
assert other.get_blob("wifi", buf) == 6 and buf[:6] == b"secret"
assert refused(other.get_blob, "wifi", bytearray(2)) == -0x110C
assert refused(other.set_i32, "a key of 16 char", 1) == -0x1109
other.erase_key("boots")
assert refused(other.get_i32, "boots") == -0x1102

running = esp32.Partition(esp32.Partition.RUNNING)  # pyright: ignore[reportArgumentType]
assert running.info()[4] == "factory"
assert refused(esp32.Partition.mark_app_valid_cancel_rollback) == -261

total, free, largest, least = esp32.idf_heap_info(esp32.HEAP_DATA)[0]
assert total >= free >= largest >= least > 0
assert len(esp32.idf_heap_info(esp32.HEAP_DATA)) == 5  # regions of an ESP32

assert machine.unique_id() == b"\x02\0\0\0\0\x2a" and machine.reset_cause() == machine.PWRON_RESET
machine.freq(240000000)
machine.enable_irq(machine.disable_irq())
clock = machine.RTC()
assert len(clock.datetime()) == 8 and clock.memory() == b""
clock.datetime((2026, 7, 1, 2, 12, 0, 0, 0))
assert world.rtc_set[0] == 2026
try:
    clock.memory(bytes(2049))
except ValueError:
    pass
else:
    raise AssertionError("RTC memory has 2048 bytes")
clock.memory(b"crumbs")
assert clock.memory() == b"crumbs"

causes = []
world.reset_hook = causes.append
machine.reset()
machine.soft_reset()
assert causes == [machine.HARD_RESET, machine.SOFT_RESET]
print("ok")

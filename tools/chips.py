"""What the chips are: which pins exist and which of them are spoken for.

Sources: Espressif's datasheets (ESP32, ESP32-C3, ESP32-C6, ESP32-S3: "Pin Definitions" and
"Strapping Pins") and the pin table in ESP-IDF's API reference, "GPIO & RTC GPIO"; for RMII its
"Ethernet". Numbers of UARTs as MicroPython has them (ports/esp32, `SOC_UART_HP_NUM`). What esptool
knows better (flash offset, image chip id) is taken from esptool.
"""

from dataclasses import dataclass


def pins(text: str) -> frozenset[int]:
    """Pin numbers from a datasheet's notation: "0-5 12" is 0, 1, 2, 3, 4, 5 and 12."""
    numbers: set[int] = set()
    for part in text.split():
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return frozenset(numbers)


@dataclass(frozen=True)
class Chip:
    arch: str  # mpy-cross -march
    uarts: int
    gpio: frozenset[int]
    flash: frozenset[int]  # carry the program while it runs
    strapping: frozenset[int]  # sampled at reset: they choose the boot mode or the flash voltage
    usb: frozenset[int]  # the console of chips with USB on board
    uart0: frozenset[int]  # the console, and the boot ROM talks on it
    input_only: frozenset[int]
    rmii: frozenset[int] = frozenset()  # to an Ethernet PHY, where the board has one; fixed


CHIPS = {
    "esp32": Chip(
        arch="xtensawin",
        uarts=3,
        gpio=pins("0-19 21-23 25-27 32-39"),
        flash=pins("6-11"),
        strapping=pins("0 2 5 12 15"),
        usb=frozenset(),
        uart0=pins("1 3"),
        input_only=pins("34-39"),
        rmii=pins("19 21 22 25-27"),
    ),
    "esp32c3": Chip(
        arch="rv32imc",
        uarts=2,
        gpio=pins("0-21"),
        flash=pins("11-17"),  # 11 feeds the flash (VDD_SPI)
        strapping=pins("2 8 9"),
        usb=pins("18 19"),
        uart0=pins("20 21"),
        input_only=frozenset(),
    ),
    "esp32c6": Chip(
        arch="rv32imc",
        uarts=2,  # and one for low power, with a small buffer
        gpio=pins("0-30"),
        flash=pins("24-30"),
        strapping=pins("4 5 8 9 15"),
        usb=pins("12 13"),
        uart0=pins("16 17"),
        input_only=frozenset(),
    ),
    "esp32s3": Chip(
        arch="xtensawin",
        uarts=3,
        gpio=pins("0-21 26-48"),
        flash=pins("26-32"),  # and 33-37 on modules with octal flash or PSRAM
        strapping=pins("0 3 45 46"),
        usb=pins("19 20"),
        uart0=pins("43 44"),
        input_only=frozenset(),
    ),
}

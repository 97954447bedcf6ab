#define MICROPY_HW_BOARD_NAME "SlimmeLezer"
#define MICROPY_HW_MCU_NAME "ESP32C3"

// The meter's bytes arrive where UART 0 listens. The console is on USB.
#define MICROPY_HW_ENABLE_UART_REPL (0)

// The dongle answers multicast DNS itself, and then announces its services too.
#define MICROPY_HW_ENABLE_MDNS_RESPONDER (0)

// No Bluetooth: its memory is for us.
#define MICROPY_PY_BLUETOOTH (0)

// The Python heap as large as the firmware frozen in needs it at its highest, so that it never
// grows: boards/README.md has the calculation.
#define MICROPY_GC_INITIAL_HEAP_SIZE (72 * 1024)

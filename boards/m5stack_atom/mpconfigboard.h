#define MICROPY_HW_BOARD_NAME "P1 dongle (M5Stack Atom)"
#define MICROPY_HW_MCU_NAME "ESP32-PICO-D4"

// The console. On chips with USB it is there too.
#define MICROPY_HW_ENABLE_UART_REPL (1)

// The dongle answers multicast DNS itself, and then announces its services too.
#define MICROPY_HW_ENABLE_MDNS_RESPONDER (0)

// No Bluetooth: its memory is for us.
#define MICROPY_PY_BLUETOOTH (0)

// The Python heap as large as the firmware frozen in needs it at its highest, so that it never
// grows: boards/README.md has the calculation.
#define MICROPY_GC_INITIAL_HEAP_SIZE (72 * 1024)

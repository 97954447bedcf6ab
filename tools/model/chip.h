// What py/gc.c and py/qstr.c call where interpreter.py changes them, and the former to grow and
// shrink the Python heap: see chip.c. `needed` is a variable of its own there.
#include <stdbool.h>
#include <stddef.h>

bool chip_is_elsewhere(void *area);
bool chip_is_outside(void);
void *chip_area_of(void *area, const void *ptr);
size_t chip_next_pool(size_t last);
void *chip_grow(size_t *size, size_t needed);
void chip_shrink(void *area);
#define MICROPY_PY_SYS_PLATFORM "esp32"
#define MP_PLAT_ALLOC_HEAP(size) chip_grow(&(size), needed)
#define MP_PLAT_FREE_HEAP(area) chip_shrink(area)

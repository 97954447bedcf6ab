# chip.c as a module of MicroPython's, and what it has to come between.
SRC_USERMOD_C += $(USERMOD_DIR)/chip.c $(CHIP_NAMES)
LDFLAGS_USERMOD += -Wl,--wrap=mp_unix_alloc_exec -Wl,--wrap=mp_thread_create -Wl,--wrap=poll \
  -Wl,--wrap=gc_collect_start -Wl,--wrap=gc_collect_end -Wl,--wrap=mp_hal_ticks_ms

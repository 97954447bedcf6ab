"""Weeks of a dongle's life in minutes: fault after fault, in MicroPython with words of 32 bits, in
a world in memory whose clock waits for nobody."""

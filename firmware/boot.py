import gc

# Collect before the heap has to grow: what it grows into, Wi-Fi needs too.
gc.threshold(16384)

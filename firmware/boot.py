import gc

# Garbage is collected early. Late, it would lie between what stays, and no large buffer would
# find its room.
gc.threshold(4096)

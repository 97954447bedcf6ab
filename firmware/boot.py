import gc

# Importing leaves garbage. Collected late, it would lie between what stays, and no large buffer
# would find its room: so early until all is there (app.py ends it).
gc.threshold(8192)

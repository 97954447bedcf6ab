# Importing leaves garbage. Collected late, it would lie between what stays, and no large buffer
# would find its room: so early until all is there (app.py ends it).
import gc

gc.threshold(8192)

from dongle import app  # noqa: E402

app.run()

# The dongle as main.py starts it.

from dongle import app

app.run()

# The dongle as main.py starts it.

from dongle import start

start.run()

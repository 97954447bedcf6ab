from dongle import start

start.run()

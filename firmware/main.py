from dongle import app

app.run()

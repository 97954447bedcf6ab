# Imported between boot.py and main.py: a plain server by which a test reaches the dongle's
# updates, instead of HTTP with a password. A line says what is wanted, the answer is JSON:
#
#   receive SIZE  and then the bundle: what Update.receive() says
#   pull          what Update.pull() says
#   modules       which modules are in memory

import asyncio
import json
import os
import sys

from dongle.app import App


async def _answer(app, stream):
    wanted = (await stream.readline()).decode().split()
    if wanted[0] == "receive":
        return await app.update(lambda update: update.receive(stream.readinto, int(wanted[1])))
    if wanted[0] == "pull":
        return await app.update(lambda update: update.pull(app.update_url))
    return sorted(sys.modules)


async def _run(app):
    async def serve(stream, _):
        stream.write(json.dumps(await _answer(app, stream)).encode())
        await stream.drain()
        while await stream.readinto(bytearray(1024)) != 0:
            pass  # closing at once would make the client lose its answer
        stream.close()
        await stream.wait_closed()

    await asyncio.start_server(serve, "127.0.0.1", int(os.getenv("P1_UPDATE_PORT")))
    await _run_app(app)


_run_app, App.run = App.run, _run

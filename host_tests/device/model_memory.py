# The model of the chip's memory, case by case. Argument: the case. Prints JSON.

import gc
import json
import socket
import sys

import _chip

import machine
import memory
import network
import wiring  # noqa: F401  what hangs on the pins is the world's
import world

CHIP = "esp32"


def free():
    return sum([region[1] for region in memory.regions()])


def fill(leave):
    """Takes ESP-IDF's heap, but for about so many bytes in one piece."""
    for size in (8192, 1024, 128, 32):
        while memory.has(size + leave):
            memory.take(size)


def growth():
    """The heap's size, at power-up and each time it has grown; and what is left for the rest."""
    memory.begin(CHIP)
    sizes = [_chip.heap()[0]]
    kept = []
    try:
        while True:
            kept.append(bytearray(1000))
            if _chip.heap()[0] != sizes[-1]:
                sizes.append(_chip.heap()[0])
    except MemoryError:
        pass
    return {"sizes": sizes, "left": _chip.least()}


def pinned():
    memory.begin(CHIP)
    kept = [[None] * 15_000]
    return {"heap": _chip.heap()[0], "kept": len(kept)}


def radio():
    """What is free before and after each step."""
    memory.begin(CHIP)
    steps = [free()]
    station = network.WLAN(network.STA_IF)
    steps.append(free())
    station.active(True)
    steps.append(free())
    world.radio.change(join_ms=0)
    station.connect("home", "secret")
    assert station.isconnected()
    steps.append(free())
    machine.UART(1, 115200, rx=27, tx=26, rxbuf=8192)
    steps.append(free())
    machine.UART(1, 115200, rx=27, tx=26, rxbuf=4096)
    steps.append(free())
    return {"steps": steps}


def no_driver():
    memory.begin(CHIP)
    fill(20_000)
    try:
        network.WLAN(network.STA_IF)
    except OSError as error:
        return {"error": str(error), "free": free() > 15_000}


def no_radio():
    memory.begin(CHIP)
    station = network.WLAN(network.STA_IF)
    fill(1_000)
    causes = []

    class Reset(BaseException):
        pass

    def hook(cause):
        causes.append(cause)
        raise Reset

    world.reset_hook = hook
    try:
        station.active(True)
    except Reset:
        pass
    return {"causes": causes}


def no_address():
    memory.begin(CHIP)
    world.radio.change(join_ms=0)
    station = network.WLAN(network.STA_IF)
    station.active(True)
    fill(200)
    station.connect("home", "secret")
    return {"connected": station.isconnected()}


def no_port():
    memory.begin(CHIP)
    fill(4_000)
    try:
        machine.UART(1, 115200, rx=27, tx=26, rxbuf=4096)
    except OSError as error:
        return {"error": error.errno}


def no_socket():
    memory.begin(CHIP)
    fill(100)
    told = []
    for ask in (lambda: socket.socket(), lambda: socket.getaddrinfo("127.0.0.1", 80)):
        try:
            ask()
        except OSError as error:
            told.append(error.errno)
    return {"errors": told}


def unreachable():
    """Whether somebody on the laptop is let in, without network and with. A third argument: a port
    that is free."""
    import time

    import usocket

    memory.begin(CHIP)
    world.radio.change(join_ms=0)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port = int(sys.argv[3])
    listener.bind(("127.0.0.1", port))
    listener.listen(1)
    station = network.WLAN(network.STA_IF)
    station.active(True)
    told = []
    for is_up in (False, True):
        if is_up:
            station.connect("home", "secret")
            while not station.isconnected():
                time.sleep_ms(10)
        caller = usocket.socket()
        caller.connect(usocket.getaddrinfo("127.0.0.1", port)[0][-1])
        try:
            listener.accept()[0].close()
            told.append("let in")
        except OSError as error:
            told.append(error.errno)
        caller.settimeout(10)
        assert caller.read(1) == b""  # it was closed
        caller.close()
    return {"told": told}


def no_poll():
    import select

    memory.begin(CHIP)
    server = socket.socket()
    poller = select.poll()
    poller.register(server)
    poller.poll(0)
    fill(0)
    try:
        poller.poll(0)
    except OSError as error:
        return {"error": error.errno}


def unread():
    """What three clients take that read nothing, and that it comes back."""
    memory.begin(CHIP)
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    before = free()
    queues = [memory.Queue(lambda: 0) for _ in range(3)]
    taken = [queue.send(10_000) for queue in queues]
    full = before - free()
    for queue in queues:
        queue.close()
    small = memory.Queue(lambda: 0)
    for _ in range(70):
        small.send(45)
    return {"taken": taken, "full": full, "small": before - free()}


def outside():
    memory.begin(CHIP)
    gc.collect()
    before = gc.mem_alloc()
    kept = memory.outside(lambda: [bytearray(20_000)])()
    return {"grown": gc.mem_alloc() - before, "kept": len(kept)}


def modules():
    """What the chip has in C costs nothing of its Python heap; what a file of the firmware has
    does."""
    names = "esp32", "machine", "network", "socket", "tls", "umqtt.simple"
    for name in names:
        sys.modules.pop(name, None)  # as after a reset
    memory.begin(CHIP)
    grown = []
    for name in names:
        gc.collect()
        before = gc.mem_alloc()
        __import__(name)
        gc.collect()
        grown.append(gc.mem_alloc() - before)
    return {"grown": grown}


def native():
    """How much code finds room, and that it is an error when there is none."""
    memory.begin(CHIP)
    fill(0)
    text = "@micropython.viper\ndef f(a: int) -> int:\n" + "    a += 1\n" * 500 + "    return a\n"
    names = {"micropython": __import__("micropython")}
    try:
        for _ in range(100):
            exec(text, names)
    except MemoryError:
        return {"native": _chip.native(), "works": names["f"](1)}


if len(sys.argv) > 2:
    CHIP = sys.argv[2]
told = globals()[sys.argv[1]]()
_chip.outside(True)
print(json.dumps(told))

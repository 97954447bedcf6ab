import asyncio


async def until(look, what, within_s=60):
    """Waits for look() to be true; AssertionError with `what` where it takes too long."""
    for _ in range(100 * within_s):
        if look():
            return
        await asyncio.sleep_ms(10)
    raise AssertionError(what)

# The whole telegrams by MQTT, for who wants them.

from micropython import const

from p1.render.page import Page

from .wire import publish_head

_PAGE_BYTES = const(512)  # of what is gathered: a small write takes a whole segment


class Telegrams:
    def __init__(self, topic):
        """Bytes."""
        self._topic = topic

    async def publish(self, link, latest):
        telegram, size = latest.telegram_bytes, latest.telegram_size
        # Its beginning together with the head, which would be a small segment alone.
        page = Page(_PAGE_BYTES)
        page.put(publish_head(self._topic, size))
        at = page.fill(memoryview(telegram)[:size], 0)
        link.write(page.bytes, page.size)
        link.write(memoryview(telegram)[at:], size - at)
        await link.drain()

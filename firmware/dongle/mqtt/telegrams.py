# The whole telegrams by MQTT, for who wants them.

from micropython import const

from p1.render.page import Page

from .wire import publish_head

_PAGE_BYTES = const(512)  # of what is gathered: a small write takes a whole segment


class Telegrams:
    def __init__(self, topic):
        """Bytes."""
        self._topic = topic
        self._page = Page(_PAGE_BYTES)  # later there may be no room for it in one piece

    async def publish(self, link, latest):
        telegram, size = latest.telegram_bytes, latest.telegram_size
        # Its beginning together with the head, which would be a small segment alone.
        page = self._page
        page.size = 0
        page.put(publish_head(self._topic, size))
        at = page.fill(memoryview(telegram)[:size], 0)
        await link.publish(page.bytes, 0, page.size, latest)
        await link.publish(telegram, at, size, latest)

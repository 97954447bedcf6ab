# Sends the whole telegrams by MQTT (the setting mqtt.telegram).

from micropython import const

from p1.render.page import Page

from .wire import publish_head

_PAGE_BYTES = const(512)  # for small parts together: each write takes a whole TCP segment


class Telegrams:
    def __init__(self, topic):
        """topic: bytes."""
        self._topic = topic
        self._page = Page(_PAGE_BYTES)  # made now: later there may be no free block of this size

    async def publish(self, link, latest) -> None:
        """Sends the telegram over link, a Link. latest: the Latest."""
        telegram, size = latest.telegram_bytes, latest.telegram_size
        # The head and the beginning of the telegram together: the head alone is a small segment.
        page = self._page
        page.size = 0
        page.put(publish_head(self._topic, size))
        at = page.fill(memoryview(telegram)[:size], 0)
        await link.publish(page.bytes, 0, page.size, latest)
        await link.publish(telegram, at, size, latest)

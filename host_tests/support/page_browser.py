"""A browser that looks at the page, and keeps what it asks for and what it complains about."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

CHROMIUM = shutil.which("chromium")
PHONE: ViewportSize = {"width": 360, "height": 780}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}

TICK_S = 1  # at most one request in that
JITTER_S = 0.05  # between what it notes and what it does
_TURN_MS = 50  # for the page to deal with what it has

# Headless, with whatever it would ask the internet for switched off.
_OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
# When the page asks, by its own clock: the browser's may call a request late that was not.
_NOTE_ASKING = """
const plainFetch = window.fetch
window.fetch = (...request) => {
    noteAsking(performance.timeOrigin, performance.now())
    return plainFetch(...request)
}
"""
# What it says by itself when there is no answer or 503, which a page cannot prevent.
_OF_THE_NETWORK = "Failed to load resource:"


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_OPTIONS)
        yield browser
        browser.close()


class Visit:
    """A page that is being looked at, by somebody with an empty browser.

    asked       (when, by the browser's clock in seconds; the path), the page itself included
    complaints  what is on the console, of the page and of the network
    """

    def __init__(
        self,
        browser: Browser,
        origin: str,
        viewport: ViewportSize = DESKTOP,
        script: str = "",
        has_clock: bool = False,
        **options,
    ):
        self.origin = origin
        self.asked: list[tuple[float, str]] = []
        self.strange: list[str] = []  # URLs elsewhere
        self.complaints: dict[str, list[str]] = {"page": [], "network": []}
        options = {"locale": "en-BE", "timezone_id": "America/New_York", **options}
        self._context = browser.new_context(viewport=viewport, **options)
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(60_000)
        if has_clock:
            self.page.clock.install()
        self.page.on("pageerror", lambda error: self.complaints["page"].append(str(error)))
        self.page.on("console", self._hear)
        # Playwright's own events come when it gets round to them; these have the time with them.
        self._devtools = self._context.new_cdp_session(self.page)
        self._devtools.on("Network.requestWillBeSent", self._see)
        self._under_way: set[str] = set()  # requests without an answer
        for end in ("loadingFinished", "loadingFailed"):
            self._devtools.on("Network." + end, self._see_end)
        self._devtools.send("Network.enable")
        self._asked_ms: dict[float, list[float]] = {}  # by opening
        self.page.expose_binding("noteAsking", self._note_asking)
        self.page.add_init_script(_NOTE_ASKING)
        if script:
            self.page.add_init_script(script)
        self.open()
        if has_clock:
            self.page.clock.pause_at(self.page.evaluate("Date.now()") + 1)

    def open(self) -> None:
        self.page.goto(self.origin + "/")

    def close(self) -> None:
        if not self.page.is_closed():
            self.page.wait_for_timeout(_TURN_MS)  # else what is on its way is lost
        self._context.close()

    def check(self) -> None:
        """What holds for each page at any time."""
        assert self.strange == [], self.strange
        assert self.complaints["page"] == [], self.complaints
        assert self._asked_ms, "nobody saw it ask"
        for moments in self._asked_ms.values():
            # From each to each later one, so that no jitter adds up.
            for (early, moment), (late, later) in combinations(enumerate(moments), 2):
                least_ms = 1000 * ((late - early) * TICK_S - JITTER_S)
                assert later - moment > least_ms, (early, moments)

    def _note_asking(self, _source, opening: float, moment: float):
        self._asked_ms.setdefault(opening, []).append(moment)

    def _hear(self, message):
        if message.type in ("error", "warning"):
            kind = "network" if message.text.startswith(_OF_THE_NETWORK) else "page"
            self.complaints[kind].append(message.text)

    def _see_end(self, event):
        self._under_way.discard(event["requestId"])

    def _see(self, event):
        self._under_way.add(event["requestId"])
        url = event["request"]["url"]
        if url.startswith(self.origin + "/"):
            self.asked.append((event["timestamp"], urlsplit(url).path))
        elif not url.startswith("data:"):
            self.strange.append(url)

    def is_idle(self) -> bool:
        """Whether each request has its answer, and the page has dealt with it."""
        self.page.wait_for_timeout(1)
        return not self._under_way and self.page.evaluate("request === null")

    def polls(self) -> list[str]:
        self.page.wait_for_timeout(1)  # Playwright hears of them only while it is called
        return [path for _, path in self.asked if path != "/"]

    def hide(self, is_hidden: bool) -> None:
        """As if another tab were in front, or no longer. A hidden page has had all its answers."""
        self.page.evaluate(
            """(state) => {
                const property = {get: () => state, configurable: true}
                Object.defineProperty(document, "visibilityState", property)
                document.dispatchEvent(new Event("visibilitychange"))
            }""",
            "hidden" if is_hidden else "visible",
        )
        self.page.wait_for_timeout(_TURN_MS)
        while is_hidden and self._under_way:
            self.page.wait_for_timeout(_TURN_MS)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).text_content() or ""

    def table(self, selector: str) -> list[list[str]]:
        """The words in each row's cells."""
        return self.page.locator(selector).evaluate(
            "body => [...body.rows].map(row => [...row.cells].map(cell => cell.textContent))"
        )

    def shows(self, selector: str) -> bool:
        return self.page.locator(selector).is_visible()

    def overflows(self) -> bool:
        """Whether it has to be scrolled sideways."""
        return self.page.evaluate("document.documentElement.scrollWidth > innerWidth")

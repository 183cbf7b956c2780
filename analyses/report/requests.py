"""What a browser would fetch on opening a page."""

import html.parser
import re


def external_requests(page: str) -> list[str]:
    """Addresses that a browser would fetch on opening ``page``, the page itself aside."""
    reader = _Requests()
    reader.feed(page)
    return [address for address in reader.found if not address.startswith(("data:", "#"))]


class _Requests(html.parser.HTMLParser):
    FETCHING = frozenset({"src", "srcset", "data", "poster", "background"})
    IN_STYLE = re.compile(r"""(?:url\(\s*|@import\s+)['"]?([^'")]+)""")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tag = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tag = tag
        for name, value in attrs:
            if value and (name in self.FETCHING or (tag == "link" and name == "href")):
                self.found.append(value)
            elif value and name == "style":
                self.found += self.IN_STYLE.findall(value)

    def handle_data(self, data: str) -> None:
        if self.tag == "style":
            self.found += self.IN_STYLE.findall(data)

    def handle_endtag(self, tag: str) -> None:
        self.tag = ""

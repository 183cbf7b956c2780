"""Read the built pages: does every link lead somewhere, and does none load from the network?"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# what a browser fetches by itself, as opposed to what a reader may follow
LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("source", "src"), ("iframe", "src")}


class Page(HTMLParser):
    """The anchors of a page, and (tag, attribute, address) of all it refers to."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.found = set(), []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            if name in ("href", "src") and value:
                self.found.append((tag, name, value))


def problems(root):
    """One line for each link without a target and each address that is loaded from elsewhere."""
    pages = {path: Page(path) for path in sorted(root.rglob("*.html"))}
    if not pages:
        yield f"no page in {root}"
    for path, page in pages.items():
        for tag, name, address in page.found:
            parts = urlsplit(address)
            if parts.scheme in ("http", "https") or parts.netloc:
                if (tag, name) in LOADED:
                    yield f"{path.name}: loads {address}"
                continue
            if parts.scheme:  # data:, mailto:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                yield f"{path.name}: no {address}"
            elif parts.fragment and target in pages:
                if unquote(parts.fragment) not in pages[target].anchors:
                    yield f"{path.name}: no place {address}"
    for path in root.rglob("*.css"):
        text = path.read_text()
        for sign in ("url(http", "url(//", 'url("http', "@import"):
            if sign in text:
                yield f"{path.name}: {sign} loads from elsewhere"


if __name__ == "__main__":
    found = list(problems(Path(sys.argv[1]).resolve()))
    print("\n".join(found) or "every link leads somewhere, nothing is loaded from the network")
    sys.exit(bool(found))

"""What is wrong with a page that is one file, as a browser sees it."""

WIDTHS = (1280, 400)  # CSS pixels: a desk and a telephone

PROBES = """(() => {
const all = (what) => [...document.querySelectorAll(what)];
const words = [];
for (const image of document.images) {
  if (!image.complete || !image.naturalWidth) words.push("image does not load: " + image.alt);
  if (!image.alt) words.push("image without words");
}
for (const figure of all("figure, .answer"))
  if (!figure.querySelector("img, svg")) words.push("no picture: " + (figure.id || "figure"));
const ids = all("[id]").map((element) => element.id);
for (const id of ids.filter((id, place) => ids.indexOf(id) < place)) words.push("twice: " + id);
for (const link of document.links) {
  const to = link.getAttribute("href");
  if (to.startsWith("data:") ? to.split(",", 2)[1] === "" : !ids.includes(to.slice(1)))
    words.push("leads nowhere: " + to.slice(0, 60));
}
const wide = document.documentElement.scrollWidth;
if (wide > innerWidth) words.push(`scrolls sideways: ${wide} pixels`);
return words;
})()"""


def faults(browser, path):
    """Faults of the page, each with the width and scheme at which it shows; none if all is well."""
    found = []
    for width in WIDTHS:
        for dark in (False, True):
            with browser.page(path, width, dark=dark) as tab:
                words = tab.run(PROBES)
                words += [f"error: {text}" for text in tab.errors()]
                words += [f"request: {address}" for address in tab.requests()]
            found += [f"{width} {'dark' if dark else 'light'}: {text}" for text in words]
    return found

"""A diagnosis as one HTML page that needs nothing else."""

import html
import io
from pathlib import Path
from string import Template
from typing import Any

from rnnjac._support.files import write_atomically
from rnnjac.diagnosis.result import Diagnosis, Finding
from rnnjac.diagnosis.text import figures, title

# Colours of the figures, each by a variable of the page, which has two sets of them.
THEMED = {
    "#332288": "var(--leading)",
    "#cc6677": "var(--loss)",
    "#333333": "currentColor",
    "#dddddd": "var(--rule)",
    "#ffffff": "var(--paper)",
}

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; --paper: #fff; --ink: #333; --soft: #666; --rule: #ddd;
  --leading: #332288; --loss: #b24c5e; --mark: #882255; --ground: #f7f7f9; }
@media (prefers-color-scheme: dark) { :root { --paper: #16171b; --ink: #e4e4e8; --soft: #a0a0aa;
  --rule: #3a3b42; --leading: #a79bf0; --loss: #f09aa8; --mark: #f09ac0; --ground: #1f2026; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 72rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.3; margin: 0 0 1rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
ol { list-style: none; margin: 0; padding: 0; display: grid; gap: .7rem; }
li { background: var(--ground); border-left: .3rem solid var(--mark); padding: .6rem .9rem; }
li h3 { font-size: 1rem; margin: 0; }
li p { margin: .2rem 0 0; }
.source, figcaption { color: var(--soft); font-size: .9rem; }
.well { border-left-color: #44aa99; background: var(--ground); padding: .6rem .9rem;
  border-left: .3rem solid #44aa99; margin: 0; }
.panels { display: grid; gap: 1.2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(25rem, 100%), 1fr)); }
figure { margin: 0; min-width: 0; }
figure svg { display: block; width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0;
  border-bottom: 1px solid var(--rule); font-weight: normal; }
th { color: var(--soft); width: 11rem; }
@media (max-width: 36rem) { th { width: 7rem; } }
</style>
</head>
<body>
<main>
<h1>$title</h1>
<section aria-label="Findings">$findings</section>
<h2>Pictures</h2>
<div class="panels">$panels</div>
<h2>Figures</h2>
<table><tbody>$rows</tbody></table>
</main>
</body>
</html>
""")


def save(d: Diagnosis, path: str | Path) -> Path:
    """Write the page beside ``path`` and put it there when complete, never half of one."""
    text = page(d).encode()
    write_atomically(path, lambda file: file.write(text))
    return Path(path)


def page(d: Diagnosis) -> str:
    """The page as text."""
    from rnnjac.diagnosis.figure import PANELS, one_panel

    panels = []
    for place, (name, draw) in enumerate(PANELS.items()):
        drawn = _svg(one_panel(d, draw), f"p{place}-", name)
        caption = html.escape(name)
        panels.append(f"<figure><figcaption>{caption}</figcaption>{drawn}</figure>")
    findings = "".join(_finding(finding) for finding in d.findings)
    healthy = '<p class="well">No finding: nothing to change.</p>'
    rows = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(text)}</td></tr>'
        for name, text in figures(d)
    )
    return PAGE.substitute(
        title=html.escape(title(d)),
        findings=f"<ol>{findings}</ol>" if d.findings else healthy,
        panels="".join(panels),
        rows=rows,
    )


def _finding(finding: Finding) -> str:
    sentences = (f"{text[:1].upper()}{text[1:]}" for text in finding if isinstance(text, str))
    name, seen, change, source = (html.escape(text) for text in sentences)
    return (
        f"<li><h3>{name}</h3><p>{seen}.</p><p><b>Change:</b> {change}.</p>"
        f'<p class="source">{source}</p></li>'
    )


def _svg(figure: Any, prefix: str, name: str) -> str:
    """A figure as an element of the page, its ids its own and its colours those of the page."""
    held = io.StringIO()
    figure.savefig(held, format="svg", transparent=True, metadata={"Date": None})
    text = held.getvalue()
    text = text[text.index("<svg") :]
    for colour, variable in THEMED.items():
        text = text.replace(colour, variable)
    for mark in ('id="', "url(#", 'href="#'):
        text = text.replace(mark, mark + prefix)
    label = html.escape(name, quote=True)
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)

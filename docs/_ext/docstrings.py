"""What the docstrings take for granted and reStructuredText does not: |x| and indented formulas."""

from docutils.parsers.rst.states import Inliner


def as_text(inliner, match, lineno):
    """Bars are those of a norm, and no substitution."""
    end = match.end("start")
    return match.string[:end], [], match.string[end:], []


def formulas_as_written(app, what, name, obj, options, lines):
    """Set an indented block of the description line by line, as it stands in the source."""
    description = next((i for i, line in enumerate(lines) if line.startswith("----")), len(lines))
    for i in range(description - 1, 0, -1):
        opens = lines[i].startswith("    ") and not lines[i - 1].strip()
        before = next((line for line in reversed(lines[:i]) if line.strip()), "")
        if opens and not before.startswith("    "):
            lines[i:i] = ["::", ""]


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")
    Inliner.dispatch["|"] = as_text
    # before numpydoc, which takes its turn at 500
    app.connect("autodoc-process-docstring", formulas_as_written, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

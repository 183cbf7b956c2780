"""The answer in one call: figures by subject, findings, a table, a figure and a page.

`diagnose` measures along each sequence (`along`, `rounded_gradient`), looks for what it knows of
the cell (`recurrent`, `gated`), puts figures together (`assemble`) and asks the `rules`.
"""

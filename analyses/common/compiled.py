"""Programs that are the same are compiled once."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

WORTHWHILE = 0.5  # seconds of compiling from which on a program is kept; to read one takes 0.1


@contextmanager
def once() -> Iterator[None]:
    """Inside, what compiles to the same program as before, from another function, is not compiled.

    Runs of `rnnjac.training.train` that differ in their start alone share all programs. Nothing is
    kept afterwards; a folder that the user has set for compiled programs is left in use.
    """
    if jax.config.jax_compilation_cache_dir is not None:
        yield
        return
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = [getattr(jax.config, name) for name in names]
    with tempfile.TemporaryDirectory() as folder:
        _use(names, (folder, WORTHWHILE))
        try:
            yield
        finally:
            _use(names, before)


def _use(names: Sequence[str], values: Sequence[Any]) -> None:
    for name, value in zip(names, values, strict=True):
        jax.config.update(name, value)
    compilation_cache.reset_cache()  # JAX looks at its settings at the first program only

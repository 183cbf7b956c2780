"""What the suite keeps of compiled code on disk: it saves compiling, and no damage fails a test."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

WARNING = "Error reading persistent compilation cache entry"


@pytest.fixture
def entries(tmp_path):
    """A function that lists the entries of a cache of this test's own, which it empties first."""
    before = jax.config.jax_compilation_cache_dir
    compilation_cache.reset_cache()
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield lambda: sorted(tmp_path.glob("*-cache"))
    compilation_cache.reset_cache()
    jax.config.update("jax_compilation_cache_dir", before)


def called():
    """A call whose code has to be compiled or read."""
    jax.clear_caches()
    found = jax.jit(lambda x: jnp.sin(x) + x[::-1])(jnp.arange(3.0))
    np.testing.assert_array_equal(found[1], jnp.sin(1.0) + 1)


def test_a_second_call_reads_what_the_first_has_written(entries):
    called()
    written = {entry: entry.stat().st_mtime_ns for entry in entries()}
    assert written
    called()
    assert {entry: entry.stat().st_mtime_ns for entry in entries()} == written


@pytest.mark.parametrize("damage", [b"", b"damaged", "half"])
def test_a_damaged_entry_costs_a_compilation_and_no_more(entries, damage):
    called()
    for entry in entries():
        content = entry.read_bytes()
        entry.write_bytes(content[: len(content) // 2] if damage == "half" else damage)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        called()
    assert any(WARNING in str(warning.message) for warning in seen)  # it was read, and refused
    called()  # under the suite's own filter, which makes other warnings errors

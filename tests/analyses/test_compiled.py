"""Equal programs are compiled once after ``compiled.once``, and the user's settings stay."""

import os

import jax
import jax.numpy as jnp
import pytest
from jax.experimental.compilation_cache import compilation_cache

from analyses.common import compiled

SETTINGS = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")


@pytest.fixture
def unset(monkeypatch):
    """No folder of compiled programs and no flags, whatever the run of the tests has set."""
    before = [getattr(jax.config, name) for name in SETTINGS]
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    jax.config.update(SETTINGS[0], None)
    compilation_cache.reset_cache()
    yield
    compilation_cache.reset_cache()
    for name, value in zip(SETTINGS, before, strict=True):
        jax.config.update(name, value)


def run(factor):
    """A new function each time, so that JAX itself knows nothing of the one before."""
    return jax.jit(lambda x: jnp.sin(factor * x) + 1)(jnp.arange(3.0)).tolist()


def test_a_program_from_another_function_is_read_back(unset, monkeypatch, tmp_path):
    monkeypatch.setattr(compiled, "WORTHWHILE", 0.0)
    jnp.arange(3.0).block_until_ready()
    events = []
    jax.monitoring.register_event_listener(lambda event, **_: events.append(event))

    def hits():
        return events.count("/jax/compilation_cache/cache_hits")

    compiled.once(tmp_path)
    first = run(2.0)
    assert hits() == 0 and list(tmp_path.iterdir())
    assert run(2.0) == first and hits() == 1
    assert run(3.0) != first and hits() == 1


def test_flags_are_those_that_this_jaxlib_knows(unset, monkeypatch):
    for version, flags in (("0.10.9", " ".join(compiled.QUICK)), ("0.12.0", None)):
        monkeypatch.delenv("XLA_FLAGS", raising=False)
        monkeypatch.setattr(compiled.importlib.metadata, "version", {"jaxlib": version}.get)
        compiled.quickly()
        assert os.environ.get("XLA_FLAGS") == flags


def test_what_the_user_has_set_stays_in_use(unset, monkeypatch, tmp_path):
    monkeypatch.setenv("XLA_FLAGS", "")
    jax.config.update(SETTINGS[0], str(tmp_path))
    compiled.once(tmp_path / "other")
    compiled.quickly()
    assert os.environ["XLA_FLAGS"] == "" and getattr(jax.config, SETTINGS[0]) == str(tmp_path)

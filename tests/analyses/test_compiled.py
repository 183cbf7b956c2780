"""Equal programs are compiled once inside ``compiled.once``, and nothing is left behind."""

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from analyses.common import compiled

SETTING = "jax_compilation_cache_dir"


@pytest.fixture
def unset():
    """No folder of compiled programs, whatever the run of the tests has set."""
    before = getattr(jax.config, SETTING)
    jax.config.update(SETTING, None)
    yield
    jax.config.update(SETTING, before)


def run(factor):
    """A new function each time, so that JAX itself knows nothing of the one before."""
    return jax.jit(lambda x: jnp.sin(factor * x) + 1)(jnp.arange(3.0)).tolist()


def test_a_program_from_another_function_is_read_back(unset, monkeypatch):
    monkeypatch.setattr(compiled, "WORTHWHILE", 0.0)
    jnp.arange(3.0).block_until_ready()
    events = []
    jax.monitoring.register_event_listener(lambda event, **_: events.append(event))

    def hits():
        return events.count("/jax/compilation_cache/cache_hits")

    with compiled.once():
        folder = Path(getattr(jax.config, SETTING))
        first = run(2.0)
        assert hits() == 0 and list(folder.iterdir())
        assert run(2.0) == first and hits() == 1
        assert run(3.0) != first and hits() == 1
    assert not folder.exists() and getattr(jax.config, SETTING) is None
    run(2.0)
    assert hits() == 1


def test_a_folder_that_the_user_has_set_stays_in_use(unset, tmp_path):
    jax.config.update(SETTING, str(tmp_path))
    with compiled.once():
        assert getattr(jax.config, SETTING) == str(tmp_path)
    assert tmp_path.exists()

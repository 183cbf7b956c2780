"""Checkpoints: a run that is stopped, or killed, ends with the same numbers."""

import functools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnjac.training import checkpoint
from tests import test_training
from tests.test_training import same, sample, start

ROOT = Path(__file__).resolve().parent.parent


run = functools.partial(test_training.run, optimizer=optax.sgd(0.01, momentum=0.9))


def test_a_run_goes_on_where_it_stopped(tmp_path, dtype):
    whole = run()
    file = tmp_path / "new" / "run.npz"
    run(updates=4, checkpoint=file)
    (file.parent / f".{file.name}.part").write_bytes(b"what a killed process left")
    resumed = run(checkpoint=file)
    same(resumed, whole)
    same(run(checkpoint=file), whole)  # nothing is left to do
    assert [p.name for p in file.parent.iterdir()] == [file.name]
    with pytest.raises(ValueError, match=r"updates: expected at least 12, those of .*; got 8"):
        run(updates=8, checkpoint=file)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"key": jax.random.key(1)}, r"key \(\[0, 0\] there, \[0, 1\] here\), start"),
        ({"seeds": 2}, r"seeds \(3 there, 2 here\), start, update, measure"),
        ({"every": 2}, r"every \(4 there, 2 here\), update"),
        ({"optimizer": optax.adam(0.2)}, "update$"),
        ({"sample": lambda key: 2 * sample(key)}, "update$"),
        ({"measure": None}, "measure$"),
        ({"init": lambda key: {**start(key), "b": jnp.ones(())}}, "start$"),
    ],
    ids=["key", "seeds", "every", "optimizer", "sample", "measure", "init"],
)
def test_the_checkpoint_of_another_run_is_refused(change, named, half_way):
    wanted = rf"checkpoint: expected a file of the same run; got .*, of a run with another {named}"
    with pytest.raises(ValueError, match=wanted):
        run(checkpoint=half_way, **change)


@pytest.fixture(scope="module")
def half_way(tmp_path_factory):
    file = tmp_path_factory.mktemp("half") / "run.npz"
    run(updates=4, checkpoint=file)
    return file


def test_damaged_and_foreign_files_are_refused(half_way, tmp_path):
    data, file = half_way.read_bytes(), tmp_path / "run.npz"
    np.savez(tmp_path / "foreign.npz", a=np.zeros(3))
    for damaged in (data[: len(data) // 2], b"", (tmp_path / "foreign.npz").read_bytes()):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"checkpoint: expected a file that train wrote; got"):
            run(checkpoint=file)


def test_the_old_file_stays_until_the_new_one_is_on_the_disk(tmp_path, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    file = tmp_path / "run.npz"
    checkpoint.save(file, {"state": jnp.zeros(2)}, {})
    old = file.read_bytes()
    for module, name in ((np, "savez"), (os, "fsync"), (os, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, killed)
            with pytest.raises(KeyboardInterrupt):
                checkpoint.save(file, {"state": jnp.ones(2)}, {})
        assert file.read_bytes() == old


def test_what_cannot_be_read_is_not_called_damaged(tmp_path):
    """A damaged file may be deleted, one that could not be opened this time must not."""
    (tmp_path / "run.npz").mkdir()
    with pytest.raises(OSError, match=r"run\.npz"):
        run(checkpoint=tmp_path / "run.npz")


def test_keys_and_short_floats_come_back_as_they_were(tmp_path, dtype):
    tree = {"key": jax.random.key(3), "half": jnp.ones(2, jnp.bfloat16), "n": jnp.array(3)}
    checkpoint.save(tmp_path / "a.npz", {"state": tree}, {})
    entries, _ = checkpoint.load(tmp_path / "a.npz")
    found = checkpoint.restore("state", entries, tree)
    assert jax.tree.map(lambda a: a.dtype, found) == jax.tree.map(lambda a: a.dtype, tree)
    same(jax.random.key_data(found.pop("key")), jax.random.key_data(tree.pop("key")))
    same(found, tree)


def long_run(checkpoint):
    """Many intervals of next to no work, so that a kill may come anywhere in a round."""
    return run(updates=3000, every=5, checkpoint=checkpoint)


def test_a_killed_run_ends_with_the_same_numbers(tmp_path):
    file, chance = tmp_path / "run.npz", random.Random(0)
    code = "import sys; from tests.test_checkpoint import long_run; long_run(sys.argv[1])"
    for kill in range(3):
        before = file.stat().st_mtime_ns if kill else None
        child = subprocess.Popen([sys.executable, "-c", code, str(file)], cwd=ROOT)
        while not file.exists() or file.stat().st_mtime_ns == before:
            assert child.poll() is None, "the run ended before it was killed"
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.05))
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        with np.load(file, allow_pickle=False) as archive:  # whole, whenever it came
            assert 0 < archive["at/0"][-1] < 3000
            assert all(archive[name].size for name in archive.files)
    same(long_run(file), long_run(None))

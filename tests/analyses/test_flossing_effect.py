"""Flossing: its pieces, its resumption, and what its quick run has found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tqdm import tqdm

from analyses.common import resume
from analyses.flossing_effect import compute, networks, outcome, training
from rnnjac import tasks
from tests import tolerances

NAME = "flossing_effect"
START = networks.Start("contracting", 0.3, 0.5)
STAGE = networks.Stage(top=2, steps=8, warmup=4, batch=2, updates=100, rate=0.01, run_in=2)
EFFORT = networks.Effort(units=4, top=2, steps=40, span=10, gradients=2)
RECIPE = training.Recipe((2,), 6, 6, 2, (4,), STAGE, batch=2, tested=4)


def floss(path):
    return compute._one(START, (STAGE,), EFFORT, jax.random.key(1), path)


def train(path):
    """Three conditions of one start, two seeds each."""
    cells = {
        name: jnp.stack([jnp.stack([a] * 2)] * 3)[None]
        for name, a in networks.begin(START, 4, jax.random.key(0)).items()
    }
    bar = tqdm(disable=True)
    return training.train(cells, 2, RECIPE, EFFORT, jax.random.key(1), bar, path)


@pytest.fixture(scope="module", params=["flossing", "training"])
def kept(request, tmp_path_factory):
    """A run that is kept, the file, and the function that is called when it is done anew."""
    path = tmp_path_factory.mktemp("kept") / "run.npz"
    run, place = (
        (floss, (networks, "floss_all"))
        if request.param == "flossing"
        else (train, (training, "_keep"))
    )
    return run, path, run(path), place


def test_arrays_have_a_place_for_every_start_and_condition(quick):
    arrays, settings = quick(NAME).arrays, compute.PRESETS["quick"]
    starts, seeds, recipe = len(settings.starts), settings.seeds, settings.recipe
    units, top, looks = settings.effort.units, settings.effort.top, recipe.updates // recipe.every
    for start, stages in settings.starts:
        pieces = sum(stage.updates for stage in stages) // networks.PIECE
        assert arrays[f"track_{start.name}"].shape == (seeds, pieces + 1, top)
    assert arrays["floss_exponents"].shape == (starts, seeds, 2, units)
    assert arrays["floss_norms"].shape == (starts, seeds, 2, settings.effort.span + 1)
    runs = (len(recipe.delays), starts, 3, seeds)
    assert arrays["task_errors"].shape == (*runs, looks + 1)
    assert arrays["task_losses"].shape == (*runs, looks)
    assert arrays["task_leading"].shape == (*runs, top, 2 + len(recipe.breaks))
    assert arrays["task_updates"].tolist() == [recipe.every * i for i in range(looks + 1)]


def test_flossing_moves_the_exponents_towards_nought(quick):
    arrays, facts = quick(NAME)[:2]
    exponents = np.abs(arrays["floss_exponents"][..., : outcome.leading(facts)]).max(-1)
    assert (exponents[..., 1] < exponents[..., 0] / 2).all()
    growth = np.abs(outcome.slopes(arrays["floss_norms"]))
    assert (growth[..., 1] < growth[..., 0] / 2).all()  # of gradients on their way back


def test_the_conditions_differ_in_flossing_alone(quick):
    arrays = quick(NAME).arrays
    never, before, during = (
        {name: arrays[f"task_{name}"][:, :, kind] for name in ("errors", "leading")}
        for kind in (training.NEVER, training.BEFORE, training.DURING)
    )
    looks = int(np.searchsorted(arrays["task_updates"], arrays["task_breaks"][0]))
    early = (one["errors"][..., :looks] for one in (before, during))
    np.testing.assert_array_equal(*early)
    np.testing.assert_array_equal(before["leading"][..., 0], during["leading"][..., 0])
    assert not np.array_equal(before["leading"][..., 1], during["leading"][..., 1])
    assert not np.array_equal(never["leading"][..., 0], before["leading"][..., 0])


def test_only_the_last_condition_is_flossed_in_between():
    one = networks.begin(START, 4, jax.random.key(0))
    cells = jax.tree.map(lambda a: jnp.stack([a] * 6), one)
    args = ((1, 3, 2), STAGE, EFFORT, jax.random.key(1))
    params, _ = training._interrupted(({"cell": cells}, None), *args)
    moved = (params["cell"]["W_s"] != cells["W_s"]).any((1, 2)).reshape(3, 2)
    assert moved.any(1).tolist() == moved.all(1).tolist() == [False, False, True]


def test_error_is_the_share_of_wanted_bits_that_are_wrong():
    params = {"W_y": jnp.array([2.0]), "b_y": jnp.array(-1.0)}
    states = jnp.array([[9.0], [1.0], [0.0], [1.0], [0.0]])  # guesses 1, 0, 1, 0 after the start
    wanted = jnp.array([False, True, True, True])
    example = tasks.Stream(None, jnp.array([0, 0, 1, 1], jnp.int32), wanted)
    assert float(3 * training.error(params, states, example)) == 1
    odds = np.where(np.array([True, True, False]), 1.0, -1.0)  # of what is right, in log
    exact = np.log1p(np.exp(-odds)).mean()
    found = training.loss(params, states, example)
    wide = tolerances.OBSERVABLE * float(jnp.finfo(found.dtype).eps)
    assert float(found) == pytest.approx(exact, rel=wide)


def test_what_is_kept_gives_the_same_numbers(kept, monkeypatch):
    run, path, found, place = kept

    def never(*_, **__):
        raise AssertionError("computed again")

    monkeypatch.setattr(*place, never)
    jax.tree.map(np.testing.assert_array_equal, run(path), found)


def test_what_other_code_kept_is_not_used(kept, monkeypatch):
    run, path, _, place = kept

    class ComputedAgain(Exception):
        pass

    def stop(*_):
        raise ComputedAgain

    monkeypatch.setattr(resume, "code", lambda _: "other")
    monkeypatch.setattr(*place, stop)
    with pytest.raises(ComputedAgain):
        run(path)


def test_training_goes_on_after_an_interruption(tmp_path, monkeypatch):
    keep, path = training._keep, tmp_path / "run.npz"

    def once(*arguments):
        keep(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "_keep", once)
    with pytest.raises(KeyboardInterrupt):
        train(path)
    monkeypatch.setattr(training, "_keep", keep)
    jax.tree.map(np.testing.assert_array_equal, train(path), train(None))


def test_a_row_agrees_where_it_is_near_nought(quick):
    for row in quick(NAME).words.checks:
        assert row["expected"] == 0 and row["tolerance"] == outcome.NEAR
        assert (row["verdict"] == "agrees") == (abs(row["measured"]) <= outcome.NEAR)


def test_slopes_are_those_of_the_later_half():
    norms = np.concatenate([np.linspace(9, 3, 7), 3 - 0.5 * np.arange(1, 7)])
    np.testing.assert_allclose(
        outcome.slopes(norms), -0.5, rtol=tolerances.ORACLE_BACKWARD * np.finfo(float).eps
    )


@pytest.mark.parametrize("preset", list(compute.PRESETS))
def test_presets_fit_together(preset):
    settings = compute.PRESETS[preset]
    recipe, effort = settings.recipe, settings.effort
    assert recipe.updates % recipe.every == 0
    assert all(made % recipe.every == 0 and made < recipe.updates for made in recipe.breaks)
    for stage in [recipe.stage, *(stage for _, stages in settings.starts for stage in stages)]:
        assert stage.updates % networks.PIECE == 0
        assert stage.warmup < stage.steps
        assert stage.top <= effort.units
    assert (settings.folder is None) == (preset == "quick")

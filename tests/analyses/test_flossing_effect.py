"""The flossing analysis on the smallest networks: its numbers, its pieces, its resumption."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tqdm import tqdm

from analyses.common import resume
from analyses.flossing_effect import compute as flossing_effect
from analyses.flossing_effect import figures as flossing_figures
from analyses.flossing_effect import networks, training
from analyses.flossing_effect import verdict as flossing_verdict
from rnnjac import tasks
from tests import tolerances

STAGE = networks.Stage(top=2, steps=8, warmup=4, batch=2, updates=100, rate=0.01, run_in=2)
EFFORT = networks.Effort(units=4, top=2, steps=40, span=10, gradients=2)
RECIPE = training.Recipe((2,), 6, 6, 2, (4,), STAGE, batch=2, tested=4)
SMALL = flossing_effect.Settings(
    ((networks.Start("contracting", 0.3, 0.5), (STAGE,)),), 2, EFFORT, RECIPE
)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    settings = SMALL._replace(folder=tmp_path_factory.mktemp("kept"))
    return settings, *flossing_effect.measure(settings)


def test_shapes(result):
    _, arrays, _ = result
    assert arrays["track_contracting"].shape == (2, 2, 2)  # seed, piece, exponent
    assert arrays["floss_exponents"].shape == (1, 2, 2, 4)  # start, seed, when, exponent
    assert arrays["floss_norms"].shape == (1, 2, 2, 11)
    assert arrays["task_errors"].shape == (1, 1, 3, 2, 4)  # delay, start, condition, seed, look
    assert arrays["task_losses"].shape == (1, 1, 3, 2, 3)
    assert arrays["task_leading"].shape == (1, 1, 3, 2, 2, 3)  # ..., exponent, time
    assert arrays["task_updates"].tolist() == [0, 2, 4, 6]


def test_flossing_moves_the_exponents_towards_nought(result):
    exponents = result[1]["floss_exponents"][0, :, :, :2]
    assert (np.abs(exponents[:, 1]).max(1) < np.abs(exponents[:, 0]).max(1) / 2).all()
    growth = np.abs(flossing_verdict.slopes(result[1]["floss_norms"][0]))
    assert (growth[:, 1] < growth[:, 0] / 2).all()  # of gradients on their way back


def test_the_conditions_differ_in_flossing_alone(result):
    arrays = result[1]
    errors, leading = arrays["task_errors"][0, 0], arrays["task_leading"][0, 0]
    np.testing.assert_array_equal(errors[training.BEFORE, :, :2], errors[training.DURING, :, :2])
    np.testing.assert_array_equal(
        leading[training.BEFORE, ..., 0], leading[training.DURING, ..., 0]
    )
    assert not np.array_equal(leading[training.BEFORE, ..., 1], leading[training.DURING, ..., 1])
    assert not np.array_equal(leading[training.NEVER, ..., 0], leading[training.BEFORE, ..., 0])


def test_only_the_last_condition_is_flossed_in_between():
    one = networks.begin(SMALL.starts[0][0], 4, jax.random.key(0))
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


def test_what_is_kept_gives_the_same_numbers(result, monkeypatch):
    settings, arrays, _ = result

    def never(*_, **__):
        raise AssertionError("computed again")

    monkeypatch.setattr(networks, "floss_all", never)
    monkeypatch.setattr(training, "_keep", never)
    again, _ = flossing_effect.measure(settings)
    for name, values in arrays.items():
        np.testing.assert_array_equal(again[name], values)


@pytest.mark.parametrize("module, part", ((networks, "floss_all"), (training, "_keep")))
def test_what_other_code_kept_is_not_used(result, monkeypatch, module, part):
    class ComputedAgain(Exception):
        pass

    def stop(*_):
        raise ComputedAgain

    code, files = resume.code, {networks: 1, training: 2}[module]
    monkeypatch.setattr(
        resume, "code", lambda *names: "other" if len(names) == files else code(*names)
    )
    monkeypatch.setattr(module, part, stop)
    with pytest.raises(ComputedAgain):
        flossing_effect.measure(result[0])


def test_training_goes_on_after_an_interruption(result, tmp_path, monkeypatch):
    cells = {
        name: jnp.stack([jnp.stack([a] * 2)] * 3)[None]
        for name, a in networks.begin(SMALL.starts[0][0], 4, jax.random.key(0)).items()
    }
    keep, path = training._keep, tmp_path / "run.npz"

    def run(path):
        bar = tqdm(disable=True)
        return training.train(cells, 2, RECIPE, EFFORT, jax.random.key(1), bar, path)

    def once(*arguments):
        keep(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "_keep", once)
    with pytest.raises(KeyboardInterrupt):
        run(path)
    monkeypatch.setattr(training, "_keep", keep)
    jax.tree.map(np.testing.assert_array_equal, run(path), run(None))


def test_every_number_is_told_and_drawn(result, tmp_path):
    _, arrays, meta = result
    assert meta["claims"] == []
    assert [row["verdict"] for row in meta["checks"]] == [
        "agrees" if abs(row["measured"]) <= flossing_verdict.NEAR else "differs"
        for row in meta["checks"]
    ]
    assert "of 2 never flossed" in meta["summary"]
    flossing_effect.draw(arrays, meta, tmp_path)
    for figure in meta["figures"]:
        assert (tmp_path / figure["file"]).read_text().startswith("<?xml")
        assert "nan" not in figure["caption"]
        assert figure["alt"]
    assert len(flossing_figures.captions(arrays, meta["facts"])) == 4


def test_slopes_are_those_of_the_later_half():
    norms = np.concatenate([np.linspace(9, 3, 7), 3 - 0.5 * np.arange(1, 7)])
    np.testing.assert_allclose(
        flossing_verdict.slopes(norms), -0.5, rtol=tolerances.ORACLE_BACKWARD * np.finfo(float).eps
    )


@pytest.mark.parametrize("preset", list(flossing_effect.PRESETS))
def test_presets_fit_together(preset):
    settings = flossing_effect.PRESETS[preset]
    recipe, effort = settings.recipe, settings.effort
    assert recipe.updates % recipe.every == 0
    assert all(made % recipe.every == 0 and made < recipe.updates for made in recipe.breaks)
    for stage in [recipe.stage, *(stage for _, stages in settings.starts for stage in stages)]:
        assert stage.updates % networks.PIECE == 0
        assert stage.warmup < stage.steps
        assert stage.top <= effort.units
    assert (settings.folder is None) == (preset == "quick")

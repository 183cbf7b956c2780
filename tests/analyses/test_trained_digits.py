"""The digit readers: their data, their training, and what is measured."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analyses.common import digits
from analyses.trained_digits import compute, measure
from rnnjac import initializers
from tests import tolerances


@pytest.fixture(scope="module")
def reader():
    cell, params = digits.network(10, initializers.orthogonal(), jax.random.key(3))
    return cell.step, params


@pytest.fixture(scope="module")
def data():
    return digits.load(0)


def test_the_split_uses_every_image_once():
    labels = np.random.default_rng(0).integers(0, 10, 1000)
    train, test = digits.split(labels, 0)
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(1000))


def test_the_split_keeps_the_proportion_of_every_digit():
    labels = np.random.default_rng(0).integers(0, 10, 1000)
    _, test = digits.split(labels, 0)
    wanted = digits.TEST_FRACTION * np.bincount(labels)
    assert np.all(np.abs(np.bincount(labels[test]) - wanted) <= 0.5)


def test_the_split_depends_on_the_seed_alone():
    labels = np.random.default_rng(0).integers(0, 10, 1000)
    first, again, other = (digits.split(labels, seed)[1] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_data_are_whole(data, dtype):
    train, test = data
    assert train.labels.size + test.labels.size == 1797
    assert train.images.shape[1:] == test.images.shape[1:] == (64, 1)
    assert train.images.dtype == dtype
    assert float(train.images.min()) == 0 and float(train.images.max()) == 1


def test_only_the_first_half_is_swapped(data):
    test = data[1]
    swapped = digits.swap_first_half(test).images
    assert np.array_equal(swapped[:, 32:], test.images[:, 32:])
    assert np.array_equal(swapped[1:, :32], test.images[:-1, :32])


def test_training_lowers_the_loss_and_repeats_exactly(reader, data):
    step, params = reader
    learn = digits.trainer(step, data[0], digits.Recipe(10, 60, batch=32, rate=0.01))
    (start, end), (_, again) = (list(learn(params, [0, 60], jax.random.key(1))) for _ in range(2))
    assert start.update == 0 and end.update == end.losses.size == end.norms.size == 60
    before, after = (digits.loss(step, stop.params, data[1]) for stop in (start, end))
    assert after < 0.9 * before
    assert np.array_equal(end.params["cell"]["W_s"], again.params["cell"]["W_s"])


def test_gradient_norms_end_at_the_gradient_of_the_readout(reader, data, dtype):
    step, params = reader
    image, label = data[1].images[0], data[1].labels[0]
    last = digits.last_states(step, params, image[None])[0]
    arriving = jax.grad(lambda state: digits.loss_of_state(params, state, label))(last)
    found = measure.gradient_norms(step, params, image, label)[-1]
    limit = tolerances.DIGIT_GRADIENT * jnp.finfo(dtype).eps
    assert abs(found - jnp.log(jnp.linalg.norm(arriving))) <= limit


def test_gradient_norms_begin_at_the_gradient_through_all_steps(reader, data, dtype):
    step, params = reader
    image, label = data[1].images[0], data[1].labels[0]

    def loss_from(start):
        last, _ = jax.lax.scan(lambda s, x: (step(params["cell"], s, x), None), start, image)
        return digits.loss_of_state(params, last, label)

    slope = jax.grad(loss_from)(jnp.zeros(10, dtype))
    found = measure.gradient_norms(step, params, image, label)[0]
    limit = tolerances.DIGIT_GRADIENT * jnp.finfo(dtype).eps
    assert abs(found - jnp.log(jnp.linalg.norm(slope))) <= limit


def test_slopes_agree_with_their_states(reader, data, dtype):
    step, params = reader
    images = data[1].images[:3]
    state, values = jnp.zeros((3, 10), dtype), []
    for t in range(64):
        state = jax.vmap(lambda s, x: step(params["cell"], s, x))(state, images[:, t])
        values.append(1 - np.asarray(state) ** 2)
    found = measure.slopes(step, params["cell"], images)
    limit = tolerances.DIGIT_SLOPE * float(jnp.finfo(dtype).eps)
    assert abs(float(found["slope_square"]) - np.mean(np.square(values))) <= limit
    assert abs(float(found["slope_near_one"]) - np.mean(np.greater(values, 0.9))) <= 1 / 640
    assert float(found["slope_is_one"]) > 0  # black first pixels, zero bias


def test_the_terms_of_the_steps_make_up_the_gradient(reader, data, dtype):
    step, params = reader
    found = digits.weight_terms(step, params, data[1].images[0], data[1].labels[0])
    assert found["norms"].shape == (64,)
    assert found["mismatch"] <= tolerances.DIGIT_GRADIENT * float(jnp.finfo(dtype).eps)
    assert found["early"] > 0
    assert found["early_when_cut"] == 0


def test_arrays_have_a_place_for_every_run_stop_and_image(quick):
    arrays = quick("trained_digits").arrays
    settings = compute.PRESETS["quick"]
    runs, units = (len(compute.GAINS), settings.seeds), settings.recipe.hidden
    stops, pixels = settings.intervals + 1, 64 // settings.stride + 1
    assert arrays["spectra"].shape == (*runs, stops, settings.sequences, 2, units)
    assert arrays["gradients"].shape == (*runs, stops, settings.images, 65)
    assert arrays["losses"].shape == (*runs, settings.recipe.updates)
    assert arrays["reach"].shape == (len(compute.GAINS), 2, pixels, pixels)
    later = np.triu(np.ones((pixels, pixels), bool), 1)
    assert np.array_equal(np.isnan(arrays["reach"][0, 0]), later)


def test_the_network_trained_is_cut_from_its_first_half_exactly(quick):
    found = quick("trained_digits")
    eps = float(np.finfo(found.provenance["dtype"]).eps)
    assert found.facts["terms_early_when_cut"] == 0
    assert found.facts["terms_mismatch"] <= tolerances.DIGIT_GRADIENT * eps

"""Weights as torch stores them: under dropout and norms, within wrappers, in any precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac.interop import torch as adapter
from tests.test_interop_torch import INPUTS, same, weights


def test_weights_before_dropout_and_within_wrappers():
    plain = weights("lstm")
    want = adapter.load(plain).params
    raw = {k + ("_raw" if k == "weight_hh_l0" else ""): v for k, v in plain.items()}
    same(adapter.load(raw).params, want)
    # what the layer holds then is what the last dropout left of it
    wrapped = {f"rnns.0.module.{k}": 0 * v for k, v in plain.items() if k == "weight_hh_l0"}
    wrapped |= {f"rnns.0.module.{k}": v for k, v in plain.items() if k != "weight_hh_l0"}
    wrapped["rnns.0.weight_hh_l0_raw"] = plain["weight_hh_l0"]
    for prefix in ("rnns.0", "rnns.0.module"):
        same(adapter.load(wrapped, prefix).params, want)
    for wrapper in ("module", "_orig_mod", "module._orig_mod"):
        inside = {f"{wrapper}.rnn.{k}": v for k, v in plain.items()}
        same(adapter.load({"epoch": 3, "state_dict": inside}, "rnn").params, want)


def test_a_precision_is_asked_for(dtype):
    network = adapter.load(weights("gru", dtype=np.float16), dtype=dtype)
    assert {leaf.dtype for leaf in jax.tree.leaves(network[1:])} == {dtype}
    with pytest.raises(TypeError, match="dtype: expected a floating-point dtype; got"):
        adapter.load(weights("gru"), dtype=int)


def test_data_of_another_precision_are_rounded():
    network = adapter.load(weights("lstm", dtype=np.float32))
    states = rnnjac.trajectory(*network, np.ones((2, INPUTS), np.float64))
    assert states.h.dtype == jnp.float32


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (
            {"weight_hh_l0_orig": np.ones((12, 4)), "weight_hh_l0_u": np.ones(12)},
            {},
            "weight_hh_l0: expected a plain tensor, .*; got weight_hh_l0_orig, weight_hh_l0_u",
        ),
        ({"weight_hh_10": np.ones((12, 4))}, {}, "weight_hh_l0: .*near it: .*weight_hh_10"),
        ({}, {"prefix": "rnn"}, "prefix: expected one of ''; got 'rnn'"),
        ({}, {"direction": "up"}, "direction: expected one of 'forward', 'backward'; got 'up'"),
        ({}, {"direction": "forward"}, "direction: expected None for a layer of one direction"),
    ],
)
def test_what_is_not_found_lies_near(change, options, message):
    w = weights("gru") | change
    if change:
        del w["weight_hh_l0"]
    with pytest.raises(ValueError, match=message):
        adapter.load(w, **options)

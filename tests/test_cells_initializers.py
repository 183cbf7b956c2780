import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjac import initializers
from tests import tolerances

KEY = jax.random.key(7)
LAYOUTS = [("ifgo", 1), ("fgo", 0), ("rzn", 1)]


@pytest.mark.parametrize("kind", [None, jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(("layout", "kept"), LAYOUTS)
def test_forget_bias_fills_one_block(layout, kept, kind, dtype):
    n = 3
    b = initializers.forget_bias(2.5, layout=layout)(None, (len(layout) * n,), kind)
    assert b.dtype == (dtype if kind is None else kind)
    blocks = np.asarray(b.astype(jnp.float32)).reshape(-1, n)
    np.testing.assert_array_equal(blocks[kept], 2.5)
    assert np.count_nonzero(blocks) == n


@pytest.mark.parametrize(("layout", "kept"), LAYOUTS)
def test_chrono_spreads_time_scales_evenly(layout, kept):
    n, T_max = 4000, 50.0
    b = np.asarray(initializers.chrono(T_max, layout=layout)(KEY, (len(layout) * n,)), np.float64)
    blocks = b.reshape(-1, n)
    slack = tolerances.CELL_STEP * float(jnp.finfo(jnp.float32).eps) * T_max
    scale = np.exp(blocks[kept])  # time scale 1 / (1 - f) = 1 + e^b
    assert 1 - slack <= scale.min() and scale.max() <= T_max - 1 + slack
    deviation = (T_max - 2) / np.sqrt(12 * n)
    assert abs(scale.mean() - T_max / 2) <= tolerances.STATISTICAL_SIGMAS * deviation
    others = [j for j in range(len(layout)) if j != kept]
    if "i" in layout:
        np.testing.assert_array_equal(blocks[0], -blocks[kept])
        others.remove(0)
    assert not blocks[others].any()


def test_chrono_makes_the_input_gate_what_is_forgotten():
    b = np.asarray(initializers.chrono(20)(KEY, (40,)), np.float64)
    i, f = (1 / (1 + np.exp(-block)) for block in (b[:10], b[10:20]))
    np.testing.assert_allclose(i + f, 1, rtol=4 * np.finfo(np.float64).eps)


def test_orthogonal_blocks():
    n, gain = 5, 2.0
    W = initializers.orthogonal_blocks(gain)(KEY, (4 * n, n))
    blocks = np.asarray(W, np.float64).reshape(4, n, n)
    bound = tolerances.ORTHOGONALITY * float(jnp.finfo(W.dtype).eps)
    for block in blocks:
        assert np.abs(block.T @ block - gain**2 * np.eye(n)).max() <= bound
    assert np.abs(blocks[0] - blocks[1]).max() > 0.1
    half = initializers.orthogonal_blocks()(KEY, (4, 2), jnp.bfloat16)
    assert half.shape == (4, 2) and half.dtype == jnp.bfloat16


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="layout: expected one of 'ifgo', 'fgo', 'rzn'"):
        initializers.forget_bias(layout="gate")
    with pytest.raises(ValueError, match="layout: expected one of 'ifgo', 'fgo', 'rzn'"):
        initializers.chrono(10, layout="iofg")
    with pytest.raises(ValueError, match="T_max: expected a number >= 2; got 1.5"):
        initializers.chrono(1.5)
    with pytest.raises(TypeError, match="T_max: expected a number >= 2; got 'long'"):
        initializers.chrono("long")
    with pytest.raises(ValueError, match="shape: expected one axis of 4 equal blocks"):
        initializers.forget_bias()(KEY, (6,))
    with pytest.raises(ValueError, match="shape: expected 1 axes"):
        initializers.chrono(10)(KEY, (4, 2))
    with pytest.raises(ValueError, match=r"shape: expected \(k n, n\)"):
        initializers.orthogonal_blocks()(KEY, (5, 2))

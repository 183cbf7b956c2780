"""Imported weights against torch itself: states, one-step Jacobians, files that torch writes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.torch

import rnnjac
from rnnjac.interop import torch as adapter
from tests import tolerances
from tests.cells_numpy import close

torch = pytest.importorskip(
    "torch", reason="no CPU build of torch 2.13.0 is installed, so nothing to compare with"
)
torch.set_num_threads(1)

INPUTS, HIDDEN, STEPS = 3, 4, 6
MODULES = {
    "tanh": lambda **k: torch.nn.RNN(INPUTS, HIDDEN, nonlinearity="tanh", **k),
    "relu": lambda **k: torch.nn.RNN(INPUTS, HIDDEN, nonlinearity="relu", **k),
    "gru": lambda **k: torch.nn.GRU(INPUTS, HIDDEN, **k),
    "lstm": lambda **k: torch.nn.LSTM(INPUTS, HIDDEN, **k),
}
CASES = [(kind, layers, True) for kind in MODULES for layers in (1, 2, 3)]
CASES += [(kind, 2, False) for kind in MODULES]


def build(kind, layers, bias):
    torch.manual_seed(layers)
    kwargs = {"num_layers": layers, "bias": bias, "dtype": getattr(torch, str(jnp.zeros(()).dtype))}
    module = MODULES[kind](**kwargs).eval()
    nonlinearity = "relu" if kind == "relu" else "tanh"
    return module, adapter.load(module.state_dict(), nonlinearity=nonlinearity)


def torch_step(module, flat, x):
    """One step on the flat state in rnnjac's order: layer by layer, an LSTM's c before its h."""
    if isinstance(module, torch.nn.LSTM):
        c, h = flat.reshape(module.num_layers, 2, HIDDEN).unbind(1)
        _, (h, c) = module(x[None], (h.contiguous(), c.contiguous()))
        return torch.stack([c, h], 1).reshape(-1)
    return module(x[None], flat.reshape(module.num_layers, HIDDEN))[1].reshape(-1)


def draw(*shape):
    array = np.random.default_rng(0).uniform(-1, 1, shape).astype(jnp.zeros(()).dtype)
    return jnp.array(array), torch.from_numpy(array)


def flat_start(network):
    flat, unravel = jax.flatten_util.ravel_pytree(network.state)
    start, tensor = draw(flat.size)
    return unravel(start), tensor


@pytest.mark.parametrize(("kind", "layers", "bias"), CASES)
def test_states_and_jacobians_are_those_of_torch(kind, layers, bias):
    module, network = build(kind, layers, bias)
    inputs, xs = draw(STEPS, INPUTS)
    states = rnnjac.trajectory(*network, inputs)
    with torch.no_grad():
        outputs = module(xs)[0].numpy()
    top = rnnjac.cells.output(states).reshape(STEPS + 1, HIDDEN)
    close(top[1:], outputs, STEPS * tolerances.INTEROP_STEP)

    state, flat = flat_start(network)
    jacobian = rnnjac.jacobians(network.step, network.params, state, inputs[:1])[0]
    after = network.step(network.params, state, inputs[0])
    with torch.no_grad():
        want = torch_step(module, flat, xs[0]).numpy()
    close(jax.flatten_util.ravel_pytree(after)[0], want, tolerances.INTEROP_STEP)
    want = torch.autograd.functional.jacobian(lambda s: torch_step(module, s, xs[0]), flat)
    assert want.shape == (flat.numel(),) * 2
    close(jacobian, want.numpy(), tolerances.INTEROP_JACOBIAN)


@pytest.mark.parametrize("kind", ["RNNCell", "GRUCell", "LSTMCell"])
def test_single_cells(kind, dtype):
    cell = getattr(torch.nn, kind)(INPUTS, HIDDEN, dtype=getattr(torch, str(dtype)))
    network = adapter.load(cell.state_dict())
    x, tensor = draw(INPUTS)
    after = network.step(network.params, network.state, x)
    with torch.no_grad():
        want = cell(tensor)
    want = (want[1].numpy(), want[0].numpy()) if kind == "LSTMCell" else want.numpy()
    close(tuple(after) if kind == "LSTMCell" else after, want, tolerances.INTEROP_STEP)


def test_files_saved_as_the_docstring_says(tmp_path):
    module, network = build("lstm", 2, True)
    arrays = {k: v.cpu().numpy() for k, v in module.state_dict().items()}
    np.savez(tmp_path / "w.npz", **arrays)
    safetensors.torch.save_file(module.state_dict(), tmp_path / "w.safetensors")
    for name in ("w.npz", "w.safetensors"):
        close(adapter.load(tmp_path / name).params, network.params, tolerances.INTEROP_STEP)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["model.pt", "model.npz", "model.safetensors", "model"])
def test_files_that_torch_pickles_are_refused(tmp_path, name, zipped):
    module, _ = build("gru", 1, True)
    torch.save(module.state_dict(), tmp_path / name, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match="source: expected arrays in a .npz, .*a pickle"):
        adapter.load(tmp_path / name)


def test_a_bidirectional_layer_is_refused_until_one_direction_is_named():
    with pytest.raises(ValueError, match="got a bidirectional layer"):
        adapter.load(torch.nn.GRU(2, 3, bidirectional=True).state_dict())


def last_of_torch(module, xs):
    with torch.no_grad():
        return module(xs)[0].numpy()


def double(module):
    return module.to(getattr(torch, str(jnp.zeros(()).dtype))).eval()


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_each_direction_of_a_bidirectional_layer(kind):
    module = double(getattr(torch.nn, kind)(INPUTS, HIDDEN, bidirectional=True))
    inputs, xs = draw(STEPS, INPUTS)
    want = last_of_torch(module, xs)
    for direction, rows, outputs in (
        ("forward", inputs, want[:, :HIDDEN]),
        ("backward", inputs[::-1], want[::-1, HIDDEN:]),
    ):
        network = adapter.load(module.state_dict(), direction=direction)
        states = rnnjac.trajectory(*network, rows)
        found = states.h if kind == "LSTM" else states
        close(found[1:], outputs, STEPS * tolerances.INTEROP_STEP)


@pytest.mark.filterwarnings("ignore:LSTM with projections")  # torch tells of its own speed
@pytest.mark.parametrize("layers", [1, 2])
def test_projections(layers):
    module = double(torch.nn.LSTM(INPUTS, HIDDEN, proj_size=2, num_layers=layers))
    network = adapter.load(module.state_dict())
    inputs, xs = draw(STEPS, INPUTS)
    states = rnnjac.trajectory(*network, inputs)
    top = states if layers == 1 else states[-1]
    assert top.c.shape == (STEPS + 1, HIDDEN)
    close(top.h[1:], last_of_torch(module, xs), STEPS * tolerances.INTEROP_STEP)
    assert rnnjac.jacobians(*network, inputs[:1]).shape == (1, 6 * layers, 6 * layers)


@pytest.mark.parametrize("norm", ["parametrization", "hooks"])
@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
def test_weight_norm_is_computed(norm):
    if norm == "hooks":
        weight_norm = torch.nn.utils.weight_norm
    else:
        weight_norm = torch.nn.utils.parametrizations.weight_norm
    module = weight_norm(double(torch.nn.LSTM(INPUTS, HIDDEN)), "weight_hh_l0")
    with torch.no_grad():
        for name, tensor in module.named_parameters():
            if name.endswith(("_g", "original0")):
                tensor.mul_(1.5)
    network = adapter.load(module.state_dict())
    inputs, xs = draw(STEPS, INPUTS)
    states = rnnjac.trajectory(*network, inputs)
    close(states.h[1:], last_of_torch(module, xs), STEPS * tolerances.INTEROP_STEP)


def test_parameters_that_need_gradients_and_bfloat16(dtype):
    module = torch.nn.Sequential(torch.nn.GRU(INPUTS, HIDDEN, dtype=torch.bfloat16))
    network = adapter.load(dict(module.named_parameters()), "0")
    assert network.params["W_h"].dtype == jnp.float32
    want = module[0].weight_hh_l0.detach().float().numpy()
    assert np.array_equal(network.params["W_h"], want)


def test_training_on_in_torch_changes_nothing():
    module, network = build("gru", 1, True)
    before = np.array(network.params["W_h"])
    with torch.no_grad():
        module.weight_hh_l0.zero_()
    assert np.array_equal(network.params["W_h"], before)

"""The examples in the docstrings are right as printed."""

import doctest
import importlib
import pkgutil

import jax.numpy as jnp
import pytest

import rnnjac

NAMES = [
    module.name
    for module in pkgutil.walk_packages(rnnjac.__path__, "rnnjac.")
    if not module.name.startswith("rnnjac.interop")  # needs optional packages
]


@pytest.mark.parametrize("name", NAMES)
def test_examples(name, dtype):
    if dtype != jnp.float32:
        return  # arrays are printed with their dtype, and the examples show the default one
    assert doctest.testmod(importlib.import_module(name)).failed == 0

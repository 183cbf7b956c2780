"""An end to derivatives where they would be wrong."""

from typing import Any

import jax

from rnnjac._support import checks


def undifferentiable(name: str, values: Any) -> Any:
    """The same values; an error that says what to do instead once a derivative is taken of them."""

    @jax.custom_jvp
    def unchanged(values: Any) -> Any:
        return values

    def refuse(primals: tuple, tangents: tuple) -> Any:
        wanted = (
            "no derivative (singular values of a product have none where they meet: differentiate "
            "lyapunov_exponents, or pass jax.lax.stop_gradient of what you give it)"
        )
        raise checks.error(name, wanted, "a function that is being differentiated", TypeError)

    unchanged.defjvp(refuse)
    return unchanged(values)

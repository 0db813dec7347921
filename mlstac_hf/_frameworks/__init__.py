"""Arrays handed over to a framework, in their stored dtype and without a copy where that is possible.

Owns: the names of the frameworks and what each module of this room offers. One module a framework, each
with the same three functions, imported at first use:

    check()                    the framework is installed and can run here
    from_numpy(array, device)  the same values as its tensor, never others
    to_numpy(tensor)           the way back, in the tensor's own dtype

What a framework cannot hold is widened (paddle: uint16, uint32), refused by UnsupportedDtypeError, or, in
jax without x64, narrowed where every value fits.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import import_module
from typing import Any, Protocol, cast

from mlstac_hf._formats import Array

FRAMEWORKS = {
    "numpy": "numpy",
    "np": "numpy",
    "torch": "torch",
    "pt": "torch",
    "tensorflow": "tensorflow",
    "tf": "tensorflow",
    "jax": "jax",
    "flax": "jax",
    "paddle": "paddle",
}
"""Canonical name by every name that is accepted."""


class Framework(Protocol):
    """What each module of this room offers."""

    def check(self) -> None:
        """Import the framework.

        Raises:
            MissingExtraError: it is not installed; the message is the line that installs it.
        """

    def from_numpy(self, array: Array, device: str = "cpu") -> Any:
        """Hand `array` over; the caller no longer writes to it."""

    def to_numpy(self, tensor: Any) -> Array:
        """The values of a tensor in its own dtype, as a view where that is possible.

        Raises:
            UnsupportedDtypeError: no array holds such values.
        """


_ROOTS = {
    "torch": "torch",
    "tensorflow": "tensorflow",
    "jax": "jax",
    "jaxlib": "jax",
    "paddle": "paddle",
}
"""Framework by the package that its tensors are classes of."""


def to_numpy(value: Any) -> Array:
    """The values of a tensor of any framework, or of anything numpy understands, in their own dtype.

    The framework is told by the value's class; one that is not imported already has no tensors.

    Raises:
        UnsupportedDtypeError: no array holds such values.
        ValueError: numpy makes nothing of it, such as lists of different lengths.
        TypeError: a masked array, whose mask would be lost.
    """
    return framework(_framework_of(type(value).__mro__)).to_numpy(value)


@lru_cache(maxsize=256)
def _framework_of(classes: tuple[type, ...]) -> str:
    roots = (kind.__module__.partition(".")[0] for kind in classes)
    return next((_ROOTS[root] for root in roots if root in _ROOTS), "numpy")


@cache
def framework(name: str) -> Framework:
    """The hand-over of a framework, which is imported when it is first asked for.

    Raises:
        ValueError: no such framework; the message lists them.
        MissingExtraError: it is not installed.
    """
    if name not in FRAMEWORKS:
        raise ValueError(f"expected framework to be one of {', '.join(FRAMEWORKS)}, got {name!r}")
    module = cast(Framework, import_module(f"mlstac_hf._frameworks._{FRAMEWORKS[name]}"))
    module.check()
    return module

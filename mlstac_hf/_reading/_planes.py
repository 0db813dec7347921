"""Which planes of a raster are input, and which are the target.

Owns: planes by name or index, and the shapes they leave. Leaves to others: reading them (`_containers`).
Nothing is guessed: without a word of the caller or of the collection's own `mlhf:target_planes`, a raster is
`input`, whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlstac_hf._errors import UnknownNameError
from mlstac_hf._spec import Collection

PlaneNames = int | str | Sequence[int | str]


@dataclass(frozen=True, kw_only=True)
class Planes:
    """Indices into a raster's planes, before the target is taken; None is all that are left."""

    bands: tuple[int, ...] | None = None
    target: tuple[int, ...] = ()

    def of(self, count: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The planes of input and target in a raster of `count` planes.

        Raises:
            IndexError: it has no such plane.
        """
        for plane in (*(self.bands or ()), *self.target):
            if not -count <= plane < count:
                raise IndexError(f"it has {count} planes, so there is no plane {plane}")
        target = tuple(plane % count for plane in self.target)
        if self.bands is None:
            return tuple(plane for plane in range(count) if plane not in target), target
        return tuple(plane % count for plane in self.bands), target


def planes_of(collection: Collection, bands: PlaneNames | None, target: PlaneNames | None) -> Planes:
    """What the caller asked for, by index, with the collection's own declaration where he said nothing.

    Args:
        collection: names its bands, if it does.
        bands: names, common names or 0-based indices, in the order wanted.
        target: the same, for the planes that are the target.

    Raises:
        UnknownNameError: a name the collection does not have; the message lists those it has.
    """
    chosen = None if bands is None else _indices(collection, bands, "bands")
    if target is not None:
        return Planes(bands=chosen, target=_indices(collection, target, "target"))
    return Planes(bands=chosen, target=collection.annotations.target_planes or ())


def _indices(collection: Collection, names: PlaneNames, argument: str) -> tuple[int, ...]:
    named: dict[str, int] = {}
    for position, band in enumerate(collection.bands):
        index = position if band.index is None else band.index
        named[band.name] = index
        if band.common_name:
            named.setdefault(band.common_name, index)
    return tuple(
        _index(name, named, argument, collection.id) for name in ([names] if isinstance(names, int | str) else names)
    )


def _index(name: int | str, named: dict[str, int], argument: str, collection: str) -> int:
    if not isinstance(name, str):
        return int(name)
    if name in named:
        return named[name]
    has = f"it names {', '.join(named)}" if named else "it names none; use 0-based indices, such as [2, 1, 0]"
    raise UnknownNameError(f"{argument}: collection {collection!r} has no band {name!r}: {has}")

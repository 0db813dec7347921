"""What of a sample is handed out: which planes are input and which the target, in which order, padded or not.

Owns: planes by name or index, the window without padding, the shapes and the place on Earth they leave. Leaves to
others: reading them (`_containers`, `_file`), arithmetic (`_scale`). Nothing is guessed: without a word of the caller
or of the collection's own `mlhf:target_planes`, a raster is `input`, whole.
"""

from __future__ import annotations

import re
from collections.abc import Collection as Container
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from mlstac_hf._errors import UnknownNameError
from mlstac_hf._formats import RASTER, Array, Window
from mlstac_hf._spec import TENSOR_NAMES, Collection, Geotransform

PlaneNames = int | str | Sequence[int | str]
"""Planes by 0-based index, by name, or by common name."""

UNPADDED = "proj_shape"
"""The metadata that says how large an image was before it was padded on the left and at the bottom."""

MAX_PLANES = 1 << 16
"""Of a tensor that planes are chosen from; a header may claim any number where another axis is 0."""

_IMAGE_AXES, _PLANE_AXES = 2, 3
_SIZE = re.compile(r"[\[(]?\s*(\d{1,9})(?:\.0)?\s*(?:,\s*(\d{1,9})(?:\.0)?\s*)?[\])]?", re.ASCII)
_LONGEST = 50  # characters worth a look


class ViewError(ValueError):
    """A sample has not what is asked of it; the message says what it has."""


class Form(Protocol):
    """Dtype and shape of a stored tensor."""

    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...


class Piece(NamedTuple):
    """What is read of one stored tensor to make one column."""

    stored: str
    """Name of the tensor in the file."""
    shape: tuple[int, ...]
    """Of the column."""
    planes: tuple[int, ...] | None = None
    """0-based along `axis`, in order; None is all."""
    window: Window | None = None
    """Of the last two axes; None is all."""
    axis: int = 0
    """Of the planes, counted from the front."""
    total: int = 0
    """Planes that are stored."""

    @property
    def is_whole(self) -> bool:
        """Whether the column is the tensor."""
        return self.planes is None and self.window is None

    @property
    def origin(self) -> tuple[int, int]:
        """Row and column of the image where the column begins."""
        return (0, 0) if self.window is None else (self.window[0], self.window[2])

    def copy(self, array: Array, out: Array) -> Array:
        """The same piece of a tensor in memory, copied to `out`, which is returned."""
        if self.window is not None:
            top, bottom, left, right = self.window
            array = array[..., top:bottom, left:right]
        if self.planes is None:
            np.copyto(out, array)
        else:
            rows, stored = np.moveaxis(out, self.axis, 0), np.moveaxis(array, self.axis, 0)
            for row, plane in enumerate(self.planes):  # one copy; np.take would make two
                rows[row, ...] = stored[plane]
        return out


@dataclass(frozen=True, kw_only=True)
class View:
    """What of each sample is handed out. Planes are counted before the target is taken."""

    bands: tuple[int, ...] | None = None
    """Planes of `input`; None is all that are not the target."""
    target: tuple[int, ...] = ()
    """Planes of the image that are the target, where a sample has no target of its own."""
    axis: int | None = None
    """Where `input` has its bands, as the collection declares; the third axis from the end otherwise."""
    crop: bool = False
    """Whether padding is cut off."""

    def pieces(self, forms: Mapping[str, Form], unpadded: object, taken: Container[str] = ()) -> dict[str, Piece]:
        """What to read of a sample, by column.

        Args:
            forms: dtype and shape of its stored tensors.
            unpadded: its metadata `proj_shape`, in pixels: a number, two (rows, columns), or a text of them.
            taken: columns that are texts.

        Raises:
            ViewError: it has no such planes, or its size without padding is not known.
        """
        image = RASTER if RASTER in forms else "input"
        target = () if "target" in forms or "target" in taken else self.target
        pieces = {name: _piece(name, form.shape) for name, form in forms.items() if name != RASTER}
        if image in forms and (image == RASTER or self.bands is not None or target):
            pieces.pop(image, None)  # what is left of it is input, and nothing may be left
            pieces |= self._image(image, forms[image].shape, target)
        image = next((name for name in (RASTER, *TENSOR_NAMES) if name in forms), "")
        if not self.crop or not image:
            return pieces
        shape = forms[image].shape
        axis = self._axis(image, len(shape))
        if axis is not None and axis > len(shape) - _PLANE_AXES:
            raise ViewError(f"crop=True needs images of (…, rows, columns), found bands along axis {axis} of {shape}")
        window = self._window(shape, unpadded)
        return {
            name: _cut(piece, window) if forms[piece.stored].shape[-_IMAGE_AXES:] == shape[-_IMAGE_AXES:] else piece
            for name, piece in pieces.items()
        }

    def _axis(self, image: str, axes: int) -> int | None:
        """Where a tensor has its bands, counted from the front; None where it has none."""
        axis = -_PLANE_AXES if self.axis is None or image != "input" else self.axis
        return axis % axes if -axes <= axis < axes else None

    def _image(self, image: str, shape: tuple[int, ...], target: tuple[int, ...]) -> dict[str, Piece]:
        """The planes of `input`, and of `target` where the image holds it."""
        axis = self._axis(image, len(shape))
        if self.bands is None and not target:
            total = 0 if axis is None else shape[axis]
            return {"input": Piece(image, shape, axis=axis or 0, total=total)}
        if axis is None:
            raise ViewError(f"its {image} of shape {shape} has no axis of bands")
        count = shape[axis]
        if count > MAX_PLANES:
            raise ViewError(f"its {image} of shape {shape} has more than the {MAX_PLANES} planes to choose from")
        for plane in (*(self.bands or ()), *target):
            if not -count <= plane < count:
                asked = "target=" if plane in target else "bands="
                raise ViewError(f"it has {count} planes, so there is no plane {plane} for {asked}")
        target = tuple(plane % count for plane in target)
        rest = tuple(plane for plane in range(count) if plane not in target)
        bands = rest if self.bands is None else tuple(plane % count for plane in self.bands)
        chosen = {"input": bands, "target": target}
        return {
            name: Piece(
                image,
                (*shape[:axis], len(planes), *shape[axis + 1 :]),
                None if planes == tuple(range(count)) else planes,
                None,
                axis,
                count,
            )
            for name, planes in chosen.items()
            if planes
        }

    def _window(self, shape: tuple[int, ...], unpadded: object) -> Window:
        size = parse_size(unpadded)
        if size is None:
            raise ViewError(
                f"crop=True needs its size before padding: expected {UNPADDED}, found {_shown(unpadded)}; that is read "
                'from its metadata, in whole pixels. Leave out crop=, or such samples with on_error="skip"'
            )
        if len(shape) < _IMAGE_AXES or size[0] > shape[-2] or size[1] > shape[-1]:
            raise ViewError(f"crop=True: {UNPADDED} says {size[0]} x {size[1]} pixels, but its image is {shape}")
        return (0, size[0], shape[-1] - size[1], shape[-1])


WHOLE = View()
"""All there is, as it is."""


def parse_size(value: object) -> tuple[int, int] | None:
    """Rows and columns of an image: `61`, `61.0`, `"61"`, `(61, 61)`, `"[61, 61]"`; None for what is neither.

    Example:
        >>> parse_size("[61, 64]"), parse_size(61.0), parse_size("unknown")
        ((61, 64), (61, 61), None)
    """
    text = str(value).strip()
    found = _SIZE.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or isinstance(value, bool):
        return None
    rows = int(found[1])
    columns = rows if found[2] is None else int(found[2])
    return (rows, columns) if rows and columns else None


def moved(transform: Geotransform | None, origin: tuple[int, int]) -> Geotransform | None:
    """The geotransform of a window that begins at a row and column of the image."""
    if transform is None or origin == (0, 0):
        return transform
    x, width, row_rotation, y, column_rotation, height = transform
    row, column = origin
    return (
        x + column * width + row * row_rotation,
        width,
        row_rotation,
        y + column * column_rotation + row * height,
        column_rotation,
        height,
    )


def _piece(stored: str, shape: tuple[int, ...]) -> Piece:
    """A tensor, whole."""
    return Piece(stored, shape, axis=max(0, len(shape) - _PLANE_AXES))


def _cut(piece: Piece, window: Window) -> Piece:
    """A piece without padding."""
    top, bottom, left, right = window
    shape = (*piece.shape[:-_IMAGE_AXES], bottom - top, right - left)
    return piece if shape == piece.shape else piece._replace(window=window, shape=shape)


def _shown(value: object) -> str:
    return "none" if value is None else repr(str(value)[:50])


def view_of(
    collection: Collection, bands: PlaneNames | None = None, target: PlaneNames | None = None, *, crop: bool = False
) -> View:
    """What the caller asked for, by index, with the collection's own declaration where he said nothing.

    Args:
        collection: names its bands, if it does.
        bands: names, common names or 0-based indices, in the order wanted.
        target: the same, for the planes that are the target.
        crop: cut padding off.

    Raises:
        UnknownNameError: a name the collection does not have; the message lists those it has.
        ValueError: no band at all.
        TypeError: something that is neither a name nor an index.
    """
    declared = collection.annotations.target_planes or ()
    return View(
        bands=None if bands is None else _indices(collection, bands, "bands"),
        target=declared if target is None else _indices(collection, target, "target"),
        axis=collection.band_axis,
        crop=crop,
    )


def _indices(collection: Collection, names: PlaneNames, argument: str) -> tuple[int, ...]:
    named: dict[str, int] = {}
    for position, band in enumerate(collection.bands):
        named[band.name] = position if band.index is None else band.index
    for position, band in enumerate(collection.bands):  # a band's own name wins over another's common name
        if band.common_name:
            named.setdefault(band.common_name, position if band.index is None else band.index)
    if isinstance(names, bytes | AbstractSet | Mapping):  # numbers, or in no order
        raise _no_plane(names, argument)
    try:
        wanted = [names] if isinstance(names, int | str | np.integer) else list(names)
    except TypeError:
        raise _no_plane(names, argument) from None
    if not wanted and argument == "bands":
        raise ValueError("expected bands to name at least one band, got none")
    return tuple(_index(name, named, argument, collection.id) for name in wanted)


def _index(name: int | str, named: dict[str, int], argument: str, collection: str) -> int:
    if isinstance(name, int | np.integer) and not isinstance(name, bool):
        return int(name)
    if not isinstance(name, str):
        raise _no_plane(name, argument)
    if name in named:
        return named[name]
    has = f"it names {', '.join(named)}" if named else "it names none; use 0-based indices, such as [2, 1, 0]"
    raise UnknownNameError(f"{argument}: collection {collection!r} has no band {name!r}: {has}")


def _no_plane(value: object, argument: str) -> TypeError:
    return TypeError(f"{argument}: expected names or 0-based indices of planes, got {value!r}")

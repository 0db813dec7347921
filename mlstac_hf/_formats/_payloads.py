"""What a payload is, told by its first bytes, and the registry of those who read it.

Owns: the `Payload` protocol, the registry, and safetensors, which needs no library. Leaves to others: rasters
(`_raster`), HDF5 (`_hdf5`), where payloads lie (`_container`), which planes are the target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from mlstac_hf._formats import _hdf5, _jpeg2000, _raster
from mlstac_hf._formats._dtypes import Array, may_keep
from mlstac_hf._formats._parts import (
    MAX_DECODED,
    TensorForm,
    Window,
    check_decoded,
    requested,
)
from mlstac_hf._formats._safetensors import MAX_HEADER, PREFIX, HeaderError, header_length, parse_header, short
from mlstac_hf._spec import Geotransform

HEAD = 64
"""How many of a payload's first bytes a decoder sees when it says whether the payload is its own."""


class Payload(Protocol):
    """The tensors and texts of one datapoint, known before a pixel is decoded."""

    @property
    def kind(self) -> str:
        """Name of the format."""

    @property
    def tensors(self) -> Mapping[str, TensorForm]:
        """Dtype and shape by name: `raster` of a raster, what a file calls them otherwise."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """Texts as stored; nothing in them was evaluated."""

    @property
    def geotransform(self) -> Geotransform | None:
        """Six numbers in GDAL order; None where the payload has none, or the identity."""

    @property
    def crs(self) -> str | None:
        """`AUTHORITY:CODE`; None where the payload has none, or one without authority."""

    def read(
        self,
        name: str,
        planes: Sequence[int] | None = None,
        window: Window | None = None,
        out: Array | None = None,
    ) -> Array:
        """One tensor, or the part of it that is asked for; no more is decoded than the format allows.

        Args:
            name: one of `tensors`.
            planes: 0-based, in the order wanted, along the third axis from the end, `C` of `(C, H, W)`. Default: all.
            window: first row, row after the last, first column, column after the last. Default: all.
            out: filled and returned where its dtype and shape are those of the part, and it is contiguous;
                otherwise it is left alone.

        Returns:
            `(C, H, W)`, or as many axes as the tensor has, in its stored dtype.

        Raises:
            HeaderError: the pixels are damaged.
            KeyError: there is no such tensor.
            IndexError: there are no such planes, or no such window.
        """


class Decoder(NamedTuple):
    """Who reads one kind of payload."""

    matches: Callable[[bytes], bool]
    open: Callable[..., Payload]
    takes_views: bool = False
    """Whether it opens a memoryview as well as bytes."""


def register_decoder(name: str, matches: Callable[[bytes], bool], open: Callable[[bytes, int], Payload]) -> None:  # noqa: A002 - the verb of the field
    """Add a decoder for payloads of your own, or replace the one of that name.

    Decoders are asked in turn, those added last first, so that yours may take over what we read too. The registry
    belongs to the process. A split that is sent to another one, such as a worker of a DataLoader, takes your decoders
    along, if they can be pickled: functions of a module can, lambdas cannot.

    Args:
        name: of the format, `kind` of its payloads.
        matches: called with the payload's first bytes, 64 at most; whether the payload is of this kind.
        open: called with the whole payload and the bytes it may take decoded; raises ValueError on bad bytes.

    Raises:
        ValueError: the name is empty.
    """
    if not name:
        raise ValueError("expected a name for the decoder, found an empty text")
    _DECODERS[name] = Decoder(matches, open)


def added_decoders() -> dict[str, Decoder]:
    """Those that are not ours, by name: what another process has to be told."""
    return {name: decoder for name, decoder in _DECODERS.items() if _OURS.get(name) is not decoder}


def decoder_names() -> tuple[str, ...]:
    """What kinds of payloads are read, in the order they were registered."""
    return tuple(_DECODERS)


def payload_kind(head: bytes) -> str | None:
    """What a payload is, by its first bytes.

    Args:
        head: the first 64 bytes, or all there are.

    Returns:
        Name of the decoder, or None where nobody claims the bytes.
    """
    head = head[:HEAD]
    for name, decoder in reversed(_DECODERS.items()):
        if decoder.matches(head):
            return name
    return None


def open_payload(data: bytes | memoryview, *, limit: int = MAX_DECODED) -> Payload:
    """A payload, its header read and checked, nothing decoded.

    Args:
        data: the payload, all of it.
        limit: bytes that any of its tensors may take decoded.

    Raises:
        HeaderError: nobody reads such bytes, they are damaged, or would take more than `limit`.
        MissingExtraError: what reads them is not installed.
    """
    kind = payload_kind(bytes(data[:HEAD]))
    if kind is None:
        raise HeaderError(
            f"a payload that begins with {short(bytes(data[:16]))} is none of {', '.join(_DECODERS)}; "
            "register_decoder() adds others"
        )
    decoder = _DECODERS[kind]
    try:
        return decoder.open(data if decoder.takes_views else bytes(data), limit)
    except HeaderError:
        raise
    except ValueError as error:
        raise HeaderError(f"the {kind} payload cannot be read: {error}") from None


class Safetensors:
    """One safetensors payload; its tensors are copied out, so they outlive it, but for large ones in memory of its own.

    Args:
        data: the payload, all of it.
        limit: bytes a tensor may take.

    Raises:
        HeaderError: see `parse_header`.
    """

    kind = "safetensors"
    geotransform = None  # these are texts of the metadata, which `spec` reads
    crs = None

    def __init__(self, data: bytes | memoryview, limit: int = MAX_DECODED) -> None:
        end = PREFIX + header_length(data, len(data))
        header = parse_header(bytes(data[PREFIX:end]), len(data))
        self._data, self._slices = data, header.tensors
        self.metadata: Mapping[str, str] = header.metadata
        self.tensors: Mapping[str, TensorForm] = {
            name: TensorForm(tensor.dtype, tensor.shape) for name, tensor in header.tensors.items()
        }
        for name, tensor in header.tensors.items():
            if tensor.nbytes > limit:
                check_decoded(f"tensor {short(name)}", self.tensors[name], limit)

    def read(
        self,
        name: str,
        planes: Sequence[int] | None = None,
        window: Window | None = None,
        out: Array | None = None,
    ) -> Array:
        """See `Payload.read`."""
        stored = self._slices[name].view(memoryview(self._data)) if name in self._slices else None
        is_whole = planes is None and window is None and out is None
        if is_whole and stored is not None and may_keep(stored, len(self._data)):
            return stored
        part, target = requested(self.tensors, name, planes, window, out)
        assert stored is not None  # else it was refused
        np.copyto(target, stored[part.selection])
        return target


def _is_safetensors(head: bytes) -> bool:
    """Whether the bytes are a length that makes sense, and the beginning of an object."""
    return head[PREFIX : PREFIX + 1] == b"{" and int.from_bytes(head[:PREFIX], "little") <= MAX_HEADER


_DECODERS: dict[str, Decoder] = {
    "safetensors": Decoder(_is_safetensors, Safetensors, takes_views=True),
    "hdf5": Decoder(lambda head: head.startswith(_hdf5.HDF5_MAGIC), _hdf5.open_hdf5),
    "jpeg2000": Decoder(
        lambda head: head.startswith((_jpeg2000.BOXES, _jpeg2000.CODESTREAM)),
        _raster.open_jpeg2000,
    ),
    "geotiff": Decoder(lambda head: head.startswith(_raster.TIFF_MAGICS), _raster.open_tiff),
}
_OURS = dict(_DECODERS)

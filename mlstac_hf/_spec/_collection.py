"""The Collection: `main.json` in any dialect, as one model, and back without loss.

Owns: parsing the bytes of `main.json`, the fields, and what is written when one was changed. Leaves to
others: spellings (`_dialects`), where the bytes lie (`stores`), the samples (`reading`).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from mlstac_hf._errors import InvalidCollectionError
from mlstac_hf._spec._dialects import SPELLINGS, read_fields
from mlstac_hf._spec._document import write_field
from mlstac_hf._spec._parts import (
    MAX_DEPTH,
    Annotations,
    Band,
    Catalog,
    Dimension,
    Document,
    Extent,
    Labels,
    Link,
    Person,
    Provider,
    counted,
    one_alone,
)
from mlstac_hf._spec._sensors import complete_bands
from mlstac_hf._spec._stac import stac_document

_TOO_DEEP = f"it is nested more than {MAX_DEPTH} deep"
_SPECTRAL = ("bands", "band_axis", "sensor")


class Collection(BaseModel):
    """A set of training samples and what is known of it, whatever dialect it was written in.

    Frozen: change a field with `collection.model_copy(update={"title": "…"})`. Keys of `main.json` that
    this model does not know are kept and written back (`to_dict`).

    Example:
        >>> collection = Collection(id="ponds", license="CC-BY-4.0", task=["TensorSegmentation"], labels={"water": 0})
        >>> collection.labels["water"], collection.to_dict()["ml:task"]
        (0, ['TensorSegmentation'])
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = ""
    title: str | None = None
    description: str | None = None
    license: str | None = None
    """An SPDX identifier where the publisher kept to them."""
    keywords: Annotated[Sequence[str], BeforeValidator(one_alone), AfterValidator(tuple)] = ()
    task: Annotated[Sequence[str], BeforeValidator(one_alone), AfterValidator(tuple)] = ()
    """ML-STAC tasks such as `TensorSegmentation`, or Hugging Face ones such as `image-segmentation`."""
    labels: Labels = Field(default_factory=dict)
    """Value by class name; names alone count from 0."""
    bands: Annotated[Sequence[Band], AfterValidator(tuple)] = ()
    """Of `input`. Names alone are completed from the table of `sensor`, where it is known (see `bands_of`)."""
    band_axis: int | None = None
    """The axis of `input` that the bands lie along."""
    sensor: str | None = None
    dimensions: dict[str, Annotated[Sequence[Dimension], BeforeValidator(counted), AfterValidator(tuple)]] = Field(
        default_factory=dict
    )
    """Axes by tensor name."""
    splits: dict[str, Catalog] = Field(default_factory=dict)
    """As declared; the folder decides how many samples there really are."""
    providers: Annotated[Sequence[Provider], AfterValidator(tuple)] = ()
    authors: Annotated[Sequence[Person], AfterValidator(tuple)] = ()
    curators: Annotated[Sequence[Person], AfterValidator(tuple)] = ()
    reviewers: Annotated[Sequence[Person], AfterValidator(tuple)] = ()
    paper: str | None = None
    split_strategy: str | None = None
    raw_data_url: str | None = None
    discussion_url: str | None = None
    extent: Extent | None = None
    """Not to be trusted: upstream builds it from pixel coordinates."""
    links: Annotated[Sequence[Link], AfterValidator(tuple)] = ()
    stac_version: str | None = None
    mlstac_version: str | None = None
    """Of the format."""
    dataset_version: str | None = None
    """Of the data, as the publisher counts."""
    annotations: Annotations = Field(default_factory=Annotations)
    """The keys this package adds, each optional."""

    _document: Document = PrivateAttr(default_factory=dict)
    _problems: dict[str, str] = PrivateAttr(default_factory=dict)
    _origin: Any = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _complete_bands(cls, fields: Any) -> Any:
        bands = fields.get("bands") if isinstance(fields, dict) else None
        if isinstance(bands, str):
            bands = [bands]
        if isinstance(bands, list | tuple) and any(isinstance(band, str) for band in bands):
            sensor = fields.get("sensor")
            return {**fields, "bands": complete_bands(bands, sensor if isinstance(sensor, str) else None)}
        return fields

    @classmethod
    def from_dict(cls, document: Document) -> Self:
        """Read a parsed `main.json`, in any dialect.

        Raises:
            InvalidCollectionError: `document` is no JSON object.
        """
        if not isinstance(document, dict):
            raise InvalidCollectionError(
                f"main.json: expected a JSON object, found {type(document).__name__}. "
                "This file does not describe a collection."
            )
        fields, problems = read_fields(document)
        try:
            collection = cls(**fields)
        except ValidationError as error:  # parts that are fine each, and not together
            raise InvalidCollectionError(f"main.json: {error.errors(include_url=False)[0]['msg']}") from None
        collection._document = document
        collection._problems = problems
        return collection

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "main.json") -> Self:
        """Read the bytes of `main.json`; UTF-8, as JSON demands, with or without a byte order mark.

        Args:
            data: the whole file.
            name: what to call the file in an error.

        Raises:
            InvalidCollectionError: not UTF-8, not JSON, no object, or nested deeper than any real one.
        """
        try:
            document = json.loads(data.decode("utf-8-sig"))
            _check_depth(document)
        except UnicodeDecodeError as error:
            found = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "bytes that are not UTF-8"
            raise InvalidCollectionError(
                f"{name}: expected JSON in UTF-8, found {found} ({error.reason} at byte {error.start}). "
                "Save the file as UTF-8."
            ) from None
        except (ValueError, RecursionError) as error:
            reason = _TOO_DEEP if isinstance(error, RecursionError) else error
            raise InvalidCollectionError(
                f"{name}: expected JSON, but it cannot be read: {reason}. The file may be cut short; fetch it again."
            ) from None
        try:
            return cls.from_dict(document)
        except InvalidCollectionError as error:
            raise InvalidCollectionError(str(error).replace("main.json", name, 1)) from None

    def to_dict(self) -> Document:
        """A JSON-ready `main.json`: what was read, with the fields that were changed since.

        A collection that was read and not changed gives back exactly what was read. A changed or new
        field is written in the `ml:` spelling and replaces every other spelling of it.
        """
        document = copy.deepcopy(self._document)
        known, _ = read_fields(document)
        fields = type(self).model_fields.items()
        defaults = {name: field.get_default(call_default_factory=True) for name, field in fields}
        changed = {name for name in defaults if getattr(self, name) != known.get(name, defaults[name])}
        if changed & set(_SPECTRAL):  # one object in the file, so the three are written together
            changed |= {name for name in _SPECTRAL if getattr(self, name)}
        for name in sorted(changed):
            old = [document.pop(spelling, None) for spelling in SPELLINGS[name]]
            wrapper = next((value for value in old if isinstance(value, dict)), {})
            write_field(document, name, getattr(self, name), wrapper)
        return document

    def to_stac(self) -> Document:
        """A STAC Collection 1.1.0, for catalogs and the tools of STAC.

        Bands, with wavelengths in micrometres, stand in `summaries` and `item_assets`; the ML-STAC keys (`ml_…`) and
        those of this package (`mlhf:…`) stay beside STAC's own. Where nothing else is known the extent is the whole
        world and an open interval. `from_dict` reads it back.

        Raises:
            InvalidCollectionError: the collection has no id.

        Example:
            >>> ponds = Collection(id="ponds", license="MIT", sensor="Sentinel-2", bands=["B04", "B08"])
            >>> ponds.to_stac()["item_assets"]["data"]["bands"][1]["eo:common_name"]
            'nir'
        """
        return stac_document(self)

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal, whatever file they were read from."""
        if not isinstance(other, Collection):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in type(self).model_fields)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        splits = {name: catalog.n_items for name, catalog in self.splits.items()}
        return f"Collection(id={self.id!r}, task={list(self.task)}, splits={splits}, bands={len(self.bands)})"

    __str__ = __repr__


def _check_depth(document: object) -> None:
    """Refuse absurd nesting, which a copy or a model would follow to the end of the stack."""
    level = [document]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise ValueError(_TOO_DEEP)

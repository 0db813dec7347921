"""The pieces a Collection is made of, under one spelling each.

Owns: their names, types and units. Leaves to others: how old files spell them (`_dialects`).
Every piece keeps keys it does not know, so that what a publisher added is never lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

MAX_DEPTH = 64
"""How deep JSON of a collection may nest; real files stay under 10."""


class Part(BaseModel):
    """Base of all pieces: frozen, by keyword, keeps unknown keys."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Band(Part):
    """One spectral band, one plane along the band axis of `input`."""

    name: str
    """As the publisher calls it, such as `B04`."""
    index: int | None = None
    """0-based position along the band axis."""
    common_name: str | None = None
    """STAC common name, such as `red`."""
    description: str | None = None
    center_wavelength: float | None = None
    """In `unit`."""
    full_width_half_max: float | None = None
    """In `unit`."""
    unit: str | None = None
    """Of the wavelengths, such as `nm` or `um`."""


MICROMETRES = {"um": 1.0, "µm": 1.0, "μm": 1.0, "micrometer": 1.0, "micrometre": 1.0, "nm": 1e-3, "nanometer": 1e-3}
"""Units of a band's wavelengths, in micrometres."""


def one_alone(value: Any) -> Any:
    """One text, where a row of them is expected, is a row of one."""
    return (value,) if isinstance(value, str) else value


def _named(value: Any) -> Any:
    """A name, where a person or organisation is expected, is all there is to say of it."""
    return {"name": value} if isinstance(value, str) else value


def counted(names: Any) -> Any:
    """Names of axes, where axes are expected, are those of the first, the second and so on."""
    if not isinstance(names, list | tuple):
        return names
    return [{"axis": axis, "name": name} if isinstance(name, str) else name for axis, name in enumerate(names)]


class Dimension(Part):
    """One axis of a tensor."""

    axis: int
    name: str | None = None
    description: str | None = None


class Provider(Part):
    """A STAC provider."""

    name: str
    description: str | None = None
    roles: Annotated[Sequence[str], BeforeValidator(one_alone), AfterValidator(tuple)] = ()
    url: str | None = None

    _from_name = model_validator(mode="before")(_named)


class Person(Part):
    """An author, curator or reviewer; a reviewer may carry a score of 0 to 5."""

    name: str
    organization: str | None = None
    roles: Annotated[Sequence[str], BeforeValidator(one_alone), AfterValidator(tuple)] = ()
    score: int | None = None

    _from_name = model_validator(mode="before")(_named)


class Link(Part):
    """A STAC link."""

    href: str
    rel: str | None = None
    type: str | None = None
    title: str | None = None


def _rowed(value: Any) -> Any:
    """One box or interval, where a row of them is expected, is a row of one."""
    is_one = isinstance(value, list | tuple) and value and not any(isinstance(item, list | tuple) for item in value)
    return (value,) if is_one else value


class Extent(Part):
    """As stored. Boxes are often built from pixel coordinates: do not select by them."""

    bbox: Annotated[tuple[tuple[float, ...], ...], BeforeValidator(_rowed)] = ()
    """Said to be (west, south, east, north) in WGS84 degrees."""
    interval: Annotated[tuple[tuple[str | None, str | None], ...], BeforeValidator(_rowed)] = ()
    """ISO 8601 start and end; None is open."""


class DataFile(Part):
    """One container of the container layout."""

    href: str
    nbytes: int | None = None
    """What `data_checksum` holds: the file's size in bytes."""
    description: str | None = None


class Catalog(Part):
    """One split of a collection, as `main.json` declares it. The folder decides what is really there."""

    name: str
    """Canonical: `train`, `validation` or `test`, else the publisher's."""
    n_items: int | None = None
    """How many samples are claimed; None where the claim is missing or absurd."""
    misstated: str | None = Field(default=None, exclude=True)
    """The claim as it stands in the file, where it is no count."""
    link: str | None = None
    """Where the samples were first published; often not where they are."""
    data_files: tuple[DataFile, ...] = ()
    """Container layout only."""
    metadata_file: str | None = None
    """Container layout only: the address of `metadata.parquet`."""


class TensorSchema(Part):
    """What all samples of a collection have in common under one tensor name."""

    dtype: str
    """numpy or ml_dtypes name, such as `uint16` or `bfloat16`."""
    shape: tuple[int | None, ...]
    """None where samples differ."""


class BandStatistics(Part):
    """Of one band over the training split, in stored units."""

    mean: float
    std: float
    minimum: float | None = None
    maximum: float | None = None
    percentiles: dict[str, float] = Field(default_factory=dict)
    """Value by percentile, such as `{"2": 310.0, "98": 4100.0}`."""


def _listed(value: Any) -> Any:
    """A number alone is a list of it."""
    return (value,) if isinstance(value, int | float) and not isinstance(value, bool) else value


_Numbers = Annotated[tuple[float, ...], BeforeValidator(_listed)]
_Planes = Annotated[tuple[int, ...], BeforeValidator(_listed)]


class Shards(Part):
    """A collection whose samples are rows of Parquet or Arrow files, as `push` publishes them."""

    format: Literal["parquet", "arrow"]
    tensors: dict[str, TensorSchema]
    """Columns that hold tensors."""
    files: dict[str, tuple[DataFile, ...]]
    """By split, relative to `main.json`."""


class Annotations(Part):
    """The keys this package adds to `main.json`, each stored under `mlhf:<name>`.

    Readers that do not know the prefix pass over them; other readers of ours need no second look at
    the samples.
    """

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)

    tensors: dict[str, TensorSchema] | None = Field(default=None, alias="mlhf:schema")
    """Dtype and shape by tensor name."""
    scale: dict[str, _Numbers] | None = Field(default=None, alias="mlhf:scale")
    """Per tensor, one factor or one a band: physical = stored * scale + offset."""
    offset: dict[str, _Numbers] | None = Field(default=None, alias="mlhf:offset")
    target_planes: _Planes | None = Field(default=None, alias="mlhf:target_planes")
    """Planes of a raster that are the target, 0-based."""
    time_column: str | None = Field(default=None, alias="mlhf:time_column")
    """Column of `metadata.parquet` that holds the time of a sample, in ISO 8601."""
    statistics: dict[str, tuple[BandStatistics, ...]] | None = Field(default=None, alias="mlhf:statistics")
    """Per tensor, one entry a band."""
    class_counts: dict[str, dict[str, int]] | None = Field(default=None, alias="mlhf:class_counts")
    """Elements (segmentation) or samples (classification) by split, then label."""
    checksums: dict[str, str] | None = Field(default=None, alias="mlhf:checksums")
    """`sha256:<hex>` by path relative to `main.json`. In the sample layout `SHA256SUMS` stands for a split's files."""
    types: dict[str, str] | None = Field(default=None, alias="mlhf:types")
    """Sample layout: Arrow type (`int64`, `double`, `bool`, `string`, `null`) by metadata key, whose values lie as
    texts. A key that a sample lacks is None in it."""
    shards: Shards | None = Field(default=None, alias="mlhf:shards")
    """Where the samples are rows of tables. `metadata/{split}.parquet` has one row for each."""


ANNOTATION_PREFIX = "mlhf:"
ANNOTATION_KEYS = tuple(str(field.alias) for field in Annotations.model_fields.values())


def _numbered(labels: Any) -> Any:
    """Names alone count from 0, as those of a `ClassLabel` do."""
    if not isinstance(labels, list | tuple) or not all(isinstance(name, str) for name in labels):
        return labels
    if len(set(labels)) < len(labels):
        raise ValueError(f"expected labels of different names, got {list(labels)!r:.200}")
    return {name: number for number, name in enumerate(labels)}


def check_labels(labels: Mapping[str, int]) -> Mapping[str, int]:
    """Labels have names; two names may share a value."""
    if any(not name.strip() for name in labels):
        raise ValueError(f"every label needs a name, got {dict(labels)!r}")
    return labels


Labels = Annotated[dict[str, int], BeforeValidator(_numbered), AfterValidator(check_labels)]
Document = dict[str, Any]
"""`main.json` as parsed, untouched."""

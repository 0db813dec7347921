"""A checked sample as the bytes of its file, in the dialect of mlstac 0.0.23.

Owns: the texts of its metadata. Leaves to others: the file format (`_formats`), rasters (`_raster_payload`), where it
goes. What is unknown is left out, never invented, so readers of ours and of upstream's do not take it for known.
"""

from __future__ import annotations

from mlstac_hf._formats import HeaderError
from mlstac_hf._formats._saving import safetensors_parts
from mlstac_hf._spec import TENSOR_NAMES, format_datetime, text_columns
from mlstac_hf._write._sample import Checked, stored_text

_TEXTS = ("input", "target")


def metadata_of(sample: Checked, name: str, task: tuple[str, ...]) -> dict[str, str]:
    """The texts of a sample's header, which read back as what was given.

    Args:
        sample: to write.
        name: its id where it has none of its own.
        task: the collection's tasks, which say where text stands for a tensor.

    Raises:
        ValueError: a text that no reader would take for one.
    """
    raw = {"id": name if sample.id is None else sample.id, **_geography(sample)}
    for column in _TEXTS:
        if column in sample.texts:
            raw[column] = sample.texts[column]
        elif column in sample.tensors:
            raw[column] = ""
    if sample.texts:
        raw["isText"] = "1"
    raw |= {key: stored_text(value) for key, value in sample.keys.items() if value is not None}
    _check_texts(sample, raw, task)
    return raw


def _geography(sample: Checked) -> dict[str, str]:
    """What is known of place and time; `isSTAC` says whether all or nothing is."""
    raw = {}
    if sample.crs is not None:
        raw["crs"] = sample.crs
    if sample.geotransform is not None:
        raw["geotransform"] = f"[{' ,'.join(map(repr, sample.geotransform))}]"
    for key, time in (("start_datetime", sample.start), ("end_datetime", sample.end)):
        if time is not None:
            raw[key] = (format_datetime(time) or "").removesuffix("Z")
    known = (sample.crs, sample.geotransform, sample.start)
    if None not in known:
        raw["isSTAC"] = "1"
    elif not any(known):
        raw["isSTAC"] = "0"
    return raw


def _check_texts(sample: Checked, raw: dict[str, str], task: tuple[str, ...]) -> None:
    sizes = {column: array.size for column, array in sample.tensors.items()}
    shown = text_columns(raw, sizes, task)
    for column in TENSOR_NAMES:
        if column in sample.texts and column not in shown:
            raise ValueError(
                f"{sample.place}: {column}: an empty text is only read as one where the task says that {column} is "
                "text, such as TensorToText. Leave it out, or name the task"
            )
        if column in sample.tensors and column in shown:
            raise ValueError(
                f"{sample.place}: {column}: expected a text, as the task {', '.join(task)} says, found an array "
                f"of shape {sample.tensors[column].shape}, which readers take for a missing text"
            )


def encode(sample: Checked, name: str, task: tuple[str, ...]) -> list[bytes | memoryview]:
    """The safetensors file of a sample, in parts, which may be the caller's arrays.

    Raises:
        ValueError: its metadata cannot be stored.
    """
    try:
        return safetensors_parts(sample.tensors, metadata_of(sample, name, task))
    except HeaderError as error:
        raise ValueError(f"{sample.place}: {error}") from None

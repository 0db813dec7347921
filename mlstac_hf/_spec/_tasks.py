"""The tasks a collection can be for: what each takes, what each gives, and whether a sample fits.

Owns: names of tasks, those of ML-STAC and those of the Hugging Face Hub that are of use to Earth observation, and
the kinds of input and target. Leaves to others: which file a tensor lies in (`formats`), how texts are stored
(`_metadata`), a collection's other fields (`_publishable`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

Shape: TypeAlias = Sequence[int | None]


class Form(Protocol):
    """Dtype and shape of a tensor, such as a `TensorForm` or a `TensorSchema`; a length of None fits any."""

    @property
    def dtype(self) -> Any:
        """A numpy dtype, or its name."""

    @property
    def shape(self) -> Any:
        """The lengths of its axes."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task: the kinds of its input and target, each a key of `KINDS`."""

    name: str
    input: str
    target: tuple[str, ...]
    """Any of these will do."""
    hub: str | None
    """What the Hub calls it, or the nearest it has; None where it has none."""

    @property
    def text(self) -> str | None:
        """The tensor whose place a text takes: `input`, `target` or None."""
        return "input" if self.input == "text" else "target" if self.target == ("text",) else None

    @property
    def has_classes(self) -> bool:
        """Whether the numbers in its target are classes, which `labels` of a collection name."""
        return self.target[0] in ("class", "mask")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a tensor must look like to be meant as one thing."""

    expected: str
    advice: str
    fits: Callable[[Form, Form | None], bool]
    """Whether a tensor is one, given the input (None where that is a text)."""


def find_task(name: str) -> Task | None:
    """The task of this name; None where it is unknown here."""
    return TASKS.get(name)


def flags_of(tasks: Sequence[str], labels: Mapping[str, int]) -> tuple[int, ...]:
    """The class of each place of a target `(classes,)` that says which apply: labels in order of their numbers.

    Empty where no task has such targets, or there are fewer than two classes.

    Example:
        >>> flags_of(["TensorClassification"], {"forest": 1, "water": 5, "urban": 3})
        (1, 3, 5)
    """
    known = [task for task in map(find_task, tasks) if task is not None]
    numbers = sorted(set(labels.values()))
    return tuple(numbers) if len(numbers) > 1 and any("class" in task.target for task in known) else ()


def near_tasks(name: str) -> list[str]:
    """Names of tasks that a misspelt one may have meant, the likeliest first."""
    spelled = {_plain(known): known for known in TASKS}
    return [spelled[near] for near in difflib.get_close_matches(_plain(name), spelled, n=3, cutoff=0.75)]


def check_sample_shapes(task: str, forms: Mapping[str, Form], texts: Container[str] = ()) -> str | None:
    """Why a sample does not fit a task.

    Args:
        task: of the collection; one that is unknown here fits every sample.
        forms: dtype and shape by tensor name; images are `(C, H, W)` or `(H, W)`, time series `(T, C, H, W)`.
        texts: names of the columns that hold a text in this sample.

    Returns:
        What was expected, what was found and what to do; None where the sample fits.

    Example:
        >>> from mlstac_hf._spec import TensorSchema
        >>> image = TensorSchema(dtype="uint16", shape=(4, 64, 64))
        >>> check_sample_shapes("TensorSegmentation", {"input": image, "target": image})[:79]
        "task 'TensorSegmentation' expects target to be a mask, integers of shape (H, W)"
    """
    known = TASKS.get(task)
    if known is None:
        return None
    image = None if known.input == "text" or "input" in texts else forms.get("input")
    for name, kinds in (("input", (known.input,)), ("target", known.target)):
        if any(_is(kind, name, forms, texts, image) for kind in kinds):
            continue
        expected = " or ".join(KINDS[kind].expected for kind in kinds)
        beside = f" beside an input of {_form(image)}" if name == "target" and image is not None else ""
        found = "a text" if name in texts else _form(forms[name]) if name in forms else f"no {name}"
        return f"task {task!r} expects {name} to be {expected}; found {found}{beside}. {KINDS[kinds[0]].advice}"
    return None


def _is(kind: str, name: str, forms: Mapping[str, Form], texts: Container[str], image: Form | None) -> bool:
    if kind == "anything":
        return True
    if kind == "text":
        return name in texts
    return name in forms and name not in texts and KINDS[kind].fits(forms[name], image)


def _form(form: Form) -> str:
    lengths = ", ".join("?" if length is None else str(length) for length in form.shape)
    return f"{form.dtype} ({lengths}{',' if len(form.shape) == 1 else ''})"


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def _whole(form: Form) -> bool:
    return str(form.dtype).startswith(("int", "uint", "bool"))


def _real(form: Form) -> bool:
    return not str(form.dtype).startswith("complex")


def _filled(form: Form) -> bool:
    return 0 not in form.shape


def _axes(form: Form, least: int, most: int) -> bool:
    return least <= len(form.shape) <= most and _filled(form)


def _plane_of(form: Form, image: Form | None) -> bool:
    """One plane, of the input's height and width where there is an input."""
    if len(form.shape) not in (2, 3) or not _filled(form):
        return False
    if len(form.shape) == 3 and form.shape[0] not in (1, None):  # noqa: PLR2004 - planes before height and width
        return False
    if image is None:
        return True
    return len(image.shape) > 1 and all(
        None in pair or pair[0] == pair[1] for pair in zip(form.shape[-2:], image.shape[-2:], strict=True)
    )


_BOX = range(4, 10)
"""Numbers of a box: two corners, or a centre and a size; then angle, class and score; or four corners and a class."""

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "anything": Kind(expected="anything", advice="", fits=lambda _form, _image: True),
        "text": Kind(expected="a text", advice="Give it as a str.", fits=lambda _form, _image: False),
        "tensor": Kind(
            expected="a tensor that is not empty",
            advice="Give it as an array, or choose a task whose samples have none.",
            fits=lambda form, _image: _filled(form),
        ),
        "image": Kind(
            expected="an image of shape (H, W) or (C, H, W), or a time series of them (T, C, H, W)",
            advice="Put the bands before height and width.",
            fits=lambda form, _image: _axes(form, 2, 4),
        ),
        "video": Kind(
            expected="a video or time series of shape (T, C, H, W) or (T, H, W)",
            advice="Stack its images along the first axis.",
            fits=lambda form, _image: _axes(form, 3, 4),
        ),
        "series": Kind(
            expected="a time series, real numbers of shape (T,), (T, F) or (T, C, H, W)",
            advice="Put time along the first axis.",
            fits=lambda form, _image: _axes(form, 1, 4) and _real(form),
        ),
        "class": Kind(
            expected="a class, one integer of shape (), or integers of shape (classes,) that say which apply",
            advice="Store class numbers as integers; for measured numbers use a regression task, for a class a pixel a "
            "segmentation.",
            fits=lambda form, _image: _axes(form, 0, 1) and _whole(form),
        ),
        "number": Kind(
            expected="real numbers of shape () or (N,)",
            advice="For a raster of values use TensorToTensor.",
            fits=lambda form, _image: _axes(form, 0, 1) and _real(form) and str(form.dtype) != "bool",
        ),
        "mask": Kind(
            expected="a mask, integers of shape (H, W) or (1, H, W) with H and W of the input",
            advice="Store one class number a pixel; for values that are no classes, use TensorToTensor.",
            fits=lambda form, image: _whole(form) and _plane_of(form, image),
        ),
        "masks": Kind(
            expected="masks, integers of shape (H, W) or (N, H, W)",
            advice="Store one plane an object, 0 outside it.",
            fits=lambda form, _image: _whole(form) and len(form.shape) in (2, 3),
        ),
        "map": Kind(
            expected="a map, real numbers of shape (H, W) or (1, H, W) with H and W of the input",
            advice="Store one number a pixel.",
            fits=lambda form, image: _real(form) and _plane_of(form, image),
        ),
        "boxes": Kind(
            expected=f"boxes, real numbers of shape (N, {_BOX[0]} to {_BOX[-1]}), N objects of which there may be none",
            advice="Give a box a row: its corners, then angle, class and score where there are any; (0, 5) where "
            "there is nothing to find.",
            fits=lambda form, _image: _real(form) and len(form.shape) == 2 and form.shape[1] in (None, *_BOX),  # noqa: PLR2004 - a row a box
        ),
    }
)

_HUB = "the Hub's own"
_ROWS: tuple[tuple[str, str, str, str | None], ...] = (
    # ML-STAC's own
    ("TensorClassification", "tensor", "class", "image-classification"),
    ("TensorRegression", "tensor", "number", None),
    ("TensorSegmentation", "tensor", "mask", "image-segmentation"),
    ("ObjectDetection", "image", "boxes", "object-detection"),
    ("TensorObjectDetection", "tensor", "boxes", "object-detection"),
    ("TensorToTensor", "tensor", "tensor", "image-to-image"),
    ("TensorToText", "tensor", "text", "image-to-text"),
    ("TextToTensor", "text", "tensor", "text-to-image"),
    # of the Hugging Face Hub
    ("depth-estimation", "image", "map", _HUB),
    ("image-classification", "image", "class", _HUB),
    ("image-feature-extraction", "image", "anything", _HUB),
    ("image-segmentation", "image", "mask", _HUB),
    ("image-text-to-text", "image", "text", _HUB),
    ("image-to-image", "image", "image", _HUB),
    ("image-to-text", "image", "text", _HUB),
    ("image-to-video", "image", "video", _HUB),
    ("mask-generation", "image", "masks", _HUB),
    ("object-detection", "image", "boxes", _HUB),
    ("text-to-image", "text", "image", _HUB),
    ("text-to-video", "text", "video", _HUB),
    ("time-series-forecasting", "series", "series", _HUB),
    ("unconditional-image-generation", "image", "anything", _HUB),
    ("video-classification", "video", "class", _HUB),
    ("video-text-to-text", "video", "text", _HUB),
    ("visual-question-answering", "image", "text", _HUB),
    ("zero-shot-image-classification", "image", "class text", _HUB),
    ("zero-shot-object-detection", "image", "boxes", _HUB),
    # seen in collections, and no category of the Hub
    ("image-captioning", "image", "text", "image-to-text"),
    ("video-to-text", "video", "text", "video-text-to-text"),
)

TASKS: Mapping[str, Task] = MappingProxyType(
    {
        name: Task(name=name, input=image, target=tuple(target.split()), hub=name if hub == _HUB else hub)
        for name, image, target, hub in _ROWS
    }
)
"""Every known task by name."""

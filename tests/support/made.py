"""One small collection per trait that real ones have: `TRAITS[name](folder)` writes it and says what is in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from serving import serve_folder
from writing import (
    Made,
    MadeSample,
    Pack,
    main_json,
    numbered,
    pack_members,
    pack_padded,
    pack_single,
    sample,
    write_main,
    write_samples,
)

COUNTS = {"train": 5, "validation": 3, "test": 2}
LAND = {"water": 0, "field": 1, "forest": 2}


def values(seed: int, shape: tuple[int, ...], dtype: Any, high: int = 10_000) -> np.ndarray:
    """Numbers that differ per sample, exact in `dtype`."""
    return np.random.default_rng(seed).integers(0, high, shape).astype(dtype)


def write(
    folder: Path,
    build: Callable[[int], MadeSample],
    *,
    counts: dict[str, int] | None = None,
    pack: Pack | None = None,
    **main: Any,
) -> Made:
    """A collection whose samples lie beside `main.json`; the samples of a split differ from those of another."""
    counts = counts or COUNTS
    splits = {split: numbered(count, build) for split, count in counts.items()}
    for split, samples in splits.items():
        write_samples(folder / split, samples, pack)
    document = main_json(counts, **main)
    write_main(folder, document)
    return Made(folder, splits, document, dict(main.get("labels") or {}))


def image_and_mask(index: int, **more: Any) -> MadeSample:
    image, mask = values(index, (4, 8, 8), np.uint16), values(index + 99, (1, 8, 8), np.uint8, 3)
    return sample(index, {"input": image, "target": mask}, **more)


def plain(folder: Path, pack: Pack | None = None) -> Made:
    """Image, mask and elevation, in plain files or in gzip; a user key on every second sample."""

    def build(index: int) -> MadeSample:
        made = image_and_mask(index, user={"scene": f"S2_{index}"} if index % 2 else None, ends=index % 2 == 1)
        made.stored["extra"] = made.shown["extra"] = values(index + 7, (1, 8, 8), np.float32)
        return made

    return write(folder, build, pack=pack, labels=LAND)


def time_series(folder: Path) -> Made:
    """4-D input (T, C, H, W)."""
    return write(
        folder,
        lambda i: sample(
            i, {"input": values(i, (6, 3, 8, 8), np.uint16), "target": values(i + 50, (8, 8), np.uint8, 3)}
        ),
        labels=LAND,
    )


def _scene_labels(folder: Path, numbers: tuple[int, ...], labels: dict[str, int] | None) -> Made:
    def build(index: int) -> MadeSample:
        target = np.array(numbers[index % len(numbers)], np.int64)
        return sample(index, {"input": values(index, (13, 5), np.float64) / 7, "target": target})

    return write(folder, build, task="TensorClassification", labels=labels)


def class_labels(folder: Path) -> Made:
    """float64 input with 0-D integer labels, exactly 0 to n-1."""
    return _scene_labels(folder, (2, 0, 1), LAND)


def sparse_labels(folder: Path) -> Made:
    """The same with labels that are not 0 to n-1."""
    return _scene_labels(folder, (10, 95, 40), {"tree": 10, "mangrove": 95, "crop": 40})


def unlabelled_classes(folder: Path) -> Made:
    """0-D integer targets in a collection that names no labels."""
    return _scene_labels(folder, (3, 0, 7), None)


def mask_labels(folder: Path) -> Made:
    """A mask whose labels are not 0 to n-1."""
    labels = {"clear": 0, "cloud": 1, "unlabelled": 99}

    def build(index: int) -> MadeSample:
        mask = np.random.default_rng(index).choice(np.array([0, 1, 99], np.uint8), (1, 8, 8))
        return sample(index, {"input": values(index, (4, 8, 8), np.uint16), "target": mask})

    return write(folder, build, labels=labels)


def half_vector(folder: Path) -> Made:
    """1-D float16 target."""
    return write(
        folder,
        lambda i: sample(i, {"input": values(i, (3, 8, 8), np.uint8, 256), "target": values(i, (9,), np.float16, 100)}),
        task="TensorRegression",
    )


def ragged_boxes(folder: Path) -> Made:
    """0 to 18 boxes a sample beside images of three sizes."""
    sizes, boxes = ((8, 8), (8, 12), (16, 10)), (3, 0, 18, 1, 7)

    def build(index: int) -> MadeSample:
        image = values(index, (3, *sizes[index % 3]), np.uint16)
        return sample(index, {"input": image, "target": values(index, (boxes[index % 5], 4), np.float32, 500) / 4})

    return write(folder, build, task="TensorObjectDetection")


def _dtypes(folder: Path, names: tuple[str, str, str]) -> Made:
    """Every value a dtype has room for, or a spread of them, in input, target and extra."""

    def build(index: int) -> MadeSample:
        rng, tensors = np.random.default_rng(index), {}
        for tensor, name in zip(("input", "target", "extra"), names, strict=True):
            shape = (3, 4, 5) if tensor == "input" else (4, 5)
            floats = rng.standard_normal(shape) * 8
            if name == "complex64":
                floats = floats + 1j * rng.standard_normal(shape)
            dtype = np.dtype(getattr(ml_dtypes, name, name))
            tensors[tensor] = (floats > 0) if name == "bool" else floats.astype(dtype)
        return sample(index, tensors)

    return write(folder, build, task="TensorToTensor")


def texts(folder: Path, name: str, dialect: str, *, dummy: bool = True) -> Made:
    """Text in the place of `name`, beside a dummy empty tensor unless there is none."""
    task = {"input": "TextToTensor", "target": "TensorToText"}[name]
    other = {"input": "target", "target": "input"}[name]

    def build(index: int) -> MadeSample:
        tensors = {other: values(index, (3, 8, 8), np.uint8, 256)}
        if dummy:
            tensors[name] = np.zeros((0,), np.float32)
        text = f"Feld №{index}: two ponds,\n“été” 水 and {{braces}}"
        return sample(index, tensors, dialect=dialect, texts={name: text}, located=index % 2 == 0)

    return write(folder, build, task=task if dialect == "0.0.12" else [task])


def unlocated(folder: Path) -> Made:
    """0.0.23: invented places and times on every second sample."""
    return write(
        folder,
        lambda i: image_and_mask(i, dialect="0.0.23", located=i % 2 == 1, ends=i % 4 == 1),
        task=["TensorSegmentation"],
        labels=LAND,
    )


def many(folder: Path) -> Made:
    """130 samples: names past one and past two times 61."""
    return write(
        folder,
        lambda i: sample(i, {"input": values(i, (2, 3, 3), np.int16), "target": np.array(i, np.int32)}),
        counts={"train": 130, "validation": 2, "test": 1},
    )


def missing_split(folder: Path) -> Made:
    """No word of validation, and null for test."""
    made = write(folder, image_and_mask, counts={"train": 5}, labels=LAND)
    made.document["ml:test"] = None
    write_main(folder, made.document)
    return made


def wrong_count(folder: Path) -> Made:
    """n_items that differs from the folder, above and below."""
    made = write(folder, image_and_mask, labels=LAND)
    for split in COUNTS:
        made.document[f"ml:{split}"]["n_items"] += 4 if split == "train" else -1
    write_main(folder, made.document)
    made.warns = r"main\.json claims \d+ samples, the folder holds \d+"
    return made


def underscore_keys(folder: Path) -> Made:
    """Every ml: key spelled ml_."""
    return write(folder, image_and_mask, labels=LAND, prefix="ml_")


def later_keys(folder: Path) -> Made:
    """Splits under `catalog`, `ml_target`, `n_samples`, `url`, `val`."""
    made = write(folder, image_and_mask, labels=LAND)
    entries = {split: made.document.pop(f"ml:{split}") for split in COUNTS}
    made.document.pop("ml:labels")
    made.document |= {
        "catalog": {
            ("val" if split == "validation" else split): {"name": split, "n_samples": e["n_items"], "url": e["link"]}
            for split, e in entries.items()
        },
        "ml_target": {"labels": LAND, "layers": [0]},
        "ml_task": made.document.pop("ml:task"),
    }
    write_main(folder, made.document)
    return made


def strange_path(folder: Path) -> Made:
    """Spaces, a percent sign, a hash and non-Latin letters on the way to the files."""
    return write(folder / "Äcker & 衛星 100% #1" / "набор 7", image_and_mask, labels=LAND)


def _linked(folder: Path, samples: Path, links: dict[str, str], **facts: Any) -> Made:
    made = write(samples, image_and_mask, labels=LAND)
    (samples / "main.json").unlink()
    document = main_json(COUNTS, labels=LAND, links=links)
    write_main(folder, document)
    return Made(folder, made.splits, document, made.labels, **facts)


def relative_link(folder: Path) -> Made:
    """Samples in another folder of the collection, by a relative link."""
    return _linked(folder, folder / "chips v1", {split: f"chips v1/{split}/" for split in COUNTS})


def relative_link_outside(folder: Path) -> Made:
    """A relative link that leaves the folder of `main.json`."""
    links = {split: f"../else where/{split}" for split in COUNTS}
    return _linked(folder / "inner", folder / "else where", links, refused=True)


def file_link(folder: Path) -> Made:
    """A `file:` link that stays inside, with a percent-encoded blank."""
    return _linked(folder, folder / "chips v1", {s: (folder / "chips v1" / s).as_uri() for s in COUNTS})


def file_link_outside(folder: Path) -> Made:
    """A `file:` link to another folder of the disk."""
    links = {split: (folder / "else where" / split).as_uri() for split in COUNTS}
    return _linked(folder / "inner", folder / "else where", links, refused=True)


def http_link(folder: Path) -> Made:
    """An `http:` link to a loopback address; `Made.close` stops the server."""
    served = folder / "served"
    server = serve_folder(served)
    made = _linked(folder / "inner", served, {s: f"{server.url}/{s}/" for s in COUNTS}, refused=True)
    made.stack.callback(server.stop)
    return made


def user_keys(folder: Path, dialect: str) -> Made:
    """User keys called `id`, which shadows the name, `target`, and others beside a real target."""

    def build(index: int) -> MadeSample:
        user = {"id": f"scene {index}", "target": "wheat", "Ünïcode": "ü", "a": str(index)}
        return image_and_mask(index, dialect=dialect, user=user)

    return write(
        folder, build, labels=LAND, task="TensorSegmentation" if dialect == "0.0.12" else ["TensorSegmentation"]
    )


TRAITS: dict[str, Callable[[Path], Made]] = {
    "plain": plain,
    "gzip": partial(plain, pack=pack_single),
    "gzip_members": partial(plain, pack=pack_members),
    "gzip_padded": partial(plain, pack=pack_padded),
    "time_series": time_series,
    "class_labels": class_labels,
    "sparse_labels": sparse_labels,
    "unlabelled_classes": unlabelled_classes,
    "mask_labels": mask_labels,
    "half_vector": half_vector,
    "ragged_boxes": ragged_boxes,
    "bool_bfloat16_float16": partial(_dtypes, names=("bool", "bfloat16", "float16")),
    "float8_complex64": partial(_dtypes, names=("float8_e4m3fn", "complex64", "float8_e5m2")),
    "text_to_tensor_0.0.12": partial(texts, name="input", dialect="0.0.12"),
    "text_to_tensor_0.0.23": partial(texts, name="input", dialect="0.0.23"),
    "tensor_to_text_0.0.12": partial(texts, name="target", dialect="0.0.12"),
    "tensor_to_text_0.0.23": partial(texts, name="target", dialect="0.0.23"),
    "text_without_dummy": partial(texts, name="target", dialect="0.0.12", dummy=False),
    "unlocated": unlocated,
    "many": many,
    "missing_split": missing_split,
    "wrong_count": wrong_count,
    "underscore_keys": underscore_keys,
    "later_keys": later_keys,
    "strange_path": strange_path,
    "relative_link": relative_link,
    "relative_link_outside": relative_link_outside,
    "file_link": file_link,
    "file_link_outside": file_link_outside,
    "http_link": http_link,
    "user_keys_0.0.12": partial(user_keys, dialect="0.0.12"),
    "user_keys_0.0.23": partial(user_keys, dialect="0.0.23"),
}

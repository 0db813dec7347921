"""What the mlstac packages write with their own writers, we read: every tensor to the byte, and what is said of it."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from containers import encode
from serving import serve_folder
from upstream import CONTAINERS, SAMPLES, run_upstream

import mlstac_hf

# a process of upstream's writes all collections at once, so one worker reads them
pytestmark = pytest.mark.xdist_group("upstream writes")

COUNTS = {"train": 12, "validation": 2, "test": 1}
NUMPY = (
    "bool",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float16",
    "float32",
    "float64",
)
TORCH = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
SHAPES = ((3, 4, 5), (), (7,), (0, 4), (2, 3, 4, 5))
LABELS = {"land": 0, "water": 1}


def values(seed, shape, name="uint16"):
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    return np.random.default_rng(seed).integers(0, 2 if name == "bool" else 100, shape).astype(dtype)


def segmentation(index, _version):
    """Places, times with and without an end, keys of the publisher's."""
    ends = {"end_datetime": f"2020-01-{index + 1:02d}T12:00:00"} if index % 2 else {}
    return {
        "tensors": {
            "input": values(index, (3, 8, 8)),
            "target": values(index, (1, 8, 8), "uint8"),
            "extra": values(index, (1, 8, 8), "float32"),
        },
        "crs": "EPSG:32633",
        "geotransform": [465181.05 + index, 10, 0.25, 5080254.6, 0, -10.0],
        "start_datetime": f"2020-01-{index + 1:02d}T10:30:00",
        **ends,
        "extra": {"scene": f"S2_{index}", "größe": "0.5 ha"},
    }


def dtypes(index, version):
    """Every dtype the version can take, and every number of axes."""
    names = NUMPY + (TORCH if version == "0.0.23" else ())
    name, shape = names[index % len(names)], SHAPES[index % len(SHAPES)]
    return segmentation(index, version) | {
        "tensors": {"input": values(index, shape, name), "target": values(index, (2, 2), name)}
    }


def captions(index, version):
    """A text in the place of the target, beside a dummy."""
    dummy = {"target": np.zeros(0, np.float32)} if index % 2 else {}
    # without an input 0.0.23 fails to save a text of the target
    also = {"input": ""} if version == "0.0.23" else {}
    return segmentation(index, version) | {
        "tensors": {"input": values(index, (3, 8, 8)), **dummy},
        "texts": {"target": f"Feld №{index}:\n“été” {{x}}", **also},
    }


def questions(index, version):
    """A text in the place of the input, beside the dummy that the package insists on."""
    return segmentation(index, version) | {
        "tensors": {"input": np.zeros(0, np.float32), "target": values(index, (3, 8, 8))},
        "texts": {"input": f"Wo ist {index}?"},
    }


def unlocated(index, version):
    """Nothing is known of place or time, for which 0.0.23 invents them; 0.0.12 takes no such samples."""
    known = segmentation(index, version)
    return {"tensors": known["tensors"], "extra": known["extra"]} if version == "0.0.23" else known


CASES = {
    "TensorSegmentation": segmentation,
    "TensorRegression": dtypes,
    "TensorToText": captions,
    "TextToTensor": questions,
    "TensorClassification": unlocated,
}


def asked(version, task, arrays, *, compress):
    """What its script is asked to write, and the samples of each split; their arrays are put beside the others."""
    given = {split: [CASES[task](index, version) for index in range(count)] for split, count in COUNTS.items()}
    samples = []
    for split, listed in given.items():
        for number, sample in enumerate(listed):
            named = {}
            for name, array in sample["tensors"].items():
                key = f"{task} {split} {number} {name}"
                exotic = array.dtype.name if array.dtype.name in TORCH else None
                arrays[key] = array if exotic is None else array.view({1: np.uint8, 2: np.int16}[array.dtype.itemsize])
                named[name] = [key, exotic]
            samples.append({"texts": {}, **sample, "split": split, "number": number, "tensors": named})
    wanted = {
        "id": f"made by {version}",
        "task": task,
        "labels": LABELS,
        "bands": ["red", "green", "nir"],
        "splits": {split: [count, f"https://example.invalid/{split}/"] for split, count in COUNTS.items()},
        "samples": samples,
        "compress": compress,
    }
    return wanted, given


@pytest.fixture(scope="module", params=SAMPLES)
def written(request, tmp_path_factory):
    """A version, and by task and suffix a collection of its own and the samples that were given, by split."""
    version, home = request.param, tmp_path_factory.mktemp(f"upstream-{request.param}")
    wanted, made, arrays = {}, {}, {}
    for task in CASES:
        for compress in (True, False):
            folder = home / f"{task}-{compress}"
            wanted[str(folder)], given = asked(version, task, arrays, compress=compress)
            made[task, compress] = folder, given
    (home / "wanted.json").write_text(json.dumps(wanted))
    np.savez(home / "arrays.npz", **arrays)
    run_upstream(version, "write_samples.py", home, home / "wanted.json", home / "arrays.npz")
    return version, made


def assert_same(found, tensors, texts):
    texts = {name: text for name, text in texts.items() if text}
    shown = {**{name: array for name, array in tensors.items() if name not in texts}, **texts}
    assert set(found) == set(shown)
    for name, value in shown.items():
        if isinstance(value, str):
            assert found[name] == value
        else:
            assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
            assert found[name].tobytes() == value.tobytes()


def moment(text):
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("compress", [True, False], ids=["gz", "plain"])
@pytest.mark.parametrize("task", CASES)
def test_the_sample_layout_of_upstream(task, compress, written):
    version, made = written
    folder, given = made[task, compress]
    collection = mlstac_hf.open_collection(folder)
    assert (collection.task, dict(collection.labels)) == ((task,), LABELS)
    assert [band.name for band in collection.bands] == ["red", "green", "nir"]
    for split, samples in given.items():
        opened = mlstac_hf.load(folder, "numpy", split=split)
        assert len(opened) == len(samples)
        for index, sample in enumerate(samples):
            assert_same(opened[index], sample["tensors"], sample.get("texts", {}))
            start = moment(sample.get("start_datetime"))
            # 0.0.23 repeats the start where there is no end
            end = moment(sample.get("end_datetime")) or (start if version == "0.0.23" else None)
            place = sample.get("geotransform")
            assert opened.metadata[index] == {
                "id": f"000000{'123456789ABC'[index]}",
                "crs": sample.get("crs"),
                "geotransform": place and tuple(place),
                "start_datetime": start,
                "end_datetime": end,
                **dict(sorted(sample["extra"].items())),
            }


def raster(index):
    return encode(values(index, (4, 8, 8)), "GTiff", crs="EPSG:32633")


def tensors_of(index):
    return {"input": values(index, (3, 4, 4), "float32"), "target": values(index, (), "int64")}


@pytest.mark.parametrize("kind", ["geotiff", "safetensors", "hdf5"])
def test_the_containers_of_upstream(kind, tmp_path):
    pytest.importorskip("pyarrow")
    if kind != "safetensors":
        pytest.importorskip({"geotiff": "rasterio", "hdf5": "h5py"}[kind])
    splits, given = {}, {}
    for split, count in COUNTS.items():
        splits[split] = {}
        for part in ("high", "scribble"):
            rows, files = [], []
            for index in range(count):
                name = f"{split}_{part}_{index}"
                made = {"input": values(index, (4, 8, 8))} if kind == "geotiff" else tensors_of(index)
                files.append(tmp_path / f"{name}.{kind}")
                files[-1].write_bytes(payload(kind, index, made))
                rows.append({"datapoint_id": name, "label_type": part, "cloud": index / 3, "fixed": index % 2})
                given.setdefault(split, []).append((made, rows[-1]))
            splits[split][f"{split}_{part}"] = {"files": list(map(str, files)), "rows": rows}
    wanted = {"id": "clouds", "labels": LABELS, "splits": splits}
    (tmp_path / "wanted.json").write_text(json.dumps(wanted))
    run_upstream(CONTAINERS, "write_containers.py", tmp_path / "home", tmp_path / "wanted.json", tmp_path / "made")
    collection = mlstac_hf.open_collection(tmp_path / "made")
    assert (collection.id, dict(collection.labels), collection.task) == ("clouds", LABELS, ("image-segmentation",))
    server = serve_folder(tmp_path / "made")
    try:
        for address in (tmp_path / "made", f"{server.url}/main.json"):
            for split, expected in given.items():
                opened = mlstac_hf.load(address, "numpy", split=split, trust_links=True)
                assert len(opened) == len(expected)
                for index, (made, row) in enumerate(expected):
                    assert_same(opened[index], made, {})
                    metadata = opened.metadata[index]
                    assert metadata["id"] == row["datapoint_id"]
                    assert {key: metadata[key] for key in row.keys() - {"datapoint_id"}} == {
                        key: row[key] for key in row.keys() - {"datapoint_id"}
                    }
                    assert metadata["crs"] == ("EPSG:32633" if kind == "geotiff" else None)
    finally:
        server.stop()


def payload(kind, index, made):
    if kind == "geotiff":
        return raster(index)
    if kind == "safetensors":
        return safetensors.numpy.save(made)
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as target:
        for name, array in made.items():
            target[name] = array
    return file.getvalue()

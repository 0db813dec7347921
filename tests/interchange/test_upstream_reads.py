"""What `write` writes, the mlstac packages whose formats these are read to the byte, with their own readers."""

from __future__ import annotations

import hashlib
import json

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from publishing import DESCRIBED, LOOSE, samples
from serving import serve_folder
from upstream import CONTAINERS, SAMPLES, run_upstream

import mlstac_hf
from mlstac_hf import Collection

pytestmark = [
    pytest.mark.filterwarnings(LOOSE),
    # a process of upstream's reads all collections at once, so one worker does
    pytest.mark.xdist_group("upstream reads"),
]

SPLITS = ("train", "validation", "test")
SCENES = Collection(
    id="scenes",
    **DESCRIBED | {"task": ["TensorSegmentation", "TensorToTensor"]},
    labels={"land": 0, "water": 1, "ice": 2},
    sensor="Sentinel-2",
    bands=["B04", "B03", "B02"],
    band_axis=0,
    dimensions={"input": [{"axis": axis, "name": name} for axis, name in enumerate("CHW")]},
    providers=[{"name": "ESA", "roles": ["producer"], "url": "https://esa.int"}],
    authors=[{"name": "Ada", "organization": "X", "emails": ["ada@example.org"], "links": ["https://example.org"]}],
    reviewers=[{"name": "Bo", "organization": "X", "score": 4}],
    links=[{"href": "https://example.org/license", "rel": "license"}],
    split_strategy="by tile",
    paper="10.1038/s41597-022-01878-2",
)
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
EXOTIC = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
"""Of torch, not of numpy."""


def of_dtype(name, index):
    """A sample of each number of axes in turn, empty ones too."""
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    shape = ((2, 3, 4), (), (5,), (0, 3), (2, 1, 2, 3))[index % 5]
    values = np.random.default_rng(index).integers(0, 2 if name == "bool" else 9, shape).astype(dtype)
    return {"input": values, "target": np.ones((3, 2), dtype), "extra": np.zeros((), dtype), "dtype": name}


def captions(split):
    """Texts in the place of a target, and one without."""
    for index in range(3):
        yield {"input": np.full((1, 4, 4), index, np.uint8), "target": f"„{split}” {index}: Größe, 水\n{{x}}"}


def questions(_split):
    """Texts in the place of the input."""
    for index in range(3):
        yield {"input": f"Wo ist {index}?", "target": np.full((1, 4, 4), index, np.float32), "id": f"frage {index}"}


def made(name, task="TensorToTensor"):
    return Collection(id=name, **DESCRIBED | {"task": [task]})


MADE = {
    "scenes": (SCENES, lambda split: samples({"train": 40, "validation": 3, "test": 2}[split])),
    "dtypes": (made("dtypes"), lambda _: (of_dtype(name, index) for index, name in enumerate(NUMPY))),
    "exotic": (made("exotic"), lambda _: (of_dtype(name, index) for index, name in enumerate(EXOTIC))),
    "captions": (made("captions", "TensorToText"), captions),
    "questions": (made("questions", "TextToTensor"), questions),
}
REAL = ("genA_s2_lulc", "genA_plain", "genB_clouds")


def given(name, split, request):
    """The collection and the samples that are written."""
    if name in MADE:
        collection, build = MADE[name]
        return collection, list(build(split))
    folder = request.getfixturevalue("real_data") / name
    return mlstac_hf.open_collection(folder), mlstac_hf.load(folder, "numpy", split=split)


def facts(values):
    """Dtype, shape and digest of each array, as the scripts have them."""
    return {
        name: [array.dtype.name, list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]
        for name, array in values.items()
        if isinstance(array, np.ndarray)
    }


def arrays(sample):
    return {name: sample[name] for name in ("input", "target", "extra") if isinstance(sample.get(name), np.ndarray)}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A folder on loopback, and its URL."""
    folder = tmp_path_factory.mktemp("published")
    server = serve_folder(folder)
    yield folder, server.url
    server.stop()


@pytest.fixture(scope="module")
def sample_layout(published, request):
    """By collection, what was given of each split; `plain` lies uncompressed where a download would have put it."""
    folder, url = published
    written = {}
    for name in (*MADE, *REAL):
        for split in SPLITS:
            collection, of_split = given(name, split, request)
            mlstac_hf.write(of_split, folder / name, collection, split=split, compress=True, url=f"{url}/{name}")
            written[name, split] = list(of_split)
    for split in SPLITS:
        mlstac_hf.write(samples(4), folder / "plain" / "scenes", SCENES, split=split, url=f"{url}/plain/scenes")
        written["plain", split] = list(samples(4))
    return written


@pytest.fixture(scope="module", params=SAMPLES)
def read_back(request, published, sample_layout, tmp_path_factory):
    """What a version reads of all of it, and which."""
    (folder, url), home = published, tmp_path_factory.mktemp(f"upstream-{request.param}")
    jobs = {}
    for name, split in sample_layout:
        if name == "exotic" and request.param == "0.0.12":
            continue  # which runs beside numpy
        plain = name == "plain"
        jobs[f"{name} {split}"] = {
            "main": str(folder / "plain/scenes/main.json") if plain else f"{url}/{name}/main.json",
            "data_dir": str(folder / "plain") if plain else str(home / "data"),
            "split": split,
            "stream": not plain and split == "train",
        }
    (home / "jobs.json").write_text(json.dumps(jobs))
    framework = "numpy" if request.param == "0.0.12" else "torch"
    run_upstream(request.param, "read_samples.py", home, home / "jobs.json", home / "answers.json", framework)
    return request.param, json.loads((home / "answers.json").read_text())


@pytest.mark.parametrize("name", [*MADE, "plain", *REAL])
def test_samples_are_read_whole_and_streamed(name, read_back, sample_layout):
    version, answers = read_back
    if name == "exotic" and version == "0.0.12":
        assert not any(job.startswith("exotic") for job in answers)
        return
    for split in SPLITS:
        expected = [facts(arrays(sample)) for sample in sample_layout[name, split]]
        answer = answers[f"{name} {split}"]
        assert [answer["whole"][stem] for stem in sorted(answer["whole"])] == expected
        assert answer.get("stream", expected) == expected


@pytest.mark.parametrize("name", [*MADE, "plain", *REAL])
def test_metadata_is_read_as_text(name, read_back, sample_layout, request):
    _, answers = read_back
    for split in SPLITS if any(job.startswith(name) for job in answers) else ():
        found = answers[f"{name} {split}"]["metadata"]
        split_given = given(name, split, request)[1] if name != "plain" else sample_layout[name, split]
        metadata = split_given if isinstance(split_given, list) else split_given.metadata[:]
        assert len(found) == len(metadata)
        for stem, expected in zip(sorted(found), metadata, strict=True):
            said = found[stem]
            assert said["id"] == (expected.get("id") or stem)
            assert said.get("crs") == expected.get("crs")
            if expected.get("geotransform"):
                numbers = said["geotransform"].removeprefix("[").removesuffix("]").split(" ,")
                assert tuple(map(float, numbers)) == tuple(expected["geotransform"])
            for key in ("start_datetime", "end_datetime"):
                if expected.get(key):
                    assert said[key] == expected[key].replace(tzinfo=None).isoformat()
            for key in ("input", "target"):
                if isinstance(expected.get(key), str):
                    assert said[key] == expected[key]
                    assert said["isText"] == "1"
            for key in expected.keys() - {
                "id",
                "geotransform",
                "start_datetime",
                "end_datetime",
                "input",
                "target",
                "extra",
            }:
                value = expected[key]
                text = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
                assert said.get(key) == (None if value is None else text), key


# containers


@pytest.fixture(scope="module")
def containers(published, request):
    """By collection, what was given of each split."""
    pytest.importorskip("pyarrow")
    pytest.importorskip("rasterio")
    folder, url = published
    written = {}
    cases = {name: (name, {}) for name in (*MADE, *REAL)}
    cases |= {"rasters": ("scenes", {"payload": "geotiff"}), "clouds": ("genB_clouds", {"payload": "geotiff"})}
    for case, (name, options) in cases.items():
        for split in SPLITS:
            collection, of_split = given(name, split, request)
            if case == "rasters":
                of_split = [{**sample, "target": sample["target"].astype("uint16")} for sample in of_split]
            where, at = folder / "containers" / case, f"{url}/containers/{case}/"
            mlstac_hf.write(
                of_split, where, collection, split=split, layout="container", shard_nbytes=20_000, url=at, **options
            )
            rows = of_split.metadata[:] if name in REAL else of_split
            written[case, split] = [(arrays(one), about) for one, about in zip(of_split, rows, strict=True)]
    return written


@pytest.fixture(scope="module")
def opened(published, containers, tmp_path_factory):
    """What 0.1.8 reads of them."""
    (_, url), home = published, tmp_path_factory.mktemp("upstream-0.1.8")
    jobs = {
        case: {
            "main": f"{url}/containers/{case}/main.json",
            "out": str(home / "out" / case),
            "backend": "rasterio" if case in ("rasters", "clouds") else "bytes",
        }
        for case in dict.fromkeys(case for case, _ in containers)
    }
    (home / "jobs.json").write_text(json.dumps(jobs))
    run_upstream(CONTAINERS, "read_containers.py", home, home / "jobs.json", home / "answers.json")
    return home / "out", json.loads((home / "answers.json").read_text())


@pytest.mark.parametrize("where", ["local", "remote"])
@pytest.mark.parametrize("case", [*MADE, *REAL])
def test_payloads_of_containers_are_read(case, where, opened, containers):
    out, answers = opened
    expected = [one for split in SPLITS for one in containers[case, split]]
    rows = answers[case][where]["rows"]
    assert len(rows) == len(expected)
    for index, (row, (tensors, about)) in enumerate(zip(rows, expected, strict=True)):
        data = (out / case / where / f"{index}.bin").read_bytes()
        assert facts(loaded(data)) == facts(tensors)
        for key in about.keys() - {"id", "input", "target", "extra", "start_datetime", "end_datetime", "geotransform"}:
            value = row[key]
            assert value == (pytest.approx(about[key], abs=1e-9) if isinstance(about[key], float) else about[key]), key
        assert about.get("id") in (None, row["datapoint_id"])


def loaded(data):
    """As the safetensors package reads it, which gives bits where numpy has no such dtype."""
    found = {}
    for name, stored in safetensors.deserialize(data):
        dtype = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}.get(stored["dtype"])
        kind = safetensors.numpy._getdtype(stored["dtype"]) if dtype is None else getattr(ml_dtypes, dtype)
        found[name] = np.frombuffer(stored["data"], kind).reshape(stored["shape"])
    return {name: found[name] for name in ("input", "target", "extra") if name in found}


@pytest.mark.parametrize("where", ["local", "remote"])
@pytest.mark.parametrize("case", ["rasters", "clouds"])
def test_rasters_of_containers_are_read(case, where, opened, containers):
    out, answers = opened
    expected = [one for split in SPLITS for one in containers[case, split]]
    places = answers[case][where]["places"]
    assert len(places) == len(expected)
    for index, (tensors, about) in enumerate(expected):
        found = np.load(out / case / where / f"{index}.npy")
        planes = np.concatenate(list(tensors.values()))
        assert (found.dtype, found.tobytes()) == (planes.dtype, planes.tobytes())
        crs, transform = places[index]
        assert crs == about["crs"]
        if about["geotransform"] is not None:
            assert tuple(transform) == tuple(about["geotransform"])


def test_the_collection_is_read_by_the_models_of_0_1_8(opened):
    _, answers = opened
    found = answers["scenes"]["collection"]
    assert found["id"] == "scenes"
    assert found["ml_target"]["labels"] == SCENES.labels
    assert [band["name"] for band in found["ml_spectral"]["bands"]] == ["B04", "B03", "B02"]
    assert [axis["name"] for axis in found["ml_dimensions"]["dimensions"]] == ["C", "H", "W"]
    assert found["ml_split_strategy"] == "other"
    assert found["ml_authors"]["authors"][0]["emails"][0]["value"] == "ada@example.org"
    assert found["providers"]["field"][0]["roles"] == ["producer"]
    assert found["ml_reviewers"]["reviewers"][0]["score"] == 4
    assert found["ml_task"] == list(SCENES.task)


def test_a_collection_without_some_splits_is_loaded_from_disk(tmp_path):
    """Over http 0.1.8 asks for all three, for which an empty one will do."""
    pytest.importorskip("pyarrow")
    served = tmp_path / "served"
    served.mkdir()
    server = serve_folder(served)
    try:
        for split, count in (("train", 3), ("validation", 0), ("test", 0)):
            mlstac_hf.write(samples(count), served, SCENES, split=split, layout="container", url=server.url)
        job = {"main": f"{server.url}/main.json", "out": str(tmp_path / "out"), "backend": "bytes"}
        (tmp_path / "jobs.json").write_text(json.dumps({"one": job}))
        run_upstream(CONTAINERS, "read_containers.py", tmp_path, tmp_path / "jobs.json", tmp_path / "answers.json")
    finally:
        server.stop()
    answer = json.loads((tmp_path / "answers.json").read_text())["one"]
    ids = ["tile-000", "tile-001", "tile-002"]
    assert [[row["datapoint_id"] for row in answer[where]["rows"]] for where in ("local", "remote")] == [ids, ids]

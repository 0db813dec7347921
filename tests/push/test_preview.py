"""Small pictures of all samples."""

from __future__ import annotations

import io

import numpy as np
import pytest

datasets = pytest.importorskip("datasets")
pytest.importorskip("shapely")
Image = pytest.importorskip("PIL.Image")
pq = pytest.importorskip("pyarrow.parquet")

from cards import make, opened  # noqa: E402
from kinds import KINDS, texture, write_kind  # noqa: E402

import mlstac_hf  # noqa: E402
from mlstac_hf._pictures._colours import FAINT, painted, rgb  # noqa: E402
from mlstac_hf._push import _preview  # noqa: E402
from mlstac_hf._push._preview import plan_previews  # noqa: E402

COLUMNS = {
    "segmentation": {"preview", "target_preview"},
    "classification": {"preview", "label"},
    "radar": {"preview", "label"},
    "captions": {"preview", "text"},
    "prompts": {"preview", "text"},
    "series": {"preview", "target_preview"},
    "boxes": {"preview", "label"},
    "bare": {"preview"},
}


def previews(folder, out, form="parquet"):
    """Rows by split, and the plan."""
    planned = plan_previews(*opened(folder), form)
    make(planned.files, out)
    rows = {}
    for file in planned.files:
        rows.setdefault(file.path.split("/")[1].partition("-")[0], []).extend(
            pq.read_table(out / file.path).to_pylist()
        )
    return rows, planned


def opened_picture(cell):
    return np.asarray(Image.open(io.BytesIO(cell["bytes"])).convert("RGB"))


@pytest.mark.parametrize("kind", COLUMNS)
def test_every_kind_of_collection(kind, tmp_path):
    folder = KINDS[kind](tmp_path / kind)
    rows, planned = previews(folder, tmp_path / "out")
    assert {name: len(found) for name, found in rows.items()} == {"train": 7, "validation": 3, "test": 2}
    assert set(planned.features) == {"id", *COLUMNS[kind]}
    assert [row["id"] for row in rows["test"]] == ["sample-10", "sample-11"]
    for row in rows["train"]:
        assert all(row[name] is not None for name in COLUMNS[kind])
        picture = opened_picture(row["preview"])
        assert max(picture.shape[:2]) <= 256
        if kind != "bare":
            assert picture.std() > 5
        if kind in ("radar", "bare"):
            assert (np.ptp(picture.astype(int), axis=-1) <= 30).all()  # grey
    first = rows["train"][1]
    assert first.get("label") == {"classification": "Forest", "radar": "0.3333", "boxes": "1 object"}.get(kind)
    if kind == "prompts":
        assert first["text"] == "Ein See im Wald, 湖 1"


def test_masks_are_in_the_colours_of_their_classes(tmp_path):
    folder = KINDS["segmentation"](tmp_path / "s")
    rows, _ = previews(folder, tmp_path / "out")
    train = mlstac_hf.load(folder, "numpy")
    for index, row in enumerate(rows["train"]):
        expected = painted(train[index]["target"][0], train.collection.labels)
        np.testing.assert_array_equal(opened_picture(row["target_preview"]), expected)


def test_red_is_red(tmp_path):
    folder = KINDS["segmentation"](tmp_path / "s")
    rows, _ = previews(folder, tmp_path / "out")
    stored = mlstac_hf.load(folder, "numpy")[0]["input"].astype(float)
    picture = opened_picture(rows["train"][0]["preview"]).astype(float)
    for channel, band in enumerate((2, 1, 0)):
        assert np.corrcoef(picture[..., channel].ravel(), stored[band].ravel())[0, 1] > 0.95


def test_one_stretch_where_there_are_statistics(tmp_path):
    """Dark images stay darker than bright ones; without statistics each is stretched on its own."""
    levels = {"low": 1.0, "high": 1.8}

    def sample(i):
        level = list(levels.values())[i % 2]
        return {"input": (texture(0, 1, 32, 32) * level).astype(np.float32)}

    folder = write_kind(tmp_path / "levels", sample, task=["TensorRegression"])
    collection, sources, digest = opened(folder)
    assert collection.annotations.statistics["input"][0].percentiles
    for given, differ in ((collection, True), (_without_statistics(collection), False)):
        make(plan_previews(given, sources, digest).files, tmp_path / f"{differ}")
        path = next((tmp_path / f"{differ}" / "preview").glob("train-*"))
        dark, bright = (opened_picture(row["preview"]).mean() for row in pq.read_table(path).to_pylist()[:2])
        assert (bright > dark + 20) == differ


def _without_statistics(collection):
    return collection.model_copy(update={"annotations": collection.annotations.model_copy(update={"statistics": None})})


def test_holes_are_light_grey(tmp_path):
    folder = KINDS["radar"](tmp_path / "r")
    rows, _ = previews(folder, tmp_path / "out")
    assert tuple(opened_picture(rows["train"][0]["preview"])[2, 2]) == rgb(FAINT)


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_the_same_bytes_each_time_and_datasets_reads_them(tmp_path, form):
    folder = KINDS["segmentation"](tmp_path / "s")
    plans = [plan_previews(*opened(folder), form) for _ in range(2)]
    for number, planned in enumerate(plans):
        make(planned.files, tmp_path / str(number))
    for one, two in zip(plans[0].files, plans[1].files, strict=True):
        assert (one.path, one.key) == (two.path, two.key)
        assert (tmp_path / "0" / one.path).read_bytes() == (tmp_path / "1" / two.path).read_bytes()
    files = {"train": str(tmp_path / "0" / "preview" / f"train-*.{form}")}
    loaded = datasets.load_dataset(form, data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert isinstance(loaded.features["preview"], datasets.Image)
    assert loaded[0]["target_preview"].size == (48, 40)


def test_keys_change_with_what_is_shown(tmp_path):
    folder = KINDS["segmentation"](tmp_path / "s")
    collection, sources, digest = opened(folder)
    keys = [file.key for file in plan_previews(collection, sources, digest).files]
    assert len(set(keys)) == 3
    other = collection.model_copy(update={"labels": {"land": 0}})
    assert not {file.key for file in plan_previews(other, sources, digest).files} & set(keys)


def test_many_samples_are_several_files(tmp_path, monkeypatch):
    monkeypatch.setattr(_preview, "_GROUP", 2)
    monkeypatch.setattr(_preview, "_NBYTES", 60 << 20)
    rows, planned = previews(KINDS["bare"](tmp_path / "b"), tmp_path / "out")
    assert [file.path for file in planned.files][:2] == [
        "preview/train-00000-of-00004.parquet",
        "preview/train-00001-of-00004.parquet",
    ]
    assert [row["id"] for row in rows["train"]] == [f"sample-{number}" for number in range(7)]


def test_bad_samples_have_no_picture_and_keep_their_row(tmp_path):
    folder = KINDS["segmentation"](tmp_path / "s")
    collection, sources, digest = opened(folder)
    planned = plan_previews(collection, sources, digest)
    path = sorted((folder / "train").glob("*.safetensors*"))[1]
    path.write_bytes(path.read_bytes()[:-100])
    make(planned.files, tmp_path / "out")
    rows = pq.read_table(tmp_path / "out" / planned.files[0].path).to_pylist()
    assert [row["preview"] is None for row in rows] == [False, True, *[False] * 5]
    again = plan_previews(*opened(folder))
    assert set(again.features) == {"id", "preview", "target_preview"}


def test_no_samples_and_no_readable_one(tmp_path):
    folder = write_kind(tmp_path / "few", lambda i: {"input": texture(i, 1, 8, 8)}, counts={"train": 1, "test": 1})
    (next((folder / "train").glob("*.safetensors*"))).write_bytes(b"")
    rows, planned = previews(folder, tmp_path / "out")
    assert set(planned.features) == {"id", "preview"}
    assert rows["train"] == [{"id": "0000001", "preview": None}]

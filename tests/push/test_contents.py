"""What lies on the Hub after a push is read by those who have only `datasets`, and by us, in every format."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from containers import make_containers
from hub_process import run_with_hub
from layouts import Grid, images, write_kind
from made import plain
from publishing import DESCRIBED
from publishing import sample as made_sample
from tables import box_of

import mlstac_hf
from mlstac_hf._push import _raw

FORMS = ("parquet", "arrow", "raw")


@pytest.fixture
def push(hub, tmp_path, monkeypatch):
    """`mlstac_hf.push` as the owner of user/demo."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    token = hub.token("user")
    return lambda address, repo="user/demo", **options: mlstac_hf.push(
        address, repo, token=token, cache_dir=str(tmp_path / "cache"), **options
    )


_STRANGER = """
    import json, sys
    sys.modules["mlstac_hf"] = None
    import datasets
    datasets.disable_progress_bars()
    found = {}
    for name in CONFIGS:
        for streaming in (False, True):
            rows = datasets.load_dataset("user/demo", name, trust_remote_code=True, streaming=streaming)
            found[f"{name} {streaming}"] = {split: [dict(row) for row in part] for split, part in rows.items()}
    print(json.dumps(found, default=str))
"""


@pytest.mark.parametrize("form", FORMS)
def test_a_stranger_reads_what_was_pushed(hub, push, tmp_path, form):
    pytest.importorskip("PIL")
    made = plain(tmp_path / "made")
    push(made.address, format=form)
    configs = [None, "metadata", "preview"]
    found = run_with_hub(hub, tmp_path, _STRANGER.replace("CONFIGS", repr(configs)))
    for split, samples in made.splits.items():
        for streaming in ("False", "True"):
            rows = found[f"None {streaming}"][split]
            for row, sample in zip(rows, samples, strict=True):
                if form == "raw":  # metadata rows only, as the card says
                    assert set(sample.shown).isdisjoint(row)
                    continue
                for name, value in sample.shown.items():
                    assert np.array_equal(np.asarray(row[name]), value)
            ids = [row["id"] for row in rows]
            assert [row["id"] for row in found[f"metadata {streaming}"][split]] == ids
            assert [row["id"] for row in found[f"preview {streaming}"][split]] == ids


_KERAS = """
    import json, sys
    sys.modules["mlstac_hf"] = None
    import keras
    import datasets
    losses = {}
    for form in ("parquet", "arrow"):
        rows = datasets.load_dataset(f"user/{form}", split="train", trust_remote_code=True).with_format("tf")
        batches = rows.to_tf_dataset(columns="input", label_cols="target", batch_size=2)
        classes = keras.layers.Conv2D(3, 1, activation="softmax")
        model = keras.Sequential([keras.layers.Permute((2, 3, 1)), keras.layers.Rescaling(1e-4), classes])
        model.compile(loss="sparse_categorical_crossentropy")
        history = model.fit(batches.map(lambda image, mask: (image, mask[:, 0])), verbose=0)
        (losses[form],) = history.history["loss"]
    print(json.dumps(losses))
"""


def test_keras_is_fed_by_what_was_pushed(hub, push, tmp_path):
    pytest.importorskip("keras")
    for form in ("parquet", "arrow"):
        push(plain(tmp_path / form).address, f"user/{form}", format=form, preview=False)
    losses = run_with_hub(hub, tmp_path, _KERAS)
    assert all(0 < losses[form] < float("inf") for form in ("parquet", "arrow"))


@pytest.mark.parametrize("form", FORMS)
def test_we_read_what_was_pushed(hub, push, tmp_path, form):
    made = plain(tmp_path / "made")
    push(made.address, format=form, preview=False)
    for split, samples in made.splits.items():
        found = mlstac_hf.load("user/demo", "numpy", split=split)
        for index, sample in enumerate(samples):
            for name, value in sample.shown.items():
                assert found[index][name].dtype == value.dtype
                assert np.array_equal(found[index][name], value)
    ours = mlstac_hf.load_dataset("user/demo", split="test", cache_dir=str(tmp_path / "datasets"))
    there = mlstac_hf.load_dataset(made.address, split="test", cache_dir=str(tmp_path / "datasets"))
    assert ours.features["input"] == there.features["input"]
    assert [row["input"] for row in ours] == [row["input"] for row in there]


def test_an_existing_card_keeps_its_own_text(hub, push, tmp_path):
    made = plain(tmp_path / "made")
    hub.add_repository("user/demo", {"README.md": b"---\nlicense: mit\n---\n# Mine\n\nMy own words.\n"})
    for _ in range(2):
        with pytest.warns(mlstac_hf.CollectionWarning, match="the licence 'mit' .* the collection has 'CC-BY-4.0'"):
            push(made.address, preview=False)
    card = hub.repositories["user/demo"].at("main").files["README.md"].data.decode()
    assert card.count("My own words.") == 1
    assert "license: mit" in card
    assert card.count("mlstac-hf:begin") == 1


def test_files_of_others_are_never_deleted(hub, push, tmp_path):
    made = plain(tmp_path / "made")
    theirs = {"README.md": b"# Mine", "data/mine.csv": b"1,2", "notes/a.txt": b"a"}
    hub.add_repository("user/demo", theirs)
    for dry_run in (True, False):
        with pytest.raises(FileExistsError, match=r"holds 1 files that no push brought there, such as data/mine\.csv"):
            push(made.address, preview=False, dry_run=dry_run)
    held = hub.repositories["user/demo"].at("main").files
    assert {path: held[path].data for path in theirs} == theirs
    assert "main.json" not in held


@pytest.mark.filterwarnings("ignore:collection .* could be better:mlstac_hf.CollectionWarning")
def test_thousands_of_sample_files_become_containers(hub, push, tmp_path, monkeypatch):
    monkeypatch.setattr(_raw, "LOOSE", 3)
    made = plain(tmp_path / "made")
    push(made.address, format="raw", preview=False)
    files = hub.repositories["user/demo"].at("main").files
    assert any(path.endswith(".mlstac") for path in files)
    assert not any(path.endswith(".safetensors") for path in files)
    found = mlstac_hf.load("user/demo", "numpy")
    for index, sample in enumerate(made.splits["train"]):
        assert np.array_equal(found[index]["input"], sample.shown["input"])


def test_containers_go_up_as_they_are(hub, push, tmp_path):
    pytest.importorskip("rasterio")
    made = make_containers(tmp_path / "made")
    push(tmp_path / "made", format="raw", preview=False)
    files = hub.repositories["user/demo"].at("main").files
    for path in (tmp_path / "made").rglob("*.mlstac"):
        assert files[path.relative_to(tmp_path / "made").as_posix()].data == path.read_bytes()
    main = json.loads(files["main.json"].data)
    assert main["ml_catalog"]["train"]["data_files"][0].startswith(f"{hub.url}/datasets/user/demo/resolve/main/train/")
    found = mlstac_hf.load("user/demo", "numpy")
    assert np.array_equal(found[0]["input"], made.rasters["train"][0])


def test_raw_files_are_as_they_are(push, tmp_path):
    folder = write_kind("plain", tmp_path / "made", {"train": images(2, (2, 8, 8))})
    with pytest.raises(ValueError, match=r'format="raw" publishes files as they are, got limit'):
        push(folder, format="raw", limit=1)
    with pytest.raises(TypeError, match=r"push\(\) has no argument 'limits'. Did you mean 'limit'"):
        push(folder, limits=1)


@pytest.mark.parametrize("form", FORMS)
def test_a_small_box_of_a_pushed_repository_reads_little(hub, push, tmp_path, form):
    grids = [
        Grid(grid.tensors, transform=(465180.0 + 2560.0 * index, 10.0, 0.0, 5080250.0, 0.0, -10.0))
        for index, grid in enumerate(images(100, (4, 256, 256)))
    ]
    push(write_kind("plain", tmp_path / "made", {"train": grids}), format=form, preview=False)
    blobs = hub.repositories["user/demo"].at("main").files
    table = tmp_path / "train.parquet"
    table.write_bytes(blobs["metadata/train.parquet"].data)
    total = sum(len(blob.data) for blob in blobs.values())
    before = hub.nbytes_sent
    near = mlstac_hf.load("user/demo", "numpy", bbox=box_of(table, 40))
    assert [near[index]["input"].shape for index in range(len(near))] == [(4, 256, 256)]
    assert hub.nbytes_sent - before < 0.05 * total


@pytest.mark.parametrize("form", FORMS)
def test_a_split_without_samples_spoils_nothing(hub, push, tmp_path, form):
    """`datasets` refuses a repository for one file without rows."""
    pytest.importorskip("PIL")
    collection = mlstac_hf.Collection(id="two-splits", **DESCRIBED)
    for split, count in {"train": 3, "validation": 0, "test": 2}.items():
        mlstac_hf.write([made_sample(i) for i in range(count)], tmp_path / "made", collection, split=split)
    push(tmp_path / "made", format=form)
    code = _STRANGER.replace("CONFIGS", repr([None, "metadata", "preview"])).replace("(False, True)", "(True,)")
    found = run_with_hub(hub, tmp_path, code)
    assert {name: {split: len(rows) for split, rows in config.items()} for name, config in found.items()} == {
        name: {"train": 3, "test": 2} for name in found
    }
    assert {
        name: len(mlstac_hf.load("user/demo", "numpy", split=name)) for name in ("train", "validation", "test")
    } == {
        "train": 3,
        "validation": 0,
        "test": 2,
    }
    card = hub.repositories["user/demo"].at("main").files["README.md"].data.decode()
    assert "validation 0" in card


def test_nothing_is_no_publication(push, tmp_path):
    folder = write_kind("plain", tmp_path / "made", {"train": images(2, (2, 8, 8)), "test": []})
    with pytest.raises(ValueError, match=r"nothing to publish.*Splits: test"):
        push(folder, split="test", preview=False)


def test_the_line_of_a_raw_card_gives_pixels_to_datasets_itself(hub, push, tmp_path):
    made = plain(tmp_path / "made")
    push(made.address, format="raw", preview=False)
    card = hub.repositories["user/demo"].at("main").files["README.md"].data.decode()
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", card, re.DOTALL) if "register()" in block]
    told = "import json\nprint(json.dumps(dataset['input']))"
    found = run_with_hub(hub, tmp_path / "home", f"{code}\ndataset = dataset.with_format(None)[:]\n{told}")
    assert np.array_equal(found, [sample.shown["input"] for sample in made.splits["train"]])

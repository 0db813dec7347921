"""Raw collections by datasets.load_dataset: the same rows, and never a file that is no sample."""

import json
import shutil

import datasets
import pytest
from containers import make_containers
from hub_process import run_with_hub
from made import TRAITS

import mlstac_hf
from mlstac_hf import CollectionNotFoundError, CorruptSampleError, SchemaMismatchError, UnknownNameError
from mlstac_hf._hf import _data_files, _plan


@pytest.fixture(autouse=True)
def _registered(tables):
    mlstac_hf.register()


@pytest.fixture
def load(cache):
    """datasets.load_dataset with a cache of its own."""
    return lambda *args, **options: datasets.load_dataset(*args, cache_dir=f"{cache} of theirs", **options)


def rows(loaded):
    """All rows by split, as text: an unknown geotransform is NaN, which equals nothing."""
    return {name: repr(list(split)) for name, split in loaded.items()}


@pytest.mark.parametrize(("address", "token"), [("https://me:a/b@host/main.json", None), ("user/demo", "a\nb")])
def test_what_cannot_be_sent_is_no_collection_of_ours(address, token):
    assert not _data_files.is_collection(address, token)


@pytest.mark.filterwarnings("ignore::mlstac_hf.CollectionWarning")
@pytest.mark.parametrize(
    "trait",
    ["plain", "gzip", "class_labels", "ragged_boxes", "tensor_to_text_0.0.12", "wrong_count", "later_keys",
     "strange_path", "relative_link", "http_link"],
)  # fmt: skip
@pytest.mark.parametrize("streaming", [False, True], ids=["cached", "streaming"])
def test_rows_and_features_are_those_of_our_own(trait, tmp_path, cache, load, streaming):
    made = TRAITS[trait](tmp_path)
    try:
        ours = mlstac_hf.load_dataset(made.address, cache_dir=cache, trust_links=True)
        folder = made.address.removesuffix("main.json")
        theirs = load("mlstac", data_dir=folder, trust_links=True, streaming=streaming)
        assert rows(theirs) == rows(ours)
        assert {name: split.features for name, split in theirs.items()} == {n: s.features for n, s in ours.items()}
    finally:
        made.close()


@pytest.mark.parametrize("plain", [True, False], ids=["safetensors", "rasters"])
@pytest.mark.parametrize("counts", [(3, 2), (2,)], ids=["two", "one"])
def test_containers_are_read_and_not_the_table_beside_them(tmp_path, cache, load, counts, plain):
    if not plain:
        pytest.importorskip("rasterio")
    made = make_containers(tmp_path / "made", plain=plain, counts={"train": counts, "test": (1,)})
    ours = mlstac_hf.load_dataset(made.folder, cache_dir=cache)
    for way in (load("mlstac", data_dir=str(made.folder)), load(str(made.folder))):
        assert rows(way) == rows(ours)


@pytest.mark.parametrize("streaming", [False, True], ids=["cached", "streaming"])
def test_a_folder_is_known_by_what_is_in_it(collection, load, streaming, cache):
    found = load(str(collection.folder), streaming=streaming)
    assert rows(found) == rows(mlstac_hf.load_dataset(collection.address, cache_dir=cache))


def test_stray_files_decide_nothing_and_are_no_data(collection, load, cache):
    ours = rows(mlstac_hf.load_dataset(collection.address, cache_dir=cache))
    for split in ("train", "validation", "test"):
        for number in range(9):
            (collection.folder / split / f"notes{number}.txt").write_text("not a sample")
            (collection.folder / split / f"thumbnail{number}.png").write_bytes(b"not a picture")
    (collection.folder / "train" / "stray.safetensors").write_bytes(b"")
    with pytest.warns(mlstac_hf.CollectionWarning, match=r"stray\.safetensors left out"):
        assert rows(load(str(collection.folder))) == ours
    with pytest.warns(mlstac_hf.CollectionWarning, match=r"stray\.safetensors left out"):
        assert rows(load("mlstac", data_dir=str(collection.folder))) == ours


def test_main_json_alone_is_the_collection_where_samples_lie_elsewhere(tmp_path, load):
    made = TRAITS["relative_link"](tmp_path / "linked")
    alone = tmp_path / "alone"
    shutil.copytree(made.folder, alone)
    assert {name: len(split) for name, split in load(str(alone)).items()} == {"train": 5, "validation": 3, "test": 2}


def test_files_name_the_collection_and_its_samples(collection, load):
    folder = collection.folder
    whole = load("mlstac", data_files=str(folder / "main.json"))
    assert {name: len(split) for name, split in whole.items()} == {"train": 5, "validation": 3, "test": 2}
    some = load(
        "mlstac",
        data_files={"a": [f"{folder}/train/000000[13]*", f"{folder}/test/*"], "b": f"{folder}/validation/*"},
    )
    assert some["a"]["id"][:] == ["0000001", "0000003", "0000001", "0000002"]
    assert some["a"][3]["input"] == whole["test"][1]["input"]
    assert some["b"]["id"][:] == whole["validation"]["id"][:]
    one = load("mlstac", data_files=f"{folder}/train/*", split="train")
    assert one["id"][:] == whole["train"]["id"][:]
    [row] = load(str(folder), data_files="train/*2.safetensors", split="train")
    assert row == whole["train"][1]


def test_files_name_containers(tmp_path, load):
    made = make_containers(tmp_path / "made", plain=True)
    some = load("mlstac", data_files=f"{made.folder}/train/train_1.mlstac", split="train")
    assert some["id"][:] == made.names["train"][3:]


def test_selection_is_taken_as_in_our_own(collection, load, cache):
    asked = {"columns": ["input", "id"], "bands": [2, 0], "limit": 2}
    ours = mlstac_hf.load_dataset(collection.address, split="train", cache_dir=cache, **asked)
    theirs = load("mlstac", data_dir=str(collection.folder), split="train", **asked)
    assert (list(theirs), theirs.features) == (list(ours), ours.features)
    with pytest.raises(UnknownNameError):
        load("mlstac", data_dir=str(collection.folder), bands=["no such band"])
    with pytest.raises(ValueError, match="on_error"):
        load("mlstac", data_dir=str(collection.folder), on_error="whatever")


def test_slices_formats_and_old_arguments(collection, load):
    found = load("mlstac", data_dir=str(collection.folder), split="train[:40%]", trust_remote_code=True)
    assert found.with_format("mlstac_numpy")[:]["input"].shape == (2, 4, 8, 8)
    assert found.info.license == "CC-BY-4.0"


def test_the_cache_is_of_the_collection_as_it_is(collection, load, monkeypatch):
    def where():
        return load("mlstac", data_dir=str(collection.folder), split="train").cache_files[0]["filename"]

    found = [where()]
    assert where() == found[0]
    document = json.loads((collection.folder / "main.json").read_text())
    (collection.folder / "main.json").write_text(json.dumps({**document, "description": "another"}))
    found.append(where())
    monkeypatch.setattr(_plan, "__version__", "999")
    found.append(where())
    shutil.copy(collection.folder / "train/0000002.safetensors", collection.folder / "train/0000001.safetensors")
    found.append(where())
    assert len(set(found)) == 4


def test_processes_share_the_build(collection, load, cache):
    ours = mlstac_hf.load_dataset(collection.address, split="train", cache_dir=cache)
    theirs = load("mlstac", data_dir=str(collection.folder), split="train", num_proc=2)
    assert list(theirs) == list(ours)


def test_an_error_of_ours_is_an_error_of_ours(collection, load):
    (collection.folder / "train" / "0000002.safetensors").write_bytes(b"spoilt")
    with pytest.raises(CorruptSampleError, match=r"train/0000002\.safetensors"):
        load("mlstac", data_dir=str(collection.folder))
    with pytest.warns(mlstac_hf.CollectionWarning, match="1 bad samples left out"):
        assert len(load("mlstac", data_dir=str(collection.folder), split="train", on_error="skip")) == 4


def test_splits_that_differ_are_refused_by_name(tmp_path, load):
    made, other = TRAITS["plain"](tmp_path / "a"), TRAITS["time_series"](tmp_path / "b")
    shutil.rmtree(made.folder / "test")
    shutil.copytree(other.folder / "test", made.folder / "test")
    with pytest.raises(SchemaMismatchError, match="test"):
        load("mlstac", data_dir=str(made.folder))


@pytest.mark.parametrize("streaming", [False, True], ids=["cached", "streaming"])
def test_splits_of_no_samples_are_datasets_of_no_rows(collection, load, cache, streaming):
    shutil.rmtree(collection.folder / "test")
    (collection.folder / "test").mkdir()
    document = json.loads((collection.folder / "main.json").read_text())
    document["ml:test"]["n_items"] = 0
    (collection.folder / "main.json").write_text(json.dumps(document))
    ours = mlstac_hf.load_dataset(collection.address, cache_dir=cache)
    theirs = load("mlstac", data_dir=str(collection.folder), streaming=streaming)
    assert rows(theirs) == rows(ours)
    assert theirs["test"].features == ours["test"].features
    assert list(load("mlstac", data_dir=str(collection.folder), split="test", streaming=streaming)) == []


def test_a_copy_of_some_splits_is_read(collection, load):
    shutil.rmtree(collection.folder / "test")
    found = load("mlstac", data_dir=str(collection.folder))
    assert {name: len(split) for name, split in found.items()} == {"train": 5, "validation": 3}


def test_files_of_no_collection_are_refused(collection, load, tmp_path):
    shutil.copytree(collection.folder / "train", tmp_path / "far" / "from" / "it" / "train")
    with pytest.raises(CollectionNotFoundError, match=r"of no ML-STAC collection: looked for main\.json in .*far"):
        load("mlstac", data_files=f"{tmp_path}/far/from/it/train/*.safetensors")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("x")
    with pytest.raises(CollectionNotFoundError, match=r"none of .* is a sample"):
        load("mlstac", data_files=f"{tmp_path}/notes/*")
    with pytest.raises(CollectionNotFoundError, match=r"expected main\.json"):
        load("mlstac", data_dir=str(tmp_path / "notes"))


def test_what_is_not_ours_loads_as_ever(tmp_path, load):
    for name, text in {"json": {"x": 1}, "main.json": {"x": 2}}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / ("main.json" if "." in name else "rows.json")).write_text(json.dumps(text))
    assert load(str(tmp_path / "json"), split="train")[0] == {"x": 1}
    assert load(str(tmp_path / "main.json"), split="train")[0] == {"x": 2}  # whose main.json is no collection
    (tmp_path / "json" / "weights.safetensors").write_bytes(b"weights of somebody")
    (tmp_path / "json" / "more.json").write_text('{"x": 3}')
    assert len(load(str(tmp_path / "json"), split="train")) == 2


CODE = """
import datasets, json, mlstac_hf
if __name__ == "__main__":
    mlstac_hf.register()
    options = dict(token=TOKEN, trust_remote_code=True)
    whole = datasets.load_dataset("user/raw", **options)
    stream = datasets.load_dataset("user/raw", split="train", streaming=True, **options)
    ours = mlstac_hf.load_dataset("user/raw", token=TOKEN)
    found = [whole["train"].features == ours["train"].features]
    found += [[row["input"] for row in stream] == ours["train"]["input"][:]]
    found += [list(whole[name]) == list(ours[name]) for name in ours]
    found += [len(datasets.load_dataset("user/raw", split="train", revision="v1", **options))]
    print(json.dumps(found))
"""


def test_a_repository_on_the_hub_is_read(hub, collection, tmp_path):
    repository = hub.add_repository("user/raw", collection.folder, private=True)
    repository.tags["v1"] = repository.at("main")
    repository.commit("main", {"train/0000005.safetensors": None, "README.md": b"a card", "train/notes.txt": b"x" * 9})
    document = json.loads((collection.folder / "main.json").read_text())
    document["ml:train"]["n_items"] = 4
    repository.commit("main", {"main.json": json.dumps(document).encode()})
    code = CODE.replace("TOKEN", repr(hub.token("user")))
    assert run_with_hub(hub, tmp_path / "home", code) == [True, True, True, True, True, 5]


def test_containers_on_the_hub_are_read(hub, tmp_path):
    made = make_containers(tmp_path / "made", plain=True)
    hub.add_repository("user/raw", made.folder)
    code = """
    import datasets, json, mlstac_hf
    mlstac_hf.register()
    print(json.dumps([datasets.load_dataset("user/raw", split=split)["id"][:] for split in ("train", "test")]))
    """
    assert run_with_hub(hub, tmp_path / "home", code) == [made.names["train"], made.names["test"]]


def test_workers_need_no_call_of_their_own(hub, collection, tmp_path):
    hub.add_repository("user/raw", collection.folder)
    code = """
    import datasets, json, mlstac_hf, torch.utils.data
    if __name__ == "__main__":
        mlstac_hf.register()
        found = []
        for method in ("fork", "spawn"):
            rows = datasets.load_dataset("user/raw", split="train", streaming=True).with_format("mlstac_torch")
            loader = torch.utils.data.DataLoader(rows, None, num_workers=2, multiprocessing_context=method)
            found.append(sorted(row["id"] for row in loader))
        print(json.dumps(found))
    """
    names = [f"000000{n}" for n in range(1, 6)]
    assert run_with_hub(hub, tmp_path / "home", code, script=tmp_path / "script.py") == [names] * 2

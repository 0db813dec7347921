"""Cards that offer only tables: the samples beside them are read, and nothing else is taken for such."""

import json
import os
import shutil

import datasets
import pytest
from containers import make_containers
from hub_process import run_with_hub

import mlstac_hf
from mlstac_hf._hf._card_files import folder_of_samples, offers_only_metadata

TABLE = "train/metadata.parquet"


def card(*configs, **keys):
    """A card with configs, as YAML takes JSON."""
    return f"---\n{json.dumps({'license': 'cc0-1.0', **keys, 'configs': list(configs)})}\n---\n# A card\n"


def config(data_files, name="default", **more):
    return {"config_name": name, "data_files": data_files, **more}


@pytest.mark.parametrize(
    ("configs", "expected"),
    [
        ([config(TABLE)], True),
        ([config([TABLE, "test/metadata.parquet"])], True),
        ([config([{"split": "train", "path": TABLE}, {"split": "test", "path": ["metadata/test.parquet"]}])], True),
        ([config("metadata/train.parquet", "metadata", default=True), config("preview/*", "preview")], True),
        ([config("train_metadata.parquet", "a"), config("test_metadata.parquet", "b")], True),
        ([{"data_files": TABLE}], True),
        ([config(TABLE, "metadata"), config("preview/*", "preview")], False),
        ([config("data/*.parquet"), config(TABLE, "metadata")], False),
        ([config(TABLE, "metadata"), config("data/*.parquet", "data", default=True)], False),
        ([config([TABLE, "data/train.parquet"])], False),
        ([{"config_name": "default", "data_dir": "metadata"}], False),
        ([config(None)], False),
        (["metadata"], False),
        ([], False),
    ],
)
def test_what_a_card_offers(configs, expected):
    assert offers_only_metadata(card(*configs)) is expected


@pytest.mark.parametrize("text", ["", "# No YAML", "---\nconfigs: metadata\n---\n", "---\nconfigs:\n---\n"])
def test_a_card_may_say_nothing(text):
    assert not offers_only_metadata(text)


@pytest.mark.parametrize(
    ("readme", "main"),
    [(None, None), ("---\n[\n---\n", None), (b"\xff\xfe", None), (card(config("data/*")), None),
     (card(config(TABLE)), b"{}"), (card(config(TABLE)), b"[")],
)  # fmt: skip
def test_what_is_no_such_collection_is_left_to_datasets(collection, readme, main):
    if readme is not None:
        (collection.folder / "README.md").write_bytes(readme if isinstance(readme, bytes) else readme.encode())
    if main is not None:
        (collection.folder / "main.json").write_bytes(main)
    assert folder_of_samples(str(collection.folder), None, None) is None


def test_a_folder_goes_before_a_repository_and_a_file_is_neither(hub, collection, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "file").write_text("x")
    (collection.folder / "README.md").write_text(card(config(TABLE)))
    shutil.copytree(collection.folder, tmp_path / "user" / "folder")
    found = folder_of_samples("user/folder", None, None)
    assert found
    assert os.path.samefile(found, "user/folder")
    assert [folder_of_samples(path, None, None) for path in ("user/file", "no_such", "a/b/c", "")] == [None] * 4
    assert hub.requests == []


@pytest.mark.parametrize("streaming", [False, True], ids=["cached", "streaming"])
def test_a_folder_whose_card_names_its_table_gives_samples(tmp_path, cache, tables, streaming):
    made = make_containers(tmp_path / "made", plain=True)
    (made.folder / "README.md").write_text(card(config([{"split": "train", "path": TABLE}])))
    cached = {"cache_dir": f"{cache} of theirs", "streaming": streaming}
    assert "input" not in datasets.load_dataset(str(made.folder), split="train", **cached).column_names
    mlstac_hf.register()
    found = datasets.load_dataset(str(made.folder), **cached)
    ours = mlstac_hf.load_dataset(made.folder, cache_dir=cache)
    assert {name: repr(list(rows)) for name, rows in found.items()} == {n: repr(list(rows)) for n, rows in ours.items()}
    some = datasets.load_dataset(str(made.folder), split="train", limit=1, bands=[1], **cached)
    assert [len(row["input"]) for row in some] == [1]
    tables_of = datasets.load_dataset(str(made.folder), data_files=TABLE, split="train", **cached)
    assert "input" not in next(iter(tables_of))


CODE = """
import datasets, json, mlstac_hf
if __name__ == "__main__":
    datasets.disable_progress_bars()
    def columns(*call, **options):
        return sorted(next(iter(datasets.load_dataset(*call, split="train", **options, **OPTIONS))))
    before = [columns("user/raw"), columns("user/raw", "NAMED")]
    mlstac_hf.register()
    same = []
    for options in ({"streaming": True, "trust_remote_code": True}, {}):
        ours = mlstac_hf.load_dataset("user/raw", streaming=bool(options), **OPTIONS)
        theirs = datasets.load_dataset("user/raw", **options, **OPTIONS)
        same += [repr(list(theirs[name])) == repr(list(ours[name])) for name in ours]
        same += [theirs[name].features == ours[name].features for name in ours]
        same += [set(theirs) == set(ours)]
    same += [columns("user/raw", "default") == sorted(ours["train"].features)]
    built = datasets.load_dataset_builder(path="user/raw", bands=[0], **OPTIONS)
    after = [columns("user/raw", "NAMED"), built.dataset_name]
    print(json.dumps([before, same, after, ours["train"].column_names]))
"""


@pytest.mark.parametrize("layout", ["samples", "containers"])
def test_what_a_raw_push_brought_gives_samples(hub, collection, tmp_path, monkeypatch, layout):
    made = collection if layout == "samples" else make_containers(tmp_path / "made", plain=True)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    token = hub.token("user")
    options = {"format": "raw", "preview": False, "private": True, "cache_dir": str(tmp_path / "work")}
    mlstac_hf.push(made.folder, "user/raw", token=token, **options)
    code = CODE.replace("OPTIONS", f"{{'token': {token!r}}}").replace("NAMED", "metadata")
    before, same, (rows, name), columns = run_with_hub(hub, tmp_path / "home", code, script=tmp_path / "script.py")
    assert all(same)
    assert "input" in columns
    assert before == [rows, rows]
    assert "input" not in rows
    assert name == "raw"


def test_what_nobody_of_ours_pushed_gives_samples(hub, tmp_path):
    made = make_containers(tmp_path / "made", plain=True, counts={"train": (2, 1), "test": (1,)})
    repository = hub.add_repository("user/raw", made.folder)
    listed = [{"split": split, "path": f"{split}/metadata.parquet"} for split in ("train", "test")]
    info = {"features": [{"name": "id", "dtype": "string"}], "splits": [{"name": "train", "num_examples": 77}]}
    repository.commit("main", {"README.md": card(config(listed, "tables"), dataset_info=info).encode()})
    code = CODE.replace("OPTIONS", "{}").replace("NAMED", "tables")
    before, same, (rows, _), _ = run_with_hub(hub, tmp_path / "home", code, script=tmp_path / "script.py")
    assert all(same)
    assert before == [rows, rows]
    assert "input" not in rows


def test_what_a_card_says_of_the_rows_of_tables_is_not_said_of_samples(hub, tmp_path):
    made = make_containers(tmp_path / "made", plain=True)
    repository = hub.add_repository("user/raw", made.folder)
    info = {
        "features": [{"name": "id", "dtype": "string"}],
        "splits": [{"name": name, "num_bytes": 9, "num_examples": 77} for name in ("train", "test")],
    }
    repository.commit("main", {"README.md": f"---\n{json.dumps({'dataset_info': info})}\n---\n".encode()})
    code = """
    import datasets, json, mlstac_hf
    mlstac_hf.register()
    rows = datasets.load_dataset("user/raw", split="train", limit=2)
    print(json.dumps([len(rows), rows.column_names[0]]))
    """
    assert run_with_hub(hub, tmp_path / "home", code) == [2, "input"]


def test_without_a_network_what_was_loaded_before_is_there(hub, collection, tmp_path):
    repository = hub.add_repository("user/raw", collection.folder)
    repository.commit("main", {"README.md": card(config("metadata/train.parquet", "metadata")).encode()})
    code = """
    import datasets, json, mlstac_hf
    mlstac_hf.register()
    print(json.dumps(datasets.load_dataset("user/raw", split="train").column_names[0]))
    """
    assert run_with_hub(hub, tmp_path / "home", code) == "input"
    hub.reset_counts()
    assert run_with_hub(hub, tmp_path / "home", code, HF_HUB_OFFLINE="1") == "input"
    assert hub.requests == []


def test_a_repository_of_others_costs_one_question_more(hub, tmp_path):
    rows = b'{"x": 1}\n'
    hub.add_repository("user/rows", {"README.md": card(config("rows.json")).encode(), "rows.json": rows})
    hub.add_repository("user/bare", {"rows.json": rows})
    code = """
    import datasets, json, mlstac_hf
    mlstac_hf.register()
    found = [datasets.load_dataset(name, split="train")[0] for name in ("user/rows", "user/bare")]
    for call in ((), ("user/none",)):
        try:
            datasets.load_dataset(*call)
        except Exception as error:
            found.append(type(error).__name__)
    print(json.dumps(found))
    """
    found = run_with_hub(hub, tmp_path / "home", code)
    assert found == [{"x": 1}, {"x": 1}, "TypeError", "DatasetNotFoundError"]
    assert len(hub.asked("/api/datasets/user/rows/revision/main")) == 1
    assert hub.asked(".*main.json") == []

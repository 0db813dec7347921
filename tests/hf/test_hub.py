"""Collections on the Hub as datasets, and by the other ways in."""

import json

import numpy as np
import pytest
from containers import make_containers
from hub_process import run_with_hub

import mlstac_hf
from mlstac_hf import CollectionNotFoundError, load, open_collection, validate
from mlstac_hf._cli import main


@pytest.fixture
def repository(hub, collection):
    return hub.add_repository("user/demo", collection.folder)


def rows_of(dataset):
    return [(row["id"], row["input"]) for row in dataset]


def test_a_prepared_dataset_is_that_of_the_folder_and_needs_no_network_again(hub, repository, collection, cache):
    local = mlstac_hf.load_dataset(collection.address, cache_dir=f"{cache} of the folder")
    found = mlstac_hf.load_dataset("user/demo", cache_dir=cache)
    assert {name: part.features for name, part in found.items()} == {n: p.features for n, p in local.items()}
    assert {name: rows_of(part) for name, part in found.items()} == {n: rows_of(p) for n, p in local.items()}
    hub.reset_counts()
    mlstac_hf.load_dataset("user/demo", cache_dir=cache)
    assert {request.path for request in hub.requests} == {"/api/datasets/user/demo/revision/main"}


def test_a_stream_is_the_same_and_keeps_no_sample(hub, repository, collection, cache):
    stream = mlstac_hf.load_dataset("user/demo", split="train", streaming=True, cache_dir=cache)
    assert [row["id"] for row in stream] == [f"000000{n}" for n in range(1, 6)]
    kept = collection.folder.parent / "hf" / "hub" / "datasets--user--demo" / "snapshots"
    assert {file.name for file in kept.rglob("*") if not file.is_dir()} == {"main.json"}
    asked = [request.path.rpartition("/")[2] for request in hub.requests if request.method == "HEAD"]
    assert asked == ["0000001.safetensors"]  # whether samples lie there; no folder is listed, no other file asked about
    assert not hub.asked(".*/tree/.*")


def test_a_push_builds_anew_only_what_changed(hub, repository, cache):
    first = mlstac_hf.load_dataset("user/demo", split="train", cache_dir=cache)
    repository.commit("main", {"README.md": b"a card"})
    same = mlstac_hf.load_dataset("user/demo", split="train", cache_dir=cache)
    assert same.cache_files == first.cache_files
    repository.commit(
        "main", {"train/0000005.safetensors": repository.at("main").files["train/0000001.safetensors"].data}
    )
    other = mlstac_hf.load_dataset("user/demo", split="train", cache_dir=cache)
    assert other.cache_files != first.cache_files
    assert other[4]["input"] == other[0]["input"]


def test_offline_a_dataset_is_built_of_what_was_read(hub, repository, cache, monkeypatch):
    for split in ("train", "validation", "test"):
        list(load("user/demo", "numpy", split=split))
    hub.reset_counts()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert len(mlstac_hf.load_dataset("user/demo", split="train", cache_dir=cache)) == 5
    assert len(list(mlstac_hf.load_dataset("user/demo", split="train", cache_dir=cache, streaming=True))) == 5
    assert hub.requests == []


def test_a_private_one_takes_a_token(hub, collection, cache):
    hub.add_repository("user/secret", collection.folder, private=True)
    with pytest.raises(CollectionNotFoundError, match="or it is private"):
        mlstac_hf.load_dataset("user/secret", split="test", cache_dir=cache)
    found = mlstac_hf.load_dataset("user/secret", split="test", cache_dir=cache, token=hub.token("user"))
    assert len(found) == 2
    assert "Secret" not in repr(found.info)


def test_workers_read_the_hub_too(hub, repository, tmp_path):
    code = """
    import json, mlstac_hf, torch.utils.data
    if __name__ == "__main__":
        found = []
        for method in ("fork", "spawn"):
            stream = mlstac_hf.load_dataset("user/demo", split="train", streaming=True).with_format("mlstac_torch")
            loader = torch.utils.data.DataLoader(stream, batch_size=None, num_workers=2, multiprocessing_context=method)
            found.append(sorted(row["id"] for row in loader))
        print(json.dumps(found))
    """
    script = tmp_path / "script.py"
    names = [f"000000{n}" for n in range(1, 6)]
    assert run_with_hub(hub, tmp_path / "home", code, script=script) == [names, names]


def test_of_containers_only_what_is_asked_for_is_read(hub, tmp_path, cache):
    made = make_containers(tmp_path / "made", plain=True, counts={"train": (40, 40)})
    hub.add_repository("user/containers", made.folder)
    whole = sum(file.stat().st_size for file in made.folder.rglob("*.mlstac"))
    hub.reset_counts()
    [sample] = load("user/containers", "numpy", limit=1)
    np.testing.assert_array_equal(sample["input"], made.rasters["train"][0][:4])
    fetched = sum(nbytes for path, nbytes in hub.sent.items() if path.startswith("/cdn/"))
    assert fetched < whole / 4
    found = mlstac_hf.load_dataset("user/containers", split="train", cache_dir=cache)
    assert found["id"][:] == made.names["train"]


def test_validate_and_info_take_it_too(hub, repository, capsys):
    report = validate("user/demo", deep=True)
    assert not report.errors
    assert main(["info", "user/demo", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {name: split["found"] for name, split in facts["splits"].items()} == {"train": 5, "validation": 3, "test": 2}
    assert main(["info", "user/nothing"]) != 0
    assert "or it is private" in capsys.readouterr().err
    assert open_collection("user/demo").id == "made for a test"


def test_info_of_containers_says_which_line_gives_pixels(hub, tmp_path, capsys):
    made = make_containers(tmp_path / "made", plain=True, counts={"train": (2, 1), "test": (1,)})
    hub.add_repository("user/containers", made.folder)
    assert main(["info", "user/containers"]) == 0
    out = capsys.readouterr().out
    assert "metadata, no pixels. This gives pixels:" in out
    assert "mlstac_hf.load_dataset('user/containers')" in out
    assert main(["info", "user/containers", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["layout"] == "containers"
    assert {name: split["found"] for name, split in facts["splits"].items()} == {"train": 3, "test": 1}

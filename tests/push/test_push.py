"""`push()`: what lies on the Hub is what was planned."""

import subprocess
import sys
from textwrap import dedent

import pytest
from hub_process import run_with_hub
from made import plain
from tables import publish

import mlstac_hf
from mlstac_hf import UnknownNameError


@pytest.fixture
def push(hub, tmp_path, monkeypatch):
    """`mlstac_hf.push` as the owner of user/demo."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    token = hub.token("user")
    return lambda address, **options: mlstac_hf.push(
        address, "user/demo", token=token, cache_dir=str(tmp_path / "cache"), **{"preview": False, **options}
    )


def held(hub):
    files = hub.repositories["user/demo"].at("main").files
    return {path: blob.data for path, blob in files.items() if path != ".gitattributes"}


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_the_repository_holds_what_was_planned(hub, push, collection, tmp_path, form):
    result = push(collection.address, format=form)
    publish(collection.address, tmp_path / "published", form, shard_nbytes=128 << 20)
    expected = {
        path.relative_to(tmp_path / "published").as_posix(): path.read_bytes()
        for path in (tmp_path / "published").rglob("*")
        if path.is_file()
    }
    found = held(hub)
    assert {file.path for file in result.files} == set(found)
    assert result.nbytes == sum(map(len, found.values()))
    assert {path: data for path, data in found.items() if path in expected} == expected
    assert {path.partition("/")[0] for path in found.keys() - expected.keys()} <= {"README.md", "assets"}


def test_again_changes_nothing_and_another_selection_takes_its_place(hub, push, collection):
    before = push(collection.address)
    assert push(collection.address).commit == before.commit
    after = push(collection.address, split="train", limit=2, message="Two of them")
    assert {path.rpartition("/")[2].partition("-")[0] for path in held(hub) if path.startswith("data/")} == {"train"}
    assert all("train" not in path for path in after.deleted if path.startswith("data/train-0"))
    assert hub.repositories["user/demo"].at("main").title == "Two of them"


def test_a_dry_run_makes_nothing(hub, push, collection):
    result = push(collection.address, split=["train", "test"], dry_run=True)
    assert result.dry_run
    names = {file.path.rpartition("/")[2] for file in result.files if not file.path.startswith("assets/")}
    assert {name.partition(".")[0].partition("-")[0] for name in names} == {"train", "test"}
    assert hub.repositories == {}


def test_calls_that_mean_nothing(push, collection):
    with pytest.raises(ValueError, match="expected format to be one of parquet, arrow, raw, got 'csv'"):
        push(collection.address, format="csv")
    with pytest.raises(UnknownNameError):
        push(collection.address, split="training")
    with pytest.raises(ValueError, match="user/repo"):
        mlstac_hf.push(collection.address, "demo")
    with pytest.raises(TypeError, match="cache_dir"):
        mlstac_hf.push(collection.address, "user/demo", cache_dir=3)


def test_a_token_that_cannot_be_sent_is_refused_and_not_shown(hub, collection):
    with pytest.raises(ValueError, match="token: expected printable ASCII") as caught:
        mlstac_hf.push(collection.folder, "user/demo", token="hush\nhush")
    assert "hush" not in str(caught.value)
    assert not hub.requests


def test_shards_of_an_earlier_push_are_not_read_with_those_of_this_one(hub, push, collection, tmp_path):
    push(collection.address, preview=True)
    late = {f"{folder}/train-00000-of-00009.parquet": b"of another push" for folder in ("data", "preview")}
    hub.repositories["user/demo"].commit("main", late)
    code = """
    import datasets, json
    rows = {config: datasets.load_dataset("user/demo", config) for config in ("default", "preview")}
    stream = datasets.load_dataset("user/demo", split="train", streaming=True)
    counts = [{name: len(split) for name, split in found.items()} for found in rows.values()]
    print(json.dumps([*counts, len(list(stream))]))
    """
    counts = {"train": 5, "validation": 3, "test": 2}
    assert run_with_hub(hub, tmp_path / "home", code) == [counts, counts, 5]
    card = held(hub)["README.md"].decode()
    assert "path: data/train-*-of-00001.parquet" in card
    assert "path: preview/test-*-of-00001.parquet" in card


@pytest.mark.parametrize(
    "typed",
    ["https://huggingface.co/datasets/user/demo", "https://huggingface.co/datasets/user/demo/tree/main/data",
     "hf://datasets/user/demo@main", "datasets/user/demo", "huggingface.co/datasets/user/demo?x=1",
     "https://huggingface.co/user/demo"],
)  # fmt: skip
def test_an_address_is_no_name_and_the_name_is_told(collection, typed):
    with pytest.raises(ValueError, match=r'expected repo_id to be "user/repo", got .*: write "user/demo"$'):
        mlstac_hf.push(collection.address, typed)


@pytest.mark.parametrize("typed", ["demo", "a/b/c", "", "https://huggingface.co", None, 3])
def test_what_names_nothing_has_no_hint(collection, typed):
    with pytest.raises(ValueError, match=r'expected repo_id to be "user/repo", got [^:]*(https://huggingface.co)?.$'):
        mlstac_hf.push(collection.address, typed)


_WITHOUT = """
    import json, sys
    for name in ("shapely", "pyproj", "PIL", "cql2", "matplotlib"):
        sys.modules[name] = None
    import mlstac_hf
    dry = mlstac_hf.push(ADDRESS, "user/demo", format=FORM, dry_run=True, cache_dir="CACHE")
    try:
        mlstac_hf.push(ADDRESS, "user/demo", format=FORM, cache_dir="CACHE")
    except mlstac_hf.MissingExtraError as error:
        print(json.dumps([[file.path for file in dry.files], dry.lacking, str(error)]))
"""


@pytest.mark.parametrize("form", ["parquet", "raw"])
def test_a_dry_run_needs_no_more_than_it_uses(hub, push, collection, tmp_path, form):
    code = _WITHOUT.replace("ADDRESS", repr(str(collection.address))).replace("FORM", repr(form))
    code = code.replace("CACHE", str(tmp_path / "cache"))
    paths, lacking, error = run_with_hub(hub, tmp_path / "home", code, script=tmp_path / "script.py")
    whole = push(collection.address, format=form, preview=True, dry_run=True)
    assert paths == [file.path for file in whole.files if not file.path.startswith("assets/")]
    assert whole.lacking == ()
    assert error == (
        "push needs shapely, pyproj and Pillow, which are not installed. Install with: pip install "
        "'mlstac-hf[hf,select,plot]'. Without Pillow: preview=False (--no-preview)"
    )
    assert lacking == [error, "no token was found. Log in with: hf auth login, or set HF_TOKEN, or pass token="]
    assert hub.repositories == {}


def test_without_datasets(tmp_path):
    code = f"""
        import sys
        sys.modules["datasets"] = None
        import mlstac_hf
        try:
            mlstac_hf.push({str(plain(tmp_path).address)!r}, "user/demo")
        except mlstac_hf.MissingExtraError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)
    assert "push needs datasets, which is not installed" in done.stdout
    assert "pip install 'mlstac-hf[hf,select,plot]'" in done.stdout

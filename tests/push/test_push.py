"""`push()`: what lies on the Hub is what was planned."""

import subprocess
import sys
from textwrap import dedent

import pytest
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
    assert "push needs datasets" in done.stdout
    assert "pip install 'mlstac-hf[hf,select]'" in done.stdout

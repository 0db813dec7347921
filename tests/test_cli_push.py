"""`mlstac-hf push`: what it prints, and how it ends."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("datasets")
pytest.importorskip("shapely")

from misbehaving import Answers

from mlstac_hf._cli import main


@pytest.fixture
def owner(hub, monkeypatch):
    """Whose token is in the environment."""
    monkeypatch.setenv("HF_TOKEN", hub.token("user"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    return "user"


def test_a_push(hub, owner, collection, capsys):
    assert main(["push", collection.address, "user/demo", "--private", "--message", "Here it is"]) == 0
    out, err = capsys.readouterr()
    assert f"files went up to {hub.url}/datasets/user/demo" in out
    assert not err
    assert hub.repositories["user/demo"].private
    assert hub.repositories["user/demo"].at("main").title == "Here it is"


def test_a_dry_run_as_json(hub, owner, collection, capsys):
    arguments = ["--format", "arrow", "--split", "train", "--limit", "2", "--no-preview", "--dry-run", "--json"]
    assert main(["push", collection.address, "user/demo", *arguments]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["dry_run"]
    assert [file["path"] for file in facts["files"] if not file["path"].startswith("assets/")] == [
        "data/train-00000-of-00001.arrow",
        "metadata/train.parquet",
        "metadata/train.arrow",
    ]
    assert hub.repositories == {}


@pytest.mark.parametrize(
    ("arguments", "end", "said"),
    [
        (["nowhere", "user/demo"], 2, "nowhere"),
        (["ADDRESS", "demo"], 2, 'expected repo_id to be "user/repo"'),
        (["ADDRESS", "user/demo", "--split", "training"], 2, "training"),
        (["ADDRESS", "other/demo"], 3, "status 403"),
    ],
)
def test_how_it_ends(hub, owner, collection, capsys, arguments, end, said):
    assert main(["push", *(collection.address if word == "ADDRESS" else word for word in arguments)]) == end
    out, err = capsys.readouterr()
    assert said in err
    assert "Secret" not in out + err


def test_a_store_that_refuses_ends_with_3(hub, owner, collection, capsys):
    hub.add(Answers(400), "/api/*/commit/*")
    assert main(["push", collection.address, "user/demo"]) == 3
    assert "Calling push again goes on from there" in capsys.readouterr().err

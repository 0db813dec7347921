"""One branch of a repository, as the client sees it."""

import sys

import pytest

huggingface_hub = pytest.importorskip("huggingface_hub")

from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars  # noqa: E402
from misbehaving import Answers, Having  # noqa: E402

from mlstac_hf import MissingExtraError, StoreError  # noqa: E402
from mlstac_hf._push._manifest import Content  # noqa: E402
from mlstac_hf._push._repository import Repository, Target, their_bars_off  # noqa: E402


@pytest.fixture
def repository(hub):
    return Repository(Target(repo_id="user/demo", token=hub.token("user")))


def test_what_is_there_is_seen_page_by_page(hub, repository):
    files = {f"data/{number}.parquet": b"\0%d" % number for number in range(5)} | {"main.json": b"{}"}
    made = hub.add_repository("user/demo", files)
    hub.page = 2
    repository.look()
    assert repository.head == made.at("main").oid
    assert {path for path in repository.files if path != ".gitattributes"} == {*files}
    assert all(repository.holds(path, Content.of(data)) for path, data in files.items())
    assert not repository.holds("main.json", Content.of(b"[]"))
    assert not repository.holds("no.json", Content.of(b"{}"))


def test_looking_makes_nothing(hub, repository):
    repository.look()
    assert (repository.head, repository.files, hub.repositories) == (None, {}, {})


def test_a_branch_that_is_not_there_is_made_once(hub):
    hub.add_repository("user/demo", {"a.txt": b"a"})
    repository = Repository(Target(repo_id="user/demo", revision="next", token=hub.token("user")))
    for _ in range(2):
        repository.look()
        repository.prepare()
    assert repository.head == hub.repositories["user/demo"].at("main").oid
    assert len(hub.asked(".*/branch/.*")) == 1
    assert repository.url == f"{hub.url}/datasets/user/demo/tree/next"


@pytest.mark.parametrize("name", ["user/../demo", "user", "a/b/c", "user/de mo", "", "/b", "../demo", "user/demo\n"])
def test_names_that_are_none(name):
    with pytest.raises(ValueError, match='expected repo_id to be "user/repo"'):
        Target(repo_id=name)


def test_names_that_huggingface_hub_refuses(hub):
    with pytest.raises(ValueError, match=r"user/a--b\.\."):
        Repository(Target(repo_id="user/a--b..", token=hub.token("user"))).look()


def refuse(hub, status, code):
    hub.add(Answers(status), "*/revision/*")
    hub.add(Having({"X-Error-Code": code}), "*/revision/*")


def test_a_gated_repository_that_may_not_be_seen(hub, repository):
    refuse(hub, 403, "GatedRepo")
    with pytest.raises(StoreError, match="user/demo is gated: ask for access on its page"):
        repository.look()


def test_a_repository_that_is_made_and_not_there_yet(hub, repository):
    refuse(hub, 404, "RepoNotFound")
    repository.look()
    with pytest.raises(StoreError, match="was made, and cannot be seen yet"):
        repository.prepare()


def test_without_huggingface_hub(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mlstac-hf\[hf\]'"):
        Repository(Target(repo_id="user/demo"))


@pytest.mark.parametrize("shown", [True, False])
def test_bars_are_left_as_they_were(shown):
    (enable_progress_bars if shown else disable_progress_bars)()
    with their_bars_off():
        assert are_progress_bars_disabled()
    assert are_progress_bars_disabled() is not shown


def test_tokens_are_not_shown():
    assert "hf_secret" not in repr(Target(repo_id="user/demo", token="hf_secret"))

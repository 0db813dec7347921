"""Collections on the Hub: one commit, few requests, the cache that huggingface_hub shares, and no network at all."""

import json
import os
import pickle
import sys

import pytest

pytest.importorskip("huggingface_hub")

import huggingface_hub
from hub_process import run_with_hub
from misbehaving import Answers, Having, Truncate, first, hang_up

from mlstac_hf import CollectionNotFoundError, LinkRefusedError, MissingExtraError, StoreError, load, open_collection
from mlstac_hf._stores import Access, HttpStore, HubStore, _http_client, open_address, open_link

API, FILES, CDN = "/api/.*", "/datasets/.*", "/cdn/.*"


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    """The real retries, without the pauses between them."""
    monkeypatch.setattr(_http_client, "RETRY", _http_client.RETRY.new(backoff_factor=0, backoff_jitter=0))


@pytest.fixture
def repository(hub, collection):
    return hub.add_repository("user/demo", collection.folder)


def same(address, collection, **options):
    """Whether the samples of the train split are those that were made."""
    split = load(address, "numpy", **options)
    made = collection.splits["train"]
    return [sample["input"].tobytes() for sample in split] == [one.shown["input"].tobytes() for one in made]


def open_hub_store(address="user/demo", **access):
    store, _ = open_address(address, Access(**access))
    assert isinstance(store, HubStore)
    return store


# addresses


@pytest.mark.parametrize(
    "address",
    [
        "user/demo",
        "hf://datasets/user/demo",
        "hf://datasets/user/demo@main",
        "hf://datasets/user/demo@main/main.json",
        "URL/datasets/user/demo",
        "URL/datasets/user/demo/",
        "URL/datasets/user/demo/raw/main/main.json",
        "URL/datasets/user/demo/resolve/main/main.json?download=true",
        "URL/datasets/user/demo/blob/main/main.json",
        "URL/datasets/user/demo/tree/main",
    ],
)
def test_every_spelling_is_the_repository(hub, repository, collection, address):
    assert same(address.replace("URL", hub.url), collection)


def test_a_collection_in_a_folder_is_read(hub, collection):
    files = {f"deep/ü 1/{f.relative_to(collection.folder)}": f for f in collection.folder.rglob("*") if f.is_file()}
    hub.add_repository("user/deep", {name: file.read_bytes() for name, file in files.items()})
    assert same("hf://datasets/user/deep/deep/ü 1", collection)
    assert same(f"{hub.url}/datasets/user/deep/raw/main/deep/%C3%BC%201/main.json", collection)


@pytest.mark.parametrize("revision", ["v1", "feature/x", "refs/pr/1", "SHA"])
def test_a_revision_is_a_branch_a_tag_or_a_commit(hub, repository, collection, revision):
    repository.tags["v1"] = repository.branches["feature/x"] = repository.tags["refs/pr/1"] = repository.at("main")
    revision = revision.replace("SHA", repository.at("main").oid)
    repository.commit("main", {"main.json": b"{}", "train/": None})
    assert same("user/demo", collection, revision=revision)
    assert same(f"hf://datasets/user/demo@{revision.replace('/', '%2F')}", collection, revision="main")
    assert same(f"{hub.url}/datasets/user/demo/resolve/{revision.replace('/', '%2F')}/main.json", collection)


def test_a_revision_with_a_slash_need_not_be_quoted_where_it_is_a_reference(hub, repository, collection):
    repository.tags["refs/pr/1"] = repository.at("main")
    assert same("hf://datasets/user/demo@refs/pr/1/main.json", collection)
    assert same(f"{hub.url}/datasets/user/demo/resolve/refs/pr/1/main.json", collection)


def test_without_huggingface_hub_the_line_to_type_is_said_and_urls_are_read_as_any(hub, repository, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mlstac-hf\[hf\]'"):
        open_collection("user/demo")
    store, _ = open_address(f"{hub.url}/datasets/user/demo/raw/main/main.json", Access())
    assert isinstance(store, HttpStore)
    assert store.read("main.json") == repository.at("main").files["main.json"].data


# one commit


def test_a_push_in_the_middle_changes_nothing(repository, collection):
    split = load("user/demo", "numpy")
    repository.commit("main", {"train/": None, "main.json": b"{}"})
    made = collection.splits["train"]
    assert [split[i]["input"].tobytes() for i in range(5)] == [one.shown["input"].tobytes() for one in made]


def test_an_open_collection_stays_at_its_commit_when_opened_again(repository, collection):
    opened = open_collection("user/demo")
    commit = repository.at("main").oid
    repository.commit("main", {"train/": None})
    repository.branches["other"] = repository.at("main")
    assert open_collection(opened, trust_links=True)._origin.store.commit == commit
    assert open_collection(opened, revision="other")._origin.store.commit == repository.at("main").oid


def test_the_commit_is_shown_and_the_content_decides_what_is_new(repository):
    def fingerprint():
        return load("user/demo", "numpy")._source.fingerprint()

    before, commit = fingerprint(), repository.at("main").oid
    assert open_hub_store().url == f"hf://datasets/user/demo@{commit}"
    assert commit in repr(open_hub_store())
    repository.commit("main", {"README.md": b"a card"})
    assert fingerprint() == before
    file = repository.at("main").files["train/0000002.safetensors"]
    repository.commit("main", {"train/0000001.safetensors": file.data})
    assert fingerprint() != before


# requests


def test_one_listing_and_no_head_for_a_file(hub, repository, collection):
    assert same("user/demo", collection)
    assert [request.method for request in hub.requests if request.method != "GET"] == []
    assert len(hub.asked(API)) == 2  # which commit, and what is in train/
    assert len(hub.asked(FILES)) == 6
    assert len(hub.asked(CDN)) == 5  # main.json is text, and lies in git


def test_what_was_read_once_is_not_asked_for_again(hub, repository, collection):
    assert same("user/demo", collection)
    hub.reset_counts()
    assert same("user/demo", collection)
    assert [request.path for request in hub.requests] == ["/api/datasets/user/demo/revision/main"]


def test_long_folders_are_listed_page_by_page(hub, repository, collection):
    hub.page = 2
    assert same("user/demo", collection)
    assert len(hub.asked(".*/tree/.*")) == 3


def test_of_a_container_no_more_is_fetched_than_is_needed(hub, tmp_path):
    store = hub.add_repository("user/large", {"train/a.mlstac": bytes(range(256)) * 40_000})
    with_client = open_hub_store("user/large")
    hub.reset_counts()
    assert with_client.read_range("train/a.mlstac", 255, 258) == b"\xff\0\1"
    assert with_client.read_range("train/a.mlstac", 512, 514) == b"\0\1"
    assert hub.nbytes_sent < 100
    assert len(hub.asked(FILES)) == 1  # the link to where it lies is used again
    assert with_client.stat("train/a.mlstac").nbytes == 256 * 40_000
    assert store.at("main").oid in with_client.url
    hub.signature = "s2"  # the link has expired
    assert with_client.read_range("train/a.mlstac", 0, 2) == b"\0\1"
    assert with_client.read_range("train/a.mlstac", 9, 9) == b""


def test_faults_in_passing_are_waited_out(hub, repository, collection):
    hub.add(Answers(429, "0"), "/api/*", first(2))
    hub.add(Answers(503), "/datasets/*", first(2))
    hub.add(Truncate(50), "/cdn/*", first(1))
    hub.add(hang_up, "/[ad]*", first(1))
    assert same("user/demo", collection)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Having({"Link": '<http://127.0.0.2:1/x>; rel="next"'}), "goes on at another host"),
        (Having({"Link": '</api/datasets/user/demo/tree/main/train>; rel="next"'}), "does not end"),
    ],
)
def test_a_listing_that_leads_astray_is_refused(hub, repository, monkeypatch, reply, message):
    monkeypatch.setattr("mlstac_hf._stores._hub._MAX_PAGES", 3)
    store = open_hub_store()
    hub.add(reply, "*/tree/*")
    with pytest.raises(StoreError, match=message):
        store.list("train")


@pytest.mark.parametrize("answer", [b"no json", b"[]", b'{"sha": "main"}', b"{}"])
def test_what_is_no_hub_is_said(hub, repository, answer):
    hub.add(lambda request, reply: type(reply)(200, answer), "/api/*")
    with pytest.raises(StoreError, match=r"expected (JSON|the hash of a commit)"):
        open_collection("user/demo")


@pytest.mark.parametrize("item", ["x", {"type": "directory", "path": "train/x", "oid": "1"}, {"type": "file"}])
def test_what_is_no_file_of_a_listing_is_passed_over(hub, repository, item):
    hub.add(lambda request, reply: type(reply)(200, json.dumps([item]).encode()), "*/tree/*")
    with pytest.raises(FileNotFoundError):
        open_hub_store().list("train")


# secrets


def test_a_token_goes_to_the_hub_and_to_no_other_host(hub, collection):
    hub.add_repository("user/secret", collection.folder, private=True)
    assert same("user/secret", collection, token=hub.token("user"))
    sent = {"Authorization" in request.headers for request in hub.asked(CDN)}
    assert sent == {False}
    assert {request.headers.get("Authorization") for request in hub.asked(FILES)} == {f"Bearer {hub.token('user')}"}


def test_a_token_of_the_environment_is_used_and_never_shown(hub, collection, monkeypatch):
    hub.add_repository("user/secret", collection.folder, private=True)
    monkeypatch.setenv("HF_TOKEN", hub.token("user"))
    store = open_hub_store("user/secret")
    assert store.list("train")
    shown = [repr(store), store.url, store.web_url, repr(vars(store))]
    hub.add(Answers(500), "*")
    for call in (store.read, lambda path: store.read_range(path, 0, 3)):
        with pytest.raises(StoreError) as caught:
            call("train/0000001.safetensors")
        shown.append(str(caught.value))
    assert "Secret" not in "".join(shown)


def test_a_token_with_a_newline_at_its_end_is_sent_without_it(hub, collection):
    hub.add_repository("user/secret", collection.folder, private=True)
    assert same("user/secret", collection, token=f"{hub.token('user')}\n")
    with pytest.raises(ValueError, match="token: expected printable ASCII") as caught:
        open_hub_store("user/secret", token="hush\nhush")
    assert "hush" not in str(caught.value)


def test_a_stored_token_is_used(hub, collection, tmp_path):
    hub.add_repository("user/secret", collection.folder, private=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text(hub.token("user"))
    code = "import mlstac_hf; print(len(mlstac_hf.load('user/secret', 'numpy')))"
    assert run_with_hub(hub, tmp_path / "home", code) == 5


def test_pickled_stores_read_on(hub, repository, collection):
    store = open_hub_store()
    data = store.read_range("train/0000001.safetensors", 0, 9)
    again = pickle.loads(pickle.dumps(store))
    assert again.commit == store.commit
    assert again.read_range("train/0000001.safetensors", 0, 9) == data
    assert again.stat("train/0000001.safetensors") == store.stat("train/0000001.safetensors")


# what may not be read


def refusal(address, **options):
    with pytest.raises((CollectionNotFoundError, StoreError)) as caught:
        open_collection(address, **options)
    return type(caught.value), str(caught.value)


@pytest.mark.parametrize("code", [True, False])
def test_a_repository_that_is_private_or_not_there(hub, collection, code):
    hub.add_repository("user/secret", collection.folder, private=True)
    if not code:  # as the real one answers whoever has no token
        hub.add(Having({"X-Error-Code": None}), "/api/*")
    for name in ("user/secret", "user/nothing"):
        kind, message = refusal(name)
        assert kind is CollectionNotFoundError
        assert f"no dataset repository '{name}' at {hub.url}, or it is private" in message
        assert "pass token=…, set HF_TOKEN, or log in" in message
    hub.behave()
    assert refusal("user/secret", token=hub.token("stranger"))[0] is CollectionNotFoundError
    kind, message = refusal("user/secret", token="hf_madeUpSecret")
    assert "does not know the token" in message
    assert "madeUp" not in message


def test_a_gated_repository_says_where_to_accept(hub, collection):
    hub.add_repository("user/gated", collection.folder, gated=True, readers={"friend"})
    for token in (None, hub.token("stranger")):
        kind, message = refusal("user/gated", token=token)
        assert kind is StoreError
        assert f"{hub.url}/datasets/user/gated is gated. Accept its terms on that page" in message
    assert same("user/gated", collection, token=hub.token("friend"))


def test_other_refusals_are_told(hub, repository):
    hub.add(lambda request, reply: type(reply)(403, headers={"X-Error-Message": "no right"}), "/api/*")
    assert "403 no right. Does the token have the right" in refusal("user/demo")[1]
    hub.behave()
    hub.add(lambda request, reply: type(reply)(418, b""), "/api/*")
    assert "answers 418" in refusal("user/demo")[1]


def test_no_such_revision_or_main_json(hub, repository):
    kind, message = refusal("user/demo", revision="v9")
    assert kind is CollectionNotFoundError
    assert "has no revision 'v9': expected a branch, a tag" in message
    repository.commit("main", {"main.json": None})
    kind, message = refusal("user/demo")
    assert kind is CollectionNotFoundError
    assert f"expected main.json in hf://datasets/user/demo@{repository.at('main').oid}" in message


def test_a_file_or_folder_that_is_not_there(hub, repository):
    store = open_hub_store()
    for call in (store.read, store.stat, store.list, lambda path: store.read_range(path, 0, 1)):
        with pytest.raises(FileNotFoundError):
            call("nothing/x")
    with pytest.raises(StoreError, match="read only"):
        store.put("x", b"")
    with pytest.raises(LinkRefusedError):
        store.read("../x")


# the cache


def test_what_we_keep_huggingface_hub_finds(hub, repository, collection):
    assert same("user/demo", collection)
    api = huggingface_hub.HfApi(endpoint=hub.url)
    hub.reset_counts()
    for name in ("main.json", "train/0000001.safetensors"):
        found = huggingface_hub.try_to_load_from_cache(
            "user/demo", name, repo_type="dataset", cache_dir=os.environ["HF_HUB_CACHE"]
        )
        with open(found, "rb") as file:
            assert file.read() == (collection.folder / name).read_bytes()
        again = api.hf_hub_download(
            "user/demo", name, repo_type="dataset", local_files_only=True, cache_dir=os.environ["HF_HUB_CACHE"]
        )
        assert again == found
    assert hub.requests == []
    report = huggingface_hub.scan_cache_dir(os.environ["HF_HUB_CACHE"])
    assert ([repo.repo_id for repo in report.repos], report.warnings) == (["user/demo"], [])


def test_what_huggingface_hub_keeps_we_find(hub, repository, collection, monkeypatch):
    huggingface_hub.HfApi(endpoint=hub.url).snapshot_download(
        "user/demo", repo_type="dataset", cache_dir=os.environ["HF_HUB_CACHE"]
    )
    hub.reset_counts()
    assert same("user/demo", collection)
    assert len(hub.requests) == 2  # which commit, and what it holds
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for split in ("validation", "test"):  # never listed by us
        assert len(load("user/demo", "numpy", split=split)) == len(collection.splits[split])
    assert len(hub.requests) == 2


def test_bytes_that_are_not_those_of_the_commit_are_refused(hub, repository):
    store = open_hub_store()
    data = repository.at("main").files["train/0000001.safetensors"].data

    def spoilt(request, reply):
        return type(reply)(200, b"!" + data[1:], reply.headers) if reply.body == data else reply

    hub.add(spoilt, "/cdn/*")
    with pytest.raises(StoreError, match=r"the \d+ bytes that came are not those of that commit"):
        store.read("train/0000001.safetensors")
    assert store.open_local("train/0000001.safetensors") is None


def test_a_mirror_with_names_of_its_own_is_read_and_not_kept(hub, repository, collection):
    hub.add(Having({"X-Linked-Etag": '"mine"', "ETag": '"mine"'}), "/datasets/*")
    assert same("user/demo", collection)
    assert open_hub_store().open_local("main.json") is None


def test_a_disk_that_cannot_be_written_to_is_no_error(hub, repository, collection, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    assert same("user/demo", collection)


def test_a_system_without_links_keeps_the_files_themselves(repository, collection, monkeypatch):
    def refuse(*_):
        raise OSError

    monkeypatch.setattr(os, "symlink", refuse)
    assert same("user/demo", collection)
    descriptor = open_hub_store().open_local("train/0000001.safetensors")
    with open(descriptor, "rb") as file:
        assert file.read() == (collection.folder / "train/0000001.safetensors").read_bytes()


def test_a_store_that_passes_on_keeps_nothing_more(repository, collection):
    store = open_hub_store().passing()
    assert store.at("train").read("0000001.safetensors")
    assert store.at("train").list("")
    assert open_hub_store().open_local("train/0000001.safetensors") is None


# without a network


def test_offline_what_is_here_is_read_and_nothing_is_asked(hub, repository, collection, monkeypatch):
    assert same("user/demo", collection)
    repository.commit("main", {"main.json": b"{}"})
    hub.reset_counts()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert same("user/demo", collection)
    commit = open_hub_store().commit
    assert same("user/demo", collection, revision=commit)
    assert hub.requests == []


def test_offline_what_is_not_here_is_named_and_keeps_its_place(hub, repository, collection, monkeypatch):
    load("user/demo", "numpy")[3]
    hub.reset_counts()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    split = load("user/demo", "numpy")
    assert split[3]["input"].tobytes() == collection.splits["train"][3].shown["input"].tobytes()
    with pytest.raises(StoreError, match=r"train/0000002\.safetensors is needed, but HF_HUB_OFFLINE is set and the"):
        split[1]
    with pytest.raises(StoreError, match="HF_HUB_OFFLINE"):
        open_hub_store().read_range("train/0000002.safetensors", 0, 8)
    assert hub.requests == []


@pytest.mark.parametrize("revision", ["main", "v9", "f" * 40])
def test_offline_a_repository_that_was_never_opened_says_what_to_do(hub, repository, monkeypatch, revision):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(StoreError, match=rf"nothing of user/demo at revision '{revision}' is in .* Unset it and open"):
        open_collection("user/demo", revision=revision)
    assert hub.requests == []


def test_a_reference_on_disk_that_is_no_commit_is_no_reference(hub, repository, monkeypatch):
    cache = os.path.join(os.environ["HF_HUB_CACHE"], "datasets--user--demo", "refs")
    os.makedirs(cache)
    for rubbish in (b"../../x", b"\xff" * 40):
        with open(os.path.join(cache, "main"), "wb") as file:
            file.write(rubbish)
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(StoreError, match="nothing of user/demo"):
            open_collection("user/demo")


# links


@pytest.mark.parametrize(
    ("link", "folder"),
    [
        ("other/", "other"),
        ("ü 1/", "ü 1"),
        ("HUB/datasets/user/demo/resolve/main/other/", "other"),
        ("HUB/datasets/user/demo/raw/main/other", "other"),
        ("hf://datasets/user/demo/other", "other"),
        ("hf://datasets/user/demo@main/other", "other"),
    ],
)
def test_links_to_the_same_repository_stay_at_the_commit(hub, repository, link, folder):
    store = open_hub_store()
    repository.commit("main", {"x": b""})
    linked = open_link(link.replace("HUB", hub.url), store, Access())
    assert linked.url == f"{store.url}/{folder}"


def test_links_to_other_repositories_of_the_hub_are_followed(hub, repository, collection):
    other = hub.add_repository("user/other", collection.folder, private=True)
    access = Access(token=hub.token("user"))
    store, _ = open_address("user/demo", access)
    for link in ("hf://datasets/user/other/train", f"{hub.url}/datasets/user/other/resolve/main/train/"):
        linked = open_link(link, store.passing(), access)
        assert linked.url == f"hf://datasets/user/other@{other.at('main').oid}/train"
        assert (len(linked.list("")), linked.keeps) == (5, False)


@pytest.mark.parametrize("link", ["/etc", "../../../..", "file:///etc", "http://127.0.0.1:1/x", "s3://bucket/x"])
def test_links_that_leave_the_hub_are_judged_as_any(repository, link):
    with pytest.raises(LinkRefusedError):
        open_link(link, open_hub_store(), Access())

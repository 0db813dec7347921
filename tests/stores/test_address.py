"""Everything a user may type where a collection is meant."""

import os
import pathlib

import fsspec
import pytest

from mlstac_hf import CollectionNotFoundError, UnknownNameError, load, open_collection, validate


@pytest.mark.parametrize("kind", ["folder", "folder/", "main", "Path", "relative", "home", "uri", "uri of main"])
def test_a_path_of_the_folder_or_of_main_json_is_the_collection(collection, monkeypatch, kind):
    folder = collection.folder
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    address = {
        "folder": str(folder),
        "folder/": f"{folder}/",
        "main": str(folder / "main.json"),
        "Path": folder,
        "relative": folder.name,
        "home": f"~/{folder.name}",
        "uri": folder.as_uri(),
        "uri of main": (folder / "main.json").as_uri(),
    }[kind]
    assert load(address, "numpy")[4]["input"].tobytes() == collection.splits["train"][4].shown["input"].tobytes()


def test_a_main_json_of_another_name_is_read(collection):
    os.rename(collection.folder / "main.json", collection.folder / "my.json")
    assert open_collection(collection.folder / "my.json").id == "made for a test"
    with pytest.raises(CollectionNotFoundError, match=r"expected main\.json"):
        open_collection(collection.folder)


@pytest.mark.parametrize("end", ["", "/", "/main.json", "/main.json?download=true"])
def test_a_url_of_the_folder_or_of_main_json_is_the_collection(collection, server, end):
    address = f"{server.url}/{collection.folder.name}{end}"
    assert len(load(address, "numpy", split="test")) == 2


def test_an_at_sign_in_a_folder_of_a_url_is_no_login(collection, server):
    collection.folder.rename(collection.folder.parent / "v1@2")
    assert len(load(f"{server.url}/v1@2", "numpy", split="test")) == 2


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?sig=hush", "sig"),
        ("?sv=2024&SIG=hush&se=1#x", "SIG"),
        ("?X-Amz-Credential=hush%2F2026&X-Amz-Signature=hush&x=1", "X-Amz-Credential, X-Amz-Signature"),
        ("?token=hush", "token"),
        ("?api_key=hush&key=hush", "api_key, key"),
    ],
)
def test_credentials_in_the_query_of_a_url_are_refused_as_they_are_not_sent(collection, server, query, names):
    address = f"{server.url}/{collection.folder.name}/main.json{query}"
    with pytest.raises(ValueError, match=rf"found {names}\. Queries are not sent.*Pass token=") as caught:
        load(address, "numpy")
    assert "hush" not in f"{caught.value} {validate(address)}"
    assert not server.requests


def test_any_other_query_of_a_url_is_left_out(collection, server):
    assert len(load(f"{server.url}/{collection.folder.name}?download=true&monkey=1#key=x", "numpy", split="test")) == 2


@pytest.mark.parametrize("login", ["hush", "me:hush", "me:x@hush"])
def test_a_login_in_a_url_is_in_no_message(collection, server, login):
    address = f"{server.url.replace('http://', f'http://{login}@')}/{collection.folder.name}"
    assert len(load(address, "numpy", split="test")) == 2
    with pytest.raises(UnknownNameError) as no_split:
        load(address, "numpy", split="trian")
    with pytest.raises(CollectionNotFoundError) as nothing:
        load(f"{address}/nope", "numpy")
    told = f"{no_split.value} {nothing.value} {validate(address)} {validate(f'{address}/nope')}"
    assert server.url in told
    assert "hush" not in told


@pytest.mark.parametrize("login", ["me:h/hush", "me:h?hush", "me:h#hush", "me:h[hush", "me:123456/hush", "me:h℀hush"])
def test_a_login_that_is_not_escaped_is_refused_and_not_shown(server, login):
    address = f"{server.url.replace('http://', f'http://{login}@')}/folder"
    with pytest.raises(ValueError, match=r"found a login, or a port, that cannot be read.*Escape") as caught:
        load(address, "numpy")
    assert "hush" not in f"{caught.value} {validate(address)}"
    assert not server.requests


@pytest.mark.parametrize("end", ["", "/", "/main.json"])
def test_a_bucket_is_the_collection(collection, end):
    files = fsspec.filesystem("memory")
    files.put(str(collection.folder), "/bucket/inner", recursive=True)
    try:
        split = load(f"memory://bucket/inner{end}", "numpy")
        assert [sample["input"].tobytes() for sample in split] == [
            made.shown["input"].tobytes() for made in collection.splits["train"]
        ]
    finally:
        files.rm("/bucket", recursive=True)


def test_an_open_collection_is_an_address_and_is_not_read_again(collection):
    opened = open_collection(collection.address)
    (collection.folder / "main.json").unlink()
    assert open_collection(opened) is opened
    assert len(load(opened, "numpy")) == 5


def test_an_existing_path_wins_over_a_hub_id(collection, monkeypatch):
    monkeypatch.chdir(collection.folder.parents[0])
    os.makedirs("user")
    os.rename(collection.folder, "user/repo")
    assert open_collection("user/repo").id == "made for a test"


@pytest.mark.parametrize(
    "address",
    [
        "nothing/here/at/all",
        "nothing",
        "/nothing/at/all",
        pathlib.Path("user/repo"),
        "x" * 5000,
        "~nosuchuser/x",
        "a\0b",
        "user/repo/x",
    ],
)
def test_nothing_there_says_what_was_looked_for_and_where(address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CollectionNotFoundError, match=r"looked for.*Expected a path of main\.json"):
        open_collection(address)


@pytest.mark.parametrize("address", ["file:///nothing/here", "memory://nothing"])
def test_nothing_at_a_url_is_the_same_error(address):
    with pytest.raises(CollectionNotFoundError, match=r"no collection at .*main\.json"):
        open_collection(address)


def test_nothing_at_a_server_is_the_same_error(server):
    with pytest.raises(CollectionNotFoundError, match=f"no collection at '{server.url}"):
        open_collection(f"{server.url}/nothing")


def test_a_folder_without_main_json_says_so(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(CollectionNotFoundError, match=r"expected main\.json in"):
        open_collection(tmp_path)


def test_what_is_no_address_is_a_type_error():
    with pytest.raises(TypeError):
        open_collection(3)

"""The link policy: what a collection may lead to."""

import json
import socket

import pytest
from writing import main_json, write_main

from mlstac_hf import LinkRefusedError, StoreError, load
from mlstac_hf._stores import Access, HttpStore, LocalStore, open_link
from mlstac_hf._stores._fsspec import FsspecStore
from mlstac_hf._stores._links import check_host, hub_resolve, scheme_of

PRIVATE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://localhost/",
    "http://0.0.0.0/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://192.0.2.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fd00::1]/",
    "http://[ff02::1]/",
]
PUBLIC = "93.184.215.14"


@pytest.fixture
def names(monkeypatch):
    """Host names and their addresses, as a resolver would answer."""
    known = {}

    def look_up(host, port, *args, **kwargs):
        if host not in known:
            raise socket.gaierror(-2, "Name or service not known")
        kind = lambda address: socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(kind(address), socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.mark.parametrize("url", PRIVATE)
def test_an_address_that_is_not_public_is_refused_however_it_is_written(url):
    with pytest.raises(LinkRefusedError, match="trust_links=True"):
        check_host(url)


def test_a_public_host_is_followed_and_every_address_of_it_is_looked_at(names):
    names["data.example.com"] = [PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]
    names["sly.example.com"] = [PUBLIC, "127.0.0.1"]
    names["mapped.example.com"] = ["::ffff:169.254.169.254"]
    names["scoped.example.com"] = ["fe80::1%eth0"]
    check_host("https://data.example.com/train/")
    for host in ("sly", "mapped", "scoped"):
        with pytest.raises(LinkRefusedError, match="not a public address"):
            check_host(f"https://{host}.example.com/train/")


@pytest.mark.parametrize(
    "url", ["https://nowhere.example.com/", "https://data.example.com:99999/", "https://" + "a" * 64 + ".com/"]
)
def test_a_host_nobody_knows_is_a_store_error(url):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(socket.gaierror(-2, "not known")))
        with pytest.raises(StoreError, match="cannot be looked up"):
            check_host(url)


@pytest.mark.parametrize(
    "url", ["ftp://data.example.com/", "https:///x", "https:x", "//data.example.com/x", "gopher://x"]
)
def test_what_is_no_http_address_is_refused(url):
    with pytest.raises(LinkRefusedError, match="no http"):
        check_host(url)


def test_a_login_is_refused_and_not_repeated():
    with pytest.raises(LinkRefusedError, match="login") as caught:
        check_host("https://me:s3cret@data.example.com/")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("link", "scheme"),
    [
        ("https://x", "https"),
        ("HTTP://x", "http"),
        ("C:\\data", ""),
        ("../x", ""),
        ("file:/x", "file"),
        ("a b:c", ""),
        ("s3://b", "s3"),
    ],
)
def test_a_scheme_is_told_from_a_path(link, scheme):
    assert scheme_of(link) == scheme


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "https://huggingface.co/datasets/u/r/raw/main/main.json",
            "https://huggingface.co/datasets/u/r/resolve/main/main.json",
        ),
        ("https://huggingface.co/datasets/u/r/blob/abc/x", "https://huggingface.co/datasets/u/r/resolve/abc/x"),
        ("https://huggingface.co/datasets/u/r/resolve/main/x", "https://huggingface.co/datasets/u/r/resolve/main/x"),
        ("https://example.com/raw/main/x", "https://example.com/raw/main/x"),
    ],
)
def test_raw_of_the_hub_becomes_resolve(url, expected):
    assert hub_resolve(url) == expected


LOCAL_OUT = [
    "../x",
    "/etc",
    "inside/../../x",
    "file:///etc",
    "file://host/etc",
    "file:/etc",
    "//evil.example.com/x",
    "file:///%2e%2e/etc",
]


@pytest.mark.parametrize("link", LOCAL_OUT)
def test_from_a_folder_a_link_out_of_it_is_refused_unless_trusted(tmp_path, link):
    origin = LocalStore(tmp_path)
    with pytest.raises(LinkRefusedError, match="trust_links=True"):
        open_link(link, origin, Access())
    assert isinstance(open_link(link, origin, Access(trust_links=True)), LocalStore)


def test_from_a_folder_a_symbolic_link_out_of_it_is_refused(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "door").symlink_to(tmp_path)
    with pytest.raises(LinkRefusedError):
        open_link("door/x", LocalStore(tmp_path / "root"), Access())


@pytest.mark.parametrize("link", ["train", "./train/", "a/../train", "{root}/train", "file://{root}/train"])
def test_from_a_folder_a_link_inside_it_is_followed(tmp_path, link):
    store = open_link(link.format(root=tmp_path), LocalStore(tmp_path), Access())
    assert store.url == str(tmp_path / "train")


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:application/octet-stream;base64,AAAA"])
@pytest.mark.parametrize("trusted", [False, True])
def test_what_names_no_folder_is_always_refused(tmp_path, link, trusted):
    with pytest.raises(LinkRefusedError):
        open_link(link, LocalStore(tmp_path), Access(trust_links=trusted))


def test_another_scheme_is_refused_unless_trusted(tmp_path):
    for origin in (LocalStore(tmp_path), HttpStore("http://127.0.0.1:9/x"), FsspecStore("memory://room")):
        with pytest.raises(LinkRefusedError, match="trust_links=True"):
            open_link("memory://elsewhere/train", origin, Access())
        assert open_link("memory://elsewhere/train", origin, Access(trust_links=True)).url == "memory://elsewhere/train"


@pytest.mark.parametrize(
    "link",
    [
        "../x",
        "/etc",
        "a/../../x",
        "file:///etc",
        "memory://room/../secret",
        "memory://room/%2e%2e/x",
        "memory://roomy/x",
    ],
)
def test_from_a_bucket_a_link_out_of_the_folder_is_refused(link):
    with pytest.raises(LinkRefusedError, match="trust_links=True"):
        open_link(link, FsspecStore("memory://room"), Access())


@pytest.mark.parametrize("link", ["chips/train", "./chips/train/", "chips//train", "memory://room/chips/train"])
def test_from_a_bucket_a_link_inside_the_folder_is_followed(link):
    assert open_link(link, FsspecStore("memory://room"), Access()).url == "memory://room/chips/train"


def test_from_a_server_links_on_its_own_host_and_port_are_followed_with_the_token():
    origin = HttpStore("http://127.0.0.1:81/data/set")
    for link, url in {
        "train/": "http://127.0.0.1:81/data/set/train/",
        "../other/": "http://127.0.0.1:81/data/other/",
        "/x": "http://127.0.0.1:81/x/",
        "http://127.0.0.1:81/y/": "http://127.0.0.1:81/y/",
    }.items():
        store = open_link(link, origin, Access(token="hush"))
        assert store.url == url
        assert store._client._headers["Authorization"] == "Bearer hush"


@pytest.mark.parametrize(
    "link", ["http://127.0.0.1:82/x", "//127.0.0.1/x", "http://localhost:81/x", "https://user:pass@127.0.0.1:9/train/"]
)
def test_from_a_server_links_to_another_private_place_are_refused_unless_trusted(link):
    origin = HttpStore("http://127.0.0.1:81/data")
    with pytest.raises(LinkRefusedError):
        open_link(link, origin, Access(token="hush"))
    assert (
        "Authorization"
        not in open_link(
            link.replace("user:pass@", ""), origin, Access(token="hush", trust_links=True)
        )._client._headers
    )


def test_a_public_host_gets_no_token_of_another(names, tmp_path):
    names["data.example.com"] = [PUBLIC]
    for origin in (LocalStore(tmp_path), HttpStore("http://127.0.0.1:81/x")):
        store = open_link("https://data.example.com/datasets/u/r/raw/main/train/", origin, Access(token="hush"))
        assert store.url == "https://data.example.com/datasets/u/r/resolve/main/train/"
        assert "Authorization" not in store._client._headers


def test_from_a_server_a_file_link_is_refused():
    origin = HttpStore("http://127.0.0.1:81/x")
    with pytest.raises(LinkRefusedError, match="leads out"):
        open_link("file:///etc", origin, Access())
    assert isinstance(open_link("file:///etc", origin, Access(trust_links=True)), LocalStore)


@pytest.mark.parametrize(
    "link", ["../../../../etc/", "http://169.254.169.254/", "javascript:alert(1)", "s3://bucket/x", "file:///etc"]
)
def test_a_refused_link_of_one_split_leaves_the_others_readable(collection, link):
    document = main_json({"train": 5, "validation": 3}, links={"test": link}) | {
        "ml:test": {"n_items": 2, "link": link}
    }
    (collection.folder / "test").rename(collection.folder / "hidden")
    write_main(collection.folder, document)
    assert len(load(collection.address, "numpy")) == 5
    with pytest.raises(LinkRefusedError) as caught:
        load(collection.address, "numpy", split="test")
    assert link in str(caught.value)
    assert json.loads((collection.folder / "main.json").read_text())["ml:test"]["link"] == link

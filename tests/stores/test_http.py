"""Files behind http, from a real server on loopback that does everything wrong it can."""

import base64
import pickle

import pytest
from serving import serve_folder

import mlstac_hf
from mlstac_hf import LinkRefusedError, StoreError
from mlstac_hf._stores import HttpStore, _http_client

DATA = bytes(range(256)) * 8
FILE = "/folder/a file ü#1%.bin"
NAME = FILE.removeprefix("/folder/")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    """The real retries, without the pauses between them."""
    monkeypatch.setattr(
        _http_client, "RETRY", _http_client.RETRY.new(backoff_factor=0, backoff_jitter=0, retry_after_max=0)
    )


@pytest.fixture
def served(server, tmp_path):
    (tmp_path / "folder").mkdir()
    tmp_path.joinpath(FILE.lstrip("/")).write_bytes(DATA)
    return server


@pytest.fixture
def store(served):
    return HttpStore(f"{served.url}/folder")


def sent(server, key):
    return [headers.get(key) for _, _, headers in server.requests]


def test_a_file_is_read_whole_or_in_ranges(store):
    assert store.read(NAME) == DATA
    assert store.read_range(NAME, 3, 9) == DATA[3:9]
    assert store.read_range(NAME, 2040, 9999) == DATA[2040:]
    assert store.read_range(NAME, 9999, 10_000) == b""
    assert store.read_range(NAME, 7, 7) == b""


def test_a_range_asks_for_no_more_than_its_bytes(store, served):
    store.read_range(NAME, 3, 9)
    assert sent(served, "Range") == ["bytes=3-8"]


def test_its_size_and_version_are_asked_for_without_reading_it(store, served):
    entry = store.stat(NAME)
    assert (entry.name, entry.nbytes) == (NAME, len(DATA))
    served.folder.joinpath(FILE.lstrip("/")).write_bytes(DATA[1:])
    assert store.stat(NAME).version != entry.version
    assert {method for method, _, _ in served.requests} == {"HEAD"}


def test_a_size_the_server_does_not_say_is_none(store, served):
    served.tricks[FILE] = lambda request: request.answer(200, headers={"Content-Length": "many", "Connection": "close"})
    assert store.stat(NAME).nbytes is None


def test_it_cannot_be_listed_opened_locally_or_written(store):
    assert store.list("train") is None
    assert store.open_local(NAME) is None
    with pytest.raises(StoreError, match="over http"):
        store.put("x", b"")


@pytest.mark.parametrize("status", [403, 404, 410])
def test_what_is_gone_is_a_plain_file_not_found(store, served, status):
    served.tricks[FILE] = lambda request: request.answer(status, b"gone")
    for call in (store.read, store.stat, lambda path: store.read_range(path, 0, 1)):
        with pytest.raises(FileNotFoundError) as caught:
            call(NAME)
        assert caught.type is FileNotFoundError


@pytest.mark.parametrize("path", ["../secret", "/etc/hostname", "a/../../b", "..\\b"])
def test_a_path_that_leads_out_is_refused_before_anything_is_asked(store, served, path):
    with pytest.raises(LinkRefusedError):
        store.read(path)
    assert served.requests == []


@pytest.mark.parametrize(
    ("status", "headers"), [(500, {}), (502, {}), (503, {}), (429, {"Retry-After": "0"}), (504, {})]
)
def test_a_server_that_stumbles_is_asked_again(store, served, status, headers):
    served.tricks[FILE] = lambda request: served.seen[FILE] < 3 and request.answer(status, b"busy", headers)
    assert store.read(NAME) == DATA
    assert served.seen[FILE] == 3


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_that_stays_down_is_a_store_error_after_few_tries(store, served, status):
    served.tricks[FILE] = lambda request: request.answer(status, b"down", {"Retry-After": "0"})
    with pytest.raises(StoreError, match=f"answers {status}"):
        store.read(NAME)
    assert 2 <= served.seen[FILE] <= 10


@pytest.mark.parametrize("status", [400, 405, 418])
def test_another_answer_is_a_store_error_at_once(store, served, status):
    served.tricks[FILE] = lambda request: request.answer(status, b"no")
    with pytest.raises(StoreError, match=f"answers {status}"):
        store.read(NAME)
    assert served.seen[FILE] == 1


def cut(request):
    headers = {"Content-Length": str(len(DATA)), "Connection": "close"}
    request.close_connection = True
    return request.answer(200, DATA[:100], headers)


def test_a_body_that_is_cut_is_fetched_again(store, served):
    served.tricks[FILE] = lambda request: served.seen[FILE] < 3 and cut(request)
    assert store.read(NAME) == DATA


def test_a_body_that_stays_cut_is_never_returned(store, served):
    served.tricks[FILE] = cut
    with pytest.raises(StoreError, match="after retries"):
        store.read(NAME)


def hang_up(request):
    request.close_connection = True
    return True


def test_a_server_that_hangs_up_is_a_store_error(store, served):
    served.tricks[FILE] = hang_up
    with pytest.raises(StoreError, match="after retries"):
        store.read(NAME)


def test_nobody_there_is_a_store_error_that_names_the_host(tmp_path):
    gone = serve_folder(tmp_path)
    gone.stop()
    with pytest.raises(StoreError, match=f"127.0.0.1:{gone.server_port}"):
        HttpStore(gone.url).read("x")


def test_a_server_that_ignores_ranges_gives_the_same_bytes(store, served):
    served.tricks[FILE] = lambda request: request.answer(200, DATA)
    assert store.read_range(NAME, 3, 9) == DATA[3:9]
    assert store.read_range(NAME, 9999, 10_000) == b""


@pytest.mark.parametrize("lie", ["bytes 0-5/2048", "bytes 33-38/2048", "nonsense", ""])
def test_a_content_range_that_was_not_asked_for_is_refused(store, served, lie):
    served.tricks[FILE] = lambda request: request.answer(206, DATA[:6], {"Content-Range": lie} if lie else {})
    with pytest.raises(StoreError, match="asked for bytes"):
        store.read_range(NAME, 3, 9)


def test_a_range_that_is_longer_than_asked_is_cut(store, served):
    served.tricks[FILE] = lambda request: request.answer(206, DATA[3:], {"Content-Range": "bytes 3-2047/2048"})
    assert store.read_range(NAME, 3, 9) == DATA[3:9]


def test_a_redirect_on_the_same_host_is_followed_with_the_token(served):
    served.tricks["/folder/old"] = lambda request: request.answer(
        302, headers={"Location": "a%20file%20%C3%BC%231%25.bin"}
    )
    assert HttpStore(f"{served.url}/folder", token="hush").read("old") == DATA
    assert sent(served, "Authorization") == ["Bearer hush"] * 2


def test_a_redirect_to_a_private_address_is_refused_unless_trusted_and_gets_no_token(served, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "x").write_bytes(b"there")
    other = serve_folder(tmp_path / "there")
    try:
        served.tricks["/folder/x"] = lambda request: request.answer(307, headers={"Location": f"{other.url}/x"})
        with pytest.raises(LinkRefusedError, match=r"127\.0\.0\.1"):
            HttpStore(f"{served.url}/folder", token="hush").read("x")
        assert other.requests == []
        assert HttpStore(f"{served.url}/folder", token="hush", trust_links=True).read("x") == b"there"
        assert sent(other, "Authorization") == [None]
    finally:
        other.stop()


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x"])
def test_a_redirect_to_another_scheme_is_refused(store, served, target):
    served.tricks[FILE] = lambda request: request.answer(302, headers={"Location": target})
    with pytest.raises((LinkRefusedError, StoreError)):
        store.read(NAME)


def test_redirects_without_end_are_a_store_error(store, served):
    served.tricks["*"] = lambda request: request.answer(302, headers={"Location": f"{request.path}x"})
    with pytest.raises(StoreError, match="more than 5 redirects"):
        store.read(NAME)


def test_a_hub_redirect_says_size_and_version_and_is_not_followed_by_stat(store, served):
    linked = {"Location": "https://cdn.example.invalid/x", "X-Linked-Size": "7340032", "X-Linked-ETag": '"abc"'}
    served.tricks[FILE] = lambda request: request.answer(302, headers=linked)
    entry = store.stat(NAME)
    assert entry.nbytes == 7340032
    assert "abc" in entry.version


def test_without_a_token_the_error_says_to_pass_one(served):
    def guarded(request):
        return request.headers.get("Authorization") != "Bearer hush" and request.answer(401, b"who?")

    served.tricks[FILE] = guarded
    with pytest.raises(StoreError, match=r"401.*Pass token="):
        HttpStore(f"{served.url}/folder").read(NAME)
    store = HttpStore(f"{served.url}/folder", token="hush")
    assert store.read(NAME) == DATA
    assert "hush" not in repr(store) + store.url


def test_a_token_with_a_newline_at_its_end_is_sent_without_it(served):
    assert HttpStore(f"{served.url}/folder", token="hush\n").read(NAME) == DATA
    assert sent(served, "Authorization") == ["Bearer hush"]


@pytest.mark.parametrize("name", ["load", "load_dataset", "open_collection", "download", "validate"])
@pytest.mark.parametrize("token", ["hush\nhush", "hush€hush"])
def test_a_token_that_cannot_be_sent_is_refused_before_anything_is_asked(served, tmp_path, name, token):
    if name == "load_dataset":
        pytest.importorskip("datasets")
    arguments = {"load": ["numpy"], "download": [tmp_path / "copy"]}.get(name, [])
    try:
        told = str(getattr(mlstac_hf, name)(f"{served.url}/folder", *arguments, token=token))
    except ValueError as error:
        told = str(error)
    assert "token: expected printable ASCII" in told
    assert "hush" not in told
    assert not served.requests


def test_a_login_is_sent_as_the_text_that_it_is(served):
    url = served.url.replace("http://", "http://me:h€sh@")
    assert HttpStore(f"{url}/folder").read(NAME) == DATA
    assert sent(served, "Authorization") == ["Basic " + base64.b64encode("me:h€sh".encode()).decode()]


def test_a_login_in_the_url_is_sent_and_never_shown(served):
    url = served.url.replace("http://", "http://me%40home:s3cret@")
    store = HttpStore(f"{url}/folder")
    assert store.read(NAME) == DATA
    assert sent(served, "Authorization") == ["Basic " + base64.b64encode(b"me@home:s3cret").decode()]
    served.tricks["*"] = lambda request: request.answer(400)
    with pytest.raises(StoreError) as caught:
        store.read(NAME)
    assert "s3cret" not in str(caught.value) + repr(store) + store.url


def test_raw_of_a_hub_repository_is_read_from_resolve():
    store = HttpStore("https://huggingface.co/datasets/u/r/raw/main/deep/")
    assert store.url == "https://huggingface.co/datasets/u/r/resolve/main/deep/"
    assert HttpStore("https://example.com/raw/main").url == "https://example.com/raw/main/"


def test_a_blank_in_the_folder_of_the_url_is_read(served, tmp_path):
    (tmp_path / "my data").mkdir()
    (tmp_path / "my data" / "x").write_bytes(b"here")
    assert HttpStore(f"{served.url}/my data").read("x") == b"here"
    assert HttpStore(f"{served.url}/my%20data").read("x") == b"here"


@pytest.mark.parametrize("value", ["1", "true", "YES", "on"])
def test_offline_nothing_is_asked(store, served, monkeypatch, value):
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    with pytest.raises(StoreError, match="HF_HUB_OFFLINE"):
        store.read(NAME)
    assert served.requests == []
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert store.read(NAME) == DATA


def test_connections_are_kept_and_a_pickled_store_makes_its_own(store, served):
    assert store.read(NAME) == store.read(NAME) == DATA
    assert len(store._client._pools) == 1
    again = pickle.loads(pickle.dumps(store))
    assert again._client._pools == {}
    assert again.read(NAME) == DATA

"""Connections: which are used again, which end, TLS, and addresses that are none."""

from __future__ import annotations

import random
import shutil
import socket
import ssl
import subprocess

import pytest
from misbehaving import MisbehavingServer, Truncate
from urllib3.exceptions import HTTPError, LocationValueError

from mlstac_hf import StoreError
from mlstac_hf._stores import HttpStore, _http_client, _http_pool
from mlstac_hf._stores._http_client import TIMEOUT

DATA = random.Random(0).randbytes(300_000)


@pytest.fixture
def server(tmp_path):
    (tmp_path / "file.bin").write_bytes(DATA)
    with MisbehavingServer(tmp_path) as running:
        yield running


def test_a_connection_that_ended_meanwhile_is_not_used_again(server):
    pool = _http_pool.Pool()
    for connections in (1, 1, 2):
        response = pool.request("GET", f"{server.url}/file.bin", {}, TIMEOUT)
        assert response.read(1 << 20) == DATA
        _http_pool.give_back(response)
        assert server.connections == connections
        (kept,) = pool._kept.values()
        if len(server.requests) == 2:
            kept[0].sock.shutdown(socket.SHUT_RDWR)


def test_a_body_that_was_cut_ends_its_connection(server):
    server.add(Truncate(10))
    pool = _http_pool.Pool()
    _http_pool.give_back(pool.request("GET", f"{server.url}/file.bin", {}, TIMEOUT))
    assert not any(pool._kept.values())


def test_a_body_that_is_long_and_unread_ends_its_connection(server):
    pool = _http_pool.Pool()
    _http_pool.give_back(pool.request("GET", f"{server.url}/file.bin", {}, TIMEOUT), 1000)
    assert not any(pool._kept.values())


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http:///x", f"http://{'a' * 64}.example/x"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(LocationValueError):
        _http_pool.Pool().request("GET", url, {}, TIMEOUT)


@pytest.mark.parametrize("value", ["hush\n", "h€sh"])
def test_a_header_that_cannot_be_sent_is_not_shown(server, value):
    with pytest.raises(HTTPError, match="the connection broke: ") as caught:
        _http_pool.Pool().request("GET", f"{server.url}/file.bin", {"Authorization": value}, TIMEOUT)
    assert value.strip() not in str(caught.value)


def test_nobody_there_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(HTTPError, match="refused"):
        _http_pool.Pool().request("GET", f"http://127.0.0.1:{port}/x", {}, TIMEOUT)


def test_tls_is_spoken_and_certificates_are_checked(server, tmp_path, monkeypatch):
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2", "-nodes"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", *files, *subject]
    subprocess.run(command, check=True, capture_output=True)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server.socket = theirs.wrap_socket(server.socket, server_side=True)
    monkeypatch.setattr(_http_client, "RETRY", _http_client.RETRY.new(total=0))
    url = f"https://localhost:{server.server_port}"
    with pytest.raises(StoreError, match="CERTIFICATE_VERIFY_FAILED"):
        HttpStore(url).read("file.bin")
    ours = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    monkeypatch.setattr(_http_pool, "_tls", lambda: ours)
    store = HttpStore(url)
    assert store.read("file.bin") == DATA
    assert store.read_range("file.bin", 10, 100_000) == DATA[10:100_000]

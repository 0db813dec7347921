"""The kinds of servers that collections lie on, real ones, four of them behind a proxy that misbehaves when asked to.

S3 is moto's server, Azure is Azurite, http is nginx, each a process on loopback; the Hub is `hub.Hub`, which misbehaves
itself. Google Cloud is an emulator that knows no generations, for writing; `gcs` is for reading. Where one is not
installed, tests that need it are skipped and listed (see `required`).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import pytest
from hub import Hub
from misbehaving import MisbehavingServer
from proxy import Proxy
from required import require

ROOT = Path(__file__).parents[2]
SECRET = "hushWholeSecret/with+odd=chars0123456789"
_AZURE_NAME = "devstoreaccount1"
_AZURE_KEY = "aHVzaC1odXNoLWh1c2gtaHVzaC1odXNoLWh1c2g="
_PATIENCE_S = 60
BUCKET = "room"


@dataclass
class Place:
    """A folder on a server, as its publisher and its readers know it."""

    kind: str
    address: str
    """For readers."""
    front: MisbehavingServer
    """What readers talk to; faults are added here."""
    options: dict[str, Any] = field(default_factory=dict, repr=False)
    """`storage_options`, if any."""
    secrets: tuple[str, ...] = ()
    """What nobody may see."""
    publish: Any = field(default=None, repr=False)
    """Puts files there, a mapping of bytes by path, past the proxy."""

    @property
    def arguments(self) -> dict[str, Any]:
        """For `load` and the like."""
        return {"storage_options": self.options} if self.options else {}

    def put(self, files: Mapping[str, bytes] | Path) -> None:
        """Publish files, or those of a folder."""
        if isinstance(files, Path):
            found = (file for file in files.rglob("*") if file.is_file())
            files = {file.relative_to(files).as_posix(): file.read_bytes() for file in found}
        self.publish(files)


# Processes


@contextmanager
def _running(command: list[str], pattern: str, folder: Path, **environment: str) -> Iterator[str]:
    """A server, and what the first group of `pattern` finds in what it prints."""
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, cwd=folder, env=os.environ | environment
        )
        try:
            latest = time.monotonic() + _PATIENCE_S
            while (match := re.search(pattern, log.read_text(errors="replace"))) is None:
                assert process.poll() is None, f"{command[0]} ended: {log.read_text()[-2000:]}"
                assert time.monotonic() < latest, f"{command[0]} does not start: {log.read_text()[-2000:]}"
                time.sleep(0.05)
            yield match[1]
        finally:
            process.terminate()
            process.wait(_PATIENCE_S)


@contextmanager
def moto_server(folder: Path) -> Iterator[str]:
    """S3: the URL of moto's server."""
    for package in ("s3fs", "moto", "flask", "flask_cors"):
        pytest.importorskip(package)
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with _running(command, r"Running on (http://127\.0\.0\.1:\d+)", folder) as url:
        yield url


def azurite() -> str | None:
    """The command of Azurite, where `make` or the user has installed it."""
    ours = ROOT / ".envs" / "node" / "node_modules" / ".bin" / "azurite-blob"
    return str(ours) if ours.exists() else shutil.which("azurite-blob")


@contextmanager
def azurite_server(folder: Path) -> Iterator[str]:
    """Azure: the URL of Azurite."""
    pytest.importorskip("adlfs")
    command = azurite()
    require(command, "needs Azurite, a server of Azure: make azurite, with npm")
    options = ["--inMemoryPersistence", "--blobHost", "127.0.0.1", "--blobPort", "0"]
    options += ["--disableTelemetry", "--skipApiVersionCheck"]
    accounts = {"AZURITE_ACCOUNTS": f"{_AZURE_NAME}:{_AZURE_KEY}"}
    with _running(
        [str(command), *options], r"listen\w* (?:on|at) (http://127\.0\.0\.1:\d+)", folder, **accounts
    ) as url:
        yield url


@contextmanager
def google_server(folder: Path) -> Iterator[str]:
    """Google Cloud Storage: the URL of an emulator, which has a bucket."""
    for package in ("gcsfs", "gcp_storage_emulator"):
        pytest.importorskip(package)
    port = str(_free_port())
    command = [sys.executable, "-W", "ignore", "-m", "gcp_storage_emulator", "start", "--host", "127.0.0.1"]
    with _running([*command, "--port", port, "--in-memory", "--default-bucket", BUCKET], r"(services) started", folder):
        yield f"http://127.0.0.1:{port}"


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


_NGINX = """
{user}
pid {folder}/nginx.pid;
error_log stderr;
daemon off;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type application/octet-stream;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/files;
    }}
}}
"""


@contextmanager
def nginx_server(folder: Path) -> Iterator[tuple[str, Path]]:
    """http: the URL of nginx, and the folder that it serves."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    require(found, "needs nginx: apt-get install nginx-light")
    (folder / "files").mkdir()
    port = _free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port, user=user))
    command = [
        str(found),
        "-p",
        str(folder),
        "-c",
        str(folder / "nginx.conf"),
        "-e",
        "stderr",
        "-g",
        "error_log stderr notice;",
    ]
    with _running(command, r"start worker (process)", folder):
        yield f"http://127.0.0.1:{port}", folder / "files"


# Places


def _publish_to(files: Any, root: str, content: Mapping[str, bytes]) -> None:
    for name, data in content.items():
        files.pipe_file(f"{root}/{name}", data)


@contextmanager
def s3_place(url: str) -> Iterator[Place]:
    """A folder of a bucket of moto's server."""
    more = {"client_kwargs": {"region_name": "eu-central-1"}}
    keys = {"key": "AKIAhushhushhush", "secret": SECRET}
    files = fsspec.filesystem("s3", endpoint_url=url, use_listings_cache=False, **keys, **more)
    root = f"{BUCKET}/{uuid4().hex}"
    if not files.exists(BUCKET):
        files.mkdir(BUCKET)
    with Proxy(url) as front:
        options = {**keys, "endpoint_url": front.url, **more}
        publish = partial(_publish_to, files, root)
        yield Place("s3", f"s3://{root}", front, options, tuple(keys.values()), publish)


def _connection(url: str) -> str:
    account = f"AccountName={_AZURE_NAME};AccountKey={_AZURE_KEY}"
    return f"DefaultEndpointsProtocol=http;{account};BlobEndpoint={url}/{_AZURE_NAME};"


@contextmanager
def azure_place(url: str) -> Iterator[Place]:
    """A folder of a container of Azurite."""
    files = fsspec.filesystem("abfs", connection_string=_connection(url), use_listings_cache=False)
    root = f"{BUCKET}/{uuid4().hex}"
    if not files.exists(BUCKET):
        files.mkdir(BUCKET)
    with Proxy(url) as front:
        options = {"connection_string": _connection(front.url)}
        publish = partial(_publish_to, files, root)
        yield Place("azure", f"abfs://{root}", front, options, (_AZURE_KEY,), publish)


@contextmanager
def http_place(url: str, folder: Path) -> Iterator[Place]:
    """A folder that nginx serves."""
    name = uuid4().hex

    def publish(files: Mapping[str, bytes]) -> None:
        for path, data in files.items():
            (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / name / path).write_bytes(data)

    with Proxy(url) as front:
        yield Place("http", f"{front.url}/{name}/main.json", front, publish=publish)


@contextmanager
def hub_place(hub: Hub) -> Iterator[Place]:
    """A repository of a local Hub."""
    pytest.importorskip("huggingface_hub")
    hub.add_repository("user/room", {".gitattributes": b""})

    def publish(files: Mapping[str, bytes]) -> None:
        hub.repositories["user/room"].commit("main", dict(files))

    yield Place("hub", "user/room", hub, publish=publish)

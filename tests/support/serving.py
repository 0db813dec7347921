"""A real http server on loopback, in a thread: ranges, redirects, tokens, and everything that goes wrong."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

Trick = Callable[["Handler"], bool]
"""Answers a request itself and says True, or leaves it to the folder."""


class Handler(BaseHTTPRequestHandler):
    """Serves a folder; `server.tricks` answer first, by path."""

    protocol_version = "HTTP/1.1"
    server: Server

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> bool:
        """Send a whole response."""
        headers = {"Content-Length": str(len(body))} | (headers or {})
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return True

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        server = self.server
        with server.lock:
            server.requests.append((self.command, path, {key.title(): value for key, value in self.headers.items()}))
            server.seen[path] += 1
        trick = server.tricks.get(path) or server.tricks.get("*")
        if trick is None or not trick(self):
            self._serve(path)

    do_HEAD = do_GET

    def _serve(self, path: str) -> None:
        file = self.server.folder.joinpath(path.lstrip("/"))
        if not file.is_file():
            self.answer(404, b"not here")
            return
        data = file.read_bytes()
        tag = {"ETag": f'"{len(data)}-{file.stat().st_mtime_ns}"', "Accept-Ranges": "bytes"}
        asked = self.headers.get("Range")
        if not asked:
            self.answer(200, data, tag)
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, stop = int(first), min(int(last) + 1, len(data)) if last else len(data)
        if start >= len(data):
            self.answer(416, b"", tag | {"Content-Range": f"bytes */{len(data)}"})
            return
        self.answer(206, data[start:stop], tag | {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A folder on loopback; keeps what it was asked."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.tricks: dict[str, Trick] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.seen: Counter[str] = Counter()
        self.lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


def serve_folder(folder: Path) -> Server:
    """Serve a folder until `stop()` is called."""
    return Server(folder)

"""An http proxy in front of a real server that misbehaves where a test asks it to, as `MisbehavingServer` does.

    with Proxy("http://127.0.0.1:8080") as proxy:
        proxy.add(Truncate(100), "*/file", first(1))
        ...

A request is forwarded as it came, Host and signatures and all; its answer is the `Reply` that faults are applied to.
"""

from __future__ import annotations

import http.client
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from misbehaving import MisbehavingServer, Reply, Request

_OF_THE_LINE = ("Transfer-Encoding", "Connection", "Keep-Alive", "Expect", "Content-Length")


class Proxy(MisbehavingServer):
    """The proxy.

    Args:
        upstream: URL of the server, without a path.
    """

    def __init__(self, upstream: str) -> None:
        super().__init__(Path("/nowhere"))
        self._netloc = urlsplit(upstream).netloc

    def reply(self, request: Request) -> Reply:
        connection = http.client.HTTPConnection(self._netloc, timeout=30)
        try:
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name not in _OF_THE_LINE:
                    connection.putheader(name, value)
            if request.body or request.method in ("PUT", "POST"):
                connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body or None)
            answer = connection.getresponse()
            headers = {name.title(): value for name, value in answer.getheaders()}
            body = answer.read()
        finally:
            connection.close()
        kept = {name: value for name, value in headers.items() if name not in _OF_THE_LINE}
        if request.method == "HEAD" and "Content-Length" in headers:
            kept["Content-Length"] = headers["Content-Length"]
        return Reply(answer.status, body, kept)


def as_whole(data: bytes):
    """A fault: 200 and all of the file, which is `data`, whatever range is asked for."""

    def fault(request: Request, reply: Reply) -> Reply:
        if reply.status not in (206, 416):
            return reply
        return replace(reply, status=200, body=data).having(Content_Range=None)

    return fault

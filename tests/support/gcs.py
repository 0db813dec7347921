"""The JSON API of Google Cloud Storage on loopback, as far as gcsfs asks for it to read one bucket."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from misbehaving import MisbehavingServer, Reply, Request, ranged_reply, whole_reply

_OBJECT = re.compile(r"(?:/download)?/storage/v1/b/([^/]+)/o/(.+)")


class GoogleStorage(MisbehavingServer):
    """The server.

    Attributes:
        bucket: name of the only one there is.
        objects: content by name.
    """

    def __init__(self, bucket: str) -> None:
        super().__init__(Path("/nowhere"))
        self.bucket = bucket
        self.objects: dict[str, bytes] = {}

    def reply(self, request: Request) -> Reply:
        parts = urlsplit(request.target)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        if parts.path == f"/storage/v1/b/{self.bucket}/o":
            return self._listing(query)
        match = _OBJECT.fullmatch(parts.path)
        name = unquote(match[2]) if match and match[1] == self.bucket else ""
        if name not in self.objects:
            return _json({"error": {"code": 404, "message": "not found"}}, 404)
        if query.get("alt") != "media":
            return _json(self._facts(name))
        said = {"X-Goog-Generation": self._facts(name)["generation"]}
        return ranged_reply(whole_reply(self.objects[name]).having(**said), request.range)

    def _facts(self, name: str) -> dict[str, str]:
        data = self.objects[name]
        generation = str(int(hashlib.sha256(data).hexdigest()[:12], 16))
        times = dict.fromkeys(("updated", "timeCreated"), "2020-01-01T00:00:00.000Z")
        facts = {"kind": "storage#object", "name": name, "bucket": self.bucket, "size": str(len(data))}
        return {**facts, **times, "generation": generation, "contentType": "application/octet-stream"}

    def _listing(self, query: dict[str, str]) -> Reply:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        names = sorted(name for name in self.objects if name.startswith(prefix))
        inside = [name for name in names if not delimiter or delimiter not in name.removeprefix(prefix)]
        folders = {prefix + name.removeprefix(prefix).partition("/")[0] + "/" for name in names if name not in inside}
        items = [self._facts(name) for name in inside]
        return _json({"kind": "storage#objects", "items": items, "prefixes": sorted(folders)})


def _json(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

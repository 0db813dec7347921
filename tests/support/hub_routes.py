"""How the local Hub finds what answers a request, and how it refuses one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from misbehaving import Reply

ROUTES: list[tuple[str, re.Pattern[str], Callable[..., Reply]]] = []
_REPO = r"(?P<repo>[^/]+/[^/]+?)"


def route(methods: str, pattern: str) -> Callable[[Callable[..., Reply]], Callable[..., Reply]]:
    """Say which requests a method answers: `{repo}` is two parts of a path, `{name}` is one, `{*path}` is the rest."""
    pattern = pattern.replace("{repo}", _REPO).replace("{*path}", "(?P<path>.+)")
    expression = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern))

    def add(answer: Callable[..., Reply]) -> Callable[..., Reply]:
        ROUTES.extend((method, expression, answer) for method in methods.split())
        return answer

    return add


class Refusal(Exception):
    """Ends an answer early."""

    def __init__(self, status: int, code: str, message: str) -> None:
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        if status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="Authentication required", charset="UTF-8"'
        self.reply = json_reply({"error": message}, status).having(**headers)


def json_reply(value: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8"})

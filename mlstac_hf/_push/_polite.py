"""Asking the Hub again: when, after how long, and when not at all.

Owns: which failures pass by themselves, how long is waited, what a refusal means for the user. Leaves to others: what
is asked (`_repository`).

`huggingface_hub` asks some requests again itself, five times within 23 seconds; which ones depends on its version, and
it offers no way to say otherwise. What gets here has outlived that, or was never asked again. Both pause longer each
time, so the worst case is 48 requests within half an hour, not 48 at once.
"""

from __future__ import annotations

import json
import logging
import random
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import urllib3

from mlstac_hf._errors import StoreError

PATIENCE_S = 1800.0
"""Waited for one request, in all."""
MAX_TRIES = 8
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 120.0
"""Where the Hub does not say how long."""
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_TRANSPORTS = {"requests": "RequestException", "httpx": "TransportError", "httpx2": "TransportError"}
"""Below huggingface_hub 0.x, 1.x and 2.x, and what they raise where no answer came."""
_LONGEST = 300
"""Characters of what a server says."""

_logger = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")


def patiently(ask: Callable[[], _Answer], doing: str, endpoint: str, stop: threading.Event) -> _Answer:
    """Ask, and ask again while it fails in a way that passes.

    Args:
        ask: may be called several times.
        doing: what it does, for messages.
        endpoint: of the Hub; what another host refuses is asked anew, as its links expire.
        stop: ends the waiting.

    Raises:
        StoreError: it went on failing.
        Exception: what `ask` raises that does not pass.
    """
    waited, tries = 0.0, 0
    while True:
        try:
            return ask()
        except Exception as error:
            cause = _cause(error)
            if not passes(cause, endpoint):
                raise
            tries += 1
            wait = wait_after(cause, tries)
            if tries >= MAX_TRIES or waited + wait > PATIENCE_S:
                times = "time" if tries == 1 else "times"
                asked = f" It asks to wait {wait:.0f} s." if wait > LONGEST_WAIT_S else ""
                raise StoreError(
                    f"{doing}: failed {tries} {times}, {waited:.0f} s of waiting between them, last with "
                    f"{said_by(cause)}.{asked}"
                ) from None
            _logger.info("%s: %s; asked again in %.1f s", doing, said_by(cause), wait)
            if stop.wait(wait):
                raise StoreError(f"{doing}: broken off") from None
            waited += wait


def passes(error: BaseException, endpoint: str) -> bool:
    """Whether asking again may help."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return False
    response = getattr(error, "response", None)
    if response is not None:
        status = response.status_code
        elsewhere = urlsplit(str(response.url)).netloc != urlsplit(endpoint).netloc
        return elsewhere or status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    # no answer, or one that is cut short or no JSON at all; hf_xet tells of its transfers by RuntimeError
    dropped = (ConnectionError, TimeoutError, json.JSONDecodeError, RuntimeError, *_transport_errors())
    return isinstance(error, dropped)


def wait_after(error: BaseException, tries: int) -> float:
    """Seconds to wait after so many tries: what the server asks for, else twice as long each time, with jitter."""
    response = getattr(error, "response", None)
    asked = _asked_wait(response.headers) if response is not None else None
    grown: float = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (tries - 1)) * random.uniform(0.5, 1)  # noqa: S311 - no secret
    return grown if asked is None else asked + grown / 10


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Of Retry-After, in seconds or as a date, and of the Hub's RateLimit; the longer one."""
    from huggingface_hub import utils

    waits = []
    limits_of = getattr(utils, "parse_ratelimit_headers", None)  # since huggingface_hub 1.0
    limit = limits_of(headers) if limits_of is not None else None
    if limit is not None and not limit.remaining:
        waits.append(float(limit.reset_in_seconds))
    with suppress(KeyError, urllib3.exceptions.HTTPError, ValueError, OverflowError):  # none, or nobody can read it
        waits.append(urllib3.Retry().parse_retry_after(headers["Retry-After"]))
    return max(waits, default=None)


def _cause(error: BaseException) -> BaseException:
    """What failed below: uploads to LFS wrap it."""
    from huggingface_hub.errors import HfHubHTTPError

    below = error.__cause__
    wraps = isinstance(error, RuntimeError) and isinstance(below, (HfHubHTTPError, *_transport_errors()))
    return below if wraps and below is not None else error


def _transport_errors() -> tuple[type[BaseException], ...]:
    return tuple(getattr(sys.modules[name], kind) for name, kind in _TRANSPORTS.items() if name in sys.modules)


def said_by(error: BaseException) -> str:
    """What a failure says, in short, and without links and their signatures."""
    response: Any = getattr(error, "response", None)
    if response is None:
        text = re.sub(r"https?://\S+", "the server", str(error))
        return f"{type(error).__name__}: {' '.join(text.split())[:_LONGEST]}"
    message = getattr(error, "server_message", None) or getattr(response, "reason", "") or ""
    return f"status {response.status_code} ({' '.join(str(message).split())[:_LONGEST]})"


@contextmanager
def refusals_told(doing: str, repo_id: str) -> Iterator[None]:
    """Say in our words what does not pass.

    Args:
        doing: what was asked.
        repo_id: of the repository.

    Raises:
        StoreError: the Hub refused.
    """
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled:
        raise StoreError(f"{doing}: HF_HUB_OFFLINE is set, and a push needs the Hub. Unset it") from None
    except HfHubHTTPError as error:
        raise StoreError(f"{doing}: the Hub answers {said_by(error)}. {_advice(error, repo_id)}".rstrip()) from None
    except (StoreError, ValueError):  # ours; a name or a card that the Hub does not take
        raise
    except Exception as error:  # noqa: BLE001 - hf_xet has errors of its own
        raise StoreError(f"{doing}: {said_by(error)}") from None


def _advice(error: Any, repo_id: str) -> str:
    from huggingface_hub.errors import GatedRepoError

    if isinstance(error, GatedRepoError):
        return f"{repo_id} is gated: ask for access on its page, or push to a repository of your own."
    match error.response.status_code if error.response is not None else None:
        case HTTPStatus.UNAUTHORIZED:
            return (
                "Pass token=… (a token with write permission), set HF_TOKEN, or log in with: hf auth login. "
                "A token that worked before may have expired."
            )
        case HTTPStatus.FORBIDDEN:
            return f"This token may not write to {repo_id}: use one with write permission, of one of its owners."
        case HTTPStatus.NOT_FOUND:
            return f"There is no {repo_id}, or this token may not see it: check the name, and whose token it is."
    return ""

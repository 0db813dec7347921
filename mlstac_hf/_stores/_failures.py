"""What a failure of an fsspec filesystem means: each brings errors of its own, of several packages.

Owns: which failures pass, what a server said of waiting, what a user can do about it. Leaves to others: asking again
(`_fsspec`), what must not be seen (`_secrets`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import urllib3

_PASSING = {
    "builtins.ConnectionError",
    "builtins.TimeoutError",
    "aiohttp.client_exceptions.ClientError",
    "aiohttp.http_exceptions.HttpProcessingError",
    "azure.core.exceptions.IncompleteReadError",
    "azure.core.exceptions.ServiceRequestError",
    "azure.core.exceptions.ServiceResponseError",
    "botocore.exceptions.FlexibleChecksumError",
    "botocore.exceptions.HTTPClientError",
    "botocore.exceptions.IncompleteReadError",
    "botocore.parsers.ResponseParserError",
    "http.client.HTTPException",
    "mlstac_hf._stores._http_checks.CutShortError",
    "requests.exceptions.ConnectionError",
    "requests.exceptions.Timeout",
}
"""Classes of errors, where no answer came or only part of one. The packages may not be there."""
_NO_CREDENTIALS = {"botocore.exceptions.NoCredentialsError"}
_STATUSES = (429, 500, 502, 503, 504)
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_MOST_CAUSES = 10
_MOST_TEXT = 300

_ADVICE = {
    "s3": (
        'Pass storage_options={"key": …, "secret": …} or {"profile": …}, or set AWS_ACCESS_KEY_ID and '
        'AWS_SECRET_ACCESS_KEY; a public bucket takes storage_options={"anon": True}.'
    ),
    "azure": (
        'Pass storage_options={"account_name": …, "account_key": …}, or its sas_token or connection_string, or set '
        "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY; a public container takes "
        'storage_options={"account_name": …, "anon": True}.'
    ),
    "gcs": (
        'Pass storage_options={"token": "key.json"}, or set GOOGLE_APPLICATION_CREDENTIALS; a public bucket takes '
        'storage_options={"token": "anon"}.'
    ),
}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What is to be known of an error, without the error, which may hold secrets."""

    text: str = field(repr=False)
    status: int | None
    """The server's, where there is one."""
    headers: Mapping[str, str] = field(repr=False)
    passes: bool
    """The same request may succeed a little later."""
    refused: bool
    """It takes credentials, or others."""
    has_no_credentials: bool

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """What an error says."""
        chain = tuple(_chain(error))
        kinds = {f"{kind.__module__}.{kind.__qualname__}" for one in chain for kind in type(one).__mro__}
        status, headers = next(filter(None, map(_answer, chain)), (None, {}))
        has_no_credentials = not kinds.isdisjoint(_NO_CREDENTIALS)
        return cls(
            text=f"{type(error).__name__}: {_first_line(error)}",
            status=status,
            headers=headers,
            passes=status in _STATUSES or (status is None and not kinds.isdisjoint(_PASSING)),
            refused=status in _REFUSED or isinstance(error, PermissionError) or has_no_credentials,
            has_no_credentials=has_no_credentials,
        )

    def response(self) -> urllib3.BaseHTTPResponse:
        """What the server said, as far as waiting goes."""
        return urllib3.HTTPResponse(status=self.status or 0, headers=dict(self.headers))

    def advice(self, family: str) -> str:
        """What to do about it."""
        if not self.refused:
            return ""
        return f" {_ADVICE.get(family, 'Pass the credentials that it takes in storage_options.')}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it."""
    for _ in range(_MOST_CAUSES):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:_MOST_TEXT] if lines else "no answer in time" if isinstance(error, TimeoutError) else ""


def _answer(error: BaseException) -> tuple[int, Mapping[str, str]] | None:
    """Status and headers of the answer that an error of botocore, azure, aiohttp or gcsfs is about."""
    if type(error).__module__ == "aiohttp.http_exceptions":  # their code is what a server would say of such a message
        return None
    response: Any = getattr(error, "response", None)
    if isinstance(response, Mapping):
        said = response.get("ResponseMetadata", {})
        status, headers = said.get("HTTPStatusCode"), said.get("HTTPHeaders", {})
    else:
        found = (str(getattr(error, name, "")) for name in ("status_code", "status", "code"))
        status = next((int(one) for one in found if re.fullmatch("[1-5][0-9][0-9]", one)), None)
        headers = getattr(response, "headers", None) or getattr(error, "headers", None) or {}
    if not isinstance(status, int) or status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    return status, {str(key): str(value) for key, value in dict(headers).items()}

"""What the Hub says when it does not give what was asked for, as our errors.

Owns: the codes of its errors, and what to do about each. Leaves to others: asking (`_http_client`).
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from mlstac_hf._errors import CollectionNotFoundError, StoreError
from mlstac_hf._stores._http_checks import bare, check_status
from mlstac_hf._stores._http_pool import Response

_LOGIN = "pass token=…, set HF_TOKEN, or log in with: hf auth login"


@dataclass(frozen=True)
class HubCheck:
    """Refuses answers about one repository, in place of `check_status`."""

    endpoint: str
    repository: str
    revision: str

    def __call__(self, response: Response, method: str, url: str, path: str, *expected: int) -> None:
        """Refuse an answer that is none of those expected.

        Raises:
            FileNotFoundError: the file or folder is not there.
            CollectionNotFoundError: no such repository or revision.
            StoreError: it may not be read, or anything else.
        """
        if response.status in expected:
            return
        code, said = (response.headers.get(name, "") for name in ("X-Error-Code", "X-Error-Message"))
        place = f"{self.endpoint}/datasets/{self.repository}"
        if response.status == HTTPStatus.UNAUTHORIZED and said.startswith("Invalid credentials"):
            raise StoreError(f"{place}: the Hub does not know the token that was sent. Make a new one, and {_LOGIN}.")
        # whoever sends no token is told 401, and no code, of what is private and of what does not exist
        if code == "RepoNotFound" or (response.status == HTTPStatus.UNAUTHORIZED and not code):
            raise CollectionNotFoundError(
                f"no dataset repository {self.repository!r} at {self.endpoint}, or it is private. Check its name; "
                f"if it is private, {_LOGIN}, with a token that may read it."
            )
        if code == "RevisionNotFound":
            raise CollectionNotFoundError(
                f"{place} has no revision {self.revision!r}: expected a branch, a tag, or the 40 digits of a commit"
            )
        if code == "GatedRepo":
            raise StoreError(f"{place} is gated. Accept its terms on that page, then {_LOGIN}.")
        if code == "EntryNotFound":
            raise FileNotFoundError(path)
        if response.status == HTTPStatus.FORBIDDEN and "X-Error-Message" in response.headers:
            raise StoreError(
                f"{method} {bare(url)}: the Hub answers 403 {said[:200]}. Does the token have the right to read it?"
            )
        check_status(response, method, url, path, *expected)

"""What a check is: it sees every split, then every sample of it, then the end, and says what it finds.

Owns: the order of these calls, and the border where a check's own faults stop. Leaves to others: what they look for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, ParamSpec

from mlstac_hf._errors import MLSTACError
from mlstac_hf._spec import Collection
from mlstac_hf._validate._findings import Findings
from mlstac_hf._validate._report import Distance, Place
from mlstac_hf._validate._scan import Part, Seen

P = ParamSpec("P")


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What all checks of one validation share.

    Attributes:
        collection: an open one.
        findings: where they say what they find.
        distances: between splits, once they are known.
        deep: whether pixels are read.
    """

    collection: Collection
    findings: Findings
    distances: list[Distance]
    deep: bool


class Check:
    """One family of checks; what a subclass does not look at, it leaves as it is here."""

    name: ClassVar[str]

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self.collection, self.say = survey.collection, survey.findings.say

    def begin(self) -> None:
        """Before any split."""

    def split(self, part: Part) -> None:
        """A split that was opened; its samples follow."""

    def sample(self, part: Part, seen: Seen) -> None:
        """A sample that can be read."""

    def split_end(self, part: Part) -> None:
        """All samples of a split were seen."""

    def end(self) -> None:
        """All splits were seen."""

    def guarded(self, method: Callable[P, None], place: Place, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call one of the above; whatever goes wrong in it is a finding, and the other checks go on."""
        try:
            method(*args, **kwargs)
        except MLSTACError as error:
            self.survey.findings.error(error, place)
        except Exception as error:  # noqa: BLE001 - nothing a collection holds may end a validation
            self.say("E999", f"{self.name}: {type(error).__name__}: {error}", place)

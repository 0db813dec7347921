"""Tensors of a split against each other, against other splits, and against what main.json says of them.

Owns: dtypes, shapes and which tensors there are. Leaves to others: values (`_check_targets`), metadata.
"""

from __future__ import annotations

from typing import Any

from mlstac_hf._reading import SampleHead
from mlstac_hf._spec import check_planes
from mlstac_hf._validate._check import Check
from mlstac_hf._validate._findings import Tally
from mlstac_hf._validate._scan import Part, Seen

_TEXT = "text"


class _Form:
    """What the samples of one split look like."""

    def __init__(self) -> None:
        self.columns = Tally()
        self.dtypes: dict[str, Tally] = {}
        self.axes: dict[str, Tally] = {}
        self.shapes: dict[str, Tally] = {}

    def add(self, seen: Seen, head: SampleHead) -> None:
        self.columns.add(tuple(sorted(head.columns)), seen.place)
        for name in head.columns:
            tensor = None if name in head.texts else head.tensors[name]
            dtype = _TEXT if tensor is None else tensor.dtype.name
            self.dtypes.setdefault(name, Tally()).add(dtype, seen.place)
            if tensor is not None:
                self.axes.setdefault(name, Tally()).add(len(tensor.shape), seen.place)
                self.shapes.setdefault(name, Tally()).add(tensor.shape, seen.place)

    @property
    def usual(self) -> dict[str, str]:
        """Dtype and number of axes by column, in words."""
        found, columns = {}, self.columns.usual
        for name in columns if isinstance(columns, tuple) else ():
            axes = self.axes[name].usual if name in self.axes else None
            dtype = self.dtypes[name].usual
            found[name] = str(dtype) if axes is None else f"{dtype} of {axes} axes"
        return found


class TensorCheck(Check):
    """See the module."""

    name = "tensors"

    def __init__(self, survey: Any) -> None:
        super().__init__(survey)
        self._forms: dict[str, _Form] = {}

    def sample(self, part: Part, seen: Seen) -> None:
        """Headers are compared; of containers, where payloads are opened."""
        if seen.head is None:
            return
        self._forms.setdefault(part.name, _Form()).add(seen, seen.head)
        self._schema(seen, seen.head)
        self._bands(part, seen, seen.head)

    def _schema(self, seen: Seen, head: SampleHead) -> None:
        for name, schema in (self.collection.annotations.tensors or {}).items():
            if name in head.texts:
                continue
            tensor = head.tensors.get(name)
            if tensor is None:
                self.say("E315", f"mlhf:schema has {name!r}, the sample has none", seen.place)
                continue
            found = f"{tensor.dtype.name} {tuple(tensor.shape)}"
            fits = len(tensor.shape) == len(schema.shape) and all(
                expected is None or expected == size for expected, size in zip(schema.shape, tensor.shape, strict=True)
            )
            if tensor.dtype.name != schema.dtype or not fits:
                expected = f"{schema.dtype} ({', '.join('?' if size is None else str(size) for size in schema.shape)})"
                self.say("E315", f"{name!r}: mlhf:schema says {expected}, the sample has {found}", seen.place)

    def _bands(self, part: Part, seen: Seen, head: SampleHead) -> None:
        tensor = head.tensors.get("input")
        if tensor is None or "input" in head.texts:
            return
        if (
            part.containers is not None
            and not self.collection.annotations.target_planes
            and "target" not in head.columns
        ):
            return  # some of its planes may be the target
        fault = check_planes(self.collection, tensor.shape)
        if fault:
            self.say("W316", fault, seen.place)

    def split_end(self, part: Part) -> None:
        """Those few that differ from the many."""
        form = self._forms.get(part.name)
        if form is None:
            return
        self._drift("E311", "expected the tensors {usual}, as most samples have, found {value}", form.columns)
        for name, tally in form.dtypes.items():
            self._drift("E310", f"{name!r} is {{value}}, {{usual}} in most samples", tally)
        for name, tally in form.axes.items():
            self._drift("W312", f"{name!r} has {{value}} axes, {{usual}} in most samples", tally)
        for name, tally in form.shapes.items():
            if len(tally.counts) > 1:
                few = ", ".join(str(shape) for shape in list(tally.counts)[:3])
                many = f"{len(tally.counts)} or more" if tally.is_full else str(len(tally.counts))
                message = f"{name!r} has {many} shapes, such as {few}"
                self.say("N313", message, part.place())

    def _drift(self, code: str, message: str, tally: Tally) -> None:
        usual = _words(tally.usual)
        for value, count, places in tally.others():
            for place in places:
                self.say(code, message.format(value=_words(value), usual=usual), place)
            self.survey.findings.more(code, count - len(places))

    def end(self) -> None:
        """Splits against the first of them."""
        (first, form), *others = self._forms.items() or (("", _Form()),)
        expected = form.usual
        for name, other in others:
            found = other.usual
            for column in dict.fromkeys([*expected, *found]):
                a, b = expected.get(column, "absent"), found.get(column, "absent")
                if a != b:
                    self.say("W314", f"{column!r} is {a} in {first}, {b} in {name}")


def _words(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)

"""`SearchSpace`: all architectures that a space file allows."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from nasearch.errors import SpaceError, did_you_mean
from nasearch.space.architecture import Architecture
from nasearch.space.assemble import assemble, limited_blocks
from nasearch.space.choices import Choice, choices_of, resolve
from nasearch.space.language import expand, read_space
from nasearch.space.options import Scalar
from nasearch.space.reader import Document, parse_yaml, read_yaml
from nasearch.space.slots import Slot, slots_of

_PACKAGE = Path(__file__).resolve().parents[1]


def builtin_folder() -> Path:
    """Where the built-in space files lie: inside an installed package, or beside it in a checkout."""
    shipped = _PACKAGE / "search_spaces"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "search_spaces"


def _builtin_file(name: str) -> Path | None:
    return builtin_folder() / f"{name}.yaml" if name in builtin_names() else None


def builtin_names() -> tuple[str, ...]:
    """The names that `SearchSpace.load` knows without a path."""
    return tuple(sorted(path.stem for path in builtin_folder().glob("*.yaml")))


class SearchSpace:
    """All architectures that a space file allows. Build one with `load` or `parse`.

    Attributes:
        name: the file's `name`, or its stem.
        about: one line on what the space is for.
        limits: canonical texts such as `macs <= 30M`, which a study adds to its own.
        block_limits: bounds of single blocks, which hold where such a block stands.
        size: the exact number of distinct assignments of active choices.
        text: the space as one canonical text, `extends` and `include` put in their places; two spaces
            are the same when their texts are.
    """

    def __init__(self, document: Document, name: str) -> None:
        document = expand(document, _builtin_file)
        read = read_space(document)
        self._template, self.limits, self.block_limits = read.template, read.limits, read.block_limits
        self.size = read.size
        self.name = str(document.data.get("name", name))
        self.about = str(document.data.get("about", ""))
        described = {
            key: value for key, value in document.data.items() if key not in ("name", "about", "limits")
        }
        self.text = json.dumps(described, sort_keys=True, separators=(",", ":"))

    @classmethod
    def load(cls, name_or_path: str | Path) -> SearchSpace:
        """Read a built-in space by name, or a YAML file by path.

        Raises:
            SpaceError: if there is no such space, or with every mistake of the file.
        """
        path = Path(name_or_path)
        if str(name_or_path) in builtin_names():
            path = builtin_folder() / f"{name_or_path}.yaml"
        elif not path.exists():
            raise SpaceError(
                f"no search space {str(name_or_path)!r}; {did_you_mean(name_or_path, builtin_names())}"
                f"expected one of {', '.join(builtin_names())}, "
                "or the path of a YAML file"
            )
        return cls(read_yaml(path), path.stem)

    @classmethod
    def of(cls, space: str | Path | SearchSpace) -> SearchSpace:
        """A space as it is, or what `load` reads.

        Raises:
            SpaceError: as `load`, and for what is neither a space nor a name or path of one.
        """
        if isinstance(space, SearchSpace):
            return space
        if isinstance(space, (str, Path)):
            return cls.load(space)
        raise SpaceError(
            f"space is {space!r}; expected a SearchSpace, one of {', '.join(builtin_names())}, "
            "or the path of a YAML file"
        )

    @classmethod
    def parse(cls, text: str, name: str = "space") -> SearchSpace:
        """Read a space from YAML text; errors as in `load`."""
        return cls(parse_yaml(text, name), name)

    @classmethod
    def from_text(cls, text: str, name: str = "space") -> SearchSpace:
        """The space of a canonical text (`SearchSpace.text`), exactly; errors as in `load`."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as problem:
            raise SpaceError(f"{name}: no canonical text of a space: {text[:60]!r}") from problem
        return cls(Document(name, data, {}), name)

    def __repr__(self) -> str:
        return f"<SearchSpace {self.name}: {len(self.choices)} choices, {self.size:,} architectures>"

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """Every choice that can become active, in the order in which they are asked."""
        return tuple(choices_of(self._template).values())

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """The places of its networks, and every block that can stand at each of them."""
        return slots_of(self._template)

    def propose(self, suggest: Callable[[str, Sequence[Scalar]], Scalar]) -> Architecture:
        """An architecture whose active choices `suggest(name, values)` decides, one after another.

        With `lambda name, values: trial.suggest_categorical(name, values)` any Optuna sampler proposes.
        """
        decisions: list[tuple[str, Scalar]] = []

        def decide(choice: Choice) -> Scalar:
            value, values = suggest(choice.name, choice.values), choice.values
            if value not in values:
                raise SpaceError(f"{choice.name} is {value!r}; expected one of {', '.join(map(str, values))}")
            own = values[values.index(value)]  # 3.0 equals 3, but is another text
            decisions.append((choice.name, own))
            return own

        return assemble(resolve(self._template, decide), decisions)

    def sample(self, seed: int | random.Random | None = None) -> Architecture:
        """An architecture whose active choices are drawn uniformly, as Optuna's RandomSampler does.

        The same seed gives the same architecture; a `random.Random` is drawn from in turn.
        """
        generator = seed if isinstance(seed, random.Random) else random.Random(seed)
        return self.propose(lambda _, values: generator.choice(values))

    def decode(self, params: Mapping[str, Any]) -> Architecture:
        """The architecture of the given decisions, choice name to value.

        Values of choices that are not active are ignored; Optuna's trials can carry such.

        Raises:
            SpaceError: if an active choice is missing, a value is not one of its choice's, or a
                name belongs to no choice of this space.
        """
        known = {choice.name for choice in self.choices}
        for name in params:
            if name not in known:
                raise SpaceError(f"{name!r} is no choice of {self.name}; it has {', '.join(sorted(known))}")

        def given(name: str, values: Sequence[Scalar]) -> Scalar:
            if name not in params:
                raise SpaceError(f"no value for choice {name}; expected one of {', '.join(map(str, values))}")
            value: Scalar = params[name]
            return value

        return self.propose(given)

    def encode(self, architecture: Architecture) -> dict[str, Scalar]:
        """The active decisions of an architecture of this space, choice name to value.

        Raises:
            SpaceError: if the architecture does not belong to this space.
        """
        params = dict(architecture.decisions)
        if self.decode(params) != architecture:
            raise SpaceError(f"the architecture does not belong to the space {self.name}")
        return params

    def limited_blocks(self, architecture: Architecture) -> dict[str, tuple[int, ...]]:
        """For each of `block_limits` that applies, by name, the indexes of the blocks that it holds for.

        Raises:
            SpaceError: if the architecture does not belong to this space.
        """
        if not self.block_limits:
            return {}
        params = self.encode(architecture)
        return limited_blocks(resolve(self._template, lambda choice: params[choice.name]))

    def neighbors(self, architecture: Architecture) -> Iterator[Architecture]:
        """Every architecture that one changed decision leads to.

        Choices that the change opens take their first value; those that it closes are dropped.
        """
        params = self.encode(architecture)
        by_name = {choice.name: choice for choice in self.choices}
        for name, current in params.items():
            for value in by_name[name].values:
                if value != current:
                    changed = {**params, name: value}
                    yield self.propose(lambda asked, values, kept=changed: kept.get(asked, values[0]))  # type: ignore[misc]

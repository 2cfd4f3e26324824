"""What a study is for ever, and how two of the same name are told apart."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nasearch.errors import PluginError, SpaceError, StudyError, did_you_mean
from nasearch.pareto import Limit, parse_limits
from nasearch.space import KINDS, SearchSpace
from nasearch.space.plugins import origins
from nasearch.store import Store
from nasearch.store.records import StudyRecord

# The name by which a person knows each fixed part.
_FIXED = {
    "space_text": "space",
    "data_fingerprint": "data",
    "objectives": "objectives",
    "limits": "limits",
    "proxy": "proxy",
    "recipe": "recipe",
    "supernet": "supernet",
    "start": "weights that trainings begin with",
    "seed": "seed",
    "deterministic": "deterministic",
    "measured_on": "device of the measured latency",
}
# What one proxy has and another may have not: told only where both have it.
_OF_A_PROXY = ("data_fingerprint", "recipe", "supernet", "start", "measured_on")
# What is told of two recipes with different names, by its name for a person.
_SIZES = {"name": "", "epochs": "epochs", "images": "images", "time_s": "time in seconds"}

Role = Literal["baseline", "confirmed", "audit"]
_WHAT: dict[Role, str] = {"baseline": "a baseline", "confirmed": "the confirmation", "audit": "the audit"}
SIBLING = "sibling"
"""Under this name a study notes whose sibling it is."""


@dataclass(frozen=True)
class Kinship:
    """Whose sibling a study is, and what for."""

    of: str
    role: Role

    @property
    def text(self) -> str:
        """For tables: `baseline of digits`."""
        return f"{self.role} of {self.of}"

    @property
    def phrase(self) -> str:
        """For sentences: `a baseline of digits`."""
        return f"{_WHAT[self.role]} of {self.of}"


@dataclass(frozen=True)
class Identity:
    """A study's fixed parts, and what is needed to find its data and space again.

    Attributes:
        fixed: the parts that never change, by the names of `_FIXED`.
        found: where they came from: names, paths, shapes and classes for tables and reports.
    """

    fixed: Mapping[str, Any]
    found: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {"fixed": dict(self.fixed), "found": dict(self.found)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Identity:
        """Read what `to_dict` gave."""
        return Identity(data["fixed"], data["found"])

    @property
    def kinship(self) -> Kinship | None:
        """Whose sibling the study is; None for one that stands for itself."""
        note = self.found.get(SIBLING)
        return None if note is None else Kinship(note["of"], note["role"])

    @property
    def proposal_seed(self) -> int:
        """What proposals are seeded by; a sibling's own, or a random baseline would repeat random beginnings.

        Trainings are seeded by the study's seed in both, so that one network is one measurement.
        """
        kin = self.kinship
        return self._own_seed if kin is None else self._seed_of(kin.role)

    @property
    def weights_seed(self) -> int:
        """What trainings are seeded by: the study's seed, but in an audit a seed of its own.

        A proxy that began from the same weights would share its luck with what it is held against.
        """
        kin = self.kinship
        return self._seed_of(kin.role) if kin is not None and kin.role == "audit" else self._own_seed

    @property
    def _own_seed(self) -> int:
        return int(self.fixed["seed"])

    def _seed_of(self, role: Role) -> int:
        words = [self._own_seed, int.from_bytes(role.encode(), "big")]
        return int(np.random.SeedSequence(words).generate_state(1)[0])

    def check_sampler(self, sampler: str, name: str) -> None:
        """Refuse a run that would mix another sampler's proposals into a baseline.

        Raises:
            StudyError: if the study is a baseline of another sampler.
        """
        kin, own = self.kinship, self.found.get("sampler")
        if kin is not None and kin.role == "baseline" and sampler != own:
            raise StudyError(
                f"study {name!r} is {kin.phrase} with the sampler {own}, and sampler is {sampler!r}; "
                f"expected --sampler {own}, or the study {kin.of} with --baseline {own}"
            )

    def space(self, name: str) -> SearchSpace:
        """The search space of the study called `name`.

        Raises:
            PluginError: if it has blocks that are not known here, with the file that they came from.
            SpaceError: if the space cannot be read for another reason.
        """
        try:
            return SearchSpace.from_text(str(self.fixed["space_text"]), str(self.found["space"]))
        except SpaceError as problem:
            missing = {
                kind: origin for kind, origin in self.found.get("plugins", {}).items() if kind not in KINDS
            }
            if not missing:
                raise
            # The path is said and never run: a database is data.
            blocks = ", ".join(f"{kind!r} of {origin}" for kind, origin in missing.items())
            raise PluginError(
                f"study {name!r} uses the block {blocks}, which is not known here; "
                "give its file with --plugins FILE (nasearch.load_plugins), or install its package"
            ) from problem

    def check_same(self, other: Identity, name: str) -> None:
        """Refuse to go on with a study that is another one.

        Raises:
            StudyError: naming each part that differs, and what to do.
        """
        differing = self.differing(other)
        if differing:
            told = [key for key, word in _FIXED.items() if word in differing]
            if "proxy" in told:
                both = [key for key in _OF_A_PROXY if self.fixed.get(key) and other.fixed.get(key)]
                told = [key for key in told if key in both or key not in _OF_A_PROXY]
            details = "; ".join(_difference(_FIXED[key], self, other, key) for key in told)
            raise StudyError(
                f"study {name!r} exists with another {details}; "
                "give the same again, or --study NAME for another study, or --fresh for a new one beside it"
            )

    def differing(self, other: Identity) -> list[str]:
        """The fixed parts in which another study is another, in words."""
        return [word for key, word in _FIXED.items() if not self._same(other, key)]

    def _same(self, other: Identity, key: str) -> bool:
        old, new = self.fixed.get(key), other.fixed.get(key)
        if key == "data_fingerprint" and self.fixed.get("seed") != other.fixed.get("seed"):
            return self.found.get("data") == other.found.get("data")  # another seed splits the same data anew
        # A deterministic study keeps the threads it was made with, wherever it goes on.
        return bool(old) == bool(new) if key == "deterministic" else old == new


def _difference(word: str, old: Identity, new: Identity, key: str) -> str:
    """`seed (0, now 1)`, or the names behind two long texts."""
    shown = {"space_text": "space", "data_fingerprint": "data"}.get(key)
    before, now = (
        (old.found.get(shown), new.found.get(shown)) if shown else (old.fixed.get(key), new.fixed.get(key))
    )
    if shown and before == now:
        return f"{word} ({before} has other contents now)"
    if key == "deterministic":
        before, now = ("on" if value else "off" for value in (before, now))
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        return f"{word} ({_recipes(before, now)})"
    return f"{word} ({_text(before)}, now {_text(now)})"


def _recipes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """`epochs 1, now 2; images 48, now 64`; of recipes of two names no more than names and sizes."""
    told = [key for key in dict.fromkeys((*old, *new)) if old.get(key) != new.get(key)]
    if old.get("name") != new.get("name"):
        told = [key for key in told if key in _SIZES]
    return "; ".join(
        f"{_SIZES.get(key, key)} {_text(old.get(key))}, now {_text(new.get(key))}".strip() for key in told
    )


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"recipe {value['name']}" if "name" in value else "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def default_name(space: str, data: str) -> str:
    """`<space>-<data>` in characters that a folder's name can have; of a path its last part."""
    scheme, _, path = data.partition(":")
    data = Path(path).stem if scheme in ("folder", "npz", "table") else data
    return re.sub(r"[^\w.+-]+", "-", f"{space}-{data}").strip("-")[:100]


def plugins_of(space: SearchSpace) -> dict[str, str]:
    """Where the blocks of a space that are not nasearch's own came from, by kind."""
    return {kind: origin for kind, origin in origins().items() if json.dumps(kind) in space.text}


def limits_of(space: SearchSpace, own: Sequence[str]) -> tuple[Limit, ...]:
    """The study's own limits, and those of the space that bound what no limit of the study bounds."""
    given = parse_limits(own)
    bounded = {(limit.metric, limit.relation) for limit in given}
    spaces = [limit for limit in parse_limits(space.limits) if (limit.metric, limit.relation) not in bounded]
    return parse_limits([limit.text for limit in (*spaces, *given)])


def free_name(store: Store, name: str) -> str:
    """The name, or with the first number behind it under which the store has no study."""
    taken = {record.name for record in store.list_studies()}
    wanted, count = name, 2
    while wanted in taken:
        wanted, count = f"{name}-{count}", count + 1
    return wanted


def known(store: Store, name: str, identity: Identity) -> StudyRecord | None:
    """The store's row of a study; None where it has none of that name.

    Raises:
        StudyError: if the name belongs to a study with other fixed parts.
    """
    record = store.find_study(name)
    if record is not None:
        Identity.from_dict(record.identity).check_same(identity, name)
    return record


def claim(store: Store, name: str, identity: Identity) -> StudyRecord:
    """The store's row of a study: the one that is there, or a new one; errors as in `known`."""
    return known(store, name, identity) or store.create_study(name, identity.to_dict())


def find(store: Store, name: str | None) -> StudyRecord:
    """The store's row of a study by name; without one, of the study that was made last.

    Raises:
        StudyError: if there is none; with the names that there are.
    """
    records = store.list_studies()
    if name is None and records:
        # A baseline is made after its study, and is not what is meant.
        own = [entry for entry in records if Identity.from_dict(entry.identity).kinship is None]
        return (own or records)[-1]
    record = next((entry for entry in records if entry.name == name), None)
    if record is None:
        names = ", ".join(entry.name for entry in records) or "none; start one with nasearch run"
        wanted = "no study yet" if name is None else f"no study {name!r}"
        meant = did_you_mean(name or "", [entry.name for entry in records])
        raise StudyError(f"{wanted} in {store.shown_url}; {meant}it has {names}")
    return record

"""What a bench of samplers writes: every search as it ends, so that a second run goes on."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasearch.errors import SettingsError
from nasearch.pareto.objectives import Floats
from nasearch.report.files import write_bytes, write_text


@dataclass(frozen=True, eq=False)
class Run:
    """One search on a table.

    Attributes:
        sampler: by name.
        rows: of the table, in the order in which they were measured.
        score: (networks,) how well it stood after each.
        test: (networks,) test accuracy of what looked most accurate; None where the table has none.
        repeats: (networks,) proposals of networks seen before, up to there.
        seconds: (networks,) spent on proposing and telling, up to there.
    """

    sampler: str
    seed: int
    rows: tuple[int, ...]
    score: Floats
    test: Floats | None
    repeats: NDArray[np.int64]
    seconds: Floats

    def first(self, count: int) -> Run:
        """The same search, had it ended after so many networks."""
        return replace(
            self,
            rows=self.rows[:count],
            score=self.score[:count],
            test=None if self.test is None else self.test[:count],
            repeats=self.repeats[:count],
            seconds=self.seconds[:count],
        )


class BenchFiles:
    """The folder of a bench: curves.csv, curves.png, bench.json.

    The table has a line a network; the last block of a sampler and seed holds. A block that was cut off is
    shorter than its search and is run again.
    """

    def __init__(self, folder: Path, score: str) -> None:
        self._curves, self._facts = folder / "curves.csv", folder / "bench.json"
        self._picture = folder / "curves.png"
        self._head = ["sampler", "seed", "networks", "row", score, "test_accuracy", "repeats", "seconds"]

    def open(self, identity: Mapping[str, object], *, fresh: bool) -> dict[tuple[str, int], Run]:
        """The searches that the folder has, by sampler and seed; it is made if there is none.

        Raises:
            SettingsError: if the folder holds another bench.
        """
        if not fresh and self._facts.exists() and self._curves.exists():
            self._check_same(identity)
            return self._read()
        write_text(self._curves, ",".join(self._head) + "\n")
        write_text(self._facts, json.dumps({"identity": identity}, indent=2))
        return {}

    def append(self, run: Run) -> None:
        """Keep a search."""
        tests = [""] * len(run.rows) if run.test is None else [f"{value:.8g}" for value in run.test]
        is_whole = self._curves.read_bytes().endswith(b"\n")  # a kill may have cut the last line
        with self._curves.open("a", newline="", encoding="utf-8") as file:
            file.write("" if is_whole else "\n")
            lines = csv.writer(file, lineterminator="\n")
            for i, row in enumerate(run.rows):
                facts = [repr(float(run.score[i])), tests[i], int(run.repeats[i]), f"{run.seconds[i]:.4f}"]
                lines.writerow([run.sampler, run.seed, i + 1, row, *facts])

    def finish(self, found: Mapping[str, object], picture: bytes) -> tuple[Path, ...]:
        """Write what came of it beside the searches; gives every file's path."""
        identity = json.loads(self._facts.read_text(encoding="utf-8"))["identity"]
        write_text(self._facts, json.dumps({"identity": identity, **found}, indent=2, ensure_ascii=False))
        write_bytes(self._picture, picture)
        return self._curves, self._picture, self._facts

    def _check_same(self, identity: Mapping[str, object]) -> None:
        try:
            before = json.loads(self._facts.read_text(encoding="utf-8"))["identity"]
            differing = [name for name, value in identity.items() if before.get(name) != value]
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise SettingsError(
                f"{self._facts}: no bench of samplers; give another --out, or --fresh to write over it"
            ) from problem
        if differing:
            name = differing[0]
            raise SettingsError(
                f"{self._facts.parent} holds a bench with another {name} ({_brief(before.get(name))}, now "
                f"{_brief(identity[name])}); give another --out, or --fresh to write over it"
            )

    def _read(self) -> dict[tuple[str, int], Run]:
        blocks: dict[tuple[str, int], list[list[str]]] = defaultdict(list)
        with self._curves.open(newline="", encoding="utf-8") as file:
            for line in csv.reader(file):
                if len(line) != len(self._head) or not line[2].isdecimal():
                    continue  # the heading, or a line that was cut off
                block = blocks[line[0], int(line[1])]
                if line[2] == "1":
                    block.clear()
                if int(line[2]) == len(block) + 1:
                    block.append(line)
        return {key: _run(key, block) for key, block in blocks.items() if block}


def _run(key: tuple[str, int], block: list[list[str]]) -> Run:
    return Run(
        key[0],
        key[1],
        tuple(int(line[3]) for line in block),
        np.array([float(line[4]) for line in block]),
        np.array([float(line[5]) for line in block]) if block[0][5] else None,
        np.array([int(line[6]) for line in block]),
        np.array([float(line[7]) for line in block]),
    )


def _brief(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 40 else text[:16] + "..."

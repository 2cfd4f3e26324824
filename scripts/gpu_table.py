"""Make a Markdown page of what scripts/gpu_check.sh found: device and versions, then a table a step.

    python scripts/gpu_table.py tests.txt bench_proxy.txt bench_time_to_front.txt

Each file is what a step printed. Tables in it are kept as they are, lines `what: figures` become rows, and
pytest's last line is the result of the tests. Lines of single networks are left out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

FIGURES = re.compile(r"^(?!seed \d+ network)(?P<what>[a-z][^|:=]{2,70}): (?P<figures>.*\d.*)$")
SUMMARY = re.compile(r"^\d+ (passed|failed|skipped|error)\w*\b.* in [\d.]+s")
REST = re.compile(r"^(took \d+ s|failed: .*|target .*)$")


def page(about: Sequence[tuple[str, str]], outputs: Sequence[tuple[str, str]]) -> str:
    """The page.

    Args:
        about: (what, value) of the machine.
        outputs: (name, what it printed) of each step.
    """
    parts = [table(("machine", ""), about)]
    for name, text in outputs:
        lines = text.splitlines()
        kept = [line for line in lines if line.startswith("|")]
        parts.append(
            "\n".join([f"### {name}", "", *([*kept, ""] if kept else []), table(("", ""), rows(lines))])
        )
    return "\n\n".join(parts)


def rows(lines: Sequence[str]) -> list[tuple[str, str]]:
    """(what, figures) of the lines that have any."""
    found = []
    for line in lines:
        if match := FIGURES.match(line):
            found.append((match["what"], match["figures"]))
        elif SUMMARY.match(line):
            found.append(("tests", line))
        elif REST.match(line):
            what, _, figures = line.partition(" ")
            found.append((what.rstrip(":"), figures))
    return found


def table(head: tuple[str, str], body: Sequence[tuple[str, str]]) -> str:
    """A Markdown table of two columns."""
    cells = [head, ("---", "---"), *body]
    return "\n".join(f"| {left.replace('|', '/')} | {right.replace('|', '/')} |" for left, right in cells)


def machine() -> list[tuple[str, str]]:
    """What the figures were taken on."""
    from nasearch.data.host import physical_cores
    from nasearch.measure import describe_device

    about = describe_device("cuda")
    gib = f"{int(about['memory_bytes']) / 2**30:.0f} GiB"
    return [
        ("device", f"{about['name']}, {gib}"),
        ("processor", f"{physical_cores()} cores, {describe_device('cpu')['name']}"),
        ("torch", f"{about['torch']}, CUDA {about['cuda']}"),
        ("python", str(about["python"])),
    ]


def main() -> None:
    """Print the page."""
    files = [Path(name) for name in sys.argv[1:]]
    if not files:
        raise SystemExit(__doc__)
    print(page(machine(), [(file.stem, file.read_text(encoding="utf-8")) for file in files]))


if __name__ == "__main__":
    main()

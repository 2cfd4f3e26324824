"""`nasearch doctor`: what is installed, which devices there are, and whether the store can be used."""

from __future__ import annotations

import platform
from importlib import metadata

import click

from nasearch.cli.common import console, echo_json, json_option, plugins_option, storage_option
from nasearch.errors import NasearchError
from nasearch.study.storage import sqlite_file

REQUIRED = ("nasearch", "torch", "torchvision", "optuna", "SQLAlchemy", "numpy", "moocore")
# Library -> what it is for and the extra that brings it.
OPTIONAL = {
    "onnx": ("ONNX export", "onnx"),
    "onnxruntime": ("latency in ONNX Runtime", "onnx"),
    "onnxscript": ("ONNX export", "onnx"),
    "optuna-dashboard": ("nasearch dashboard", "dashboard"),
    "psycopg": ("PostgreSQL stores", "postgres"),
    "pyarrow": ("tables in parquet", "parquet"),
}
Finding = tuple[str, str, bool]  # what was looked at, what was found, whether it is well


@click.command()
@storage_option
@plugins_option
@json_option
@click.pass_context
def command(ctx: click.Context, storage: str, as_json: bool) -> None:
    """Tell what is installed and which devices can be used.

    Ends with exit code 1 if something that `nasearch run` needs is missing or broken.
    """
    findings = [*_libraries(), *_devices(), *_blocks(), _data(), _store(storage)]
    if as_json:
        echo_json([{"what": what, "found": found, "ok": ok} for what, found, ok in findings])
    else:
        from rich.text import Text

        from nasearch.report.style import plain_table

        table = plain_table(header=False)
        for what, found, ok in findings:
            table.add_row("ok" if ok else "[red]no[/red]", what, Text(found))
        console().print(table)
    if not all(ok for _, _, ok in findings):
        ctx.exit(1)


def _libraries() -> list[Finding]:
    findings: list[Finding] = [("python", f"{platform.python_version()} on {platform.platform()}", True)]
    for name in REQUIRED:
        try:
            findings.append((name, metadata.version(name), True))
        except metadata.PackageNotFoundError:
            findings.append((name, "not installed; expected `pip install nasearch`", False))
    for name, (purpose, extra) in OPTIONAL.items():
        try:
            findings.append((name, metadata.version(name), True))
        except metadata.PackageNotFoundError:
            # Nothing is broken: it is only there for those who want it.
            findings.append((name, f"not installed; {purpose} needs `pip install nasearch[{extra}]`", True))
    return findings


def _devices() -> list[Finding]:
    try:
        import torch
        import torchvision  # noqa: F401  # a torchvision of another index than torch fails here

        from nasearch.measure.device import describe_device, resolve_device
    except (ImportError, RuntimeError, OSError) as error:
        text = str(error).strip().splitlines()[0]
        return [
            ("torch", f"cannot be imported: {text}; torch and torchvision must come from one index", False)
        ]
    names = ["cpu"]
    names += [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    names += ["mps"] if torch.backends.mps.is_available() else []
    findings: list[Finding] = []
    for name in names:
        described = ", ".join(f"{key} {value}" for key, value in describe_device(name).items())
        findings.append((f"device {name}", described, True))
    findings.append(("device auto", f"means {resolve_device('auto')}", True))
    return findings


def _blocks() -> list[Finding]:
    """Blocks that are not nasearch's own: of installed packages, of NASEARCH_PLUGINS, of --plugins."""
    from nasearch.space.plugins import load_installed, origins

    problems: list[Finding] = []
    try:
        load_installed()
    except NasearchError as error:
        problems = [("blocks of your own", line, False) for line in str(error).splitlines()]
    found = [("blocks of your own", f"{kind}: {origin}", True) for kind, origin in origins().items()]
    return [*found, *problems]


def _data() -> Finding:
    try:
        from nasearch.data import load

        dataset = load("fashion-mnist-12k")
    except (NasearchError, ImportError, RuntimeError, OSError) as error:
        return "embedded data", str(error).strip().splitlines()[0], False
    parts = f"{len(dataset.train)} training, {len(dataset.val)} validation, {len(dataset.test)} test images"
    return "embedded data", f"{dataset.name}: {parts}", True


def _store(storage: str) -> Finding:
    file = sqlite_file(storage)
    if file is not None and not file.exists():
        return "store", f"{storage}: not made yet; `nasearch run` makes it", True
    try:
        from nasearch.report.style import counted
        from nasearch.store import Store

        with Store.open(storage) as store:
            number = counted(len(store.list_studies()), "study", "studies")
            return "store", f"{store.shown_url}: {number}", True
    except (NasearchError, ImportError) as error:
        return "store", str(error), False

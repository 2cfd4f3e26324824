"""Sibling studies: beside a study, in its store, what is measured of it by other means.

`NAME.random` is a baseline of `NAME`: the same space, data, objectives, limits and proxy, other proposals. A
sibling is a study like any other, with trials and a budget of its own, and notes whose sibling it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasearch.errors import StudyError
from nasearch.store import Store
from nasearch.store.records import StudyRecord
from nasearch.study.identity import SIBLING, Identity, Kinship, Role, claim
from nasearch.study.settings import StudySettings

if TYPE_CHECKING:
    from nasearch.study.parts import Parts
    from nasearch.study.study import Study

LONGEST_NAME = 255
"""Characters that the store keeps of a name."""


def sibling_name(name: str, suffix: str) -> str:
    """`NAME.SUFFIX`.

    Raises:
        StudyError: if the store cannot hold a name of that length.
    """
    full = f"{name}.{suffix}"
    if len(full) > LONGEST_NAME:
        raise StudyError(
            f"{full!r} has {len(full)} characters; expected a study whose name leaves room for .{suffix}"
        )
    return full


def owner_directory(study: Parts) -> Path:
    """The folder of the study that a sibling is of, in which the sibling has its own; else the study's."""
    kin = study.identity.kinship
    if kin is None:
        return study.directory
    return Path("studies") / kin.of if study.settings.out is None else study.directory.parent


def siblings_of(store: Store, name: str, role: Role) -> list[StudyRecord]:
    """The siblings of a study in a role, oldest first."""
    return [
        record
        for record in store.list_studies()
        if Identity.from_dict(record.identity).kinship == Kinship(name, role)
    ]


def open_sibling(
    study: Study,
    suffix: str,
    role: Role,
    settings: StudySettings,
    *,
    fixed: Mapping[str, Any] | None = None,
    found: Mapping[str, Any] | None = None,
) -> Study:
    """The sibling of a study, made where there is none; to be closed by the caller.

    Args:
        study: whose sibling; it stands for itself.
        suffix: of the name.
        role: what the sibling is for.
        settings: of the sibling's run; name, references and folder are seen to here.
        fixed: parts of the identity that differ from the study's.
        found: likewise, what is noted beside them.

    Raises:
        StudyError: if `study` is a sibling itself, or the name belongs to a study that is none of its own.
        DeviceError: if a device of the settings is not here; no empty sibling is left then.
    """
    from nasearch.study.places import devices_of
    from nasearch.study.study import Study

    devices_of(settings)

    own = study.identity.kinship
    if own is not None:
        raise StudyError(f"study {study.name!r} is {own.phrase}; expected a study that stands for itself")
    name, note = sibling_name(study.name, suffix), Kinship(study.name, role)
    identity = Identity(
        {**study.identity.fixed, **(fixed or {})},
        {**study.identity.found, **(found or {}), SIBLING: dataclasses.asdict(note)},
    )
    settings = dataclasses.replace(
        settings,
        study=None,  # its name may be longer than one that is typed
        references=(),
        baseline=None,
        fresh=False,
        out=str(study.directory / name),  # studies may share a folder
    )
    store = Store.open(study.settings.storage)
    try:
        record = claim(store, name, identity)
        if Identity.from_dict(record.identity).kinship != note:
            raise StudyError(
                f"study {name!r} is there already and is not {note.phrase}; "
                "expected the name to be free: search under another name with --study, or with --fresh"
            )
        return Study(store, record, study.space, settings, study.dataset)
    except BaseException:
        store.close()
        raise

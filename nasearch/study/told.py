"""What a study was told of the settings that it keeps, as its store has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna

from nasearch.samplers import SAMPLERS
from nasearch.store import Store
from nasearch.store.records import StudyRecord
from nasearch.study.identity import Identity
from nasearch.study.proxies.names import choice_of

NOTE = "nasearch:told"
"""Under this user attribute Optuna's study holds what it was told last of the settings that it keeps."""


def told_of(store: Store, record: StudyRecord) -> dict[str, Any]:
    """What was said last to a study of a store; nothing where a process died before Optuna had it."""
    with store.guard():
        if record.name not in optuna.get_all_study_names(store.optuna):
            return {}
        number = store.optuna.get_study_id_from_name(record.name)
        attributes = store.optuna.get_study_user_attrs(number)
    return told_in(attributes, Identity.from_dict(record.identity))


def told_in(attributes: Mapping[str, Any], identity: Identity) -> dict[str, Any]:
    """What was said last to a study, of the user attributes of Optuna's study.

    Of a study that is older than the note, sampler and racing where they are not the usual: those somebody
    said.
    """
    if NOTE in attributes:
        return dict(attributes[NOTE])
    proxy = choice_of(identity.found.get("proxy", "trained"))
    sampler = (attributes.get("nasearch:samplers") or [identity.found["sampler"]])[-1]
    races = attributes.get("nasearch:racing")
    said = {} if sampler == proxy.sampler else {"sampler": sampler}
    if races is None or races == (SAMPLERS[sampler].races and proxy.races):
        return said
    return {**said, "racing": races}

"""The store: one SQL database with Optuna's tables and ours. The only place that knows SQL."""

from __future__ import annotations

from nasearch.store.leases import Lease
from nasearch.store.records import (
    CurveRow,
    DeviceRecord,
    FinishRecord,
    MeasurementRecord,
    Outcome,
    ReferenceRecord,
    RunRecord,
    ScreenedRecord,
    State,
    StudyRecord,
    TrialRecord,
)
from nasearch.store.store import Store

__all__ = [
    "CurveRow",
    "DeviceRecord",
    "FinishRecord",
    "Lease",
    "MeasurementRecord",
    "Outcome",
    "ReferenceRecord",
    "RunRecord",
    "ScreenedRecord",
    "State",
    "Store",
    "StudyRecord",
    "TrialRecord",
]

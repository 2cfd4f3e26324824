"""A trained network as files that do not need nasearch: Python source, torch.export, ONNX."""

from __future__ import annotations

from nasearch.deploy.formats import FORMATS, available_formats
from nasearch.deploy.handover import ExportReport, checked_formats, export
from nasearch.deploy.standalone import standalone_source

__all__ = ["FORMATS", "ExportReport", "available_formats", "checked_formats", "export", "standalone_source"]

"""Tables of trained networks: what a search would have measured can be looked up in them."""

from __future__ import annotations

from nasearch.measure.table.read import load_table
from nasearch.measure.table.table import CostColumn, Roles, Table, TableFidelity

__all__ = ["CostColumn", "Roles", "Table", "TableFidelity", "load_table"]

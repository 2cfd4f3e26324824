"""The kinds of proxy that a study can judge its candidates by: a row in `names`, a file each."""

from __future__ import annotations

from nasearch.study.proxies.names import PROXIES, ProxyChoice, choice_of

__all__ = ["PROXIES", "ProxyChoice", "choice_of"]

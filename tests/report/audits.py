"""An audit written by hand: five networks, one of which was raced out after the first epoch."""

from __future__ import annotations

from nasearch.report.audit import Audit, AuditedNetwork, Proxy, agreements

PROXIES = (
    Proxy("epoch 1", "rung"),
    Proxy("proxy accuracy", "verdict"),
    Proxy("snip", "score"),
    Proxy("macs", "cost"),
)
NETWORKS = (
    AuditedNetwork(1, "a", 0.80, {"epoch 1": 0.5, "proxy accuracy": 0.70, "macs": 100.0}, is_front=True),
    AuditedNetwork(2, "b", 0.82, {"epoch 1": 0.4, "proxy accuracy": 0.74, "macs": 200.0}),
    AuditedNetwork(4, "c", 0.84, {"epoch 1": 0.6, "proxy accuracy": 0.72, "macs": 400.0}),
    AuditedNetwork(5, "d", 0.86, {"epoch 1": 0.7, "proxy accuracy": 0.76, "macs": 300.0}, is_front=True),
    AuditedNetwork(7, "e", 0.70, {"epoch 1": 0.1, "macs": 50.0}),
)
AUDIT = Audit(
    "digits",
    "digits.audit",
    "10 epochs x 8,000 images at 28x28",
    2000,
    NETWORKS,
    agreements(NETWORKS, PROXIES),
    failed=1,
    wanted=6,
)

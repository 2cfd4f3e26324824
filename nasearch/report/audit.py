"""An audit as plain values: how a study's proxies order networks that were trained in full afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nasearch.pareto import Agreement, kendall, spearman

Kind = Literal["rung", "verdict", "confirmed", "score", "cost"]
"""An epoch of the proxy, the accuracy that the study goes by, that after a confirming training, a score
without training, or a cost."""

BEST = 1 / 3
"""The share of the networks, by their full training, within which agreement is looked at again."""
LEAST = 3
"""Networks below which no agreement is given: one pair agrees wholly or not at all."""


@dataclass(frozen=True)
class Proxy:
    """Something that was known of networks before they were trained in full; more is taken to be better."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class AuditedNetwork:
    """A network with both: what the study knew of it, and what it reached.

    Attributes:
        number: of its trial in the study.
        label: the network in a few words.
        accuracy: after the full training, on the validation split.
        known: proxy's name -> value; without the epochs that a raced-out network did not come to.
        is_front: whether it is on the study's front.
    """

    number: int
    label: str
    accuracy: float
    known: Mapping[str, float]
    is_front: bool = False


@dataclass(frozen=True)
class ProxyAgreement:
    """How far a proxy and the full training agree, over the networks that have both.

    Attributes:
        tau: Kendall's; None where fewer than `LEAST` networks have both.
        rho: Spearman's; likewise.
        best_tau: within the best third by the full training; likewise.
        best_rho: likewise.
    """

    proxy: Proxy
    tau: Agreement | None
    rho: Agreement | None
    best_tau: Agreement | None
    best_rho: Agreement | None


@dataclass(frozen=True)
class Audit:
    """What came out.

    Attributes:
        study: its name.
        sibling: of the study that the networks were trained in.
        fidelity: of the full training, such as "10 epochs x 8,000 images at 28x28".
        images: validation images that the full trainings were judged on.
        networks: by trial number.
        rows: rungs in order, then the verdict, confirmed accuracy, scores and costs.
        failed: networks whose full training failed.
        wanted: networks that were asked for.
        verdict: the name of the accuracy, or score, that the study goes by.
        trained_in_study: whether the study trained its networks itself, shorter.
    """

    study: str
    sibling: str
    fidelity: str
    images: int
    networks: tuple[AuditedNetwork, ...]
    rows: tuple[ProxyAgreement, ...]
    failed: int = 0
    wanted: int = 0
    verdict: str = "proxy accuracy"
    trained_in_study: bool = True

    @property
    def goes_by_accuracy(self) -> bool:
        """Whether the verdict is an accuracy, a fraction in [0, 1]."""
        return self.verdict.endswith("accuracy")

    def having(self, proxy: str) -> int:
        """Networks of which a proxy, by its name, was known."""
        return sum(proxy in network.known for network in self.networks)

    @property
    def best(self) -> int:
        """Networks of the best third."""
        return best_count(len(self.networks))

    def row(self, proxy: str) -> ProxyAgreement | None:
        """The agreement of a proxy by its name; None where the audit has no such."""
        return next((row for row in self.rows if row.proxy.name == proxy), None)


def best_count(networks: int) -> int:
    """How many are the best third, rounded up."""
    return math.ceil(networks * BEST - 1e-9)


def agreements(networks: Sequence[AuditedNetwork], proxies: Sequence[Proxy]) -> tuple[ProxyAgreement, ...]:
    """How far each proxy agrees with the full training, overall and within the best third by that training.

    Args:
        networks: at least one.
        proxies: in the order of the rows; one that no network has is left out.
    """
    ordered = sorted(networks, key=lambda network: -network.accuracy)
    best = ordered[: best_count(len(ordered))]
    return tuple(
        ProxyAgreement(
            proxy,
            _agreement(kendall, ordered, proxy.name),
            _agreement(spearman, ordered, proxy.name),
            _agreement(kendall, best, proxy.name),
            _agreement(spearman, best, proxy.name),
        )
        for proxy in proxies
        if any(proxy.name in network.known for network in networks)
    )


def _agreement(
    measure: Callable[[Sequence[float], Sequence[float]], Agreement],
    networks: Sequence[AuditedNetwork],
    proxy: str,
) -> Agreement | None:
    both = [network for network in networks if proxy in network.known]
    if len(both) < LEAST:
        return None
    return measure([network.known[proxy] for network in both], [network.accuracy for network in both])

"""The table of scores: what each is, where it is from, and how it is to be read."""

from __future__ import annotations

from dataclasses import dataclass

from nasearch.measure.zero_cost.aggregate import AZ_NAS


@dataclass(frozen=True)
class Score:
    """A number that is had from a network without training it.

    Attributes:
        about: what it looks at, in a line.
        source: the paper.
        direction: `maximize`: more is taken to be better. All scores here are read so; -inf stands for a
            network that lets no signal through, and ranks lowest.
        needs: the pass that gives it; scores of one pass cost little more than one of them.
    """

    name: str
    about: str
    source: str
    needs: str
    direction: str = "maximize"


ROWS = (
    Score("params", "weights", "-", "cost"),
    Score("macs", "multiply-accumulates", "-", "cost"),
    Score(
        "grad_norm",
        "length of the loss's gradient, summed over layers",
        "Abdelfattah et al. 2021",
        "gradients",
    ),
    Score(
        "snip",
        "what the loss would change by if a weight were taken away",
        "Lee et al. 2019, eq. 4",
        "gradients",
    ),
    Score(
        "grasp",
        "what the gradient's flow would change by if a weight were taken away",
        "Wang et al. 2020, eq. 8",
        "gradients",
    ),
    Score(
        "fisher",
        "what the loss would change by if a channel were taken away",
        "Turner et al. 2020, section 3",
        "gradients",
    ),
    Score(
        "synflow",
        "what passes when all weights are positive; a logarithm",
        "Tanaka et al. 2020, section 5",
        "flow",
    ),
    Score(
        "jacov",
        "how differently the output depends on different images",
        "Mellor et al. 2021, arXiv v1",
        "gradients",
    ),
    Score(
        "naswot",
        "how well the on-off patterns of the activations tell images apart",
        "Mellor et al. 2021, eq. 2",
        "gradients",
    ),
    Score(
        "zen",
        "how much the last map changes with the input",
        "Lin et al. 2021, alg. 1",
        "zen",
    ),
    Score(
        "zico",
        "how alike the gradients of two halves of the batch are",
        "Li et al. 2023, eq. 15",
        "zico",
    ),
    Score(
        "az_expressivity",
        "entropy of the channels' covariance, summed over blocks",
        "Lee & Ham 2024, eq. 3",
        "az",
    ),
    Score(
        "az_progressivity",
        "the least gain of that entropy from block to block",
        "Lee & Ham 2024, eq. 5",
        "az",
    ),
    Score(
        "az_trainability",
        "how near a gradient's length is to 1 after a block",
        "Lee & Ham 2024, eq. 11",
        "az",
    ),
)

SCORES: dict[str, Score] = {row.name: row for row in ROWS}

GROUPS: dict[str, tuple[str, ...]] = {"az_nas": AZ_NAS}
"""Names that stand for several scores; what they give together is an aggregate over candidates."""

"""What a process knows of a study's trials, so that the finished ones are read once."""

from __future__ import annotations

from dataclasses import dataclass, field

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial


@dataclass
class KnownTrials:
    """The trials of one study, and the place up to which they were read.

    Attributes:
        trials: by id, in the order of ids and numbers.
        unfinished: ids of the trials that may still change.
        distributions: by name of parameter; a later trial has to fit them.
    """

    trials: dict[int, FrozenTrial] = field(default_factory=dict)
    ids: dict[int, int] = field(default_factory=dict)
    unfinished: set[int] = field(default_factory=set)
    distributions: dict[str, BaseDistribution] = field(default_factory=dict)
    last: int = -1

    def put(self, trial: FrozenTrial) -> None:
        """Take a trial in, or a later state of it."""
        trial_id = trial._trial_id
        if trial_id not in self.trials:
            if trial.number == len(self.trials):  # every trial before it is here
                self.last = max(self.last, trial_id)
            in_order = not self.trials or trial_id > next(reversed(self.trials))
            self.trials[trial_id], self.ids[trial.number] = trial, trial_id
            if not in_order:
                self.trials = dict(sorted(self.trials.items()))
        self.trials[trial_id] = trial
        if trial.state.is_finished():
            self.unfinished.discard(trial_id)
        else:
            self.unfinished.add(trial_id)
        for name, distribution in trial.distributions.items():
            self.distributions.setdefault(name, distribution)

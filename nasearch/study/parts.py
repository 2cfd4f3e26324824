"""What a study is: its fixed parts, its place in the store, its data and device."""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import optuna

from nasearch.errors import StudyError
from nasearch.pareto import Limit, Objective, parse_limits, parse_objectives
from nasearch.samplers import make_sampler
from nasearch.space import SearchSpace
from nasearch.store import Store
from nasearch.store.leases import Lease
from nasearch.store.records import StudyRecord
from nasearch.study.folders import folder_of, made
from nasearch.study.history import History
from nasearch.study.identity import Identity
from nasearch.study.proxies.names import named
from nasearch.study.settings import NO_IMAGES, StudySettings
from nasearch.study.told import NOTE, told_in

if TYPE_CHECKING:
    from nasearch.data import Dataset
    from nasearch.nets import Supernet
    from nasearch.study.proxies.proxy import StudyProxy
    from nasearch.study.references import Known
    from nasearch.training import Recipe

FINISHED = "nasearch:finished"
"""Under this user attribute Optuna's study holds the id of the finish asked for last, trained or not."""


class Parts:
    """A study in its store, opened. `Study` adds what can be done with it, and is the only one to do so.

    Attributes:
        name: of the study in its store.
        space: the search space.
        objectives: in order; the first is the one cared about most.
        limits: the space's and the study's own.
        settings: what may change from run to run: sampler, device, budget, export.
        directory: where the winner, the plots and the report go.
        recalled: settings of which nothing was said, and that are as the study was told before.
    """

    def __init__(
        self,
        store: Store,
        record: StudyRecord,
        space: SearchSpace,
        settings: StudySettings,
        dataset: Dataset | None = None,
        references: Sequence[Known] = (),
        proxy: StudyProxy | None = None,
    ) -> None:
        self._store, self._record, self._wanted = store, record, tuple(references)
        self.name, self.space, self.settings = record.name, space, settings
        self.identity = Identity.from_dict(record.identity)
        fixed = self.identity.fixed
        self.objectives: tuple[Objective, ...] = parse_objectives(fixed["objectives"])
        self.limits: tuple[Limit, ...] = parse_limits(fixed["limits"])
        self.seed = int(fixed["seed"])
        self.directory = folder_of(settings, self.name)
        self.recalled: dict[str, Any] = {}
        if dataset is not None:
            self.dataset = dataset
        if proxy is not None:
            self.proxy = proxy
        with store.guard(), warnings.catch_warnings():
            # Names of objectives for the dashboard are worth an experimental call.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._optuna = self._optuna_study()
            names = list(named(settings.proxy, {each.name: 0.0 for each in self.objectives}))
            if self._optuna.metric_names != names:
                self._optuna.set_metric_names(names)
        self._history = History(store, record, self._optuna)

    def _optuna_study(self) -> optuna.Study:
        """Optuna's study of the same name; made where a process died between ours and Optuna's."""
        sampler = make_sampler("random", self.seed, 0)  # every trial gets its own
        if self.name in optuna.get_all_study_names(self._store.optuna):
            return optuna.load_study(storage=self._store.optuna, study_name=self.name, sampler=sampler)
        return optuna.create_study(
            storage=self._store.optuna,
            study_name=self.name,
            directions=[objective.direction for objective in self.objectives],
            sampler=sampler,
        )

    @cached_property
    def dataset(self) -> Dataset:
        """The data, read and checked to be those that the study was made with.

        Raises:
            DataError: if they cannot be read.
            StudyError: if there are none, or their contents have changed.
        """
        from nasearch.study.opening import load_data

        if not self.has_images:
            raise StudyError(
                f"study {self.name!r} measures from a table and has no images; to train its winner, make it "
                "with --data that names some of the shape that the table's networks take"
            )
        dataset = load_data(self.settings)
        if dataset.fingerprint != self.identity.fixed["data_fingerprint"]:
            raise StudyError(
                f"data {self.settings.data} of study {self.name!r} have changed since it was made; "
                "put the old ones back, or start with --fresh"
            )
        return dataset

    @property
    def has_images(self) -> bool:
        """Whether there is a data set to train on; a study on a table can do without."""
        return not str(self.identity.fixed["data_fingerprint"]).startswith(NO_IMAGES)

    @cached_property
    def proxy(self) -> StudyProxy:
        """How candidates are judged, checked to be as it was when the study was made; errors of its kind."""
        from nasearch.study.proxies.proxy import proxy_of

        proxy = proxy_of(self.settings)
        proxy.check_same(self.identity, self.name)
        return proxy

    @cached_property
    def device(self) -> str:
        """The torch device that is trained on in this process: the first of the GPUs where some are named."""
        from nasearch.study.places import devices_of

        return devices_of(self.settings)[0]

    @property
    def recipe(self) -> Recipe:
        """The recipe of the proxy."""
        from nasearch.training import Recipe

        return Recipe.from_dict(self.identity.fixed["recipe"])

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs after which candidates are validated, and stopped where they race; the last is the top."""
        return self.proxy.rungs(self)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        channels, height, width = self.identity.found["input_shape"]
        return channels, height, width

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the outputs."""
        return tuple(self.identity.found["classes"])

    def supernet(self) -> Supernet:
        """The supernet that candidates are judged by, read from its file, on the CPU, in evaluation mode.

        Raises:
            StudyError: if there is none yet or candidates are judged by other means; if its file is gone or
                another one, with what to do.
        """
        from nasearch.study import supernets

        return supernets.load(self)

    @property
    def spent(self) -> int:
        """Distinct architectures whose proxy was started."""
        return self._store.budget_used(self._record.id)

    @property
    def storage_url(self) -> str:
        """The store's URL without its password."""
        return self._store.shown_url

    @property
    def threads(self) -> int | None:
        """The number of threads that a deterministic study fixes, else None."""
        fixed = self.identity.fixed["deterministic"]
        return int(fixed["threads"]) if fixed else None

    @property
    def needs_latency(self) -> bool:
        """Whether latency is an objective or a limit, so that every candidate is timed."""
        named = {objective.name for objective in self.objectives} | {limit.metric for limit in self.limits}
        return "latency_ms" in named

    @property
    def samplers(self) -> tuple[str, ...]:
        """The samplers that proposed in this study, in the order of their first run."""
        return tuple(self._optuna.user_attrs.get("nasearch:samplers", ()))

    @property
    def raced(self) -> bool:
        """Whether candidates raced when the study was run last; as the settings say before the first run."""
        untold = dataclasses.replace(self.settings, features=None, sampler=None, racing=None)
        return untold.after(self._told).races

    @property
    def command(self) -> str:
        """The command line that ran this study last, empty if programs did."""
        return str(self._optuna.user_attrs.get("nasearch:command", ""))

    def close(self) -> None:
        """Close the store's connections; the study can be loaded again."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Study {self.name} of {self.space.name}: {self.spent} trained>"

    # inner parts that its neighbours in this package use

    @property
    def _mark(self) -> str:
        """Tells it from the other studies of its folder, in names of files.

        A study of the same name in another store was made at another time.
        """
        return f"{self.name}-{hashlib.sha256(made(self._record).encode()).hexdigest()[:8]}"

    def _owned(self, work: str) -> Lease:
        """The lease for work that is not to run beside a search or another such work."""
        return self._store.acquire_lease(self._record.id, self._owner(work))

    def _owner(self, work: str) -> str:
        """Who owns the study for some work, in words."""
        return f"nasearch {work} of {self.name}"

    def _worked_s(self, work: str) -> float:
        """Seconds of wall clock that it was owned for some work."""
        runs = self._store.runs(self._record.id)
        return sum(run.seconds for run in runs if run.owner == self._owner(work))

    @property
    def _told(self) -> dict[str, Any]:
        """What was said last of the settings that a study keeps."""
        return told_in(self._optuna.user_attrs, self.identity)

    def _note_told(self) -> None:
        """Keep what the settings say, for those who go on with the study."""
        if self._optuna.user_attrs.get(NOTE) != self.settings.told:
            self._optuna.set_user_attr(NOTE, self.settings.told)

    def _note_run(self, command: str) -> None:
        """Keep who proposes, what the settings say and what was typed; the dashboard shows all."""
        if self.settings.proposer not in self.samplers:
            self._optuna.set_user_attr("nasearch:samplers", [*self.samplers, self.settings.proposer])
        self._note_told()
        if command and self.command != command:
            self._optuna.set_user_attr("nasearch:command", command)

"""`Study`: one search over one space on one data set, kept in a store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nasearch.pareto import parse_limit, parse_limits, parse_objectives
from nasearch.samplers import SAMPLERS, make_sampler
from nasearch.space import Architecture, SearchSpace
from nasearch.space.plugins import load_plugins
from nasearch.store import Store
from nasearch.store.records import (
    FinishRecord,
    ReferenceRecord,
    ScreenedRecord,
    StudyRecord,
    TrialRecord,
)
from nasearch.study.board import Board
from nasearch.study.choosing import choose, front_of, knee_of
from nasearch.study.environment import deterministic
from nasearch.study.folders import check_claim, check_folder, claim_folder, folder_of, made
from nasearch.study.identity import Identity, claim, default_name, find, free_name, known
from nasearch.study.parts import FINISHED, Parts
from nasearch.study.progress import Progress, RunSummary
from nasearch.study.proxies.names import accuracy_of
from nasearch.study.settings import DEFAULT_STORAGE, StudySettings
from nasearch.study.told import told_of

if TYPE_CHECKING:
    from torch import nn

    from nasearch.data import Dataset
    from nasearch.deploy import ExportReport
    from nasearch.measure import BlockCost, Latency
    from nasearch.nets import Network
    from nasearch.report.audit import Audit
    from nasearch.report.curves import FrontComparison
    from nasearch.study.trainings import Training


class Study(Parts):
    """One search: space, data, objectives, limits, sampler and trials. Make one with `create` or `load`."""

    # making and finding studies

    @classmethod
    def create(
        cls,
        name: str | None = None,
        *,
        space: str | Path | SearchSpace = "mobile",
        plugins: Sequence[str | Path] = (),
        data: str | Dataset = "fashion-mnist-12k",
        data_root: str | None = None,
        image_size: int | None = None,
        objectives: Sequence[str] = ("accuracy", "macs"),
        limits: Sequence[str] = (),
        references: Sequence[str | Path] = (),
        sampler: str | None = None,
        baseline: str | None = None,
        screen: int | None = None,
        features: bool | None = None,
        proxy: str = "trained",
        recipe: str | Path = "proxy",
        epochs: int | None = None,
        images: int | None = None,
        seed: int = 0,
        deterministic: bool = False,
        storage: str = DEFAULT_STORAGE,
        device: str = "auto",
        gpus: str | None = None,
        workers: int | None = None,
        racing: bool | None = None,
        precision: str | None = None,
        supernet_recipe: str | Path = "supernet",
        supernet_epochs: int | None = None,
        supernet_time: str | None = None,
        confirm: int | None = None,
        pick: str | None = None,
        winner_recipe: str | Path | None = None,
        winner_epochs: int | None = None,
        teacher: bool | None = None,
        formats: Sequence[str] | None = None,
        fresh: bool = False,
        out: str | Path | None = None,
    ) -> Study:
        """Make a study, or go on with the one of the same name and the same fixed parts.

        Args: as in `StudySettings`; `space` and `data` may be objects too. How far it goes is said to `run`.

        Raises:
            StudyError: if the name belongs to another study, or the folder to another.
            NasearchError: for a space, data set, objective, limit, reference, device or database that
                cannot be used.
        """
        settings = StudySettings(
            space=space.name if isinstance(space, SearchSpace) else str(space),
            plugins=tuple(map(str, plugins)),
            data=data if isinstance(data, str) else data.name,
            data_root=data_root,
            image_size=image_size,
            objectives=tuple(objectives),
            limits=tuple(limits),
            references=tuple(map(str, references)),
            sampler=sampler,
            baseline=baseline,
            screen=screen,
            features=features,
            proxy=proxy,
            recipe=str(recipe),
            epochs=epochs,
            images=images,
            seed=seed,
            deterministic=deterministic,
            study=name,
            storage=storage,
            device=device,
            gpus=gpus,
            workers=workers,
            racing=racing,
            precision=precision,
            supernet_recipe=str(supernet_recipe),
            supernet_epochs=supernet_epochs,
            supernet_time=supernet_time,
            confirm=confirm,
            pick=pick,
            winner_recipe=None if winner_recipe is None else str(winner_recipe),
            winner_epochs=winner_epochs,
            teacher=teacher,
            formats=None if formats is None else tuple(formats),
            fresh=fresh,
            out=None if out is None else str(out),
        )
        return cls.from_settings(
            settings,
            space=space if isinstance(space, SearchSpace) else None,
            dataset=None if isinstance(data, str) else data,
        )

    @classmethod
    def from_settings(
        cls, settings: StudySettings, *, space: SearchSpace | None = None, dataset: Dataset | None = None
    ) -> Study:
        """Make or go on with the study that settings describe; errors as in `create`."""
        from nasearch.study.opening import identity_of, load_data
        from nasearch.study.places import devices_of
        from nasearch.study.proxies.proxy import proxy_of
        from nasearch.study.references import known_networks

        devices_of(settings)
        for sampler in (settings.proposer, settings.baseline or "random"):
            if sampler not in SAMPLERS:
                make_sampler(sampler, 0, 0)
        parse_objectives(settings.objectives)
        parse_limits(settings.limits)
        if settings.pick is not None:
            parse_limit(settings.pick)
        load_plugins(*settings.plugins)
        proxy = proxy_of(settings)
        space = space or proxy.space()
        references = known_networks(settings.references)
        if dataset is None and proxy.wants_images:
            dataset = load_data(settings)
        proxy.check(space, dataset)
        identity = identity_of(settings, space, dataset, proxy)
        name = settings.study or default_name(space.name, proxy.name_of_data(dataset))
        store = Store.open(settings.storage)
        try:
            name = free_name(store, name) if settings.fresh else name
            record = known(store, name, identity)
            check_folder(folder_of(settings, name), name, "" if record is None else made(record))
            told = {} if record is None else told_of(store, record)
            whole = proxy.settings = settings.after(told)
            whole.check_whole()
            proxy.check_settings()
            record = record or claim(store, name, identity)
            study = cls(store, record, space, whole, dataset, references, proxy)
            study.recalled = settings.recalled(told)
            study.identity.check_sampler(study.settings.proposer, name)
            if not study.samplers:  # never run: what is said now holds until it is
                study._note_told()
            return study
        except BaseException:
            store.close()
            raise

    @classmethod
    def load(
        cls,
        name: str | None = None,
        *,
        storage: str = DEFAULT_STORAGE,
        device: str = "auto",
        out: str | Path | None = None,
        dataset: Dataset | None = None,
    ) -> Study:
        """Find a study in a store; without a name the one that was made last.

        Its data are read when they are needed first. A study that was made with a `Dataset` object
        needs that object again to run on or finish. It goes on as it was told last: with the sampler,
        racing, precision, number to confirm, and the winner's recipe, epochs, teacher and formats.

        Raises:
            StudyError: if there is no such study.
            PluginError: if it has blocks of your own that are not known here; the text names their file.
        """
        store = Store.open(storage)
        try:
            record = find(store, name)
            identity = Identity.from_dict(record.identity)
            space = identity.space(record.name)
            settings = StudySettings(
                study=record.name,
                storage=storage,
                device=device,
                out=None if out is None else str(out),
                **{
                    key: identity.found[key]
                    for key in ("data", "data_root", "image_size", "proxy")
                    if key in identity.found
                },
                seed=int(identity.fixed["seed"]),
                budget=max(1, store.budget_used(record.id)),
            )
            study = cls(store, record, space, settings, dataset)
            study.settings = settings.after(study._told)
            return study
        except BaseException:
            store.close()
            raise

    @staticmethod
    def records(storage: str = DEFAULT_STORAGE) -> list[StudyRecord]:
        """Every study of a store, oldest first."""
        with Store.open(storage) as store:
            return store.list_studies()

    # searching

    def run(
        self,
        budget: int | None = None,
        time_s: float | None = None,
        progress: Progress | None = None,
        *,
        command: str = "",
    ) -> RunSummary:
        """Search until `budget` distinct architectures have been trained in this study, all runs counted.

        Args:
            budget: the settings' if not given.
            time_s: seconds after which no further candidate is started; None for no limit.
            progress: whoever watches.
            command: what was typed, for the report; without passwords. Such a run ends in a report, so the
                study's folder is its own from now on.

        When the search is over, the best are confirmed where the proxy trains nothing, references that the
        study was made with are measured, and the baseline gets as many candidates as the study has.
        An interrupt leaves the candidate in flight to the next run, which takes it up under its number.

        Raises:
            StudyError: if the folder of a run that was typed belongs to another study.
            StoreError: if another process owns the study, or the database fails.
        """
        from nasearch.study.references import measure
        from nasearch.study.running import run

        progress = progress or Progress()
        if command:
            claim_folder(self.directory, self)
        summary = run(self, self.settings.budget if budget is None else budget, time_s, progress, command)
        if self.settings.confirms and not self.proxy.trains and self.identity.kinship is None:
            self.confirm(progress=progress)
        if self._wanted:
            measure(self, self._wanted, progress)
        if self.settings.baseline is not None and self.spent:
            self.run_baseline(self.settings.baseline, progress=progress)
        return summary

    def confirm(self, count: int | None = None, progress: Progress | None = None) -> RunSummary | None:
        """Train the best candidates by themselves, in the sibling study `NAME.confirmed`.

        They are the best by non-dominated rank, spread over the front: the knee, the most accurate and what
        the setting `pick` asks for first. They are trained by the recipe of the trained proxy; with
        `inherited` from the weights that they inherit. What was confirmed is kept. `winner` and `finish` then
        choose among them.

        Args:
            count: how many; the settings' if not given.
            progress: whoever watches.

        Returns:
            How the trainings ended; None where there is nothing to confirm.

        Raises:
            SettingsError: for a count below 0.
            StudyError: if the candidates are trained anyway, or their supernet is gone.
            StoreError: if another process owns the confirmed study, or the database fails.
        """
        from nasearch.study import confirming

        confirming.check(self)
        count = self.settings.confirms if count is None else count
        return confirming.confirm(self, count, progress or Progress()) if count else None

    def confirmed(self) -> tuple[TrialRecord, ...]:
        """The trials that were confirmed, with the accuracy of their own training; empty if none was.

        What the study judged them by stands in their values beside it, such as `inherited_accuracy`.
        """
        from nasearch.study.confirming import confirmed

        return confirmed(self)

    def run_baseline(
        self, sampler: str = "random", budget: int | None = None, progress: Progress | None = None
    ) -> RunSummary:
        """Search by another sampler in the sibling study `NAME.<sampler>`, to compare with at equal budget.

        It has the same space, data, objectives, limits and proxy, races as this study did, and proposes by a
        seed of its own. What is there already is kept; a network that this study has measured with the same
        seed on the same device counts, and is not trained again.

        Args:
            sampler: by name.
            budget: distinct architectures; as many as this study has if not given.
            progress: whoever watches.

        Raises:
            StudyError: if this study is a baseline itself, or has no candidate yet.
            StoreError: if another process owns the baseline, or the database fails.
        """
        from nasearch.study.baseline import run_baseline

        return run_baseline(self, sampler, budget, progress or Progress())

    def compare_baselines(self) -> tuple[FrontComparison, ...]:
        """This study beside each of its baselines at equal budget; see `compare_fronts`."""
        from nasearch.study.baseline import comparisons

        return comparisons(self)

    def audit(
        self,
        n: int | None = None,
        epochs: int | None = None,
        *,
        recipe: str | Path | None = None,
        seed: int | None = None,
        scores: bool = False,
        progress: Progress | None = None,
    ) -> Audit:
        """Train some networks in full in the sibling study `NAME.audit`, and see how far the proxies agree.

        Half of them are of the front and the best third, spread over their costs; the others are spread over
        the quantiles of what the study knew of the rest, raced-out ones too. They are judged on the
        validation split. What is there already is kept; after an interrupt the same call goes on.

        Args:
            n: networks in all; as many as before if not given, 12 at first.
            epochs: of each training; as before if not given, the recipe's own at first.
            recipe: a built-in name or a YAML file; as before if not given, the winner's at first.
            seed: of the choice, where it is chance; the study's if not given.
            scores: score the networks without training too, where the store lacks scores of them.
            progress: whoever watches.

        Raises:
            TrainingError: if epochs are below 1.
            StudyError: if n is below 2, the study has fewer than 2 networks or no images, the audit was begun
                with another recipe, or no network could be trained.
            StoreError: if another process owns the audit, or the database fails.
        """
        from nasearch.study.audit import audit

        name = None if recipe is None else str(recipe)
        return audit(self, n, epochs, name, seed, scores, progress or Progress())

    def audited(self) -> Audit | None:
        """What the audit has shown so far; None where no network was trained for one. Trains nothing."""
        from nasearch.study.audit import audited

        return audited(self)

    def trials(self, *, curves: bool = False) -> tuple[TrialRecord, ...]:
        """Every trial that has an architecture, by number; with learning curves if asked."""
        return self._history.trials(curves=curves)

    def trial(self, number: int) -> TrialRecord:
        """A trial with its learning curve.

        Raises:
            StudyError: if there is no such trial.
        """
        return self._history.trial(number)

    def trainings(self, number: int) -> tuple[Training, ...]:
        """How a trial's network was trained beyond the search: confirmed, audited, as teacher, as winner.

        Raises:
            StudyError: if there is no such trial.
        """
        from nasearch.study.trainings import trainings_of

        return trainings_of(self, number)

    def outcomes(self) -> dict[str, int]:
        """Number of trials by outcome."""
        return self._history.outcomes()

    def screened(self) -> tuple[ScreenedRecord, ...]:
        """What the last screen looked at, the most promising first; empty where there was none."""
        return self._store.scores.screen(self._record.id)

    # known networks beside the search

    def references(self) -> tuple[ReferenceRecord, ...]:
        """The reference networks that were measured, or failed, in the order in which they were asked for."""
        from nasearch.study.references import measured

        return measured(self)

    def add_references(
        self, networks: Sequence[str | Path], progress: Progress | None = None
    ) -> tuple[ReferenceRecord, ...]:
        """Train known networks with the study's proxy, to be drawn beside its front.

        They cost no budget, are no trials and are held to no limit. What the study has measured is not
        measured again; an interrupt leaves what was.

        Args:
            networks: names of built-in fixed networks, or paths of space files with one network.
            progress: whoever watches.

        Returns:
            Every reference of the study, as `references` does.

        Raises:
            SpaceError: for what is no network; nothing is trained then.
            StoreError: if another process owns the study, or the database fails.
        """
        from nasearch.study.references import known_networks, measure

        self.proxy.check_references([str(network) for network in networks])
        measure(self, known_networks(networks), progress or Progress())
        return self.references()

    # choosing

    def front(self) -> tuple[TrialRecord, ...]:
        """The trials that no other dominates: one a network, limits kept, cheapest first."""
        keys = self._board().front()
        first: dict[str, TrialRecord] = {}
        for trial in self.trials():
            if trial.key in keys and trial.outcome == "complete":
                first.setdefault(trial.key, trial)
        return tuple(front_of(list(first.values()), self.objectives))

    def confirmed_front(self) -> tuple[TrialRecord, ...]:
        """The confirmed trials that no other confirmed one dominates, cheapest first; empty without any.

        Their accuracy is that of a training of their own.
        """
        return tuple(front_of(self.confirmed(), self.objectives))

    def hypervolume(self) -> float:
        """The share of the reference box that the front dominates, in [0, 1]; see `Board.reference`."""
        return self._board().hypervolume()

    def reference(self) -> tuple[float, ...]:
        """The corner of that box, a loss an objective."""
        return self._board().reference()

    def knee(self) -> TrialRecord | None:
        """The trial chosen by default: where the front bends, that of confirmed trials if there are any.

        None without a complete trial.
        """
        return knee_of(self.confirmed_front() or self.front(), self.objectives)

    def winner(self, pick: str | None = None) -> TrialRecord:
        """The knee, or the most accurate trial under a bound such as `macs <= 5M`.

        Raises:
            StudyError: if nothing is complete.
            SelectionError: if the bound cannot be read or nothing keeps it.
        """
        return choose(self, pick or self.settings.pick)

    # handing over

    def measure_front_latency(self, progress: Progress | None = None) -> None:
        """Time the front to choose from, winners and references on the study's device where they were not."""
        from nasearch.study.timing import time_front

        with self._owned("timing"):
            time_front(self, progress or Progress())

    def latency(self, architecture: Architecture) -> Latency:
        """The latency of an architecture on the study's device, measured once there and then kept.

        One that was taken on another device or in another runtime does not compare, and is replaced.
        """
        from nasearch.study.timing import latency

        return latency(self, architecture)

    def finish(
        self,
        pick: str | None = None,
        *,
        trial: int | None = None,
        recipe: str | Path | None = None,
        epochs: int | None = None,
        teacher: bool | None = None,
        progress: Progress | None = None,
    ) -> nn.Module:
        """Train the winner by the full recipe, taught by the most accurate network, and test it once.

        A network that was finished in the same way before is read back instead of being trained again.

        Args:
            pick: a bound as in `winner`.
            trial: the number of a trial to finish instead.
            recipe: of the teacher's and the winner's training: a built-in name or a YAML file.
            epochs: of both; the recipe's own, more on few images, if neither given nor set.
            teacher: whether the winner is taught by another network.
            progress: whoever watches.

        What is not given is as in the settings (`winner_recipe`, `winner_epochs`, `teacher`).

        Returns:
            The trained network in eval mode on the CPU; it takes images (N, C, H, W) with values in
            [0, 1] and gives logits (N, classes).

        Raises:
            StudyError: if there is nothing to finish, or the study's folder belongs to another study.
            SelectionError: as in `winner`.
            TrainingError: if there is no such recipe, epochs are below 1, or weights cannot be written.
        """
        from nasearch.study.winner import finish

        check_claim(self.directory, self)
        with self._owned("finish"), deterministic(self.threads):
            return finish(
                self,
                pick,
                trial,
                epochs,
                progress or Progress(),
                recipe_name=None if recipe is None else str(recipe),
                taught=teacher,
            ).model

    @property
    def finishes(self) -> list[FinishRecord]:
        """Every full training of a winner, with its reading of the test split, oldest first.

        The last is what was finished last: one that was read back in the place of a training goes there.
        """
        last = self._optuna.user_attrs.get(FINISHED)
        return sorted(self._store.finishes(self._record.id), key=lambda record: record.id == last)

    def export(
        self,
        directory: str | Path | None = None,
        formats: Sequence[str] | None = None,
        *,
        trial: int | None = None,
        progress: Progress | None = None,
    ) -> ExportReport:
        """Write what was finished last, or another trial, as files that need no nasearch.

        Where nothing was finished yet, the winner is first. After more searching, `finish` chooses anew.

        Args:
            directory: `<study's directory>/winner` if not given, or `/trial<N>` for a trial.
            formats: module, pt2, onnx; all available if not given.
            trial: the number of a trial to export instead of the winner.
            progress: whoever watches, where it has to be trained first.

        Raises:
            StudyError: if no directory is given, and that of the study belongs to another study.
            ExportError: if a file cannot be written, or a fresh process computes something else from it.
        """
        from nasearch.study.winner import export

        if directory is None:
            check_claim(self.directory, self)
        with self._owned("export"), deterministic(self.threads):
            report = export(self, directory, formats, trial, progress or Progress())
        if directory is None:
            claim_folder(self.directory, self)
        return report

    def report(
        self,
        directory: str | Path | None = None,
        *,
        comparisons: Sequence[FrontComparison] | None = None,
    ) -> list[Path]:
        """Write front.png, front.html, report.md and pictures of baselines and audit; gives their paths.

        Args:
            directory: the study's own if not given.
            comparisons: what `compare_baselines` gave, where that was called already.

        Raises:
            StudyError: if the folder belongs to another study.
            ExportError: if a file cannot be written.
        """
        from nasearch.study.reporting import write_report

        folder = Path(directory) if directory else self.directory
        claim_folder(folder, self)
        return write_report(self, folder, comparisons)

    def network(self, number: int) -> Network:
        """The untrained network of a trial."""
        from nasearch.nets import build

        return build(self.trial(number).architecture, len(self.classes), self.input_shape[0])

    def block_costs(self, number: int) -> tuple[BlockCost, ...]:
        """What each block of a trial's network costs, in order."""
        from nasearch.measure import block_costs

        return block_costs(self.trial(number).architecture, self.input_shape, len(self.classes))

    # inner parts that its neighbours in this package use

    def _board(self) -> Board:
        board = Board(self.objectives, self.limits, len(self.classes), accuracy_of(self.settings.proxy))
        for trial in self.trials():
            if trial.outcome == "complete":
                board.add(trial.key, trial.values)
        return board

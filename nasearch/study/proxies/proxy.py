"""What a study asks of the way in which it judges its candidates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nasearch.errors import SettingsError
from nasearch.executors import Executor
from nasearch.measure import Latency, timed_by
from nasearch.measure.trained import AnyFidelity
from nasearch.pareto import parse_limits
from nasearch.space import Architecture, SearchSpace
from nasearch.store import Store
from nasearch.study.identity import Identity
from nasearch.study.proxies.names import argument_of, choice_of
from nasearch.study.siblings import siblings_of

if TYPE_CHECKING:
    from nasearch.data import Dataset
    from nasearch.study.given import Start
    from nasearch.study.parts import Parts
    from nasearch.study.progress import Progress
    from nasearch.study.settings import StudySettings
    from nasearch.study.study import Study


class StudyProxy(ABC):
    """How the candidates of one study are judged.

    It is made of settings before there is a study, and then kept by the study. The methods of the first part
    are asked while a study is made, those of the second while one is run or shown.
    """

    judged: ClassVar[str]
    """How its accuracies are measured, a sentence for the report."""

    def __init__(self, settings: StudySettings) -> None:
        """Errors: as the kind has them, where it cannot be had as the settings say."""
        self.settings = settings

    # while a study is made

    @property
    def wants_images(self) -> bool:
        """Whether images are to be loaded."""
        return True

    def space(self) -> SearchSpace:
        """The space that the settings name."""
        return SearchSpace.load(self.settings.space)

    def check(self, space: SearchSpace, dataset: Dataset | None) -> None:  # noqa: B027  # most judge any
        """Refuse a space or images that it cannot judge."""

    def check_settings(self) -> None:  # noqa: B027  # most take any
        """Refuse settings that it can do nothing with, once it is known what a study was told before.

        Raises:
            SettingsError: saying what to do.
        """

    def check_references(self, networks: Sequence[str]) -> None:  # noqa: B027  # most judge any
        """Refuse known networks that it cannot judge beside its candidates.

        Raises:
            SettingsError: saying what to do.
        """

    def name_of_data(self, dataset: Dataset | None) -> str:
        """What the study's default name says of the data."""
        return dataset.name if dataset is not None else self.settings.proxy

    @abstractmethod
    def fixed(self, space: SearchSpace, dataset: Dataset | None) -> Mapping[str, Any]:
        """Its parts of a study's identity, which never change; `recipe` among them."""

    @abstractmethod
    def found(self, space: SearchSpace, dataset: Dataset | None) -> Mapping[str, Any]:
        """What is noted beside them; `fidelity`, for people, and `proxy` unless it is trained among them."""

    def timed_on(self) -> str:
        """Where latencies come from, for a study that is led by them."""
        return " in ".join(timed_by(self.settings.device))

    # while a study is run or shown

    def check_same(self, identity: Identity, name: str) -> None:  # noqa: B027  # most need nothing else
        """Refuse to go on where what it judges by has changed since the study was made.

        Raises:
            StudyError: saying what to do.
        """

    @property
    def trains(self) -> bool:
        """Whether its accuracies are those of trained networks; else the best are trained by themselves."""
        return False

    def recipes(self, study: Study) -> Mapping[str, Mapping[str, Any]]:
        """Of the trainings that it rests on, by what is trained, such as "Proxy"; none where nothing is."""
        return {}

    def start(self, study: Study) -> Start | None:
        """What the trainings of its best begin with; None for fresh weights."""
        return None

    def has_start(self, study: Study) -> bool:
        """Whether what they begin with can be read."""
        return True

    def rungs(self, study: Parts) -> tuple[int, ...]:
        """Epochs after which candidates are validated, the top last; none where they are not trained."""
        return ()

    def epochs(self, study: Study) -> int:
        """Of a candidate's bar."""
        return 1

    @abstractmethod
    def fidelity(self, study: Study) -> AnyFidelity:
        """What a measurement stands for; kept with each, and measurements compare only where it is equal."""

    def prepare(self, study: Study, progress: Progress) -> None:  # noqa: B027  # most need nothing
        """Make ready what all candidates need, by the process that owns the study; again is harmless."""

    @abstractmethod
    def in_process(self, study: Study) -> Executor:
        """Judges a candidate at a time in this process."""

    def executor(self, study: Study, budget: int) -> Executor:
        """Where the candidates of a run are judged, of which `budget` are left."""
        return self.in_process(study)

    @property
    def times_here(self) -> bool:
        """Whether latencies are measured on this machine."""
        return True

    def latency(self, architecture: Architecture) -> Latency | None:
        """A latency that is known without measuring; None where it is measured."""
        return None

    def fingerprint(self, study: Study) -> str:
        """Of what candidates are judged on."""
        return study.dataset.fingerprint


class Untrained(StudyProxy):
    """A proxy that trains no candidate: one process judges them all, on a scale of the space's own.

    Attributes:
        scale: why known networks have no place on it, in words.
        judging: what the one process does.
    """

    scale: ClassVar[str]
    judging: ClassVar[str]

    def __init__(self, settings: StudySettings) -> None:
        """Refuse what only trainings can have; SettingsError."""
        super().__init__(settings)
        if settings.references:
            raise self._no_place(settings.references, settings.study or "NAME", is_there=False)
        if settings.racing:
            raise SettingsError(
                "racing is on; expected it off: candidates that are not trained have no epochs"
            )

    def check_references(self, networks: Sequence[str]) -> None:
        """None can be judged, by a study that is in its store."""
        if networks:
            raise self._no_place(networks, *_confirmed_of(self.settings))

    def _no_place(self, networks: Sequence[str], owner: str, is_there: bool) -> SettingsError:
        """The error for known networks; `is_there` says whether the best of `owner` have been confirmed."""
        given = " ".join(f"--reference {network}" for network in networks)
        command = f"nasearch front {owner}.confirmed {given}"
        if is_there:
            remedy = f"draw them beside the confirmed: {command}"
        else:
            made = f"confirming the best (--confirm) makes {owner}.confirmed"
            remedy = f"give none; {made}, and then {command} draws them"
        return SettingsError(f"references are {', '.join(networks)}; {self.scale}: {remedy}")

    def check(self, space: SearchSpace, dataset: Dataset | None) -> None:
        """Refuse limits on an accuracy that is none."""
        for limit in parse_limits((*space.limits, *self.settings.limits)):
            if limit.metric == "accuracy":
                raise SettingsError(
                    f"limit {limit.text!r} and proxy {self.settings.proxy}, which trains no candidate; "
                    f"expected limits on costs: what is trained can be chosen with --pick {limit.text!r}"
                )

    def check_settings(self) -> None:
        """Refuse several workers where nothing is trained; those that are confirmed may have them."""
        workers = self.settings.workers or 1
        if workers > 1 and not self.settings.confirms:
            raise SettingsError(
                f"workers is {workers} and confirm is 0; expected 1 worker, or some to confirm: one process "
                f"{self.judging}, and workers train those that are confirmed"
            )


def _confirmed_of(settings: StudySettings) -> tuple[str, bool]:
    """Whose best are confirmed where a study is shown, as far as settings tell, and whether they are yet."""
    if settings.study is None or settings.fresh:  # its name is made, and not noted there
        return "NAME", False
    with Store.open(settings.storage) as store:
        record = store.find_study(settings.study)
        kin = None if record is None else Identity.from_dict(record.identity).kinship
        owner = settings.study if kin is None else kin.of
        return owner, bool(siblings_of(store, owner, "confirmed"))


def proxy_of(settings: StudySettings) -> StudyProxy:
    """The proxy that settings name; errors as its kind has them."""
    module, _, name = choice_of(settings.proxy).home.partition(":")
    kind: type[StudyProxy] = getattr(import_module(f"nasearch.study.proxies.{module}"), name)
    return kind(settings)


def lasting(text: str) -> str:
    """`table:FILE` with the file's path made absolute, so that a study finds it from any folder."""
    file = argument_of(text)
    return f"{text.removesuffix(file)}{Path(file).expanduser().resolve()}" if file else text

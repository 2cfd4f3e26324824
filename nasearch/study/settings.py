"""The settings of a study: one table that the study file, the command line and the docs share."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from nasearch.errors import SettingsError
from nasearch.samplers import SAMPLERS
from nasearch.space.reader import Document, read_yaml
from nasearch.study.proxies.names import PROXIES, argument_of, choice_of, form_of, in_words

DEFAULT_STORAGE = "sqlite:///studies/nasearch.db"
PRECISIONS = ("auto", "float32", "bfloat16")
KEPT = (
    "sampler",
    "features",
    "racing",
    "precision",
    "confirm",
    "winner_recipe",
    "winner_epochs",
    "teacher",
    "formats",
)
"""Settings that stay as a study was told last, until it is told anew; None is not told."""
NO_IMAGES = "table:"
"""In the place of a fingerprint of images, for a study that has none: it is on a table."""
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _setting(default: Any, about: str) -> Any:
    return field(default=default, metadata={"help": about})


def _default_samplers() -> str:
    """Who proposes with which proxy, for the help."""
    first, *others = [(form_of(name), choice.sampler) for name, choice in PROXIES.items()]
    own = [f"{sampler} with --proxy {form}" for form, sampler in others if sampler != first[1]]
    return ", ".join([first[1], *own])


def _default_confirms() -> str:
    """How many are confirmed with which proxy, for the help."""
    return ", ".join(
        f"{choice.confirms} with --proxy {form_of(name)}"
        for name, choice in PROXIES.items()
        if choice.confirms
    )


@dataclass(frozen=True)
class StudySettings:
    """What a study is and how far it goes.

    A study file in YAML has these names as its keys; the command line has them as options, with
    dashes for underscores. What makes the study itself (space, data, objectives, limits, proxy,
    epochs, images, seed, deterministic) never changes once it exists; the rest may.
    """

    space: str = _setting("mobile", "Search space: a built-in name or the path of a YAML file.")
    plugins: tuple[str, ...] = _setting(
        (), "Python file that registers blocks of your own; a path in a study file starts beside it."
    )
    data: str = _setting(
        "fashion-mnist-12k", "Data: a name, folder:PATH (one folder a class) or npz:FILE (x_train, y_train)."
    )
    data_root: str | None = _setting(None, "Folder where a named data set lies or is downloaded to.")
    image_size: int | None = _setting(None, "Resize and centre-crop every image to this many pixels.")
    objectives: tuple[str, ...] = _setting(
        ("accuracy", "macs"), "What to optimise: accuracy, params, macs, peak_activation_bytes, latency_ms."
    )
    limits: tuple[str, ...] = _setting((), "A bound such as 'params <= 200k'; goes before the space's own.")
    references: tuple[str, ...] = _setting(
        (), "Known network to train with the same proxy and draw beside the front: a name or a space file."
    )
    sampler: str | None = _setting(
        None, f"Who proposes: {', '.join(SAMPLERS)}; as before if not given, at first {_default_samplers()}."
    )
    baseline: str | None = _setting(
        None, "Sampler to compare with at equal budget, such as random; its study is NAME.SAMPLER."
    )
    screen: int | None = _setting(
        None,
        "Look at this many networks first, without training, and begin with the most promising by zero-cost "
        "scores and costs.",
    )
    features: bool | None = _setting(
        None,
        "Tell the surrogate sampler zero-cost scores of the few networks that it chooses from; as before if "
        "not given, off at first.",
    )
    proxy: str = _setting("trained", f"How a candidate is judged: {in_words()}.")
    recipe: str = _setting("proxy", "Recipe of the proxy training: a built-in name or a YAML file.")
    epochs: int | None = _setting(
        None, "Epochs of the proxy training; the recipe's own, more on few images, if not given."
    )
    images: int | None = _setting(None, "Images of the proxy training; the proxy recipe's own if not given.")
    supernet_recipe: str = _setting(
        "supernet", "Recipe of the supernet, with --proxy inherited: a built-in name or a YAML file."
    )
    supernet_epochs: int | None = _setting(
        None, "Epochs of the supernet; the recipe's own, more on few images, if not given."
    )
    supernet_time: str | None = _setting(
        None, "Train the supernet for about this time, such as 30m, in the place of a number of epochs."
    )
    confirm: int | None = _setting(
        None,
        "Best candidates that are trained by themselves after the search, in the study NAME.confirmed; "
        f"as before if not given, at first {_default_confirms()}; 0 for none.",
    )
    seed: int = _setting(0, "Seed of splits, proposals and trainings.")
    deterministic: bool = _setting(
        False, "Fix threads and algorithms, so that the same seed gives the same accuracies."
    )
    study: str | None = _setting(None, "Name of the study; <space>-<data> if not given.")
    storage: str = _setting(DEFAULT_STORAGE, "URL of the SQL database that keeps every study.")
    device: str = _setting("auto", "Device: auto, cpu, cuda, cuda:1, mps.")
    gpus: str | None = _setting(
        None, "GPUs to train on, such as 0,1,2,3; workers are shared out among them. Goes before device."
    )
    workers: int | None = _setting(
        None,
        "Candidates trained side by side, each by a process; found from cores, memory and GPUs if not given.",
    )
    racing: bool | None = _setting(
        None,
        "Stop candidates early that cannot enter the front; as before if not given, at first on for "
        "surrogate, random and tpe.",
    )
    precision: str | None = _setting(
        None,
        "Of the trainings: float32, bfloat16, or auto, whichever a short self-timing finds faster; as before "
        "if not given, auto at first.",
    )
    budget: int = _setting(50, "Distinct architectures to train; the same command with more goes on.")
    time: str | None = _setting(None, "Stop starting candidates after this time, such as 90s, 30m or 2h.")
    fresh: bool = _setting(False, "Start a new study beside one of the same name.")
    pick: str | None = _setting(
        None, "Choose the most accurate network under a bound, such as 'macs <= 5M', instead of the knee."
    )
    winner_recipe: str | None = _setting(
        None,
        "Recipe of teacher and winner: a built-in name or a YAML file; as before if not given, full at "
        "first.",
    )
    winner_epochs: int | None = _setting(
        None,
        "Epochs of teacher and winner; as before if not given, at first the recipe's own, more on few "
        "images.",
    )
    teacher: bool | None = _setting(
        None,
        "Distil the winner from the most accurate network of the front; as before if not given, on at first.",
    )
    finish: bool = _setting(True, "Train, test and export the winner at the end.")
    formats: tuple[str, ...] | None = _setting(
        None,
        "Export formats: module, pt2, onnx; as before if not given, at first every one whose library is "
        "installed.",
    )
    out: str | None = _setting(None, "Folder for the winner, plots and report; studies/<name> if not given.")

    def __post_init__(self) -> None:
        """Refuse values that no study could use, naming the setting."""
        for name, low in (
            ("budget", 1),
            ("epochs", 1),
            ("images", 2),
            ("winner_epochs", 1),
            ("image_size", 4),
            ("workers", 1),
            ("screen", 1),
            ("supernet_epochs", 1),
            ("confirm", 0),
        ):
            value = getattr(self, name)
            if value is not None and value < low:
                raise SettingsError(f"{name} is {value}; expected a whole number of at least {low}")
        if not 0 <= self.seed < 2**32:
            raise SettingsError(f"seed is {self.seed}; expected a whole number from 0 to 4294967295")
        if self.computes_in not in PRECISIONS:
            raise SettingsError(f"precision is {self.precision!r}; expected one of {', '.join(PRECISIONS)}")
        if self.gpus is not None:
            gpus_of(self.gpus)
        several = max(self.workers or 1, len(gpus_of(self.gpus)) if self.gpus is not None else 1)
        if self.deterministic and several > 1:
            raise SettingsError(
                f"workers is {several} in a deterministic study; expected 1, on one device: the order in "
                "which several candidates end is chance, and with it what is proposed next"
            )
        self._check_proxy()
        if self.sampler is not None or self.fresh:
            self.check_whole()
        if self.supernet_epochs is not None and self.supernet_time is not None:
            raise SettingsError(
                f"supernet_epochs is {self.supernet_epochs} and supernet_time is {self.supernet_time}; "
                "expected one of the two"
            )
        if self.supernet_time is not None:
            seconds_of(self.supernet_time, "supernet_time")
        if self.time is not None:
            seconds_of(self.time)
        if self.study is not None and not re.fullmatch(r"(?!\d+$)\w[\w.+-]{0,99}", self.study):
            raise SettingsError(
                f"study is {self.study!r}; expected a name of letters, digits, '.', '_', '+' and '-' "
                "that begins with a letter and is no number"
            )

    def check_whole(self) -> None:
        """Refuse settings that do not go together once it is known what a study was told before (`after`).

        Raises:
            SettingsError: naming both.
        """
        if self.features and self.proposer != "surrogate":
            raise SettingsError(
                f"features is on and sampler is {self.proposer!r}; expected surrogate, which alone has a "
                "model that they could tell something"
            )

    def _check_proxy(self) -> None:
        """Refuse a proxy that does not exist, and settings that say nothing to this one."""
        proxy = choice_of(self.proxy)
        for kind, choice in PROXIES.items():
            for name in choice.own:
                value = getattr(self, name)
                if name not in proxy.own and value != default_of(name):
                    raise SettingsError(
                        f"{name} is {value!r} and proxy is {self.proxy!r}; "
                        f"expected proxy {kind}, or no {name}"
                    )
        if self.confirm and not proxy.confirms:
            cheap = " or ".join(name for name, choice in PROXIES.items() if choice.confirms)
            raise SettingsError(
                f"confirm is {self.confirm} and proxy is {self.proxy!r}, whose candidates are trained anyway;"
                f" expected proxy {cheap}, or confirm 0"
            )

    @property
    def proposer(self) -> str:
        """Who proposes: as said, else who is best with the proxy."""
        return choice_of(self.proxy).sampler if self.sampler is None else self.sampler

    @property
    def confirms(self) -> int:
        """How many of the best are trained by themselves: as said, else as the proxy wants."""
        return choice_of(self.proxy).confirms if self.confirm is None else self.confirm

    @property
    def races(self) -> bool:
        """Whether candidates race, if they can: as said, else where the sampler learns from stopped ones."""
        wanted = SAMPLERS[self.proposer].races if self.racing is None else self.racing
        return wanted and choice_of(self.proxy).races

    @property
    def computes_in(self) -> str:
        """The precision of trainings: as said, else auto."""
        return "auto" if self.precision is None else self.precision

    @property
    def finishes_by(self) -> str:
        """The recipe of teacher and winner: as said, else full."""
        return "full" if self.winner_recipe is None else self.winner_recipe

    @property
    def teaches(self) -> bool:
        """Whether the winner has a teacher: as said, else it has."""
        return self.teacher is None or self.teacher

    @property
    def told(self) -> dict[str, Any]:
        """What is said of the settings that a study keeps, as plain data; files by their absolute paths."""
        said: dict[str, Any] = {
            name: list(value) if isinstance(value, tuple) else value
            for name in KEPT
            if (value := getattr(self, name)) is not None
        }
        recipe = said.get("winner_recipe", "")
        if recipe.endswith((".yaml", ".yml")):
            said["winner_recipe"] = str(Path(recipe).expanduser().resolve())
        return said

    def recalled(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Of what was told before, that of which nothing is said now.

        What was told of features and racing goes with the sampler, and is void with another one.
        """
        before = told.get("sampler") or choice_of(self.proxy).sampler
        void = ("features", "racing") if self.sampler not in (None, before) else ()
        unsaid = [name for name in KEPT if getattr(self, name) is None and name not in void]
        return {name: told[name] for name in unsaid if name in told}

    def after(self, told: Mapping[str, Any]) -> StudySettings:
        """These settings, with what was told before where nothing is said now."""
        return self.merge(**self.recalled(told))

    @property
    def time_s(self) -> float | None:
        """The time in seconds, or None."""
        return None if self.time is None else seconds_of(self.time)

    @classmethod
    def load(cls, path: str | Path) -> StudySettings:
        """Read a study file.

        Raises:
            SettingsError: with every key or type of value that is wrong, or else the first value, or pair
                of values, that is; each with its line, key and remedy.
        """
        document = read_yaml(Path(path), SettingsError)
        if not isinstance(document.data, dict):
            raise SettingsError(f"{path}: expected keys such as space, data and budget")
        document.check_keys("", document.data, names())
        given = {
            name: _checked(document, name, value) for name, value in document.data.items() if name in names()
        }
        document.finish()
        # A study file may name files that lie beside it.
        for name in ("space", "recipe", "supernet_recipe", "winner_recipe"):
            if name in given:
                given[name] = _beside(path, given[name])
        if file := argument_of(given.get("proxy", "")):
            given["proxy"] = f"{given['proxy'].removesuffix(file)}{_beside(path, file)}"
        if "references" in given:
            given["references"] = tuple(_beside(path, name) for name in given["references"])
        if "plugins" in given:
            given["plugins"] = tuple(
                str(Path(path).parent / Path(file).expanduser()) for file in given["plugins"]
            )
        try:
            return cls(**given)
        except SettingsError as problem:  # which begins with the setting's name
            where = document.where(str(problem).partition(" ")[0])
            raise SettingsError(f"{where}: {problem}") from problem

    def merge(self, **given: Any) -> StudySettings:
        """These settings with the given ones in their place; plugins are added to those that there are.

        Raises:
            SettingsError: for a setting that does not exist or a value that is not accepted.
        """
        for name in given:
            if name not in names():
                raise SettingsError(f"{name!r} is no setting; expected one of {', '.join(names())}")
        lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
        if "plugins" in given:
            lists["plugins"] = tuple(dict.fromkeys((*self.plugins, *given["plugins"])))
        return dataclasses.replace(self, **{**given, **lists})

    def to_yaml(self) -> str:
        """A study file with the settings that differ from the defaults."""
        changed = {
            item.name: list(value) if isinstance(value, tuple) else value
            for item in dataclasses.fields(self)
            if (value := getattr(self, item.name)) != item.default
        }
        return str(yaml.safe_dump(changed, sort_keys=False, allow_unicode=True))


def names() -> tuple[str, ...]:
    """Every setting's name, in the order of the table."""
    return tuple(item.name for item in dataclasses.fields(StudySettings))


def help_of(name: str) -> str:
    """What a setting means, in one line."""
    item = next(item for item in dataclasses.fields(StudySettings) if item.name == name)
    return str(item.metadata["help"])


def default_of(name: str) -> Any:
    """A setting's default."""
    return next(item.default for item in dataclasses.fields(StudySettings) if item.name == name)


def seconds_of(text: str, name: str = "time") -> float:
    """Seconds of a time such as 90s, 30m, 1.5h; a bare number is seconds.

    Raises:
        SettingsError: if the text is no time.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", str(text))
    if match is None or float(match[1]) == 0:
        raise SettingsError(f"{name} is {text!r}; expected a time such as 90s, 30m or 2h")
    return float(match[1]) * _SECONDS[match[2] or "s"]


def gpus_of(text: str) -> tuple[int, ...]:
    """The numbers of GPUs in a text such as 0,1,3.

    Raises:
        SettingsError: if it is no list of different whole numbers.
    """
    if not re.fullmatch(r"\s*\d+\s*(,\s*\d+\s*)*", str(text)):
        raise SettingsError(f"gpus is {text!r}; expected numbers with commas between, such as 0,1")
    numbers = tuple(int(part) for part in str(text).split(","))
    if len(set(numbers)) < len(numbers):
        raise SettingsError(f"gpus is {text!r}; expected each number once")
    return numbers


def _beside(path: str | Path, name: str) -> str:
    """A file of that name in the folder of the study file, or the name as it is."""
    file = Path(path).parent / name
    return str(file) if name.endswith((".yaml", ".yml", ".npz")) and file.exists() else name


_ACCEPTED = {
    "int": ((int,), "a whole number"),
    "bool": ((bool,), "true or false"),
    "str": ((str,), "a text"),
    "tuple[str, ...]": ((list, str), "a list of texts"),
}


def _checked(document: Document, name: str, value: Any) -> Any:
    """A value of a study file in the setting's type; complains where it has another."""
    item = next(item for item in dataclasses.fields(StudySettings) if item.name == name)
    kind = str(item.type).removesuffix(" | None")
    if value is None and str(item.type).endswith("| None"):
        return None
    if name in ("time", "supernet_time", "gpus") and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    types, words = _ACCEPTED[kind]
    right = isinstance(value, types) and not (kind != "bool" and isinstance(value, bool))
    if right and isinstance(value, list):
        right = all(isinstance(entry, str) for entry in value)
    if not right:
        document.complain(name, f" is {value!r}; expected {words}")
        return item.default
    if kind.startswith("tuple"):
        return (value,) if isinstance(value, str) else tuple(value)
    return value

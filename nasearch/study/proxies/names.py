"""The kinds of proxy by name, without torch: what help texts and settings need.

A new kind is a row here, and a subclass of `nasearch.study.proxies.proxy.StudyProxy` in a file of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nasearch.errors import SettingsError


@dataclass(frozen=True)
class ProxyChoice:
    """A kind of proxy that a study can name.

    Attributes:
        home: module of this package and class in it, with a colon between.
        about: what it is, in a few words, for the help.
        takes: what stands behind its name and a colon, such as FILE; empty if the name is all.
        sampler: who proposes where the settings name nobody.
        races: whether there are epochs after which a candidate can be stopped.
        accuracy: what its accuracy is called where a reader could take it for that of a trained network.
        confirms: how many of the best are trained by themselves afterwards where the settings do not say; 0
            where all are trained.
        own: settings that say something to this kind alone.
    """

    home: str
    about: str
    takes: str = ""
    sampler: str = "surrogate"
    races: bool = False
    confirms: int = 0
    accuracy: str = "accuracy"
    own: tuple[str, ...] = ()


PROXIES: dict[str, ProxyChoice] = {
    "trained": ProxyChoice("trained:Trained", "a short training", races=True),
    "inherited": ProxyChoice(
        "inherited:Inherited",
        "the weights of a supernet, trained once",
        sampler="evolution",
        confirms=10,
        accuracy="inherited_accuracy",
        own=("supernet_recipe", "supernet_epochs", "supernet_time"),
    ),
    "zero-cost": ProxyChoice(
        "zero_cost:ZeroCost",
        "scores without training",
        sampler="evolution",
        confirms=10,
        accuracy="zero_cost_score",
    ),
    "table": ProxyChoice("table:Looked", "looked up in a table of trained networks", takes="FILE"),
}


def form_of(name: str) -> str:
    """How a kind is written: `trained`, or `table:FILE`."""
    takes = PROXIES[name].takes
    return f"{name}:{takes}" if takes else name


def in_words() -> str:
    """Every kind for a help text."""
    forms = [f"{form_of(name)} ({choice.about})" for name, choice in PROXIES.items()]
    return f"{', '.join(forms[:-1])}, or {forms[-1]}"


def choice_of(text: str) -> ProxyChoice:
    """The kind of proxy that a setting names.

    Raises:
        SettingsError: if it is none.
    """
    name, colon, rest = text.partition(":")
    choice = PROXIES.get(name)
    if choice is None or not (rest if choice.takes else not colon):
        forms = [form_of(each) for each in PROXIES]
        raise SettingsError(f"proxy is {text!r}; expected {', '.join(forms[:-1])} or {forms[-1]}")
    return choice


def accuracy_of(text: str) -> str:
    """What tables, pictures and JSON call the accuracies of a proxy; of an unknown one `accuracy`."""
    choice = PROXIES.get(text.partition(":")[0])
    return "accuracy" if choice is None else choice.accuracy


def named(text: str, values: Mapping[str, float]) -> dict[str, float]:
    """A trial's values with the accuracy under the name that it has with a proxy."""
    name = accuracy_of(text)
    return {name if metric == "accuracy" else metric: value for metric, value in values.items()}


def argument_of(text: str) -> str:
    """What stands behind the name of a kind: of `table:FILE` the file, of `trained` nothing."""
    return text.partition(":")[2]

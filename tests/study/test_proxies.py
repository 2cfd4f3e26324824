"""The kinds of proxy: what each promises, and how their text is read."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from inspect import isabstract

import pytest

from nasearch.errors import SettingsError
from nasearch.samplers import SAMPLERS
from nasearch.study import StudySettings
from nasearch.study.proxies import PROXIES, choice_of
from nasearch.study.proxies.names import argument_of, form_of, in_words
from nasearch.study.proxies.proxy import StudyProxy
from nasearch.study.settings import help_of


@pytest.mark.parametrize("name", PROXIES)
def test_each_kind_is_a_class_of_its_own_and_can_be_named(name: str) -> None:
    choice = PROXIES[name]
    module, _, kind = choice.home.partition(":")
    made = getattr(import_module(f"nasearch.study.proxies.{module}"), kind)
    assert issubclass(made, StudyProxy)
    assert not isabstract(made)
    assert choice.sampler in SAMPLERS
    assert choice_of(form_of(name)) is choice
    assert StudySettings(proxy=form_of(name)).proposer == choice.sampler
    assert form_of(name) in help_of("proxy")


@pytest.mark.parametrize("text", ["", "guessed", "trained:x", "table", "table:", ":", "Trained"])
def test_what_is_no_kind_is_refused_with_those_that_there_are(text: str) -> None:
    with pytest.raises(SettingsError, match=rf"^proxy is '{text}'; expected trained.* or table:FILE$"):
        StudySettings(proxy=text)


def test_a_kind_may_take_an_argument() -> None:
    assert argument_of("table:a:b.yaml") == "a:b.yaml"
    assert argument_of("trained") == ""
    assert "table:FILE (looked up in a table of trained networks)" in in_words()


def test_a_sampler_that_is_given_goes_before_the_proxys_own() -> None:
    settings = StudySettings(sampler="local")
    assert settings.proposer == "local"
    assert StudySettings().sampler is None
    assert StudySettings().proposer == "surrogate"


def test_only_candidates_that_are_trained_race() -> None:
    assert StudySettings().races
    assert not StudySettings(sampler="nsga2").races
    assert not StudySettings(proxy="table:a.yaml", racing=True).races


def test_settings_need_no_torch() -> None:
    code = "import sys, nasearch.study.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Samplers by name."""

from __future__ import annotations

import subprocess
import sys

import optuna
import pytest
from optuna.samplers import NSGAIIISampler, NSGAIISampler

import nasearch as nas
from nasearch import samplers
from nasearch.errors import SettingsError
from nasearch.samplers import SAMPLERS, ParetoEvolutionSampler, SurrogateSampler, make_sampler, trial_seed
from nasearch.samplers.choose import MAKERS
from nasearch.samplers.names import POPULATION
from tests.samplers.problems import ask_cell, cell_study, measure_cell


def test_every_name_is_explained_and_made() -> None:
    assert list(MAKERS) == list(SAMPLERS)
    for name in SAMPLERS:
        assert isinstance(make_sampler(name, 0, 0), optuna.samplers.BaseSampler)
    assert isinstance(make_sampler("surrogate", 0, 0), SurrogateSampler)
    for name in ("evolution", "local"):
        assert isinstance(make_sampler(name, 0, 0), ParetoEvolutionSampler)
    for name, kind in (("nsga2", NSGAIISampler), ("nsga3", NSGAIIISampler)):
        made = make_sampler(name, 0, 0)
        assert isinstance(made, kind)
        assert made._population_size == POPULATION == 20


@pytest.mark.parametrize("name", ["cma", "", "Surrogate"])
def test_a_name_that_is_none(name: str) -> None:
    expected = "surrogate, evolution, local, random, tpe, nsga2, nsga3, gp"
    with pytest.raises(SettingsError, match=f"^sampler is {name!r}; expected one of {expected}$"):
        make_sampler(name, 0, 0)


def test_seeds_are_one_for_each_trial_and_stream() -> None:
    seeds = {
        trial_seed(seed, number, stream) for seed in range(8) for number in range(40) for stream in (0, 1)
    }
    assert len(seeds) == 8 * 40 * 2
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert trial_seed(3, 4) == trial_seed(3, 4, 0)


@pytest.mark.parametrize("name", ["surrogate", "evolution", "local"])
def test_a_sampler_made_anew_for_each_trial_repeats_its_proposals(name: str) -> None:
    found = []
    for _ in range(2):
        study = cell_study(make_sampler(name, 5, 0))
        for number in range(13):
            study.sampler = make_sampler(name, 5, number)
            study.optimize(measure_cell, n_trials=1)
        study.sampler = make_sampler(name, 5, 13)
        found.append(ask_cell(study.ask()))
    assert found[0] == found[1]


def test_the_names_that_are_promised() -> None:
    assert nas.samplers.SurrogateSampler is SurrogateSampler
    assert nas.samplers.ParetoEvolutionSampler is ParetoEvolutionSampler
    for name in samplers.__all__:
        assert getattr(samplers, name) is not None
    with pytest.raises(AttributeError, match=r"module 'nasearch.samplers' has no attribute 'Surrogate'"):
        samplers.Surrogate  # noqa: B018


def test_names_alone_import_no_optuna() -> None:
    code = (
        "import sys, nasearch.samplers as s; assert 'surrogate' in s.SAMPLERS; "
        "assert 'optuna' not in sys.modules; "
        "s.SurrogateSampler; assert 'optuna' in sys.modules; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

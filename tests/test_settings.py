"""Settings are declared once: options, estimator parameters, recipes and saved JSON agree with the declarations."""

import inspect
import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from commands import run
from scipy.sparse import csr_array, save_npz

import docnvil
from docnvil.commands.fit import fit as fit_command
from docnvil.commands.setting_options import effective_default
from docnvil.errors import ConfigurationError
from docnvil.estimator import DocNVIL
from docnvil.model.settings import ModelConfig
from docnvil.schema import GROUPS, from_saved, settings_of
from docnvil.text.settings import SourceOptions, TokenOptions, VocabularyLimits
from docnvil.training.recipes import RECIPES
from docnvil.training.settings import Settings, TrainingConfig, all_settings

EXPOSED = {name: each for name, each in all_settings().items() if each.group}


@pytest.fixture
def counts(block_counts, tmp_path) -> Any:
    save_npz(tmp_path / "counts.npz", csr_array(block_counts))
    return tmp_path / "counts.npz"


def test_the_estimator_has_a_parameter_for_every_setting():
    parameters = inspect.signature(DocNVIL).parameters
    others = {"vocabulary", "text_column", "verbose"}
    assert set(parameters) - others == {each.parameter for each in EXPOSED.values()}
    for each in EXPOSED.values():
        default = parameters[each.parameter].default
        if default is not None:  # None stands for the recipe's value
            expected = each.default[0] if isinstance(each.default, tuple) else each.default
            assert default == expected, each.name
    assert all(f'"{recipe}"' in DocNVIL.__doc__ for recipe in RECIPES)


def test_the_command_has_an_option_for_every_setting():
    options = {option.name: option for option in fit_command.params}
    for name, each in EXPOSED.items():
        assert f"--{each.option}" in options[name].opts
        assert options[name].group == each.group
        if each.choices:
            assert tuple(options[name].type.choices) == each.choices


def test_text_options_have_the_defaults_of_the_library():
    options = {option.name: option for option in fit_command.params}
    for declaration in (SourceOptions, TokenOptions, VocabularyLimits):
        for name, each in settings_of(declaration).items():
            assert options[name].default == each.default, name
            assert options[name].group == each.group
    counting = inspect.signature(docnvil.count_words).parameters
    assert all(counting[name].default == each.default for name, each in settings_of(VocabularyLimits).items())
    rules = docnvil.TokenRules()
    assert (rules.lowercase, rules.min_length) == (TokenOptions().lowercase, TokenOptions().min_length)


def test_every_setting_has_a_group_and_a_short_help_text():
    for each in EXPOSED.values():
        assert each.group in GROUPS
        assert 1 <= len(each.help.split()) <= 12, each.name
        assert effective_default(each)


def test_recipes_set_only_declared_settings_to_allowed_values():
    for name, recipe in RECIPES.items():
        assert set(recipe.model) <= set(settings_of(ModelConfig)), name
        assert set(recipe.training) <= set(settings_of(TrainingConfig)), name
        Settings(name)


def test_saved_settings_come_back_under_current_and_older_names():
    model = ModelConfig(7, (3, 2), recognition_input="centered", recognition_hidden=(5,))
    training = TrainingConfig(center=False, normalize=False)
    for config, older in (
        (model, {"vocabulary_size": "n_words"}),
        (training, {"center": "centre", "normalize": "normalise"}),
    ):
        saved = json.loads(json.dumps(asdict(config)))
        assert from_saved(type(config), saved) == config
        renamed = {older.get(name, name): "centred" if value == "centered" else value for name, value in saved.items()}
        assert from_saved(type(config), renamed) == config


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"l2": 1.0}, "'l2' does not exist. Did you mean 'l1'"),
        ({"vocabulary_size": 5}, "'vocabulary_size' does not exist"),
        ({"epochs": 2.5}, "epochs is 2.5. Give a whole number of 1 or more"),
        ({"epochs": True}, "epochs is True"),
        ({"center": "yes"}, "center is 'yes'"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'. Give a number above 0"),
        ({"optimizer": "lbfgs"}, "Choose one of adam, sgd"),
        ({"beta1": 1.0}, "beta1 is 1.0. Give a number of 0 or more, below 1"),
        ({"warmup": float("inf")}, "warmup is inf. Give a number of 0 or more, at most 1"),
        ({"units": (3, 0)}, r"units \(n_components\) is 0"),
        ({"validation": 1.5}, "Give a number of documents, or a share below 1"),
        ({"gradient": "rloo", "baseline": "none"}, "baseline can be chosen only with gradient nvil"),
        ({"gradient": "rws", "sparsity": 1.0}, "sparsity can be chosen only with gradient"),
    ],
)
def test_impossible_values_are_refused(values, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        Settings(**values)


def test_an_unknown_recipe_is_refused():
    with pytest.raises(ConfigurationError, match="does not exist"):
        Settings("fast")


def test_chosen_values_replace_those_of_the_recipe():
    settings = Settings("paper", batch_size=7, posterior="autoregressive")
    config = settings.training_config(n_documents=1000)
    assert (config.batch_size, config.optimizer, config.epochs) == (7, "sgd", 2000)
    assert settings.model_config(5).posterior == "autoregressive"
    assert [settings.source_of(name) for name in ("batch_size", "optimizer", "center")] == [
        "chosen",
        "recipe",
        "default",
    ]


def test_numbers_of_numpy_become_python_numbers():
    config = Settings(epochs=np.int64(3), l1=np.float32(0.5)).training_config(n_documents=10)
    assert (type(config.epochs), type(config.l1)) == (int, float)
    json.dumps(asdict(config))


def test_a_fitted_model_has_the_settings_that_train_it_again(block_counts):
    for settings in (
        Settings(units=(3,), epochs=2),
        Settings("paper", units=(2,), epochs=1, validation=5),
        Settings(units=(2,), epochs=1, gradient="rws", n_samples=2),
    ):
        model = docnvil.fit(block_counts, settings)
        again = docnvil.fit(block_counts, model.settings)
        assert again.training == model.training
        assert again.history == model.history


@pytest.mark.parametrize(
    ("options", "part", "name", "value"),
    [
        (["--no-center"], "training", "center", False),
        (["--no-centre"], "training", "center", False),
        (["--no-normalise"], "training", "normalize", False),
        (["--recognition-input", "centred"], "model", "recognition_input", "centered"),
        (["--recognition-hidden", "7,5"], "model", "recognition_hidden", [7, 5]),
        (["--samples", "4"], "training", "n_samples", 4),
        (["--weight-decay", "0.25"], "training", "weight_decay", 0.25),
    ],
)
def test_options_reach_the_saved_model(counts, tmp_path, options, part, name, value):
    run("fit", counts, "--units", "2", "--epochs", "1", "--out", tmp_path / "model", *options)
    assert json.loads((tmp_path / "model" / "model.json").read_text())[part][name] == value


def test_help_shows_common_input_and_text_options_and_names_the_other_groups():
    text = run("fit", "--help").stdout
    for option in ("--units", "--recipe", "--text-column", "--min-df", "Gradient estimator (5)"):
        assert option in text
    assert "--learning-rate" not in text
    assert "the recipe's" not in text
    everything = run("fit", "--help-all").stdout
    for each in EXPOSED.values():
        assert f"--{each.option}" in everything
        assert effective_default(each).split(",")[0] in " ".join(everything.split())


def test_a_dry_run_prints_data_and_settings_and_writes_nothing(counts, tmp_path):
    arguments = ("fit", counts, "--out", tmp_path / "model", "--l1", "0.5", "--dry-run")
    text = run(*arguments).stdout
    found, listed = text.split("\n\nSettings (recipe default):\n")
    assert ["training documents", "110"] in [line.strip().rsplit(maxsplit=1) for line in found.splitlines()]
    lines = {line.split()[0]: line.split(maxsplit=2)[1:] for line in listed.split("\n\n")[0].splitlines()}
    assert lines["l1"] == ["0.5", "chosen"]
    assert lines["epochs"] == ["100", "recipe, by the size of the corpus"]
    assert lines["validation"] == ["10", "recipe, by the size of the corpus"]
    assert set(lines) == set(all_settings()) - {"recipe", "vocabulary_size"}  # the latter is no setting
    result = json.loads(run(*arguments, "--json").stdout)
    assert result["data"]["validation_documents"] == 10
    assert result["settings"]["validation"] == 10
    assert result["settings"]["l1"] == 0.5
    assert result["sources"]["l1"] == "chosen"
    assert result["settings"]["epochs"] == 100
    assert "vocabulary_size" not in {*result["settings"], *result["sources"]}
    chosen = run(*arguments, "--epochs", "3", "--validation", "0.1").stdout.splitlines()
    assert ["epochs", "3", "chosen"] in [line.split() for line in chosen]
    assert not (tmp_path / "model").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["counts.npz"]


def test_recipes_are_printed_with_their_values():
    text = run("recipes").stdout
    for name, recipe in RECIPES.items():
        assert f"{name}: {recipe.summary}" in text
    paper = json.loads(run("recipes", "paper", "--json").stdout)["paper"]["settings"]
    config = replace(Settings("paper").training_config(n_documents=1), seed=0)
    assert {name: paper[name] for name in settings_of(TrainingConfig)} == json.loads(json.dumps(asdict(config)))
    run("recipes", "fast", status=2)

"""Numbers that no machine can use give a message, with exit status 1 or 2."""

import pytest
from commands import run

from docnvil.errors import ConfigurationError
from docnvil.model.settings import ModelConfig

HUGE = str(10**20)


@pytest.mark.parametrize(
    "option",
    [
        *(("--units", value) for value in (HUGE, "1_0", f"5,{HUGE}")),
        *((option, HUGE) for option in ("--epochs", "--seed", "--batch-size")),
        ("--threads", "1000000"),
        ("--epochs", "9" * 400),
    ],
)
def test_an_absurd_number_gives_a_message(tmp_path, option):
    (tmp_path / "a.txt").write_text("a cat sat\nthe cat ran\na dog sat\nthe dog ran\n" * 3)
    result = run("fit", tmp_path / "a.txt", "--out", tmp_path / "model", *option, status=(1, 2))
    assert option[0].removeprefix("--").replace("-", "_") in result.output.replace("-", "_")
    assert not (tmp_path / "model").exists()


def test_limits_of_the_machine_are_in_messages_but_not_in_help():
    shown = run("perplexity", "--help").stdout
    assert "--samples N" in shown
    assert "x>=1]" in shown
    assert "2147483647" not in shown
    for number, message in (
        (HUGE, f"{HUGE} is too large. The largest number is 2,147,483,647."),
        ("0", "0 is not in the range x>=1."),
    ):
        run("perplexity", "model", "corpus", "--samples", number, status=2, stderr=message)


@pytest.mark.parametrize("size", [10**20, 10**400])
def test_settings_refuse_numbers_beyond_2_to_the_53(size):
    with pytest.raises(ConfigurationError, match="below 2\\^53"):
        ModelConfig(size)

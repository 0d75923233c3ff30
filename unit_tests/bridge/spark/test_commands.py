"""What py4j logs of a session's commands and answers, without credentials."""

import logging
from unittest.mock import Mock

import pytest

from bridge import register
from bridge.spark.commands import LOGGERS
from source_particle import masking

SECRET = "h0t/secret 17"
COMMANDS = {
    "option": f"c\no12\noption\nsaccess_token\ns{SECRET}\ne\n",
    "option in another case": f"c\no12\noption\nsPassWord\ns{SECRET}\ne\n",
    "user name": f"c\no12\noption\nsusername\ns{SECRET}\ne\n",
    "setting": f"c\no12\nset\nsspark.particle.token\ns{SECRET}\ne\n",
    "view": f"c\no12\nsql\nsCREATE TEMPORARY VIEW d USING particle OPTIONS (a 'b', access_token '{SECRET}')\ne\n",
    "quoted names": f"c\no12\nsql\nsCREATE TABLE d USING particle OPTIONS (`password` = \"{SECRET}\", 'path' 'd')\ne\n",
    "function": f"c\no12\nsql\nsSELECT * FROM particle(access_token => '{SECRET}')\ne\n",
    "quote in a literal": f"c\no12\nsql\nsCREATE VIEW d OPTIONS (password 'it''s {SECRET}')\ne\n",
    "escape in a literal": f"c\no12\nsql\nsCREATE VIEW d OPTIONS (password 'it\\\\'s {SECRET}')\ne\n",
    "statement over several lines": f"c\no12\nsql\nsOPTIONS (\\n  password\\n '{SECRET}'\\n)\ne\n",
    "user name on a line of its own": f"c\no12\nsql\nsOPTIONS (\\nusername '{SECRET}'\\n)\ne\n",
    "assignment": f"c\no12\nsql\nsSET spark.particle.token={SECRET.replace(' ', '')}\ne\n",
}


@pytest.fixture(autouse=True)
def _no_known_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "SECRETS", [])


def _logged(caplog: pytest.LogCaptureFixture, logger: str, *texts: str) -> str:
    register(Mock(**{"sparkContext.defaultParallelism": 3}))
    with caplog.at_level(logging.DEBUG, logger="py4j"):
        for text in texts:
            logging.getLogger(logger).debug(text)
    return caplog.text


@pytest.mark.parametrize("logger", LOGGERS)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_no_command_is_logged_with_a_credential(command: str, logger: str, caplog: pytest.LogCaptureFixture) -> None:
    text = _logged(caplog, logger, f"Command to send: {command}", "Command to send: c\no13\nload\nsdevices\ne\n")
    assert "h0t" not in text
    assert "17" not in text
    assert "****" in text
    assert "\nload\nsdevices\n" in text


def test_a_setting_that_is_asked_for_is_masked_in_the_answer_and_from_then_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = _logged(
        caplog,
        LOGGERS[0],
        "Command to send: c\no12\nget\nsspark.particle.token\ne\n",
        f"Answer received: !ys{SECRET}",
        f"Command to send: c\no12\nsql\nsSELECT '{SECRET}'\ne\n",
        "Answer received: !yro14",
    )
    assert "h0t" not in text
    assert "SELECT '****'" in text
    assert "!yro14" in text


def test_other_options_are_logged_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    command = "c\no12\noption\nsnum_workers\ns4\ne\nsql\nsSELECT a, 'b' FROM c WHERE d = 'e'"
    assert command in _logged(caplog, LOGGERS[1], f"Command to send: {command}")

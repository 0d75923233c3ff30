"""Keeps credentials out of what py4j logs at DEBUG: every command that a session is given, and every answer.

A command is text with one argument per line, strings after an `s`. A credential is recognized by the name before it:
of an option (`option`), a setting (`conf.set`, `conf.get`) or an option in the text of a statement (`sql`). From then
on its value is masked wherever it appears.
"""

import logging
import re
import threading
from functools import cache

from bridge.tables.catalog import credential_names
from source_particle.masking import keep_secret, masked
from source_particle.redaction import REDACTED, SECRET_NAME, scrubbed

LOGGERS = ("py4j.clientserver", "py4j.java_gateway")
# A shorter value, such as `true`, is masked after its name alone.
SHORTEST_KEPT = 8

_ANSWER = re.compile(r"^(Answer received: !ys)(.+)", re.DOTALL)
_THREAD = threading.local()


def mask_commands() -> None:
    """Mask credentials in the log of py4j from now on."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(withhold_credentials)


def withhold_credentials(record: logging.LogRecord) -> bool:
    """Mask credentials in a command or an answer, as a filter of a logger."""
    text = _patterns()["argument"].sub(_without_value, record.getMessage())
    text = _patterns()["statement"].sub(_without_value, text)
    if getattr(_THREAD, "asks", False):
        text = _ANSWER.sub(_without_value, text)
    # An answer belongs to the command that the same thread sent before.
    _THREAD.asks = _patterns()["question"].search(text) is not None
    record.msg, record.args = scrubbed(masked(text)), ()
    return True


def _without_value(found: re.Match[str]) -> str:
    name, value = found.groups()
    if len(bare := value.strip("'\"\\")) >= SHORTEST_KEPT:
        # As it was before py4j escaped it.
        keep_secret([bare.replace("\\\\", "\\")])
    return f"{name}{REDACTED}"


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    # Whole names that do not look like secrets, such as `username`, and parts of names that do.
    name = rf"(?:[\w.-]*(?:{SECRET_NAME.pattern})[\w.-]*|{'|'.join(sorted(credential_names()))})"
    literal = r"""(?:'(?:[^'\\]|\\+.|'')*'?|"(?:[^"\\]|\\+.|"")*"?)"""
    # py4j writes a line break as a backslash and a letter.
    space = r"(?:\s|\\[nrt])*"
    found = {
        "argument": rf"(\ns{name}\ns)([^\n]*)",
        "statement": rf"""((?:\b|(?<=\\[nrt])){name}["'`]?{space}(?:=>?|,|:)?{space})({literal}|(?<==)[^\s'",;)]+)""",
        "question": rf"\ns{name}\n(?!s)",
    }
    return {kind: re.compile(pattern, re.IGNORECASE) for kind, pattern in found.items()}

"""The exceptions of the bridge, sorted by what the reader of the message has to do.

    ParticleError
    ├── ConfigurationError      fix the configuration
    │   ├── OptionError         … an option: missing, malformed, out of range or contradicting another
    │   └── UnknownTableError   … the name of the table
    ├── SignInError             sign in again: the password, user name or access token was refused
    ├── TemporaryError          wait, then start again: the API, the network or its rate limit
    └── UnexpectedError         report it: the API or this connector did something unexpected

Each message says what happened, where, and what to do. None holds a password, a token or more than 256 characters of
anything that the API sent. All of them survive pickling, because Spark carries them from its workers to the driver.
"""

from collections.abc import Iterable

from source_particle.redaction import LONGEST_QUOTE, scrubbed


class ParticleError(Exception):
    """Any failure of this connector; its text is written for people."""


class ConfigurationError(ParticleError):
    """The configuration has to be corrected; a retry without that fails again."""


class OptionError(ConfigurationError):
    """An option is missing, malformed, out of range or contradicts another one."""


class UnknownTableError(ConfigurationError):
    """There is no table of that name."""

    @classmethod
    def of(cls, name: str, known: Iterable[str]) -> "UnknownTableError":
        """Return the error for a name, with the names of all tables, and the one that was probably meant."""
        from difflib import get_close_matches  # noqa: PLC0415  (so that the commands start fast)

        names = list(known)
        meant = "".join(f" Did you mean {match}?" for match in get_close_matches(name.lower(), names, n=1))
        return cls(f"There is no table {quoted(name)}; expected one of {', '.join(names)}.{meant}")


class SignInError(ParticleError):
    """The account or the access token was refused; it needs other credentials."""


class TemporaryError(ParticleError):
    """The API, the network or the rate limit got in the way; the same read can succeed later."""


class UnexpectedError(ParticleError):
    """The API or this connector did something unexpected; please report the message."""


_BY_FAILURE_TYPE: dict[str, type[ParticleError]] = {
    "config_error": ConfigurationError,
    "transient_error": TemporaryError,
    "system_error": UnexpectedError,
}


def error_for(failure_type: str) -> type[ParticleError]:
    """Return the error for an Airbyte failure type, given as its value in the protocol."""
    return _BY_FAILURE_TYPE[failure_type]


def shortened(text: str, length: int = LONGEST_QUOTE) -> str:
    """Return foreign text cut to a length that cannot flood a log."""
    return text if len(text) <= length else f"{text[:length]}…"


def quoted(value: object) -> str:
    """Return a foreign value in quotes, without what looks like a secret, cut to a length that cannot flood a log."""
    return shortened(scrubbed(repr(value)))

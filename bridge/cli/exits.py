"""The exit codes of `particle-bridge`; README.md lists them for users."""

from bridge.errors import ConfigurationError, ParticleError, SignInError, TemporaryError

SOME_FAILED = 1
USAGE = 2
UNEXPECTED = 5
CONDITION_MET = 6
_OF_ERRORS: dict[type[ParticleError], int] = {ConfigurationError: USAGE, SignInError: 3, TemporaryError: 4}


def exit_code(error: ParticleError) -> int:
    """Return the exit code for an error."""
    return next((code for kind, code in _OF_ERRORS.items() if isinstance(error, kind)), UNEXPECTED)

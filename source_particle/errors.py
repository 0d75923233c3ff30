"""Everything the source raises of its own.

    AirbyteTracedException      what Airbyte reports; its failure type says who has to act
    ├── Refused                 the API refused one request, and asking again does not change that
    └── SignInRefusedError      the account or the access token was refused
    MalformedBodyError          a reply is not what its endpoint promises: it is asked for again
    UnstableListError           a list kept changing, so that nothing proves it was read whole
    NotWantedError              whoever wanted an answer has gone

What the network, the budget or the API's own failures end in is an AirbyteTracedException with a failure type.
"""

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

REFUSED_AFRESH = (
    "{}: the API refuses a token that it has just issued (401). Check that the account may read this, or configure an "
    "access token."
)
UNVERIFIED = (
    "{}: the server's certificate could not be verified, so nothing was sent to it. Check base_url, and this machine's "
    "clock and trusted authorities."
)


# What the API answers for something that is not there or not this token's to see.
REFUSALS = (403, 404)


class Refused(AirbyteTracedException):
    """The API refused one request for a reason that trying again does not change."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message=message, internal_message=message, failure_type=FailureType.config_error)
        self.status = status

    def __reduce__(self) -> tuple[type["Refused"], tuple[str, int]]:
        """Survive pickling, which an exception does by its positional arguments."""
        return Refused, (str(self.message), self.status)


class SignInRefusedError(AirbyteTracedException):
    """The account or the access token was refused; only other credentials help."""

    def __init__(self, message: str) -> None:
        super().__init__(message=message, internal_message=message, failure_type=FailureType.config_error)


class MalformedBodyError(Exception):
    """A reply's body is not what its endpoint promises."""


class UnstableListError(Exception):
    """A list kept changing, repeating or contradicting itself, so that nothing proves it was read whole."""


class NotWantedError(Exception):
    """Whoever wanted an answer has gone; nothing more is sent on their behalf."""

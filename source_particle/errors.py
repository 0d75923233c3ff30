"""The exceptions of the source.

    AirbyteTracedException      what Airbyte reports; its failure type says who has to act
    ├── Refused                 the API refused one request, and a retry would not change that
    ├── ReplyTooLargeError      a reply, decompressed, is larger than any of the API's
    └── SignInRefusedError      the account or the access token was refused
    MalformedBodyError          a reply is not what its endpoint promises: it is requested again
    UnstableListError           a list kept changing, so it may not have been read completely
    NotWantedError              the reader of an answer has gone

Failures of the network, the budget or the API become an AirbyteTracedException with a failure type.
"""

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

REFUSED_AFRESH = (
    "{}: the API refuses a token that it has just issued (401). Check that the account may read this, or configure an "
    "access token."
)
OUTLIVED = (
    "{}: the access token was refused (401) that was signed in for when the read was planned: it has expired or was "
    "revoked since. Tasks have no password to sign in with. Start the read again (in Spark, load the table again), and "
    "it signs in once."
)
UNVERIFIED = (
    "{}: the server's certificate could not be verified, so nothing was sent to it. Check base_url, and the clock and "
    "trusted authorities of this machine."
)


class Refused(AirbyteTracedException):
    """The API refused one request, and a retry would not change that.

    With `may_skip`, what `*` found may be left out for it; `code` is what the API calls the error. `served_at` is the
    `Date` of the refusal, if it was noted.
    """

    def __init__(
        self,
        message: str,
        status: int,
        may_skip: bool = False,
        code: str = "",
        failure_type: FailureType = FailureType.config_error,
    ) -> None:
        super().__init__(message=message, internal_message=message, failure_type=failure_type)
        self.status, self.may_skip, self.code = status, may_skip, code
        self.served_at: str | None = None

    def __reduce__(self) -> tuple[type["Refused"], tuple[str, int, bool, str, FailureType]]:
        """Survive pickling, which an exception does by its positional arguments."""
        return Refused, (str(self.message), self.status, self.may_skip, self.code, self.failure_type)

    @property
    def is_closed_to_api_users(self) -> bool:
        """Whether the endpoint belongs to users, so that an API user has nothing there."""
        return self.code == "unauthorized"

    @property
    def lacks_scope(self) -> bool:
        """Whether the token is an API user's and lacks the endpoint's scope."""
        return self.code == "invalid_scope"


class ReplyTooLargeError(AirbyteTracedException):
    """A reply grew beyond what any endpoint of the API sends; reading it whole could take all memory."""

    def __init__(self, url: str, limit: int) -> None:
        message = (
            f"{url}: the reply was abandoned, because it is larger than {limit} bytes after decompression, which no "
            "reply of the API is. Check base_url and any proxy; if the API sends it, please report it."
        )
        super().__init__(message=message, internal_message=message, failure_type=FailureType.system_error)


class SignInRefusedError(AirbyteTracedException):
    """The account or the access token was refused; only other credentials help."""

    def __init__(self, message: str) -> None:
        super().__init__(message=message, internal_message=message, failure_type=FailureType.config_error)


class MalformedBodyError(Exception):
    """A reply's body is not what its endpoint promises."""


class UnstableListError(Exception):
    """A list kept changing, repeating or contradicting itself, so it may not have been read completely."""


class NotWantedError(Exception):
    """The reader of an answer has gone; nothing more is sent for it."""

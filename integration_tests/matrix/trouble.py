"""One thing that can go wrong, and what it means for a read."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from integration_tests.device_cloud import Fault
from integration_tests.matrix.places import ANYWHERE, Place
from integration_tests.matrix.world import World

ONCE, OFTEN, ALWAYS = "once", "a few times", "always"
TIMES: dict[str, int | None] = {ONCE: 1, OFTEN: 3, ALWAYS: None}

# A field without a column, which some troubles add to the records of a reply.
UNHEARD_OF = "unheard_of"


class Meaning(Enum):
    """What a trouble means for a read."""

    HARMLESS = "harmless"
    PASSING = "temporary"
    REFUSAL = "the API refuses one item"
    REVOKED = "the API revokes the token that a user name and password were signed in for"
    FINAL = "permanent"


def is_one_request(place: Place) -> bool:
    """Return whether a place is one request, neither everywhere nor all pages of a list."""
    return place.name not in ("anywhere", "all pages")


@dataclass(frozen=True)
class Trouble:
    """One thing that goes wrong.

    `fault` tells what the server does at a place (None: the trouble is everywhere), `prepare` changes the world before
    the read. `times` are those it is tried with, `where` says at which places there is such a thing. `adds` is JSON
    that it adds to records as the field `UNHEARD_OF`, `kept` what a reader makes of that where it is not the same,
    `logins` how many logins the read may take.
    """

    kind: str
    name: str
    meaning: Meaning
    fault: Callable[[World, Place], Fault] | None = None
    prepare: Callable[[World], object] | None = None
    times: tuple[str, ...] = tuple(TIMES)
    where: Callable[[Place], bool] = is_one_request
    adds: str | None = None
    kept: str | None = None
    logins: int | None = None
    reaches_workers: bool = True
    """Whether it also concerns the processes that Spark has already started."""
    in_streams: bool = True
    """Whether a stream can be judged by it, which leaves for later what is not yet in a closed window."""

    @property
    def is_alone(self) -> bool:
        """Whether what it does at the place of one table changes what another one is."""
        return self.fault is not None and self.kind in ("moving data", "tokens")


def reply(kind: str, name: str, meaning: Meaning, fault: Fault, **more: Any) -> Trouble:
    """Make a trouble that is the same at every place."""
    return Trouble(kind, name, meaning, lambda _world, _place: fault, **more)


def everywhere(kind: str, name: str, meaning: Meaning, prepare: Callable[[World], object], **more: Any) -> Trouble:
    """Make a trouble that is there from the start and has no place."""
    return Trouble(kind, name, meaning, prepare=prepare, times=(ALWAYS,), where=lambda place: place == ANYWHERE, **more)

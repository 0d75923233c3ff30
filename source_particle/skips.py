"""What `*` found and the API then refused: skipped and named at the end of a table, or an error."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator

import requests
from airbyte_cdk.sources.types import StreamSlice

from source_particle import manifest
from source_particle.errors import Refused

LOGGER = logging.getLogger("airbyte.source_particle")
# Characters of names in one line of the log, which is cut at 1,000 on the way to Spark's.
LINE = 800
ON_REFUSED = (
    "It is an error because on_refused is fail: a table that is replaced as a whole would lose these rows. Give the "
    "token access, name what to read in place of *, or set on_refused to skip."
)


class Skips:
    """The skips of one table: whoever names slices and whoever reads them tell it how far they are.

    A read that is refused everything is no empty table. Where tasks share a table, one that was refused its whole part
    tries the others' slices, with `probe`, until one is served.
    """

    def __init__(self, table: str, on_refused: str = "skip") -> None:
        self._table, self._fails = table, on_refused == "fail"
        self.probe: Callable[[StreamSlice], bool] = lambda _slice: False
        self._lock = threading.Lock()
        self._open = 0
        self._named = 0
        self._is_all_named = self._is_served = self._is_list_served = False
        self._others: list[StreamSlice] = []
        self._skipped: dict[str, Refused] = {}

    def add(self, name: str, refusal: Refused) -> None:
        """Note that something which `*` found was refused; raises Refused where that is an error."""
        # Nothing is lost where there is nothing: an API user has no devices, SIMs or products of its own, and 404 says
        # that a product has no SIMs, or that something was removed while the table was read.
        is_denied = refusal.status != requests.codes.not_found and not refusal.is_closed_to_api_users
        if self._fails and is_denied:
            raise Refused(f"{refusal.message} {ON_REFUSED}", refusal.status)
        LOGGER.info("%s: skipped %s: %s", self._table, name, refusal.message)
        with self._lock:
            self._skipped[name] = refusal

    def served(self) -> None:
        """Note that the API has answered for something."""
        with self._lock:
            self._is_served = True
            self._others.clear()

    def list_served(self) -> None:
        """Note that the API has given a list of what there is to read."""
        with self._lock:
            self._is_list_served = True

    def slice_named(self) -> None:
        """Note that there is one more slice to read."""
        with self._lock:
            self._open += 1
            self._named += 1

    def left_to_others(self, stream_slice: StreamSlice) -> None:
        """Note that there is a slice which another task reads."""
        with self._lock:
            if not self._is_served:
                self._others.append(stream_slice)

    def slice_read(self) -> None:
        """Note that a slice was read, skipped or abandoned."""
        with self._lock:
            self._open -= 1

    def all_named(self) -> None:
        """Note that there will be no further slices."""
        with self._lock:
            self._is_all_named = True

    def report_when_done(self) -> None:
        """Name what was skipped once everything has been read; raises Refused where nothing was served at all."""
        with self._lock:
            if self._open or not self._is_all_named or not self._skipped:
                return
            skipped, self._skipped = self._skipped, {}
            others, self._others = self._others, []
        named = sorted(f"{name} ({refusal.status})" for name, refusal in skipped.items())
        lines = list(_lines(named))
        for number, line in enumerate(lines, start=1):
            part = f", part {number} of {len(lines)}" if len(lines) > 1 else ""
            LOGGER.warning(
                "%s: skipped %d that this token may not read (403) or for which there is nothing (404)%s: %s",
                self._table,
                len(named),
                part,
                line,
            )
        if self._named:
            is_served = self._is_served or any(map(self.probe, others))
        else:
            is_served = self._is_list_served or bool(others)
        if not is_served:
            raise self._all_refused([*skipped.values()])

    def _all_refused(self, refusals: list[Refused]) -> Refused:
        # That an API user has nothing of its own does not tell why it may not read what others have.
        *_, last = [refusal for refusal in refusals if not refusal.is_closed_to_api_users] or refusals
        scope = manifest()["schemas"].get(self._table, {}).get("x-scope")
        advice = f"An API user's token needs the scope {scope}." if scope else "Check what the token may read."
        return Refused(
            f"{self._table}: the API refused everything that * found, {len(refusals)} in all. {advice} "
            f"The last refusal: {last.message}",
            last.status,
        )


def _lines(names: Iterable[str]) -> Iterator[str]:
    line = ""
    for name in names:
        if line and len(line) + len(name) > LINE:
            yield line
            line = ""
        line = f"{line}, {name}" if line else name
    if line:
        yield line

"""What a page is made of: questions, the sentences that answer them, and charts and lists, each with its SQL."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from bridge.report.charts import Rows, Spec

Groups = tuple[tuple[str, ...], ...]
"""Groups of tables; of each group, one table at least must be there."""


@dataclass(frozen=True)
class Chart:
    """A drawing of the rows of a query."""

    title: str
    sql: str
    draw: Callable[[Rows], Spec]
    axes: tuple[str, str]
    """What lies along x and y, for a dashboard that draws for itself."""
    series: str = ""
    """What has a colour of its own there."""
    note: str = ""


@dataclass(frozen=True)
class Listing:
    """The rows of a query as a table; the worst come first."""

    title: str
    sql: str
    columns: Mapping[str, str]
    """The heading of each column of the query; a phone has no room for those marked with `~`."""
    empty: str
    """What to say when there are no rows."""
    note: str = ""
    """What a column means where its name does not say it all."""


@dataclass(frozen=True)
class Tile:
    """A number at the top of the page; `value` and `detail` are filled in with the columns of the question's row."""

    label: str
    value: str
    detail: str
    attention: str = ""
    """The column that asks for attention when it is not 0."""


@dataclass(frozen=True)
class Question:
    """A section of the page: a question, the sentence that answers it, and what shows it.

    `answer` is filled in with the columns of the one row of `sql`.
    """

    key: str
    title: str
    answer: str
    sql: str
    parts: tuple[Chart | Listing, ...]
    needs: Groups = ()
    tiles: tuple[Tile, ...] = ()
    note: str = ""
    """What the words of the answer mean."""
    without: Mapping[str, str] = field(default_factory=dict)
    """How the answer differs while a table is missing, by table."""


VITALS = ("diagnostics",)
"""With LISTS, what is needed to say something of the vitals of devices."""
WITHOUT_LISTS = {
    "product_devices": "only your own devices are counted, not those of products.",
    "devices": "only the devices of products are counted, not your other ones.",
}
OLD = "Old means that the values were reported 7 days ago or earlier."
SUMMARY = """\
SELECT
  COUNT(*) AS devices,
  COUNT(DISTINCT product) AS products,
  COUNT(*) - COUNT(product) AS without_product,
  COUNT(CASE WHEN is_online THEN 1 END) AS online,
  CAST(ROUND(100 * AVG(CASE WHEN is_online THEN 1 ELSE 0 END)) AS INTEGER) AS online_percent,
  COUNT(CASE WHEN is_silent THEN 1 END) AS silent,
  COUNT(CASE WHEN is_silent AND is_online THEN 1 END) AS silent_online,
  COUNT(CASE WHEN heard_at IS NULL THEN 1 END) AS never_heard,
  COUNT(CASE WHEN is_behind THEN 1 END) AS behind,
  COUNT(CASE WHEN is_newer THEN 1 END) AS newer,
  COUNT(battery_percent) AS with_battery,
  COUNT(CASE WHEN is_battery_low THEN 1 END) AS battery_low,
  COUNT(CASE WHEN is_battery_low AND is_vitals_old THEN 1 END) AS battery_low_old,
  COUNT(signal_percent) AS with_signal,
  COUNT(CASE WHEN is_signal_weak THEN 1 END) AS signal_weak,
  COUNT(CASE WHEN is_signal_weak AND is_vitals_old THEN 1 END) AS signal_weak_old
FROM fleet"""


def lacking(needs: Groups, there: Collection[str], place: object) -> list[str]:
    """Return a clause for each group of which no table is there, as "neither sims nor product_sims is in lake"."""
    missing = [group for group in needs if not set(group) & set(there)]
    return [
        f"neither {' nor '.join(group)} is in {place}" if len(group) > 1 else f"{group[0]} is not in {place}"
        for group in missing
    ]

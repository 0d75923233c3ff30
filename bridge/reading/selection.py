"""Which devices a stream reads, as a fingerprint in its offsets.

A stream that selects other devices than when its checkpoint was written would never read the earlier records of the new
ones. An offset of an older version has no fingerprint and is accepted.
"""

import hashlib
import logging

from bridge.errors import ConfigurationError
from bridge.tables.options import Options
from source_particle.settings import EVERYTHING

LOGGER = logging.getLogger(__name__)

SELECTION = "selection"
"""The key of the fingerprint in an offset."""


def fingerprint(options: Options) -> str:
    """Return 16 hex digits that are equal for equal selections, however the options spell them."""
    return hashlib.sha256("\n".join(_selected(options)).encode()).hexdigest()[:16]


def refuse_change(options: Options) -> None:
    """Raise ConfigurationError because an offset was written while the stream had another selection.

    With `failOnSelectionChange=false`, log a warning instead.
    """
    names = " or ".join(_selecting(options))
    change = (
        f"The checkpoint of the stream over {options.table.name} was written for another selection ({names} has "
        "changed): earlier records of newly selected items would never be read."
    )
    if options.spark_options["failOnSelectionChange"]:
        raise ConfigurationError(
            f"{change} Undo the change, or use a new checkpoint. To accept the gap, set "
            "failOnSelectionChange=false; a batch read with device_id and start_date fills it."
        )
    LOGGER.warning("%s The stream continues, because failOnSelectionChange is false.", change)


def warn_of_older_version(options: Options) -> None:
    """Log what an offset without a fingerprint may leave out: version 0.2.0 read less under `*`."""
    products_are_open = any(name not in options.table_options for name in _selecting(options))
    if products_are_open and set(_selected(options)) == {EVERYTHING}:
        LOGGER.warning(
            "The checkpoint of the stream over %s was written by version 0.2.0, in which %s without products meant the "
            "user's own devices. The stream now also reads those of all products, from here on: read their earlier "
            "records with a batch read, or use a new checkpoint.",
            options.table.name,
            EVERYTHING,
        )


def _selecting(options: Options) -> list[str]:
    """Return the options that select items, the required one first; each is a column, too."""
    table = options.table
    others = [option.name for option in table.options if option.name in table.columns]
    return list(dict.fromkeys([*table.required_options, *others]))


def _selected(options: Options) -> list[str]:
    required, *others = [_values(options, name) for name in _selecting(options)]
    # Named items are the same in whichever list they are found.
    return [required] if required != EVERYTHING else [required, *others]


def _values(options: Options, name: str) -> str:
    written = str(options.table_options.get(name, EVERYTHING)).casefold()
    return ",".join(sorted({part.strip() for part in written.split(",")}))

"""What to read → descriptors of the tasks that read it; pure, so that plans can be tested without a network.

A descriptor is a JSON object of less than 300 bytes: `part` and `parts` say which of the listed products, devices, SIMs
or owners are this task's (see `ParticleRouter`), `start` and `end` give the window of time, and `only` the items that
Spark's filters select.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bridge.reading.times import iso_ms, moment_of, seconds, shifted
from bridge.tables.catalog import Table
from bridge.tables.options import Options, Redacted
from source_particle.settings import EVERYTHING

Descriptor = dict[str, Any]

DEFAULT_PARTS = 8
"""Tasks of a read if Spark's parallelism is unknown, and the maximum unless the user sets more."""
# Each task lists the fleet for itself. With a smaller share of the limit than this, that would be most of its requests.
LEAST_PER_TASK = 100
SINCE_EVER = "1970-01-01"
# The share of the request budget for the planner, which signs in and asks for the time of each batch: one in 50
# requests, at least 5, and never more than half.
PLANNERS_PART, PLANNERS_LEAST = 50, 5
# Requests ask for a little more than the window and drop the rest, so that nothing at its bounds is lost, however the
# API treats them.
MARGIN = seconds(1)


def descriptors(options: Options, default_parts: int, narrowing: Mapping[str, Any] | None = None) -> list[Descriptor]:
    """Return the tasks of one read, at least one; all share `narrowing`."""
    count = _parts(options, default_parts)
    return [{"part": part, "parts": count, **(narrowing or {})} for part in range(count)]


def task_config(
    table: Table, whole: Mapping[str, Any], descriptor: Mapping[str, Any], access_token: str | None
) -> dict[str, Any]:
    """Return the configuration of one task: its plan, its share of the request budget, the planner's token."""
    plan = {**descriptor, **_widened(descriptor)}
    if table.cursor_field:
        # A task always gets a start, so that the source keeps no state for it.
        own = whole.get(table.name) or {}
        plan.setdefault("start", iso_ms(moment_of(own.get("start_date") or SINCE_EVER)))
    if access_token:
        # Replaces the credentials: a task without any cannot get the IP address blocked by signing in.
        plan["access_token"] = str(access_token)
        whole = {**whole, "credentials": {}}
    budget = max(1, _budget_of_tasks(whole["requests_per_5_minutes"]) // descriptor["parts"])
    return {**whole, "requests_per_5_minutes": budget, "plan": plan}


def with_token(parts: Sequence[Descriptor], access_token: str | None) -> list[Descriptor]:
    """Return descriptors that carry the planner's token, for readers that pass on nothing else."""
    return [{**part, "access_token": Redacted(access_token)} if access_token else dict(part) for part in parts]


def _budget_of_tasks(limit: int) -> int:
    return limit - min(max(PLANNERS_LEAST, limit // PLANNERS_PART), limit // 2)


def _parts(options: Options, default_parts: int) -> int:
    if not options.table.fans_out:
        return 1
    budget = _budget_of_tasks(options.config()["requests_per_5_minutes"])
    by_default = min(default_parts, DEFAULT_PARTS, max(1, budget // LEAST_PER_TASK))
    wanted: int = options.spark_options.get("numPartitions", by_default)
    # A task without a share of the budget could only wait.
    return min(wanted, budget, *_pinned(options))


def _pinned(options: Options) -> Iterator[int]:
    """Yield the number of named items, or nothing for `*`."""
    named = str(options.table_options[options.table.required_options[0]])
    if named != EVERYTHING:
        yield len({part.strip() for part in named.split(",")})


def _widened(descriptor: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: iso_ms(shifted(moment_of(descriptor[name]), sign * MARGIN))
        for name, sign in (("start", -1), ("end", 1))
        if name in descriptor
    }

"""Fanning out over owners, the user, products and organizations, and over what is in their lists."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.types import StreamSlice

from source_particle.errors import Refused
from source_particle.router import ParticleRouter, path_segment, records_of, slice_name
from source_particle.settings import EVERYTHING
from source_particle.skips import Skips
from source_particle.values import value_at

USER, PRODUCT, ORGANIZATION = "user", "product", "organization"
ME = "me"
"""The value of `owner` for the signed-in user's own."""


@dataclass
class OwnerRouter(ParticleRouter):
    """Names the owners whose lists to read, of some `kinds`: the user, products and organizations.

    The options `owner_type` and `owner` narrow them; `*` stands for all of one. A slice holds both as its partition,
    and as `owner_path` what stands before the list in its path.
    """

    products: Retriever
    organizations: Retriever
    kinds: list[str] = field(default_factory=lambda: [USER, PRODUCT, ORGANIZATION])

    def slices(self, failures: list[Refused]) -> Iterator[StreamSlice]:
        """Yield the slices of all tasks; raises Refused where the options contradict each other."""
        kind = str(self._options.get("owner_type") or EVERYTHING)
        named = self._option("owner") or [EVERYTHING]
        if named != [EVERYTHING]:
            if kind == EVERYTHING:
                raise Refused(
                    f"{self.table}: owner names {', '.join(named)}, but not of which kind. Set owner_type to one of "
                    f"{', '.join(self.kinds)}.",
                    requests.codes.bad_request,
                )
            yield from (_owner_slice(kind, name, found=False) for name in named)
            return
        for wanted in self.kinds if kind == EVERYTHING else [kind]:
            yield from self._found(wanted)

    def _found(self, kind: str) -> Iterator[StreamSlice]:
        if kind == USER:
            yield _owner_slice(USER, ME, found=True)
            return
        retriever, key = (self.products, "id") if kind == PRODUCT else (self.organizations, "slug")
        try:
            for record in records_of(retriever):
                yield _owner_slice(kind, str(record.get(key) or record["id"]), found=True)
        except Refused as refusal:
            if not refusal.may_skip:
                raise
            self.skips.add(f"the list of {kind}s", refusal)


@dataclass
class WithinRouter(ParticleRouter):
    """Names what is in a list of each owner, such as a ledger's instances, by its field `key`.

    `outer` names the owners, or what is in a list of theirs; `parent` reads the list. Each slice is that of `outer`
    with one more value, `name`, and as `<name>_path` the same for the path.
    """

    outer: ParticleRouter
    parent: Retriever
    name: str
    key: list[str]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self.outer.share_skips(self.skips)

    def share_skips(self, skips: Skips) -> None:
        """Note what is refused here and in the outer lists where the stream's own router does, which reports it."""
        super().share_skips(skips)
        self.outer.share_skips(skips)

    def slices(self, failures: list[Refused]) -> Iterator[StreamSlice]:
        """Yield the slices of all tasks; a list that is refused is skipped where nobody named its owner."""
        for outer in self.outer.slices(failures):
            is_empty = True
            try:
                for record in records_of(self.parent, outer):
                    is_empty = False
                    yield _within(outer, self.name, str(value_at(record, self.key)))
                # A list with something in it proves nothing: all that is in it may be refused.
                if is_empty:
                    self.skips.list_served()
            except Refused as refusal:
                if outer.extra_fields["found"] and refusal.may_skip:
                    self.skips.add(slice_name(outer), refusal)
                else:
                    failures.append(refusal)


def _owner_slice(kind: str, name: str, *, found: bool) -> StreamSlice:
    paths = {USER: "", PRODUCT: f"products/{path_segment(name)}/", ORGANIZATION: f"orgs/{path_segment(name)}/"}
    return StreamSlice(
        partition={"owner_type": kind, "owner": name},
        cursor_slice={},
        extra_fields={"owner_path": paths[kind], "found": found},
    )


def _within(outer: StreamSlice, name: str, value: str) -> StreamSlice:
    return StreamSlice(
        partition={**outer.partition, name: value},
        cursor_slice={},
        # What is in a list was found there, even where its owner was named.
        extra_fields={**outer.extra_fields, f"{name}_path": path_segment(value), "found": True},
    )

"""Makes importing the CDK take a third less time.

The CDK builds its serializers when it is imported. For the descriptions of fields, `serpyco_rs` then reads and parses
the source of 48 classes, in each process again. Nobody reads the descriptions of Airbyte's messages. The classes of
others are described as before.
"""

from collections.abc import Callable
from importlib.util import find_spec


def leave_airbyte_undescribed() -> None:
    """Let Airbyte's classes have no descriptions; to be called before the first import of the CDK."""
    # Not every version of `serpyco_rs` describes fields.
    if find_spec("attributes_doc") is None:
        return
    import attributes_doc  # noqa: PLC0415

    vars(attributes_doc).update(get_attributes_doc=_of_others(attributes_doc.get_attributes_doc))


def _of_others(describe: Callable[[type], dict[str, str]]) -> Callable[[type], dict[str, str]]:
    def described(cls: type) -> dict[str, str]:
        return {} if cls.__module__.startswith("airbyte_") else describe(cls)

    return described

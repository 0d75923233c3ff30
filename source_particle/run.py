"""Console script `source-particle`: spec, check, discover and read, as Airbyte calls them."""

import logging
import os
import sys

from source_particle.garbage import no_collection_at_exit, no_collections, rare_collections

with no_collections():
    from airbyte_cdk.entrypoint import AirbyteEntrypoint
    from airbyte_cdk.exception_handler import init_uncaught_exception_handler
    from airbyte_cdk.logger import PRINT_BUFFER
    from airbyte_cdk.models import FailureType
    from airbyte_cdk.sources.source import Source
    from airbyte_cdk.utils.traced_exception import AirbyteTracedException

    from source_particle.config import cleaned, problems
    from source_particle.entrypoint import Entrypoint
    from source_particle.inputs import read_catalog, read_config, read_state
    from source_particle.login import mask_secrets
    from source_particle.source import SourceParticle

# The exit codes that a shell gives to a program which a closed pipe or Ctrl-C ends: 128 and the number of the signal.
NOBODY_READS = 141
INTERRUPTED = 130


def run(args: list[str] | None = None) -> None:
    """Run one Airbyte command and write its messages to standard output.

    The files named by `--config`, `--catalog` and `--state` are read here, because the CDK needs their contents when
    the source is built. Any error is a TRACE message and exit code 1; `check` reports errors in the configuration as
    its result.
    """
    no_collection_at_exit()
    init_uncaught_exception_handler(logging.getLogger("airbyte"))
    arguments = sys.argv[1:] if args is None else args
    with rare_collections():
        _run(arguments)


def _run(arguments: list[str]) -> None:
    try:
        source = _source(arguments)
    except AirbyteTracedException as error:
        failed = error.as_connection_status_message()
        if failed is None or arguments[0] != "check":
            raise
        print(AirbyteEntrypoint.airbyte_message_to_string(failed))
        return
    _launch(source, arguments)


def _launch(source: Source, arguments: list[str]) -> None:
    entrypoint = Entrypoint(source)
    try:
        with PRINT_BUFFER:
            for message in entrypoint.run(entrypoint.parse_args(arguments)):
                # In one piece, because threads write to the log at the same time.
                print(f"{message}\n", end="")
    except BrokenPipeError:
        # Nobody reads on. The CDK's threads would wait endlessly, as after any other error.
        os._exit(NOBODY_READS)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - reported below
        _exit_with(error)


def _exit_with(error: BaseException) -> None:
    """Report an error as at the end of any program, and end although threads wait until their records are written."""
    try:
        sys.excepthook(type(error), error, error.__traceback__)
        sys.stdout.flush()
    finally:
        os._exit(INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1)


def _source(arguments: list[str]) -> Source:
    paths = vars(AirbyteEntrypoint.parse_args(arguments))
    config = cleaned(read_config(paths["config"])) if paths.get("config") else None
    if config is not None:
        mask_secrets(config)
        if found := list(problems(config)):
            raise AirbyteTracedException(
                message=f"The configuration cannot be used: {' '.join(found)}", failure_type=FailureType.config_error
            )
    is_read = bool(paths.get("catalog"))
    if config is not None and is_read:
        config["plan"] = {**config.get("plan", {}), "bundled": True}
    return SourceParticle(
        config=config,
        catalog=read_catalog(paths["catalog"]) if is_read else None,
        state=read_state(paths.get("state")),
        # `check` asks about the token alone, `discover` builds what it describes, and `spec` needs no stream.
        tables=() if is_read else ("access_token",),
    )

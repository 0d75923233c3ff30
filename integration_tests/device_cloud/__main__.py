"""`python -m integration_tests.device_cloud`: serves a seeded fleet until it is interrupted."""

from __future__ import annotations

import argparse
import signal
import threading
from contextlib import ExitStack

from . import DeviceCloud, Fleet, FleetSize, Switches

_DEFAULTS = FleetSize()


def main(arguments: list[str] | None = None) -> None:
    """Start the server, print where it is and how to get in, and stop on SIGINT or SIGTERM."""
    parser = _parser()
    given = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    size = FleetSize(products=given.products, devices=given.devices, sims=given.sims, days=given.days)
    switches = Switches(latency=given.latency / 1000, rate_limit=given.rate_limit)
    cloud = DeviceCloud(Fleet.seeded(size, seed=given.seed), switches, host=given.host, port=given.port)
    with ExitStack() as running:
        try:
            running.enter_context(cloud)
        except OSError as error:
            parser.error(f"argument --port: {error.strerror}")
        for name in ("url", "token", "api_user_token", "username", "password"):
            print(f"{name}: {getattr(cloud, name)}", flush=True)
        stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m integration_tests.device_cloud",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 is any free one")
    parser.add_argument("--products", type=int, default=_DEFAULTS.products, help="products, beside some odd small ones")
    parser.add_argument("--devices", type=int, default=_DEFAULTS.devices, help="devices per product")
    parser.add_argument("--sims", type=int, default=_DEFAULTS.sims, help="SIMs per cellular product")
    parser.add_argument("--days", type=int, default=_DEFAULTS.days, help="days of vitals")
    parser.add_argument("--seed", type=int, default=0, help="another number makes up another fleet")
    parser.add_argument("--latency", type=float, default=0.0, metavar="MS", help="delay of each reply")
    parser.add_argument(
        "--rate-limit", type=_rate, default="10000/300", metavar="N/SECONDS", help="requests that are let through"
    )
    return parser


def _rate(text: str) -> tuple[int, float]:
    limit, _, seconds = text.partition("/")
    try:
        return int(limit), float(seconds)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form N/SECONDS, as 10000/300") from None


if __name__ == "__main__":
    main()

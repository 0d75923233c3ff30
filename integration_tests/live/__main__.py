"""`make test-live`: reads the account of PARTICLE_ACCESS_TOKEN and prints how the API differs from what is known of it.

Ends with 0 when all records fit their schemas, with 1 when some do not or a table could not be read, and with 0 and a
word when there is no token. PARTICLE_BASE_URL leads it to another address. Arguments name other tables than the usual
ones: `make test-live TABLES="ledgers logic_runs"`.
"""

import os
import sys
from collections.abc import Sequence

from bridge.errors import ParticleError
from integration_tests.live.run import READ, run


def main(names: Sequence[str] = READ) -> int:
    """Run, print, and return the exit code."""
    access_token = os.environ.get("PARTICLE_ACCESS_TOKEN")
    if not access_token:
        print("Skipped: set PARTICLE_ACCESS_TOKEN to read a real account, with at most 50 requests that only read.")
        return 0
    try:
        report = run({"access_token": access_token, **_address()}, names)
    except ParticleError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(report)
    return 0 if report.is_clean else 1


def _address() -> dict[str, str]:
    address = os.environ.get("PARTICLE_BASE_URL")
    return {"base_url": address} if address else {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or READ))

"""The loop that people write by hand: one `requests` session, one request at a time.

Plain and fair: connections are kept alive, pages are as large as the API allows, and the list is read to its end.
`python -m benchmarks.loop URL TOKEN PRODUCTS` prints devices as Airbyte messages; nothing but `requests` is imported.
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

import requests

Json = dict[str, Any]


def session_for(token: str) -> requests.Session:
    """Return a session that sends an access token."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    return session


def product_devices(session: requests.Session, url: str, product: int) -> Iterator[Json]:
    """Yield the devices of a product, page by page."""
    page = 1
    while True:
        response = session.get(f"{url}/v1/products/{product}/devices", params={"page": page, "per_page": 100})
        response.raise_for_status()
        body = response.json()
        for record in body["devices"]:
            record["product_id_or_slug"] = str(product)
            if isinstance(record.get("firmware_version"), str):
                # Some devices send it as text; Spark would refuse the row.
                record["firmware_version"] = int(record["firmware_version"])
            yield record
        if page >= body["meta"]["total_pages"]:
            return
        page += 1


def diagnostics(session: requests.Session, url: str, product: int) -> Iterator[Json]:
    """Yield the vitals of a product's devices, device by device."""
    for device in product_devices(session, url, product):
        response = session.get(f"{url}/v1/products/{product}/diagnostics/{device['id']}")
        response.raise_for_status()
        for record in response.json()["diagnostics"]:
            record["device_id"] = device["id"]
            # A measurement that failed is an object where a number should be, so the payload stays JSON.
            record["payload"] = json.dumps(record["payload"])
            yield record


def print_messages(url: str, token: str, products: Iterable[str]) -> None:
    """Print the devices of products as Airbyte messages."""
    session = session_for(token)
    for product in products:
        for record in product_devices(session, url, int(product)):
            message = {"stream": "product_devices", "data": record, "emitted_at": int(time.time() * 1000)}
            print(json.dumps({"type": "RECORD", "record": message}))


if __name__ == "__main__":
    print_messages(sys.argv[1], sys.argv[2], sys.argv[3].split(","))

"""The endpoints: which there are, who may call them, and which of them a request is for."""

from __future__ import annotations

from .api import Api, Route
from .http import Request, decode_segment
from .wider import ENDPOINTS

ROUTES = (
    Route("/v1/access_tokens/current", Api.token_info),
    Route("/v1/user", Api.user, user_level=True),
    Route("/v1/devices", Api.devices, "devices:list", user_level=True),
    Route("/v1/products", Api.products, "products:list"),
    Route("/v1/user/products", Api.products, "products:list", user_level=True),
    Route("/v1/orgs", Api.orgs, "organization:get"),
    Route("/v1/orgs/:o/products", Api.products, "products:list"),
    Route("/v1/products/:p", Api.one_product, "products:get"),
    Route("/v1/products/:p/devices", Api.product_devices, "devices:list"),
    Route("/v1/sims", Api.sims, "sims:list", user_level=True),
    Route("/v1/products/:p/sims", Api.product_sims, "sims:list"),
    Route("/v1/products/:p/sims/data_usage", Api.fleet_data_usage, "sims.usage:get"),
    Route("/v1/sims/:iccid/data_usage", Api.sim_data_usage, "sims.usage:get", user_level=True),
    Route("/v1/products/:p/sims/:iccid/data_usage", Api.sim_data_usage, "sims.usage:get"),
    Route("/v1/clients", Api.clients, "clients:list", user_level=True),
    Route("/v1/products/:p/clients", Api.clients, "clients:list"),
    Route("/v1/diagnostics/:id", Api.diagnostics, "devices.diagnostics:get", user_level=True),
    Route("/v1/products/:p/diagnostics/:id", Api.diagnostics, "devices.diagnostics:get"),
    *ENDPOINTS,
)
_LENGTHS = {len(route.pattern.split("/")) for route in ROUTES}
_BY_LENGTH = {
    length: [(route, route.pattern.split("/")) for route in ROUTES if len(route.pattern.split("/")) == length]
    for length in _LENGTHS
}


def match(api: Api, request: Request) -> tuple[Route, dict[str, str]] | None:
    """Return the route of a request and the values in its path."""
    if request.method != "GET":
        return None
    if api.has_fixed(request.path):
        return Route(request.path, Api.fixed), {}
    if request.path == "/v1/products" and not api.switches.products_endpoint:
        return None
    segments = request.path.split("/")
    for route, pattern in _BY_LENGTH.get(len(segments), ()):
        if all(want == got or (want.startswith(":") and got) for want, got in zip(pattern, segments, strict=True)):
            names = zip(pattern, segments, strict=True)
            return route, {want[1:]: decode_segment(got) for want, got in names if want.startswith(":")}
    return None

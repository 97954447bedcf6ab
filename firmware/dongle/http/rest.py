# All requests except GET of an often requested document without a password: seldom requested
# paths, unknown paths, other methods, requests that need the owner. Loaded for one request.

from .. import forget
from ..refused import Refused
from .resource import BODY_BYTES, Resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..device import Device

TEMPORARY = True  # see forget()


async def respond(server, client, begun: memoryview):
    """Returns the Response to client.request, or a coroutine for it that no longer needs this
    module; begun: the part of the request's body that came with the head. Raises Refused."""
    request, device = client.request, server.device
    found, names = _find(server, request.path)
    resource = _resource(found)
    most = resource.most if resource else BODY_BYTES
    if most is not None and request.left > most:
        raise Refused(413, "body_too_large", f"a body may have at most {most} bytes")
    if resource is None:
        paths = ", ".join(sorted([path.decode() for path in names]))
        raise Refused(404, "not_found", "no such document; there are " + paths)
    if request.method not in resource.views:
        return _wrong_method(resource)
    is_get = request.method == b"GET"
    # Reading needs no check if every client may read.
    if device and (not is_get or server.asks_readers):
        needs_password = is_get or resource.needs_password
        address = client.stream.get_extra_info(0)
        refused = await _auth(device).refuse(request, needs_password, address)
        if refused:
            return resource.refuse(*refused)
        if not is_get:
            device.spare_auth(0)  # its memory is needed now
    return server.see(resource, request) if is_get else _take(server, client, resource, begun)


def _resource(found) -> Resource | None:
    """found: a Resource, the function for GET, or None."""
    return Resource({b"GET": found}) if found and not hasattr(found, "views") else found


def _take(server, client, resource, begun):
    from .body import take

    forget()
    return take(server, client, resource, begun)


def _find(server, path):
    """Returns (what is at this path, or None; all paths if the first is None)."""
    if path in server.routes or not server.device:
        return server.routes.get(path), server.routes
    from . import paths

    forget()
    found = paths.find(server.device, path)
    return found, None if found else set(paths.names(server.device)) | set(server.routes)


def _wrong_method(resource):
    names = [method.decode() for method in resource.views]
    names = ", ".join(sorted(names + ["HEAD"] if "GET" in names else names))
    return resource.refuse(
        405,
        "method_not_allowed",
        f"only {names} are allowed here",
        b"Allow: %s\r\n" % names.encode(),
    )


def _auth(device: "Device"):
    # Created here, because most dongles never need it.
    if device.auth is None:
        from .auth import Auth

        forget()
        device.auth = Auth(device.password_hash, device.health, device.guesses)
    return device.auth

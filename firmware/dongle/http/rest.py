# Requests that want anything but a document that is there for everybody: for a path that is seldom
# asked for, or that there is not, by another method, of the owner. Loaded for one of them.

# A Resource or a function: told apart by what it has.
# pyright: reportFunctionMemberAccess=false, reportAttributeAccessIssue=false, reportArgumentType=false

from .. import forget
from ..refused import Refused
from .resource import BODY_BYTES, Resource


async def respond(server, client, begun):
    """The Response to client.request, or a coroutine that gives it, for which this file is not
    needed any more; begun: what of the request's body came with the head. Raises Refused."""
    request, app = client.request, server.app
    resource, names = _find(server, request.path)
    if resource and not hasattr(resource, "views"):
        resource = Resource({b"GET": resource})
    most = resource.most if resource else BODY_BYTES
    if most is not None and request.left > most:
        raise Refused(413, f"a body may have {most} bytes")
    if resource is None:
        paths = ", ".join(sorted([path.decode() for path in names]))
        raise Refused(404, "no such document; there are " + paths)
    if request.method not in resource.views:
        return _wrong_method(resource)
    is_get = request.method == b"GET"
    # Of a page that everybody may read nobody is asked who he is.
    if app and (not is_get or server.asks_readers):
        refused = await _auth(app).refuse(request, is_get or resource.needs_password)
        if refused:
            return resource.refuse(*refused)
        if not is_get:
            app.spare_auth(0)  # its room is wanted now
    return server.see(resource, request) if is_get else _take(server, client, resource, begun)


def _take(server, client, resource, begun):
    from .body import take

    forget("dongle.http.body")
    return take(server, client, resource, begun)


def _find(server, path):
    """(what is at this path, or None; all paths, where it is None)."""
    if path in server.routes or not server.app:
        return server.routes.get(path), server.routes
    from . import paths

    forget("dongle.http.paths", "dongle.http.resource")
    found = paths.find(server.app, path)
    return found, None if found else set(paths.names(server.app)) | set(server.routes)


def _wrong_method(resource):
    names = [method.decode() for method in resource.views]
    names = ", ".join(sorted(names + ["HEAD"] if "GET" in names else names))
    return resource.refuse(405, f"only {names} here", b"Allow: %s\r\n" % names.encode())


def _auth(app):
    # Most dongles are only read.
    if app.auth is None:
        from .auth import Auth

        app.auth = Auth(app.password_hash, app.health, app.guesses)
    return app.auth

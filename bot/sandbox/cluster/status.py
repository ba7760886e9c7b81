"""Errors as the API server words them: one exception that carries a Status body."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.sandbox.cluster.kinds import Resource


class ApiError(Exception):
    """A refusal that becomes a Status object on the wire."""

    def __init__(
        self, code: int, reason: str, message: str, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details

    def body(self) -> dict[str, Any]:
        """Return the Status object."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
        }
        if self.details is not None:
            status["details"] = self.details
        return {**status, "code": self.code}


def details(resource: "Resource", name: str, *, by_kind: bool = False) -> dict[str, Any]:
    """Name the object that an error is about; some errors name it by kind."""
    found: dict[str, Any] = {"name": name} if name else {}
    if resource.group:
        found["group"] = resource.group
    return {**found, "kind": resource.kind if by_kind else resource.plural}


def not_found(resource: "Resource", name: str) -> ApiError:
    """There is no such object."""
    message = f'{resource.qualified} "{name}" not found'
    return ApiError(404, "NotFound", message, details(resource, name))


def already_exists(resource: "Resource", name: str) -> ApiError:
    """An object of that name is there already."""
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details(resource, name))


def conflict(resource: "Resource", name: str, why: str = "") -> ApiError:
    """The object changed since the caller read it, or is not the one meant."""
    why = why or (
        "the object has been modified; please apply your changes to the latest version "
        "and try again"
    )
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, details(resource, name))


def invalid(resource: "Resource", name: str, causes: list[tuple[str, str, str]]) -> ApiError:
    """The object breaks rules; each cause is (reason, message, field)."""
    said = [f"{field}: {message}" for _, message, field in causes]
    joined = said[0] if len(said) == 1 else "[" + ", ".join(said) + "]"
    listed = [{"reason": r, "message": m, "field": f} for r, m, f in causes]
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    return ApiError(
        422,
        "Invalid",
        f'{kind} "{name}" is invalid: {joined}',
        {**details(resource, name, by_kind=True), "causes": listed},
    )


def bad_request(message: str) -> ApiError:
    """The request itself cannot be read."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """The token is missing or unknown."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def expired(message: str) -> ApiError:
    """The version asked for is no longer kept."""
    return ApiError(410, "Expired", message)


def unsupported(content_type: str, allowed: tuple[str, ...]) -> ApiError:
    """The body's media type is not one of those the server reads."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(allowed)
        + (f" (got {content_type})" if content_type else "")
    )
    return ApiError(415, "UnsupportedMediaType", message)


def not_allowed() -> ApiError:
    """The method does not exist on this resource."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})

"""The request bodies that kubectl sends as protobuf and nothing else, as far as they are small.

A body is `k8s`, a zero and a runtime.Unknown (k8s.io/apimachinery): its type, and the object's own
bytes. Reviews, evictions and the smallest objects are read; the field numbers of all others are
not known here, and who sends one is told to use a file.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from bot.sandbox.cluster.status import bad_request

TYPE: Final = "application/vnd.kubernetes.protobuf"
_MAGIC: Final = b"k8s\x00"

# Field number → name and what it holds: text, texts, a map of texts, or a message.
Message: TypeAlias = Mapping[int, tuple[str, Any]]
_TEXT: Final = "text"
_TEXTS: Final = "texts"
_MAP: Final = "map"
_META: Message = {
    1: ("name", _TEXT),
    2: ("generateName", _TEXT),
    3: ("namespace", _TEXT),
    11: ("labels", _MAP),
    12: ("annotations", _MAP),
}
_RESOURCE: Message = {
    1: ("namespace", _TEXT),
    2: ("verb", _TEXT),
    3: ("group", _TEXT),
    4: ("version", _TEXT),
    5: ("resource", _TEXT),
    6: ("subresource", _TEXT),
    7: ("name", _TEXT),
}
_PATH: Message = {1: ("path", _TEXT), 2: ("verb", _TEXT)}
_SELF: Message = {1: ("resourceAttributes", _RESOURCE), 2: ("nonResourceAttributes", _PATH)}
_ABOUT: Message = {**_SELF, 3: ("user", _TEXT), 4: ("groups", _TEXTS)}
_SHAPES: Mapping[str, Message] = {
    "SelfSubjectAccessReview": {1: ("metadata", _META), 2: ("spec", _SELF)},
    "SubjectAccessReview": {1: ("metadata", _META), 2: ("spec", _ABOUT)},
    "LocalSubjectAccessReview": {1: ("metadata", _META), 2: ("spec", _ABOUT)},
    "SelfSubjectRulesReview": {1: ("metadata", _META), 2: ("spec", {1: ("namespace", _TEXT)})},
    "SelfSubjectReview": {1: ("metadata", _META)},
    "Namespace": {1: ("metadata", _META)},
    "ServiceAccount": {1: ("metadata", _META)},
    "ConfigMap": {1: ("metadata", _META), 2: ("data", _MAP)},
    "Eviction": {1: ("metadata", _META), 2: ("deleteOptions", {5: ("dryRun", _TEXTS)})},
}


def read(body: bytes) -> dict[str, Any]:
    """Return the object as JSON has it. Raises ApiError for another kind, or for no protobuf."""
    if not body.startswith(_MAGIC):
        raise bad_request("the body is no Kubernetes protobuf")
    try:
        outer = dict(_fields(body[len(_MAGIC) :]))
        kind = dict(_fields(outer[1]))
        name = kind[2].decode()
        if name not in _SHAPES:
            raise bad_request(
                f"this server cannot read a {name} from protobuf: use kubectl apply -f"
            )
        found = _message(outer.get(2, b""), _SHAPES[name])
        return {"kind": name, "apiVersion": kind[1].decode(), **found}
    except (KeyError, IndexError, UnicodeDecodeError) as error:
        raise bad_request("the body is no Kubernetes protobuf") from error


def _message(data: bytes, shape: Message) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, value in _fields(data):
        if number not in shape:
            continue
        name, what = shape[number]
        if what == _TEXT:
            found[name] = value.decode()
        elif what == _TEXTS:
            found.setdefault(name, []).append(value.decode())
        elif what == _MAP:
            entry = dict(_fields(value))
            found.setdefault(name, {})[entry[1].decode()] = entry.get(2, b"").decode()
        else:
            found[name] = _message(value, what)
    return found


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the length-delimited fields; numbers are passed over."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        match key & 7:
            case 0:
                _, place = _varint(data, place)
            case 1:
                place += 8
            case 2:
                size, place = _varint(data, place)
                if place + size > len(data):
                    raise IndexError
                yield key >> 3, data[place : place + size]
                place += size
            case 5:
                place += 4
            case _:
                raise IndexError


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7

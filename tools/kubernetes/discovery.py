"""Which kinds a cluster serves besides those that are built in."""

import asyncio
import difflib
from collections.abc import Awaitable, Callable, Iterator, Mapping

from tools._kit import NotFound, Refused, Unavailable
from tools.kubernetes.kinds import Object, Resource

_FRESH = 300.0  # seconds; a kind that is not found is looked for again sooner
_RECENT = 10.0


class Discovery:
    """The kinds of one cluster, asked for when one is needed and remembered for a while."""

    def __init__(self, document: Callable[[str], Awaitable[Object]]) -> None:
        self._document = document
        self._known: dict[str, Resource] = {}
        self._silent: tuple[str, ...] = ()  # groups that did not say what they serve
        self._asked = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, kind: str, cluster: str) -> Resource:
        """The resource of a kind: singular, plural, short name, or with its group behind a dot.

        Raises `NotFound`, naming near ones, and `Unavailable`.
        """
        wanted = kind.lower()
        async with self._lock:
            age = asyncio.get_running_loop().time() - self._asked
            if age > _FRESH or (wanted not in self._known and age > _RECENT):
                await self._ask()
        if found := self._known.get(wanted):
            return found
        group = wanted.partition(".")[2]
        if group in {one.partition("/")[0] for one in self._silent}:
            raise Unavailable(
                f"Cluster {cluster} does not say just now what {group} serves.", nothing_sent=True
            )
        plain = [name for name in self._known if "." not in name]
        near = difflib.get_close_matches(wanted, plain, n=3)
        hint = f" Nearest: {', '.join(near)}." if near else ""
        if self._silent:
            hint += f" Not answering: {', '.join(self._silent[:5])}."
        raise NotFound(f"Cluster {cluster} serves no kind {kind}.{hint}")

    async def _ask(self) -> None:
        answers = await documents(self._document)
        known: dict[str, Resource] = {}
        for path, answer in answers.items():
            for resource, names in _served(path, answer or {}):
                for name in names:
                    known.setdefault(name, resource)
        self._known, self._silent = known, silent(answers)
        self._asked = asyncio.get_running_loop().time()


async def documents(document: Callable[[str], Awaitable[Object]]) -> dict[str, Object | None]:
    """What each group serves, by the group's path; None for one that did not say.

    One whose server is away must not hide the others.
    """

    async def group(path: str) -> Object | None:
        try:
            return await document(path)
        except (Refused, Unavailable):
            return None

    groups = (await document("/apis")).get("groups") or ()
    versions = [str((one.get("preferredVersion") or {})["groupVersion"]) for one in groups]
    paths = ["/api/v1", *(f"/apis/{version}" for version in versions)]
    answers = await asyncio.gather(*(group(path) for path in paths))
    return dict(zip(paths, answers, strict=True))


def silent(answers: Mapping[str, Object | None]) -> tuple[str, ...]:
    """The groups that did not say what they serve."""
    return tuple(
        path.removeprefix("/apis/").removeprefix("/api/")
        for path, answer in answers.items()
        if answer is None
    )


def _served(path: str, document: Object) -> Iterator[tuple[Resource, list[str]]]:
    """What of one group can be read, with all the names people call it by."""
    group = path.removeprefix("/apis/").partition("/")[0] if path.startswith("/apis/") else ""
    for entry in document.get("resources") or ():
        plural, verbs = str(entry.get("name", "")), entry.get("verbs") or ()
        if "/" in plural or "get" not in verbs:
            continue
        kind = str(entry.get("singularName") or entry.get("kind", "")).lower()
        short = tuple(str(name) for name in entry.get("shortNames") or ())
        resource = Resource(kind, path, plural, short, namespaced=bool(entry.get("namespaced")))
        names = [kind, str(entry.get("kind", "")).lower(), plural, *short]
        yield resource, [*names, *(f"{name}.{group}" for name in names if group)]

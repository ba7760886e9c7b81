"""Which texts a run's model has read, and who could write them: what provenance is told from."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from bot.guard.house import House
from bot.guard.provenance import Origin, Sources, origins, stored
from bot.guard.records import Run

_READS = 40  # the newest ones of the thread: what a model still has before it
_SHORT = 50_000  # characters that are looked through in a millisecond or two


@dataclass(frozen=True)
class Overheard:
    """What others said around a request, as (author, text); files have no author.

    `known`: whether that is all. A process that took a run over has not read its thread.
    """

    texts: tuple[tuple[str, str], ...] = ()
    known: bool = True


NOT_KNOWN = Overheard(known=False)


class Provenance:
    """Tells where the arguments of a wish come from."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def of(
        self,
        run: Run,
        arguments: Mapping[str, JsonValue],
        overheard: Overheard,
        there: Sequence[str] = (),
    ) -> dict[str, str]:
        """Per argument that was given, as the policy's input has it; defaults are ours.

        `there` are targets that a preview found.
        """
        if run.kind == "command":
            return dict.fromkeys(arguments, Origin.PERSON.value)
        if run.kind == "undo":
            return {}  # what was seen before the change it takes back
        sources, is_whole = await self._sources(run, overheard, there)
        long = sum(map(len, (*sources.people, *sources.inventory, *sources.untrusted))) > _SHORT
        found = (
            await asyncio.to_thread(origins, arguments, sources)
            if long
            else origins(arguments, sources)
        )
        told = stored(found)
        if overheard.known and is_whole:
            return told
        # it may stand in what nobody here has read
        return {
            name: Origin.UNTRUSTED.value if origin == Origin.UNKNOWN.value else origin
            for name, origin in told.items()
        }

    async def _sources(
        self, run: Run, overheard: Overheard, there: Sequence[str]
    ) -> tuple[Sources, bool]:
        """The texts, and whether they are all that was ever read here."""
        async with self._house.database.statement() as tx:
            rows = await tx.all(
                "texts_of_thread",
                org=run.thread.org,
                channel=run.thread.channel,
                thread_ts=run.thread.ts,
                run_id=run.id,
                reads=_READS + 1,
            )
        may = await self._who_may(run, {row["author"] for row in rows if row["author"]})
        people: list[str] = []
        inventory = [*there]
        untrusted: list[str] = []
        reads = [row for row in rows if row["tool"] is not None]
        is_whole = len(reads) <= _READS and all(row["text"] is not None for row in reads)
        for row in rows:
            if row["text"] is None:
                continue
            if row["tool"] is None:
                (people if row["author"] in may else untrusted).append(row["text"])
            elif self._house.catalog.is_inventory(row["tool"], row["arguments"]):
                inventory.append(row["text"])
            else:
                untrusted.append(row["text"])
        for author, text in overheard.texts:
            own = author in may.intersection(run.contributors)
            (people if own else untrusted).append(text)
        found = Sources(tuple(people), self._configuration(), tuple(inventory), tuple(untrusted))
        return found, is_whole

    async def _who_may(self, run: Run, authors: set[str]) -> set[str]:
        """Those who may propose changes themselves: what another one says is nobody's wish, though
        it was said to us, in a run of somebody who may.
        """
        whom = sorted({*authors, *run.contributors})
        directory, roles = self._house.directory, self._house.rules.roles
        people = await asyncio.gather(*(directory.person(run.thread.org, one) for one in whom))
        return {one.id for one in people if "operator" in roles.of(one)}

    def _configuration(self) -> tuple[str, ...]:
        clusters = " ".join(name.rpartition("/")[2] for name in self._house.catalog.clients)
        return (*self._house.rules.instructions, clusters)


def texts_of(pairs: Sequence[tuple[str, str]]) -> Overheard:
    """All that was overheard."""
    return Overheard(tuple((author, text) for author, text in pairs if text))

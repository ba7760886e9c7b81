"""One read across several clients or kinds: what each found, told apart by its name."""

from collections.abc import Iterator, Sequence

from tools._kit.errors import Refused
from tools._kit.values import Finding, JsonObject, Lines, Manifests, Report, Several, Single, Table

Answer = tuple[str, Finding | str]  # the client, and what it found or why it found nothing


def gathered(answers: Sequence[tuple[str, Answer]], argument: str) -> Finding:
    """What was found of each kind, by whichever clients; of one kind, just that.

    Raises `Refused` where nothing was found of any.
    """
    by_kind: dict[str, list[Answer]] = {}
    for kind, answer in answers:
        by_kind.setdefault(kind, []).append(answer)
    if len(by_kind) == 1:
        return joined(next(iter(by_kind.values())), argument)
    found: dict[str, Single] = {}
    refused = []
    for kind, each in by_kind.items():
        try:
            one = joined(each, argument) if len(each) > 1 else _of_one(each[0])
        except Refused as why:
            refused.append(str(why))
            one = Lines((f"{kind}: {why}",))
        found |= one.parts if isinstance(one, Several) else {kind: one}
    if len(refused) == len(by_kind):
        raise Refused(" ".join(dict.fromkeys(refused)))
    return Several(found)


def _of_one(answer: Answer) -> Finding:
    _, found = answer
    if isinstance(found, str):
        raise Refused(found)
    return found


def joined(answers: Sequence[Answer], argument: str) -> Finding:
    """All of them as one. One that is away is a line; where all are, it raises `Refused`.

    `argument` is how people name the client: "cluster".
    """
    found = {client: answer for client, answer in answers if not isinstance(answer, str)}
    away = {client: answer for client, answer in answers if isinstance(answer, str)}
    if not found:
        raise Refused(" ".join(f"{client}: {why}" for client, why in away.items()))
    if any(isinstance(one, Manifests) for one in found.values()):
        raise Refused(f"Whole objects are shown of one {argument} at a time: name it.")
    note = "; ".join(f"{client}: {one.note}" for client, one in found.items() if one.note)
    tables = {client: one for client, one in found.items() if isinstance(one, Table)}
    if len(tables) == len(found):
        away_rows = tuple((client, why) for client, why in away.items())
        return _table(tables, argument.upper(), away_rows, note)
    lines = (f"{client} | {line}" for client, answer in answers for line in _lines(answer))
    reports: dict[str, JsonObject] = {
        client: one.data for client, one in found.items() if isinstance(one, Report)
    }
    if len(reports) == len(found):
        return Report(tuple(lines), {client: dict(data) for client, data in reports.items()}, note)
    return Lines(tuple(lines), note)


def _table(
    tables: dict[str, Table], first: str, away: tuple[tuple[str, str], ...], note: str
) -> Table:
    """Every column that one of them has, in the order in which they come."""
    columns = tuple(dict.fromkeys(column for table in tables.values() for column in table.columns))
    rows = tuple(
        (client, *(cells.get(column, "") for column in columns))
        for client, table in tables.items()
        for row in table.rows
        for cells in (dict(zip(table.columns, row, strict=False)),)
    )
    return Table((first, *columns), (*rows, *away), note)


def _lines(answer: Finding | str) -> Iterator[str]:
    if isinstance(answer, str):
        yield answer
    elif isinstance(answer, Lines | Report):
        yield from answer.lines
    elif isinstance(answer, Table):
        yield from ("  ".join(row) for row in answer.rows)

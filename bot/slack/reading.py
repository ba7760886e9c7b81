"""Reads a Slack thread for a run: its root and newest messages, who wrote them, text files in
them. In a few seconds, or without; a thread that was read before only from where its newest were.
"""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import structlog

from bot.agent.surroundings import Attached, Reading, Utterance
from bot.core.values import Thread
from bot.slack.api import Identity, Limited, Method, Page, Refused, SlackApi, SlackProblem
from bot.slack.budget import Budget, Lane
from bot.slack.transcript import own_text_of, text_of

log = structlog.get_logger()

_SECONDS = 4.0  # for all of it: a person waits
_PAGES = 5
_NEWEST = 100  # messages, with the root
_FILES = 5  # read of a thread, the root's and the newest first
_FILE_BYTES = 256 * 1024  # of a file that is read: larger ones are named
_ALL_BYTES = 512 * 1024
_MOST_ASKED = 20  # names looked up for one reading: the root's writer and the newest ones'
_NAMES_AT_ONCE = 4
_KEEP_NAMES = 600.0  # seconds
_MOST_NAMES = 5_000
_MOST_THREADS = 2_000  # of which it is remembered where their newest messages began
_USER = re.compile(r"[UW][A-Z0-9]{1,30}")
_TS = re.compile(r"\d{1,12}\.\d{1,9}")
# joins, topics and the like say nothing about what is asked
_TALK = frozenset({"", "bot_message", "file_share", "thread_broadcast", "me_message"})
_TEXT_TYPES = re.compile(
    r"text/(?!html).*|application/(?:.*[-+.])?(?:json|ya?ml|xml|toml|csv|javascript|x-sh|sql|log)"
)
_TEXT_ENDINGS = re.compile(
    "bash|cfg|conf|config|crt|csv|diff|dockerfile|env|err|go|hcl|ini|ipynb|java|js|jsonl?|kt|logs?"
    "|lua|md|markdown|ndjson|out|patch|properties|py|rb|rs|service|sh|sql|tf|toml|trace|ts|tsv|txt"
    "|xml|ya?ml"
)


@dataclass(frozen=True)
class _Start:
    """Where a thread's newest messages begin: after `ts`, and after so many replies.

    What is written later comes behind it, and what is edited is read anew: only what was deleted
    can make it too late.
    """

    ts: str = ""
    replies: int = 0


@dataclass(frozen=True)
class _Talk:
    """Messages as Slack gives them: a thread's root, replies in order, and how many there are
    before these. `trouble` says why it is not all.
    """

    root: Mapping[str, Any] | None
    replies: list[Mapping[str, Any]]
    before: int
    trouble: str


def _unknown(_: str) -> str:
    """Nobody is known."""
    return ""


class SlackThreads:
    """The agent's reader of threads, from Slack's Web API: one call for the usual thread.

    `known` gives the name of a user who was looked up lately for something else, or nothing.
    """

    def __init__(
        self, api: SlackApi, budget: Budget, known: Callable[[str], str] = _unknown
    ) -> None:
        self._api = api
        self._budget = budget
        self._known = known
        self._names: dict[str, tuple[float, str]] = {}
        self._starts: OrderedDict[Thread, _Start] = OrderedDict()

    async def read(self, thread: Thread) -> Reading:
        """What the thread shows now; whatever goes wrong is in its `trouble`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _SECONDS
        us = self._api.identity
        talk = await self._talk(thread, until)
        older, newest = talk.replies[: 1 - _NEWEST], talk.replies[1 - _NEWEST :]
        left_out = talk.before + len(older)
        if older:
            self._remember(thread, _Start(str(older[-1]["ts"]), left_out))
        shown = [*([talk.root] if talk.root else []), *newest]
        names: dict[str, str] = {}
        files: dict[str, Attached] = {}
        try:
            async with asyncio.timeout_at(until):
                await asyncio.gather(self._name(shown, us, names), self._fetch(shown, us, files))
        except TimeoutError:
            # without those names and files
            log.info("thread_read_partly", thread=str(thread))
        # in a thread: a hundred long messages take most of a second
        utterances = await asyncio.to_thread(
            lambda: [_utterance(one, us, names, files) for one in shown]
        )
        log.info("thread_read", thread=str(thread), messages=len(utterances), trouble=talk.trouble)
        return Reading(
            root=utterances[0] if talk.root else None,
            newest=tuple(utterances[1:] if talk.root else utterances),
            left_out=left_out,
            trouble=talk.trouble,
        )

    # --- its messages ------------------------------------------------------------------------

    async def _talk(self, thread: Thread, until: float) -> _Talk:
        """What people and bots said in it, from where its newest messages began."""
        start = self._starts.get(thread, _Start())
        talk = await self._talk_after(thread, start, until)
        if start.ts and not talk.trouble and len(talk.replies) < _NEWEST // 2:
            # so much was deleted since that older ones are among the newest again
            self._starts.pop(thread, None)  # another reading may have found the same
            talk = await self._talk_after(thread, _Start(), until)
        return talk

    async def _talk_after(self, thread: Thread, start: _Start, until: float) -> _Talk:
        messages, trouble = await self._messages(thread, start, until)
        said = [one for one in messages if _is_talk(one)]
        root = next((one for one in said if one.get("ts") == thread.ts), None)
        return _Talk(root, [one for one in said if one is not root], start.replies, trouble)

    def _remember(self, thread: Thread, start: _Start) -> None:
        self._starts[thread] = start
        self._starts.move_to_end(thread)
        while len(self._starts) > _MOST_THREADS:
            self._starts.popitem(last=False)

    async def _messages(
        self, thread: Thread, start: _Start, until: float
    ) -> tuple[list[Mapping[str, Any]], str]:
        """By their `ts`, in order: as many pages as come in time; and why it is not all."""
        found: dict[str, Mapping[str, Any]] = {}
        cursor, trouble = "", ""
        after = float(start.ts or 0)
        try:
            async with asyncio.timeout_at(until - 0.5):
                for _ in range(_PAGES):
                    page = await self._page(thread, cursor, after)
                    found |= {str(m["ts"]): m for m in page.messages if _has_ts(m)}
                    cursor = page.cursor
                    if not cursor:
                        break
                else:
                    trouble = "it is too long for me to read to its end"
        except TimeoutError:
            trouble = "Slack did not answer in time"
        except SlackProblem as problem:
            log.warning("thread_not_read", thread=str(thread), error=str(problem))
            trouble = _why(problem)
        return [found[ts] for ts in sorted(found, key=_order)], trouble

    async def _page(self, thread: Thread, cursor: str, after: float) -> Page:
        await self._budget.take(Method.REPLIES, Lane.REST)
        try:
            return await self._api.replies(thread.channel, thread.ts, cursor=cursor, after=after)
        except Limited as limited:
            self._budget.heed(limited)
            raise

    # --- who wrote them ----------------------------------------------------------------------

    async def _name(
        self,
        messages: Sequence[Mapping[str, Any]],
        us: Identity | None,
        names: dict[str, str],
    ) -> None:
        """Into `names`, by user id, those that the messages do not say themselves.

        Slack is asked for few of them: the guard's look-ups are counted with ours, and without one
        of its own nobody can approve.
        """
        ordered = [*messages[:1], *reversed(messages[1:])]
        wanted = [_user(m) for m in ordered if not _own_name(m) and not _is_ours(m, us)]
        missing = []
        for user in filter(None, dict.fromkeys(wanted)):
            if name := self._kept_name(user) or self._known(user):
                names[user] = name
            else:
                missing.append(user)
        few = asyncio.Semaphore(_NAMES_AT_ONCE)

        async def ask(user: str) -> None:
            async with few:
                if name := await self._ask_name(user):
                    names[user] = name

        await asyncio.gather(*(ask(user) for user in missing[:_MOST_ASKED]))

    def _kept_name(self, user: str) -> str:
        at, name = self._names.get(user, (0.0, ""))
        return name if time.monotonic() - at < _KEEP_NAMES else ""

    async def _ask_name(self, user: str) -> str:
        """The name, unless Slack would mind to be asked now."""
        if not self._budget.spare(Method.PERSON):
            return ""
        try:
            await self._budget.take(Method.PERSON, Lane.PROGRESS)
            found = await self._api.user(user)
        except Limited as limited:
            self._budget.heed(limited)
            return ""
        except SlackProblem as problem:
            log.info("name_not_found", user=user, error=str(problem))
            return ""
        name = str(found.get("real_name") or found.get("name") or "")
        self._names[user] = (time.monotonic(), name)
        while len(self._names) > _MOST_NAMES:
            self._names.pop(next(iter(self._names)))
        return name

    # --- their files -------------------------------------------------------------------------

    async def _fetch(
        self,
        messages: Sequence[Mapping[str, Any]],
        us: Identity | None,
        files: dict[str, Attached],
    ) -> None:
        """Into `files`, by file id, those that are text, small, and readable."""
        # the root's first, then from the newest back; our own say nothing that we do not know
        ordered = [*messages[:1], *reversed(messages[1:])]
        chosen: list[_File] = []
        left = _ALL_BYTES
        for file in (f for m in ordered if not _is_ours(m, us) for f in _files(m)):
            if len(chosen) == _FILES:
                break
            if (file.is_text and 0 < file.size <= min(left, _FILE_BYTES)) and file.url:
                chosen.append(file)
                left -= file.size

        async def get(file: _File) -> None:
            try:
                content = await self._api.download(file.url, _FILE_BYTES)
            except SlackProblem as problem:
                log.info("file_not_read", file=file.id, error=str(problem))
                files[file.id] = Attached(file.name, f"{file.note}; {_why_no_file(problem)}")
                return
            files[file.id] = _attached(file, content)

        await asyncio.gather(*(get(file) for file in chosen))


# --- one message -------------------------------------------------------------------------------


def _utterance(
    message: Mapping[str, Any],
    us: Identity | None,
    names: Mapping[str, str],
    files: Mapping[str, Attached],
) -> Utterance:
    user = _user(message)
    ours = _is_ours(message, us)
    is_person = bool(user) and not message.get("bot_id")
    return Utterance(
        ts=str(message["ts"]),
        author=user,
        name=_own_name(message) or names.get(user, ""),
        kind="person" if is_person else "bot",
        text=text_of(message) + (" (edited)" if message.get("edited") else ""),
        files=()
        if ours
        else tuple(files.get(f.id) or Attached(f.name, f.unread) for f in _files(message)),
        ours=ours,
        own=own_text_of(message) if is_person else "",  # an app can post in somebody's name
    )


def _has_ts(message: Mapping[str, Any]) -> bool:
    return isinstance(message.get("ts"), str) and _TS.fullmatch(message["ts"]) is not None


def _order(ts: str) -> tuple[int, str]:
    seconds, _, rest = ts.partition(".")
    return int(seconds), rest


def _is_talk(message: Mapping[str, Any]) -> bool:
    return str(message.get("subtype") or "") in _TALK and not message.get("hidden")


def _is_ours(message: Mapping[str, Any], us: Identity | None) -> bool:
    return us is not None and (
        message.get("user") == us.bot_user_id
        or bool(us.bot_id and message.get("bot_id") == us.bot_id)
    )


def _user(message: Mapping[str, Any]) -> str:
    user = message.get("user")
    return user if isinstance(user, str) and _USER.fullmatch(user) else ""


def _own_name(message: Mapping[str, Any]) -> str:
    """The name that a message brings with it."""
    candidates: Iterable[object] = (
        message.get("username"),
        _inside(message, "bot_profile", "name"),
        _inside(message, "user_profile", "real_name"),
    )
    return next((one for one in candidates if isinstance(one, str) and one.strip()), "")


def _inside(message: Mapping[str, Any], name: str, key: str) -> object:
    inner = message.get(name)
    return inner.get(key) if isinstance(inner, Mapping) else None


# --- one file ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _File:
    id: str
    name: str
    kind: str
    size: int
    url: str
    is_text: bool
    gone: bool

    @property
    def note(self) -> str:
        """Its type and size."""
        return f"{self.kind}, {_bytes(self.size)}" if self.size else self.kind

    @property
    def unread(self) -> str:
        """The same, and why it is only named."""
        if self.gone:
            return "not there any more, or not Slack's"
        if self.is_text and self.size > _FILE_BYTES:
            return f"{self.note}; larger than the {_bytes(_FILE_BYTES)} that I read"
        return f"{self.note}; one file too many" if self.is_text else f"{self.note}; no text"


def _files(message: Mapping[str, Any]) -> list[_File]:
    given = message.get("files")
    return (
        [_file(one) for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []
    )


def _file(given: Mapping[str, Any]) -> _File:
    name = str(given.get("name") or given.get("title") or "a file")
    mimetype, filetype = str(given.get("mimetype") or ""), str(given.get("filetype") or "")
    size = given.get("size")
    gone = bool(given.get("is_external")) or str(given.get("mode")) in {
        "tombstone",
        "hidden_by_limit",
        "external",
    }
    ending = PurePosixPath(name.lower()).suffix.removeprefix(".")
    is_text = (
        given.get("mode") == "snippet"
        or _TEXT_TYPES.fullmatch(mimetype.lower()) is not None
        or _TEXT_ENDINGS.fullmatch(ending) is not None
    )
    return _File(
        id=str(given.get("id") or ""),
        name=name,
        kind=str(given.get("pretty_type") or mimetype or filetype or "unknown type"),
        size=size if isinstance(size, int) and size > 0 else 0,
        url=""
        if gone
        else str(given.get("url_private_download") or given.get("url_private") or ""),
        is_text=is_text and not gone,
        gone=gone,
    )


def _attached(file: _File, content: bytes) -> Attached:
    if b"\0" in content[:4096]:
        return Attached(file.name, replace(file, is_text=False).unread)
    return Attached(file.name, file.note, content.decode("utf-8", "replace"))


def _bytes(size: int) -> str:
    if size < 1024:
        return f"{size} B"
    if size < 1024 * 1024:
        return f"{size / 1024:.0f} kB"
    return f"{size / 1024 / 1024:.1f} MB"


# --- what went wrong ---------------------------------------------------------------------------


def _why(problem: SlackProblem) -> str:
    match problem:
        case Limited():
            return "Slack lets me read only so often; ask again in a minute"
        case Refused(code="missing_scope"):
            return "the app lacks a permission of its manifest for reading here"
        case Refused(code="not_in_channel" | "channel_not_found"):
            return "I am not a member of this channel"
        case Refused(code=code):
            return f"Slack refused it ({code})"
        case _:
            return "Slack did not answer"


def _why_no_file(problem: SlackProblem) -> str:
    if isinstance(problem, Refused):
        return "Slack does not let me read it (it needs the app's permission files:read)"
    return "Slack did not give it to me"

"""The one place where everything is put together, started and stopped."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Literal, get_args
from uuid import UUID, uuid4

import structlog

from bot import VERSION
from bot.agent.context import Context
from bot.agent.model import Model, ModelSettings, model_for
from bot.agent.prompts import Instructions
from bot.agent.summary import Summaries
from bot.agent.tables import langgraph
from bot.agent.thinking import Thinking
from bot.config_file import DailyLimit
from bot.core.buckets import SharedBuckets
from bot.core.bus import Bus
from bot.core.errors import BadSettings, DatabaseAway, LostClaim, SlackAway, reply_for
from bot.core.loading import uncollected
from bot.core.tasks import Tasks
from bot.core.values import Thread
from bot.guard import chronicle, configured, evidence, grants
from bot.guard.ahead import Ahead
from bot.guard.allowance import Allowance, Daily, DailyLimits
from bot.guard.budget import RunLimits
from bot.guard.forgetting import Keeping, Retention
from bot.guard.house import House, Rules
from bot.guard.misspelt import misspelt
from bot.guard.people import Roles
from bot.guard.policy import Approvers
from bot.guard.reminders import Reminders
from bot.guard.rulebook import Rulebook
from bot.guard.toolset import clients
from bot.guard.votes import Votes
from bot.settings import Settings
from bot.slack.api import Identity, Limited, Refused, SlackApi, SlackProblem, Uncertain
from bot.slack.bolt import bolt_app
from bot.slack.budget import Budget
from bot.slack.cards import Cards
from bot.slack.clicks import Clicks
from bot.slack.commands import Commands
from bot.slack.directory import SlackDirectory
from bot.slack.hearing import Hearing
from bot.slack.listening import Listening
from bot.slack.live import Live
from bot.slack.measured import MeasuredSender, MeasuredSlackApi
from bot.slack.orphans import Orphans
from bot.slack.reading import SlackThreads
from bot.slack.slash import Slash
from bot.slack.sockets import Sockets, check_tokens
from bot.slack.status import Status
from bot.slack.views.status import Facts, Stored
from bot.slack.voice import Voice
from bot.store import growth
from bot.store.connections import Sizes
from bot.store.database import Database
from bot.store.jobs import Jobs, TryAgain
from bot.store.migrate import migrate, migrations, outstanding
from bot.store.notify import AWAY
from bot.store.swept import sweep, sweep_strays
from bot.web.health import Readiness, serve
from bot.web.metrics import Metrics, Sources
from tools import Catalog, Client, ToolError, open_providers

if TYPE_CHECKING:
    from bot.agent.runs import Runs

log = structlog.get_logger()

Role = Literal["listener", "worker", "web"]
"""What a process does: hear Slack, carry runs on and say what is to be said, or only answer HTTP,
which all do.
"""
ROLES: frozenset[Role] = frozenset(get_args(Role))

_GRACE = 20.0  # how long a drain waits for runs under way
_EXPIRY_SECONDS = 2.0
_SWEEP_SECONDS = 5.0
_LOST_SECONDS = 3.0
_DAY = 86_400.0
_ORPHANS_SECONDS = 60.0
_UNSAID_SECONDS = 15.0
_FORGET_SECONDS = 3600.0
_FORGET_AFTER = 60.0  # of a start, which has better things to do, as have those that start with it
_HEAD_SECONDS = 3600.0  # between two notes of where the audit ends, outside of the database
_DEFAULT_WINDOW = 32_000
_HEARD_FIRST = 1.0  # seconds for which runs wait for the first socket
_LAST_TASKS = 2.0  # seconds for refusals and the like that are on their way


@dataclass
class Parts:
    """What runs, and what the readiness check asks."""

    settings: Settings
    identity: Identity
    database: Database
    jobs: Jobs
    catalog: Catalog
    model: Model | None
    work: "_Work"
    thinking: Thinking
    house: House
    ahead: Ahead
    votes: Votes
    reminders: Reminders
    retention: Retention
    api: SlackApi
    sockets: Sockets
    hearing: Hearing
    live: Live
    orphans: Orphans
    sender: MeasuredSender
    bus: Bus
    metrics: Metrics
    dev: bool
    roles: frozenset[Role]

    @property
    def runs(self) -> "Runs":
        """What carries runs on. Raises `LookupError` where nothing does, or not yet."""
        if self.work.runs is None:
            raise LookupError("no runs are carried on here")
        return self.work.runs

    async def readiness(self) -> Readiness:
        """Whether this process can do its work now."""
        problems: list[str] = []
        away: list[str] = []
        notes = list(self._notes())
        if "listener" in self.roles:
            self._hears(problems, away)
        if "worker" in self.roles and self.work.runs is None:
            # what people say is recorded meanwhile; who only carries runs is of no use yet
            (notes if "listener" in self.roles else problems).append("runs are not carried on yet")
        if code := self.api.token_refused:
            problems.append(f"Slack does not accept SLACK_BOT_TOKEN ({code})")
        try:
            if await self._behind():
                problems.append("migrations are outstanding")
            room = await self.database.room()
            notes += room.lacking(self.settings.database_connections)
        except DatabaseAway:
            problems.append("the database does not answer")
        away += [f"{name}: {why}" for name, why in (await _away(self.catalog)).items()]
        if self.thinking.trouble is not None:
            away.append(f"model/{self.thinking.trouble}")
        if self.bus.away:
            away.append(f"redis: {self.bus.away}")
        return Readiness(
            tuple(problems),
            tuple(away),
            tuple(notes),
            {
                "sockets": self.sockets.connected,
                "foreign_sockets": self.sockets.foreign,
                "tools": len(self.catalog.tools),
                "roles": [*sorted(self.roles)],
            },
        )

    def _hears(self, problems: list[str], away: list[str]) -> None:
        trouble = self.sockets.trouble.rstrip(".")
        if not self.sockets.connected:
            why = f": {trouble}" if trouble else ""
            problems.append(f"no socket to Slack is connected{why}")
        elif trouble:
            away.append(f"slack: not every socket is connected: {trouble}")

    def _notes(self) -> Iterator[str]:
        """What is no problem, and worth knowing."""
        if self.model is None:
            yield "no model: commands only"
        approvers = _approvers(self.settings)
        if self.settings.read_only:
            yield "changes are switched off: COUNTERSIGN_READ_ONLY is set"
        elif approvers.nobody:
            yield "nobody may approve: COUNTERSIGN_APPROVERS is not set"
        if approvers.everybody:
            yield "every full member may approve: COUNTERSIGN_APPROVERS is *"
        if foreign := self.sockets.foreign:
            yield (
                f"another program holds {foreign} more of this app's sockets: it gets a part of "
                "what people say"
            )
        if self.dev:
            yield "embedded PostgreSQL: for development only"

    async def _behind(self) -> bool:
        async with self.database.statement() as tx:
            applied = {row["number"] for row in await tx.all("applied_migrations")}
        return any(number not in applied for number, _, _ in migrations())

    async def recover(self) -> None:
        """Carry on runs that lost their job: a worker that was thought dead may end another's."""
        async with self.database.transaction() as tx:
            for row in await tx.all("lost_runs", org=self.identity.org):
                log.warning("run_recovered", run=str(row["id"]))
                thread = Thread(row["org"], row["channel"], row["thread_ts"])
                await self.jobs.defer(tx, "resume", thread, row["id"])

    async def forget(self) -> None:
        """Drop what only guarded against repetition, and words older than they are kept; note how
        large the database is.
        """
        gone = await self.retention.sweep()
        gone["checkpoints"] = await sweep_strays(self.database)
        if gone := +gone:
            log.info("swept", **gone)
        await growth.note(self.database)


async def bring_up_to_date(url: str) -> list[str]:
    """Apply outstanding migrations, ours and LangGraph's. Raises `DatabaseAway`."""
    return await migrate(url, langgraph(url))


async def run(
    settings: Settings,
    stop: asyncio.Event,
    *,
    migrating: bool = True,
    dev: bool = False,
    roles: frozenset[Role] = ROLES,
    built: Callable[[Parts], None] = lambda _: None,
) -> None:
    """Run until `stop`, in all roles or some; `built` is handed the parts before they start.

    Raises `BadSettings` or `DatabaseAway` when it cannot start.
    """
    if migrating:
        url = settings.database_migrate_url or settings.database_url
        await bring_up_to_date(url.get_secret_value())
    elif missing := await outstanding(settings.database_url.get_secret_value()):
        raise BadSettings([f"The database lacks migrations: {', '.join(missing)}."])
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(_built(settings, dev=dev, roles=roles))
        built(parts)
        port = await stack.enter_async_context(
            _serving(parts, settings.http_host, settings.http_port)
        )
        log.info(
            "ready_to_serve",
            http=f"http://{settings.http_host}:{port}",
            team=parts.identity.team_id,
            tools=len(parts.catalog.tools),
            model=settings.model[0] if settings.model else None,
            dev=dev,
            roles=sorted(roles),
        )
        await _work(parts, stop)
    log.info("stopped")


@asynccontextmanager
async def _serving(parts: Parts, host: str, port: int) -> AsyncIterator[int]:
    try:
        async with serve(parts.readiness, host, port, parts.metrics) as bound:
            yield bound
    except OSError as error:
        raise BadSettings(
            [f"COUNTERSIGN_HTTP_PORT: {host}:{port} cannot be used: {error.strerror}."]
        ) from error


@dataclass
class _Ground:
    """What is opened first, and closed last."""

    settings: Settings
    identity: Identity
    api: MeasuredSlackApi
    database: Database
    catalog: Catalog
    model: Model | None
    tasks: Tasks
    bus: Bus
    jobs: Jobs
    work: "_Work"
    budget: Budget


class _Work:
    """The jobs' way to the runs: jobs are opened before there is anything that could carry one."""

    def __init__(self) -> None:
        self.runs: Runs | None = None

    async def __call__(self, run_id: UUID) -> None:
        if self.runs is None:
            raise TryAgain
        await self.runs.work(run_id)


@asynccontextmanager
async def _built(settings: Settings, *, dev: bool, roles: frozenset[Role]) -> AsyncIterator[Parts]:
    async with AsyncExitStack() as stack:
        yield _assembled(await _opened(settings, stack), dev=dev, roles=roles)


async def _opened(settings: Settings, stack: AsyncExitStack) -> _Ground:
    api = await stack.enter_async_context(
        MeasuredSlackApi.open(settings.slack_bot_token.get_secret_value(), settings.slack_api_url)
    )
    app_token = settings.slack_app_token.get_secret_value()
    identity = await _identity(api, app_token)
    identity = replace(identity, app_id=identity.app_id or _app_of(app_token))
    mistakes = await _unknown_groups(settings, api)
    dsn = settings.database_url.get_secret_value()
    catalog = await stack.enter_async_context(_providers(settings))
    mistakes += await asyncio.to_thread(misspelt, settings.file, clients(catalog))
    if mistakes:
        raise BadSettings(mistakes)
    sizes = Sizes.of(settings.database_connections)
    database = await stack.enter_async_context(Database(dsn, sizes, serving=True).open())
    await _only_ours(database, identity.org)
    await configured.note(database, identity.org, settings.governing(), VERSION)
    tasks = await stack.enter_async_context(Tasks())
    stack.push_async_callback(tasks.settle, _LAST_TASKS)
    work = _Work()
    jobs = await stack.enter_async_context(
        Jobs(dsn, {"turn": work, "resume": work}, settings.jobs, sizes.jobs).open()
    )
    bus = await stack.enter_async_context(_bus(settings, identity.org))
    model = _model(settings)
    if model is not None:
        stack.push_async_callback(model.close)
    shared = await stack.enter_async_context(_shared(settings, identity.org))
    budget = Budget(shared=shared)
    return _Ground(
        settings, identity, api, database, catalog, model, tasks, bus, jobs, work, budget
    )


def _assembled(ground: _Ground, *, dev: bool, roles: frozenset[Role]) -> Parts:
    settings, api, bus, budget = ground.settings, ground.api, ground.bus, ground.budget
    directory = SlackDirectory(
        api, ground.identity.team_id, _named_groups(settings), _listed(settings), budget=budget
    )
    house = _house(ground, directory)
    ahead = Ahead(house, ground.tasks)
    votes = Votes(house, ahead)
    cards = Cards(house, ground.identity.org, api, budget, ground.tasks)
    cards.listen(bus)
    live = Live(bus, ground.database, api, budget, ground.tasks)
    thinking = Thinking(house, ground.model, _context(ground, directory), _limits(settings))
    sender = MeasuredSender(ground.database, api, budget, cards, live, votes.undeliverable)
    listening = Listening(
        house,
        ground.identity,
        directory,
        Clicks(house, votes, cards, api, ground.tasks, model=ground.model is not None),
        live,
        ground.tasks,
        _slash(ground, house, votes, live, thinking),
    )
    app_token = settings.slack_app_token.get_secret_value()
    bolt = bolt_app(api.client, ground.identity, listening.middleware)
    sockets = Sockets(bolt, api, app_token, count=settings.sockets)
    away = (lambda: bus.away) if settings.redis_url else None
    database = ground.database
    metrics = Metrics(Sources(database, lambda: sockets.connected, database.pools, away))
    metrics.listen(bus)
    api.counts = sender.counts = metrics
    return Parts(
        settings=settings,
        identity=ground.identity,
        database=database,
        jobs=ground.jobs,
        catalog=ground.catalog,
        model=ground.model,
        work=ground.work,
        thinking=thinking,
        house=house,
        ahead=ahead,
        votes=votes,
        reminders=Reminders(house),
        retention=Retention(database, ground.identity.org, _keeping(settings)),
        api=api,
        sockets=sockets,
        hearing=Hearing(database, ground.identity.org, api, budget, sockets, listening.middleware),
        live=live,
        orphans=Orphans(database, ground.identity.org, api, budget),
        sender=sender,
        bus=bus,
        metrics=metrics,
        dev=dev,
        roles=roles,
    )


def _keeping(settings: Settings) -> Keeping:
    kept = settings.file.retention
    return Keeping(
        kept.messages_days, kept.artifacts_days, kept.events_days, kept.outbox_days, kept.jobs_days
    )


def _house(ground: _Ground, directory: SlackDirectory) -> House:
    settings = ground.settings
    people = {role: names for role, names in settings.file.people if names is not None}
    rules = Rules(
        _approvers(settings),
        roles=Roles(people),
        book=Rulebook(settings.file.policy, math.ceil(settings.card_minutes * 60)),
        identities=settings.file.identities,
        instructions=_instructions(settings),
        self_approval=settings.file.self_approval,
        read_only=settings.read_only,
        card_seconds=settings.card_minutes * 60,
        start_seconds=settings.start_seconds,
        approvals_channel=settings.file.approvals.channel or "",
    )
    return House(ground.database, ground.jobs, ground.catalog, directory, ground.bus, rules)


def _approvers(settings: Settings) -> Approvers:
    return Approvers.parse(settings.named_approvers())


async def _unknown_groups(settings: Settings, api: SlackApi) -> list[str]:
    """A rule for a group that does not exist would match nobody, unseen: a sentence for each."""
    unknown: list[str] = []
    for group, where in settings.file.named_groups():
        try:
            await api.group_members(group)
        except Refused as refused:
            unknown.append(f"{where}: Slack knows no user group {group} ({refused.code}).")
        except SlackProblem as problem:
            raise SlackAway(f"Slack did not say who is in {group} ({problem}).") from problem
    return unknown


def _instructions(settings: Settings) -> tuple[str, ...]:
    texts = settings.file.instructions
    return (texts.workspace, *texts.channels.values(), *texts.clusters.values())


def _listed(settings: Settings) -> frozenset[str]:
    """Channels that another organisation may read too."""
    channels = settings.file.policy.channels
    return frozenset(channel for channel, about in channels.items() if about.shared)


def _named_groups(settings: Settings) -> tuple[str, ...]:
    """The user groups whose members the guard has to know."""
    named = (group for group, _ in settings.file.named_groups())
    return tuple(sorted({*_approvers(settings).groups, *named}))


async def _work(parts: Parts, stop: asyncio.Event) -> None:
    """Everything that must not die; the death of one stops all. A stop drains in order."""
    async with asyncio.TaskGroup() as group:
        if "listener" in parts.roles:
            group.create_task(parts.sockets.run(stop), name="sockets")
            group.create_task(parts.hearing.run(stop), name="hearing")
        group.create_task(parts.hearing.watch_token(stop), name="token")
        if "worker" in parts.roles:
            await _carry_on(parts, group, stop)
        await stop.wait()


async def _carry_on(parts: Parts, group: asyncio.TaskGroup, stop: asyncio.Event) -> None:
    """A worker's part: jobs, what is to be said, and what time brings."""
    quiet = asyncio.Event()  # no job runs any more: the sender may end
    group.create_task(parts.jobs.rescue(stop), name="rescue")
    group.create_task(parts.sender.run(quiet), name="sender")
    for name, seconds, work in _regular(parts):
        group.create_task(_repeat(stop, seconds, work), name=name)
    forgetting = _repeat(stop, _FORGET_SECONDS, parts.forget, after=_FORGET_AFTER)
    group.create_task(forgetting, name="forget")
    if parts.model is not None:
        group.create_task(_warm(parts.model), name="warm the model")
    parts.work.runs = await _carrier(parts)
    group.create_task(_drain(parts.runs, stop), name="drain")
    try:
        await parts.jobs.work(stop, _GRACE)
    finally:
        quiet.set()


async def _carrier(parts: Parts) -> "Runs":
    """What carries runs on. LangGraph takes as long to load as half of everything else: people are
    heard, and what stands in the outbox is said, meanwhile.
    """
    if "listener" in parts.roles:
        await parts.sockets.first(_HEARD_FIRST)  # which a thread that loads would hold up
    with uncollected():
        await asyncio.to_thread(import_module, "bot.agent.runs")
    from bot.agent.checkpoints import Checkpoints  # noqa: PLC0415 - see above
    from bot.agent.graph import Nodes  # noqa: PLC0415
    from bot.agent.runs import Runs  # noqa: PLC0415

    settings, window = parts.settings, parts.model.window if parts.model else _DEFAULT_WINDOW
    return Runs(
        parts.house,
        Nodes(parts.house, parts.thinking, window, parts.ahead),
        Checkpoints(parts.database),
        model_calls=settings.file.limits.model_calls,
        contain=contain,
        allowance=Allowance(parts.database, _daily_limits(settings)),
    )


def _regular(parts: Parts) -> Iterator[tuple[str, float, Callable[[], Awaitable[object]]]]:
    """What is done again and again: its name, the seconds between, and the work."""
    yield "expiry", _EXPIRY_SECONDS, parts.votes.expire_lapsed
    yield "grants", _EXPIRY_SECONDS, partial(grants.end_over, parts.house)
    yield "orphans", _ORPHANS_SECONDS, parts.orphans.mend
    yield "unsaid waits", _UNSAID_SECONDS, partial(parts.live.catch_up, parts.identity.org)
    if parts.settings.file.approvals.reminders:
        yield "reminders", _EXPIRY_SECONDS, parts.reminders.remind
    if any(rule.ask and rule.ask.escalate for rule in parts.settings.file.policy.rules):
        yield "escalations", _EXPIRY_SECONDS, parts.reminders.escalate
    kept = max(_SWEEP_SECONDS, parts.settings.file.retention.checkpoints_days * _DAY)
    yield "sweep", _SWEEP_SECONDS, lambda: sweep(parts.database, kept)
    yield "lost runs", _LOST_SECONDS, parts.recover
    yield "audit head", _HEAD_SECONDS, lambda: _note_heads(parts)


async def _note_heads(parts: Parts) -> None:
    """Where the audit ends, in the log: whoever cuts the chain in the database cannot unsay it."""
    for head in await evidence.heads(parts.database):
        log.info("audit_head", org=head.org, seq=head.seq, hash=head.hash)
    told = parts.settings.file.approvals
    if told.post_audit_head and told.channel is not None:
        now = datetime.now(UTC)
        await chronicle.post_head(parts.database, parts.identity.org, told.channel, now)


async def _drain(runs: "Runs", stop: asyncio.Event) -> None:
    await stop.wait()
    log.info("draining", seconds=_GRACE)
    runs.drain()


async def _identity(api: SlackApi, app_token: str) -> Identity:
    try:
        return await check_tokens(api, app_token)
    except (Limited, Uncertain) as problem:
        raise SlackAway(f"Slack did not answer ({problem}).") from problem


async def _only_ours(database: Database, org: str) -> None:
    """One workspace, one database: a second one would send the first one's messages."""
    async with database.statement() as tx:
        if await tx.one("foreign_rows", org=org) is not None:
            raise BadSettings(["DATABASE_URL: this database belongs to another workspace's bot."])


def _app_of(app_token: str) -> str:
    """The app's id: an app-level token names it (xapp-1-A…-…), Slack's `auth.test` does not."""
    parts = app_token.split("-")
    return parts[2] if len(parts) > 3 and parts[2].startswith("A") else ""


@asynccontextmanager
async def contain(fail: Callable[[str, float, str], Awaitable[None]]) -> AsyncIterator[None]:
    """What nobody foresaw must still reach the thread that waits."""
    try:
        yield
    except (TryAgain, LostClaim):
        raise
    except AWAY as error:
        raise TryAgain from error
    except Exception as error:
        # the run would be tried again for ever, and break each time, while its thread waits
        reference = uuid4().hex[:8]
        log.exception("run_broke", reference=reference)
        try:
            await fail(reply_for(error, reference), 0.0, f"{type(error).__name__} {reference}")
        except AWAY as away:
            raise TryAgain from away


async def _repeat(
    stop: asyncio.Event,
    seconds: float,
    work: Callable[[], Awaitable[object]],
    *,
    after: float = 0.0,
) -> None:
    name = asyncio.current_task().get_name()  # type: ignore[union-attr]
    if after:
        await _pause(stop, after)
    while not stop.is_set():
        try:
            await work()
        except DatabaseAway:
            log.warning("database_away", task=name)
        except Exception:
            # one row that breaks it would end every process, at each start anew
            log.exception("regular_task_broke", task=name)
        await _pause(stop, seconds)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def _warm(model: Model) -> None:
    await model.warm()
    log.info("model_warm", model=model.name)


@asynccontextmanager
async def _providers(settings: Settings) -> AsyncIterator[Catalog]:
    async with AsyncExitStack() as stack:
        try:
            catalog = await stack.enter_async_context(open_providers(settings.providers()))
        except ValueError as error:
            raise BadSettings(str(error).splitlines()) from error
        yield catalog


async def _away(catalog: Catalog) -> dict[str, str]:
    """The clients that do not answer, and why."""

    async def why(client: Client) -> str:
        try:
            async with asyncio.timeout(3):
                await client.check()
        except ToolError as error:
            return str(error)
        except TimeoutError:
            return "no answer within 3 s"
        return ""

    names = list(catalog.clients)
    answers = await asyncio.gather(*(why(catalog.clients[name]) for name in names))
    return {name: answer for name, answer in zip(names, answers, strict=True) if answer}


def _slash(ground: _Ground, house: House, votes: Votes, live: Live, thinking: Thinking) -> Slash:
    voice = Voice(ground.identity, ground.api, ground.budget, ground.tasks)
    facts = partial(_facts, ground, thinking)
    with_model = ground.model is not None
    commands = Commands(house, votes, Status(house, voice.identity, facts), voice, model=with_model)
    return Slash(house, commands, live, voice, model=with_model)


async def _facts(ground: _Ground, thinking: Thinking) -> Facts:
    """How the bot is now, for who asks for its status."""
    settings, catalog = ground.settings, ground.catalog
    away, grown = await asyncio.gather(_away(catalog), growth.look(ground.database))
    tables = tuple((table.name, table.bytes) for table in grown.tables)
    return Facts(
        version=VERSION,
        models=settings.model,
        model_trouble=thinking.trouble or "",
        clusters={name: away.get(name, "") for name in catalog.clients},
        nobody_may_approve=_approvers(settings).nobody,
        everybody_may_approve=_approvers(settings).everybody,
        read_only=settings.read_only,
        stored=Stored(grown.bytes, tables, grown.then, grown.bytes_then),
    )


def _bus(settings: Settings, org: str) -> AbstractAsyncContextManager[Bus]:
    if settings.redis_url is None:
        return nullcontext(Bus())
    from bot.store.redis_bus import open_bus  # noqa: PLC0415 - a tenth of a second and 6 MB

    return open_bus(settings.redis_url.get_secret_value(), org)


def _shared(settings: Settings, org: str) -> AbstractAsyncContextManager[SharedBuckets | None]:
    if settings.redis_url is None:
        return nullcontext()
    from bot.store.redis_buckets import open_buckets  # noqa: PLC0415 - as for the bus

    return open_buckets(settings.redis_url.get_secret_value(), org)


def _model(settings: Settings) -> Model | None:
    return model_for(
        ModelSettings(
            ids=settings.model,
            openai_api_base=settings.openai_api_base,
            openai_api_key=(
                settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
            ),
            windows=settings.file.model_windows,
        )
    )


def _context(ground: _Ground, directory: SlackDirectory) -> Context:
    texts = ground.settings.file.instructions
    apart = ground.settings.file.identities is not None
    return Context(
        ground.database,
        Instructions(texts.workspace, texts.channels, texts.clusters),
        SlackThreads(ground.api, ground.budget, directory.known_name),
        Summaries(ground.database, ground.model, apart=apart),
        apart=apart,
    )


def _daily_limits(settings: Settings) -> DailyLimits:
    limits = settings.file.limits

    def daily(limit: DailyLimit | None) -> Daily:
        return Daily(limit.tokens, limit.dollars) if limit else Daily()

    return DailyLimits(
        daily(limits.person_per_day), daily(limits.channel_per_day), daily(limits.day)
    )


def _limits(settings: Settings) -> RunLimits:
    limits = settings.file.limits
    return RunLimits(
        model_calls=limits.model_calls,
        seconds=limits.minutes * 60,
        tokens=limits.tokens,
        cost=Decimal(limits.dollars),
    )

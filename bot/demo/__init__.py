"""`countersign sandbox`: a local workspace, a demo cluster, a PostgreSQL and the bot together."""

import asyncio
import secrets
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from bot.core.errors import BadSettings
from bot.demo import bot_process, kubeconfig, words
from bot.demo.folder import Folder, told
from bot.demo.kubeconfig import Context
from bot.demo.words import say
from bot.sandbox import serving
from bot.sandbox.cluster import Cluster
from bot.sandbox.cluster import kept as cluster_kept
from bot.sandbox.keeping import Unreadable
from bot.sandbox.slack import Settings, Workspace
from bot.sandbox.slack import kept as slack_kept
from bot.sandbox.slack.model import User
from bot.settings import environment
from bot.store.embedded import (
    database_there,
    drop_database,
    embedded_postgres,
    fresh_database,
    with_database,
)

_ROOT: Final = Path(__file__).resolve().parents[2]
_POLICY: Final = Path(__file__).with_name("countersign.yaml")
_READY_SECONDS = 60.0  # a cold start compiles and loads everything
_LAST_LINES = 12
_RECORDS = 2_000  # calls and deliveries: a demo may run for weeks, and its page shows the newest
_EX_CONFIG = 78  # sysexits.h: what the bot exits with when a setting is wrong
_ALONE: Final = "you"  # the one person where a real cluster is looked at


@dataclass(frozen=True)
class Wish:
    """How the demo was asked for: `port` is the page's (another when taken)."""

    data: Path
    port: int
    reset: bool = False
    kube: bool = False


def choose(wish: Wish) -> Context | None:
    """Which cluster: the demo's (None), or the person's own. Asks in the terminal.

    Raises `BadSettings`.
    """
    return kubeconfig.ask(kubeconfig.current(environment({}))) if wish.kube else None


async def sandbox(wish: Wish, context: Context | None, stop: asyncio.Event) -> None:
    """Run the demo until `stop`.

    Raises `BadSettings`, `EmbeddedPostgresError`, and `SystemExit` when the bot ended by itself.
    """
    given = environment({})
    _refuse_real_slack(given)
    path = wish.data / "kube" if wish.kube else wish.data
    folder = Folder.at(path, has_cluster=context is None)
    with folder.locked():
        holds = folder.holds()
        if wish.reset or not holds:
            if holds is None and not wish.reset:
                say("Of the last demo only a part is there, so it begins afresh.")
            folder.forget()
        if wish.reset:
            with told(path):
                (path / _POLICY.name).unlink(missing_ok=True)
        demo = _Demo(folder, wish.port, context, given)
        try:
            failed = await demo.run(stop)
        except Unreadable as unreadable:
            say(f"{unreadable} So it begins afresh.")
            aside = folder.set_aside()
            say(f"Set aside: {', '.join(words.shown(path) for path in aside)}.")
            failed = await demo.run(stop)
    if failed:
        _give_up(failed, demo.exit_code, folder.log)
    say("Stopped; nothing is left running.")


class _Demo:
    """One demo, from its start to its end."""

    def __init__(
        self, folder: Folder, port: int, context: Context | None, given: Mapping[str, str]
    ) -> None:
        self.exit_code: int | None = None
        self._folder = folder
        self._port = port
        self._context = context
        self._given = given
        self._model = words.Model.of(given)
        self._health = ""

    async def run(self, stop: asyncio.Event) -> str:
        """Run until `stop`; how the bot failed, or "". Raises `Unreadable`, `BadSettings`."""
        self._check()  # known before anything is said
        async with AsyncExitStack() as stack:
            workspace = await stack.enter_async_context(self._workspace())
            self._introduce(workspace)
            cluster = self._cluster()
            say(f"Open this page; the bot joins it in a few seconds:\n\n{workspace.page_url}\n")
            say(words.leaves(self._model, self._given, self._context))
            if cluster is not None:
                say("Starting a demo cluster …")
                await stack.enter_async_context(cluster)
            database = await self._database(stack)
            self._folder.tell_database(database)
            if not workspace.restored and self._context is None:
                await workspace.post("dave", "ops", words.WELCOME)
            if stop.is_set():
                return ""
            say(f"Starting the bot (its log: {words.shown(self._folder.log)}) …")
            own = self._environment(workspace, database, cluster)
            self._health = f"http://127.0.0.1:{own['COUNTERSIGN_HTTP_PORT']}"
            bot = await stack.enter_async_context(bot_process.running(own, self._folder.log, say))
            if self._context is None:
                workspace.control.offer_kill(bot.kill)
            failed = await self._serve(workspace, cluster, bot, stop)
            say("Stopping …")
        self.exit_code = bot.returncode
        return failed

    # --- the parts ------------------------------------------------------------------------------

    def _check(self) -> None:
        with told(self._folder.path):
            slack_kept.check(self._folder.workspace)
            if self._context is None:
                cluster_kept.check(self._folder.cluster)

    def _workspace(self) -> Workspace:
        settings = Settings(
            port=_free(self._port),
            page_dir=serving.PAGE_DIR,
            token_suffix=secrets.token_hex(12),
            records=_RECORDS,
            kept=self._folder.workspace,
        )
        workspace = Workspace(_manifest(), settings)
        if self._context is not None:
            _leave_alone(workspace)
        return workspace

    def _rules(self) -> str:
        """What the rules in force are, where they are the ones that came with the demo."""
        path = self._folder.path / "countersign.yaml"
        ours = not path.exists() or path.read_bytes() == _POLICY.read_bytes()
        return words.RULES if ours else f"Its rules are those of {path}, changed by you."

    def _introduce(self, workspace: Workspace) -> None:
        name, context = workspace.state.manifest.name.capitalize(), self._context
        what = "your cluster" if context else "a demo cluster"
        there = {user.name for user in workspace.state.users.values()}  # a kept one may lack some
        people = {who: word for who, word in words.PEOPLE.items() if who in there}
        people = {_ALONE: ""} if context else people
        about = words.leaves(self._model, self._given, context)
        if context is None:
            about = f"{about} {self._rules()}"
        serving.introduce(
            workspace,
            serving.Introduction(
                title=f"{name}: a local workspace with {what}",
                about=about,
                people=people,
                suggestions=words.suggestions(workspace.state.manifest.name, context),
                context=context.name if context else "",
                writable=context.writable if context else False,
                tour=context is None,
            ),
        )

    def _cluster(self) -> Cluster | None:
        return None if self._context else Cluster(seed=True, kept=self._folder.cluster)

    async def _database(self, stack: AsyncExitStack) -> str:
        """The database of this demo, new where there is none yet. Raises `Unreadable`."""
        say("Starting a PostgreSQL (the first time takes a few seconds) …")
        server = await stack.enter_async_context(embedded_postgres(self._folder.postgres, say=say))
        await self._drop_former(server)
        if name := self._folder.database_name():
            dsn = with_database(server, name)
            if not await database_there(dsn):
                raise Unreadable(f"The database that {self._folder.database} names is gone.")
            return dsn
        dsn = await fresh_database(server)
        self._folder.name_database(dsn.partition("?")[0].rpartition("/")[2])
        return dsn

    async def _drop_former(self, server: str) -> None:
        for former in self._folder.former():
            await drop_database(with_database(server, former))
        self._folder.dropped()

    def _environment(
        self, workspace: Workspace, database: str, cluster: Cluster | None
    ) -> dict[str, str]:
        """What the bot is told: this machine's parts, and how to reach a model if one is set.

        `COUNTERSIGN_CONFIG` is not passed on: it may name a real cluster.
        """
        own = words.passed_on(self._given, self._model, self._context)
        if self._given.get("COUNTERSIGN_CONFIG"):
            say("COUNTERSIGN_CONFIG is not used here: it may name a real cluster.")
        approver = _ALONE if self._context else None
        demo = {
            "SLACK_BOT_TOKEN": workspace.bot_token,
            "SLACK_APP_TOKEN": workspace.app_token,
            "SLACK_API_URL": workspace.api_url,
            "DATABASE_URL": database,
            "COUNTERSIGN_APPROVERS": (
                workspace.user_id(approver) if approver else workspace.state.group("sre").id
            ),
            # chosen here: one that is started again keeps its address
            "COUNTERSIGN_HTTP_PORT": str(_any_port()),
            "COUNTERSIGN_LOG": "json",
        }
        if cluster is not None:
            path = self._folder.path
            with told(path):
                kubeconfig_file = cluster.write_kubeconfig(path / "kubeconfig", "bot")
                cluster.write_kubectl_config(path / "kubectl")  # for whoever wants to look
            demo |= {"KUBECONFIG": str(kubeconfig_file), "COUNTERSIGN_CONFIG": str(self._policy())}
            return {"COUNTERSIGN_SETTLE_SECONDS": "5"} | own | demo
        return own | demo | self._rights()

    def _policy(self) -> Path:
        """The demo's own rules, until somebody changes them."""
        path = self._folder.path / "countersign.yaml"
        with told(path):
            if not path.exists():
                path.write_bytes(_POLICY.read_bytes())
        return path

    def _rights(self) -> dict[str, str]:
        """In somebody's own cluster: nothing changes, or only what they themselves approve."""
        if self._context is None:
            return {}
        # By name: the kubeconfig's current context may be another one by the time it is opened.
        chosen: dict[str, object] = {"tools": {"kubernetes": {"context": self._context.name}}}
        if self._context.writable:
            chosen["self_approval"] = True  # whoever started this is alone
        config = self._folder.path / "countersign.yaml"
        with told(config):
            config.write_text(yaml.safe_dump(chosen))
        only_reads = {} if self._context.writable else {"COUNTERSIGN_READ_ONLY": "true"}
        return {"COUNTERSIGN_CONFIG": str(config)} | only_reads

    # --- its time -------------------------------------------------------------------------------

    async def _serve(
        self,
        workspace: Workspace,
        cluster: Cluster | None,
        bot: bot_process.Bot,
        stop: asyncio.Event,
    ) -> str:
        """Run until somebody wants to stop (returns "") or the bot fails (returns how)."""
        async with asyncio.TaskGroup() as group:
            ended = group.create_task(bot.failed(), name="bot")
            stopped = group.create_task(stop.wait(), name="stop")
            connected = group.create_task(_connected(workspace), name="connected")
            ends: set[asyncio.Task[Any]] = {ended, stopped}
            if cluster is not None:
                serving.offer_stories(cluster, workspace)
                ends.add(group.create_task(serving.mirror(cluster, workspace), name="mirror"))
            try:
                await asyncio.wait({connected, *ends}, return_when=asyncio.FIRST_COMPLETED)
                if connected.done() and not connected.result():
                    return f"did not connect within {_READY_SECONDS:.0f} s"
                if connected.done():
                    name = workspace.state.manifest.name
                    say(
                        words.greeting(
                            name,
                            self._context,
                            self._rules(),
                            self._folder.database_url,
                            health=self._health,
                            restored=workspace.restored,
                        )
                    )
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                if ended.done() and not stop.is_set():
                    return ended.result()
                return ""
            finally:
                for task in (connected, *ends):
                    task.cancel()


async def _connected(workspace: Workspace) -> bool:
    """Whether the bot connected in time."""
    try:
        await workspace.wait_for(
            lambda: workspace.hub.sockets, _READY_SECONDS, "the bot's connection"
        )
    except TimeoutError:
        return False
    return True


# --- before anything starts ---------------------------------------------------------------------


def _refuse_real_slack(given: Mapping[str, str]) -> None:
    names = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN")
    found = [name for name in names if given.get(name) or given.get(f"{name}_FILE")]
    if found:
        why = (
            f"{' and '.join(found)} set: the local workspace needs no Slack and does not start "
            "beside real tokens. Unset them, or use `countersign run`."
        )
        raise BadSettings([why])


def _manifest() -> Mapping[str, object]:
    path = _ROOT / "manifest.yml"
    try:
        manifest: Mapping[str, object] = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettings(
            [f"{path} cannot be read ({error.strerror}): run the local workspace from a checkout."]
        ) from error
    return manifest


def _free(port: int) -> int:
    """The port, or 0 (the system chooses) when it is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            say(f"Port {port} cannot be had; taking another.")
            return 0
    return port


def _any_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _leave_alone(workspace: Workspace) -> None:
    """One person in #ops, beside the bot: nobody pretends to be somebody where things are real."""
    state = workspace.state
    me = state.add_user(User("U0YOU0000", _ALONE, "You", state.team_id, is_admin=True))
    for channel in state.channels.values():
        if channel.name in {"ops", "general"}:
            channel.members.append(me.id)


# --- its end ------------------------------------------------------------------------------------


def _give_up(failed: str, code: int | None, log: Path) -> NoReturn:
    """Say what happened to the bot, and what it said last."""
    with told(log):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
    if code == _EX_CONFIG and lines:
        raise BadSettings(lines)
    said = "\n".join(lines) or "(it wrote nothing)"
    raise SystemExit(f"The bot {failed}, so the demo ends. Last in {words.shown(log)}:\n{said}")

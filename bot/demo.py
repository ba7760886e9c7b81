"""`countersign sandbox`: a local workspace, a demo cluster, a PostgreSQL and the bot together."""

import asyncio
import os
import re
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

import yaml

from bot.core.errors import BadSettings
from bot.sandbox import serving
from bot.sandbox.cluster import Cluster
from bot.sandbox.slack import Settings, Workspace
from bot.store.embedded import drop_database, embedded_postgres, fresh_database, with_database

_ROOT: Final = Path(__file__).resolve().parents[1]
_READY_SECONDS = 60.0  # a cold start compiles and loads everything
_STOP_SECONDS = 8.0  # for the bot to end by itself; what it leaves behind is thrown away anyway
_LAST_LINES = 12
_EX_CONFIG = 78  # sysexits.h: what the bot exits with when a setting is wrong

_TRY = (
    "get pods -n shop",
    "logs deployment/checkout -n shop --grep FATAL",
    "rollout undo deployment/checkout -n shop",
)
_PEOPLE = {
    "alice": "operator, may approve",
    "bob": "operator, may approve",
    "dave": "developer, may ask",
    "gina": "guest",
    "olga": "from another organisation",
}

# What the bot inherits; above all no proxy: its Slack and its cluster are on this machine.
_SYSTEM = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PROVIDER = re.compile(
    r"[A-Z0-9_]+_(API_KEY|API_KEY_FILE|API_BASE|API_BASE_FILE|BASE_URL|API_VERSION)"
    r"|(AWS|AZURE|VERTEX|VERTEXAI)_[A-Z0-9_]+|GOOGLE_APPLICATION_CREDENTIALS|HF_TOKEN"
)

# Runs in a bare interpreter and becomes the bot. The kernel ends the bot when the thread that
# started it dies, even by SIGKILL; macOS has no such request.
_LAUNCH = """
import os, sys
parent, program = int(sys.argv[1]), sys.argv[2:]
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    if os.getppid() != parent:
        sys.exit("the starting process is gone")
os.execv(program[0], program)
"""


# What a person may want to try: how long cards live, and how fast things go.
_PASSED_ON = (
    "COUNTERSIGN_CARD_MINUTES",
    "COUNTERSIGN_START_SECONDS",
    "COUNTERSIGN_SETTLE_SECONDS",
)


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `extra` on top."""
    return {**os.environ, **extra}  # noqa: TID251 -- a child's or --dev's environment is made of ours


async def sandbox(data: Path, port: int, stop: asyncio.Event) -> None:
    """Run the demo until `stop`; `data` is its folder, `port` the page's (another when taken).

    Raises `BadSettings`, `EmbeddedPostgresError`, and `SystemExit` when the bot ended by itself.
    """
    given = environment({})
    _refuse_real_slack(given)
    data = _folder(data)
    manifest = _manifest()
    async with AsyncExitStack() as stack:
        _say("Starting a PostgreSQL (the first time takes a few seconds) …")
        database = await stack.enter_async_context(_database(data))
        _say("Starting a demo cluster and a local workspace …")
        cluster = await stack.enter_async_context(Cluster(seed=True))
        settings = Settings(
            port=_free(port), page_dir=serving.PAGE_DIR, token_suffix=secrets.token_hex(12)
        )
        workspace = await stack.enter_async_context(Workspace(manifest, settings))
        kubeconfig = cluster.write_kubeconfig(data / "kubeconfig", "bot")
        serving.introduce(workspace, _introduction(workspace, given))
        await _welcome(workspace)
        if stop.is_set():
            return
        own = _bot_environment(given, workspace, database, kubeconfig)
        _say(f"Starting the bot (its log: {_shown(data / 'bot.log')}) …")
        bot = await stack.enter_async_context(_bot(own, data / "bot.log"))
        failed = await _serve(workspace, cluster, bot, stop, lambda: _greet(workspace, given))
        _say("Stopping …")
    if failed:
        _give_up(failed, bot.returncode, data / "bot.log")
    _say("Stopped; nothing is left running.")


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


def _folder(data: Path) -> Path:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadSettings([f"--data: {data} cannot be made: {error.strerror}."]) from error
    return data.resolve()


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
            _say(f"Port {port} cannot be had; taking another.")
            return 0
    return port


# --- what the page says -------------------------------------------------------------------------


def _introduction(workspace: Workspace, given: Mapping[str, str]) -> serving.Introduction:
    name = workspace.state.manifest.name
    return serving.Introduction(
        title=f"{name.capitalize()}: a local workspace with a demo cluster",
        about=_leaves(given),
        people=_PEOPLE,
        suggestions=tuple(f"@{name} {command}" for command in _TRY),
    )


def _leaves(given: Mapping[str, str]) -> str:
    """What leaves this machine, in one sentence."""
    model = given.get("COUNTERSIGN_MODEL", "").strip()
    if not model:
        return "Nothing leaves this machine. No model is set: commands only."
    base = given.get("OPENAI_API_BASE", "").strip()
    through = f" through {base}" if base else ""
    return f"Prompts go to the model {model}{through}; nothing else leaves this machine."


async def _welcome(workspace: Workspace) -> None:
    """Somebody says what is broken: a newcomer knows where to begin."""
    text = (
        "`checkout` in `shop` is crash-looping since the last deploy, a quarter of an hour ago. "
        "Orders still go through on the old pods. Can somebody have a look and roll it back?"
    )
    await workspace.post("dave", "ops", text)


# --- the parts ----------------------------------------------------------------------------------


@asynccontextmanager
async def _database(data: Path) -> AsyncIterator[str]:
    """An empty database: the workspace forgets everything at its end, so no row may remember it."""
    note = data / "database"  # the one of an earlier demo that was killed
    async with embedded_postgres(data / "postgres", say=_say) as server:
        with suppress(FileNotFoundError):
            if former := await asyncio.to_thread(note.read_text):
                await drop_database(with_database(server, former.strip()))
        dsn = await fresh_database(server)
        await asyncio.to_thread(note.write_text, dsn.partition("?")[0].rpartition("/")[2])
        yield dsn


def _bot_environment(
    given: Mapping[str, str], workspace: Workspace, database: str, kubeconfig: Path
) -> dict[str, str]:
    """What the bot is told: this machine's parts, and how to reach a model if one is set.

    `COUNTERSIGN_CONFIG` is not passed on: it may name a real cluster.
    """
    own = {name: given[name] for name in _SYSTEM if name in given}
    if given.get("COUNTERSIGN_MODEL", "").strip():
        own |= {name: value for name, value in given.items() if _PROVIDER.fullmatch(name)}
        own["COUNTERSIGN_MODEL"] = given["COUNTERSIGN_MODEL"]
    if given.get("COUNTERSIGN_CONFIG"):
        _say("COUNTERSIGN_CONFIG is not used here: it may name a real cluster.")
    return own | {
        "SLACK_BOT_TOKEN": workspace.bot_token,
        "SLACK_APP_TOKEN": workspace.app_token,
        "SLACK_API_URL": workspace.api_url,
        "DATABASE_URL": database,
        "KUBECONFIG": str(kubeconfig),
        "COUNTERSIGN_APPROVERS": workspace.state.group("sre").id,
        "COUNTERSIGN_SETTLE_SECONDS": "5",
        **{name: given[name] for name in _PASSED_ON if given.get(name)},
        "COUNTERSIGN_HTTP_PORT": "0",
        "COUNTERSIGN_LOG": "json",
    }


@asynccontextmanager
async def _bot(own: Mapping[str, str], log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The bot as a process of its own, ended at the end of the block."""
    with _fresh(log) as written:
        # A session of its own: Ctrl-C stays with us, who stop everything in order.
        bot = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid())),
            *(sys.executable, "-m", "bot", "run"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            cwd=_ROOT,
            env=dict(own),
            start_new_session=True,
        )
    try:
        yield bot
    finally:
        await _end(bot)


def _fresh(log: Path) -> BinaryIO:
    log.unlink(missing_ok=True)
    log.touch(mode=0o600)
    return log.open("ab")


async def _end(bot: asyncio.subprocess.Process) -> None:
    try:
        if bot.returncode is None:
            with suppress(ProcessLookupError):
                bot.send_signal(signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await bot.wait()
    finally:
        if bot.returncode is None:
            with suppress(ProcessLookupError):
                bot.kill()
            await bot.wait()


async def _serve(
    workspace: Workspace,
    cluster: Cluster,
    bot: asyncio.subprocess.Process,
    stop: asyncio.Event,
    ready: Callable[[], None],
) -> str:
    """Run until somebody wants to stop (returns "") or the bot fails (returns how).

    `ready` is called once, when the bot has connected.
    """
    async with asyncio.TaskGroup() as group:
        shown = group.create_task(serving.mirror(cluster, workspace), name="mirror")
        ended = group.create_task(bot.wait(), name="bot")
        stopped = group.create_task(stop.wait(), name="stop")
        connected = group.create_task(_connected(workspace), name="connected")
        ends = {ended, stopped, shown}
        try:
            await asyncio.wait({connected, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if connected.done() and not connected.result():
                return f"did not connect within {_READY_SECONDS:.0f} s"
            if connected.done():
                ready()
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if ended.done() and not stop.is_set():
                return f"ended by itself (exit {ended.result()})"
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


# --- what the terminal says ---------------------------------------------------------------------


def _greet(workspace: Workspace, given: Mapping[str, str]) -> None:
    name = workspace.state.manifest.name
    reads, logs, undo = (f"@{name} {command}" for command in _TRY)
    _say(
        f"Ready. {_leaves(given)}\nOpen this page:\n\n{workspace.page_url}\n\n"
        "Three things to try in #ops:\n"
        f"  1. {reads}\n"
        f"  2. {logs}\n"
        f"  3. {undo}\n"
        "     as alice; then switch to bob, above, to approve: who asks may not approve.\n"
        "Ctrl-C stops everything."
    )


def _give_up(failed: str, code: int | None, log: Path) -> NoReturn:
    """Say what happened to the bot, and what it said last."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
    if code == _EX_CONFIG and lines:
        raise BadSettings(lines)
    said = "\n".join(lines) or "(it wrote nothing)"
    raise SystemExit(f"The bot {failed}, so the demo ends. Last in {_shown(log)}:\n{said}")


def _shown(path: Path) -> str:
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()

"""What `deploy/` says, held against the code: image, compose file, cluster roles, database role."""

import asyncio
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from bot import VERSION
from bot.commands import parser
from bot.sandbox.cluster import Cluster
from bot.sandbox.cluster.rights import Rule
from bot.settings import _NAMES, read
from bot.store.embedded import fresh_database
from tests.bot.test_cli import command
from tests.contracts.walks import NOT_WALKED, WALKS
from tests.plugins.ports import free_port
from tests.standins.cluster import SeededCluster
from tests.world import ROOT, World, world
from tools import JsonObject, NotFound, open_providers
from tools.kubernetes.kinds import RESOURCES
from tools.kubernetes.rights import NEEDS

DEPLOY = ROOT / "deploy"
Json = dict[str, Any]


# --- the image ----------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continued lines joined, comments gone."""
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", "", text)
    pairs = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(word.upper(), rest) for word, rest in pairs]


def of(word: str) -> list[str]:
    """What stands behind each instruction of a kind."""
    return [rest for name, rest in instructions() if name == word]


def sources() -> Iterator[tuple[str, str]]:
    """Every (source, target) that is copied from the checkout."""
    for copied in of("COPY"):
        if not copied.startswith("--from"):
            *froms, to = copied.split()
            yield from ((one, to) for one in froms)


def environment_of_image() -> dict[str, str]:
    return dict(pair.split("=", 1) for line in of("ENV") for pair in shlex.split(line))


def test_what_is_copied_exists_and_is_sent_to_the_builder() -> None:
    ignore = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    sent = {line[1:] for line in ignore if line.startswith("!")}
    copied = {one for one, _ in sources()}
    assert copied == sent
    assert all((ROOT / one).exists() for one in copied)


def test_the_image_is_small_pinned_and_nobodys() -> None:
    (base,) = of("ARG")
    assert re.fullmatch(r"PYTHON=python:3\.\d+\.\d+-slim-\w+", base)
    assert [one.split()[0] for one in of("FROM")] == ["${PYTHON}", "${PYTHON}"]
    names = [word for word, _ in instructions()]
    assert "ADD" not in names
    last = instructions()[len(names) - names[::-1].index("FROM") :]
    assert not [rest for word, rest in last if word == "RUN"], "the last stage only copies"
    assert [rest for word, rest in last if word == "USER"] == ["10001:10001"]
    runs = " ".join(of("RUN"))
    assert "--require-hashes" in runs
    assert "--only-binary :all:" in runs
    assert not re.search(r"apt-get|apk |gcc|curl|wget", runs)
    assert environment_of_image()["COUNTERSIGN_HTTP_HOST"] == "0.0.0.0"  # noqa: S104 -- of a container
    assert set(environment_of_image()) & {*_NAMES, "COUNTERSIGN_CONFIG"} == {
        "COUNTERSIGN_HTTP_HOST"
    }


READ_ONLY = (
    'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$0" && touch x 2>/dev/null'
    ' && exit 99; exec "$@"'
)


async def read_only(folder: Path) -> list[str]:
    """What starts a program for which a folder cannot be written, whoever starts it."""
    if os.geteuid() != 0:
        return []  # the folder's modes are enough
    words = ["unshare", "-m", "/bin/sh", "-c", READ_ONLY, str(folder)]
    if shutil.which("unshare") is None:
        pytest.skip("root may write anywhere, and there is no unshare to take that from it")
    probe = await asyncio.create_subprocess_exec(
        *words, "/bin/sh", "-c", "! touch x 2>/dev/null", stderr=asyncio.subprocess.DEVNULL
    )
    if await probe.wait() != 0:
        pytest.skip("root may write anywhere, and may not mount read-only here")
    return words


@pytest.mark.long
async def test_it_runs_from_a_read_only_folder_and_its_health_check_works(
    dsn: str, tmp_path: Path
) -> None:
    image = tmp_path / "image"
    image.mkdir()
    skip = shutil.ignore_patterns("__pycache__")
    for source, to in sources():
        if to.startswith("/opt/countersign"):
            here, there = ROOT / source, image / Path(to).relative_to("/opt/countersign")
            if here.is_dir():
                shutil.copytree(here, there, ignore=skip)
            else:
                shutil.copy(here, there)
    for path in [image, *image.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    (entry,) = of("ENTRYPOINT")
    (command,) = of("CMD")
    words = [*json.loads(entry)[1:], *json.loads(command)]
    port = str(free_port())
    async with world(dsn, tmp_path, running="not yet") as chat:
        given = chat.environment() | {"COUNTERSIGN_HTTP_PORT": port}
        around = {"PYTHONPATH": str(image), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(image)}
        log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
        bot = await asyncio.create_subprocess_exec(
            *(*await read_only(image), sys.executable, *words),
            cwd=image,
            env={"PATH": os.environ["PATH"], **around, **given},
            stdout=log,
            stderr=log,
        )
        os.close(log)
        try:
            await chat.slack.wait_for(lambda: bool(chat.slack.hub.sockets), 40)
            thread = await chat.ask("get pods -n shop")
            await chat.reads(thread, "checkout")
            assert await health(port) == 0
        except (AssertionError, TimeoutError) as error:
            raise AssertionError((tmp_path / "log").read_text()) from error
        finally:
            if bot.returncode is None:
                bot.terminate()
            code = await asyncio.wait_for(bot.wait(), 30)
    assert code == 0, (tmp_path / "log").read_text()
    assert await health(port) != 0, "nobody answers any more"
    assert not list(image.rglob("__pycache__"))


async def health(port: str) -> int:
    """The exit code of the image's own health check."""
    check = next(rest for rest in of("HEALTHCHECK"))
    words = json.loads(check.partition("CMD ")[2])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *words[1:]),
        env={"COUNTERSIGN_HTTP_PORT": port},
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await asyncio.wait_for(process.wait(), 15)


# --- compose ------------------------------------------------------------------------------------

COMPOSE: Json = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICE_KEYS = {
    "build",
    "cap_drop",
    "command",
    "depends_on",
    "env_file",
    "environment",
    "healthcheck",
    "image",
    "init",
    "mem_limit",
    "networks",
    "ports",
    "read_only",
    "restart",
    "security_opt",
    "shm_size",
    "stop_grace_period",
    "tmpfs",
    "user",
    "volumes",
}  # of the Compose Specification, those that are used


def test_compose_has_only_keys_that_there_are_and_names_what_it_defines() -> None:
    assert set(COMPOSE) == {"name", "x-hardened", "services", "networks", "volumes"}
    for name, service in COMPOSE["services"].items():
        assert set(service) <= SERVICE_KEYS, name
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        assert set(service.get("depends_on", ())) <= set(COMPOSE["services"])
    assert COMPOSE["networks"]["data"]["internal"]


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_every_service_is_hardened_and_pinned(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.search(r"(^|:-)[1-9]\d*:[1-9]\d*", service["user"])
    assert re.search(r":\d+\.\d+(\.\d+)?(-\w+)?$", service["image"])
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert "healthcheck" in service or name == "bot", "the bot's is in its image"


def test_compose_builds_this_version_from_this_checkout() -> None:
    bot = COMPOSE["services"]["bot"]
    assert bot["image"] == f"countersign:{VERSION}"
    context = DEPLOY / bot["build"]["context"]
    assert (context / bot["build"]["dockerfile"]).is_file()


def interpolated(text: str, around: Mapping[str, str]) -> str:
    """As Compose fills in variables: `:-` a default, `:+` what stands for it, `:?` needed."""

    def fill(found: re.Match[str]) -> str:
        value = around.get(found[1], "")
        match found[2]:
            case "-":
                return value or found[3]
            case "+":
                return value and found[3]
            case _:
                assert value, found[0]
                return value

    return re.sub(r"\$\{(\w+):([-+?])([^}]*)\}", fill, text)


def told_by_compose(around: Mapping[str, str]) -> dict[str, str]:
    """What compose itself tells the bot; `around` is `.env` and the shell."""
    told = COMPOSE["services"]["bot"]["environment"]
    return {name: interpolated(text, around) for name, text in told.items()}


@pytest.mark.long
async def test_what_init_writes_is_what_the_container_takes(tmp_path: Path) -> None:
    """As another user, with all of `.env` and what compose says over it."""
    made = await command(
        *("init", "--yes", "--folder", str(tmp_path), "--contexts", "none"),
        *("--approvers", "U012AB3CD", "--channel", "C0APPROVE"),
        environment={"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"},
    )
    assert made.code == 0, made.err
    lines = (tmp_path / ".env").read_text().splitlines() + hints()
    given = dict(shlex.split(line)[0].split("=", 1) for line in lines if not line.startswith("#"))
    given |= told_by_compose(given) | {"COUNTERSIGN_CONFIG": str(tmp_path / "countersign.yaml")}
    user = int(interpolated(COMPOSE["services"]["bot"]["user"], {}).partition(":")[0])
    assert await can_read(Path(given["COUNTERSIGN_CONFIG"]), user)
    assert not await can_read(tmp_path / ".env", user), "only the docker command does"
    assert read(given).file.approvals.channel == "C0APPROVE"


async def can_read(path: Path, user: int) -> bool:
    """Whether somebody else can, from a folder that is open to him, as in a container."""
    if os.geteuid() != 0:
        return bool(path.stat().st_mode & 0o004)
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        copy = shutil.copy2(path, folder)
        reader = await asyncio.create_subprocess_exec(
            *("/bin/cat", copy),
            user=user,
            group=user,
            extra_groups=[],
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        return await reader.wait() == 0


def hints() -> list[str]:
    """The lines that compose's head says to add to `.env`, as a shell would."""
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    found = re.findall(r'echo "(\w+=)\$\(.*?"? >> \.env', text)
    assert len(found) == 2
    return [f"{name}1:1" for name in found]


def test_compose_tells_the_bot_settings_that_there_are() -> None:
    """As the container would see them: what compose says over what `init` writes."""
    around = {"POSTGRES_PASSWORD": "secret", "KUBECONFIG": "/home/me/.kube/config"}
    told = told_by_compose(around)
    assert set(told) <= {*_NAMES, "COUNTERSIGN_CONFIG"}
    tokens = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "COUNTERSIGN_CONFIG": ""}
    assert read(told | tokens).providers()
    mounted = [volume.split(":")[-2] for volume in COMPOSE["services"]["bot"]["volumes"]]
    assert {told["COUNTERSIGN_CONFIG"], told["KUBECONFIG"]} == set(mounted)
    del around["KUBECONFIG"]
    assert not read(told_by_compose(around) | tokens).providers(), "without a cluster, no tools"
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    assert "POSTGRES_PASSWORD=" in text, "how to make it is said at the top"
    assert not re.search(r"xox[bp]-\w|password: \w", text)


# --- the cluster's roles ------------------------------------------------------------------------


def rules_of(name: str) -> list[Json]:
    """The rules of a file's cluster role."""
    documents = yaml.safe_load_all((DEPLOY / "rbac" / name).read_text(encoding="utf-8"))
    (role,) = (one for one in documents if one["kind"] == "ClusterRole")
    return list(role["rules"])


def rights_of(name: str) -> set[str]:
    """`verb group resource` for each that a file allows."""
    return {
        f"{verb} {group} {resource}"
        for rule in rules_of(name)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("role", ["reader", "operator"])
def test_the_files_are_what_the_command_prints(
    role: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = parser(["rbac"]).parse_args(["rbac", role])
    assert given.work(given) == 0
    assert (DEPLOY / "rbac" / f"{role}.yaml").read_text(encoding="utf-8") == capsys.readouterr().out


def test_the_roles_are_what_the_tools_need_and_nothing_more() -> None:
    needed = {
        f"{right.verb} {right.group} {right.resource}" + (f"/{right.sub}" if right.sub else "")
        for right in frozenset().union(*NEEDS.values())
    }
    reads = {one for one in needed if one.split()[0] in {"get", "list"}}
    reads.remove("get  pods/exec")  # that is how a command is begun
    assert rights_of("reader.yaml") == reads
    assert rights_of("operator.yaml") == needed - reads
    assert rights_of("secrets.yaml") == {"get  secrets", "list  secrets"}
    assert "*" not in "".join(rights_of("reader.yaml") | rights_of("operator.yaml"))


@pytest.mark.parametrize("name", ["reader.yaml", "operator.yaml", "secrets.yaml"])
def test_each_role_is_bound_to_the_bots_account(name: str) -> None:
    documents = list(yaml.safe_load_all((DEPLOY / "rbac" / name).read_text(encoding="utf-8")))
    (role,) = (one for one in documents if one["kind"] == "ClusterRole")
    (binding,) = (one for one in documents if one["kind"] == "ClusterRoleBinding")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "countersign", "namespace": "countersign"}
    ]


def test_the_lasting_token_is_that_accounts() -> None:
    accounts = yaml.safe_load_all((DEPLOY / "rbac" / "reader.yaml").read_text(encoding="utf-8"))
    (account,) = (one["metadata"] for one in accounts if one["kind"] == "ServiceAccount")
    secret = yaml.safe_load((DEPLOY / "rbac" / "token.yaml").read_text(encoding="utf-8"))
    assert secret["type"] == "kubernetes.io/service-account-token"
    assert secret["metadata"]["namespace"] == account["namespace"]
    assert secret["metadata"]["annotations"] == {
        "kubernetes.io/service-account.name": account["name"]
    }


KUBECTL = r"""#!/bin/sh
# What is asked of the cluster needs one's own rights; `config` is only noted.
echo "$*" >> "$LOG"
case "$*" in
  *"get secret countersign-token"*".data.token"*) [ -z "$KUBECONFIG" ] && printf dG9rZW4= ;;
  "apply "*) [ -z "$KUBECONFIG" ] ;;
  "config view"*.server*) printf https://10.0.0.1:6443 ;;
  "config view"*--flatten*) printf Y2E= ;; # without it, a file's name stands there and no data
  "config view"*) ;;
  "config set-"* | "config use-context prod") [ "$KUBECONFIG" = "$PWD/kubeconfig" ] ;;
  *) exit 1 ;;
esac
"""


async def test_the_readmes_steps_to_a_kubeconfig_work_in_their_order(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (steps,) = (one for one in re.findall(r"```\n(.*?)```", readme, re.DOTALL) if "TOKEN" in one)
    for name, text in (("kubectl", KUBECTL), ("sleep", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "deploy").symlink_to(DEPLOY)
    shell = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-euc", steps),
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(tmp_path / "log")},
    )
    assert await shell.wait() == 0
    asked = (tmp_path / "log").read_text()
    assert "config set-credentials countersign --token token\n" in asked
    assert "--server https://10.0.0.1:6443 " in asked
    assert (tmp_path / "ca.crt").read_text() == "ca"
    assert (tmp_path / "kubeconfig").stat().st_mode & 0o077 == 0
    applied = re.findall(r"apply -f (\S+)", readme)
    assert applied
    assert all((ROOT / one).is_file() for one in applied)


# One call of every tool, with which it does all that it can do.
CHECKOUT: JsonObject = {"namespace": "shop", "name": "checkout", "kind": "deployment"}
CALLS: dict[str, JsonObject] = {
    "k8s_describe": CHECKOUT,
    "k8s_events": CHECKOUT,
    "k8s_logs": CHECKOUT,
    "k8s_rollout_status": CHECKOUT,
    "k8s_rollout_history": CHECKOUT,
    "k8s_top_pods": {"namespace": "shop"},
    "k8s_top_nodes": {},
    "k8s_overview": {"namespace": "shop"},
    "k8s_network": CHECKOUT,
    "k8s_configuration": CHECKOUT,
    "k8s_images": {"namespace": "shop"},
    "k8s_ownership": CHECKOUT,
    "k8s_cluster_info": {},
    "k8s_api_resources": {},
    "k8s_explain": {"kind": "deployment"},
    "k8s_can_i": {"namespace": "shop"},
    "k8s_diagnose": {"namespace": "shop"},
    "k8s_scale": {**CHECKOUT, "replicas": 3},
    "k8s_rollout_undo": CHECKOUT,
    "k8s_rollout_restart": CHECKOUT,
    "k8s_set_image": {**CHECKOUT, "image": "shop/checkout:1.8.0"},
}


CHANGES = ("k8s_rollout_restart", "k8s_rollout_undo", "k8s_scale", "k8s_set_image")


def rules_for(tool: str) -> list[Rule]:
    """What the table says of a tool, and no more."""
    return [
        Rule((right.verb,), (right.resource + (f"/{right.sub}" if right.sub else ""),))
        for right in NEEDS[tool]
    ]


@pytest.mark.parametrize("tool", CHANGES)
async def test_a_changes_rights_are_enough_for_it(tool: str, tmp_path: Path) -> None:
    async with SeededCluster(speed=20) as cluster:
        cluster.rights.allow("countersign", rules_for(tool))
        config = str(cluster.write_kubeconfig(tmp_path / "kubeconfig", "countersign"))
        settings: JsonObject = {"kubeconfig": config, "settle_seconds": 0}
        async with open_providers({"kubernetes": settings}) as catalog:
            change = catalog.change(tool, CALLS[tool])
            seen = await change.preview()
            receipt = await change.apply(seen)
            async for _ in change.verify(seen, receipt):
                pass
        refused = [one for one in cluster.requests if one.status == 403]
    assert not refused, [(one.verb, one.path) for one in refused]


async def test_a_reads_rights_are_enough_for_it(tmp_path: Path) -> None:
    async with SeededCluster(virtual=True) as cluster:
        cluster.rights.allow("countersign", [])
        config = str(cluster.write_kubeconfig(tmp_path / "kubeconfig", "countersign"))
        async with open_providers({"kubernetes": {"kubeconfig": config}}) as catalog:
            for tool in sorted(set(CALLS) - set(CHANGES)):
                cluster.rights.allow("countersign", rules_for(tool))
                await catalog.read(tool, CALLS[tool]).run()
                refused = [one.path for one in cluster.requests if one.status == 403]
                # Secrets are for who applies secrets.yaml: without it, that is said
                assert not [path for path in refused if "/secrets/" not in path], tool


async def test_every_kind_can_be_looked_at_with_the_roles(tmp_path: Path) -> None:
    allowed = [
        Rule(tuple(rule["verbs"]), tuple(rule["resources"]))
        for name in ("reader.yaml", "secrets.yaml")
        for rule in rules_of(name)
    ]
    async with Cluster(seed=True) as cluster:
        cluster.rights.allow("countersign", allowed)
        config = str(cluster.write_kubeconfig(tmp_path / "kubeconfig", "countersign"))
        async with open_providers({"kubernetes": {"kubeconfig": config}}) as catalog:
            tried = {*CALLS, "k8s_get"}
            walked = {walk.tool for walk in WALKS.values()}  # each with its rights only
            assert set(catalog.tools) == tried | walked | NOT_WALKED, "try the new tool here, too"
            for kind in sorted(set(RESOURCES) - {"controllerrevision"}):
                try:
                    await catalog.read("k8s_get", {"kind": kind, "namespace": "shop"}).run()
                except NotFound:  # the stand-in does not serve every kind; it forbids none
                    continue
    assert not [one for one in cluster.requests if one.status == 403]


# --- the database's role ------------------------------------------------------------------------


async def test_the_bot_works_with_a_role_that_cannot_rewrite_the_audit(
    server: str, template: str, tmp_path: Path
) -> None:
    owner = await fresh_database(server, template)
    async with await AsyncConnection.connect(owner, autocommit=True) as connection:
        script = (DEPLOY / "database" / "role.sql").read_text(encoding="utf-8")
        for _ in range(2):  # it may be run again
            await connection.execute(script.encode(), prepare=False)
    dsn = make_conninfo(owner, user="countersign_bot")
    extra = {"DATABASE_MIGRATE_URL": owner}
    async with world(dsn, tmp_path, extra=extra) as chat:
        await _one_change(chat)
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        for deed in (
            "UPDATE audit SET actor = 'x'",
            "DELETE FROM audit",
            "TRUNCATE audit",
            "DELETE FROM countersign_migrations",
            "INSERT INTO countersign_foreign_migrations (name) VALUES ('done')",
        ):
            with pytest.raises(Exception, match="permission denied"):
                await connection.execute(deed.encode())


async def _one_change(chat: World) -> None:
    thread = await chat.ask("scale deployment/web --replicas 5 -n shop")
    await chat.press("Approve", await chat.card(thread), by="alice")
    await chat.reads(thread, "verified")

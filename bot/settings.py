"""Every setting: typed, read once from the environment and one YAML file, refused early, never
printed.
"""

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    ValidationError,
)

from bot.config_file import APART, File, Kubernetes
from bot.core.errors import BadSettings
from bot.core.mistakes import details, dotted, ended, in_order, sentence
from bot.core.yaml_file import read_yaml


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _approver(value: str) -> str:
    if value != "*" and not re.fullmatch(r"[UWS][A-Z0-9]{2,}", value):
        raise ValueError(
            "a Slack user id (U…), a user-group id (S…) or `*` is expected; names are not ids"
        )
    return value


def _scheme_and_host(value: str) -> tuple[str, str]:
    """Of an address; empty where it is none. Python's own words may repeat the value."""
    try:
        parts = urlsplit(value)
        _ = parts.port
        return parts.scheme, parts.hostname or ""
    except ValueError:
        return "", ""


def _address(value: str) -> str:
    scheme, host = _scheme_and_host(value)
    if scheme not in {"http", "https"} or not host:
        raise ValueError("an address that begins with https:// is expected")
    return value


def _postgres(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    scheme, _ = _scheme_and_host(text)
    is_keywords = "://" not in text and re.match(r"\w+ *= *\S", text)  # libpq's other notation
    if scheme not in {"postgresql", "postgres"} and not is_keywords:
        raise ValueError(
            "a PostgreSQL address is expected, such as postgresql://user@host/countersign"
        )
    return value


def _redis(value: SecretStr) -> SecretStr:
    scheme, host = _scheme_and_host(value.get_secret_value())
    if scheme not in {"redis", "rediss"} or not host:
        raise ValueError("a Redis address is expected, such as rediss://host:6379/0")
    return value


class Settings(_Part):
    """What `countersign run` needs to know."""

    slack_bot_token: SecretStr
    slack_app_token: SecretStr
    slack_api_url: Annotated[str, AfterValidator(_address)] = "https://slack.com/api/"
    database_url: Annotated[SecretStr, AfterValidator(_postgres)]
    database_migrate_url: Annotated[SecretStr, AfterValidator(_postgres)] | None = None
    redis_url: Annotated[SecretStr, AfterValidator(_redis)] | None = None
    model: tuple[str, ...] = ()
    openai_api_key: SecretStr | None = None
    openai_api_base: Annotated[str, AfterValidator(_address)] | None = None
    approvers: tuple[Annotated[str, AfterValidator(_approver)], ...] = ()
    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    log: Literal["json", "text"] = "json"
    settle_seconds: Annotated[float, Field(ge=0, le=600)] = 20
    card_minutes: Annotated[float, Field(gt=0, le=1440)] = 30
    start_seconds: Annotated[float, Field(gt=0, le=3600)] = 120
    read_only: bool = False
    sockets: Annotated[int, Field(ge=1, le=5)] = 2
    jobs: Annotated[int, Field(ge=1, le=200)] = 20
    database_connections: Annotated[int, Field(ge=20, le=500)] = 40
    kubeconfig: str = ""
    in_cluster: bool = False
    own_namespace: str = ""
    file: File = File()

    def named_approvers(self) -> tuple[str, ...]:
        """Those of the environment, and those of the file."""
        return (*self.approvers, *(self.file.people.approver or ()))

    def governing(self) -> dict[str, JsonValue]:
        """What says what may be done, where, by whom and until when, by its name in the file or
        here. Only what was set: a version that knows more settings changes nothing by that.
        """
        own = {"approvers", "read_only", "card_minutes", "start_seconds"}
        own |= {"model", "openai_api_base", "kubeconfig", "in_cluster"}
        file = self.file.model_dump(mode="json", exclude_defaults=True)
        return {**file, **self.model_dump(mode="json", include=own, exclude_defaults=True)}

    def providers(self) -> dict[str, dict[str, Any]]:
        """The providers that are configured, with their settings."""
        configured = self.file.tools.kubernetes
        if configured is None and not self.kubeconfig and not self.in_cluster:
            return {}
        chosen = configured or Kubernetes()
        kubeconfig = chosen.kubeconfig or self.kubeconfig
        is_named = bool(kubeconfig or chosen.context or chosen.contexts)
        given: dict[str, Any] = {
            "kubeconfig": kubeconfig or None,
            "context": chosen.context or None,
            "in_cluster": self.in_cluster and not is_named,
            "own_namespace": self.own_namespace,
            "settle_seconds": self.settle_seconds,
            **chosen.model_dump(include={"qps", "burst", "most_bytes"}),
        }
        if chosen.exec_commands is not None:
            given["exec_commands"] = tuple(chosen.exec_commands)
        if chosen.contexts:
            given["contexts"] = chosen.contexts
        return {"kubernetes": given}


# environment name → (field, how it is split)
_NAMES = {
    "SLACK_BOT_TOKEN": "slack_bot_token",
    "SLACK_APP_TOKEN": "slack_app_token",
    "SLACK_API_URL": "slack_api_url",
    "DATABASE_URL": "database_url",
    "DATABASE_MIGRATE_URL": "database_migrate_url",
    "REDIS_URL": "redis_url",
    "COUNTERSIGN_MODEL": "model",
    "OPENAI_API_KEY": "openai_api_key",
    "OPENAI_API_BASE": "openai_api_base",
    "COUNTERSIGN_APPROVERS": "approvers",
    "COUNTERSIGN_HTTP_HOST": "http_host",
    "COUNTERSIGN_HTTP_PORT": "http_port",
    "COUNTERSIGN_LOG": "log",
    "COUNTERSIGN_SETTLE_SECONDS": "settle_seconds",
    "COUNTERSIGN_CARD_MINUTES": "card_minutes",
    "COUNTERSIGN_START_SECONDS": "start_seconds",
    "COUNTERSIGN_READ_ONLY": "read_only",
    "COUNTERSIGN_SOCKETS": "sockets",
    "COUNTERSIGN_JOBS": "jobs",
    "COUNTERSIGN_DATABASE_CONNECTIONS": "database_connections",
    "KUBECONFIG": "kubeconfig",
    "POD_NAMESPACE": "own_namespace",
}
# Kubernetes mounts it into every pod that has an account.
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_LISTS = {"model", "approvers"}
_WHY = {
    "SLACK_BOT_TOKEN": "the bot token (xoxb-…) from your Slack app's page, OAuth & Permissions",
    "SLACK_APP_TOKEN": "the app-level token (xapp-…, connections:write) from Basic Information",
    "DATABASE_URL": "a PostgreSQL address, such as postgresql://user@host/countersign",
}
_SHAPES = {
    "slack_bot_token": ("SLACK_BOT_TOKEN", "xoxb-", "a bot token begins with xoxb-"),
    "slack_app_token": ("SLACK_APP_TOKEN", "xapp-", "an app-level token begins with xapp-"),
}

_WELL_FORMED = {
    "slack_bot_token": "xoxb-",
    "slack_app_token": "xapp-",
    "database_url": "postgresql:///",
}


Judge = Callable[[File], Sequence[str]]  # finds more mistakes in a file that is well-formed


def _content(_: File) -> Sequence[str]:
    return ()


def read(environment: Mapping[str, str] | None = None, judge: Judge = _content) -> Settings:
    """Read the settings. Raises `BadSettings` that lists every mistake, without any value; what
    `judge` finds in the file stands among them.
    """
    found = read_what_works(environment)
    if found.mistakes:
        raise BadSettings(in_order([*found.mistakes, *judge(found.settings.file)]))
    return found.settings


@dataclass(frozen=True)
class Partly:
    """Settings as far as they can be used, and every mistake in the others."""

    settings: Settings
    mistakes: tuple[str, ...]
    lacking: frozenset[str]  # names of those that cannot be used; required ones stand empty


def read_what_works(environment: Mapping[str, str] | None = None) -> Partly:
    """Read the settings, and go on where some of them are wrong. Raises nothing."""
    given = dict(os.environ if environment is None else environment)
    mistakes: list[str] = []
    values = dict(_values(given, mistakes))
    keys = dict(_provider_keys(given, mistakes))
    if environment is None:
        os.environ.update(keys)
    file = _file(given.get("COUNTERSIGN_CONFIG", ""), mistakes)
    said = " ".join(mistakes)
    mistakes += [
        f"{name} is not set: {why}."
        for name, why in _WHY.items()
        if _NAMES[name] not in values and f"{name}_FILE:" not in said
    ]
    mistakes += _unknown(given)
    for field in _SHAPES:
        if wrong := _misshapen(field, str(values.get(field, ""))):
            mistakes += wrong
            del values[field]  # `Settings` then misses it
    if "KUBERNETES_SERVICE_HOST" in given and "kubeconfig" not in values:
        values["in_cluster"] = True
    if "own_namespace" not in values and _POD_NAMESPACE.is_file():
        values["own_namespace"] = _POD_NAMESPACE.read_text().strip()
    required = {_NAMES[name]: name for name in _WHY}
    wrong_ones: set[str] = set()
    try:
        settings = Settings(**values, file=file)
    except ValidationError as error:
        by_field = {field: name for name, field in _NAMES.items()}
        for detail in error.errors(include_url=False):
            field = str(detail["loc"][0])
            wrong_ones.add(field)
            if detail["type"] != "missing":
                expected = ended(sentence(detail, Settings))
                mistakes.append(f"{by_field.get(field, field)}: {expected}")
        usable = {field: value for field, value in values.items() if field not in wrong_ones}
        # `model_copy` checks nothing: what is required and wrong stands empty
        empty = {field: SecretStr("") for field in required if field not in usable}
        settings = Settings(**{**_WELL_FORMED, **usable}, file=file).model_copy(update=empty)
    lacking = frozenset(name for name, field in _NAMES.items() if field in wrong_ones)
    return Partly(settings, tuple(mistakes), lacking)


def mistakes_in(name: str, text: str) -> list[str]:
    """What is wrong with one setting of the environment, by the same rules as `read`."""
    field = _NAMES[name]
    value = _split(field, text.strip())
    try:
        Settings.model_validate({field: value})
    except ValidationError as error:
        wrong = [words for place, words in details(error, Settings) if place[0] == field]
        if wrong and value:
            return [f"{name}: {ended(words)}" for words in wrong]
    return _misshapen(field, text.strip())


def mistakes_in_file(value: Mapping[str, object]) -> list[str]:
    """What is wrong with the contents of a `countersign.yaml`, by the same rules as `read`."""
    try:
        file = File.model_validate(value)
    except ValidationError as error:
        return [f"{dotted(place)}: {ended(words)}" for place, words in details(error, File)]
    return [f"{dotted(place)}: {words}." for place, words in file.mistakes()]


def _misshapen(field: str, text: str) -> list[str]:
    name, prefix, what = _SHAPES.get(field, ("", "", ""))
    is_well = not text or text.startswith(prefix)
    return [] if is_well else [f"{name}: {what}; this one does not."]


def _split(field: str, text: str) -> str | tuple[str, ...]:
    if field not in _LISTS:
        return text
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _values(given: Mapping[str, str], mistakes: list[str]) -> Iterator[tuple[str, Any]]:
    for name, field in _NAMES.items():
        text = _given(name, given, mistakes)
        if text:
            yield field, _split(field, text)


def _given(name: str, given: Mapping[str, str], mistakes: list[str]) -> str:
    """A setting's text, its own or that of the file which `NAME_FILE` names."""
    text, path = given.get(name, "").strip(), given.get(f"{name}_FILE", "").strip()
    if text or not path:
        return text
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        mistakes.append(f"{name}_FILE: the file cannot be read ({type(error).__name__}).")
        return ""


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `extra` on top."""
    return {**os.environ, **extra}


def config_file(path: str | None = None, judge: Judge = _content) -> File:
    """The file alone: that of `path`, or of `COUNTERSIGN_CONFIG`. Raises `BadSettings`, also for
    what `judge` finds.
    """
    mistakes: list[str] = []
    file = _file(path or os.environ.get("COUNTERSIGN_CONFIG", ""), mistakes)
    mistakes += judge(file)
    if mistakes:
        raise BadSettings(in_order(mistakes))
    return file


def providers() -> dict[str, dict[str, Any]]:
    """The providers that are configured, whatever else is not. Raises `BadSettings`."""
    file = config_file()
    return read_what_works().settings.model_copy(update={"file": file}).providers()


def migration_url(environment: Mapping[str, str] | None = None) -> str:
    """Where to migrate: nothing else is needed for that. Raises `BadSettings`."""
    return _first_of(("DATABASE_MIGRATE_URL", "DATABASE_URL"), environment)


def database_url(environment: Mapping[str, str] | None = None) -> str:
    """Where to read: nothing else is needed for that. Raises `BadSettings`."""
    return _first_of(("DATABASE_URL",), environment)


def _first_of(names: Sequence[str], environment: Mapping[str, str] | None) -> str:
    given = dict(os.environ if environment is None else environment)
    mistakes: list[str] = []
    found = [text for name in names if (text := _given(name, given, mistakes))]
    if not found and not mistakes:
        mistakes.append(f"DATABASE_URL is not set: {_WHY['DATABASE_URL']}.")
    if mistakes:
        raise BadSettings(mistakes)
    return found[0]


def _provider_keys(given: Mapping[str, str], mistakes: list[str]) -> Iterator[tuple[str, str]]:
    """Keys that a provider's own client reads from the environment, where they are files."""
    for variable in sorted(given):
        name = variable.removesuffix("_FILE")
        is_ours = name == variable or not name.endswith("_API_KEY") or name in _NAMES
        if not is_ours and (text := _given(name, given, mistakes)):
            yield name, text


def _unknown(given: Mapping[str, str]) -> list[str]:
    """A misspelt setting must not be silently without effect."""
    known = {*_NAMES, *(f"{name}_FILE" for name in _NAMES), "COUNTERSIGN_CONFIG"}
    found = []
    for name in sorted(given):
        if name.startswith("COUNTERSIGN_") and name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            found.append(f"{name}: there is no such setting.{hint}")
    return found


def _file(path: str, mistakes: list[str]) -> File:
    if not path:
        return File()
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        mistakes.append(f"COUNTERSIGN_CONFIG: the file cannot be read ({type(error).__name__}).")
        return File()
    found = read_yaml(Path(path).name, text, File, APART)
    mistakes += found.mistakes
    # where some of it does not fit, the rest is judged as well, so that one look finds all
    file, at = (found.value, found.at) if found.value else (found.rest, found.rest_at)
    if file is None or not file.model_fields_set:
        return File()
    mistakes += [f"{at(place)}: {ended(words)}" for place, words in file.mistakes()]
    return file.placed(at)

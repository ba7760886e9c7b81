"""Every setting: typed, read once from the environment and one YAML file, refused early, never
printed.
"""

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)

from bot.core.errors import BadSettings
from bot.identity_file import Identities
from bot.policy_file import Mistake, People, Policy


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class InstructionTexts(_Part):
    """Text that the model always gets, by where it applies."""

    workspace: str = ""
    channels: dict[str, str] = {}
    clusters: dict[str, str] = {}


class DailyLimit(_Part):
    """What models may take from 00:00 to 24:00 UTC: tokens, dollars, or whichever comes first."""

    tokens: Annotated[int, Field(ge=1000)] | None = None
    dollars: Annotated[Decimal, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "DailyLimit":
        if self.tokens is None and self.dollars is None:
            raise ValueError("tokens, dollars or both are expected")
        return self


class Limits(_Part):
    """Where a run ends, with what it found; and what models may take in a day."""

    model_calls: Annotated[int, Field(ge=1, le=200)] = 25
    minutes: Annotated[float, Field(gt=0, le=120)] = 10
    tokens: Annotated[int, Field(ge=1000)] = 300_000
    dollars: Annotated[Decimal, Field(gt=0)] = Decimal(2)
    person_per_day: DailyLimit | None = None
    channel_per_day: DailyLimit | None = None
    day: DailyLimit | None = None  # of the whole workspace


def _channel(value: str) -> str:
    if not re.fullmatch(r"[CG][A-Z0-9]{2,}", value):
        raise ValueError("a Slack channel id (C…) is expected; names are not ids")
    return value


class Approvals(_Part):
    """Where cards are told besides their own thread, and whether they are told a second time."""

    channel: Annotated[str, AfterValidator(_channel)] | None = None
    reminders: bool = True
    post_audit_head: bool = False  # once a day, into that channel

    @model_validator(mode="after")
    def _has_where_to_post(self) -> "Approvals":
        if self.post_audit_head and self.channel is None:
            raise ValueError("post_audit_head needs a channel")
        return self


def _days(value: object) -> object:
    """A number of days, or `forever`."""
    if value == "forever":
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 36_500:
        raise ValueError("a number of days or `forever` is expected")
    return value


def _two_days(value: int | None) -> int | None:
    if value == 1:
        raise ValueError("at least 2 are expected: what Slack may still repeat must be known")
    return value


def _for_ever(value: object) -> object:
    if value != "forever":
        raise ValueError("only `forever` is possible: its chain holds from its first row on")
    return value


_Days = Annotated[int | None, BeforeValidator(_days)]


class Retention(_Part):
    """For how many days words are kept. What was done, and by whom, is in the audit."""

    messages_days: _Days = 365
    artifacts_days: _Days = 30
    events_days: Annotated[_Days, AfterValidator(_two_days)] = 2
    audit_days: Annotated[Literal["forever"], BeforeValidator(_for_ever)] = "forever"


def _by_name(value: object) -> object:
    """A list of contexts: each is called what the kubeconfig calls it."""
    if not isinstance(value, list):
        return value
    if any(not isinstance(one, str) for one in value):
        raise ValueError("names of contexts are expected")
    if len(set(value)) < len(value):
        raise ValueError("a context stands here twice")
    return {one: one for one in value}


def _cluster_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][^\s`*<>]{0,199}", value):
        raise ValueError("a cluster's name has no space in it, so that it can be typed")
    return value


_Contexts = Annotated[
    dict[
        Annotated[str, AfterValidator(_cluster_name)],
        Annotated[str, Field(min_length=1)],
    ],
    BeforeValidator(_by_name),
    Field(min_length=1),
]


class Kubernetes(_Part):
    """Where the clusters are; without it, `KUBECONFIG` or the pod's own account."""

    kubeconfig: str = ""
    context: str = ""
    contexts: _Contexts | None = None  # the cluster's name → the kubeconfig's context

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> "Kubernetes":
        if self.context and self.contexts:
            raise ValueError("either context or contexts is expected, not both")
        return self


class Tools(_Part):
    """Providers by name."""

    kubernetes: Kubernetes | None = None


class File(_Part):
    """`countersign.yaml`."""

    instructions: InstructionTexts = InstructionTexts()
    approvals: Approvals = Approvals()
    limits: Limits = Limits()
    tools: Tools = Tools()
    retention: Retention = Retention()
    self_approval: bool = False
    people: People = People()
    policy: Policy = Policy()
    identities: Identities | None = None  # left out: the bot acts as itself for everybody
    model_windows: dict[str, Annotated[int, Field(ge=1000)]] = {}
    # user groups that rules and roles name, and where in the file
    _groups: dict[str, str] = PrivateAttr(default_factory=dict)

    def mistakes(self) -> Iterator[Mistake]:
        """What is wrong with it as a whole, though each part is well-formed."""
        yield from self.policy.mistakes()
        if self.identities is not None:
            yield from self.identities.mistakes()

    def named_groups(self) -> list[tuple[str, str]]:
        """Each of them with the first place that names it, as mistakes name places."""
        return sorted(self._groups.items())


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
    kubeconfig: str = ""
    in_cluster: bool = False
    file: File = File()

    def named_approvers(self) -> tuple[str, ...]:
        """Those of the environment, and those of the file."""
        return (*self.approvers, *(self.file.people.approver or ()))

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
            "settle_seconds": self.settle_seconds,
        }
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
    "KUBECONFIG": "kubeconfig",
}
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


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises `BadSettings` that lists every mistake, without any value."""
    found = read_what_works(environment)
    if found.mistakes:
        raise BadSettings(list(found.mistakes))
    return found.settings


@dataclass(frozen=True)
class Partly:
    """Settings as far as they can be used, and every mistake in the others."""

    settings: Settings
    mistakes: tuple[str, ...]
    lacking: frozenset[str]  # names of required ones that cannot be used; they stand empty


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
    required = {_NAMES[name]: name for name in _WHY}
    wrong_ones: set[str] = set()
    try:
        settings = Settings(**values, file=file)
    except ValidationError as error:
        by_field = {field: name for name, field in _NAMES.items()}
        for detail in error.errors(include_url=False, include_input=False):
            field = str(detail["loc"][0])
            wrong_ones.add(field)
            if detail["type"] != "missing":
                mistakes.append(f"{by_field.get(field, field)}: {_said(detail['msg'])}.")
        usable = {field: value for field, value in values.items() if field not in wrong_ones}
        # `model_copy` checks nothing: what is required and wrong stands empty
        empty = {field: SecretStr("") for field in required if field not in usable}
        settings = Settings(**{**_WELL_FORMED, **usable}, file=file).model_copy(update=empty)
    lacking = frozenset(name for field, name in required.items() if field in wrong_ones)
    return Partly(settings, tuple(mistakes), lacking)


def mistakes_in(name: str, text: str) -> list[str]:
    """What is wrong with one setting of the environment, by the same rules as `read`."""
    field = _NAMES[name]
    value = _split(field, text.strip())
    try:
        Settings.model_validate({field: value})
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        said = [f"{name}: {_said(one['msg'])}." for one in details if one["loc"][0] == field]
        if said and value:
            return list(dict.fromkeys(said))
    return _misshapen(field, text.strip())


def mistakes_in_file(value: Mapping[str, object]) -> list[str]:
    """What is wrong with the contents of a `countersign.yaml`, by the same rules as `read`."""
    try:
        file = File.model_validate(value)
    except ValidationError as error:
        return [
            f"{'.'.join(map(str, detail['loc']))}: {_said(detail['msg'])}."
            for detail in error.errors(include_url=False, include_input=False)
        ]
    return [f"{_dotted(place)}: {said}." for place, said in file.mistakes()]


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


def config_file(path: str | None = None) -> File:
    """The file alone: that of `path`, or of `COUNTERSIGN_CONFIG`. Raises `BadSettings`."""
    mistakes: list[str] = []
    file = _file(path or os.environ.get("COUNTERSIGN_CONFIG", ""), mistakes)
    if mistakes:
        raise BadSettings(mistakes)
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
    name = Path(path).name
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        mistakes.append(f"COUNTERSIGN_CONFIG: the file cannot be read ({type(error).__name__}).")
        return File()
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mistakes.append(f"{name}:{_place(text, error)}.")
        return File()
    mistakes += [f"{name}:{line}: {key} stands here twice." for key, line in _twice(node)]
    if not isinstance(value, dict):
        mistakes.append(f"{name}:1: settings by name are expected.")
        return File()
    try:
        file = File.model_validate(value)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            where = _dotted(detail["loc"])
            line = _line(node, detail["loc"])
            mistakes.append(f"{name}:{line}: {where}: {_said(detail['msg'])}.{_near(detail)}")
        return File()
    for place, said in file.mistakes():
        mistakes.append(f"{name}:{_line(node, place)}: {_dotted(place)}: {said}.")
    for group, place in (*file.policy.named_groups(), *file.people.named_groups()):
        file._groups.setdefault(group, f"{name}:{_line(node, place)}: {_dotted(place)}")  # noqa: SLF001 - ours
    return file


def _dotted(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in place if part != "[key]")


def _place(text: str, error: yaml.YAMLError) -> str:
    """The line and what is wrong there, without a word of the file itself: it may be a secret."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        problem = re.sub(r" ?(['\"]).*\1", "", error.problem or "it cannot be read")
        return f"{error.problem_mark.line + 1}: not valid YAML: {problem}"
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, int(error.position)) + 1
        return f"{line}: not valid YAML: a character that is not allowed"
    return "1: not valid YAML"


def _twice(node: yaml.Node | None) -> Iterator[tuple[str, int]]:
    """Keys that stand twice in one place: the second would silently win."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _twice(item)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        if key.value in seen:
            yield str(key.value), key.start_mark.line + 1
        if isinstance(key.value, str):
            seen.add(key.value)
        yield from _twice(value)


def _line(node: yaml.Node | None, place: tuple[int | str, ...]) -> int:
    """The line on which a value stands, or the nearest one above it."""
    line = node.start_mark.line + 1 if node else 1
    for part in place:
        found = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    found, line = value, key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            found = node.value[part]
            line = found.start_mark.line + 1
        if found is None:
            break
        node = found
    return line


def _near(detail: Mapping[str, Any]) -> str:
    if detail["type"] != "extra_forbidden":
        return ""
    model: Any = File
    for part in detail["loc"][:-1]:
        found = getattr(model, "model_fields", {}).get(part)
        # an optional part is a union with None
        options = [found.annotation, *get_args(found.annotation)] if found else []
        model = next((one for one in options if hasattr(one, "model_fields")), None)
    fields = sorted(getattr(model, "model_fields", {}))
    near = difflib.get_close_matches(str(detail["loc"][-1]), fields, n=1)
    known = f" Known: {', '.join(fields)}." if fields else ""
    return f"{known}{f' Did you mean {near[0]}?' if near else ''}"


def _said(message: str) -> str:
    """Pydantic's words, made ours."""
    words = {
        "Extra inputs are not permitted": "there is no such setting",
        "Field required": "is missing",
    }
    return words.get(message, message.removeprefix("Value error, ").rstrip("."))

"""Named configurations: what an environment is trained with, found by its id, and who says so.

A configuration is a TOML file:

    env = "Pendulum-v1"      # only in a file of one's own
    agent = "wpg"
    critic = "kernel"
    seed = 0                 # only in a file of one's own

    [kernel]                 # of each kind: "kernel" and "neural" (agent wpg), "sac"
    total_steps = 3000
    temperature = 0.1        # and any setting of that kind

Values come, the later ones over the earlier: defaults; the named configuration of the environment,
a file beside this one; the user's file; the command line.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wpg.agents import config_type, parse_settings
from wpg.agents.settings import checked
from wpg.errors import UsageError

__all__ = ["Configuration", "configure", "named", "names"]

FOLDER = Path(__file__).parent
# Of a run that says nothing else: what each kind of critic needs on the tasks that it is for.
TOTAL_STEPS = {"kernel": 3000, "neural": 100_000, "sac": 100_000}
TABLES = {("wpg", "kernel"): "kernel", ("wpg", "neural"): "neural", ("sac", "neural"): "sac"}
TYPES = {"env": str, "agent": str, "critic": str, "seed": int}


@dataclass(frozen=True)
class Configuration:
    """What a run would use; `sources` says of each name where its value comes from."""

    env: str
    agent: str
    critic: str
    seed: int
    total_steps: int
    settings: dict[str, Any]  # those that differ from the defaults by somebody's wish
    sources: dict[str, str]

    @property
    def table(self) -> str:
        return TABLES[self.agent, self.critic]

    def text(self) -> str:
        """A TOML file that says the same, every setting with its source."""
        full = config_type(self.agent, self.critic)(**self.settings).as_dict()
        top = {name: getattr(self, name) for name in TYPES}
        lines = [
            f"# What `wpg train {self.env}` uses, and behind each value who says so.",
            "# A copy of this may be changed and given as --config FILE.",
            *self._lines(top),
            "",
            f"[{self.table}]",
            *self._lines({"total_steps": self.total_steps, **full}),
        ]
        return "\n".join(lines) + "\n"

    def _lines(self, values: dict[str, Any]) -> list[str]:
        pairs = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        width = max(map(len, pairs))
        sources = [self.sources.get(name, "default") for name in values]
        return [f"{p:<{width}}  # {source}" for p, source in zip(pairs, sources, strict=True)]


def names() -> list[str]:
    """Environments that have a named configuration, without their versions."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def named(env_id: str) -> Path | None:
    """The file of an environment's named configuration: all versions of it share one."""
    stem = re.sub(r"-v\d+$", "", env_id.rpartition(":")[2]).replace("/", "-")
    path = FOLDER / f"{stem}.toml"
    return path if path.exists() else None


def configure(
    env_id: str | None,
    *,
    file: Path | None = None,
    agent: str | None = None,
    critic: str | None = None,
    seed: int | None = None,
    total_steps: int | None = None,
    texts: dict[str, str] | None = None,
) -> Configuration:
    """What a run would use.

    texts : settings as KEY=VALUE texts of the command line
    Errors: `UsageError` that names the file, the key and the nearest known one.
    """
    line = "command line"
    said: list[tuple[str, dict[str, Any]]] = []
    own = {} if file is None else _read(file, TYPES)
    if env_id is None:
        if "env" not in own:
            raise UsageError("which environment? wpg train ENV, for instance wpg train Pendulum-v1")
        env_id = own["env"]
    path = named(env_id)
    if path is not None:
        allowed = {name: TYPES[name] for name in ("agent", "critic")}
        said.append((f"named configuration {path.name}", _read(path, allowed)))
    said.append((str(file), own))
    given = {"env": env_id, "agent": agent, "critic": critic, "seed": seed}
    said.append((line, {name: value for name, value in given.items() if value is not None}))

    top: dict[str, Any] = {"agent": "wpg", "seed": 0}
    sources: dict[str, str] = {}
    for source, content in said:
        for name in TYPES:
            if name in content:
                top[name], sources[name] = content[name], source
    order = ["default", *(source for source, _ in said)]
    agent_at, critic_at = (
        order.index(sources.get(name, "default")) for name in ("agent", "critic")
    )
    if top["agent"] == "sac" and critic_at < agent_at:  # it was meant for another agent
        top["critic"], sources["critic"] = "neural", "the critic of sac"
    top.setdefault("critic", "kernel")
    kind = (top["agent"], top["critic"])
    schema = config_type(*kind)
    if not 0 <= top["seed"] < 2**63:
        raise UsageError(f"seed is {top['seed']}; it must be from 0 to 2^63 - 1")

    table = TABLES[kind]
    tables = [name for name in own if name in TABLES.values()]
    if tables and table not in tables and line not in (sources.get("agent"), sources.get("critic")):
        raise UsageError(
            f"{file} has settings of [{tables[0]}], and this is a run of [{table}]: say agent and "
            "critic at its top"
        )
    settings: dict[str, Any] = {"total_steps": TOTAL_STEPS[table]}
    for source, content in said:
        for name, value in content.get(table, {}).items():
            settings[name], sources[name] = value, source
    parsed: dict[str, Any] = parse_settings(texts or {}, *kind)
    if total_steps is not None:
        parsed["total_steps"] = total_steps
    settings |= parsed
    sources |= dict.fromkeys(parsed, line)
    steps = settings.pop("total_steps")
    _check_steps(steps)
    return Configuration(
        **top, total_steps=steps, settings=checked(schema, settings), sources=sources
    )


def _read(path: Path, types: dict[str, type]) -> dict[str, Any]:
    """The content of a file, all of whose names and values are right."""
    try:
        content = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    for name, value in content.items():
        if name in types:
            if type(value) is not types[name]:
                raise UsageError(f"{path}: {name} is {value!r}; it must be {types[name].__name__}")
        elif name in TABLES.values() and isinstance(value, dict):
            _check_table(path, name, value)
        else:
            known = (*types, *(f"[{table}]" for table in TABLES.values()))
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise UsageError(f"{path}: there is no {name!r} at the top; {hint}")
    return content


def _check_table(path: Path, table: str, content: dict[str, Any]) -> None:
    kind = next(kind for kind, name in TABLES.items() if name == table)
    settings = {name: value for name, value in content.items() if name != "total_steps"}
    try:
        _check_steps(content.get("total_steps", 1))
        checked(config_type(*kind), settings)
    except UsageError as error:
        raise UsageError(f"{path}, [{table}]: {error}") from None


def _check_steps(total_steps: Any) -> None:
    if type(total_steps) is not int or total_steps < 1:
        raise UsageError(f"total_steps is {total_steps!r}; it must be an int of at least 1")

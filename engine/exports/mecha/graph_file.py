"""The instructions of a .mecha file, read: what each takes, and for every key the weights of the models in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.architecture.widths import VAE, FamilyName
from engine.errors import RecipeError
from engine.exports.mecha.config import BLOCK_CONFIGS, CONFIGS, CONVERTERS, config_block
from engine.exports.mecha.lines import SHIFT_FILE, VERSION
from engine.recipes.adjust import SHIFTED

Weights = dict[str, float]
"""The weight of each model's file in a key."""

_TOKEN = re.compile(r'(?:[^\s"\\]|\\.)*"(?:[^"\\]|\\.)*"|\S+')
_ESCAPED = re.compile(r"\\(.)")
_SINGLE = "key"
_COMMANDS = ("dict", "literal", "model", "merge")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One line.

    Attributes:
        command: dict, literal, model or merge.
        arguments: those without a name.
        named: those with one.
    """

    command: str
    arguments: tuple[Value, ...]
    named: Mapping[str, Value] = field(default_factory=dict)


Value = str | float | None | Instruction


def read_instructions(text: str) -> tuple[Instruction, ...]:
    """Read the lines of a .mecha file.

    Raises:
        RecipeError: it is none, or of another version, or a line cannot be read.
    """
    first, *lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if first != VERSION:
        raise RecipeError(f"the first line of a .mecha recipe is {VERSION!r}, not {first[:60]!r}")
    found: list[Instruction] = []
    for number, line in enumerate(lines, start=2):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                found.append(_instruction(line, found))
            except (ValueError, IndexError) as error:
                raise RecipeError(f"line {number} of the .mecha recipe cannot be read: {line[:80]}") from error
    if not found:
        raise RecipeError("the .mecha recipe has no instructions")
    return tuple(found)


def _instruction(line: str, before: Sequence[Instruction]) -> Instruction:
    command, *words = _TOKEN.findall(line)
    arguments: list[Value] = []
    named: dict[str, Value] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals and '"' not in name:
            named[name] = _value(value, before)
        else:
            arguments.append(_value(word, before))
    if command not in _COMMANDS or (command != "dict" and not arguments):
        raise ValueError(command)
    return Instruction(command, tuple(arguments), named)


def _value(word: str, before: Sequence[Instruction]) -> Value:
    if word in {"null", "true", "false"}:
        return None if word == "null" else float(word == "true")
    if word.startswith("&"):
        return before[int(word[1:])]
    return _ESCAPED.sub(r"\1", word[1:-1]) if word.startswith('"') else float(word)


class Evaluation:
    """What the last instruction gives for each key, as weights of the models.

    Attributes:
        family: of the models.
        files: the models' files, in their order.
    """

    def __init__(self, instructions: Sequence[Instruction]) -> None:
        self._last = instructions[-1]
        configs = [str(line.named.get("model_config")) for line in instructions if line.command == "model"]
        families: list[FamilyName] = [name for name, config in CONFIGS.items() if config in configs]
        if len(families) != 1 or not set(configs) <= {CONFIGS[families[0]]}:
            known = " or ".join(CONFIGS.values())
            raise RecipeError(f"the models of a .mecha recipe must all say model_config={known}; these say {configs}")
        self.family: FamilyName = families[0]
        self.files = tuple(dict.fromkeys(str(line.arguments[0]) for line in instructions if line.command == "model"))
        self._remembered: dict[tuple[int, str], Weights | None] = {}

    def weights(self, key: str) -> Weights | None:
        """Return the weights of a key; none where the file does not make it.

        Raises:
            RecipeError: an instruction is no sum.
        """
        return self._sum(self._last, key)

    def _sum(self, what: Value, key: str) -> Weights | None:
        if not isinstance(what, Instruction):
            raise RecipeError(f"a .mecha recipe adds {what!r} to models: no recipe of SuperMerger does")
        place = (id(what), key)
        if place not in self._remembered:
            self._remembered[place] = self._made(what, key)
        return self._remembered[place]

    def _made(self, what: Instruction, key: str) -> Weights | None:
        if what.command == "model":
            file = str(what.arguments[0])
            return None if file.endswith(SHIFT_FILE) and key != SHIFTED else {file: 1.0}
        method, *taken = what.arguments if what.command == "merge" else (what.command,)
        if method not in _PARAMETERS:
            raise RecipeError(f"a recipe cannot hold {method} of sd-mecha", remedy=f"it holds {', '.join(_PARAMETERS)}")
        models, ratio = self._bound(str(method), taken, what.named)
        if method == "fallback":
            return next((found for model in models if (found := self._sum(model, key)) is not None), None)
        sums = [self._sum(model, key) for model in models]
        alpha = self._number(ratio, key)
        if alpha is None or None in sums:
            return None
        return _COMBINED[str(method)](sums[0] or {}, sums[1] or {}, alpha)

    def _bound(self, method: str, taken: list[Value], named: Mapping[str, Value]) -> tuple[list[Value], Value]:
        names, default = _PARAMETERS[method]
        values: dict[str, Value] = {**dict(zip((*names, "alpha"), taken, strict=False)), **named}
        if missing := [name for name in names if name not in values]:
            raise RecipeError(f"{method} of a .mecha recipe lacks {', '.join(missing)}")
        return [values[name] for name in names], values.get("alpha", default)

    def _number(self, what: Value, key: str) -> float | None:
        if isinstance(what, float):
            return what
        if not isinstance(what, Instruction):
            raise RecipeError(f"a ratio of a .mecha recipe is {what!r}")
        if what.command == "literal":
            return self._literal(what, key)
        method, first, *more = what.arguments
        if method == "fallback":
            return next((number for value in (first, *more) if (number := self._number(value, key)) is not None), None)
        if method == "convert_singleton":
            return self._number(first, _SINGLE)
        if method in CONVERTERS.values():
            return self._number(first, config_block(key, self.family))
        if method in {"omit_component", "pick_component"} and more == ["vae"]:
            return self._number(first, key) if key.startswith(VAE) == (method == "pick_component") else None
        raise RecipeError(f"the ratios of a .mecha recipe come from {method}: a recipe holds numbers alone")

    def _literal(self, what: Instruction, key: str) -> float | None:
        numbers = what.arguments[0]
        if not isinstance(numbers, Instruction) or numbers.command != "dict":
            return numbers if isinstance(numbers, float) else None
        values, config = numbers.named, what.named.get("model_config")
        if config == BLOCK_CONFIGS[self.family] and key not in values:
            key = config_block(key, self.family)  # sd-mecha converts blocks where keys are needed
        elif config == "singleton-mecha":
            key = _SINGLE
        value = values.get(key)
        return value if isinstance(value, float) else None


_PARAMETERS: dict[str, tuple[tuple[str, ...], float]] = {
    "weighted_sum": (("a", "b"), 0.5),
    "add_difference": (("a", "b"), 1.0),
    "subtract": (("a", "b"), 1.0),
    "fallback": (("a", "default"), 1.0),
}
"""The methods that a recipe can hold: the models that they take, and the ratio where none is written."""


def _mixed(a: Weights, b: Weights, first: float, second: float) -> Weights:
    return {file: first * a.get(file, 0.0) + second * b.get(file, 0.0) for file in {**a, **b}}


_COMBINED: dict[str, Callable[[Weights, Weights, float], Weights]] = {
    "weighted_sum": lambda a, b, alpha: _mixed(a, b, 1 - alpha, alpha),
    "add_difference": lambda a, b, alpha: _mixed(a, b, 1.0, alpha),
    "subtract": lambda a, b, _: _mixed(a, b, 1.0, -1.0),
}

"""Reading recipes: from recipe files, merged checkpoints, SuperMerger's history and texts, files of other tools."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

from engine.architecture.widths import FamilyName
from engine.checkpoints.header import Header, read_header
from engine.errors import Named, Problems, RecipeError, did_you_mean
from engine.files import decoded, file_kind, read_text
from engine.foreign_recipes.header import MECHA_KEY, recipe_of_header
from engine.foreign_recipes.own import CARRIED
from engine.merging.metadata import Origin
from engine.recipes.adjust import parse_adjust
from engine.recipes.blocks import blocks_of
from engine.recipes.dialects import DEFAULT_DIALECT, Dialect, dialect_of
from engine.recipes.elemental import parse_elemental
from engine.recipes.file import read_recipe_file
from engine.recipes.presets import NO_PRESETS, PRESETS, OwnPresets, parse_presets, read_presets
from engine.recipes.recipe import Recipe
from engine.recipes.toml_text import parse_toml
from engine.supermerger.fields import Reading, RunFields, step_of
from engine.supermerger.history import parse_history, recipe_of_row, row_of
from engine.supermerger.metadata import RECIPE_KEY
from engine.supermerger.notes import notes_on, unmet_notes
from engine.supermerger.weights import weights_line
from studies.errors import StudyError
from studies.recipes import foreign_inputs
from studies.recipes.chain_inputs import LAST_STAGE, has_chain, whole_chain

InputForm = Literal[
    "recipe", "checkpoint", "metadata", "history", "foreign", "weights", "preset", "elemental", "adjust"
]
"""What an input turned out to be; "recipe": one of ours, wherever it stands; "checkpoint": one that carries one."""
KINDS = ("toml", "weights", "elemental", "adjust", "preset", "history", "metadata", *foreign_inputs.KINDS)
"""The kinds of text that a recipe is read from."""
STDIN = "-"
"""The name that stands for the standard input or output in place of a file."""

_BY_SUFFIX = {
    ".toml": "toml",
    ".csv": "history",
    ".safetensors": "metadata",
    ".json": "metadata",
    **foreign_inputs.BY_SUFFIX,
}
_STUDY_TABLES = {"study", "target", "prompts", "proof"}
_LONGEST_TEXT = 8192  # a text in place of a file; a path could not be longer


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOptions:
    """How an input is read.

    Attributes:
        kind: one of ``KINDS``; None: by the name.
        dialect: of the text; None: the one it names, or the family's usual one.
        family: of the models; None: the one it names, or SD1.
        row: ID of a row of the history; negative: from the end.
        preset: name of one preset of a file.
        presets: a file of presets of one's own.
        settings: SuperMerger's other settings, for single texts; seed and "use extended XL" also where an input does
            not record them.
        chain: whether a checkpoint's whole chain is read in place of its last stage.
    """

    kind: str | None = None
    dialect: str | None = None
    family: FamilyName | None = None
    row: int | None = None
    preset: str | None = None
    presets: Path | None = None
    settings: RunFields = field(default_factory=RunFields)
    chain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeInput:
    """A recipe and what is known of its models.

    Attributes:
        recipe: the recipe.
        models: paths by name, where the input has them.
        names: file names by name.
        hashes: SHA-256 by name.
        sources: the input's descriptions of models, by name, for people.
        notes: what it leaves open, or names without effect.
        form: what the input turned out to be, which says which options were heeded.
    """

    recipe: Recipe
    models: dict[str, Path] = field(default_factory=dict[str, Path])
    names: dict[str, str] = field(default_factory=dict[str, str])
    hashes: dict[str, str] = field(default_factory=dict[str, str])
    sources: dict[str, str] = field(default_factory=dict[str, str])
    notes: tuple[str, ...] = ()
    form: InputForm = "recipe"


def read_input(source: str, options: InputOptions) -> RecipeInput:
    """Read a recipe; its notes also have the names in rules and filters that meet no tensor.

    Args:
        source: a path, ``-`` for standard input, or the text itself where ``options`` names its kind.
        options: how to read it.

    Raises:
        StudyError: its kind is not known, or it cannot be read at all.
        RecipeError: it is not a text of that kind.
        CheckpointError: it is not a checkpoint.
    """
    found = _read_kind(source, options)
    return replace(found, notes=(*found.notes, *unmet_notes(found.recipe)))


def _read_kind(source: str, options: InputOptions) -> RecipeInput:
    if options.kind is None and (own := _carried(source)) is not None:
        return own
    kind = options.kind or _BY_SUFFIX.get(Path(source).suffix.lower())
    if kind is None:
        there = source == STDIN or _is_file(source)
        what, remedy = "its kind is not known", f"name it with --from: {', '.join(KINDS)}"
        if not there:
            what, remedy = (
                "there is no such file",
                f"check the path, or name a text's kind with --from: {', '.join(KINDS)}",
            )
        raise StudyError(what, place=(Named(source[:80]),), remedy=remedy)
    if kind == "toml":
        return _from_recipe_file(source)
    if kind == "metadata" and not _is_text(source):
        return _from_checkpoint(Path(source), options)
    text = _text_of(source)
    if kind in foreign_inputs.KINDS:
        return _found(foreign_inputs.read_foreign(kind, text, options.family))
    if kind == "metadata":
        return _from_metadata(text, options)
    return _from_history(text, source, options) if kind == "history" else _from_single_text(kind, text, source, options)


def _is_text(source: str) -> bool:
    return source == STDIN or not _is_file(source) or Path(source).suffix.lower() != ".safetensors"


def _is_file(source: str) -> bool:
    return len(source) < _LONGEST_TEXT and "\n" not in source and bool(file_kind(Path(source)))


def _text_of(source: str) -> str:
    """The text of a file, of standard input, or the argument itself where there is no such file."""
    if source == STDIN:
        return _standard_input()
    if not _is_file(source):
        if Path(source[:_LONGEST_TEXT]).suffix.lower() in {*_BY_SUFFIX, ".txt"}:
            raise StudyError("there is no such file", place=(Named(source),), remedy="check the path")
        return source
    return read_text(Path(source), StudyError)


def _standard_input() -> str:
    try:
        return decoded(sys.stdin.buffer.read())
    except UnicodeDecodeError as error:
        raise StudyError("standard input is not UTF-8 text", remedy="save it as UTF-8") from error


def _family(options: InputOptions) -> FamilyName:
    return options.family or "sd1"


def _dialect(options: InputOptions, family: FamilyName) -> Dialect:
    return dialect_of(options.dialect or DEFAULT_DIALECT[family])


def _asked_dialect(options: InputOptions) -> Dialect | None:
    return dialect_of(options.dialect) if options.dialect else None


def _own_presets(options: InputOptions) -> OwnPresets:
    return read_presets(options.presets) if options.presets else NO_PRESETS


# ------------------------------------------------------------------------------------------------- files of one kind


def _from_recipe_file(source: str) -> RecipeInput:
    """A recipe file, or the canonical text of a recipe, which has no models."""
    where = Path(source) if source != STDIN and _is_file(source) else source[:80]
    content = parse_toml(text := _text_of(source), where, RecipeError)
    if content.keys() & _STUDY_TABLES:
        place = (where if isinstance(where, Path) else Named(where),)
        raise StudyError("is a study file, not a recipe", place=place, remedy="name a recipe file")
    if isinstance(where, Path) and "models" in content:
        found = read_recipe_file(where)
        models = {name: found.models[name] for name in found.recipe.models}
        return RecipeInput(recipe=found.recipe, models=models, notes=found.notes)
    if "models" not in content:
        return RecipeInput(recipe=_recipe_of_text(text, where))
    head = {name: value for name, value in content.items() if name != "models"}
    models = cast("dict[str, Any]", content["models"] if isinstance(content["models"], dict) else {})
    paths = {name: Path(str(path)) for name, path in models.items()}
    return RecipeInput(recipe=_recipe_from_tables(head), models=paths)


def _recipe_of_text(text: str, where: Path | str) -> Recipe:
    """The recipe of a canonical text; what is wrong with it is told of its file, if it has one."""
    try:
        return Recipe.parse(text)
    except RecipeError as error:
        raise (error.under(where) if isinstance(where, Path) else error) from error


def _recipe_from_tables(content: dict[str, Any]) -> Recipe:
    """A recipe from the tables of standard input, whose ``presets`` would have no folder."""
    from engine.recipes.tables import read_recipe

    problems = Problems()
    fields = read_recipe(content, None, problems)
    problems.raise_as(RecipeError, "the recipe")
    return Recipe(**fields)


def _from_checkpoint(path: Path, options: InputOptions) -> RecipeInput:
    """Our own recipe in the header, if there is one, else that of another tool."""
    from engine.merging.metadata import origin_of

    header = read_header(path)
    if (origin := origin_of(header)) is not None:
        if not options.chain:
            notes = (LAST_STAGE,) if has_chain(origin) else ()
            return replace(_from_origin(origin), notes=notes, form="checkpoint")
        origin, notes = whole_chain(origin, path)
        return replace(_from_origin(origin), notes=notes, form="checkpoint")
    family = options.family or _family_in(header, path)
    if MECHA_KEY in header.metadata and RECIPE_KEY not in header.metadata:
        return _found(foreign_inputs.read_foreign("mecha", header.metadata[MECHA_KEY], family))
    try:
        return _with_hashes(_read_metadata(header.metadata, options, family))
    except RecipeError as error:
        raise error.under(path) from error


def _family_in(header: Header, path: Path) -> FamilyName:
    from engine.architecture.families import family_of

    family = family_of({name: info.shape for name, info in header.tensors.items()})
    if family is None:
        raise StudyError(
            "the family of its models is not known", place=(path,), remedy="name it with --family: sd1, sd2 or sdxl"
        )
    return family


def _with_hashes(reading: Reading) -> RecipeInput:
    """File names and hashes out of ``name sha256 digits``."""
    parts = {name: text.partition("sha256 ") for name, text in reading.sources.items()}
    hashes = {name: sha for name, (_, _, sha) in parts.items() if sha}
    names = {name: first.strip() for name, (first, _, sha) in parts.items() if sha and first.strip()}
    return RecipeInput(
        recipe=reading.recipe,
        sources=reading.sources,
        notes=reading.notes,
        hashes=hashes,
        names=names,
        form="metadata",
    )


def _carried(source: str) -> RecipeInput | None:
    """Our own recipe, where a picture or a file of another tool carries it."""
    if not _is_file(source):
        return None
    try:
        origin = foreign_inputs.carried(Path(source))
    except RecipeError as error:
        raise error.under(Path(source)) from error
    is_picture = Path(source).suffix.lower() == foreign_inputs.PICTURE
    return None if origin is None else replace(_from_origin(origin), notes=() if is_picture else (CARRIED,))


def _from_origin(origin: Origin) -> RecipeInput:
    names = {name: file for name, file in origin.names.items() if file}
    hashes = {name: sha for name, sha in origin.models.items() if sha}
    described = {name: f"{origin.names.get(name, '')} sha256 {sha}".strip() for name, sha in hashes.items()}
    return RecipeInput(recipe=origin.recipe, names=names, hashes=hashes, sources={**names, **described})


def _found(found: Reading | Origin) -> RecipeInput:
    """What a reader of other tools returned, with file names where it knows models by nothing else."""
    if isinstance(found, Origin):
        return replace(_from_origin(found), notes=(CARRIED,))
    known = _with_hashes(found)
    files = {name: text for name, text in found.sources.items() if name not in known.hashes and text != "unknown"}
    return replace(known, names={**files, **known.names}, form="foreign")


def _from_metadata(text: str, options: InputOptions) -> RecipeInput:
    """The header's metadata as JSON, or the recipe in it alone; or JSON of another kind, which its keys say."""
    if (known := foreign_inputs.read_json(text, options.family)) is not None:
        return _found(known)
    try:
        content: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"this is not JSON: {error}", remedy="paste all of the metadata, from { to }") from None
    texts: dict[str, str] = {RECIPE_KEY: text}
    if isinstance(content, dict) and RECIPE_KEY in content:
        named = cast("dict[str, Any]", content)
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in named.items()}
    return _with_hashes(_read_metadata(texts, options, options.family))


def _read_metadata(metadata: Mapping[str, str], options: InputOptions, family: FamilyName | None) -> Reading:
    given = options.settings
    return recipe_of_header(metadata, _asked_dialect(options), family, seed=given.seed, extended=given.extended)


def _from_history(text: str, source: str, options: InputOptions) -> RecipeInput:
    rows = parse_history(text, "standard input" if source == STDIN else source[:80])
    if options.row is None and len(rows) != 1:
        raise StudyError(
            f"has {len(rows)} rows", place=(Named(source),), remedy="choose one with --id: an ID, or -1 for the last"
        )
    row = row_of(rows, -1 if options.row is None else options.row, source)
    own = _own_presets(options)
    reading = recipe_of_row(row, _asked_dialect(options), options.family, own, extended=options.settings.extended)
    hashes = {name: text[7:].rstrip(".") for name, text in reading.sources.items() if text != "unknown"}
    notes = (*own.notes, *reading.notes)
    return RecipeInput(recipe=reading.recipe, sources=reading.sources, notes=notes, hashes=hashes, form="history")


# ---------------------------------------------------------------------------------------------------- single texts


def _from_single_text(kind: str, text: str, source: str, options: InputOptions) -> RecipeInput:
    """A run with this text and the other settings of ``options``."""
    family = _family(options)
    dialect = _dialect(options, family)
    own = _own_presets(options)
    fields = options.settings
    match kind:
        case "weights":
            fields = replace(_with_beta_row(fields, family), mbw=True, weights_alpha=text.strip())
        case "preset":
            found = parse_presets(text, source[:80])
            fields = _with_beta_row(fields, family)
            fields = replace(fields, mbw=True, weights_alpha=_chosen_preset(found, options.preset, source))
            own = OwnPresets(rows={**own.rows, **found.rows}, notes=(*own.notes, *found.notes))
        case "elemental":
            fields = replace(fields, elemental=_checked_rules(text, fields.calculation))
        case _:
            fields = replace(fields, adjust=_checked_adjust(text, dialect))
    step = step_of(fields, dialect, family, own)
    recipe = Recipe(steps=(step,), dialect=dialect.name, family=family)
    notes = (*own.notes, *notes_on(fields, dialect))
    return RecipeInput(recipe=recipe, notes=notes, form=cast("InputForm", kind))


def _with_beta_row(fields: RunFields, family: FamilyName) -> RunFields:
    """The fields with beta as a row of weights, where only the slider is given: beside weights it does not count."""
    row = weights_line([fields.beta] * len(blocks_of(family)))
    return replace(fields, weights_beta=fields.weights_beta or row)


def _checked_rules(text: str, calculation: str) -> str:
    if not parse_elemental(text, calculation):
        raise RecipeError(
            "it has no elemental rule", place=(Named(f"{text.strip()!r:.60}"),), remedy="write OUT05 OUT08:attn1:0.88"
        )
    return text.strip("\n")


def _checked_adjust(text: str, dialect: Dialect) -> str:
    if not parse_adjust(text.strip(), dialect):
        names = ", ".join(dialect.adjust_fields)
        raise RecipeError(
            "this Adjust text changes nothing",
            place=(Named(f"{text.strip()!r:.60}"),),
            remedy=f"write numbers for {names}",
        )
    return text.strip()


def _chosen_preset(found: OwnPresets, name: str | None, source: str) -> str:
    rows = found.rows
    if name is None and len(rows) == 1:
        return next(iter(rows))
    if name is None:
        what, remedy = f"has {len(rows)} presets", f"choose one with --preset: {', '.join(rows) or 'none'}"
        raise StudyError(what, place=(Named(source[:80]),), remedy=remedy)
    if name in rows or name in PRESETS:
        return name
    raise StudyError(
        f"there is no preset {name!r}", place=(Named(source[:80]),), remedy=did_you_mean(name, rows, PRESETS)
    )

"""A check of JSON documents against the part of JSON Schema that the project's own files use, without a library.

The keywords are type, properties, required, dependentRequired, additionalProperties, items, enum, const, pattern,
minItems, maxItems, minimum, $ref to `#/$defs/NAME`, and anyOf; annotations are ignored. Any other keyword raises
ValueError.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
_KEYWORDS = {
    "type",
    "properties",
    "required",
    "dependentRequired",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "pattern",
    "minItems",
    "maxItems",
    "minimum",
    "$ref",
    "anyOf",
    "description",
    "$defs",
    "$schema",
    "title",
    "$id",
}


def check(value: Any, schema: Schema) -> list[str]:
    """Compare a value with a schema.

    Args:
        value: what `json.loads` returned.
        schema: the schema.
    Returns:
        one short sentence with its place for each thing that is wrong; an empty list where the value fits.
    Raises:
        ValueError: the schema uses a keyword that this module does not implement.
    """
    return list(_walk(value, schema, schema, "it"))


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _walk(value: Any, schema: Schema, root: Schema, where: str) -> Iterator[str]:
    if strange := set(schema) - _KEYWORDS:
        raise ValueError(f"the schema uses {sorted(strange)}, which parity/goldens/closed_schema.py does not implement")
    if "$ref" in schema:
        yield from _walk(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, where)
        return
    if "anyOf" in schema:
        tries = [list(_walk(value, option, root, where)) for option in schema["anyOf"]]
        if all(tries):
            yield min(tries, key=len)[0]
        return
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{where} is {_shown(value)}, not {' or '.join(kinds)}"
        return
    yield from _scalar(value, schema, where)
    if isinstance(value, dict):
        yield from _object(value, schema, root, where)
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{where} has {len(value)} items"
        for place, item in enumerate(value):
            yield from _walk(item, schema.get("items", {}), root, f"{where}[{place}]")


def _scalar(value: Any, schema: Schema, where: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where} is {_shown(value)}, not one of {', '.join(map(str, schema['enum']))}"
    if "const" in schema and value != schema["const"]:
        yield f"{where} is {_shown(value)}, not {_shown(schema['const'])}"
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        yield f"{where} is {_shown(value)}, which does not look like {schema['pattern']}"
    if "minimum" in schema and isinstance(value, (int, float)) and value < schema["minimum"]:
        yield f"{where} is {value}, less than {schema['minimum']}"


def _object(value: Mapping[str, Any], schema: Schema, root: Schema, where: str) -> Iterator[str]:
    fields = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield f"{where} lacks the field {name!r}"
    for name, others in schema.get("dependentRequired", {}).items():
        for other in others:
            if name in value and other not in value:
                yield f"{where} has the field {name!r} and lacks {other!r}"
    rest = schema.get("additionalProperties", True)
    for name, item in value.items():
        inner = f"{where}.{name}" if where != "it" else name
        if name in fields:
            yield from _walk(item, fields[name], root, inner)
        elif rest is False:
            near = difflib.get_close_matches(name, fields, 1)
            yield f"{where} has the unknown field {name!r}" + (f" (did you mean {near[0]!r}?)" if near else "")
        elif isinstance(rest, Mapping):
            yield from _walk(item, rest, root, inner)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

"""Changes of nested dictionaries, lists, numbers and texts."""

import copy
from random import Random
from typing import Any

LONG, DEEP = 3000, 120  # characters of a long text; levels of a deep list
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2**31,
    2**53 + 1,
    2**63,
    10**40,
    0.5,
    -0.0,
    1e300,
    1e-300,
    float("nan"),
    float("inf"),
    "",
    "0",
    "1e999",
    "v1",
    "v2",
    "40k",
    "../../outside",
    "/outside",
    "\x00",
    "\x1b[31m\u202e\n",
    "<script>alert(1)</script>",
    "\ud800",
    "x" * LONG,
    [],
    {},
    [1],
    [[]],
    {"": ""},
    {"a": [1, "b"]},
)


def mutate(tree: Any, random: Random, odd: tuple[Any, ...] = ODD_VALUES) -> Any:
    """A copy of a tree with one to three changes of its nodes."""
    holder = [copy.deepcopy(tree)]
    for _ in range(random.choice((1, 1, 2, 3))):
        _change(holder, random, odd)
    return holder[0]


def _places(value: Any, places: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every (container, key) below a value."""
    items: list[Any] = []
    if isinstance(value, dict):
        items = list(value)
    elif isinstance(value, list):
        items = list(range(len(value)))
    for key in items:
        places.append((value, key))
        if len(places) < 20_000:
            _places(value[key], places)
    return places


def _change(holder: list[Any], random: Random, odd: tuple[Any, ...]) -> None:
    places = _places(holder, [])
    if not places:
        holder.append(random.choice(odd))
        return
    container, key = random.choice(places)
    kind = random.randrange(8)
    value = container[key]
    if kind == 0 and container is not holder:
        del container[key]
    elif kind == 1 and isinstance(container, dict):
        container[random.choice((*map(str, range(3)), "x", "", "name", "tensors", "../x", str(key) + "x"))] = value
    elif kind == 2 and isinstance(container, dict):
        container[str(random.choice(odd))[:40]] = container.pop(key)
    elif kind == 3:
        other, place = random.choice(places)
        container[key] = copy.deepcopy(other[place]) if len(places) < 2000 else random.choice(odd)
    elif kind == 4 and isinstance(value, list) and value:
        value.insert(random.randrange(len(value)), copy.deepcopy(random.choice(value)))
    elif kind == 5 and isinstance(value, int | float) and not isinstance(value, bool):
        container[key] = random.choice((value + 1, value - 1, -value, value * 1000, float(value), str(value)))
    elif kind == 6:
        nested: Any = value
        for _ in range(random.choice((1, 2, DEEP))):
            nested = [nested] if random.random() < 0.5 else {"a": nested}
        container[key] = nested
    else:
        container[key] = copy.deepcopy(random.choice(odd))

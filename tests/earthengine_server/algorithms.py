"""Whether an expression is one that Earth Engine would take: functions, arguments, types and arity.

The signatures are those that the client itself ships (``ee/tests/algorithms.json``, 991 functions).
"""

import functools
import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Node = Mapping[str, Any]

NODE_KINDS: Final = (
    "constantValue",
    "integerValue",
    "bytesValue",
    "valueReference",
    "argumentReference",
    "arrayValue",
    "dictionaryValue",
    "functionDefinitionValue",
    "functionInvocationValue",
)
_PREFIX = "algorithms/"
_ARITY = {
    "Collection.map": 1,
    "List.map": 1,
    "Dictionary.map": 2,
    "Collection.iterate": 2,
    "List.iterate": 2,
}
"""How many arguments a function that is given to another one must take."""


class ExpressionError(Exception):
    """An expression that Earth Engine would not take, or that cannot be computed; the message says why."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a function: its name, type, and whether it may be left out."""

    name: str
    type: str
    optional: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes and gives."""

    name: str
    returns: str
    arguments: Mapping[str, Argument]


def shipped(name: str) -> Path:
    """A file of the tests that the client ships, found without importing the client."""
    spec = importlib.util.find_spec("ee")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "tests" / name


@functools.cache
def signatures() -> Mapping[str, Signature]:
    """Every function that Earth Engine knows, by name."""
    listed = json.loads(shipped("algorithms.json").read_text(encoding="utf-8"))["algorithms"]
    return {
        entry["name"].removeprefix(_PREFIX): Signature(
            entry["name"].removeprefix(_PREFIX),
            entry["returnType"],
            {
                argument["argumentName"]: Argument(
                    argument["argumentName"], argument["type"], bool(argument.get("optional"))
                )
                for argument in entry.get("arguments", [])
            },
        )
        for entry in listed
    }


def check(expression: Mapping[str, Any]) -> None:
    """Check every node of ``expression`` that the result needs.

    Raises
    ------
    ExpressionError
        Naming the function and the argument that are wrong.
    """
    _Checker(expression).check()


def functions_of(expression: Mapping[str, Any]) -> set[str]:
    """Names of the functions that ``expression`` calls."""
    return {
        node["functionInvocationValue"]["functionName"]
        for value in expression.get("values", {}).values()
        for node in _nodes(value)
        if "functionName" in node.get("functionInvocationValue", {})
    }


def children(node: Node) -> list[Node]:
    """The nodes directly within ``node``; those that it refers to by key are not."""
    if "arrayValue" in node:
        return list(node["arrayValue"].get("values", []))
    if "dictionaryValue" in node:
        return list(node["dictionaryValue"].get("values", {}).values())
    if "functionInvocationValue" in node:
        return list(node["functionInvocationValue"].get("arguments", {}).values())
    return []


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from _nodes(child)


class _Checker:
    """Walks the nodes from the result, each key once for each set of arguments in scope."""

    def __init__(self, expression: Mapping[str, Any]) -> None:
        if not isinstance(expression, Mapping) or "result" not in expression or "values" not in expression:
            raise ExpressionError("The expression needs a 'result' and its 'values'.")
        self._values: Mapping[str, Node] = expression["values"]
        self._result: str = expression["result"]
        self._done: set[tuple[str, frozenset[str]]] = set()

    def check(self) -> None:
        self._key(self._result, frozenset(), ())

    def _key(self, key: str, scope: frozenset[str], path: tuple[str, ...]) -> None:
        if key not in self._values:
            raise ExpressionError(f"The expression refers to the value '{key}', which it does not hold.")
        if key in path:
            raise ExpressionError(f"The expression's value '{key}' refers to itself.")
        if (key, scope) not in self._done:
            self._node(self._values[key], scope, (*path, key))
            self._done.add((key, scope))

    def _node(self, node: Node, scope: frozenset[str], path: tuple[str, ...]) -> None:
        kinds = [kind for kind in NODE_KINDS if kind in node] if isinstance(node, Mapping) else []
        if len(kinds) != 1 or len(node) != 1:
            raise ExpressionError(f"A node must hold exactly one kind of value: {_short(node)}.")
        if "valueReference" in node:
            self._key(node["valueReference"], scope, path)
        elif "argumentReference" in node:
            if node["argumentReference"] not in scope:
                raise ExpressionError(
                    f"The argument '{node['argumentReference']}' is used outside of its function."
                )
        elif "functionDefinitionValue" in node:
            definition = node["functionDefinitionValue"]
            self._key(definition["body"], scope | set(definition["argumentNames"]), path)
        else:
            for child in children(node):
                self._node(child, scope, path)
            if "functionInvocationValue" in node:
                self._invocation(node["functionInvocationValue"], scope, path)

    def _invocation(self, call: Node, scope: frozenset[str], path: tuple[str, ...]) -> None:
        given: Mapping[str, Node] = call.get("arguments", {})
        if "functionReference" in call:
            self._key(call["functionReference"], scope, path)
            definition = self._resolved({"valueReference": call["functionReference"]}).get(
                "functionDefinitionValue"
            )
            if definition is not None and set(definition["argumentNames"]) != set(given):
                raise ExpressionError(
                    f"The function takes {definition['argumentNames']}, and is given {sorted(given)}."
                )
            return
        name = call.get("functionName")
        signature = signatures().get(str(name))
        if signature is None:
            raise ExpressionError(f"Unrecognized function name '{name}'.")
        for argument in given:
            if argument not in signature.arguments:
                raise ExpressionError(f"{name}: Unrecognized argument '{argument}'.")
        for argument in signature.arguments.values():
            node = self._resolved(given[argument.name]) if argument.name in given else None
            if node is None or ("constantValue" in node and node["constantValue"] is None):
                if not argument.optional:
                    raise ExpressionError(
                        f"{name}: Parameter '{argument.name}' is required and may not be null."
                    )
                continue
            self._type(signature, argument, node)

    def _resolved(self, node: Node) -> Node:
        seen = set()
        while "valueReference" in node:
            key = node["valueReference"]
            if key in seen or key not in self._values:
                raise ExpressionError(f"The expression refers to the value '{key}', which it does not hold.")
            seen.add(key)
            node = self._values[key]
        return node

    def _type(self, signature: Signature, argument: Argument, node: Node) -> None:
        actual = self._type_of(node)
        if not accepts(argument.type, actual):
            raise ExpressionError(
                f"{signature.name}, argument '{argument.name}': Invalid type. "
                f"Expected type: {argument.type}. Actual type: {actual}."
            )
        if argument.type.startswith("List<") and "arrayValue" in node:
            wanted = argument.type.removeprefix("List<").removesuffix(">")
            for item in node["arrayValue"].get("values", []):
                kind = self._type_of(self._resolved(item))
                if not accepts(wanted, kind):
                    raise ExpressionError(
                        f"{signature.name}, argument '{argument.name}': Invalid type. "
                        f"Expected type: {argument.type}. Actual type of an item: {kind}."
                    )
        if argument.type == "Algorithm" and "functionDefinitionValue" in node:
            wanted_count = _ARITY.get(signature.name)
            count = len(node["functionDefinitionValue"]["argumentNames"])
            if wanted_count is not None and count != wanted_count:
                raise ExpressionError(
                    f"{signature.name}, argument '{argument.name}': The function takes {count} arguments; "
                    f"{wanted_count} are given."
                )

    def _type_of(self, node: Node) -> str:
        if "constantValue" in node:
            return type_of_constant(node["constantValue"])
        if "integerValue" in node:
            return "Integer"
        if "bytesValue" in node:
            return "String"
        if "arrayValue" in node:
            return "List<Object>"
        if "dictionaryValue" in node:
            return "Dictionary<Object>"
        if "functionDefinitionValue" in node:
            return "Algorithm"
        if "functionInvocationValue" in node:
            name = node["functionInvocationValue"].get("functionName")
            return signatures()[name].returns if name in signatures() else "Object"
        return "Object"


def type_of_constant(value: Any) -> str:
    """Earth Engine's name of the type of a JSON value."""
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int):
        return "Integer"
    if isinstance(value, float):
        return "Integer" if value.is_integer() else "Float"
    if isinstance(value, str):
        return "String"
    if isinstance(value, list):
        return "List<Object>"
    if isinstance(value, dict):
        return "Dictionary<Object>"
    return "Null"


_NUMBERS = {"Integer", "Long", "Float", "Number"}
_ELEMENTS = {"Element", "Feature", "Image<unknown bands>", "FeatureCollection", "ImageCollection"}
_ANYTHING = {"Object", "<any>"}
_TAKES: Mapping[str, set[str]] = {
    "Integer": {"Integer", "Long", "Number"},
    "Long": {"Integer", "Long", "Number"},
    "Float": _NUMBERS,
    "Number": _NUMBERS | {"Boolean"},
    "String": {"String"},
    "Boolean": {"Boolean", "Integer"},
    "Image<unknown bands>": {"Image<unknown bands>", "Element"},
    "ImageCollection": {"ImageCollection", "FeatureCollection", "Element"},
    "FeatureCollection": {"ImageCollection", "FeatureCollection", "Element"},
    "Feature": {"Feature", "Element", "Image<unknown bands>"},
    "Element": _ELEMENTS,
    "Geometry": {"Geometry", "Rectangle", "Feature", "FeatureCollection", "Element"},
    "Projection": {"Projection", "String"},
    "ErrorMargin": _NUMBERS | {"ErrorMargin"},
    "Date": {"Date", "String", *_NUMBERS},
    "DateRange": {"DateRange"},
    "PixelType": {"PixelType", "String"},
    "Array": {"Array", "List", *_NUMBERS},
    "Algorithm": {"Algorithm", "String"},
}
"""By the type of an argument: the types that Earth Engine takes for it. Others take only themselves."""


def accepts(wanted: str, actual: str) -> bool:
    """Whether a value of type ``actual`` may be given for an argument of type ``wanted``."""
    if wanted in _ANYTHING or actual in _ANYTHING:
        return True
    outer = actual.partition("<")[0]
    if wanted.startswith(("List", "Dictionary", "SelectorSet")):
        return wanted.partition("<")[0] == outer or wanted == "SelectorSet"
    taken = _TAKES.get(wanted, {wanted})
    return actual in taken or outer in taken


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 120 else f"{text[:117]}..."

"""Evaluates expressions as the client sends them, after checking every node of them."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from . import (
    functions_collection,
    functions_display,
    functions_filter,
    functions_geometry,
    functions_image,
    functions_number,
    functions_projection,
    functions_reducer,
    functions_sampling,
)
from .algorithms import ExpressionError, check, children
from .registry import FUNCTIONS, UnsupportedFunctionError
from .scenes import SceneStore
from .values import Collection, EarthImage

ROOMS = (
    functions_collection,
    functions_display,
    functions_filter,
    functions_geometry,
    functions_image,
    functions_number,
    functions_projection,
    functions_reducer,
    functions_sampling,
)
"""What fills the table of functions."""

Scope = Mapping[str, Any]


class Interpreter:
    """Evaluates expressions over the scenes of a store.

    Parameters
    ----------
    scenes:
        Where collections and assets are.
    """

    def __init__(self, scenes: SceneStore) -> None:
        self.scenes = scenes
        self.used: set[str] = set()
        """Names of the functions called so far."""

    def evaluate(self, expression: Mapping[str, Any]) -> Any:
        """The value of ``expression``.

        Numbers, strings, lists and dictionaries are Python's; the rest are the classes of ``values``.

        Raises
        ------
        ExpressionError
            When Earth Engine would not take the expression, or it cannot be computed.
        """
        check(expression)
        return _Evaluation(self, expression).result()

    def call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """The value of one function."""
        self.used.add(name)
        given = {key: value for key, value in arguments.items() if value is not None}
        if name in self._loaders:
            return self._loaders[name](**given)
        if name not in FUNCTIONS:
            raise UnsupportedFunctionError(name)
        try:
            return FUNCTIONS[name](**given)
        except (ExpressionError, RecursionError):
            raise
        except TypeError as error:
            if "unexpected keyword argument" in str(error):
                raise UnsupportedFunctionError(name, f" with {sorted(given)} ({error})") from error
            raise ExpressionError(f"{name}: {error}") from error
        except (ValueError, KeyError, IndexError, AttributeError, ArithmeticError) as error:
            raise ExpressionError(f"{name}: {error}") from error

    @cached_property
    def _loaders(self) -> Mapping[str, Callable[..., Any]]:
        def image(id: str, version: int = -1) -> EarthImage:
            return self.scenes.image(id)

        def images(id: str, version: int = -1) -> Collection:
            return self.scenes.collection(id)

        def table(tableId: str, geometryColumn: str = "", version: int = -1) -> Collection:  # noqa: N803
            raise ExpressionError(
                f"Collection.loadTable: Collection asset '{tableId}' not found (does not exist or caller "
                "does not have access)."
            )

        return {"Image.load": image, "ImageCollection.load": images, "Collection.loadTable": table}


class _Evaluation:
    """One expression; what depends on no argument is computed once."""

    def __init__(self, interpreter: Interpreter, expression: Mapping[str, Any]) -> None:
        self._call = interpreter.call
        self._values: Mapping[str, Any] = expression["values"]
        self._result: str = expression["result"]
        self._known: dict[str, Any] = {}
        self._free: dict[str, frozenset[str]] = {}

    def result(self) -> Any:
        return self._key(self._result, {}, {})

    def _key(self, key: str, scope: Scope, local: dict[str, Any]) -> Any:
        """``local`` remembers what was computed with the arguments of ``scope``."""
        memory = local if self._arguments_of(key) else self._known
        if key not in memory:
            memory[key] = self._node(self._values[key], scope, local)
        return memory[key]

    def _node(self, node: Mapping[str, Any], scope: Scope, local: dict[str, Any]) -> Any:
        if "constantValue" in node:
            return node["constantValue"]
        if "integerValue" in node:
            return int(node["integerValue"])
        if "valueReference" in node:
            return self._key(node["valueReference"], scope, local)
        if "argumentReference" in node:
            return scope[node["argumentReference"]]
        if "arrayValue" in node:
            return [self._node(item, scope, local) for item in children(node)]
        if "dictionaryValue" in node:
            items = node["dictionaryValue"].get("values", {})
            return {key: self._node(item, scope, local) for key, item in items.items()}
        if "functionDefinitionValue" in node:
            return self._closure(node["functionDefinitionValue"], scope)
        if "functionInvocationValue" in node:
            return self._invocation(node["functionInvocationValue"], scope, local)
        raise ExpressionError(f"A value of the kind {sorted(node)} is not supported.")

    def _closure(self, definition: Mapping[str, Any], scope: Scope) -> Callable[..., Any]:
        names = definition["argumentNames"]

        def closure(*values: Any) -> Any:
            if len(values) != len(names):
                raise ExpressionError(f"A function of {len(names)} arguments was given {len(values)}.")
            return self._key(definition["body"], {**scope, **dict(zip(names, values, strict=True))}, {})

        return closure

    def _invocation(self, call: Mapping[str, Any], scope: Scope, local: dict[str, Any]) -> Any:
        given = {key: self._node(item, scope, local) for key, item in call.get("arguments", {}).items()}
        if "functionReference" in call:
            called = self._values[call["functionReference"]]
            if "functionDefinitionValue" not in called:
                raise UnsupportedFunctionError("a function made by a function (Image.expression)")
            names = called["functionDefinitionValue"]["argumentNames"]
            return self._key(call["functionReference"], scope, local)(*(given[name] for name in names))
        return self._call(call["functionName"], given)

    def _arguments_of(self, key: str) -> frozenset[str]:
        """Arguments that the value depends on and that are not its own."""
        if key not in self._free:
            self._free[key] = self._arguments_in(self._values[key])
        return self._free[key]

    def _arguments_in(self, node: Mapping[str, Any]) -> frozenset[str]:
        if "argumentReference" in node:
            return frozenset({node["argumentReference"]})
        if "valueReference" in node:
            return self._arguments_of(node["valueReference"])
        if "functionDefinitionValue" in node:
            definition = node["functionDefinitionValue"]
            return self._arguments_of(definition["body"]) - set(definition["argumentNames"])
        found = frozenset[str]().union(*(self._arguments_in(child) for child in children(node)))
        call = node.get("functionInvocationValue", {})
        return found | self._arguments_of(call["functionReference"]) if "functionReference" in call else found

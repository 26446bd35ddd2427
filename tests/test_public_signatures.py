"""Public functions, classes and methods of the rooms say what they take and what they give."""

import dataclasses
import importlib
import inspect

import pytest

ROOMS = ["datasets_scripts", "evaluate_metrics", "modeling_braintune"]


def folders(room):
    """A room and those of its folders that say what is public."""
    package = importlib.import_module(room)
    yield package
    for name, module in vars(package).items():
        if inspect.ismodule(module) and hasattr(module, "__all__"):
            if module.__name__ == f"{room}.{name}":
                yield module


def public():
    """Every public object, by the shortest name that it is imported by."""
    found = {}
    for room in ROOMS:
        for package in folders(room):
            for name in package.__all__:
                item = getattr(package, name)
                if inspect.isclass(item) or inspect.isfunction(item):
                    found.setdefault(item, f"{package.__name__}.{name}")
    return {name: item for item, name in found.items()}


PUBLIC = public()


def functions(item):
    """What can be called of an object: itself, or a class's own public methods and properties."""
    if inspect.isfunction(item):
        yield item.__name__, item
        return
    for owner in item.__mro__:
        if not owner.__module__.startswith(tuple(ROOMS)):
            continue  # another library's
        for name, member in vars(owner).items():
            made = name == "__init__" and dataclasses.is_dataclass(owner)
            if (name.startswith("_") and name not in ("__init__", "__call__")) or made:
                continue
            member = member.fget if isinstance(member, property) else member
            member = getattr(member, "func", member)  # cached_property
            member = getattr(member, "__func__", member)  # classmethod, staticmethod
            if inspect.isfunction(member):
                yield f"{owner.__name__}.{name}", member


@pytest.mark.parametrize("name", PUBLIC)
def test_parameters_and_results_have_types(name):
    missing = []
    for function_name, function in functions(PUBLIC[name]):
        signature = inspect.signature(function)
        # self and cls have none
        bound = "." in function_name and next(iter(signature.parameters), None) in ("self", "cls")
        parameters = list(signature.parameters.values())[bound:]
        missing += [f"{function_name}({p.name})" for p in parameters if p.annotation is p.empty]
        constructs = function_name.endswith(".__init__")
        if signature.return_annotation is signature.empty and not constructs:
            missing.append(f"{function_name} -> ?")
    assert not missing


@pytest.mark.parametrize("room", ROOMS)
def test_names_are_listed_once_each_and_exist(room):
    for package in folders(room):
        assert len(set(package.__all__)) == len(package.__all__)
        assert all(hasattr(package, name) for name in package.__all__)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_objects_have_docstrings_of_their_own(name):
    assert PUBLIC[name].__doc__

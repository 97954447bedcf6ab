"""What the type checker is told of sources that it cannot look into is what they have."""

import ast
import re

import pytest

import rig

TOOLS = rig.ROOT / "tools"


def described(stub):
    """{name: its parameters, None where it is no function} of a stub or a source."""
    found = {}
    for node in ast.parse(stub.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = [each.arg for each in node.args.posonlyargs + node.args.args]
        elif isinstance(node, ast.ClassDef):
            found[node.name] = None
        elif isinstance(node, ast.AnnAssign):
            found[ast.unparse(node.target)] = None
        elif isinstance(node, ast.Assign):
            found |= {ast.unparse(each): None for each in node.targets}
        elif isinstance(node, ast.ImportFrom):
            found |= {each.asname or each.name: None for each in node.names}
    return found


@pytest.mark.parametrize("name", ["socket", "time"])
def test_the_world_s_modules_have_what_their_stubs_say(name):
    source = described(TOOLS / "soak" / "device" / f"{name}.py")
    source["ticks_cpu"] = source.get("ticks_ms")  # is the same function
    stub = described(TOOLS / "soak" / "device" / f"{name}.pyi")
    said = {each: of for each, of in stub.items() if each not in ("Any", "Callable")}
    assert said == {each: source.get(each, "is missing") for each in said}


def test_the_model_s_module_has_what_its_stub_says():
    source = (TOOLS / "model" / "chip.c").read_text()
    table = source[source.index("globals_table[]") :]
    names = set(re.findall(r"MP_ROM_QSTR\(MP_QSTR_(\w+)\), MP_ROM_PTR", table))
    assert set(described(TOOLS / "typings" / "_chip.pyi")) == names

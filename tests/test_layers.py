"""The house: a module imports only from lower layers, and physics knows no Django."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("campaigns", "analysis", "sseweb")  # each imports from those before it
LAYERS = {
    "science": 0,
    "engines": 1,
    "enums": 2, "models": 2, "queries": 2, "progress": 2, "cores": 2, "places": 2, "queues": 2, "references": 2,
    "services": 3, "report": 3,
    "tasks": 4, "management": 4, "receivers": 4, "plots": 4,
    "forms": 5, "views": 5, "api": 5, "urls": 5, "templatetags": 5, "admin": 5, "apps": 5,
}  # fmt: skip
MODULES = sorted(path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts)


def layer(parts):
    return LAYERS.get(parts[1]) if len(parts) > 1 else None


def imports(path):
    """Dotted names that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_imports_only_from_lower_layers(path):
    own = path.relative_to(ROOT).with_suffix("").parts
    for name in imports(path):
        other = tuple(name.split("."))
        if other[0] not in APPS:
            continue
        assert APPS.index(other[0]) <= APPS.index(own[0]), f"{'.'.join(own)} imports {name}: {own[0]} is below {other[0]}"
        if own[0] == "sseweb" or None in (layer(own), layer(other)) or "apps" in own:
            continue
        assert layer(other) <= layer(own), f"{'.'.join(own)} imports {name}: a lower layer imports a higher one"


def test_no_module_is_outside_the_layers():
    unknown = [
        path
        for path in MODULES
        if path.parent != ROOT / "sseweb"
        and path.name != "__init__.py"
        and path.relative_to(ROOT).parts[0] != "sseweb"
        and layer(path.relative_to(ROOT).with_suffix("").parts) is None
    ]
    assert unknown == []


def test_science_and_engines_know_no_django():
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in MODULES
        if {"science", "engines"} & set(path.relative_to(ROOT).parts)
    ]
    program = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'django':
            raise ImportError('django is imported')
sys.meta_path.insert(0, Refuse())
import importlib
for name in {names!r}:
    importlib.import_module(name)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_science_does_not_reach_outside():
    """Pure functions: no settings, clock, environment, subprocess or global random state."""
    forbidden = {"os", "time", "datetime", "subprocess", "random", "socket", "django"}
    for path in MODULES:
        if "science" in path.parts:
            found = forbidden & {name.split(".")[0] for name in imports(path)}
            assert not found, f"{path.relative_to(ROOT)} imports {found}"
            assert "np.random.seed" not in path.read_text()


@pytest.mark.parametrize("module", ["campaigns.services.stages", "campaigns.urls", "sseweb.worker"])
def test_web_and_workers_start_without_heavy_libraries(module):
    program = (
        f"import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; import django; django.setup(); import {module}; "
        "print(sorted({'ase', 'pymatgen', 'torch', 'tensorflow', 'deepmd', 'dpdata', 'bokeh', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr

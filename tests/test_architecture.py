"""The house rules that a machine can check: who imports whom, who writes, how big a file may be."""

import ast
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

import slt_cli

PACKAGE = Path(slt_cli.__file__).parent
EVERYONE = {"storage", "errors", ""}  # "" is slt_cli/__init__.py: the version
# room -> rooms it may import, besides itself and EVERYONE
ALLOWED = {
    "": set(),
    "__main__": {"cli"},
    "errors": set(),
    "storage": set(),
    "cli": {"pipelines", "settings"},
    "settings": set(),
    "pipelines": {
        "builders",
        "settings",
        "export",
        "pretraining",
        "training",
        "evaluation",
        "models",
        "losses",
        "data",
        "corpus",
        "video",
        "landmarks",
        "synthetic",
    },  # all but the command line
    "builders": {"models", "losses", "data", "corpus", "settings"},
    "models": {"losses"},
    "losses": {"models"},
    "video": set(),
    "landmarks": {"video"},
    "corpus": {"landmarks", "video"},
    "synthetic": {"landmarks", "video"},
    "data": {"corpus", "landmarks", "video"},
    "training": {"models", "losses", "data", "evaluation"},
    "evaluation": {"models", "data"},
    "export": {"evaluation", "models", "data", "corpus", "landmarks"},
    "pretraining": {"training", "models", "losses", "data"},
}
MODEL_ROOMS = {"models", "losses"}  # of the house they know only each other and errors
WITHOUT_TORCH = {
    "cli",
    "settings",
    "storage",
    "errors",
    "video",
    "landmarks",
    "corpus",
    "synthetic",
}
LIGHT_ROOMS = {"cli", "settings", "storage", "errors"}  # what `slt --help` loads
HEAVY = {
    "torch", "transformers", "mediapipe", "cv2", "onnx", "onnxruntime", "onnxscript", "tokenizers",
    "sentencepiece", "sacrebleu", "jiwer", "rouge_score", "matplotlib", "safetensors", "scipy",
}  # fmt: skip
ROOMS_WITH_TORCH = {
    "builders", "models", "losses", "data", "training", "evaluation", "export", "pretraining",
}  # fmt: skip
HALF_HEAVY = {"numpy", "av", "PIL", "simplejpeg", "ruamel"}  # welcome once a pipeline runs
# Files that are excepted from one rule, each with its reason.
HEAVY_PIPELINES = {"pipelines/restore.py"}  # other pipelines import it inside functions
MAY_PRINT = {"training/signals.py"}  # a signal handler: it cannot wait for the loop to report
MAY_WRITE = {"cli/streams.py"}  # the log of a crash, in the system's temporary folder
WRITES = {
    "write_text", "write_bytes", "savez", "savez_compressed", "savetxt", "tofile", "save_file",
    "to_csv", "writestr", "imwrite", "savefig",
}  # fmt: skip
WRITES_IN_FULL = {"json.dump", "np.save", "numpy.save", "torch.save", "torch.jit.save", "onnx.save"}
LONGEST_FILE, LONGEST_FUNCTION = 500, 60


def source_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room_of(path: Path) -> str:
    """`cli` for cli/app.py, `errors` for errors.py, "" for the package itself."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py").replace("__init__", "")


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {
        "TYPE_CHECKING", "typing.TYPE_CHECKING",
    }  # fmt: skip


def imports(tree: ast.AST, inside_functions: bool = True) -> Iterator[tuple[str, int]]:
    """Every (module, line) imported; for `from slt_cli import x` the module is `slt_cli.x`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            if node.module == "slt_cli":
                for alias in node.names:
                    yield f"slt_cli.{alias.name}", node.lineno
            else:
                yield str(node.module), node.lineno
        elif is_type_checking(node) and not inside_functions:
            continue
        elif inside_functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports(node, inside_functions)


def room_imported(module: str) -> str | None:
    parts = module.split(".")
    if parts[0] != "slt_cli":
        return None
    name = parts[1] if len(parts) > 1 else ""
    known = (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()
    return name if known else ""  # `from slt_cli import __version__`


def arrows_outside_the_table(room: str, tree: ast.AST) -> list[str]:
    allowed = ALLOWED[room] | {room} | ({"errors"} if room in MODEL_ROOMS else EVERYONE)
    return [
        f"line {line}: {room} -> {target}"
        for module, line in imports(tree)
        if (target := room_imported(module)) is not None and target not in allowed
    ]


def heavy_imports(tree: ast.AST, names: set[str], inside_functions: bool) -> list[str]:
    return [
        f"line {line}: {module}"
        for module, line in imports(tree, inside_functions)
        if module.partition(".")[0] in names
    ]


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str, str]]:
    """Every call as (node, what is called in full, its last name)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            yield node, name, name.rsplit(".", 1)[-1]


def opens_for_writing(node: ast.Call, last: str) -> bool:
    """`open(x, "w")`, `path.open("ab")`, `ZipFile(path, mode="w")` and the like, by mode."""
    if last not in {"open", "fdopen", "ZipFile", "TarFile", "FileIO"}:
        return False
    texts = [*node.args, *(k.value for k in node.keywords if k.arg == "mode")]
    modes = [t.value for t in texts if isinstance(t, ast.Constant) and isinstance(t.value, str)]
    return any(re.fullmatch(r"[rwaxbt+:gz]*[wax+][rwaxbt+:gz]*", mode) for mode in modes)


def writes_a_file(tree: ast.AST) -> list[str]:
    """Calls that write files themselves; libraries given a path from `atomic_path` may."""
    in_memory = {
        name.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.value).endswith("BytesIO()")
        for name in node.targets
        if isinstance(name, ast.Name)
    }
    atomic_names = {
        item.optional_vars.id
        for node in ast.walk(tree)
        if isinstance(node, ast.With)
        for item in node.items
        if isinstance(item.optional_vars, ast.Name)
        and "atomic_path" in ast.unparse(item.context_expr)
    }
    imported_writers = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("slt_cli.storage")
        for alias in node.names
    }
    found = []
    for node, name, last in calls(tree):
        first = {n.id for a in node.args[:1] for n in ast.walk(a) if isinstance(n, ast.Name)}
        if first & (in_memory | atomic_names) or name in imported_writers:
            continue
        if name.startswith("self."):  # a method of the class itself
            continue
        if opens_for_writing(node, last) or last in WRITES or name in WRITES_IN_FULL:
            found.append(f"line {node.lineno}: {name}")
    return found


def forbidden_calls(tree: ast.AST) -> list[str]:
    found = []
    for node, name, _ in calls(tree):
        shell = any(k.arg == "shell" and ast.unparse(k.value) != "False" for k in node.keywords)
        unsafe_load = any(
            k.arg in {"weights_only", "allow_pickle"}
            and ast.unparse(k.value) != {"weights_only": "True", "allow_pickle": "False"}[k.arg]
            for k in node.keywords
        )
        if name in {"eval", "exec", "os.system", "os.popen", "yaml.load", "compile", "__import__"}:
            found.append(f"line {node.lineno}: {name}")
        if shell or unsafe_load:
            found.append(f"line {node.lineno}: {name} with an unsafe argument")
        if name == "torch.load" and not any(k.arg == "weights_only" for k in node.keywords):
            found.append(f"line {node.lineno}: torch.load without weights_only")
    return found


def bare_excepts(tree: ast.AST) -> list[str]:
    return [
        f"line {node.lineno}: bare except"
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]


def prints(tree: ast.AST) -> list[str]:
    return [
        f"line {node.lineno}: {name}"
        for node, name, _ in calls(tree)
        if name in {"print", "sys.stdout.write", "sys.exit", "input"}
    ]


def long_functions(tree: ast.AST) -> list[str]:
    return [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]


def without_docstring(tree: ast.Module) -> list[str]:
    """Public modules, classes, functions and methods that say nothing about themselves."""
    found = [] if ast.get_docstring(tree) else ["the module"]
    holders: list[ast.Module | ast.ClassDef] = [tree]
    while holders:
        for node in holders.pop().body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if node.name.startswith("_") or is_overload_or_setter(node):
                continue
            if not ast.get_docstring(node):
                found.append(node.name)
            if isinstance(node, ast.ClassDef):
                holders.append(node)
    return found


def is_overload_or_setter(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(d).endswith(("overload", ".setter")) for d in node.decorator_list)


Rule = Callable[[Path, ast.Module], Iterable[str]]


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def offenders(rule: Rule) -> dict[str, list[str]]:
    """File -> what the rule found in it, where it found anything."""
    found = {name_of(path): list(rule(path, parsed(path))) for path in source_files()}
    return {name: problems for name, problems in found.items() if problems}


def test_every_import_follows_an_arrow_of_the_table():
    assert offenders(lambda path, tree: arrows_outside_the_table(room_of(path), tree)) == {}


def test_torch_stays_out_of_the_rooms_that_do_without():
    def rule(path, tree):
        if room_of(path) not in WITHOUT_TORCH:
            return []
        in_functions_too = room_of(path) != "storage"  # which loads checkpoints inside functions
        return heavy_imports(tree, {"torch", "transformers", "safetensors"}, in_functions_too)

    assert offenders(rule) == {}


def test_nothing_heavy_is_imported_before_a_command_needs_it():
    def rule(path, tree):
        heavy = HEAVY | (HALF_HEAVY if room_of(path) in LIGHT_ROOMS else set())
        if room_of(path) not in LIGHT_ROOMS | {"pipelines"} or name_of(path) in HEAVY_PIPELINES:
            return []
        modules = [module for module, _ in imports(tree, inside_functions=False)]
        rooms = [m for m in modules if room_imported(m) in ROOMS_WITH_TORCH]
        pipelines = [m for m in modules if room_imported(m) == "pipelines"]
        too_early = set(pipelines) - {"slt_cli.pipelines.result"}
        found = heavy_imports(tree, heavy, inside_functions=False) + rooms
        return found + (sorted(too_early) if room_of(path) in LIGHT_ROOMS else [])

    assert offenders(rule) == {}


def test_mediapipe_is_imported_where_it_is_used_only():
    assert offenders(lambda _, tree: heavy_imports(tree, {"mediapipe"}, False)) == {}


def test_only_storage_writes_files():
    found = offenders(lambda path, tree: writes_a_file(tree) if room_of(path) != "storage" else [])
    assert set(found) <= MAY_WRITE, found


def test_only_the_command_line_prints_and_exits():
    found = offenders(lambda path, tree: prints(tree) if room_of(path) != "cli" else [])
    assert set(found) <= MAY_PRINT, found


def test_nothing_is_executed_that_comes_from_a_file():
    assert offenders(lambda _, tree: forbidden_calls(tree)) == {}
    pickles = {"pickle", "marshal", "shelve", "dill"}
    found = offenders(lambda _, tree: heavy_imports(tree, pickles, inside_functions=True))
    assert all(name.startswith("storage/") for name in found), found


def test_no_error_is_swallowed_unseen():
    assert offenders(lambda _, tree: bare_excepts(tree)) == {}


def test_files_and_functions_stay_small():
    lengths = {name_of(p): len(p.read_text("utf-8").splitlines()) for p in source_files()}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}
    assert offenders(lambda _, tree: long_functions(tree)) == {}


def test_everything_public_says_what_it_is():
    assert offenders(lambda _, tree: without_docstring(tree)) == {}


def test_nothing_is_left_for_later():
    words = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
    assert offenders(lambda path, _: words.findall(path.read_text("utf-8"))) == {}


def test_every_room_is_in_the_table():
    rooms = {room_of(path) for path in source_files()}
    assert rooms <= set(ALLOWED)
    for targets in ALLOWED.values():
        assert targets <= set(ALLOWED)
    excepted = HEAVY_PIPELINES | MAY_PRINT | MAY_WRITE
    assert excepted <= {name_of(path) for path in source_files()}


def test_the_arrows_have_no_circle():
    """Except models and losses, which know each other."""
    order, left = [], {room: targets - {room} for room, targets in ALLOWED.items()}
    left["losses"] = left["losses"] - {"models"}
    while left:
        free = [room for room, targets in left.items() if targets <= set(order)]
        assert free, left
        order += free
        left = {room: targets for room, targets in left.items() if room not in free}


def test_the_top_of_the_house_holds_what_it_should():
    files = {path.name for path in PACKAGE.iterdir() if path.suffix == ".py"}
    assert files == {"__init__.py", "__main__.py", "errors.py"}
    assert not [path for path in source_files() if re.search(r"util|helper|_v\d|misc", path.stem)]


BAD = {
    "arrow": (
        "from slt_cli.cli.app import app",
        lambda t: arrows_outside_the_table("pipelines", t),
    ),
    "arrow inside a function": (
        "def f():\n    from slt_cli.settings import root",
        lambda t: arrows_outside_the_table("training", t),
    ),
    "models and storage": (
        "from slt_cli.storage.atomic import write_text",
        lambda t: arrows_outside_the_table("models", t),
    ),
    "torch": ("def f():\n    import torch.nn as nn", lambda t: heavy_imports(t, {"torch"}, True)),
    "heavy": ("import jiwer as j", lambda t: heavy_imports(t, HEAVY, False)),
    "heavy in a class": ("class A:\n    import cv2", lambda t: heavy_imports(t, HEAVY, False)),
    "open": ("open(p, 'w')", writes_a_file),
    "open by mode": ("open(p, mode='ab')", writes_a_file),
    "path.open": ("p.open('x')", writes_a_file),
    "write_text": ("p.write_text('x')", writes_a_file),
    "numpy": ("np.savez(p, x=x)", writes_a_file),
    "torch.save": ("torch.save(x, p)", writes_a_file),
    "json.dump": ("json.dump(x, handle)", writes_a_file),
    "zip": ("zipfile.ZipFile(p, 'w')", writes_a_file),
    "print": ("print('x')", prints),
    "eval": ("eval(x)", forbidden_calls),
    "shell": ("subprocess.run(x, shell=True)", forbidden_calls),
    "torch.load": ("torch.load(p)", forbidden_calls),
    "unsafe load": ("torch.load(p, weights_only=False)", forbidden_calls),
    "object arrays": ("np.load(p, allow_pickle=True)", forbidden_calls),
    "bare except": ("try:\n    x\nexcept:\n    y", bare_excepts),
    "long": ("def f():\n" + "    x\n" * 60, long_functions),
    "silent": ('"""Module."""\ndef f(): ...', without_docstring),
    "silent method": ('"""M."""\nclass A:\n    """A."""\n    def f(self): ...', without_docstring),
}
GOOD = {
    "memory": ("b = BytesIO()\nnp.save(b, x)\nImage.open(p)", writes_a_file),
    "reading": ("open(p)\np.open('rb')\nopen(p, encoding='utf-8')", writes_a_file),
    "atomic": ("with atomic_path(p) as t:\n    av.open(t, 'w')\n    m.save(t)", writes_a_file),
    "lazy": ("def f():\n    import torch", lambda t: heavy_imports(t, HEAVY, False)),
    "types": (
        "if TYPE_CHECKING:\n    import torch",
        lambda t: heavy_imports(t, HEAVY, inside_functions=False),
    ),
    "version": (
        "from slt_cli import __version__",
        lambda t: arrows_outside_the_table("pipelines", t),
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_the_rules_notice_what_they_forbid(case):
    text, rule = BAD[case]
    assert len(rule(ast.parse(text))) == 1


@pytest.mark.parametrize("case", GOOD)
def test_the_rules_allow_what_they_should(case):
    text, rule = GOOD[case]
    assert rule(ast.parse(text)) == []

"""Every command and every Python example of every README is true: it is run here, or by the test it names.

A block that is too long or too loud to be run here carries, in the line above it,

    <!-- runs: tests/flow/test_demo.py -->

and then that file must contain each of its commands. All other blocks run: Python by `exec` in an empty
folder; shell in a copy of the repository with a home of its own and our virtual environment in front of PATH.
In a `console` block the lines that begin with `$ ` are the commands.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHELLS = {"sh", "bash", "console"}
FOREIGN = {".venv", ".git", "build", "data", "demo-data"}
"""Folders beside our rooms that hold no file of ours."""

FENCE = re.compile(
    r"^(?P<margin> *)(?P<fence>```+)(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=margin)(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
TAG = re.compile(r"<!-- runs: (\S+) -->\s*\Z")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced example: where it stands, what it is written in, and the file that runs it (None: we do)."""

    where: str
    language: str
    text: str
    runs_in: str | None

    @property
    def commands(self) -> list[str]:
        """The shell commands, continued lines joined, comments left out."""
        lines = re.sub(r"\\\n\s*", "", self.text).splitlines()
        if self.language == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        told = [re.sub(r"(^|\s+)#\s.*", "", line).strip() for line in lines]
        return [line for line in told if line]


def blocks(readme: str, where: str) -> Iterator[Block]:
    """The fenced blocks of a README's text; `where` is its path."""
    for match in FENCE.finditer(readme):
        tag = TAG.search(readme[: match.start()])
        line = readme.count("\n", 0, match.start()) + 1
        text = re.sub(rf"^{match['margin']}", "", match["text"], flags=re.MULTILINE)
        yield Block(f"{where}:{line}", match["language"], text, tag[1] if tag else None)


EXAMPLES = [
    block
    for path in sorted(ROOT.rglob("README.md"))
    if path.relative_to(ROOT).parts[0] not in FOREIGN
    for block in blocks(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    if block.language in {*SHELLS, "python"}
]


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: block.where)
def test_every_example_is_true(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if block.runs_in:
        check_tag(block)
    elif block.language == "python":
        monkeypatch.chdir(tmp_path)
        run_python(block)
    else:
        run_shell(block, tmp_path)


def run_python(block: Block) -> None:
    exec(compile(block.text, block.where, "exec"), {"__name__": "readme"})


def run_shell(block: Block, folder: Path) -> None:
    """Run the commands in one shell, so that `cd` and variables carry over; the first failure ends it."""
    copy, home, script = folder / "copy", folder / "home", folder / "script"
    shutil.copytree(ROOT, copy, ignore=_not_ours, symlinks=True)
    home.mkdir()
    script.write_text("\n".join(block.commands) if block.language == "console" else block.text, encoding="utf-8")
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
    }
    done = subprocess.run(
        ["bash", "-euvo", "pipefail", str(script)],
        cwd=copy,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"{block.where} ended with {done.returncode}\n{done.stdout}{done.stderr}"


def _not_ours(folder: str, names: list[str]) -> set[str]:
    caches = {name for name in names if name == "__pycache__" or re.fullmatch(r"\..*_cache|\.hypothesis", name)}
    return caches | (FOREIGN & set(names) if Path(folder) == ROOT else set())


def check_tag(block: Block) -> None:
    """The named file is one the test run runs, and it holds every command (Python: every line) of the block."""
    assert block.runs_in
    named = ROOT / block.runs_in
    assert named.is_file(), f"{block.where} names {block.runs_in}, which does not exist"
    is_test = named.name.startswith("test_") and named.suffix == ".py" and ROOT / "tests" in named.parents
    assert is_test or named == ROOT / ".ci" / "run", f"{block.where} names {block.runs_in}, which no test run runs"
    text = named.read_text(encoding="utf-8")
    lines = block.commands if block.language in SHELLS else [line for line in block.text.splitlines() if line.strip()]
    missing = [line for line in lines if line.strip() not in text]
    assert not missing, f"{block.where}: not in {block.runs_in}: {missing}"


# ── the check itself can fail ────────────────────────────────────────────────────────────────────

README = """
1. In a list:

   ```sh
   export WHO=world   # kept for the next line
   test "$WHO" = \\
     world
   ```

<!-- runs: .ci/run -->

```console
$ make test
12 passed
```

```python
open("made", "w").write("here")
```
"""


def test_blocks_are_found_with_place_language_commands_and_tag() -> None:
    shell, console, python = blocks(README, "README.md")
    assert shell == Block("README.md:4", "sh", shell.text, None)
    assert shell.commands == ["export WHO=world", 'test "$WHO" = world']
    assert (console.commands, console.runs_in) == (["make test"], ".ci/run")
    assert (python.language, python.where) == ("python", "README.md:17")


def test_shell_runs_away_from_the_repository(tmp_path: Path) -> None:
    run_shell(
        Block("here", "sh", 'test "$(pwd)" != ' + str(ROOT) + "\ntest -f pyproject.toml\ncd\ntouch mark", None),
        tmp_path,
    )
    assert (tmp_path / "home" / "mark").exists()


@pytest.mark.parametrize("line", ["false", "false | true", "no-such-command", "exit 3", "read -r line"])
def test_a_failing_command_fails(line: str, tmp_path: Path) -> None:
    block = Block("here", "sh", f"true\n{line}\ntrue", None)
    with pytest.raises(AssertionError, match="here ended with"):
        run_shell(block, tmp_path)


def test_a_failing_python_example_fails() -> None:
    with pytest.raises(NameError):
        run_python(Block("here", "python", "nobody_defined_this", None))


def test_a_true_tag_passes() -> None:
    check_tag(Block("here", "sh", "make test\n", ".ci/run"))


@pytest.mark.parametrize(
    ("named", "complaint"),
    [
        ("tests/test_nowhere.py", "does not exist"),
        ("Makefile", "no test run runs"),
        ("tests/servers.py", "no test run runs"),
        (".ci/run", "not in .ci/run"),
    ],
)
def test_a_false_tag_fails(named: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_tag(Block("here", "sh", "make coffee", named))

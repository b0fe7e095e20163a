"""Files that are generated and committed: writing them, and finding those that drifted."""

from pathlib import Path


def write(folder: Path, files: dict[str, str]) -> None:
    """Make ``folder`` hold exactly ``files``, text by name, of those with the same ending."""
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in set(_present(folder, files)) - set(files):
        (folder / leftover).unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def write_where_nothing_else_is(folder: Path, files: dict[str, str], header: str) -> None:
    """`write` into a folder that is new, empty, or holds what was written there before.

    Raises ValueError that names a file without a line that begins with ``header``: it is somebody
    else's, and would be deleted or be loaded as a rule file.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give a folder of its own")
    for path in sorted(folder.glob("*")):
        if not path.is_file() or not _begins(path, header):
            raise ValueError(
                f"{path} was not generated here, and {folder} is to hold the rule files alone; "
                "give a folder of its own"
            )
    write(folder, files)


def _begins(file: Path, header: str) -> bool:
    with file.open(encoding="utf-8", errors="replace") as lines:
        return any(line.startswith(header) for line, _ in zip(lines, range(5), strict=False))


def drift(folder: Path, files: dict[str, str]) -> list[str]:
    """How ``folder`` differs from ``files``, one line a file, with the fix."""
    present = _present(folder, files)
    problems = [f"{folder / name}: is missing" for name in files if name not in present]
    problems += [f"{folder / name}: nothing generates it" for name in present if name not in files]
    problems += [
        f"{folder / name}: differs from its source"
        for name in present
        if name in files and (folder / name).read_text(encoding="utf-8") != files[name]
    ]
    return [f"{problem}; run `make generate`" for problem in problems]


def _present(folder: Path, files: dict[str, str]) -> list[str]:
    endings = {Path(name).suffix for name in files}
    return sorted(path.name for path in folder.glob("*") if path.suffix in endings)

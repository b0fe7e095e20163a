"""Files that are generated and committed: writing them, and finding those that drifted."""

from pathlib import Path


def write(folder: Path, files: dict[str, str]) -> None:
    """Make ``folder`` hold exactly ``files``, text by name, of those with the same ending."""
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in set(_present(folder, files)) - set(files):
        (folder / leftover).unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


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

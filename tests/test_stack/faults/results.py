"""What happened under each fault, kept as files: the table is of several runs."""

from pathlib import Path

from pydantic import TypeAdapter

from tests.test_stack.faults.run import Observation

_OBSERVATION = TypeAdapter(Observation)


def keep(seen: Observation, folder: Path) -> None:
    """Write what happened under a fault, in place of what did before."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{seen.fault}.json").write_bytes(_OBSERVATION.dump_json(seen, indent=1))


def kept(folder: Path) -> dict[str, Observation]:
    """What is kept in ``folder``, by fault."""
    read = (_OBSERVATION.validate_json(file.read_bytes()) for file in folder.glob("*.json"))
    return {seen.fault: seen for seen in read}

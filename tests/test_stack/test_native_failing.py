"""A native stack that does not come up."""

from pathlib import Path

from tests.test_stack.test_native import Stack


def test_a_component_that_does_not_come_up_is_named_with_its_last_words(tmp_path: Path) -> None:
    broken = Stack(tmp_path / "broken")
    # More than the simulator takes.
    broken.variables["TRAFFIC_PER_MINUTE"] = "100000"
    try:
        refused = broken.run("up")
        assert refused.returncode == 1
        assert "simulator does not answer at" in refused.stderr
        assert "SIMULATOR_TRAFFIC_PER_MINUTE='100000'" in refused.stderr
        assert "make logs COMPONENT=simulator" in refused.stderr
    finally:
        broken.run("down")

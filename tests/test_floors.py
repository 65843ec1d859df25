"The house's arrows, read from the modules themselves (`python tools/house.py`)."

from conftest import ROOT
from house import arrows, floors, imports

HOUSE = arrows(ROOT / "unet_explorer")


def test_no_circle():
    "`floors` raises for one."
    assert max(floors(HOUSE).values()) > 1 and floors(HOUSE)["contracts"] == 1


def test_nobody_enters_the_command_line_from_below():
    "Jobs are called by the command line and by benches; neither calls through it."
    assert not [room for room, below in HOUSE.items() if "cli" in below]
    for path in (ROOT / "bench").glob("*.py"):
        assert "cli" not in imports(path), (
            f"{path.name}: call the job in own_model, segmentation or inspection"
        )


def test_the_command_line_is_short():
    "It parses, asks what can be known at once, calls a job, prints."
    lines = (ROOT / "unet_explorer/cli.py").read_text(encoding="utf-8").count("\n")
    assert lines <= 555, lines  # eight commands, with a comment for each option, and examples


def test_jobs_reach_tiles_and_the_fastest_backend():
    "What the README promises is on the way of both jobs, not beside it."

    def below(room):
        return {room}.union(*(below(r) for r in HOUSE[room]))

    for job in ("segmentation", "inspection"):
        assert {"tiles", "folders"} <= below(job), job
    assert "deploy" in HOUSE["segmentation"]

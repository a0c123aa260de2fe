"""The real Claude Code in a sandbox, in a worktree of its own: it works as it does outside."""

from pathlib import Path

from server.config import Isolation, Workplace
from tests.peers.model_api import use_tool
from tests.peers.sandbox import require_sandbox
from tests.road.conftest import OpenRoad, reply
from tests.supervision.test_workplaces import git


async def test_a_sandboxed_agent_hears_answers_and_commits_to_its_branch(open_road: OpenRoad, tmp_path: Path) -> None:
    require_sandbox()
    repo = tmp_path / "shop"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    (repo / "README").write_text("shop")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "first")
    place = Workplace("worktree", str(repo), branch="agents/ada")
    fields = {"isolation": Isolation("bwrap"), "workplace": place, "permission_mode": "auto"}
    async with open_road("ada", **fields) as road:
        work = "echo hi > hello && git add hello && git commit -qm hello; ls -d /proc/[0-9]* | wc -l; ls -a ~/.. && pwd"
        road.api.when(use_tool("Bash", {"command": work, "description": "d"}), contains="do your work", times=1)
        road.api.when_asked(reply("I am here."), contains="are you there")

        asked = await road.say("general", "@ada are you there?")
        assert await road.wait_until_said("general", "ada", 1) == ["I am here."]
        receipt = await road.wait_until_receipt(asked, "handled")
        assert receipt["seen_at"]
        await road.say("general", "@ada do your work")
        done = await road.api.wait_until(lambda request: request.has_results and "claude" in request.new_results)
        found = await road.wait_until_agent("ada", activity="idle")

    assert found["isolation"] == "bwrap"
    assert "run" not in done.new_results.split()
    assert str(tmp_path / "work" / "ada") in done.new_results
    assert git(repo, "log", "--format=%an %s", "agents/ada").splitlines()[0] == "ada hello"

"""What a session of the real client is told, and which model it asks: as people are shown beforehand."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.claude.rig import rig

from fleet.config.catalogue import load_roles
from fleet.control.skillfiles import install
from fleet.process import Completed, run
from fleet.testing.model.scenario import Call, Turn, bash, read_brief, write

pytestmark = [pytest.mark.tmux, pytest.mark.long, pytest.mark.timeout(600)]

ONCE = "retry: {attempts: 1}\n"
DONE = (Turn("Done."), Turn("Really."))


def test_a_session_reads_the_handbook_that_people_are_shown_and_is_offered_the_skill_of_its_role(client: Path) -> None:
    steps = (
        read_brief(),
        Turn("", (Call("Skill", {"skill": "fleet:fleet-develop"}),)),
        write("hello.txt", "hello\n"),
        bash("git add -A && git commit --quiet -m 'Say hello'"),
        bash("fleet pr create --title 'Say hello'"),
        Turn("Done."),
    )
    with rig(client, {"developer": steps}, fleet_keys=ONCE) as fleet:
        shown = fleet.shell.answer("handbook", "show", "developer")
        fleet.ticket()
        done = fleet.ended("developer")
        assert done["state"] == "succeeded", fleet.story()
        folder = str(fleet.paths.runs / done["session"])
        session, skill = shown["added"]
        first = fleet.model.of("developer")[0].conversation
        assert shown["text"].strip() in first.system
        assert session["text"].replace("RUN/", f"{folder}/").strip() in first.system
        printed = fleet.shell.fleet("handbook", "show", "developer").text
        assert printed.replace("RUN/", f"{folder}/").strip() in first.system
        (entry,) = fleet.log("handbook.compiled")
        assert entry["payload"]["sha256"] == shown["sha256"]
        assert entry["payload"]["added"] == [{"title": one["title"], "sha256": one["sha256"]} for one in shown["added"]]
        offered = [line for text in first.said for line in text.splitlines() if line.startswith("- fleet:")]
        assert len(offered) == 1, "the skill of its role and no other"
        assert offered[0].startswith("- fleet:fleet-develop: Turn a ready ticket into a small, tested pull request")
        told = "\n".join((*fleet.model.of("developer")[2].conversation.said, *first.said))
        assert skill["text"].split("-->\n", 1)[1].strip() in told, "used, it has the whole text"
        assert fleet.log("permission.asked") == []


BACKENDS = {
    "anthropic": ("kind: anthropic", "kind: key_helper, command: [echo, a-key-of-the-test]", "/v1/messages"),
    "bedrock": ("kind: bedrock, region: us-east-1", "kind: none", "/model/{}/invoke-with-response-stream"),
    "vertex": ("kind: vertex, region: us-east5, project: p", "kind: none", "models/{}:streamRawPredict"),
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_model_is_the_agents_else_the_maps_else_that_of_its_roles_tier(client: Path, backend: str) -> None:
    """By the address and body of what the client really asks, beside what people are told."""
    kind, auth, address = BACKENDS[backend]
    # one that names a model, one whose tier the fleet's map names, one whose role decides alone
    others = {
        "named": "role: changelog-editor, mode: headless, model: my-own-model",
        "mapped": "role: developer, mode: headless",
        "plain": "role: changelog-editor, mode: headless",
    }
    ids = {"named": "my-own-model", "mapped": "sonnet-of-the-map"}
    scenarios = {"developer": DONE, **dict.fromkeys(others, DONE)}
    mapped = f"{kind}, models: {{sonnet: sonnet-of-the-map}}"
    with rig(client, scenarios, others=others, backend=mapped, auth=auth, fleet_keys=ONCE) as fleet:
        because = {}
        for name in others:
            fleet.shell.answer("task", "assign", name, "Say what is new")
            because[name] = fleet.shell.answer("agent", "show", name)["agent"]["model_used"]
        for name in others:
            fleet.ended(name)
            asked = fleet.model.of(name)[0]
            model = ids.get(name, asked.conversation.model)
            assert asked.conversation.model == model
            assert address.format(model) in asked.path
        used = fleet.model.of("plain")[0].conversation.model
        assert "haiku" in used, "the default_tier of the role changelog-editor"
        assert because["named"]["because"] == ["agents.named.model"]
        assert because["mapped"]["because"] == ["default_tier of the role developer", "backend.models.sonnet"]
        assert because["plain"] == {
            "model": "haiku",
            "asked": "haiku",
            "because": ["default_tier of the role changelog-editor", "the client's own model of that size"],
        }
        started = {entry["agent"]: entry["payload"]["model"] for entry in fleet.log("run.starting")}
        assert started == {"named": "my-own-model", "mapped": "sonnet-of-the-map", "plain": "haiku"}


# -- what is written for the client -----------------------------------------------------------------------


def validated(client: Path, folder: Path) -> Completed:
    """What the client says of a plugin; it needs no account and no network for that."""
    surroundings = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    return run([client, "plugin", "validate", "--strict", str(folder)], timeout=60, env=surroundings)


@pytest.mark.parametrize(
    "role", ["", "qa-engineer", "ci-engineer", "release-manager", "product-manager", "fleet-operator"]
)
def test_the_client_takes_every_skill_as_a_plugin(client: Path, tmp_path: Path, role: str) -> None:
    install(tmp_path / "plugin", role=load_roles()[role] if role else None, as_plugin=True)
    done = validated(client, tmp_path / "plugin")
    assert done.ok, done.text + done.error_text


def test_the_client_would_notice_a_damaged_skill(client: Path, tmp_path: Path) -> None:
    install(tmp_path / "plugin", as_plugin=True)
    skill = tmp_path / "plugin" / "skills" / "fleet-ship" / "SKILL.md"
    skill.write_text(skill.read_text().replace("description:", "descripton: [", 1))
    assert not validated(client, tmp_path / "plugin").ok

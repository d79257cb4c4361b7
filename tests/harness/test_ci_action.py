"""The composite action and the example workflow: their form, and their steps run as a script on a built adapter."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_case import Player, golden, tensors
from without_torch import LightInstallation

from parity import __main__ as command_line
from parity import stages
from parity.adapters import skeletons
from parity.output import badge
from parity.runs import run as running

ROOT = Path(__file__).parents[2]
ACTION = ROOT / "action.yml"
WORKFLOW = ROOT / "examples" / "ci" / "parity.yml"
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
Json = dict[str, Any]


def read(path: Path) -> Json:
    """A YAML file; YAML 1.1 reads the key `on` as true."""
    content: Json = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def steps_of(path: Path) -> list[Json]:
    content = read(path)
    steps: list[Json] = content["runs"]["steps"] if "runs" in content else content["jobs"]["parity"]["steps"]
    return steps


# ---- form ----


@pytest.mark.parametrize("path", [ACTION, WORKFLOW, ROOT / ".github" / "workflows" / "parity.yml"])
def test_each_step_is_a_script_or_a_versioned_action(path: Path) -> None:
    names = set()
    for step in steps_of(path):
        assert ("run" in step) != ("uses" in step), step
        assert set(step) <= {"name", "id", "if", "uses", "with", "env", "run", "shell"}, step
        if "uses" in step:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@v[\d.]+", step["uses"]), step["uses"]
        elif path == ACTION:
            assert step["shell"] == "bash"
        assert path == ROOT / ".github" / "workflows" / "parity.yml" or "${{" not in step.get("run", ""), (
            "an expression inside a script can insert commands; pass it by env"
        )
        assert step.get("id") not in names
        names |= {step["id"]} if "id" in step else set()


def test_the_action_uses_each_of_its_inputs_and_no_other() -> None:
    text, action = ACTION.read_text(encoding="utf-8"), read(ACTION)
    used = set(re.findall(r"inputs\.([\w-]+)", text))
    assert used == set(action["inputs"])
    assert all(description["description"] for description in action["inputs"].values())
    ids = {step["id"]: step.get("run", "") for step in steps_of(ACTION) if "id" in step}
    for step, output in re.findall(r"steps\.([\w-]+)\.outputs\.([\w-]+)", text):
        assert f'echo "{output}=' in ids[step], f"{step} does not set {output}"


def test_the_example_uses_inputs_and_outputs_of_the_action() -> None:
    action = read(ACTION)
    judge = next(step for step in steps_of(WORKFLOW) if "rvc-parity" in step.get("uses", ""))
    assert set(judge["with"]) <= set(action["inputs"])
    required = {name for name, description in action["inputs"].items() if description.get("required")}
    assert required <= set(judge["with"])
    for output in re.findall(r"steps\.parity\.outputs\.([\w-]+)", WORKFLOW.read_text(encoding="utf-8")):
        assert output in action["outputs"]


def test_the_guide_lists_every_input_with_its_default() -> None:
    guide = (ROOT / "examples" / "ci" / "README.md").read_text(encoding="utf-8")
    for name, description in read(ACTION)["inputs"].items():
        default = str(description.get("default", ""))
        assert f"| `{name}` | {f'`{default}` ' if default else ''}|" in guide


@pytest.mark.parametrize(("path", "schema"), [(ACTION, "vendor.github-actions"), (WORKFLOW, "vendor.github-workflows")])
def test_the_files_fit_the_schemas_of_github(path: Path, schema: str) -> None:
    if shutil.which("check-jsonschema") is None:
        pytest.skip("check-jsonschema is not installed; nox -s lint runs it")
    done = subprocess.run(["check-jsonschema", "--builtin-schema", schema, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# ---- the steps as a script ----


class Runner:
    """Runs the scripts of a workflow and of the action that it uses, without torch; actions of others are skipped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        light = LightInstallation(Path(tempfile.mkdtemp(dir=folder)))
        self.summary, self.printed = folder / "summary", ""
        self.environment = os.environ | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": light.python_path,
            "RUNNER_TEMP": str(folder / "temp"),
            "GITHUB_STEP_SUMMARY": str(self.summary),
        }

    def run(self, steps: list[Json], inputs: Mapping[str, str]) -> tuple[int, dict[str, dict[str, str]]]:
        """The exit code of the first step that fails (0 where none does), and the outputs of each step by its id."""
        outputs: dict[str, dict[str, str]] = {}
        failed = 0
        for step in steps:
            values = {f"inputs.{name}": value for name, value in inputs.items()}
            values |= {
                f"steps.{id}.outputs.{name}": text for id, made in outputs.items() for name, text in made.items()
            }
            if "run" not in step or not self._holds(step.get("if", "true"), values) or failed:
                continue
            store, exported = self.folder / "output", self.folder / "env"
            store.write_text("")
            exported.write_text("")
            given = {name: self._filled(str(text), values) for name, text in step.get("env", {}).items()}
            files = {"GITHUB_OUTPUT": str(store), "GITHUB_ENV": str(exported)}
            done = subprocess.run(
                ["bash", "-e", "-c", step["run"]],
                cwd=self.folder,
                env=self.environment | given | files,
                capture_output=True,
                text=True,
            )
            self.printed += done.stdout + done.stderr
            failed = done.returncode
            outputs[step.get("id", "")] = dict(line.split("=", 1) for line in store.read_text().splitlines())
            self.environment |= dict(line.split("=", 1) for line in exported.read_text().splitlines())
        return failed, outputs

    def _filled(self, text: str, values: Mapping[str, str]) -> str:
        return EXPRESSION.sub(lambda match: values.get(match[1], ""), text)

    def _holds(self, condition: str, values: Mapping[str, str]) -> bool:
        if condition in ("true", "always()"):
            return True
        parts = [re.fullmatch(r"([\w.-]+) != '(.*)'", part) for part in condition.split(" && ")]
        return all(part is not None and values.get(part[1], "") != part[2] for part in parts)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of a port, with the adapter that the example builds, and a golden."""
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("make and a C compiler are not installed")
    folder = tmp_path_factory.mktemp("port")
    skeletons.write("c", folder / "adapter")
    golden(folder / "goldens")
    build = next(step for step in steps_of(WORKFLOW) if step.get("name") == "Build the adapter")
    assert Runner(folder).run([build], {})[0] == 0
    return folder


def judged(port: Path, arguments: str, **changes: str) -> tuple[int, dict[str, dict[str, str]], Runner]:
    """The action on the example's candidate."""
    action = read(ACTION)
    inputs = {name: str(description.get("default", "")) for name, description in action["inputs"].items()}
    inputs |= next(step for step in steps_of(WORKFLOW) if "rvc-parity" in step.get("uses", ""))["with"]
    inputs |= {"packages": "", "arguments": f"--goldens goldens {arguments}", **changes}
    runner = Runner(port)
    runner.summary.unlink(missing_ok=True)
    code, outputs = runner.run(steps_of(ACTION), inputs)
    return code, outputs, runner


def test_a_partial_run_passes_and_leaves_report_badge_and_summary(port: Path) -> None:
    code, outputs, runner = judged(port, "--stage content.upsampled")
    assert code == 0, runner.printed
    assert outputs["check"] == {"exit-code": "4", "verdict": "out/parity/verdict.json"}
    assert re.fullmatch("[0-9a-f]{16}", outputs["voices"]["key"])
    assert "::warning title=rvc-parity::partial: " in runner.printed
    assert json.loads((port / outputs["report"]["badge"]).read_text())["color"] == "yellow"
    assert (port / "out" / "parity" / "report" / "index.html").is_file()
    assert "# Parity: partial" in runner.summary.read_text()
    shown = next(step for step in steps_of(WORKFLOW) if step.get("name") == "Show the badge")
    again = Runner(port)
    environment = {"BADGE": outputs["report"]["badge"]}
    assert again.run([{"run": shown["run"], "env": environment}], {})[0] == 0
    assert '"schemaVersion": 1' in again.printed


@pytest.mark.parametrize(
    ("code", "partial", "result"),
    [("0", "false", 0), ("1", "true", 1), ("3", "true", 3), ("4", "true", 0), ("4", "false", 4)],
)
def test_the_job_ends_with_the_code_of_the_check(tmp_path: Path, code: str, partial: str, result: int) -> None:
    last = steps_of(ACTION)[-1]
    assert last["env"] == {"CODE": "${{ steps.check.outputs.exit-code }}", "PARTIAL": "${{ inputs.partial }}"}
    step = {"run": last["run"], "env": {"CODE": code, "PARTIAL": partial}}
    assert Runner(tmp_path).run([step], {})[0] == result


def test_a_fault_is_annotated_and_fails_the_job(port: Path) -> None:
    code, outputs, runner = judged(port, "--stage z_p")  # the small golden's z_p is no sample of its prior
    assert code == 1 and outputs["check"]["exit-code"] == "1", runner.printed
    assert "::error title=rvc-parity%3A z_p" in runner.printed or "::error title=rvc-parity: z_p" in runner.printed
    assert json.loads((port / outputs["report"]["badge"]).read_text()) == {
        "schemaVersion": 1,
        "label": "RVC parity",
        "message": "z_p differs",
        "color": "red",
    }


def test_a_candidate_that_cannot_start_ends_the_job_with_one_sentence(port: Path) -> None:
    code, outputs, runner = judged(port, "", candidate="./nowhere")
    assert code == 2 and "report" not in outputs
    assert "'./nowhere' cannot be started" in runner.printed


# ---- badge ----


def test_a_badge_counts_the_stages_that_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden(tmp_path / "goldens")
    running.run(Player(tensors()), tmp_path / "goldens", tmp_path / "out")
    assert command_line.main(["badge", str(tmp_path / "out")]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schemaVersion": 1,
        "label": "RVC parity",
        "message": "24 stages hold",
        "color": "brightgreen",
    }
    running.run(Player(tensors(), lacks=("flow",)), tmp_path / "goldens", tmp_path / "out", only_stage="flow")
    assert command_line.main(["badge", str(tmp_path / "out")]) == 0
    assert json.loads(capsys.readouterr().out)["color"] in badge.COLORS.values()


def test_the_badge_of_a_partial_or_unfinished_run_is_no_pass(tmp_path: Path) -> None:
    golden(tmp_path / "goldens")
    verdict = running.run(Player(tensors()), tmp_path / "goldens", tmp_path / "out", only_stage="flow")
    partial = badge.document(verdict)
    assert (partial["message"], partial["color"]) == (f"partial: 1 of {len(stages.every())} stages hold", "yellow")
    assert badge.document({**verdict, "pending": ["other"]})["message"].startswith("unfinished: 1 of ")

"""The life of a Ray job, over HTTP against a stand-in for Kubernetes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.launch import PERMISSIONS, Pace, RayJobSettings, run_as_ray_job
from earthenware.steps import Attempt, DryRun, Result, Spec, StepReport, dry_run, run_step
from tests.launch.service_account import service_account
from tests.launch.stand_in import (
    INITIALIZING,
    NAMESPACE,
    POD,
    POD_UID,
    RUNNING,
    SUCCEEDED,
    Kubernetes,
    Script,
    Status,
    failed,
    wait_for,
    waiting_pod,
)

SETTINGS = RayJobSettings(image="ghcr.io/earthenware/earthenware-python:1.0")
PACE = Pace(poll=0.02, outage=20.0, denied=0.3, grace=0.0, silence=0.5, cleanup=2.0)
LOG = ["Job 'ew-train' submitted", "train: 64/192 chips", "train: done in 3 s", "", "     epochs  2"]


class TinySpec(Spec):
    value: int = 1


class Work:
    """A step whose job writes ``value`` as its result; ``error`` makes it fail."""

    def __init__(self, kubernetes: Kubernetes, output: str) -> None:
        self.kubernetes, self.output = kubernetes, output
        self.error: EarthenwareError | None = None
        self.runs = 0

    def here(self) -> StepReport:
        def body(attempt: Attempt) -> Result:
            self.runs += 1
            if self.error is not None:
                raise self.error
            attempt.put_json("value.json", {"value": 1})
            return Result(counts={"values": 1})

        return run_step("train", 1, spec=TinySpec(), inputs={}, output=self.output, body=body)

    def finish(self) -> Status:
        """What the job's pods do: here, the same step in the stand-in's thread."""
        self.here()
        self.kubernetes.log(*LOG)
        return SUCCEEDED

    def fail(self, reason: str = "AppFailed", tell: bool = True) -> Callable[[], Status]:
        def status() -> Status:
            with pytest.raises(EarthenwareError) as caught:
                self.here()
            if tell:
                self.kubernetes.log("train: failed", json.dumps(caught.value.to_json()))
            return failed(reason, "Job entrypoint command failed with exit code 3")

        return status

    def launch(self, script: Script | None = None, pace: Pace = PACE, **changes: object) -> StepReport:
        if script is not None:
            self.kubernetes.script = script
        settings = SETTINGS.model_copy(update=changes)
        return run_as_ray_job(
            settings, self.here, command=lambda output: ("earthenware", "train", output), workers=2, pace=pace
        )


@pytest.fixture
def work(kubernetes: Kubernetes, tmp_path: Path) -> Work:
    return Work(kubernetes, str(tmp_path / "train" / "out"))


def refused(work: Work, code: str, script: Script | None = None, **changes: object) -> str:
    with pytest.raises(EarthenwareError) as caught:
        work.launch(script, **changes)
    assert caught.value.code == code
    assert caught.value.remedy
    assert "\n" not in caught.value.message
    assert caught.value.message.endswith(".")
    return caught.value.message


# --------------------------------------------------------------------------------------------------------------- good


def test_a_job_is_created_followed_and_ends_as_the_step(kubernetes: Kubernetes, work: Work, capsys):
    report = work.launch([{}, INITIALIZING, RUNNING, RUNNING, work.finish, SUCCEEDED])
    assert (report.step, report.reused, report.manifest.counts) == ("train", False, {"values": 1})
    assert work.runs == 1
    (job,) = kubernetes.made
    assert job["spec"]["entrypoint"] == f"earthenware train {report.output}"
    assert job["metadata"]["namespace"] == NAMESPACE
    assert job["metadata"]["ownerReferences"][0]["uid"] == POD_UID
    told = capsys.readouterr()
    assert told.out.splitlines() == LOG
    assert [word in told.err for word in ("created the Ray job ew-train-", "waits for its pods", "runs")] == [True] * 3
    assert kubernetes.deleted == []  # its deletion rules see to it
    copied = storage.read_bytes(storage.join(report.output, "logs", f"{job['metadata']['name']}.log")).decode()
    assert copied.splitlines() == LOG


def test_a_step_that_is_done_starts_nothing(kubernetes: Kubernetes, work: Work):
    work.here()
    report = work.launch([])
    assert report.reused
    assert kubernetes.requests == []


def test_a_dry_run_starts_nothing(kubernetes: Kubernetes, work: Work):
    with dry_run(), pytest.raises(DryRun, match="train would run into"):
        work.launch([])
    assert kubernetes.requests == []


def test_an_output_of_another_step_starts_nothing(kubernetes: Kubernetes, work: Work):
    Path(work.output).mkdir(parents=True)
    (Path(work.output) / "file").write_text("mine")
    refused(work, "OUTPUT_OCCUPIED", [])
    assert kubernetes.requests == []


def test_the_calls_are_exactly_what_the_role_allows(kubernetes: Kubernetes, work: Work):
    work.launch([RUNNING, work.finish, SUCCEEDED])
    work.output += "-2"
    refused(work, "RAY_JOB_REFUSED", [{"jobDeploymentStatus": "ValidationFailed", "message": "no"}])  # and removes it
    allowed = {(verb, group, resource) for group, resource, verbs in PERMISSIONS for verb in verbs}
    assert {(one.verb, one.group, one.resource) for one in kubernetes.requests} == allowed


def test_time_in_a_queue_is_no_time_without_pods(kubernetes: Kubernetes, work: Work):
    queued: list[Status] = [{"jobDeploymentStatus": "Suspended"}] * 6
    pace = Pace(poll=0.05, grace=-59.9, silence=0.5)  # 0.1 s without pods are too many
    report = work.launch([*queued, INITIALIZING, RUNNING, work.finish, SUCCEEDED], pace=pace, pending_seconds=60)
    assert not report.reused


# ------------------------------------------------------------------------------------------------------------- failure


def test_the_error_is_that_of_the_step(kubernetes: Kubernetes, work: Work, capsys):
    work.error = EarthenwareError("LOSS_NOT_FINITE", "The loss is no finite number at step 7.", "Lower it.")
    message = refused(work, "LOSS_NOT_FINITE", [RUNNING, work.fail(), failed("AppFailed", "exit code 3")])
    assert message == "The loss is no finite number at step 7."
    assert capsys.readouterr().out == "train: failed\n"
    assert kubernetes.deleted == []


def test_the_error_is_that_of_the_step_even_when_its_log_is_lost(work: Work):
    work.error = EarthenwareError("NO_GPU", "device is 'cuda', but Ray has 0 GPUs for 2 workers.", "Use fewer.")
    refused(work, "NO_GPU", [RUNNING, work.fail(tell=False), failed("SubmissionFailed", "BackoffLimitExceeded")])


def test_an_error_of_an_earlier_attempt_is_not_taken_for_this_ones(work: Work):
    work.error = EarthenwareError("NO_GPU", "device is 'cuda', but Ray has 0 GPUs.", "Use fewer.")
    with pytest.raises(EarthenwareError):
        work.here()
    message = refused(work, "RAY_JOB_FAILED", [RUNNING, failed("AppFailed", "exit code 137")])
    assert "failed (AppFailed: exit code 137)" in message


def test_kuberay_refuses_the_job(kubernetes: Kubernetes, work: Work):
    status = {
        "jobDeploymentStatus": "ValidationFailed",
        "reason": "ValidationFailed",
        "message": "The spec is invalid.",
    }
    assert "The spec is invalid." in refused(work, "RAY_JOB_REFUSED", [{}, status])
    assert kubernetes.deleted == [kubernetes.made[0]["metadata"]["name"]]  # nothing else would ever remove it


def test_kubernetes_refuses_the_job(kubernetes: Kubernetes, work: Work):
    message = refused(work, "RAY_JOB_REFUSED", [], labels={"a b": "c"})
    assert "label a b" in message
    assert kubernetes.jobs == {}


def test_pods_that_never_come(kubernetes: Kubernetes, work: Work):
    kubernetes.worker_pods = [waiting_pod("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.")]
    pace = Pace(poll=0.02, grace=-59.8, silence=0.5)
    message = refused(work, "RAY_JOB_PENDING", [INITIALIZING], pace=pace, pending_seconds=60)
    assert "within 60 s: workers-1: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu." in message
    assert len(kubernetes.deleted) == 1


def test_pods_that_never_come_as_kuberay_says_it(kubernetes: Kubernetes, work: Work):
    status = failed("PreRunningDeadlineExceeded", "The RayJob has passed the preRunningDeadlineSeconds.", job="")
    assert "did not get its pods within 3600 s." in refused(work, "RAY_JOB_PENDING", [INITIALIZING, status])


def test_a_job_that_runs_too_long(work: Work):
    status = failed("DeadlineExceeded", "The RayJob has passed the activeDeadlineSeconds.", job="RUNNING")
    assert "its deadline of 604800 s" in refused(work, "RAY_JOB_DEADLINE", [RUNNING, status])


def test_a_job_that_runs_too_long_without_kuberay(kubernetes: Kubernetes, work: Work):
    pace = Pace(poll=0.02, grace=-59.8, silence=0.5)
    refused(work, "RAY_JOB_DEADLINE", [RUNNING], pace=pace, deadline_seconds=60)
    assert len(kubernetes.deleted) == 1


def test_a_head_that_is_lost(work: Work):
    status = failed("JobStatusCheckTimeoutExceeded", "no answer from the dashboard\nfor 300 s.", job="RUNNING")
    message = refused(work, "RAY_HEAD_LOST", [RUNNING, RUNNING, status])
    assert message.endswith("is lost: no answer from the dashboard for 300 s.")


def test_a_job_that_somebody_stopped(kubernetes: Kubernetes, work: Work):
    refused(work, "RAY_JOB_STOPPED", [RUNNING, {"jobDeploymentStatus": "Complete", "jobStatus": "STOPPED"}])
    assert len(kubernetes.deleted) == 1


def test_a_job_that_somebody_deleted(kubernetes: Kubernetes, work: Work):
    def delete() -> Status:
        kubernetes.remove(*kubernetes.jobs)
        return RUNNING

    refused(work, "RAY_JOB_GONE", [RUNNING, delete])


def test_success_without_a_result_is_a_failure(work: Work):
    assert "no manifest" in refused(work, "RAY_JOB_FAILED", [RUNNING, SUCCEEDED])


def test_a_result_is_a_success_whatever_became_of_the_submitter(work: Work):
    def lost() -> Status:
        work.here()
        return failed("SubmissionFailed", "BackoffLimitExceeded", job="RUNNING")

    assert not work.launch([RUNNING, lost]).reused


# ------------------------------------------------------------------------------------------------ a launcher's restart


def test_a_launcher_that_restarts_goes_on_with_the_job(kubernetes: Kubernetes, work: Work, capsys):
    kubernetes.script = [RUNNING]
    kubernetes.log("train: 64/192 chips")
    process = launcher(work)
    wait_for(lambda: kubernetes.queries)  # it follows the log
    process.kill()
    process.communicate()
    report = work.launch([RUNNING, work.finish, SUCCEEDED])
    assert (len(kubernetes.made), report.reused) == (1, False)
    told = capsys.readouterr()
    assert "goes on with the Ray job" in told.err
    assert told.out.splitlines() == ["train: 64/192 chips", *LOG]


def test_a_job_that_failed_makes_room_for_the_next(kubernetes: Kubernetes, work: Work):
    refused(work, "RAY_JOB_FAILED", [RUNNING, failed("AppFailed", "exit code 137")])
    work.launch([RUNNING, work.finish, SUCCEEDED])
    first, second = (job["metadata"]["name"] for job in kubernetes.made)
    assert (first[:-1], first[-1], second[-1]) == (second[:-1], "0", "1")


def test_a_launcher_that_restarts_finds_its_job_when_an_earlier_one_is_gone(kubernetes: Kubernetes, work: Work):
    refused(work, "RAY_JOB_FAILED", [RUNNING, failed("AppFailed", "exit code 137")])
    kubernetes.script = [RUNNING]
    process = launcher(work)
    wait_for(lambda: len(kubernetes.made) == 2)
    process.kill()
    process.communicate()
    kubernetes.remove(kubernetes.made[0]["metadata"]["name"])  # its time to live is over
    work.launch([RUNNING, work.finish, SUCCEEDED])
    assert len(kubernetes.made) == 2


def test_a_job_of_the_same_name_that_is_another_is_left_alone(kubernetes: Kubernetes, work: Work):
    refused(work, "RAY_JOB_FAILED", [RUNNING, failed("AppFailed", "exit code 137")])
    (job,) = kubernetes.jobs.values()
    job["metadata"]["annotations"]["earthenware.github.io/output"] = "s3://elsewhere"
    job["status"] = RUNNING
    refused(work, "NAME_TAKEN", [RUNNING])
    assert len(kubernetes.jobs) == 1


# ----------------------------------------------------------------------------------------------------------- the API


def test_an_api_that_restarts_is_waited_for(kubernetes: Kubernetes, work: Work, capsys):
    def restart() -> Status:
        kubernetes.log("before")

        def away() -> None:
            kubernetes.close()
            time.sleep(1.0)
            kubernetes.open()

        threading.Thread(target=away).start()
        return RUNNING

    kubernetes.troubles = [("get", "rayjobs", 503, "etcd leader changed"), ("create", "rayjobs", 500, "internal")]
    report = work.launch([RUNNING, restart, *[RUNNING] * 5, work.finish, SUCCEEDED])
    assert not report.reused
    assert len(kubernetes.made) == 1
    assert capsys.readouterr().out.splitlines() == ["before", *LOG]


def test_an_api_that_stays_away_is_given_up(kubernetes: Kubernetes, work: Work):
    kubernetes.close()
    pace = Pace(poll=0.02, outage=0.3, cleanup=0.2, silence=0.5)
    message = refused(work, "CLUSTER_UNREACHABLE", pace=pace)
    assert f"http://127.0.0.1:{kubernetes.port}" in message
    assert "connection refused" in message


def test_a_job_created_by_a_call_whose_answer_was_lost_is_the_one(kubernetes: Kubernetes, work: Work):
    def lost(job: dict) -> None:
        kubernetes.on_create = lambda job: None
        raise ConnectionResetError

    kubernetes.on_create = lost
    assert not work.launch([RUNNING, work.finish, SUCCEEDED]).reused
    assert len(kubernetes.made) == 1


def test_a_token_that_was_renewed_is_read_anew(kubernetes: Kubernetes, work: Work):
    def rotate() -> Status:
        kubernetes.token = "token-2"
        kubernetes.kubeconfig(kubernetes.path)
        return RUNNING

    assert not work.launch([RUNNING, rotate, RUNNING, work.finish, SUCCEEDED]).reused


def test_a_token_that_ran_out_for_good(kubernetes: Kubernetes, work: Work):
    kubernetes.token = "another"
    message = refused(work, "CLUSTER_TOKEN")
    assert "token-1" not in message


def test_a_role_that_is_missing(kubernetes: Kubernetes, work: Work):
    user = 'User "system:serviceaccount:team-a:default" cannot create resource "rayjobs" in API group "ray.io"'
    kubernetes.troubles = [("create", "rayjobs", 403, f"rayjobs.ray.io is forbidden: {user}")]
    message = refused(work, "CLUSTER_FORBIDDEN")
    assert message == "The service account may not create rayjobs.ray.io in namespace 'team-a' (403)."


def test_a_quota_that_is_used_up(kubernetes: Kubernetes, work: Work):
    kubernetes.troubles = [("create", "rayjobs", 403, "exceeded quota: jobs, requested: count/rayjobs=1")]
    assert "exceeded quota: jobs" in refused(work, "CLUSTER_FORBIDDEN")


def test_a_role_that_is_missing_for_the_logs_costs_no_more_than_them(kubernetes: Kubernetes, work: Work, capsys):
    text = 'pods "x" is forbidden: User "u" cannot get resource "pods/log" in API group ""'
    kubernetes.troubles = [("get", "pods/log", 403, text)] * 9
    assert not work.launch([RUNNING, RUNNING, work.finish, SUCCEEDED]).reused
    assert "its log is not shown: The service account may not get pods/log" in capsys.readouterr().err


def test_a_cluster_without_kuberay(kubernetes: Kubernetes, work: Work):
    kubernetes.troubles = [("create", "rayjobs", 404, "the server could not find the requested resource")]
    assert "The cluster knows no RayJobs" in refused(work, "NO_KUBERAY")


def test_no_cluster_at_all(work: Work, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    refused(work, "NO_CLUSTER")


def test_a_pod_uses_its_service_account_whose_token_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    account = service_account(tmp_path, monkeypatch)
    pod = Kubernetes(tmp_path, account.tls)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(pod.port))
    work = Work(pod, str(tmp_path / "out"))

    def rotate() -> Status:
        pod.token = "token-2"
        account.token.write_text("token-2")
        return RUNNING

    try:
        assert not work.launch([RUNNING, rotate, RUNNING, work.finish, SUCCEEDED]).reused
    finally:
        pod.close()
    (job,) = pod.made
    assert job["metadata"]["namespace"] == NAMESPACE
    assert job["metadata"]["ownerReferences"][0]["name"] == POD
    assert capsys.readouterr().out.splitlines() == LOG


# ---------------------------------------------------------------------------------------------------------------- log


@pytest.mark.parametrize("cut", [[7], [35], [60, 45, 10], [0, 1, 2]])
def test_a_log_whose_connection_breaks_is_whole_and_has_nothing_twice(
    kubernetes: Kubernetes, work: Work, capsys, cut: list[int]
):
    lines = ["one", "two", "two", "two", "three"]

    def speak() -> Status:
        kubernetes.log(*lines)
        return RUNNING

    kubernetes.cut_after = list(cut)
    work.launch([RUNNING, speak, *[RUNNING] * 20, work.finish, SUCCEEDED])
    assert capsys.readouterr().out.splitlines() == [*lines, *LOG]
    assert kubernetes.cut_after == []


def test_a_silent_log_is_asked_for_anew_and_only_for_what_is_new(kubernetes: Kubernetes, work: Work, capsys):
    def speak() -> Status:
        kubernetes.log("one")
        return RUNNING

    pace = Pace(poll=0.05, silence=0.1)
    work.launch([RUNNING, speak, *[RUNNING] * 20, work.finish, SUCCEEDED], pace=pace)
    assert capsys.readouterr().out.splitlines() == ["one", *LOG]
    assert sum("sinceSeconds" in query for query in kubernetes.queries) >= 2


# ---------------------------------------------------------------------------------------------------------- interrupts

PROGRAM = """
import contextlib, sys
from tests.launch.test_life import Work
from earthenware.processes import step_process
with step_process() if "step" in sys.argv else contextlib.nullcontext():
    Work(None, sys.argv[1]).launch()
"""


def launcher(work: Work, *options: str) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", PROGRAM, work.output, *options]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize(
    ("number", "options"), [(signal.SIGTERM, ()), (signal.SIGTERM, ("step",)), (signal.SIGINT, ("step",))]
)
def test_a_launcher_that_is_told_to_end_removes_its_job(
    kubernetes: Kubernetes, work: Work, number: signal.Signals, options: tuple[str, ...]
):
    kubernetes.script = [RUNNING]
    process = launcher(work, *options)
    wait_for(lambda: kubernetes.queries)  # it follows the log
    began = time.monotonic()
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert kubernetes.jobs == {}
    assert len(kubernetes.deleted) == 1
    assert process.returncode != 0
    assert "removed the Ray job" in output

"""What processes and containers use."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoneshare_benchmarks.runner import resources
from zoneshare_benchmarks.runner.resources import Usage, Watch, docker_stats

ROW = {"Name": "peer0", "CPUPerc": "12.50%", "MemUsage": "50MiB / 7.6GiB"}


def docker(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (folder / "docker").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_containers_are_read_from_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker(tmp_path, monkeypatch, f"echo '{json.dumps(ROW)}'; echo 'not json'; echo '{{}}'")
    ((name, cpu, megabytes),) = docker_stats()
    assert (name, cpu) == ("peer0", 12.5)
    assert megabytes == pytest.approx(52.4288)


@pytest.mark.parametrize("script", ["exit 1", "echo '{\"Name\":1}'"])
def test_docker_that_does_not_answer_has_no_containers(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker(tmp_path, monkeypatch, script)
    assert docker_stats() == []


def test_no_docker_is_no_container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert docker_stats() == []


def test_a_busy_process_and_its_child_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "INTERVAL_S", 0.1)
    burn = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    with subprocess.Popen([sys.executable, "-c", burn], start_new_session=True) as process:
        watch = Watch({"busy": process.pid, "gone": 2**22 - 1})
        watch.start()
        time.sleep(1.0)
        usage = watch.stop()
        os.killpg(process.pid, 9)
    assert usage["busy"].cpu > 5, "its child's, mostly"
    assert usage["busy"].rss > 5
    assert "gone" not in usage


def test_usage_is_a_mean_and_the_largest() -> None:
    usage = Usage()
    for cpu, rss in ((10.0, 5.0), (30.0, 7.0), (20.0, 6.0)):
        usage.add(cpu, rss)
    assert usage.cpu == pytest.approx(20.0)
    assert (usage.peak, usage.rss) == (30.0, 7.0)

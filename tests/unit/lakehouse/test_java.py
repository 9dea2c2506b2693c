import subprocess
from pathlib import Path

import pytest

from lakehouse.runtime.java import java_home, spark_java_home
from lakehouse.settings import Settings
from specs.errors import WrongInput


def fake_java(home: Path, version: str) -> Path:
    """A Java home whose ``java`` prints its arguments, one a line."""
    (home / "bin").mkdir(parents=True)
    (home / "release").write_text(f'IMPLEMENTOR="nobody"\nJAVA_VERSION="{version}"\n')
    (home / "bin" / "java").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (home / "bin" / "java").chmod(0o755)
    return home


def test_java_comes_along(tmp_path: Path) -> None:
    java = java_home(Settings(home=tmp_path, java_home=None)) / "bin" / "java"
    done = subprocess.run([java, "-version"], capture_output=True, text=True, check=True)
    assert 'version "25' in done.stderr


def test_spark_gets_every_argument_but_the_missing_module(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "it's", java_home=fake_java(tmp_path / "a b", "17.0.9"))
    java = spark_java_home(settings) / "bin" / "java"
    given = ["-Xmx1g", "--add-modules=jdk.incubator.vector", "two words", "", "--add-opens=a/b=c"]
    done = subprocess.run([java, *given], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["-Xmx1g", "two words", "", "--add-opens=a/b=c"]


def test_a_chosen_java_must_be_of_a_version_that_works(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="is Java 11; this needs 17 to 25"):
        java_home(Settings(home=tmp_path, java_home=fake_java(tmp_path / "java", "11.0.1")))
    with pytest.raises(WrongInput, match="no Java home"):
        java_home(Settings(home=tmp_path, java_home=tmp_path / "nothing"))

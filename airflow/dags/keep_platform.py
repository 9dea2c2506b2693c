"""DAG `platform`: keep the servers up, in the order in which they need each other."""

from traffic_plan import command, planned

DOC = """
Keeps the embedded servers up, and lander and stream where `traffic up --with pipeline` runs them.

1. `servers`: of all that was started, starts what is down in the order in which one needs the
   other, restarts what lives but does not answer, and waits until each answers. Airflow itself is
   left alone, and so is a job whose gate refused a batch: it waits for a person, and `health`
   fails.
2. `topics`: creates the Kafka topics of the specs that are absent.
3. `health`: asks every server; it fails unless all are up.

Run again it changes nothing. What a server said is in `.traffic/log/<name>.log`.
"""

with planned("platform", DOC):
    servers = command("servers", "up --heal", doc_md="Start, or restart, what does not answer.")
    topics = command("topics", "topic create", doc_md="Topics of the specs; one that exists stays.")
    health = command("health", "status", doc_md="Exit 1 unless every server answers.")
    servers >> topics >> health

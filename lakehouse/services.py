"""Where the servers are: what the settings say, or else the embedded ones that run."""

from lakehouse.settings import Settings
from specs.errors import Unavailable


def _running(settings: Settings, name: str, start: str = "traffic up") -> str:
    from lakehouse.runtime.stack import endpoints

    found = endpoints(settings.home)
    if name not in found:
        raise Unavailable(f"{name} is not running below {settings.home}; start it with `{start}`")
    return found[name]


def kafka_bootstrap(settings: Settings) -> str:
    """Kafka's address.

    Raises:
        Unavailable: no address is set and no embedded broker runs.
    """
    return settings.kafka_bootstrap or _running(settings, "kafka")


def mlflow_uri(settings: Settings) -> str:
    """MLflow's address.

    Raises:
        Unavailable: no address is set and no embedded server runs.
    """
    return settings.mlflow_uri or _running(settings, "mlflow")


def trino_url(settings: Settings) -> str:
    """Trino's address.

    Raises:
        Unavailable: no address is set and no embedded server runs.
    """
    return settings.trino_url or _running(settings, "trino", "traffic up --with trino")

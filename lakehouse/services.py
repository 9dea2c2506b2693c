"""Where the servers are: what the settings say, or else the embedded ones that run."""

from lakehouse.kafka_access import KafkaAccess
from lakehouse.server_home import kafka_home
from lakehouse.settings import Settings
from specs.errors import Unavailable, WrongInput


def _running(settings: Settings, name: str, start: str = "traffic up") -> str:
    from lakehouse.runtime.stack import endpoints

    found = endpoints(settings.home)
    if name not in found:
        raise Unavailable(f"{name} is not running below {settings.home}; start it with `{start}`")
    return found[name]


def kafka_access(settings: Settings, service: str, bootstrap: str | None = None) -> KafkaAccess:
    """Kafka's address, and the login of ``service`` where it asks for one.

    Args:
        settings: address, user and password where they are set.
        service: who asks, if ``settings`` name no other user.
        bootstrap: an address that goes before that of ``settings``.

    Raises:
        Unavailable: no address is set and no embedded broker runs.
        WrongInput: the embedded broker asks for a login, and knows no such user.
    """
    address = bootstrap or settings.kafka_bootstrap or _running(settings, "kafka")
    home, user = kafka_home(settings), settings.kafka_user or service
    authority = settings.kafka_authority or (
        home.certificate if settings.kafka_passwords and home.certificate.exists() else None
    )
    if settings.kafka_password is not None:
        return KafkaAccess(address, user, settings.kafka_password.get_secret_value(), authority)
    if not settings.kafka_passwords:
        return KafkaAccess(address)
    if not home.password(user).exists():
        raise WrongInput(f"no password for Kafka's user {user!r}: set TRAFFIC_KAFKA_PASSWORD")
    return KafkaAccess(address, user, home.password(user).read_text().strip(), authority)


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

"""Writes docs/sql.md with the answers of the lake at TRAFFIC_HOME; its Trino must be up."""

from lakehouse.services import trino_url
from lakehouse.settings import Settings
from lakehouse.trino.client import Client, Endpoint
from lakehouse.trino.guide import GUIDE, renewed
from lakehouse.trino.render import markdown


def main() -> None:
    settings = Settings()
    with Client(Endpoint.of(settings, trino_url(settings))) as client:

        def answer(sql: str) -> str:
            with client.ask(sql) as found:
                return markdown(found.columns, found.rows)

        GUIDE.write_text(renewed(GUIDE, answer))


if __name__ == "__main__":
    main()

"""Grafana's dashboards as code; `traffic ops build` writes them to ``deploy/grafana``."""

"""Grafana's dashboards as code; `traffic specs build` writes them to ``deploy/grafana``."""

"""Configuration of Prometheus, Alertmanager and Grafana, made of the specs."""

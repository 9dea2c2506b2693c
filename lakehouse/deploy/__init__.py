"""What the containers of ``docker-compose.yaml`` need beyond the commands that run anywhere."""

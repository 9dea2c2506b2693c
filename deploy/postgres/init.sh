#!/bin/sh
# One role and database a service, each with its own password; run once, on an empty volume.
set -eu
for name in airflow metastore mlflow superset; do
  password=$(printenv "$(echo "$name" | tr a-z A-Z)_DB_PASSWORD")
  psql --username "$POSTGRES_USER" --dbname postgres --no-psqlrc --quiet \
    --set ON_ERROR_STOP=1 --set name="$name" --set password="$password" << 'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done

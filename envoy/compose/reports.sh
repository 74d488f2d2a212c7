#!/bin/sh
# Accounts of the MariaDB `reports`: the observer and one application. Passwords travel in the environment and on stdin,
# never in an argument; a quote in one would end its string, so there must be none.
set -eu
case "$OBSERVER_PASSWORD$ANALYST_PASSWORD" in
*[\'\\]*) echo 'reports: no quotes or backslashes in passwords, please' >&2; exit 1 ;;
esac
MYSQL_PWD=$MARIADB_ROOT_PASSWORD mariadb --user=root <<SQL
CREATE USER sluice_observer IDENTIFIED BY '$OBSERVER_PASSWORD' WITH MAX_USER_CONNECTIONS 2;
GRANT PROCESS ON *.* TO sluice_observer;
CREATE USER analyst IDENTIFIED BY '$ANALYST_PASSWORD';
GRANT ALL ON reports.* TO analyst;
SQL

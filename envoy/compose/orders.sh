#!/bin/sh
# Accounts of the Postgres `orders`: the observer and one application. Passwords travel in the environment, never in an
# argument.
set -eu
psql --username postgres --dbname orders --set ON_ERROR_STOP=1 <<'SQL'
\getenv observer OBSERVER_PASSWORD
\getenv checkout CHECKOUT_PASSWORD
CREATE ROLE sluice_observer LOGIN CONNECTION LIMIT 2 PASSWORD :'observer' IN ROLE pg_read_all_stats;
CREATE ROLE checkout LOGIN PASSWORD :'checkout';
SQL

#!/usr/bin/env bash
set -Eeuo pipefail

# Options alone are for postgres.
if [[ ${1:0:1} = - ]]; then
	set -- postgres "$@"
fi

# Started as root: take over the directories, then go on as postgres.
if [[ $1 = postgres && $(id -u) = 0 ]]; then
	mkdir -p "$PGDATA" /var/run/postgresql
	find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
	exec gosu postgres "${BASH_SOURCE[0]}" "$@"
fi

# The server for those who set it up: the unix socket only.
temporary() { pg_ctl --pgdata "$PGDATA" --options "-c listen_addresses='' -c config_file=/etc/postgresql/postgresql.conf -c fsync=off" --wait --log /tmp/first-start.log "$@"; }

first_start() {
	chmod 700 "$PGDATA"
	initdb --username=postgres --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --no-sync --no-instructions
	temporary start
	local file
	for file in /docker-entrypoint-initdb.d/*; do
		case $file in
			*.sh) printf '%s\n' "$file"; . "$file" ;;
			*.sql) printf '%s\n' "$file"; psql --username=postgres --no-psqlrc --quiet -v ON_ERROR_STOP=1 --file="$file" ;;
			*.sql.gz) printf '%s\n' "$file"; gunzip -c "$file" | psql --username=postgres --no-psqlrc --quiet -v ON_ERROR_STOP=1 --dbname=shop ;;
		esac
	done
	temporary --mode=fast stop
	rm -f /tmp/first-start.log
}

if [[ $1 = postgres && ! -s $PGDATA/PG_VERSION ]]; then
	first_start
fi
exec "$@"

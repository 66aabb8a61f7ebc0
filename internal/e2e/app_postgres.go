package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

const postgresPort = 5432

func init() {
	register(app{
		name:    "postgres",
		context: "testdata/images/postgres",
		ports:   []int{postgresPort},
		single:  []string{"--tcp", "5432"},
		ready: func(ctx context.Context, c *container) error {
			return pgAsk(ctx, c, pgStep{"SELECT 1", "1"})
		},
		checks: []check{
			{"what the first start made", pgFirst},
			{"joins, windows, JSON", pgQueries},
			{"transactions, and what they undo", pgTransactions},
			{"constraints, said in German", pgConstraints},
			{"notifications from a function", pgNotify},
			{"full text in German, and synonyms of the house", pgText},
			{"likeness, accents, lists of keys", pgExtensions},
			{"time zones and their short names", pgTimes},
			{"German months and order of words, Swedish too", pgLocale},
			{"conversions of character sets", pgEncodings},
			{"digests, passwords, ciphers", pgCrypto},
			{"a function in Python, with a module of its own", pgPython},
			{"code compiled at run time", pgJIT},
			{"XML", pgXML},
			{"a file as a table", pgFile},
			{"a program's input and output", pgProgram},
			{"several processes for one query", pgParallel},
			{"statistics of a library loaded at the start", pgStatistics},
			{"TLS with its certificate", pgSecure},
			{"a wrong password", pgWrong},
			{"psql and pg_dump, over the unix socket", pgClients},
			{"stops cleanly and has its data again", pgRestart},
		},
		mutate: []string{
			"/usr/local/bin/docker-entrypoint.sh",
			"/bin/bash",
			"/bin/gunzip",
			"/usr/lib/postgresql/15/bin/postgres",
			"/usr/lib/postgresql/15/bin/initdb",
			"/usr/lib/postgresql/15/bin/pg_ctl",
			"/usr/lib/postgresql/15/bin/psql",
			"/usr/lib/postgresql/15/bin/pg_dump",
			"/usr/lib/postgresql/15/bin/pg_isready",
			"/usr/lib/postgresql/15/lib/dict_snowball.so",
			"/usr/lib/postgresql/15/lib/euc_jp_and_sjis.so",
			"/usr/lib/postgresql/15/lib/llvmjit.so",
			"/usr/lib/postgresql/15/lib/llvmjit_types.bc",
			"/usr/lib/postgresql/15/lib/pgcrypto.so",
			"/usr/lib/postgresql/15/lib/plpython3.so",
			"/usr/lib/postgresql/15/lib/pg_stat_statements.so",
			"/usr/share/postgresql/15/postgres.bki",
			"/usr/share/postgresql/15/tsearch_data/german.stop",
			"/usr/share/postgresql/15/tsearch_data/shop.syn",
			"/usr/share/postgresql/15/tsearch_data/unaccent.rules",
			"/usr/share/postgresql/15/timezonesets/Australia",
			"/usr/share/postgresql/15/extension/hstore.control",
			"/usr/share/locale/de/LC_MESSAGES/postgres-15.mo",
			"/usr/share/zoneinfo/America/Caracas",
			"/usr/lib/locale/locale-archive",
			"/usr/lib/x86_64-linux-gnu/libicudata.so.72",
			"/usr/lib/python3.11/decimal.py",
			"/srv/python/till.py",
			"/srv/prices.csv",
			"/etc/postgresql/pg_hba.conf",
			"/etc/postgresql/conf.d/times.conf",
			"/etc/postgresql/tls/server.key",
			"/docker-entrypoint-initdb.d/30-orders.sql.gz",
			"/var/run/postgresql",
			"/etc/passwd",
		},
	})
}

// pgStep is a query and its rows, as pgConn.ask has them.
type pgStep struct{ sql, want string }

var pgStaff = pgLogin{user: "postgres", password: "till-4711", database: "shop"}

// pgAsk runs steps over one connection.
func pgAsk(ctx context.Context, c *container, steps ...pgStep) error {
	conn, err := pgDial(ctx, c.addr(postgresPort), pgStaff)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.steps(steps...)
}

// steps runs them all; "*" is any answer, "!CODE part" an error.
func (c *pgConn) steps(steps ...pgStep) error {
	for _, s := range steps {
		got, err := c.ask(s.sql)
		var said *pgError
		if wanted, isError := strings.CutPrefix(s.want, "!"); isError {
			if !errors.As(err, &said) || !strings.HasPrefix(said.Error(), wanted) {
				return fmt.Errorf("%s: %q, %v; want the error %s", s.sql, got, err, wanted)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.sql, err)
		}
		if s.want != "*" && got != s.want {
			return fmt.Errorf("%s: %q, want %q", s.sql, got, s.want)
		}
	}
	return nil
}

func pgFirst(ctx context.Context, c *container) error {
	return pgAsk(ctx, c,
		pgStep{"SELECT count(*) >= 1000, sum(count) FILTER (WHERE id <= 1000) FROM orders", "t|3000"},
		pgStep{"SELECT id, name, tags->'material' FROM product ORDER BY id", "1|Teekanne|Ton\n2|Große Tasse|Glas"},
		pgStep{"SHOW config_file", "/etc/postgresql/postgresql.conf"},
		pgStep{"SHOW server_encoding", "UTF8"},
	)
}

func pgQueries(ctx context.Context, c *container) error {
	return pgAsk(ctx, c,
		pgStep{"SELECT name, sum(count) FROM orders JOIN product p ON p.id = product WHERE orders.id <= 1000 GROUP BY name ORDER BY name", "Große Tasse|1500\nTeekanne|1500"},
		pgStep{"SELECT id, rank() OVER (ORDER BY count DESC), lag(count) OVER (ORDER BY id) FROM orders WHERE id <= 3 ORDER BY id", "1|3|NULL\n2|2|2\n3|1|3"},
		pgStep{`SELECT jsonb_path_query_array('{"a":[1,5,9]}', '$.a[*] ? (@ > 2)'), '{"b":{"c":"ü"}}'::jsonb #>> '{b,c}'`, "[5, 9]|ü"},
		pgStep{"WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n*2 FROM t WHERE n < 100) SELECT string_agg(n::text, ',') FROM t", "1,2,4,8,16,32,64,128"},
		pgStep{"SELECT regexp_replace('Tee 42', '(\\w+) (\\d+)', '\\2 \\1'), trunc(2::numeric ^ 100)", "42 Tee|1267650600228229401496703205376"},
	)
}

func pgTransactions(ctx context.Context, c *container) error {
	return pgAsk(ctx, c,
		pgStep{"BEGIN ISOLATION LEVEL SERIALIZABLE", ""},
		pgStep{"INSERT INTO product VALUES (99, 'x', NULL)", ""},
		pgStep{"SAVEPOINT s", ""},
		pgStep{"SELECT 1/0", "!22012 "},
		pgStep{"ROLLBACK TO s", ""},
		pgStep{"SELECT count(*) FROM product WHERE id = 99", "1"},
		pgStep{"ROLLBACK", ""},
		pgStep{"SELECT count(*) FROM product WHERE id = 99", "0"},
		pgStep{"CREATE TEMP TABLE big AS SELECT n, md5(n::text) FROM generate_series(1, 20000) n; SET work_mem = '64kB'; SELECT n FROM big ORDER BY md5 LIMIT 2", "5329\n1970"},
		pgStep{"VACUUM ANALYZE orders", ""},
		pgStep{"CHECKPOINT", ""},
	)
}

func pgConstraints(ctx context.Context, c *container) error {
	return pgAsk(ctx, c,
		pgStep{"SELECT * FROM nothing", "!42P01 Relation »nothing« existiert nicht"},
		pgStep{"INSERT INTO orders (product, count) VALUES (1, 0)", "!23514 neue Zeile für Relation »orders« verletzt Check-Constraint »orders_count_check«"},
		pgStep{"INSERT INTO orders (product, count) VALUES (77, 1)", "!23503 "},
		pgStep{"DELETE FROM rental; INSERT INTO rental VALUES (1, '[2024-01-01,2024-01-05)')", ""},
		pgStep{"INSERT INTO rental VALUES (1, '[2024-01-04,2024-01-09)')", "!23P01 "},
	)
}

func pgNotify(ctx context.Context, c *container) error {
	conn, err := pgDial(ctx, c.addr(postgresPort), pgStaff)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.steps(pgStep{"LISTEN orders", ""}); err != nil {
		return err
	}
	id, err := conn.ask("SELECT order_it(2, 3)")
	if err != nil {
		return err
	}
	if err := conn.steps(pgStep{"SELECT 1", "1"}); err != nil {
		return err
	}
	if len(conn.notice) != 1 || conn.notice[0] != id {
		return fmt.Errorf("order %s was made, the notifications are %q", id, conn.notice)
	}
	return nil
}

func pgText(ctx context.Context, c *container) error {
	return pgAsk(ctx, c,
		pgStep{"SELECT to_tsvector('Die Kannen und die Tassen')", "'kann':2 'tass':5"},
		pgStep{"SELECT to_tsvector('english', 'the running cups')", "'cup':3 'run':2"},
		pgStep{"SELECT to_tsvector('shop', 'Pott und Kanne') @@ to_tsquery('shop', 'kanne & pott'), to_tsvector('shop', 'Pott')", "t|'tee':1"},
		pgStep{"SELECT ts_headline('Alle Tassen', to_tsquery('Tasse'))", "Alle <b>Tassen</b>"},
	)
}

func pgExtensions(ctx context.Context, c *container) error {
	return pgAsk(ctx, c,
		pgStep{"SELECT unaccent('Crème brûlée, Ångström, Œuvre')", "Creme brulee, Angstrom, OEuvre"},
		pgStep{"SELECT similarity('Teekanne', 'Teekannen') > 0.7, 'Teekanne' % 'Tasse'", "t|f"},
		pgStep{`SELECT 'a=>1,b=>2'::hstore || 'b=>3', akeys('x=>1')`, `"a"=>"1", "b"=>"3"|{x}`},
		pgStep{"CREATE EXTENSION IF NOT EXISTS citext; SELECT 'TEE'::citext = 'tee'", "t"},
	)
}

func pgTimes(ctx context.Context, c *container) error {
	return pgAsk(ctx, c,
		pgStep{"SELECT '2024-07-01 12:00 UTC'::timestamptz", "2024-07-01 14:00:00+02"},
		pgStep{"SELECT '2015-01-01 00:00 UTC'::timestamptz AT TIME ZONE 'America/Caracas'", "2014-12-31 19:30:00"},
		pgStep{"SELECT '2024-01-01 12:00 EST'::timestamptz AT TIME ZONE 'UTC'", "2024-01-01 02:00:00"}, // Australia's, by conf.d
		pgStep{"SET timezone = 'Australia/Lord_Howe'; SELECT '2024-01-01 00:00Z'::timestamptz", "2024-01-01 11:00:00+11"},
	)
}

func pgLocale(ctx context.Context, c *container) error {
	return pgAsk(ctx, c,
		pgStep{"SELECT to_char(date '2024-03-01', 'TMDay, DD. TMMonth'), to_char(1234.5, '9G999D99L')", "Freitag, 01. März| 1.234,50€"},
		pgStep{"SELECT string_agg(w, ' ' ORDER BY w) FROM unnest('{zebra,ärlig,Ast,öl}'::text[]) w", "ärlig Ast öl zebra"},
		pgStep{`SELECT string_agg(w, ' ' ORDER BY w COLLATE "sv-x-icu") FROM unnest('{zebra,ärlig,Ast,öl}'::text[]) w`, "Ast zebra ärlig öl"},
		pgStep{"SELECT 12.5::money, upper('straße'), initcap('öl und tee')", "12,50 €|STRAßE|Öl Und Tee"},
	)
}

func pgEncodings(ctx context.Context, c *container) error {
	return pgAsk(ctx, c,
		pgStep{`SELECT encode(convert_to('お茶', 'SJIS'), 'hex'), encode(convert_to('商店', 'BIG5'), 'hex')`, "82a89283|b0d3a9b1"},
		pgStep{`SELECT encode(convert('\xa4aac3e3'::bytea, 'EUC_JP', 'SJIS'), 'hex')`, "82a89283"},
		pgStep{`SELECT encode(convert_to('8,95 €', 'WIN1252'), 'hex'), convert_from('\xa4', 'LATIN9')`, "382c39352080|€"},
		pgStep{`SELECT encode(convert_to('茶', 'GB18030'), 'hex')`, "b2e8"},
	)
}

func pgCrypto(ctx context.Context, c *container) error {
	return pgAsk(ctx, c,
		pgStep{"SELECT encode(digest('tea', 'sha512'), 'hex') LIKE '%'||right(encode(sha512('tea'), 'hex'), 40), encode(hmac('tea', 'k', 'md5'), 'hex')", "t|6840cee4d3c00b4b45e9cfba697ab766"},
		pgStep{"SELECT crypt('sesame', h) = h, crypt('x', h) = h FROM (SELECT crypt('sesame', gen_salt('bf', 5)) h) t", "t|f"},
		pgStep{"SELECT pgp_sym_decrypt(pgp_sym_encrypt('Tee', 'k', 'compress-algo=1, cipher-algo=aes256'), 'k')", "Tee"},
		pgStep{"SELECT length(gen_random_uuid()::text)", "36"},
	)
}

func pgPython(ctx context.Context, c *container) error {
	return pgAsk(ctx, c, pgStep{`SELECT total('[{"price": "8.95", "count": 2}, {"price": "0.10", "count": 3}]')`, "18.20"})
}

func pgJIT(ctx context.Context, c *container) error {
	conn, err := pgDial(ctx, c.addr(postgresPort), pgStaff)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.steps(pgStep{"SET jit = on; SET jit_above_cost = 0; SET jit_inline_above_cost = 0; SET jit_optimize_above_cost = 0", ""}); err != nil {
		return err
	}
	plan, err := conn.ask("EXPLAIN (ANALYZE) SELECT sum(count * 2 + id % 7) FROM orders WHERE id <= 1000")
	if err == nil && (!strings.Contains(plan, "JIT:") || !strings.Contains(plan, "Inlining true")) {
		err = fmt.Errorf("nothing was compiled: %s", plan)
	}
	return errors.Join(err, conn.steps(pgStep{"SELECT sum(count * 2 + id % 7) FROM orders WHERE id <= 1000", "9003"}))
}

func pgXML(ctx context.Context, c *container) error {
	return pgAsk(ctx, c,
		pgStep{"SELECT xpath('/p/n/text()', '<p><n>Tee</n><n>Tasse</n></p>')", "{Tee,Tasse}"},
		pgStep{"SELECT xmlforest('a<b' AS t), '<a>'::xml IS DOCUMENT", "!2200"},
	)
}

func pgFile(ctx context.Context, c *container) error {
	return pgAsk(ctx, c, pgStep{"SELECT name, euro * 2 FROM price ORDER BY euro", "Große Tasse|17.90\nTeekanne|49.00"})
}

func pgProgram(ctx context.Context, c *container) error {
	return pgAsk(ctx, c,
		pgStep{"COPY (SELECT name FROM product ORDER BY id) TO PROGRAM 'sort > /tmp/names'", ""},
		pgStep{"CREATE TEMP TABLE line (t text); COPY line FROM PROGRAM 'tr a-z A-Z < /tmp/names'; SELECT string_agg(t, ',') FROM line", "GROßE TASSE,TEEKANNE"},
		pgStep{"SELECT lo_unlink(o) FROM (SELECT lo_import('/srv/prices.csv') o) t", "1"},
	)
}

func pgParallel(ctx context.Context, c *container) error {
	return pgAsk(ctx, c,
		pgStep{"SET force_parallel_mode = on; SET parallel_setup_cost = 0; SET min_parallel_table_scan_size = 0; SELECT sum(count) FROM orders WHERE id <= 1000", "3000"},
		pgStep{"SET max_parallel_maintenance_workers = 2; DROP INDEX IF EXISTS by_count; CREATE INDEX by_count ON orders (count)", ""},
	)
}

func pgStatistics(ctx context.Context, c *container) error {
	return pgAsk(ctx, c,
		pgStep{"SELECT count(*) FROM product WHERE id = 4711", "0"},
		pgStep{"SELECT calls >= 1 FROM pg_stat_statements WHERE query = 'SELECT count(*) FROM product WHERE id = $1'", "t"},
	)
}

func pgSecure(ctx context.Context, c *container) error {
	l := pgStaff
	l.tls = true
	conn, err := pgDial(ctx, c.addr(postgresPort), l)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.steps(pgStep{"SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()", "t|TLSv1.3"})
}

func pgWrong(ctx context.Context, c *container) error {
	l := pgStaff
	l.password = "wrong"
	conn, err := pgDial(ctx, c.addr(postgresPort), l)
	if err == nil {
		conn.Close()
	}
	var said *pgError
	if !errors.As(err, &said) || said.code != "28P01" {
		return fmt.Errorf("a wrong password gets %v", err)
	}
	return nil
}

// pgClients is how an operator, and the image's HEALTHCHECK, talk to it.
func pgClients(ctx context.Context, c *container) error {
	for _, t := range []struct {
		argv []string
		want string
	}{
		{[]string{"psql", "-U", "postgres", "-d", "shop", "-Atc", `\dx hstore`}, "hstore|"},
		{[]string{"pg_dump", "-U", "postgres", "-d", "shop", "--table=product", "--inserts"}, "INSERT INTO public.product VALUES (1, 'Teekanne', '\"material\"=>\"Ton\"');"},
		{[]string{"pg_isready", "--username=postgres", "--dbname=shop"}, "/var/run/postgresql:5432"},
	} {
		out, code, err := c.exec(ctx, t.argv...)
		if err == nil && (code != 0 || !strings.Contains(out, t.want)) {
			err = fmt.Errorf("%s ends with %d and says %.300q, want %q", t.argv, code, out, t.want)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func pgRestart(ctx context.Context, c *container) error {
	return c.another(ctx, postgresPort, func(ctx context.Context, second *container) error {
		if err := pgAsk(ctx, second, pgStep{"CREATE TABLE kept AS SELECT 'over the restart' AS t", ""}); err != nil {
			return err
		}
		code, err := second.stop(ctx)
		if err != nil {
			return err
		}
		if code != 0 {
			return fmt.Errorf("it ends with %d: %s", code, second.lastWords())
		}
		if _, err := second.engine(ctx, "start", second.name); err != nil {
			return err
		}
		if err := second.waitReady(ctx, 20*time.Second); err != nil {
			return err
		}
		return pgAsk(ctx, second, pgStep{"SELECT t FROM kept", "over the restart"})
	})
}

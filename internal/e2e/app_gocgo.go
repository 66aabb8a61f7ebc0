package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

const gocgoPort = 8080

func init() {
	register(app{
		name:    "gocgo",
		context: "testdata/images/gocgo",
		core:    true,
		goBuild: []goBuild{{name: "gocgo", pkg: "./testdata/images/gocgo", cgo: true}},
		ports:   []int{gocgoPort},
		single:  []string{"--http", "/"},
		runArgsFor: func(h host) []string {
			return []string{"--dns", h.addr, "--add-host", "db.example.internal:192.0.2.7"}
		},
		ready: func(ctx context.Context, c *container) error {
			_, err := gocgoAsk(ctx, c, "GET", "/stations", "")
			return err
		},
		checks: []check{
			{"hosts, by /etc/hosts, DNS and a module of NSS", gocgoHosts},
			{"services by name", gocgoServices},
			{"who it runs as", gocgoMe},
			{"users of an extra database", gocgoUsers},
			{"time zones by name", gocgoZones},
			{"the time zone of TZ, for Go and for C", gocgoLocalZone},
			{"TLS trusts the system's store, with the house's authority", gocgoTrust},
			{"TLS refuses another name", gocgoDistrust},
			{"character sets, there and back", gocgoCharsets},
			{"a German date, number and order of words", gocgoGerman},
			{"a German error message", gocgoMessage},
			{"SQLite by dlopen, over a data file", gocgoMeans},
			{"a data file", gocgoStations},
			{"notes are kept", gocgoNotes},
			{"the access log", gocgoLog},
		},
		mutate: []string{
			// The first four are those of the core set.
			"/usr/lib/libnss_extrausers.so.2",
			"/usr/lib/x86_64-linux-gnu/libsqlite3.so.0",
			"/usr/lib/x86_64-linux-gnu/gconv/libJIS.so",
			"/usr/share/zoneinfo/Asia/Kathmandu",
			"/srv/weather/bin/weather",
			"/srv/weather/data/stations.json",
			"/srv/weather/data/readings.csv",
			"/srv/weather/tls/server.crt",
			"/etc/nsswitch.conf",
			"/etc/services",
			"/etc/passwd",
			"/etc/group",
			"/usr/lib/x86_64-linux-gnu/libnss_myhostname.so.2",
			"/var/lib/extrausers/passwd",
			"/var/lib/extrausers/group",
			"/usr/share/zoneinfo/America/St_Johns",
			"/usr/share/zoneinfo/Europe/Lisbon",
			"/etc/ssl/certs/ca-certificates.crt",
			"/usr/lib/x86_64-linux-gnu/gconv/EUC-JP.so",
			"/usr/lib/x86_64-linux-gnu/gconv/ISO8859-15.so",
			"/usr/lib/locale/de_DE.utf8/LC_TIME",
			"/usr/lib/locale/de_DE.utf8/LC_COLLATE",
			"/usr/share/locale/de/LC_MESSAGES/libc.mo",
			"/lib64/ld-linux-x86-64.so.2",
			"/var/log/weather",
		},
	})
}

// gocgoAsk is one request; any answer but 200 is an error.
func gocgoAsk(ctx context.Context, c *container, method, path, body string) (string, error) {
	r, err := httpDo(ctx, method, "http://"+c.addr(gocgoPort)+path, nil, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(r.body)
	if r.code != 200 {
		return text, fmt.Errorf("%s: status %d: %.300s", path, r.code, text)
	}
	return text, nil
}

// gocgoWant gets path with a query of name and value pairs and compares the
// whole answer, which is JSON.
func gocgoWant(ctx context.Context, c *container, want, path string, query ...string) error {
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	got, err := gocgoAsk(ctx, c, "GET", path+"?"+values.Encode(), "")
	if err == nil && got != want {
		err = fmt.Errorf("%s?%s answers %s, want %s", path, values.Encode(), got, want)
	}
	return err
}

func gocgoHosts(ctx context.Context, c *container) error {
	if err := serveDNS(c.host().addr); err != nil {
		return err
	}
	got, err := gocgoAsk(ctx, c, "GET", "/host?name=no-such.example", "")
	if err == nil || !strings.Contains(got, "no such host") {
		return fmt.Errorf("a name that no one has: got %s (%v)", got, err)
	}
	return errors.Join(
		gocgoWant(ctx, c, `["192.0.2.7"]`, "/host", "name", "db.example.internal"),
		gocgoWant(ctx, c, `["`+c.host().addr+`"]`, "/host", "name", "db"+dnsZone),
		gocgoHas(ctx, c, `"127.0.0.1"`, "/host?name=localhost"),
		// Neither /etc/hosts nor the name server has it: libnss_myhostname does.
		gocgoHas(ctx, c, `"127.0.0.1"`, "/host?name=upstream.weather.localhost"),
	)
}

func gocgoHas(ctx context.Context, c *container, want, path string) error {
	got, err := gocgoAsk(ctx, c, "GET", path, "")
	if err == nil && !strings.Contains(got, want) {
		err = fmt.Errorf("%s answers %s, without %s", path, got, want)
	}
	return err
}

func gocgoServices(ctx context.Context, c *container) error {
	return errors.Join(
		gocgoWant(ctx, c, "5432", "/service", "proto", "tcp", "name", "postgresql"),
		gocgoWant(ctx, c, "161", "/service", "proto", "udp", "name", "snmp"),
	)
}

// gocgoMe knows no number: the slim image runs as another user.
func gocgoMe(ctx context.Context, c *container) error {
	got, err := gocgoAsk(ctx, c, "GET", "/me", "")
	if err != nil {
		return err
	}
	var group, name, really, uid string
	if _, err := fmt.Sscanf(got, `{"group":%q,"name":%q,"really":%q,"uid":%q}`, &group, &name, &really, &uid); err != nil {
		return fmt.Errorf("%s: %w", got, err)
	}
	if group == "" || name == "" || uid != really {
		return fmt.Errorf("a user without a name, or not who it is: %s", got)
	}
	return nil
}

func gocgoUsers(ctx context.Context, c *container) error {
	return errors.Join(
		gocgoWant(ctx, c, `"forecast is 3001, Forecast jobs, of forecast+meteo, at home in /srv/weather"`, "/user", "name", "forecast"),
		gocgoHas(ctx, c, `"root is 0, root, of root, at home in /root"`, "/user?name=root"),
	)
}

func gocgoZones(ctx context.Context, c *container) error {
	for name, want := range map[string]string{
		"Asia/Kathmandu":      "2024-07-01 17:45:00 +0545 +0545",
		"America/St_Johns":    "2024-07-01 09:30:00 -0230 NDT",
		"Pacific/Chatham":     "2024-07-02 00:45:00 +1245 +1245",
		"Australia/Lord_Howe": "2024-07-01 22:30:00 +1030 +1030",
		"Europe/Berlin":       "2024-07-01 14:00:00 +0200 CEST",
		"UTC":                 "2024-07-01 12:00:00 +0000 UTC",
	} {
		if err := gocgoWant(ctx, c, `"`+want+`"`, "/zone", "name", name, "unix", "1719835200"); err != nil {
			return err
		}
	}
	return nil
}

func gocgoLocalZone(ctx context.Context, c *container) error {
	return errors.Join(
		gocgoWant(ctx, c, `"2024-07-01 13:00:00 +0100 WEST"`, "/zone", "unix", "1719835200"),
		gocgoHas(ctx, c, `"clock":"12:00 WET"`, "/german"),
	)
}

func gocgoTrust(ctx context.Context, c *container) error {
	const want = `"upstream.weather.localhost:8443 over TLS 1.3"`
	return errors.Join(
		gocgoWant(ctx, c, want, "/fetch", "host", "upstream.weather.localhost", "trust", "system"),
		gocgoWant(ctx, c, want, "/fetch", "host", "upstream.weather.localhost", "trust", "bundle"),
	)
}

func gocgoDistrust(ctx context.Context, c *container) error {
	got, err := gocgoAsk(ctx, c, "GET", "/fetch?host=other.localhost", "")
	if err == nil || !strings.Contains(got, "certificate is valid for upstream.weather.localhost, not other.localhost") {
		return fmt.Errorf("got %s (%v), want a refusal", got, err)
	}
	return nil
}

func gocgoCharsets(ctx context.Context, c *container) error {
	for _, t := range []struct{ set, text, hex string }{
		{"EUC-JP", "天気予報", "c5b7b5a4cdbdcaf3"},
		{"ISO-8859-15", "25 €, Œuvre", "323520a42c20bc75767265"},
		{"KOI8-R", "Погода", "f0cfc7cfc4c1"},
		{"UTF-16LE", "☂", "0226"},
		{"IBM037", "WEATHER", "e6c5c1e3c8c5d9"},
	} {
		if err := gocgoWant(ctx, c, fmt.Sprintf(`{"back":"%s","hex":"%s"}`, t.text, t.hex), "/convert", "to", t.set, "text", t.text); err != nil {
			return err
		}
	}
	return nil
}

func gocgoGerman(ctx context.Context, c *container) error {
	return errors.Join(
		gocgoHas(ctx, c, `"day":"Donnerstag, 29. Februar 2024"`, "/german"),
		gocgoHas(ctx, c, `"point":","`, "/german"),
		gocgoHas(ctx, c, `"words":["Apfel","Äpfel","Birne","öde","Zebra"]`, "/german?words="+url.QueryEscape("Zebra öde Äpfel Birne Apfel")),
	)
}

func gocgoMessage(ctx context.Context, c *container) error {
	return gocgoHas(ctx, c, `"error":"Datei oder Verzeichnis nicht gefunden"`, "/german")
}

func gocgoMeans(ctx context.Context, c *container) error {
	return gocgoWant(ctx, c, `["Reykjavík|-0.5","Kathmandu|20.0","São Paulo|28.0"]`, "/means")
}

func gocgoStations(ctx context.Context, c *container) error {
	return gocgoHas(ctx, c, `"Kathmandu":{"zone":"Asia/Kathmandu","altitude":1400}`, "/stations")
}

func gocgoNotes(ctx context.Context, c *container) error {
	_, first := gocgoAsk(ctx, c, "PUT", "/notes/storm", "first")
	_, second := gocgoAsk(ctx, c, "PUT", "/notes/storm", "Böen bis 110 km/h")
	return errors.Join(first, second, gocgoWant(ctx, c, `"Böen bis 110 km/h"`, "/notes/storm"))
}

func gocgoLog(ctx context.Context, c *container) error {
	mark := fmt.Sprintf("/zone?name=UTC&unix=%d", time.Now().Unix())
	_, err := gocgoAsk(ctx, c, "GET", mark, "")
	return errors.Join(err, gocgoHas(ctx, c, `GET `+mark+`\n`, "/log"))
}

package slim

import "github.com/pare-image/pare/layers"

// groupTimeZones is the time zone database: TZ and requests choose (tzset(3)).
// posix/ and right/ hold every zone again, with other leap seconds; they are
// of the group only if one of them was touched.
var groupTimeZones = group{
	name:      "tz",
	triggered: under("/usr/share/zoneinfo", "/etc/localtime", "/etc/timezone"),
	add: func(s *selection, r Reason) {
		skip := func(e *layers.Entry) bool {
			return (e.Path == zoneinfo+"/posix" || e.Path == zoneinfo+"/right") && s.touchedUnder(e.Path) == ""
		}
		s.addTrees(r, skip, zoneinfo)
		s.addFiles(r, "/etc/localtime", "/etc/timezone")
	},
}

const zoneinfo = "/usr/share/zoneinfo"
